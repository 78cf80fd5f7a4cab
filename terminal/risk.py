"""May the counter take a new payment? Asked before the card is read, answered with a reason that the page words.

Pure functions over what is known; an empty reason means yes. Limits come from the profile.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from firmware_config.profile import Limits, Offline
from terminal.book import Book, Payment
from terminal.events import CloseByPeople
from terminal.records import DRAWER_REASONS
from terminal.slips import hide_cards
from terminal.transitions import State

_STATEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{3,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Room:
    """How the journal's disk is."""

    free_bytes: int
    writable: bool


def must_park(book: Book, limits: Limits) -> bool:
    """Whether the open batch takes no further sale."""
    return len(book.payments) >= limits.batch_count_max


def may_park(book: Book, limits: Limits, offline: bool) -> bool:
    """Whether a full batch may be set aside: it cannot be settled now, and there are not too many already."""
    return (offline or bool(book.parked)) and len(book.parked) < limits.parked_batches_max


def refusal_of_payment(
    book: Book, limits: Limits, room: Room, ready: bool, busy: bool, *, is_sale: bool = False
) -> str:
    """Say why no payment that asks the host can be taken now. What was sold offline stands in nobody's way.

    `is_sale`: where the batch is full, it may be parked for this one; a void must lie in the batch of its sale.
    """
    asked, reversals = book.asked()
    full = must_park(book, limits) and not (is_sale and may_park(book, limits, offline=False))
    return _first(
        *_reasons_of_the_counter(book, limits, room, busy),
        ("no_link", not ready),
        ("batch_full", full),
        ("reversal_open", reversals > 0),
        ("too_many_open", asked >= limits.open_payments_max),
    )


def refusal_of_offline(
    book: Book, limits: Limits, caps: Offline, room: Room, out_of_reach: bool, busy: bool,
    *, time_is_known: bool = True, lists_too_old: bool = False,
) -> str:  # fmt: skip
    """Say why nothing can be sold without the host now, whatever the amount; `offline_caps.refusal_of_sale` asks on."""
    return _first(
        *_reasons_of_the_counter(book, limits, room, busy),
        ("offline_not_allowed", not caps.sale_amount_max),
        ("batch_full", must_park(book, limits) and not may_park(book, limits, offline=True)),
        ("offline_refused", not out_of_reach),
        ("offline_batch_unknown", not book.batch_is_known),
        ("offline_lists", lists_too_old),
        ("offline_time_unknown", not time_is_known),
    )


def _reasons_of_the_counter(book: Book, limits: Limits, room: Room, busy: bool) -> tuple[tuple[str, bool], ...]:
    """What stops every payment, whether the host is asked or not."""
    return (
        ("busy", busy),
        ("settling", book.settling is not None),
        ("journal_unwritable", not room.writable),
        ("journal_full", room.free_bytes < limits.journal_free_bytes_min),
    )


def _first(*reasons: tuple[str, bool]) -> str:
    return next((reason for reason, holds in reasons if holds), "")


def refusal_of_amount(amount: int, limits: Limits) -> str:
    """Say why this amount cannot be charged."""
    if amount <= 0:
        return "amount_zero"
    return "amount_too_high" if amount > limits.sale_amount_max else ""


def refusal_of_void(sale: Payment | None) -> str:
    """Say why this payment cannot be voided: only approved sales of this batch, once, not refunded."""
    if sale is None:
        return "not_in_this_batch"
    if sale.rules.is_offline:
        return "offline_no_void"
    if sale.rules.direction != "debit" or sale.state is not State.APPROVED:
        return "not_an_approved_sale"
    if sale.voided_by is not None:
        return "already_voided"
    return "already_refunded" if sale.refunded else ""


def given_back(refunds: Iterable[Payment], book: Book) -> int:
    """What has been given back of a sale, by its refunds as the journal tells them.

    One whose end is not known may yet be approved. It counts here if it lies in a batch that is parked and not loaded;
    the others the counter knows, and counts itself.
    """
    counted = (p for p in refunds if p.state is State.APPROVED or not (p.is_final or book.find(p.key)))
    return sum(p.amount for p in counted if p.rules.direction == "credit" and p.rules.recovery == "repeat")


def refusal_of_refund(
    amount: int, sale_amount: int, refunded: int, voided: bool = False, card_erased: bool = False
) -> str:
    """Say why this amount cannot be refunded: all refunds of a sale together never exceed it, a void is all of it.

    Nor can it be without the card's number.
    """
    if voided:
        return "already_voided"
    if card_erased:
        return "card_erased"
    if amount <= 0:
        return "amount_zero"
    return "refund_exceeds_sale" if refunded + amount > sale_amount else ""


def refusal_of_settlement(book: Book, ready: bool, busy: bool) -> str:
    """Say why the batch cannot be closed: nothing in it may be open, and those before it must be closed."""
    if book.parked:
        return "batches_parked"
    if busy or book.unresolved():
        return "payments_open"
    if book.settling is not None:
        return "settling"
    return "" if ready else "no_link"


def refusal_of_drawer(reason: str, has_drawer: bool, room: Room, busy: bool) -> str:
    """Say why the cash drawer is not opened: never during a payment, and never without a record of why."""
    return _first(
        ("drawer_none", not has_drawer),
        ("drawer_no_reason", reason not in DRAWER_REASONS),
        ("busy", busy),
        ("drawer_not_written", not room.writable),
    )


def refusal_of_closing(payment: Payment | None, said: CloseByPeople, room: Room) -> str:
    """Say why people cannot close this payment: only what nothing else closes, by a statement, and two of them."""
    return _first(
        ("needs_no_people", payment is None or not payment.needs_people),
        ("two_people_needed", len({said.operator, said.supervisor} - {""}) < 2),
        ("statement_missing", not _STATEMENT.fullmatch(said.statement)),
        ("statement_is_card", hide_cards(said.statement) != said.statement),
        ("closing_not_written", not room.writable),
    )
