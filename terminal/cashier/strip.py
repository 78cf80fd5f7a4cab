"""The strip on top and what stands below it: line, devices, operator, and everything that needs attention."""

from dataclasses import dataclass, replace

from terminal.cashier import words
from terminal.cashier.outage import outage
from terminal.cashier.sale import Moment, session_detail, shown_result
from terminal.cashier.texts import Texts
from terminal.cashier.words import Badge, Tone, View
from terminal.transitions import State

ALERTS_MAX = 3
DEAD_LINE_SHOWN_AFTER_S = 10.0
"""A line that is back in a moment needs nobody's attention; the strip says Offline at once."""

_SESSION_LOOKS: dict[str, tuple[str, Tone]] = {
    "ready": ("online", "plain"),
    "signing on": ("wait", "doubt"),
    "loading keys": ("wait", "doubt"),
    "down": ("offline", "doubt"),
    "refused": ("stop", "bad"),
}


@dataclass(frozen=True, slots=True)
class Device:
    """One device by name; `trouble` says what is wrong and what to do, empty when nothing is; then `last` what was."""

    name: str
    icon: str
    tone: Tone
    trouble: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """The line across the top."""

    shop: str
    link: Badge
    devices: tuple[Device, ...]
    operator: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs attention.

    `reprint_keys` name the payments whose slips can be printed from here, `closing_key` the one that people can close.
    `send_now`: what is owed to the bank can be sent from here.
    """

    text: str
    tone: Tone = "doubt"
    icon: str = "unknown"
    reprint_keys: tuple[str, ...] = ()
    closing_key: str = ""
    send_now: bool = False


def strip(view: View, moment: Moment, texts: Texts) -> Strip:
    """Say how the terminal is."""
    terminal, state = view["terminal"], view["session"]["state"]
    dead = outage(view, moment.operator, moment.now, texts)
    detail = dead.terms if dead else session_detail(view, texts)
    link = Badge(texts(f"session.{words.name_of(state)}"), *_SESSION_LOOKS[state], detail)
    return Strip(
        shop=terminal["merchant_zh" if texts.language == "zh" else "merchant_en"], link=link,
        devices=tuple(device_of(name, view, moment.now, texts) for name in view["devices"]),
        operator=texts("operator.name", number=moment.operator) if moment.operator else "",
    )  # fmt: skip


def device_of(name: str, view: View, now: float, texts: Texts) -> Device:
    """Say how one device is."""
    word, device = texts(f"device.{name}"), view["devices"][name]
    if device["state"] == "ready":
        return Device(word, "check", "plain", last=_last_trouble(word, device, view, now, texts))
    trouble = texts.either("device_reason", device["reason"])
    if device["state"] == "unknown" or device["reason"] == "not_configured":
        return Device(word, "minus", "plain", trouble)
    return Device(word, "unknown", "doubt", trouble)


def _last_trouble(name: str, device: View, view: View, now: float, texts: Texts) -> str:
    if not device.get("last_reason"):
        return ""
    when = texts.when(device["last_at"], now, view["terminal"]["utc_offset_minutes"])
    return texts(
        "device_state.last", name=name, when=when, trouble=texts.either("device_reason", device["last_reason"])
    )


def alerts(view: View, moment: Moment, texts: Texts) -> tuple[Alert, ...]:
    """What needs attention, the most pressing first; what the result on the left says is not said twice."""
    said = {shown_result(view, moment), view["current"]["key"] if view["current"] else ""}
    elsewhere = [payment for payment in view["open"] if payment["key"] not in said]
    found = [_unknown(view, payment, texts) for payment in elsewhere if _is_alarming(payment)]
    found += _lost(view, texts)
    found += _owed_offline(view, moment, texts)
    found += _parked(view, texts)
    found = _with_send_now(found, view, texts)
    found += _receipts_due([p for p in elsewhere if words.is_receipt_due(view, p, moment.now)], texts)
    found += _dead_line(view, moment, texts)
    found += _wrong_time(view, texts)
    found += [Alert(texts(f"order.{order}"), "plain", "info") for order in view["session"]["orders"]]
    if len(found) <= ALERTS_MAX:
        return tuple(found)
    more = len(found) - ALERTS_MAX + 1
    return (*found[: ALERTS_MAX - 1], Alert(texts("alert.more", count=more)))


def _is_alarming(payment: View) -> bool:
    """Its end is not known, or a person must look at it. Offline sales that only wait have a line in common."""
    waits = not payment["final"] and payment["state"] != State.ADVICE_DUE
    return bool(payment["attention"] or waits)


def _owed_offline(view: View, moment: Moment, texts: Texts) -> list[Alert]:
    """How much was sold that the bank has not booked, and since when; the outage says it, unless the courier works."""
    offline, terminal = view["offline"], view["terminal"]
    by_courier = view["forwarding"]["lines"] == ["courier"]
    if not offline["owed_count"] or (outage(view, moment.operator, moment.now, texts) and not by_courier):
        return []
    amount = texts.money(offline["owed_amount"], terminal["currency"])
    when = texts.when(offline["since"], moment.now, terminal["utc_offset_minutes"])
    key = "alert.offline_courier" if by_courier else "alert.offline"
    said = texts(key, count=offline["owed_count"], amount=amount, when=when)
    return [Alert(said, icon="offline", send_now=True)]


def _with_send_now(found: list[Alert], view: View, texts: Texts) -> list[Alert]:
    """One button, while something waits for its turn: on the first line that is about that.

    Of what the left side tells, no line speaks here; then the button has one of its own.
    """
    can_be_sent = bool(view["forwarding"]["waiting"] and view["forwarding"]["lines"])
    if can_be_sent and not any(alert.send_now for alert in found):
        found = [*found, Alert(texts("alert.owed", count=view["forwarding"]["waiting"]), send_now=True)]
    first = next((alert for alert in found if alert.send_now), None)
    return [replace(alert, send_now=can_be_sent and alert is first) for alert in found]


def _lost(view: View, texts: Texts) -> list[Alert]:
    """What went wrong with parked batches that were settled by themselves: no payment and no person says it."""
    parked, found = view["parked"], list[Alert]()
    if parked["lost_count"]:
        amount = texts.money(parked["lost_amount"], view["terminal"]["currency"])
        found.append(Alert(texts("alert.lost", count=parked["lost_count"], amount=amount), "bad"))
    if parked["unbalanced"]:
        found.append(Alert(texts("alert.unbalanced", count=parked["unbalanced"]), "bad"))
    return found


def _parked(view: View, texts: Texts) -> list[Alert]:
    parked = view["parked"]
    if not parked["batches"]:
        return []
    return [Alert(texts("alert.parked", count=parked["batches"], batch=parked["oldest"]), "plain", "info")]


def _dead_line(view: View, moment: Moment, texts: Texts) -> list[Alert]:
    """Since when the host cannot be reached, and what a technician needs to know of it."""
    session, since = view["session"], view["session"]["down_since"]
    if session["refusal"] or not session["trouble"] or since is None or moment.now - since < DEAD_LINE_SHOWN_AFTER_S:
        return []
    when = texts.when(since, moment.now, view["terminal"]["utc_offset_minutes"])
    trouble = texts.either("line", session["trouble"])
    return [Alert(texts("alert.dead_line", when=when, trouble=trouble), icon="offline")]


def _wrong_time(view: View, texts: Texts) -> list[Alert]:
    """What is wrong with the clock, and who mends it."""
    trouble = view["clock"]["trouble"]
    return [Alert(texts.either("clock", trouble))] if trouble else []


def _unknown(view: View, payment: View, texts: Texts) -> Alert:
    limit = texts.money(view["terminal"]["sale_amount_max"], view["terminal"]["currency"])
    sentence = texts.join(*words.story(payment, texts, limit))
    amount = words.signed_amount(payment, texts)
    tone: Tone = "bad" if payment["attention"] else "doubt"
    said = texts("alert.unknown", voucher=payment["trace"], amount=amount, sentence=sentence)
    waits = payment["state"] == State.REVERSAL_DUE
    return Alert(said, tone, closing_key=payment["key"] if payment["needs_people"] else "", send_now=waits)


def _receipts_due(payments: list[View], texts: Texts) -> list[Alert]:
    """One line for all of them, however many slips a printer without paper owes."""
    if not payments:
        return []
    voucher = f"{payments[0]['trace']} ({words.signed_amount(payments[0], texts)})"
    key = "alert.receipt_due" if len(payments) == 1 else "alert.receipts_due"
    said = texts(key, voucher=voucher, count=len(payments))
    return [Alert(said, icon="printer", reprint_keys=tuple(payment["key"] for payment in reversed(payments)))]
