"""Sheets: what is laid over the page to look something up, or to look twice before money goes back.

A sheet is named in the address, such as ``/?sheet=void&key=…``, so that reload and back work as anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from terminal.cashier import words
from terminal.cashier.sales import Sum, sums
from terminal.cashier.texts import Money, Texts, shop_time
from terminal.cashier.till import Till
from terminal.cashier.words import Badge, Tone, View
from terminal.records import DRAWER_REASONS
from terminal.risk import refusal_of_settlement

REPRINTING, SENDING, DRAWER_OPENING = "reprinting", "sending_now", "drawer_opening"
_DONE = (REPRINTING, SENDING, DRAWER_OPENING)


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the page somebody is: which sheet is open, on which payment, and what the last press led to."""

    sheet: str = ""
    key: str = ""
    said: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Place":
        """Read it from an address."""
        return cls(query.get("sheet", ""), query.get("key", ""), query.get("said", ""))

    @property
    def address(self) -> str:
        """The address of this place."""
        parts = {"sheet": self.sheet, "key": self.key, "said": self.said}
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/?{query}" if query else "/"


@dataclass(frozen=True, slots=True)
class PaymentSheet:
    """One payment: all that is known of it, its slip, and what can be done. `kind` is what is being confirmed."""

    kind: str
    title: str
    key: str
    amount: Money | None
    means: str
    state: Badge
    facts: tuple[tuple[str, str], ...]
    story: tuple[str, ...]
    slip: str
    voidable: bool
    refundable: bool
    reprintable: bool
    closable: bool
    left: Money


@dataclass(frozen=True, slots=True)
class ClosingSheet:
    """Two people close what cannot be asked for any more: what the statement says, then (`closing`) a second look."""

    kind: str
    title: str
    key: str
    subject: str
    amount: Money
    booked: bool
    says: str
    colleague: str


@dataclass(frozen=True, slots=True)
class FindSheet:
    """Find a payment by the numbers on its slip."""

    batch: str
    kind: str = "find"


@dataclass(frozen=True, slots=True)
class SettleSheet:
    """The second look before the batch is closed."""

    batch: str
    sums: tuple[Sum, ...]
    receipts_due: int
    is_empty: bool
    blocked: str = ""
    kind: str = "settle"


@dataclass(frozen=True, slots=True)
class DrawerSheet:
    """Why shall the cash drawer be opened? `reasons` are their keys and words; `last`, who had it opened last."""

    reasons: tuple[tuple[str, str], ...]
    last: str
    kind: str = "drawer"


Sheet = PaymentSheet | ClosingSheet | FindSheet | SettleSheet | DrawerSheet


@dataclass(frozen=True, slots=True)
class Said:
    """What the last press led to, if it led to nothing that is shown elsewhere."""

    text: str = ""
    tone: Tone = "doubt"


def said(place: Place, texts: Texts) -> Said:
    """Word what an address says of the press that led to it. Anybody can make an address: other text is not shown."""
    if f"reason.{place.said}" not in texts.keys:
        return Said()
    sentence = texts.either("reason", place.said, limit="")
    return Said(sentence, "plain" if place.said in _DONE else "doubt")


def sheet(place: Place, till: Till, view: View, operator: str, texts: Texts) -> Sheet | None:
    """The sheet of a place for the operator who is logged on; None if there is none."""
    match place.sheet:
        case "close" | "booked" | "not_booked":
            found = till.find(place.key)
            return _closing_sheet(place.sheet, found, till, view, operator, texts) if found else None
        case "payment" | "void" | "refund":
            found = till.find(place.key)
            return payment_sheet(place.sheet, found, till, view, texts) if found else None
        case "find":
            return FindSheet(view["batch"])
        case "settle":
            return _settle_sheet(till, view, texts)
        case "drawer" if view["terminal"]["cash_drawer"]:
            return _drawer_sheet(till, view, texts)
        case _:
            return None


def payment_sheet(kind: str, payment: View, till: Till, view: View, texts: Texts) -> PaymentSheet:
    """Describe a payment; a void or refund that is not possible is shown as the payment alone."""
    possible = {"void": payment["voidable"], "refund": payment["refundable"]}.get(kind, True)
    counts = payment["direction"] != "none"
    prints = payment["has_slip"]
    limit = texts.money(view["terminal"]["sale_amount_max"], payment["currency"])
    return PaymentSheet(
        kind=kind if possible else "payment",
        title=texts("sheet.payment", what=words.what(payment, texts), voucher=payment["trace"]), key=payment["key"],
        amount=words.signed_amount(payment, texts) if counts else None, means=words.means(payment, texts),
        state=words.badge(payment, view["current"], texts), facts=_facts(payment, view, texts),
        story=words.story(payment, texts, limit), slip=till.slip(payment["key"]) if prints else "",
        voidable=payment["voidable"], refundable=payment["refundable"], reprintable=prints,
        closable=payment["needs_people"],
        left=texts.money(payment["amount"] - payment["refunded"], payment["currency"]),
    )  # fmt: skip


def _closing_sheet(
    name: str, payment: View, till: Till, view: View, operator: str, texts: Texts
) -> PaymentSheet | ClosingSheet:
    """Ask what the statement says, or for the second look; a payment that needs no people is shown as it is."""
    if not payment["needs_people"]:
        return payment_sheet("payment", payment, till, view, texts)
    amount = texts.money(payment["amount"], payment["currency"])
    asks = name == "close"
    return ClosingSheet(
        kind="close" if asks else "closing", title=texts(f"closing.{name}_title"), key=payment["key"],
        subject=texts("sheet.payment", what=words.what(payment, texts), voucher=payment["trace"]), amount=amount,
        booked=name == "booked",
        says=words.of_closing(f"{name}_says", payment, texts),
        colleague="" if operator in till.operators.numbers("supervisor") else operator,
    )  # fmt: skip


def _facts(payment: View, view: View, texts: Texts) -> tuple[tuple[str, str], ...]:
    at = shop_time(payment["at"], view["terminal"]["utc_offset_minutes"])
    refunded = str(texts.money(payment["refunded"], payment["currency"])) if payment["refunded"] else ""
    rows = (
        ("code" if payment["scan"] else "card", words.means(payment, texts)),
        ("time", at.strftime("%Y-%m-%d %H:%M:%S")),
        ("operator", payment["operator"]),
        ("reference", payment["reference"]),
        ("authorisation", payment["authorisation"]),
        ("refunded", refunded),
        ("original", payment["original"].rpartition("-")[2]),
    )
    return tuple((texts(f"sheet.{name}"), value) for name, value in rows if value)


def _settle_sheet(till: Till, view: View, texts: Texts) -> SettleSheet:
    counter = till.runner.counter
    refusal = refusal_of_settlement(counter.book, counter.session.ready, counter.busy)
    return SettleSheet(
        view["batch"], sums(view, texts), sum(payment["receipt_due"] for payment in view["payments"]),
        not any(view["totals"].values()), texts.either("reason", refusal) if refusal else "",
    )  # fmt: skip


def _drawer_sheet(till: Till, view: View, texts: Texts) -> DrawerSheet:
    reasons = tuple((reason, texts(f"drawer.{reason}")) for reason in DRAWER_REASONS)
    opened = till.runner.counter.book.drawer_opened
    if opened is None:
        return DrawerSheet(reasons, "")
    at = shop_time(opened.at, view["terminal"]["utc_offset_minutes"]).strftime("%Y-%m-%d %H:%M:%S")
    return DrawerSheet(
        reasons, texts("sheet.drawer_last", at=at, operator=opened.operator, why=texts(f"drawer.{opened.reason}"))
    )
