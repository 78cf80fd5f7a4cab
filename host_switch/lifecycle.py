"""The life of a transaction at the host as one table, for every transaction type.

A transaction stands in two places at once: what the terminal is told (`Outcome`) and how we stand with the issuer
(`Leg`). A pair of state and happening that is not in the table changes nothing. The diagram in the documentation is
drawn from it. Where a type needs no recovery (an inquiry) its leg is NONE: whatever happens, nothing is owed.

Three rules show in the table. No timer closes the unknown: silence of the issuer (`OVERDUE`) declines towards the
terminal, and at the same time makes a reversal due until the issuer answers it. A refund is never declined by
silence: it stays pending and is repeated. An approval that comes too late is reversed again, whatever came before.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from host_switch.records import Leg, Outcome


class Happening(StrEnum):
    """What can happen to a transaction after it was accepted."""

    APPROVED = "issuer approves"
    DECLINED = "issuer declines"
    DOUBTFUL = "issuer's answer cannot be used"
    UNAVAILABLE = "call never left"
    OVERDUE = "due time passes"
    REVERSAL_ASKED = "terminal reverses"
    REVERSAL_CONFIRMED = "issuer confirms the reversal"
    REVERSAL_REFUSED = "issuer refuses the reversal"


class Act(StrEnum):
    """What the host does about it; `issuer_leg.py` and `reversals.py` have one function for each."""

    BOOK = "book and answer"
    ANSWER = "answer"
    GIVE_UP = "answer 98, call the reversal"
    CALL_AGAIN = "call again"
    CONFIRM = "answer the reversal 00"
    CANCEL = "answer the reversal 00, call it"
    COUNTER = "counter the booking, answer 00, call the reversal"
    CALL_REVERSAL = "call the reversal again"
    REVERSE_LATE = "note the late approval, call the reversal"
    NOTE_LATE = "note the late approval"
    COMPARE = "note a contradiction, if it is one"
    CONTRADICT = "note the contradiction"
    CLOSE = "debt paid"
    ATTENTION = "tell a person, go on trying"


class Move(NamedTuple):
    """The state after, and what is done on the way."""

    outcome: Outcome
    leg: Leg
    act: Act


State = tuple[Outcome, Leg]

_O, _L, _H, _A = Outcome, Leg, Happening, Act

_ASKED: Mapping[tuple[Outcome, Leg, Happening], Move] = {
    (_O.PENDING, _L.CALLED, _H.APPROVED): Move(_O.APPROVED, _L.ANSWERED, _A.BOOK),
    (_O.PENDING, _L.CALLED, _H.DECLINED): Move(_O.DECLINED, _L.ANSWERED, _A.ANSWER),
    (_O.PENDING, _L.CALLED, _H.DOUBTFUL): Move(_O.DECLINED, _L.REVERSAL_DUE, _A.GIVE_UP),
    (_O.PENDING, _L.CALLED, _H.UNAVAILABLE): Move(_O.DECLINED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.CALLED, _H.OVERDUE): Move(_O.DECLINED, _L.REVERSAL_DUE, _A.GIVE_UP),
    (_O.PENDING, _L.CALLED, _H.REVERSAL_ASKED): Move(_O.REVERSED, _L.REVERSAL_DUE, _A.CANCEL),
    (_O.APPROVED, _L.ANSWERED, _H.APPROVED): Move(_O.APPROVED, _L.ANSWERED, _A.COMPARE),
    (_O.APPROVED, _L.ANSWERED, _H.DECLINED): Move(_O.APPROVED, _L.ANSWERED, _A.CONTRADICT),
    (_O.APPROVED, _L.ANSWERED, _H.DOUBTFUL): Move(_O.APPROVED, _L.ANSWERED, _A.CONTRADICT),
    (_O.APPROVED, _L.ANSWERED, _H.REVERSAL_ASKED): Move(_O.REVERSED, _L.REVERSAL_DUE, _A.COUNTER),
    (_O.DECLINED, _L.ANSWERED, _H.APPROVED): Move(_O.DECLINED, _L.REVERSAL_DUE, _A.REVERSE_LATE),
    (_O.DECLINED, _L.ANSWERED, _H.REVERSAL_ASKED): Move(_O.DECLINED, _L.ANSWERED, _A.CONFIRM),
    (_O.DECLINED, _L.NONE, _H.APPROVED): Move(_O.DECLINED, _L.REVERSAL_DUE, _A.REVERSE_LATE),
    (_O.DECLINED, _L.NONE, _H.REVERSAL_ASKED): Move(_O.DECLINED, _L.NONE, _A.CONFIRM),
}

_INQUIRY: Mapping[tuple[Outcome, Leg, Happening], Move] = {
    (_O.PENDING, _L.NONE, _H.APPROVED): Move(_O.APPROVED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.NONE, _H.DECLINED): Move(_O.DECLINED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.NONE, _H.DOUBTFUL): Move(_O.DECLINED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.NONE, _H.UNAVAILABLE): Move(_O.DECLINED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.NONE, _H.OVERDUE): Move(_O.DECLINED, _L.NONE, _A.ANSWER),
    (_O.PENDING, _L.NONE, _H.REVERSAL_ASKED): Move(_O.REVERSED, _L.NONE, _A.CONFIRM),
    (_O.APPROVED, _L.NONE, _H.REVERSAL_ASKED): Move(_O.REVERSED, _L.NONE, _A.CONFIRM),
}

_ADVICE: Mapping[tuple[Outcome, Leg, Happening], Move] = {
    (_O.PENDING, _L.ADVICE_DUE, _H.APPROVED): Move(_O.APPROVED, _L.ANSWERED, _A.BOOK),
    (_O.PENDING, _L.ADVICE_DUE, _H.DECLINED): Move(_O.DECLINED, _L.ANSWERED, _A.ANSWER),
    (_O.PENDING, _L.ADVICE_DUE, _H.DOUBTFUL): Move(_O.PENDING, _L.ADVICE_DUE, _A.ATTENTION),
    (_O.PENDING, _L.ADVICE_DUE, _H.OVERDUE): Move(_O.PENDING, _L.ADVICE_DUE, _A.CALL_AGAIN),
}


def _reversal_rows(outcome: Outcome) -> dict[tuple[Outcome, Leg, Happening], Move]:
    """The debt of a reversal, the same whether the terminal was told "declined" or "reversed"."""
    return {
        (outcome, _L.REVERSAL_DUE, _H.APPROVED): Move(outcome, _L.REVERSAL_DUE, _A.NOTE_LATE),
        (outcome, _L.REVERSAL_DUE, _H.OVERDUE): Move(outcome, _L.REVERSAL_DUE, _A.CALL_REVERSAL),
        (outcome, _L.REVERSAL_DUE, _H.REVERSAL_CONFIRMED): Move(outcome, _L.REVERSED, _A.CLOSE),
        (outcome, _L.REVERSAL_DUE, _H.REVERSAL_REFUSED): Move(outcome, _L.REVERSAL_DUE, _A.ATTENTION),
        (outcome, _L.REVERSAL_DUE, _H.REVERSAL_ASKED): Move(outcome, _L.REVERSAL_DUE, _A.CONFIRM),
        (outcome, _L.REVERSED, _H.APPROVED): Move(outcome, _L.REVERSAL_DUE, _A.REVERSE_LATE),
        (outcome, _L.REVERSED, _H.REVERSAL_ASKED): Move(outcome, _L.REVERSED, _A.CONFIRM),
    }


TABLE: Mapping[tuple[Outcome, Leg, Happening], Move] = {
    **_ASKED, **_INQUIRY, **_ADVICE, **_reversal_rows(Outcome.DECLINED), **_reversal_rows(Outcome.REVERSED),
}  # fmt: skip

# A row in one of these owes something, and has a due time; in all others it must not have one.
OPEN: frozenset[State] = frozenset(
    {
        (_O.PENDING, _L.CALLED), (_O.PENDING, _L.NONE), (_O.PENDING, _L.ADVICE_DUE),
        (_O.DECLINED, _L.REVERSAL_DUE), (_O.REVERSED, _L.REVERSAL_DUE),
    }
)  # fmt: skip
