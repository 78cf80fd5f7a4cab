"""How a payment is said in words: what it is, where it stands, what that means for the money.

Pure functions from `terminal.view` values and a language to text. A `Badge` tells a state by word and icon first; its
tone is the colour that comes second: ``good`` approved, ``bad`` declined or stop, ``doubt`` unknown or offline.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iso8583.response_codes import Action, meaning
from terminal.cashier.texts import Money, Texts
from terminal.offline_caps import CARD_USED, card_used
from terminal.transitions import State

View = Mapping[str, Any]
Tone = Literal["plain", "good", "bad", "doubt"]

FAMILIES = {
    "sale": "sale",
    "qr_sale": "sale",
    "offline_sale": "offline",
    "offline_code_sale": "offline",
    "sale_void": "void",
    "qr_void": "void",
    "refund": "refund",
    "qr_refund": "refund",
    "balance_inquiry": "inquiry",
}
PRINTED_WITHIN_S = 120
"""From the press on Charge to the slip: a card, a PIN, the bank and a slow printer."""

_STARS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Badge:
    """A state: its word, its icon (a symbol of icons.svg), and its tone."""

    word: str
    icon: str
    tone: Tone = "plain"
    detail: str = ""


_LOOKS: Mapping[State, tuple[str, Tone]] = {
    State.STARTED: ("wait", "plain"),
    State.SENT: ("wait", "plain"),
    State.COMPLETING: ("wait", "plain"),
    State.ADVICE_DUE: ("offline", "doubt"),
    State.REVERSAL_DUE: ("unknown", "doubt"),
    State.APPROVED: ("check", "good"),
    State.DECLINED: ("cross", "bad"),
    State.REVERSED: ("undo", "plain"),
    State.CANCELLED: ("minus", "plain"),
}
_REPEATING: tuple[str, Tone] = ("unknown", "doubt")


def name_of(enum_value: str) -> str:
    """The catalogue's name of a state or step: ``reversal due`` is ``reversal_due``."""
    return enum_value.replace(" ", "_")


def what(payment: View, texts: Texts) -> str:
    """The kind of payment, such as Sale."""
    return texts(f"family.{FAMILIES[payment['type']]}")


def means(payment: View, texts: Texts) -> str:
    """What was presented: the card's first six and last four digits, or the wallet and two and four of its code."""
    shown = _STARS.sub(" ···· ", payment["means"])
    return f"{payment['wallet'][texts.language]} {shown}" if payment["wallet"] else shown


ASKED_FOR = {
    (True, False, False, True): "card_or_code", (True, False, False, False): "card_only",
    (True, False, True, True): "insert_swipe_or_code", (True, False, True, False): "insert_or_swipe",
    (True, True, False, True): "insert_tap_or_code", (True, True, False, False): "insert_or_tap",
    (True, True, True, True): "insert_tap_swipe_or_code", (True, True, True, False): "insert_tap_or_swipe",
    (False, False, False, True): "code_only",
    (False, False, True, True): "swipe_or_code", (False, False, True, False): "swipe_only",
}  # fmt: skip
"""What is asked for where cards can be inserted, tapped, swiped, and codes can be scanned."""


def stage(view: View, payment: View) -> str:
    """What the payment in hand waits for; of the means, only those that can be presented here."""
    if payment["stage"] == "host" and payment["tapped"]:
        return "host_tapped"
    if payment["stage"] != "card_or_code":
        return str(payment["stage"])
    there = {name for name, device in view["devices"].items() if device["reason"] != "not_configured"}
    if payment["offline"]:
        card = "tap" if "contactless_reader" in there else "card"
        return f"{card}_or_code_offline" if view["offline"]["codes"] and "scanner" in there else f"{card}_offline"
    buys = payment["type"] != "balance_inquiry"
    taps, codes = "contactless_reader" in there and buys, "scanner" in there and buys
    return ASKED_FOR.get(("card_reader" in there, taps, "stripe_reader" in there, codes), "card_only")


def choices(payment: View, texts: Texts) -> tuple[tuple[int, str, str], ...]:
    """Which of the card's applications may pay: numbers, names as the card tells them, and as they are shown."""
    named = enumerate(payment["choices"], 1)
    return tuple((number, name, name or texts("choice.unnamed", number=number)) for number, name in named)


def signed_amount(payment: View, texts: Texts) -> Money:
    """The amount as it counts for the shop: what goes back is negative."""
    sign = -1 if payment["direction"] == "credit" else 1
    return texts.money(sign * payment["amount"], payment["currency"])


def is_repeating(payment: View, current: View | None) -> bool:
    """A refund whose answer did not come: it is sent again and again, and no longer holds the counter up."""
    waits = current is not None and current["key"] == payment["key"]
    return payment["state"] == State.SENT and not waits


