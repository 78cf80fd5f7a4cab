"""What the page says of a dead line: what may still be sold, what the shop may lose, and how long that can go on.

Pure: from the view and the time. How long it can go on is the first of three ends: the oldest sale may wait no longer,
the lists grow too old, or, at the pace at which this outage has been sold in, nothing is left to be sold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from terminal.cashier.texts import Money, Texts, shop_time
from terminal.cashier.words import View

PACE_SALES_MIN = 2
PACE_AFTER_S = 600
"""Fewer sales, or a shorter time, tell nothing of a pace."""

_FRESH_S = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that the cashier looks for, with its name above and what it means below."""

    name: str
    figures: str
    note: str
    sign: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """The line is dead. `sells`: offline sales are possible now; `terms`: on what terms, or why not."""

    since: str
    figures: tuple[Figure, ...]
    terms: str
    sells: bool


@dataclass(frozen=True, slots=True)
class _End:
    """When selling offline ends, if nothing else does before: after how many seconds, and why."""

    after_s: float
    why: str


def outage(view: View, operator: str, now: float, texts: Texts) -> Outage | None:
    """Say how the outage stands for this operator; None while there is none, or nothing is ever sold offline."""
    offline = view["offline"]
    if offline["refusal"] not in ("", "offline_lists"):
        return None
    spent = why_nothing(view, operator, now)
    terms = texts(f"outage.{spent or _terms(offline)}")
    return Outage(_since(view, now, texts), _figures(view, operator, now, texts), terms, sells=not spent)


def _terms(offline: View) -> str:
    """On what terms offline sales are made: a key of the catalogue."""
    if offline["halved"]:
        return "halved"
    return "terms_codes" if offline["codes"] else "terms"


def why_nothing(view: View, operator: str, now: float) -> str:
    """Why nothing may be sold offline, whatever the amount and the card: a key of the catalogue; empty if it may."""
    offline = view["offline"]
    waits_too_long = offline["since"] is not None and now - offline["since"] >= offline["age_max_s"]
    if offline["refusal"] or waits_too_long or not offline["left_count"] or not offline["left_amount"]:
        return "lists" if offline["refusal"] == "offline_lists" else "spent"
    if not offline["left_in_hour"]:
        return "hour_spent"
    return "operator_spent" if not left_for(view, operator) else ""


def left_for(view: View, operator: str) -> int:
    """How much this operator may sell now, in minor units."""
    offline = view["offline"]
    bounds = [offline["left_amount"], offline["left_in_hour"]]
    if offline["operator_amount_max"] is not None:
        bounds.append(offline["operator_amount_max"] - offline["owed_by_operator"].get(operator, 0))
    return int(max(0, min(bounds)))


def _since(view: View, now: float, texts: Texts) -> str:
    since = view["offline"]["line_down_since"]
    if since is None or now - since < _FRESH_S:
        return texts("outage.since_now")
    when = shop_time(since, view["terminal"]["utc_offset_minutes"]).strftime("%H:%M")
    return texts("outage.since", when=when, duration=texts.duration(now - since))


def _figures(view: View, operator: str, now: float, texts: Texts) -> tuple[Figure, ...]:
    offline, currency = view["offline"], view["terminal"]["currency"]
    nothing = why_nothing(view, operator, now)
    left = texts.money(0 if nothing else left_for(view, operator), currency)
    owed, each = texts.money(offline["owed_amount"], currency), texts.money(offline["sale_amount_max"], currency)
    count = 0 if nothing else offline["left_count"]
    return (
        _amount(texts("outage.allowed"), left, texts("outage.allowed_note", count=count, each=each)),
        _amount(texts("outage.at_risk"), owed, _owed_note(view, now, texts)),
        _time_left(view, now, texts) if not nothing else Figure(texts("outage.left"), "–", texts("outage.left_none")),
    )


def _amount(name: str, amount: Money, note: str) -> Figure:
    return Figure(name, amount.figures, note, amount.sign)


def _owed_note(view: View, now: float, texts: Texts) -> str:
    offline = view["offline"]
    if not offline["owed_count"]:
        return texts("outage.at_risk_none")
    when = texts.when(offline["since"], now, view["terminal"]["utc_offset_minutes"])
    return texts("outage.at_risk_note", count=offline["owed_count"], when=when)


def _time_left(view: View, now: float, texts: Texts) -> Figure:
    end = min(_ends(view, now), key=lambda each: each.after_s)
    about = texts("outage.about", duration=texts.duration(end.after_s)) if end.why == "pace" else ""
    duration = about or texts.duration(end.after_s)
    return Figure(texts("outage.left"), duration, texts(f"outage.left_by_{end.why}"))


def _ends(view: View, now: float) -> Iterator[_End]:
    offline = view["offline"]
    since = offline["since"]
    if since is None:
        yield _End(offline["age_max_s"], "first_sale")
    else:
        yield _End(since + offline["age_max_s"] - now, "age")
    if offline["lists_until"] is not None:
        yield _End(offline["lists_until"] - now, "lists")
    if since is None or offline["owed_count"] < PACE_SALES_MIN:
        return
    elapsed_s = now - min(since, offline["line_down_since"] or since)
    if elapsed_s >= PACE_AFTER_S:
        by_amount = offline["left_amount"] * elapsed_s / offline["owed_amount"]
        yield _End(min(by_amount, offline["left_count"] * elapsed_s / offline["owed_count"]), "pace")
