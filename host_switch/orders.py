"""What people at the host order: registering a terminal, giving it parameters, and asking it to do something.

What a terminal is asked for last stands in every answer until it has been obeyed; then what it was asked for before.
"""

from dataclasses import replace

from host_switch.events import CommandGiven, DownloadGiven, Effect, ParametersGiven, Persist, TerminalRegistered
from host_switch.facts import Facts
from host_switch.records import APPLICATIONS, BLACK_LIST, CA_KEYS, Terminal

# What a terminal can be asked to do, and the header digit that says so: what the host can also serve. Programs (6) it
# does not serve, so it does not offer that digit.
COMMANDS = {
    "none": "0", "parameters": "1", "status": "2", "sign-on": "3", CA_KEYS: "4", APPLICATIONS: "5", BLACK_LIST: "7",
}  # fmt: skip


def command_given(event: CommandGiven, facts: Facts) -> tuple[Effect, ...]:
    """Put a command before those that wait for the terminal; "0" takes them all back."""
    if facts.terminal is None:
        return ()
    taken_back = event.command == COMMANDS["none"]
    asked = replace(facts.terminal, commands="") if taken_back else facts.terminal.asked(event.command)
    return (Persist((asked,)),)


def parameters_given(event: ParametersGiven, facts: Facts) -> tuple[Effect, ...]:
    """Keep a terminal's parameters, all of them anew, and ask it to fetch them."""
    if facts.terminal is None:
        return ()
    given = replace(facts.terminal, parameters=event.parameters)
    return (Persist((given.asked(COMMANDS["parameters"]),)),)


def download_given(event: DownloadGiven) -> tuple[Effect, ...]:
    """Keep what terminals shall download, in place of what was there."""
    return (Persist((event.download,)),)


def terminal_registered(event: TerminalRegistered, facts: Facts) -> tuple[Effect, ...]:
    """Register a terminal. Registering it again keeps its batch, and makes it sign on under the new master key.

    It is asked to download all that there is: a new terminal has nothing, and one that was given new keys cannot trust
    what it has.
    """
    known = facts.terminal or Terminal(event.terminal, event.merchant, event.master_key)
    registered = replace(known, merchant=event.merchant, master_key=event.master_key, keys=None, sign_on_trace="")
    for kind in facts.downloads:
        registered = registered.asked(COMMANDS[kind])
    return (Persist((registered,)),)
