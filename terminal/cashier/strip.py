"""The strip on top and what stands below it: line, devices, operator, and everything that needs attention."""

from dataclasses import dataclass

from terminal.cashier import words
from terminal.cashier.sale import Moment, session_detail, shown_result
from terminal.cashier.texts import Texts
from terminal.cashier.words import Badge, Tone, View
from terminal.transitions import State

ALERTS_MAX = 3
_SESSION_LOOKS: dict[str, tuple[str, Tone]] = {
    "ready": ("online", "plain"),
    "signing on": ("wait", "doubt"),
    "loading keys": ("wait", "doubt"),
    "down": ("offline", "doubt"),
    "refused": ("stop", "bad"),
}


@dataclass(frozen=True, slots=True)
class Device:
    """One device by name; `trouble` says what is wrong and what to do, empty when nothing is."""

    name: str
    icon: str
    tone: Tone
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """The line across the top."""

    shop: str
    link: Badge
    devices: tuple[Device, ...]
    operator: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs attention; `reprint_key` names the payment whose slip can be printed from here."""

    text: str
    tone: Tone = "doubt"
    icon: str = "unknown"
    reprint_key: str = ""


def strip(view: View, moment: Moment, texts: Texts) -> Strip:
    """Say how the terminal is."""
    terminal, state = view["terminal"], view["session"]["state"]
    link = Badge(texts(f"session.{words.name_of(state)}"), *_SESSION_LOOKS[state], session_detail(view, texts))
    return Strip(
        shop=terminal["merchant_zh" if texts.language == "zh" else "merchant_en"], link=link,
        devices=tuple(_device(name, device, texts) for name, device in view["devices"].items()),
        operator=texts("operator.name", number=moment.operator) if moment.operator else "",
    )  # fmt: skip


def _device(name: str, device: View, texts: Texts) -> Device:
    word = texts(f"device.{name}")
    if device["state"] == "ready":
        return Device(word, "check", "plain")
    trouble = texts.either("device_reason", device["reason"])
    if device["state"] == "unknown" or device["reason"] == "not_configured":
        return Device(word, "minus", "plain", trouble)
    return Device(word, "unknown", "doubt", trouble)


def alerts(view: View, moment: Moment, texts: Texts) -> tuple[Alert, ...]:
    """What needs attention, the most pressing first; what the result on the left says is not said twice."""
    current, shown = view["current"], shown_result(view, moment)
    elsewhere = [p for p in view["open"] if p["key"] != shown and not (current and p["key"] == current["key"])]
    found = [alert for payment in elsewhere for alert in _of_payment(view, payment, texts)]
    found.sort(key=lambda alert: bool(alert.reprint_key))
    orders = [Alert(texts(f"order.{order}"), "plain", "info") for order in view["session"]["orders"]]
    if len(found) > ALERTS_MAX:
        found = [*found[:ALERTS_MAX], Alert(texts("alert.more", count=len(found) - ALERTS_MAX))]
    return (*found, *orders)


def _of_payment(view: View, payment: View, texts: Texts) -> list[Alert]:
    amount = words.signed_amount(payment, texts)
    if payment["receipt_due"]:
        said = texts("alert.receipt_due", voucher=payment["trace"], amount=amount)
        return [Alert(said, icon="printer", reprint_key=payment["key"])]
    limit = texts.money(view["terminal"]["sale_amount_max"], view["terminal"]["currency"])
    sentence = texts.join(*words.story(payment, texts, limit))
    tone: Tone = "bad" if payment["attention"] and payment["state"] == State.REVERSAL_DUE else "doubt"
    return [Alert(texts("alert.unknown", voucher=payment["trace"], amount=amount, sentence=sentence), tone)]
