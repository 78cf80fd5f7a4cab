"""How much may still be sold while no host can be reached: pure functions over what is owed and the profile's caps.

Only what the bank has not answered counts, so a cap is a bound on what the shop may lose. In total, count and age all
of it counts; by card, scheme, operator and hour what lies in batches that are parked and not loaded does not.

What is known before the card is read is asked by `refusal_of_sale`; whose card it is, and of which scheme, is known
when the chip has been read, and asked by `refusal_of_card` before it is asked to approve. An empty reason means yes.

A terminal whose lists are old knows less of which cards are stolen and which keys are broken. From `lists_age_max_s` on
all amounts and counts are halved, and at twice that age nothing is sold: see `in_force` and `lists_are_too_old`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from firmware_config.profile import Offline, SchemeCaps
from terminal.book import Book, Payment

HOUR_S = 3600
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
    owed, at_hand = book.offline(), book.owed_at_hand()
    reasons = (
        ("amount_zero", amount <= 0),
        ("offline_amount", amount > min(caps.sale_amount_max, caps.card_amount_max)),
        ("offline_count", owed.count >= caps.count_max),
        ("offline_total", owed.amount + amount > caps.total_amount_max),
        ("offline_age", owed.since is not None and now - owed.since >= caps.age_max_s),
        ("offline_operator", _exceeds(by_operator(at_hand).get(operator, 0) + amount, caps.operator_amount_max)),
        ("offline_hour", _exceeds(_sum(_of_the_hour(at_hand, now)) + amount, caps.hour_amount_max)),
    )
    return next((reason for reason, holds in reasons if holds), "")


def refusal_of_card(amount: int, card: OfflineCard, owed: Sequence[Payment], caps: Offline) -> str:
    """Say why this card may not pay this amount without the host; `card_used` reads how much it has taken already."""
    taken = [payment for payment in owed if payment.card_token == card.token]
    if len(taken) >= caps.card_count_max or _sum(taken) + amount > caps.card_amount_max:
        return f"{CARD_USED}_{len(taken)}_{_sum(taken)}"
    of_scheme = [payment for payment in owed if payment.scheme == card.scheme]
    limits: SchemeCaps = getattr(caps.schemes, card.scheme, caps.schemes.other)
    if _exceeds(amount, limits.sale_amount_max):
        return "offline_scheme_amount"
    spent = _exceeds(len(of_scheme) + 1, limits.count_max)
    spent = spent or _exceeds(_sum(of_scheme) + amount, limits.total_amount_max)
    return "offline_scheme_spent" if spent else ""


def left_in_hour(owed: Sequence[Payment], caps: Offline, now: float) -> int:
    """How much may be sold now as far as the hour's cap and the total go."""
    left = caps.total_amount_max - _sum(owed)
    if caps.hour_amount_max is not None:
        left = min(left, caps.hour_amount_max - _sum(_of_the_hour(owed, now)))
    return max(0, left)


def by_operator(owed: Sequence[Payment]) -> dict[str, int]:
    """What each operator has sold of what is owed."""
    return {
        operator: _sum(payment for payment in owed if payment.operator == operator)
        for operator in sorted({payment.operator for payment in owed})
    }


def card_used(reason: str) -> tuple[int, int] | None:
    """How many sales over how much a refused card has taken already, if that was the reason."""
    said, _, figures = reason.partition(f"{CARD_USED}_")
    if said or not figures:
        return None
    count, amount = figures.split("_")
    return int(count), int(amount)


def _of_the_hour(owed: Sequence[Payment], now: float) -> list[Payment]:
    return [payment for payment in owed if now - payment.owed_since < HOUR_S]


def _sum(payments: Iterable[Payment]) -> int:
    return sum(payment.amount for payment in payments)


def _exceeds(value: int, maximum: int | None) -> bool:
    return maximum is not None and value > maximum


def _halved(caps: Caps) -> Caps:
    """The same caps with half of every amount and count, rounded up; what is not bounded stays so."""
    names = [name for name in type(caps).model_fields if name.endswith(("amount_max", "count_max"))]
    bounds = {name: getattr(caps, name) for name in names}
    return caps.model_copy(update={name: (bound + 1) // 2 for name, bound in bounds.items() if bound is not None})
