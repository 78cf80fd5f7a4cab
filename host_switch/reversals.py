"""Reversals from the terminal: "forget this transaction, whatever became of it". They are always answered 00.

An approved transaction is countered in the ledger and reversed at the issuer; a pending one is reversed at the issuer
without waiting for its answer; an unknown one is remembered, so that the original, should it still come, is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from host_switch.answers import refuse_in_kind, reversal_reply, send_signed
from host_switch.calls import reversal_call
from host_switch.events import CallChannel, Effect, FrameReceived, Persist
from host_switch.facts import Facts
from host_switch.issuer_leg import Step, retry_at
from host_switch.ledger import countering
from host_switch.lifecycle import TABLE, Act, Happening
from host_switch.records import STANDING, VOIDS, Event, Leg, Outcome, Transaction
from host_switch.requests import moved_here, opened, well_formed
from iso8583.transactions import TYPES, TransactionType

DONE, NOT_REVERSIBLE, WRONG_OPERATION, CONFLICT = "00", "12", "22", "94"


def reversal(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide a reversal whose MAC is good."""
    if not well_formed(event.message, rules):
        return refuse_in_kind(event, facts.caller, "30", "fields missing or too many")
    stored = facts.stored
    if stored is None:
        return _remember(event, rules, facts, now)
    if stored.amount != int(event.message.text(4)) or stored.merchant != event.message[42]:
        return _conflict(event, stored, facts, now)
    if stored.reversal_reply:
        return _send(moved_here(stored, event), stored.reversal_reply, facts)
    if TYPES[stored.kind].recovery == "repeat":
        return _refuse(event, stored, NOT_REVERSIBLE, facts, now)
    given_back = _given_back(stored, facts)
    if given_back:
        return _already_given_back(event, stored, given_back, facts, now)
    return _reverse(event, stored, facts, now)


def _remember(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    row = opened(event, rules, facts, now)
    reply = reversal_reply(row, event.message, DONE, facts, now)
    row = replace(row.without_card(), outcome=Outcome.REVERSED, leg=Leg.NONE, due_at=None, reversal_reply=reply)
    return Persist((row,)), *_send(row, row.reversal_reply, facts)


def _conflict(event: FrameReceived, stored: Transaction, facts: Facts, now: float) -> tuple[Effect, ...]:
    note = Event("security", "same key, other content", stored.key, now)
    return Persist((note,)), *_refuse(event, stored, CONFLICT, facts, now)


def _refuse(event: FrameReceived, stored: Transaction, code: str, facts: Facts, now: float) -> tuple[Effect, ...]:
    return _send(moved_here(stored, event), reversal_reply(stored, event.message, code, facts, now), facts)


def _given_back(stored: Transaction, facts: Facts) -> str:
    """What already gave the money of this sale back, in whole ("void") or in part ("refund")."""
    kinds = {row.kind for row in facts.dependants if row.outcome in STANDING and stored.outcome is Outcome.APPROVED}
    if kinds & VOIDS:
        return "void"
    return "refund" if kinds else ""


def _already_given_back(
    event: FrameReceived, stored: Transaction, by: str, facts: Facts, now: float
) -> tuple[Effect, ...]:
    """A terminal that voided or refunded a sale knew that it stood, so it has no reason to reverse it."""
    note = Event("attention", f"reversal after {by}", stored.key, now)
    code = DONE if by == "void" else WRONG_OPERATION
    return Persist((note,)), *_refuse(event, stored, code, facts, now)


def _reverse(event: FrameReceived, stored: Transaction, facts: Facts, now: float) -> tuple[Effect, ...]:
    here = moved_here(stored, event)
    move = TABLE.get((stored.outcome, stored.leg, Happening.REVERSAL_ASKED))
    assert move is not None, "a transaction without an answered reversal can be reversed from every state"
    reply = reversal_reply(stored, event.message, DONE, facts, now)
    here = replace(here.without_card(), reversal_reply=reply)
    return _ACTS[move.act](Step(here, move, facts, now))


# --- acts -------------------------------------------------------------------------------------------------------------


def _confirm(step: Step) -> tuple[Effect, ...]:
    row = step.moved(step.row.due_at if step.move.leg is Leg.REVERSAL_DUE else None)
    return Persist((row,)), *_send(row, row.reversal_reply, step.facts)


def _cancel(step: Step) -> tuple[Effect, ...]:
    row = _owing(step)
    return Persist((row,)), *_send(row, row.reversal_reply, step.facts), CallChannel(reversal_call(row, "98"))


def _counter(step: Step) -> tuple[Effect, ...]:
    row = _owing(step)
    persist = Persist((row, countering(row, step.now), *step.after_closing("reversed")))
    return persist, *_send(row, row.reversal_reply, step.facts), CallChannel(reversal_call(row, "98"))


def _owing(step: Step) -> Transaction:
    return step.moved(retry_at(step.facts.policy, 1, step.now), attempts=1)


_ACTS: Mapping[Act, Callable[[Step], tuple[Effect, ...]]] = {
    Act.CONFIRM: _confirm,
    Act.CANCEL: _cancel,
    Act.COUNTER: _counter,
}


def _send(row: Transaction, body: bytes, facts: Facts) -> tuple[Effect, ...]:
    return send_signed(row, body, facts.caller)


