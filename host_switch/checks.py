"""May it be? The checks of a financial request, in tables, in the order in which they are made.

Each returns the response code of a refusal, or "".
"""

from collections.abc import Callable, Mapping, Sequence

from host_switch.events import FrameReceived
from host_switch.facts import Facts, batch_number
from host_switch.payer import card_number, scanned_code, signed_code
from host_switch.records import STANDING, VOIDS, Outcome
from iso8583.masking import mask_pan
from iso8583.transactions import TransactionType

_GIVES_BACK: Mapping[str, tuple[str, ...]] = {
    "sale_void": ("sale",), "refund": ("sale", "offline_sale"), "qr_void": ("qr_sale",),
    "qr_refund": ("qr_sale", "offline_code_sale"),
}  # fmt: skip

LAST_BATCH = 999_999

Check = Callable[[FrameReceived, TransactionType, Facts], str]


def _merchant(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    return "" if event.message[42] == facts.caller.merchant else "03"


def _batch(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    """The batch that is closed next, or one of those after it: a terminal that could not settle has begun others."""
    ahead = batches_ahead(facts.caller.batch, batch_number(event.message))
    return "" if ahead is not None and ahead <= facts.policy.batches_ahead_max else "77"


def batches_ahead(open_batch: str, number: str) -> int | None:
    """How many batches lie between the open one and that of this number; None of 000000, which no batch has."""
    return (int(number) - int(open_batch)) % LAST_BATCH if int(number) else None


def is_closed(open_batch: str, number: str) -> bool:
    """Whether a batch of this number, of which something is booked, lies before the open one."""
    return (batches_ahead(open_batch, number) or 0) > LAST_BATCH // 2


def _currency(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    return "" if event.message[49] == facts.policy.currency else "A1"


def _amount(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    if rules.direction == "none":
        return ""
    amount = int(event.message.text(4))
    if amount == 0:
        return "13"
    return "61" if amount > facts.policy.amount_max and not rules.is_offline else ""


def _means(event: FrameReceived, rules: TransactionType, _facts: Facts) -> str:
    if rules.scan:
        code = signed_code(event.message) if rules.is_offline else scanned_code(event.message)
        return "" if code else "30"
    return "14" if rules.one_of and not card_number(event.message) else ""


def _original(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    """A sale of this merchant that stands, named by reference (F37), by batch and trace (F61), and by its voucher."""
    sale, message = facts.original, event.message
    if sale is None or sale.outcome is not Outcome.APPROVED or sale.kind not in _GIVES_BACK[rules.name]:
        return "25"
    named = message.text(61)[:12] == sale.key.batch + sale.key.trace and message[42] == sale.merchant
    if rules.scan:
        named = named and scanned_code(message) in {sale.reference, sale.voucher}
    elif card_number(message) and sale.masked != mask_pan(card_number(message)):
        return "14"
    return "" if named else "25"


def _void_of(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    """Only the same terminal, the same batch, the equal amount, once, and not after a refund."""
    sale = facts.original
    assert sale is not None
    if (sale.key.terminal, sale.key.batch) != (facts.caller.id, batch_number(event.message)):
        return "25"
    if int(event.message.text(4)) != sale.amount:
        return "64"
    return "12" if any(row.outcome in STANDING for row in facts.dependants) else ""


def _refund_of(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    """Never more than was paid, counting refunds still under way; nothing after a void."""
    sale = facts.original
    assert sale is not None
    standing = [row for row in facts.dependants if row.outcome in STANDING]
    if any(row.kind in VOIDS for row in standing):
        return "12"
    refunded = sum(row.amount for row in standing)
    return "61" if refunded + int(event.message.text(4)) > sale.amount else ""


_CHECKS: Sequence[Check] = (_merchant, _batch, _currency, _amount, _means)
_MORE_CHECKS: Mapping[str, Sequence[Check]] = {
    "sale_void": (_original, _void_of),
    "qr_void": (_original, _void_of),
    "refund": (_original, _refund_of),
    "qr_refund": (_original, _refund_of),
}


def first_refusal(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    """The response code of the first check that a request does not pass, "" if it passes all."""
    for check in (*_CHECKS, *_MORE_CHECKS.get(rules.name, ())):
        code = check(event, rules, facts)
        if code:
            return code
    return ""
