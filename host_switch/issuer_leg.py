"""The way between us and the issuer: its answers, its silence, and what we owe it until it answers.

Every function here is one `Act` of the table in `lifecycle.py`. What we owe is repeated with growing pauses up to a
cap, and never given up. A second answer that differs from the first changes no money: it becomes an event for a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from host_switch.answers import financial_reply, send_signed
from host_switch.calls import advice_call, reversal_call
from host_switch.channels import ChannelAnswer
from host_switch.checks import is_closed
from host_switch.events import CallChannel, ChannelAnswered, ChannelUnavailable, Due, Effect, Persist, Report
from host_switch.facts import Facts, Policy
from host_switch.ledger import booking
from host_switch.lifecycle import TABLE, Act, Happening, Move
from host_switch.records import Event, Outcome, Transaction
from iso8583.response_codes import RESPONSE_CODES, REVERSAL_DONE, Action
from iso8583.transactions import TYPES

TIMED_OUT, UNAVAILABLE, FAULT = "98", "91", "96"
_PARTIAL = "10"  # we never ask for it, so nobody could be told the smaller amount
_UNUSABLE = frozenset({Action.REVERSE, Action.SIGN_ON, Action.STOP})  # they speak of our terminal, not of the card


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table about to be carried out. `code` is what the terminal will be told."""

    row: Transaction
    move: Move
    facts: Facts
    now: float
    code: str = ""
    answer: ChannelAnswer | None = None

    def moved(self, due_at: float | None = None, **changed: Any) -> Transaction:
        """The row after the move, with the time of the next attempt if something is owed, and other changes."""
        return replace(self.row, outcome=self.move.outcome, leg=self.move.leg, due_at=due_at, **changed)

    def event(self, severity_kind: str) -> Event:
        """A contradiction or a debt for the attention list."""
        text = self.answer.code if self.answer else ""
        return Event("attention", severity_kind, self.row.key, self.now, text)

    def after_closing(self, what: str) -> tuple[Event, ...]:
        """What people are told if this changes the sums of a batch that terminal and host have closed."""
        terminal = self.facts.terminal
        closed = terminal is not None and is_closed(terminal.batch, self.row.key.batch)
        return (self.event(f"{what} after its batch was closed"),) if closed else ()


