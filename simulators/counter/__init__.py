"""The simulated devices of one counter in one process: card slot, PIN pad, customer's phone, scanner, printer.

They stand where real ones would: cards connect to the reader's port, PIN pad and scanner are serial lines under a
stable path, the printer listens on TCP. A small web page works them by hand, its JSON door by script. Loopback only.
"""
