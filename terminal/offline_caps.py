"""How much may still be sold while no host can be reached: pure functions over what is owed and the profile's caps.

Only what the bank has not answered counts, so a cap is a bound on what the shop may lose. Of what lies in batches that
are parked and not loaded the sums are known (`sums.Shares`); how much of it one card has taken, the journal tells.

What is known before the card is read is asked by `refusal_of_sale`; whose card it is, and of which scheme, is known
when the chip has been read, and asked by `refusal_of_card` before it is asked to approve. An empty reason means yes.

A terminal whose lists are old knows less of which cards are stolen and which keys are broken. From `lists_age_max_s` on
all amounts and counts are halved, and at twice that age nothing is sold: see `in_force` and `lists_are_too_old`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

from firmware_config.profile import Offline, SchemeCaps
from terminal.book import Book, Payment
from terminal.events import CardCounted
from terminal.sums import HOUR_S, Shares
from terminal.transitions import State

NEVER = 0.0
"""A time that is always over."""

RID_DIGITS = 10
CARD_USED = "offline_card_used"

Caps = TypeVar("Caps", Offline, SchemeCaps)

_SCHEMES: Mapping[str, str] = {
    "A000000003": "visa", "A000000004": "mastercard", "A000000025": "amex", "A000000065": "jcb",
    "A000000152": "discover", "A000000333": "unionpay",
}  # fmt: skip
"""By the registered identifier (ISO 7816-5) that an application's name begins with."""


@dataclass(frozen=True, slots=True)
class OfflineCard:
    """A card that wants to pay offline: a keyed fingerprint of its number, and its scheme."""

    token: str
    scheme: str


def scheme_of(aid: str) -> str:
    """The scheme of a chip's application, by its name in hexadecimal; ``other`` for one that is not known."""
    return _SCHEMES.get(aid[:RID_DIGITS].upper(), "other")


def lists_are_too_old(offline: Offline, lists_at: float | None, now: float) -> bool:
    """Whether nothing is sold because of the lists' age; a terminal without a black list has none of any use."""
    until = lists_until(offline, lists_at)
    return until is not None and now >= until


def lists_until(offline: Offline, lists_at: float | None) -> float | None:
    """Until when the lists let anything be sold (UTC seconds); None where they may be of any age."""
    if offline.lists_age_max_s is None:
        return None
    return NEVER if lists_at is None else lists_at + 2 * offline.lists_age_max_s


def in_force(offline: Offline, lists_at: float | None, now: float) -> Offline:
    """The caps as they stand now: those of the profile, or half of each while the lists are older than they may be."""
    maximum = offline.lists_age_max_s
    if maximum is None or (lists_at is not None and now - lists_at < maximum):
        return offline
    halved = {name: _halved(getattr(offline.schemes, name)) for name in type(offline.schemes).model_fields}
    return _halved(offline).model_copy(update={"schemes": offline.schemes.model_copy(update=halved)})


def refusal_of_sale(amount: int, operator: str, book: Book, caps: Offline, now: float) -> str:
    """Say why this amount cannot be sold without the host, as far as that is known before the card is read."""
    owed = book.offline()
    reasons = (
        ("amount_zero", amount <= 0),
        ("offline_amount", amount > min(caps.sale_amount_max, caps.card_amount_max)),
        ("offline_count", owed.count >= caps.count_max),
        ("offline_total", owed.amount + amount > caps.total_amount_max),
        ("offline_age", owed.since is not None and now - owed.since >= caps.age_max_s),
        ("offline_operator", _exceeds(by_operator(book).get(operator, 0) + amount, caps.operator_amount_max)),
        ("offline_hour", _exceeds(_of_the_hour(book, now) + amount, caps.hour_amount_max)),
    )
    return next((reason for reason, holds in reasons if holds), "")


