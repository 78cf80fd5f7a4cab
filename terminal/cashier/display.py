"""The customer's screen: the amount, what to do, and how it ended, in Chinese and English at once. No card data.

It is a page for a second screen, at ``/display``; it follows the payment by server-sent events, and nobody presses
anything there. A balance is the customer's own affair: it is not shown on a screen that others see. An approval comes
with its receipt as a code, for whoever wants no paper, or gets none.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

from terminal.cashier import live, render, words
from terminal.cashier.receipt_code import ReceiptCode, receipt_code, receipt_text
from terminal.cashier.texts import LANGUAGES, Money, texts_in
from terminal.cashier.till import Till
from terminal.cashier.words import Tone, View, is_repeating, stage
from terminal.records import Key
from terminal.transitions import State

ReceiptOf = Callable[[str], ReceiptCode | None]

RESULT_STAYS_S = 60
"""As long as a customer may take to look up; after that the next one must not see it."""

_ENDS: dict[State, tuple[str, str, Tone]] = {
    State.APPROVED: ("paid", "check", "good"),
    State.DECLINED: ("declined", "cross", "bad"),
    State.ADVICE_DUE: ("paid", "check", "good"),
    State.REVERSAL_DUE: ("unconfirmed", "unknown", "doubt"),
    State.SENT: ("unconfirmed", "unknown", "doubt"),
    State.REVERSED: ("reversed", "undo", "plain"),
    State.CANCELLED: ("cancelled", "minus", "plain"),
}
_ICONS = {
    **dict.fromkeys(("card_or_code", "card_only", "insert_swipe_or_code", "insert_or_swipe", "card_offline"), "card"),
    **dict.fromkeys(("card_or_code_offline", "tap_or_code_offline"), "card"),
    **dict.fromkeys(("swipe_or_code", "swipe_only", "insert_chip", "insert_again"), "card"),
    **dict.fromkeys(("use_stripe", "insert_instead", "tap_offline"), "card"),
    **dict.fromkeys(("insert_tap_or_code", "insert_or_tap", "insert_tap_swipe_or_code", "insert_tap_or_swipe"), "card"),
    "code_only": "code", "pin": "pin", "host": "bank", "host_tapped": "bank", "choose": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Screen:
    """What the customer sees; `lines` are the sentence in each language with its tag, the shop's own first.

    `receipt` is the code that a phone takes the receipt from, and `receipt_lines` say so.
    """

    says: str
    icon: str
    tone: Tone
    amount: Money | None
    lines: tuple[tuple[str, str], ...]
    shops: tuple[str, ...]
    choices: tuple[str, ...] = ()
    receipt: ReceiptCode | None = None
    receipt_lines: tuple[tuple[str, str], ...] = ()


def screen(view: View, seen: str, now: float, receipt_of: ReceiptOf = lambda _: None) -> Screen:
    """Decide what the screen shows; `seen` is the result that the cashier has gone on from.

    receipt_of: the code of a payment's receipt by its key; asked only where money has moved, and the customer is there.
    """
    current, newest = view["current"], view["payments"][:1]
    if current is not None:
        says = stage(view, current)
        return _screen(view, says, _ICONS.get(says, "wait"), "plain", current)
    if view["test"]["running"]:
        return _screen(view, "testing", "wait", "plain", None)
    if newest and _is_shown(newest[0], seen, now):
        says, icon, tone = _ENDS.get(State(newest[0]["state"]), ("other", "wait", "plain"))
        if says == "paid" and newest[0]["direction"] == "credit":
            says = "given_back"
        shown = _screen(view, says, icon, tone, newest[0])
        return _with_receipt(shown, receipt_of(newest[0]["key"])) if says in ("paid", "given_back") else shown
    return _screen(view, "welcome", "", "plain", None)


def _is_shown(payment: View, seen: str, now: float) -> bool:
    if payment["type"] == "balance_inquiry" or is_repeating(payment, None):
        return False
    if payment["offline"] and payment["state"] == State.DECLINED:  # by the bank, later: that customer has gone
        return False
    unsure = payment["state"] == State.REVERSAL_DUE
    return bool(unsure or (payment["key"] != seen and now - payment["at"] < RESULT_STAYS_S))


def _screen(view: View, says: str, icon: str, tone: Tone, payment: View | None) -> Screen:
    terminal = view["terminal"]
    own_first = sorted(LANGUAGES, key=lambda language: language != terminal["language"])
    amount = None
    if payment is not None and payment["type"] != "balance_inquiry":
        amount = texts_in(own_first[0]).money(payment["amount"], payment["currency"])
    lines = tuple((language, texts_in(language).either("display", says)) for language in own_first)
    shops = tuple(terminal[f"merchant_{language}"] for language in own_first)
    choices = words.choices(payment, texts_in(own_first[0])) if says == "choose" and payment is not None else ()
    return Screen(says, icon, tone, amount, lines, shops, tuple(shown for _, _, shown in choices))


def _with_receipt(shown: Screen, receipt: ReceiptCode | None) -> Screen:
    if receipt is None:
        return shown
    lines = tuple((language, texts_in(language)("display.receipt")) for language, _ in shown.lines)
    return replace(shown, receipt=receipt, receipt_lines=lines)


class Display:
    """The handlers of the customer's screen."""

    def __init__(self, till: Till) -> None:
        self.till = till

    def routes(self) -> list[Route]:
        """The addresses of the customer's screen."""
        return [
            Route("/display", self.show, name="display"),
            Route("/display/updates", self.updates, name="display-updates"),
        ]

    async def show(self, _: Request) -> HTMLResponse:
        """The page."""
        return HTMLResponse(render.template("display.html", screen=self._now()), headers={"cache-control": "no-store"})

    async def updates(self, _: Request) -> StreamingResponse:
        """What changes from now on."""
        headers = {"cache-control": "no-store"}
        return StreamingResponse(self._updates(), media_type="text/event-stream", headers=headers)

    def _now(self) -> Screen:
        return screen(self.till.view(), self.till.seen, self.till.now(), self._receipt)

    def _receipt(self, key: str) -> ReceiptCode | None:
        facts = self.till.runner.printing.facts(Key.parse(key))
        return receipt_code(receipt_text(facts)) if facts else None

    async def _updates(self) -> AsyncIterator[bytes]:
        test = self.till.runner.test
        test.displays += 1
        shown: Screen | None = None
        try:
            async with aclosing(live.looks(self.till)) as looks:
                async for _ in looks:
                    if (now := self._now()) != shown:
                        shown = now
                        yield live.event("screen", render.template("display_screen.html", screen=shown))
        finally:
            test.displays -= 1
