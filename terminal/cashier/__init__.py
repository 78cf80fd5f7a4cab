"""The page that a cashier works with: served by the terminal itself, on loopback, to the browser at the counter.

The page is a view of the machine's state and decides nothing. A press becomes an event for the runner; what the page
shows comes from `Runner.view()` alone, so a reload, a second tab and a restart all show the same.
"""
