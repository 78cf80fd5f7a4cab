"""What the host's answer to a payment says: about its amount, its balance, and about goods that are gone already."""

from iso8583 import Iso8583Error, Message
from iso8583.response_codes import UPLOAD_DONE, Action, meaning
from iso8583.unionpay import Balance54
from terminal.book import Payment
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


def amount_fits(payment: Payment, answer: Message) -> bool:
    """The amount is that of the request, or a part of it if the answer says so."""
    amount = int(answer.text(4, str(payment.amount)))
    if answer.get(39) == PARTIAL:
        return 0 < amount < payment.amount
    return payment.rules.direction == "none" or amount == payment.amount


def balance_in(answer: Message) -> int | None:
    """The balance that an answer brings; None if it brings none that can be read."""
    try:
        return Balance54.parse(answer.text(54, "")[:20]).amount
    except Iso8583Error:
        return None
