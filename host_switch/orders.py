"""What people at the host order: registering a terminal, giving it parameters, and asking it to do something."""

from dataclasses import replace

from host_switch.events import CommandGiven, Effect, ParametersGiven, Persist, TerminalRegistered
from host_switch.facts import Facts
from host_switch.records import Terminal

# What a terminal can be asked to do, and the header digit that says so: what the host can also serve. Public keys, chip
# parameters, programs and black lists (4 to 7) it does not serve yet, so it offers none of those digits.
COMMANDS = {"none": "0", "parameters": "1", "status": "2", "sign-on": "3"}


def command_given(event: CommandGiven, facts: Facts) -> tuple[Effect, ...]:
    """Put a command into every answer to the terminal until it obeys."""
    if facts.terminal is None:
        return ()
    return (Persist((replace(facts.terminal, command=event.command),)),)


def parameters_given(event: ParametersGiven, facts: Facts) -> tuple[Effect, ...]:
    """Keep a terminal's parameters, all of them anew, and ask it to fetch them."""
    if facts.terminal is None:
        return ()
    given = replace(facts.terminal, parameters=event.parameters, command=COMMANDS["parameters"])
    return (Persist((given,)),)


def terminal_registered(event: TerminalRegistered, facts: Facts) -> tuple[Effect, ...]:
    """Register a terminal. Registering it again keeps its batch, and makes it sign on under the new master key."""
    known = facts.terminal or Terminal(event.terminal, event.merchant, event.master_key)
    registered = replace(known, merchant=event.merchant, master_key=event.master_key, keys=None, sign_on_trace="")
    return (Persist((registered,)),)