def badge(payment: View, current: View | None, texts: Texts) -> Badge:
    """Where a payment stands, in one or two words."""
    if of_people := _of_people(payment, texts):
        return of_people
    if is_repeating(payment, current):
        return Badge(texts("state.repeating"), *_REPEATING)
    if payment["voided"]:
        return Badge(texts("state.voided"), "undo")
    if payment["refunded"]:
        back = texts.money(payment["refunded"], payment["currency"])
        return Badge(texts("state.refunded", amount=back), "check", "good")
    return Badge(texts(f"state.{name_of(payment['state'])}"), *_LOOKS[State(payment["state"])])


def headline(payment: View, current: View | None, texts: Texts) -> Badge:
    """The result, to be read from afar."""
    if of_people := _of_people(payment, texts):
        return of_people
    icon, tone = _REPEATING if is_repeating(payment, current) else _LOOKS[State(payment["state"])]
    return Badge(texts(f"result.{FAMILIES[payment['type']]}.{name_of(payment['state'])}"), icon, tone)


def _of_people(payment: View, texts: Texts) -> Badge | None:
    """Where a payment stands that only people can close, or have closed."""
    if payment["needs_people"]:
        return Badge(texts("closing.needed"), *_REPEATING)
    closed = payment["closed_by_people"]
    if closed is None:
        return None
    if closed["booked"]:
        return Badge(texts("closing.booked"), "check", "good")
    return Badge(texts("closing.not_booked"), "minus")


def story(payment: View, texts: Texts, limit: Money) -> tuple[str, ...]:
    """What happened, what it means for the money, and what to do."""
    money = texts(f"result.{FAMILIES[payment['type']]}.{name_of(payment['state'])}_money")
    sentences: tuple[str, ...]
    match State(payment["state"]):
        case _ if payment["needs_people"]:
            sentences = (attention(payment, texts),)
        case _ if payment["closed_by_people"]:
            sentences = (_closing(payment, texts), attention(payment, texts))
        case State.APPROVED:
            sentences = (_remark(payment, texts), money)
        case State.DECLINED if payment["offline"]:
            sentences = (texts.sentence(payment["response_code"]), money, attention(payment, texts))
        case State.ADVICE_DUE:
            sentences = (money, attention(payment, texts))
        case State.DECLINED:
            code = payment["response_code"]
            action = meaning(code).action
            sentences = (texts.sentence(code), money, "" if action is Action.DECLINE else texts(f"action.{action}"))
        case State.CANCELLED:
            sentences = (_why_cancelled(payment, texts, limit), money)
        case State.REVERSAL_DUE | State.REVERSED:
            sentences = (texts.either("reversal_reason", payment["reason"]), money, attention(payment, texts))
        case _:
            sentences = (money,)
    return tuple(sentence for sentence in sentences if sentence)


def _why_cancelled(payment: View, texts: Texts, limit: Money) -> str:
    if used := card_used(payment["reason"]):
        count, amount = used
        return texts(f"reason.{CARD_USED}", count=count, amount=texts.money(amount, payment["currency"]))
    return texts.either("reason", payment["reason"], limit=limit)


def is_receipt_due(view: View, payment: View, now: float) -> bool:
    """The slip did not come out; while a printer that works may still be at it, nobody is alarmed.

    A slip that failed stays due when the printer works again: it does not come out by itself.
    """
    if not payment["receipt_due"] or payment.get("slip_failed"):
        return bool(payment["receipt_due"])
    printer = view["devices"]["printer"]
    works = printer["state"] == "ready" or printer["reason"] == "not_asked"
    return not works or now - payment["at"] > PRINTED_WITHIN_S


def attention(payment: View, texts: Texts) -> str:
    """Why a person must look at a payment, if one must."""
    reason = payment["attention"]
    if not reason:
        return ""
    section = _of_its_kind("attention", payment)
    what, refused, code = reason.partition("_refused_")
    if refused:
        return texts(f"{section}.{what}_refused", meaning=texts.meaning(code), voucher=payment["trace"])
    return texts.either(section, reason, voucher=payment["trace"])


def of_closing(name: str, payment: View, texts: Texts) -> str:
    """A sentence about closing a payment by people: what is owed differs between a refund and an offline sale."""
    amount = texts.money(payment["amount"], payment["currency"])
    return texts(f"{_of_its_kind('closing', payment)}.{name}", amount=amount, voucher=payment["trace"])


def _of_its_kind(section: str, payment: View) -> str:
    """The section of the catalogue for refunds, or that for offline sales: who bears what is not the same."""
    return f"{section}_offline" if payment["offline"] else section


def _closing(payment: View, texts: Texts) -> str:
    """Who closed a payment, by what, and what that means for the money."""
    closed = payment["closed_by_people"]
    word = "booked" if closed["booked"] else "not_booked"
    by = texts(f"{_of_its_kind('closing', payment)}.by", **closed)
    return texts.join(by, of_closing(f"{word}_money", payment, texts))


def _remark(payment: View, texts: Texts) -> str:
    """An approval with a remark, such as a part of the amount."""
    accepted = meaning(payment["response_code"]).action is Action.ACCEPT
    return texts.join(texts.sentence(payment["response_code"]), texts("action.accept")) if accepted else ""