def refusal_of_card(
    amount: int, card: OfflineCard, owed: Sequence[Payment], caps: Offline, parked: Shares | None = None,
    taken_there: tuple[int, int] = (0, 0),
) -> str:  # fmt: skip
    """Say why this card may not pay this amount without the host; `card_used` reads how much it has taken already.

    `owed` are the sales that are at hand, `parked` the sums of the others, `taken_there` how many of them are this
    card's and over how much.
    """
    others = parked or Shares()
    taken = [payment for payment in owed if payment.card_token == card.token]
    count, spent_by_card = len(taken) + taken_there[0], _sum(taken) + taken_there[1]
    if count >= caps.card_count_max or spent_by_card + amount > caps.card_amount_max:
        return f"{CARD_USED}_{count}_{spent_by_card}"
    of_scheme = [payment for payment in owed if payment.scheme == card.scheme]
    limits: SchemeCaps = getattr(caps.schemes, card.scheme, caps.schemes.other)
    if _exceeds(amount, limits.sale_amount_max):
        return "offline_scheme_amount"
    spent = _exceeds(len(of_scheme) + others.count_by_scheme.get(card.scheme, 0) + 1, limits.count_max)
    sold = _sum(of_scheme) + others.by_scheme.get(card.scheme, 0)
    spent = spent or _exceeds(sold + amount, limits.total_amount_max)
    return "offline_scheme_spent" if spent else ""


def counted(token: str, sales: Iterable[Payment], book: Book, after: str = "") -> CardCounted:
    """Count what a card has taken in batches that are parked and not loaded.

    Args:
        token: what stands for the card, or the customer's key.
        sales: to it, newest first; they are read only as far as they may lie in such a batch.
        book: the terminal's.
        after: count only batches that were parked after this one.
    """
    loaded = book.draining.batch if book.draining else ""
    batches = set(takewhile(lambda batch: batch != after, reversed(book.parked)))
    amounts: list[int] = []
    for sale in sales:
        batch = sale.key.batch
        if batch not in batches and batch != book.batch:
            break
        if batch in batches and batch != loaded and sale.state is State.ADVICE_DUE:
            amounts.append(sale.amount)
    return CardCounted(token, len(amounts), sum(amounts))


def left_in_hour(book: Book, caps: Offline, now: float) -> int:
    """How much may be sold now as far as the hour's cap and the total go."""
    left = caps.total_amount_max - book.offline().amount
    if caps.hour_amount_max is not None:
        left = min(left, caps.hour_amount_max - _of_the_hour(book, now))
    return max(0, left)


def by_operator(book: Book) -> dict[str, int]:
    """What each operator has sold of what is owed."""
    sold = dict(book.shares_not_at_hand().by_operator)
    for payment in book.owed_at_hand():
        sold[payment.operator] = sold.get(payment.operator, 0) + payment.amount
    return dict(sorted(sold.items()))


def card_used(reason: str) -> tuple[int, int] | None:
    """How many sales over how much a refused card has taken already, if that was the reason."""
    said, _, figures = reason.partition(f"{CARD_USED}_")
    if said or not figures:
        return None
    count, amount = figures.split("_")
    return int(count), int(amount)


def _of_the_hour(book: Book, now: float) -> int:
    at_hand = _sum(payment for payment in book.owed_at_hand() if now - payment.owed_since < HOUR_S)
    return at_hand + book.shares_not_at_hand().of_the_hour(now)


def _sum(payments: Iterable[Payment]) -> int:
    return sum(payment.amount for payment in payments)


def _exceeds(value: int, maximum: int | None) -> bool:
    return maximum is not None and value > maximum


def _halved(caps: Caps) -> Caps:
    """The same caps with half of every amount and count, rounded up; what is not bounded stays so."""
    names = [name for name in type(caps).model_fields if name.endswith(("amount_max", "count_max"))]
    bounds = {name: getattr(caps, name) for name in names}
    return caps.model_copy(update={name: (bound + 1) // 2 for name, bound in bounds.items() if bound is not None})
