"""What the host's answer to a payment says: about its amount, its balance, and about goods that are gone already."""

from iso8583 import Iso8583Error, Message
from iso8583.response_codes import REVERSAL_DONE, UPLOAD_DONE, Action, meaning
from iso8583.unionpay import Balance54
from terminal.book import Payment
from terminal.events import Received
from terminal.forwarding import Word
from terminal.records import Answered
from terminal.transitions import Happening

PARTIAL = "10"
APPROVING = frozenset({Action.APPROVE, Action.ACCEPT})
DECLINING = frozenset({Action.DECLINE, Action.CAPTURE, Action.RETRY_PIN})


def judge_advice(answer: Message, code: str) -> Happening:
    """What the host says of goods that are gone: booked, declined by the bank, or neither, which is no end."""
    action = meaning(code).action
    if code in UPLOAD_DONE or (action in APPROVING and code != PARTIAL):
        return Happening.APPROVED if 37 in answer else Happening.DOUBTFUL_REPEAT
    if action in DECLINING:
        return Happening.DECLINED
    return Happening.DOUBTFUL_REPEAT if action is Action.RETRY_LATER else Happening.ADVICE_REFUSED


def judge_reversal(answer: Received) -> Happening:
    """What the host says of a reversal: done (also: never heard of that payment), or not, which is no end."""
    done = answer.mac == "good" and answer.message.get(39) in REVERSAL_DONE
    return Happening.REVERSAL_DONE if done else Happening.REVERSAL_REFUSED


def word_of(happening: Happening, answer: Message) -> Word:
    """What a good answer means for the timetable of what is owed."""
    if happening in (Happening.ADVICE_REFUSED, Happening.REVERSAL_REFUSED):
        return "not now" if meaning(answer.text(39, "")).action is Action.RETRY_LATER else "no"
    return "not now" if happening is Happening.DOUBTFUL_REPEAT else "end"


def amount_fits(payment: Payment, answer: Message) -> bool:
    """The amount is that of the request, or a part of it if the answer says so."""
    amount = int(answer.text(4, str(payment.amount)))
    if answer.get(39) == PARTIAL:
        return 0 < amount < payment.amount
    return payment.rules.direction == "none" or amount == payment.amount


def _balance_in(answer: Message) -> int | None:
    if 54 not in answer:
        return None
    try:
        return Balance54.parse(answer.text(54, "")[:20]).amount
    except Iso8583Error:
        return None


def answered(
    payment: Payment, answer: Message | None, approved: bool, now: float, card_waits: bool = False
) -> Answered:
    """The record of an answer; `card_waits`: the chip has yet to agree."""
    assert answer is not None, "the table answers only with an answer"
    return Answered(
        payment.key, approved, answer.text(39, ""), now,
        amount=int(answer.get(4, f"{payment.amount:012d}")) if approved else payment.amount,
        reference=answer.text(37, ""), authorisation=answer.text(38, ""),
        host_time=answer.text(12, ""), host_date=answer.text(13, ""),
        issuer=answer.text(44, ""), text=answer.text(63, ""), balance=_balance_in(answer),
        card_waits=card_waits,
    )  # fmt: skip
