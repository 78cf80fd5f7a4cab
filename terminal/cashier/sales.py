"""The right side of the page: today's sales, and what they come to."""

from dataclasses import dataclass

from terminal.cashier import words
from terminal.cashier.sale import Moment
from terminal.cashier.texts import Money, Texts
from terminal.cashier.words import Badge, View
from terminal.transitions import State

ROWS_MAX = 60
"""More than anybody scrolls through; older payments are found by their voucher number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One payment."""

    key: str
    when: str
    what: str
    means: str
    amount: Money | None
    state: Badge
    receipt_due: bool
    faded: bool
    label: str


@dataclass(frozen=True, slots=True)
class Sum:
    """How many payments, and what they come to."""

    label: str
    count: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Sales:
    """The open batch."""

    batch: str
    rows: tuple[Row, ...]
    older: int
    sums: tuple[Sum, ...]


def sales(view: View, moment: Moment, texts: Texts) -> Sales:
    """Say what was sold in this batch, the newest first."""
    payments = view["payments"]
    return Sales(
        batch=texts("sales.batch", batch=view["batch"]),
        rows=tuple(_row(view, payment, moment, texts) for payment in payments[:ROWS_MAX]),
        older=max(0, len(payments) - ROWS_MAX),
        sums=sums(view, texts),
    )


def sums(view: View, texts: Texts) -> tuple[Sum, ...]:
    """What the bank will be told at settlement: taken, given back, and the difference."""
    totals, currency = view["totals"], view["terminal"]["currency"]
    taken, back = totals["debit_amount"], totals["credit_amount"]
    rows = (
        ("taken", totals["debit_count"], taken),
        ("given_back", totals["credit_count"], -back),
        ("net", totals["debit_count"] + totals["credit_count"], taken - back),
    )
    return tuple(
        Sum(texts(f"sales.{name}"), texts("sales.count", count=count), texts.money(amount, currency))
        for name, count, amount in rows
    )


def _row(view: View, payment: View, moment: Moment, texts: Texts) -> Row:
    state = words.badge(payment, view["current"], texts)
    counts = payment["direction"] != "none"
    amount = words.signed_amount(payment, texts) if counts else None
    said = texts(
        "sales.open", what=words.what(payment, texts), voucher=payment["trace"], amount=amount or "", state=state.word
    )
    return Row(
        key=payment["key"], when=texts.when(payment["at"], moment.now, view["terminal"]["utc_offset_minutes"]),
        what=words.what(payment, texts), means=words.means(payment, texts), amount=amount, state=state,
        receipt_due=words.is_receipt_due(view, payment, moment.now), faded=_counts_for_nothing(payment), label=said,
    )  # fmt: skip


def _counts_for_nothing(payment: View) -> bool:
    return bool(payment["voided"] or (payment["final"] and payment["state"] != State.APPROVED))
