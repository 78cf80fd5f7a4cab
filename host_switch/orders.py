"""What people at the host order: registering a terminal, and asking one to do something."""

from dataclasses import replace

from host_switch.events import CommandGiven, Effect, Persist, TerminalRegistered
from host_switch.facts import Facts
from host_switch.records import Terminal

# What a terminal can be asked to do, and the header digit that says so. The host serves no downloads yet, so it offers
# none of the other digits.
COMMANDS = {"none": "0", "sign-on": "3"}


def command_given(event: CommandGiven, facts: Facts) -> tuple[Effect, ...]:
    """Put a command into every answer to the terminal until it obeys."""
    if facts.terminal is None:
        return ()
    return (Persist((replace(facts.terminal, command=event.command),)),)


def terminal_registered(event: TerminalRegistered, facts: Facts) -> tuple[Effect, ...]:
    """Register a terminal. Registering it again keeps its batch, and makes it sign on under the new master key."""
    known = facts.terminal or Terminal(event.terminal, event.merchant, event.master_key)
    registered = replace(known, merchant=event.merchant, master_key=event.master_key, keys=None, sign_on_trace="")
    return (Persist((registered,)),)
