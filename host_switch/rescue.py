"""What a terminal still owed when it broke down: its messages, sealed by it, brought here in a file or by a neighbour.

A sealed message is opened with the terminal's master key, and then decided like any other of that terminal: under its
own key, so that what has been heard of before gets the same answer, and what was not is booked once. The seal stands
for its MAC, for the working keys of a broken terminal are gone.
"""

from dataclasses import replace

from host_switch.answers import refuse
from host_switch.events import Decide, Decision, Effect, FrameReceived, MessageRescued, Persist, Report
from host_switch.facts import Facts
from host_switch.frames import decoded
from host_switch.records import Transaction
from iso8583 import Iso8583Error
from iso8583.rescue import TERMINAL_CHARACTERS, unseal
from iso8583.transactions import missing_fields

TAKEN, KNOWN, REFUSED = "taken", "known", "refused"


def carried(event: FrameReceived) -> tuple[Effect, ...]:
    """Take a sealed message of another terminal from one that carries it: its id and the message in field 62."""
    assert event.rules is not None
    if missing_fields(event.message, event.rules):
        return refuse(event, "30", kind="fields missing or too many")
    field62 = event.message.binary(62)
    terminal = field62[:TERMINAL_CHARACTERS].decode("ascii", "replace")
    return (Decide(MessageRescued(terminal, field62[TERMINAL_CHARACTERS:], event.connection)),)


def opened(event: MessageRescued, facts: Facts) -> tuple[Effect, ...]:
    """Open it, and have what it holds decided."""
    if facts.terminal is None:
        return (_report(event, "rescued message of an unknown terminal"),)
    try:
        frame = unseal(facts.terminal.master_key, event.terminal, event.sealed)
        inside = decoded(event.connection, frame)
    except Iso8583Error:
        return (_report(event, "rescued message that does not open"),)
    if inside.message.get(41) != event.terminal or inside.rules is None or not inside.rules.mac:
        return (_report(event, "rescued message that is none of a sale"),)
    return (Decide(replace(inside, rescued=True)),)


def outcome(decision: Decision) -> str:
    """What became of a rescued message: ``taken``, ``known`` before, or ``refused`` with the reason."""
    for effect in decision.effects:
        if isinstance(effect, Report):
            return f"{REFUSED}: {effect.kind} {effect.code}".rstrip()
        if isinstance(effect, Persist) and any(isinstance(change, Transaction) for change in effect.changes):
            return TAKEN
    return KNOWN


def _report(event: MessageRescued, kind: str) -> Report:
    return Report("security", kind, event.connection, event.terminal)
