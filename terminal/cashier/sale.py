"""The left side of the page: amount, what the machine waits for, result. One of five panels, decided by the view.

A payment or a settlement under way comes first; then a result that nobody has gone on from; then the amount, for
somebody who is logged on. Pure: amounts and words, nothing here acts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from terminal.cashier import words
from terminal.cashier.outage import outage
from terminal.cashier.texts import Money, Texts
from terminal.cashier.words import FAMILIES, Badge, View
from terminal.settlement import Step as SettlementStep
from terminal.transitions import State

RESULT_STAYS_S = 600
"""How long the last result is shown after a restart of the page; one that is still open is always shown."""

_STAGES = {
    **dict.fromkeys(("card_or_code", "remove_card", "tap", "insert_instead", "insert_chip"), 0),
    **dict.fromkeys(("insert_again", "use_stripe", "swipe_only", "card"), 0),
    "pin": 1, "host": 2, "chip": 3,
}  # fmt: skip
_STAGE_ICONS = {"pin": "pin", "host": "bank"}


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps of a payment: ``done``, ``now`` or ``next``."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the card's applications: `name` as the card tells it, `shown` also where it tells none."""

    number: int
    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The customer, the bank or the chip has the word."""

    what: str
    amount: Money | None
    means: str
    headline: Badge
    steps: tuple[Step, ...] = ()
    choices: tuple[Choice, ...] = ()
    key: str = ""
    cancel_key: str = ""
    message: str = ""
    kind: str = "progress"


@dataclass(frozen=True, slots=True)
class Result:
    """How a payment or a settlement ended, or that its end is not known."""

    key: str
    what: str
    amount: Money | None
    means: str
    headline: Badge
    story: tuple[str, ...]
    slip: str
    code: str = ""
    waits: bool = False
    reprintable: bool = False
    message: str = ""
    kind: str = "result"


@dataclass(frozen=True, slots=True)
class Entry:
    """The next amount. `blocked` says why nothing can be charged now; `offline`: it can be sold without the bank.

    `bank`: the bank can be asked. While it cannot, and offline sales are possible at all, the outage says what is.
    """

    blocked: str = ""
    message: str = ""
    bank: bool = True
    offline: bool = False
    kind: str = "entry"


@dataclass(frozen=True, slots=True)
class LogOn:
    """Nobody is logged on."""

    kind: str = "log_on"


Panel = Progress | Result | Entry | LogOn


@dataclass(frozen=True, slots=True)
class Moment:
    """What the panel depends on beside the view: who is logged on, which result was gone on from, and the time."""

    operator: str
    seen: str
    now: float


def panel(view: View, moment: Moment, texts: Texts, slip_of: Callable[[str], str]) -> Panel:
    """Decide what the left side shows. `slip_of` gives the text of a slip by its key."""
    if view["current"] is not None:
        return _progress(view, view["current"], texts)
    if view["settlement"]["step"] != SettlementStep.IDLE:
        return _settling(view, texts)
    payment, settlement = view["payments"][:1], view["settlement"]["last"]
    if payment and _is_shown(view, payment[0], moment):
        return _result(view, payment[0], texts, slip_of)
    if not payment and settlement and _is_fresh(settlement, moment):
        return _settled(view, settlement, texts, slip_of)
    if not moment.operator:
        return LogOn()
    dead = outage(view, moment.operator, moment.now, texts)
    if dead:
        return Entry(message=_message(view, texts), bank=False, offline=dead.sells)
    return Entry(blocked(view, texts), _message(view, texts))


def blocked(view: View, texts: Texts) -> str:
    """Why the counter takes no payment now; empty if it does."""
    refusal = view["refusal"]
    if refusal == "no_link":
        return session_detail(view, texts)
    return texts.either("reason", refusal, limit=_limit(view, texts)) if refusal else ""


def session_detail(view: View, texts: Texts) -> str:
    """What the state of the session means for selling."""
    state, refusal = words.name_of(view["session"]["state"]), view["session"]["refusal"]
    if state == "refused" and refusal.startswith("host_"):
        return texts("session_refusal.host", meaning=texts.meaning(refusal.removeprefix("host_")))
    if state == "refused" and f"session_refusal.{refusal}" in texts.keys:
        return texts(f"session_refusal.{refusal}")
    return texts(f"session.{state}_detail")


def shown_result(view: View, moment: Moment) -> str:
    """The key of the payment whose result is shown, if one is."""
    payment = view["payments"][:1]
    idle = view["current"] is None and view["settlement"]["step"] == SettlementStep.IDLE
    return payment[0]["key"] if idle and payment and _is_shown(view, payment[0], moment) else ""


def _is_shown(view: View, payment: View, moment: Moment) -> bool:
    is_news = payment["key"] != moment.seen and not payment["final"]
    return _is_waited_for(view, payment) or is_news or _is_fresh(payment, moment)


def _is_waited_for(view: View, payment: View) -> bool:
    """A reversal is soon answered; but not while the line is dead, and the shop can go on selling."""
    return bool(payment["state"] == State.REVERSAL_DUE and view["offline"]["refusal"])


def _is_fresh(ended: View, moment: Moment) -> bool:
    return bool(ended["key"] != moment.seen and moment.now - ended["at"] < RESULT_STAYS_S)


def _progress(view: View, payment: View, texts: Texts) -> Progress:
    stage = payment["stage"]
    facts = view["terminal"]
    seconds = int(facts["reply_timeout_s"] if stage == "host" else facts["means_timeout_s"])
    said = words.stage(view, payment)
    icon = "code" if said == "code_only" else _STAGE_ICONS.get(stage, "card")
    return Progress(
        what=words.what(payment, texts), amount=_amount(payment, texts), means=words.means(payment, texts),
        headline=Badge(texts(f"stage.{said}"), icon, detail=texts(f"stage.{said}_detail", seconds=seconds)),
        steps=_steps(payment, texts), key=payment["key"],
        choices=tuple(Choice(*choice) for choice in words.choices(payment, texts)),
        cancel_key=payment["key"] if payment["cancellable"] else "",
        message=_message(view, texts),
    )  # fmt: skip


def _steps(payment: View, texts: Texts) -> tuple[Step, ...]:
    """Card, PIN, bank, result: only where a customer presents something; a code has no PIN. A choice needs the room."""
    family = FAMILIES[payment["type"]]
    if family not in ("sale", "inquiry", "offline") or payment["choices"]:
        return ()
    now = _STAGES[payment["stage"]]
    names = ["present" if family == "sale" else "card", "pin", "bank", "confirm"]
    states = ["done" if index < now else "now" if index == now else "next" for index in range(len(names))]
    steps = [Step(texts(f"step.{name}"), state) for name, state in zip(names, states, strict=True)]
    return tuple(steps[:1] + steps[2:] if payment["scan"] else steps)


def _settling(view: View, texts: Texts) -> Progress:
    step = words.name_of(view["settlement"]["step"])
    totals = view["totals"]
    net = texts.money(totals["debit_amount"] - totals["credit_amount"], view["terminal"]["currency"])
    detail = texts(f"settlement.{step}_detail")
    return Progress(
        texts("family.settlement"), net, texts("sales.batch", batch=view["batch"]),
        Badge(texts(f"settlement.{step}"), "bank", detail=detail),
    )  # fmt: skip


def _result(view: View, payment: View, texts: Texts, slip_of: Callable[[str], str]) -> Result:
    prints = payment["has_slip"]
    code = payment["response_code"] if payment["state"] == State.DECLINED else ""
    return Result(
        key=payment["key"], what=words.what(payment, texts), amount=_amount(payment, texts),
        means=words.means(payment, texts), headline=words.headline(payment, None, texts),
        story=words.story(payment, texts, _limit(view, texts)) + _after_it(view, payment, texts),
        slip=slip_of(payment["key"]) if prints else "", code=texts("result.code", code=code) if code else "",
        waits=_is_waited_for(view, payment), reprintable=prints, message=_message(view, texts),
    )  # fmt: skip


def _after_it(view: View, payment: View, texts: Texts) -> tuple[str, ...]:
    is_cut_off = payment["state"] == State.REVERSAL_DUE and not _is_waited_for(view, payment)
    others = (texts("result.cut_off"),) if is_cut_off else ()
    return others + _card_and_slip(view, payment, texts)


def _card_and_slip(view: View, payment: View, texts: Texts) -> tuple[str, ...]:
    """What is left to do at the counter after an approval."""
    if not payment["has_slip"]:
        return ()
    if trouble := printer_trouble(view, payment["key"]):
        return (texts.either("reason", trouble),)
    give = texts("result.take_card" if payment["type"] in ("sale", "offline_sale") else "action.approve")
    sign = (texts("result.sign"),) if payment["signature"] else ()
    return (*sign, texts("result.printing") if payment["receipt_due"] else give)


def printer_trouble(view: View, key: str) -> str:
    """Why the slip of a payment did not come out, if that has just been said."""
    notice = view["notice"]
    about_it = notice is not None and notice["key"] == key and notice["reason"].startswith("printer_")
    return str(notice["reason"]) if about_it else ""


def _settled(view: View, last: View, texts: Texts, slip_of: Callable[[str], str]) -> Result:
    word = "balanced" if last["balanced"] else "unbalanced"
    look = Badge(texts(f"settlement.{word}"), *(("check", "good") if last["balanced"] else ("unknown", "doubt")))
    trouble = printer_trouble(view, last["key"])
    story = (texts(f"settlement.{word}_money", batch=last["batch"]), texts.either("reason", trouble) if trouble else "")
    return Result(
        key=last["key"], what=texts("family.settlement"), amount=texts.money(last["net"], view["terminal"]["currency"]),
        means=texts("sales.batch", batch=last["batch"]), headline=look,
        story=tuple(sentence for sentence in story if sentence), slip=slip_of(last["key"]),
        reprintable=True, message=_message(view, texts),
    )  # fmt: skip


def _amount(payment: View, texts: Texts) -> Money | None:
    if payment["type"] != "balance_inquiry":
        return words.signed_amount(payment, texts)
    return None if payment["balance"] is None else texts.money(payment["balance"], payment["currency"])


def _message(view: View, texts: Texts) -> str:
    """What the machine has refused, said where the cashier looks."""
    notice, current = view["notice"], view["current"]
    if notice is None:
        return ""
    about = notice["key"]
    here = current is not None and about == current["key"]
    general = not about and (notice["reason"] == "busy") == (current is not None)
    return texts.either("reason", notice["reason"], limit=_limit(view, texts)) if here or general else ""


def _limit(view: View, texts: Texts) -> Money:
    return texts.money(view["terminal"]["sale_amount_max"], view["terminal"]["currency"])
