"""The life of a payment as one table, for every transaction type.

A pair that does not stand here changes nothing. The state diagram in the documentation is drawn from this table.
`DOUBTFUL` is no answer, a dead link, an answer whose MAC is not good, or a restart: what follows depends on the
type's recovery (reverse, repeat or none), so that no timer ever turns "unknown" into "failed". An offline sale is
`ADVICE_DUE` from the approval by chip or code on: a doubtful answer changes nothing about that, the advice is sent
again. People may speak only of what cannot be asked for any more (`Payment.needs_people`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a payment stands. Only `STARTED` and the final states are known for certain."""

    STARTED = "started"
    SENT = "sent"
    COMPLETING = "completing"
    ADVICE_DUE = "advice due"
    REVERSAL_DUE = "reversal due"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"
    CANCELLED = "cancelled"


FINAL = frozenset({State.APPROVED, State.DECLINED, State.REVERSED, State.CANCELLED})


class Happening(StrEnum):
    """What can happen to a payment."""

    PRESENTED = "card or code presented"
    APPROVED_OFFLINE = "chip or code approves offline"
    GIVEN_UP = "given up before sending"
    APPROVED = "approved"
    APPROVED_CHIP_WAITS = "approved, chip must agree"
    DECLINED = "declined"
    DOUBTFUL = "doubtful: reverse"
    DOUBTFUL_REPEAT = "doubtful: repeat"
    DOUBTFUL_HARMLESS = "doubtful: no money"
    CHIP_AGREED = "chip agreed"
    CHIP_REFUSED = "chip refused"
    REVERSAL_DONE = "reversal answered"
    REVERSAL_REFUSED = "reversal refused"
    ADVICE_REFUSED = "advice refused, not declined"
    RETRY = "its turn to be sent"
    PEOPLE_SAY_BOOKED = "two people: booked"
    PEOPLE_SAY_NOT_BOOKED = "two people: not booked"


class Act(StrEnum):
    """What the terminal does about it; `payment.py` has one function for each."""

    SEND = "persist and send"
    SELL_OFFLINE = "persist the approval, print, owe the advice"
    CANCEL = "persist the cancellation"
    FINISH = "persist the answer and print"
    ASK_CHIP = "persist the answer and ask the chip"
    DECLINE = "persist the answer and tell the chip"
    CERTIFY = "persist the certificate and print"
    REVERSE = "persist and owe the reversal"
    SEND_REVERSAL = "send the reversal, marked as a repeat if it may have been sent"
    REPEAT = "owe the repeat"
    SEND_ADVICE = "send the advice or repeat, marked as one if it may have been sent"
    BOOK_LATE = "persist the answer"
    DECLINE_LATE = "persist the answer, which calls a person"
    CLOSE = "persist the end"
    NOTE = "persist as evidence"
    CALL = "call a person, go on trying"
    CLOSE_BY_PEOPLE = "persist who closed it, and by what"


class Move(NamedTuple):
    """The state after, and what is done on the way."""

    to: State
    act: Act


_S, _H, _A = State, Happening, Act

TABLE: Mapping[tuple[State, Happening], Move] = {
    (_S.STARTED, _H.PRESENTED): Move(_S.SENT, _A.SEND),
    (_S.STARTED, _H.APPROVED_OFFLINE): Move(_S.ADVICE_DUE, _A.SELL_OFFLINE),
    (_S.STARTED, _H.GIVEN_UP): Move(_S.CANCELLED, _A.CANCEL),
    (_S.SENT, _H.APPROVED): Move(_S.APPROVED, _A.FINISH),
    (_S.SENT, _H.APPROVED_CHIP_WAITS): Move(_S.COMPLETING, _A.ASK_CHIP),
    (_S.SENT, _H.DECLINED): Move(_S.DECLINED, _A.DECLINE),
    (_S.SENT, _H.DOUBTFUL): Move(_S.REVERSAL_DUE, _A.REVERSE),
    (_S.SENT, _H.DOUBTFUL_REPEAT): Move(_S.SENT, _A.REPEAT),
    (_S.SENT, _H.DOUBTFUL_HARMLESS): Move(_S.CANCELLED, _A.CANCEL),
    (_S.SENT, _H.RETRY): Move(_S.SENT, _A.SEND_ADVICE),
    (_S.SENT, _H.PEOPLE_SAY_BOOKED): Move(_S.APPROVED, _A.CLOSE_BY_PEOPLE),
    (_S.SENT, _H.PEOPLE_SAY_NOT_BOOKED): Move(_S.DECLINED, _A.CLOSE_BY_PEOPLE),
    (_S.ADVICE_DUE, _H.RETRY): Move(_S.ADVICE_DUE, _A.SEND_ADVICE),
    (_S.ADVICE_DUE, _H.APPROVED): Move(_S.APPROVED, _A.BOOK_LATE),
    (_S.ADVICE_DUE, _H.DECLINED): Move(_S.DECLINED, _A.DECLINE_LATE),
    (_S.ADVICE_DUE, _H.ADVICE_REFUSED): Move(_S.ADVICE_DUE, _A.CALL),
    (_S.ADVICE_DUE, _H.PEOPLE_SAY_BOOKED): Move(_S.APPROVED, _A.CLOSE_BY_PEOPLE),
    (_S.ADVICE_DUE, _H.PEOPLE_SAY_NOT_BOOKED): Move(_S.DECLINED, _A.CLOSE_BY_PEOPLE),
    (_S.COMPLETING, _H.CHIP_AGREED): Move(_S.APPROVED, _A.CERTIFY),
    (_S.COMPLETING, _H.CHIP_REFUSED): Move(_S.REVERSAL_DUE, _A.REVERSE),
    (_S.COMPLETING, _H.DOUBTFUL): Move(_S.REVERSAL_DUE, _A.REVERSE),
    (_S.REVERSAL_DUE, _H.RETRY): Move(_S.REVERSAL_DUE, _A.SEND_REVERSAL),
    (_S.REVERSAL_DUE, _H.REVERSAL_DONE): Move(_S.REVERSED, _A.CLOSE),
    (_S.REVERSAL_DUE, _H.REVERSAL_REFUSED): Move(_S.REVERSAL_DUE, _A.CALL),
    (_S.REVERSAL_DUE, _H.APPROVED): Move(_S.REVERSAL_DUE, _A.NOTE),
    (_S.REVERSAL_DUE, _H.APPROVED_CHIP_WAITS): Move(_S.REVERSAL_DUE, _A.NOTE),
    (_S.REVERSAL_DUE, _H.DECLINED): Move(_S.REVERSAL_DUE, _A.NOTE),
    (_S.REVERSED, _H.APPROVED): Move(_S.REVERSED, _A.NOTE),
    (_S.REVERSED, _H.APPROVED_CHIP_WAITS): Move(_S.REVERSED, _A.NOTE),
    (_S.DECLINED, _H.APPROVED): Move(_S.DECLINED, _A.NOTE),
    (_S.DECLINED, _H.APPROVED_CHIP_WAITS): Move(_S.DECLINED, _A.NOTE),
    (_S.APPROVED, _H.DECLINED): Move(_S.APPROVED, _A.NOTE),
}