def answered(event: ChannelAnswered, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide an answer of the issuer."""
    row, answer = facts.stored, event.answer
    if row is None or row.key.terminal != answer.terminal:
        return (Report("attention", "answer to nothing we asked", terminal=answer.terminal, code=answer.code),)
    happening = _reversal_answer(answer) if answer.reverse else _first_answer(row, answer)
    code = FAULT if happening is Happening.DOUBTFUL else answer.code
    return _carry_out(row, happening, facts, now, code, answer)


def _reversal_answer(answer: ChannelAnswer) -> Happening:
    return Happening.REVERSAL_CONFIRMED if answer.code in REVERSAL_DONE else Happening.REVERSAL_REFUSED


def _first_answer(row: Transaction, answer: ChannelAnswer) -> Happening:
    known = RESPONSE_CODES.get(answer.code)
    if known is None or known.action in _UNUSABLE or answer.code == _PARTIAL:
        return Happening.DOUBTFUL
    if known.action is Action.RETRY_LATER and TYPES[row.kind].is_offline:
        return Happening.DOUBTFUL  # of goods that are gone, "not now" is no answer
    if known.action not in {Action.APPROVE, Action.ACCEPT}:
        return Happening.DECLINED
    return Happening.APPROVED if answer.amount == row.amount else Happening.DOUBTFUL


def unavailable(event: ChannelUnavailable, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide about a call that never left. What is owed anyway stays so: its due time is already set."""
    if facts.stored is None or event.call.reverse:
        return ()
    return _carry_out(facts.stored, Happening.UNAVAILABLE, facts, now, UNAVAILABLE)


def due(event: Due, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide about a transaction whose due time has come; it may have been dealt with since the timer rang."""
    row = facts.stored
    if row is None or row.due_at is None or (row.due_at > now and not event.early):
        return ()
    return _carry_out(row, Happening.OVERDUE, facts, now, TIMED_OUT)


def _carry_out(
    row: Transaction, happening: Happening, facts: Facts, now: float, code: str, answer: ChannelAnswer | None = None
) -> tuple[Effect, ...]:
    if row.outcome is not Outcome.PENDING and TYPES[row.kind].recovery == "none":
        return ()  # an inquiry that is over: nothing moved, so nothing can be late
    move = TABLE.get((row.outcome, row.leg, happening))
    return _ACTS[move.act](Step(row, move, facts, now, code, answer)) if move else ()


# --- acts -------------------------------------------------------------------------------------------------------------


def _answer(step: Step) -> tuple[Effect, ...]:
    told = _told(step)
    return Persist((told,)), *_reply(told, step.facts)


def _book(step: Step) -> tuple[Effect, ...]:
    told = _told(step)
    return Persist((told, booking(told, step.now), *step.after_closing("booked"))), *_reply(told, step.facts)


def _give_up(step: Step) -> tuple[Effect, ...]:
    told = _told(step, due_at=retry_at(step.facts.policy, 1, step.now), attempts=1)
    return Persist((told,)), *_reply(told, step.facts), CallChannel(reversal_call(told, step.code))


def _told(step: Step, **changed: Any) -> Transaction:
    """The row after the move with the terminal's answer in it; whatever the issuer named is kept."""
    answer = step.answer
    named: dict[str, Any] = {"auth_code": answer.auth_code, "voucher": answer.voucher} if answer else {}
    reply = financial_reply(step.row, step.code, step.facts, step.now, answer)
    return step.moved(response_code=step.code, reply=reply, **named, **changed).without_card()


def _reply(row: Transaction, facts: Facts) -> tuple[Effect, ...]:
    return send_signed(row, row.reply, facts.terminal) if facts.terminal else ()


def _call_again(step: Step) -> tuple[Effect, ...]:
    row = _next_attempt(step)
    return Persist((row,)), CallChannel(advice_call(row))


def _call_reversal(step: Step) -> tuple[Effect, ...]:
    row = _next_attempt(step)
    return Persist((row,)), CallChannel(reversal_call(row, TIMED_OUT, repeat=True))


def _next_attempt(step: Step) -> Transaction:
    attempts = step.row.attempts + 1
    return step.moved(retry_at(step.facts.policy, attempts, step.now), attempts=attempts)


def _reverse_late(step: Step) -> tuple[Effect, ...]:
    row = step.moved(retry_at(step.facts.policy, 1, step.now), attempts=1)
    return Persist((row, step.event("late approval reversed"))), CallChannel(reversal_call(row, TIMED_OUT))


def _note_late(step: Step) -> tuple[Effect, ...]:
    return (Persist((step.event("late approval"),)),)


def _compare(step: Step) -> tuple[Effect, ...]:
    assert step.answer is not None
    same = (step.answer.code, step.answer.auth_code) == (step.row.response_code, step.row.auth_code)
    return () if same else _contradict(step)


def _contradict(step: Step) -> tuple[Effect, ...]:
    return (Persist((step.event("issuer contradicts itself"),)),)


def _close(step: Step) -> tuple[Effect, ...]:
    return (Persist((step.moved(),)),)


def _attention(step: Step) -> tuple[Effect, ...]:
    """Tell once; the debt stays, and so does its due time."""
    return (Persist((step.event("issuer refuses what must be"),)),) if step.row.attempts == 1 else ()


_ACTS: Mapping[Act, Callable[[Step], tuple[Effect, ...]]] = {
    Act.ANSWER: _answer,
    Act.BOOK: _book,
    Act.GIVE_UP: _give_up,
    Act.CALL_AGAIN: _call_again,
    Act.CALL_REVERSAL: _call_reversal,
    Act.REVERSE_LATE: _reverse_late,
    Act.NOTE_LATE: _note_late,
    Act.COMPARE: _compare,
    Act.CONTRADICT: _contradict,
    Act.CLOSE: _close,
    Act.ATTENTION: _attention,
}


def retry_at(policy: Policy, attempts: int, now: float) -> float:
    """When to try again after so many attempts: the pause doubles up to the cap."""
    pause = policy.retry_first_s * 2.0 ** min(attempts - 1, 30)
    return now + min(pause, policy.retry_last_s)
