"""The people in the shop: a cashier at the page, a customer at the devices, somebody who drives the issuer's moods."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from simulators.counter.devices import PIN
from simulators.tour.browser import Browser, PageError

View = Mapping[str, Any]

PATIENCE_S = 30.0
TAKEN_UP_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.05
FEN_PER_YUAN = 100


class NotSeen(Exception):
    """What should have happened did not; the text says what was waited for."""


class Cashier:
    """An operator at the cashier's page, who presses what the page offers and looks at what it shows."""

    def __init__(self, page_port: int) -> None:
        self._browser = Browser(page_port)

    async def log_on(self, operator: str, pin: str) -> None:
        """Log on; the result that an earlier day may have left on the page is gone on from."""
        await self.next_sale()
        await self._press("/", "/log-on", operator=operator, pin=pin)

    async def charge(self, amount: int) -> None:
        """Begin a sale of so many fen."""
        await self._begin("/", "/charge", amount=yuan(amount))

    async def charge_offline(self, amount: int) -> None:
        """Begin a sale of so many fen by the key that sells without the bank."""
        await self._begin("/", "/charge", amount=yuan(amount), offline="yes")

    async def charge_too_much_offline(self, amount: int) -> None:
        """Press that key for more than is allowed, and be told so."""
        await self._press("/", "/charge", amount=yuan(amount), offline="yes")
        await self.until("it is refused", lambda view: (view["notice"] or {}).get("reason") == "offline_amount")

    async def void(self, key: str, supervisor: str, pin: str) -> None:
        """Take back a sale, with the supervisor's leave."""
        await self._begin(_sheet("void", key), "/void", supervisor=supervisor, pin=pin)

    async def refund(self, key: str, amount: int, supervisor: str, pin: str) -> None:
        """Give back so many fen of a sale, with the supervisor's leave."""
        await self._begin(_sheet("refund", key), "/refund", amount=yuan(amount), supervisor=supervisor, pin=pin)

    async def reprint(self, key: str) -> None:
        """Print a slip again."""
        await self._press(_sheet("payment", key), "/reprint")

    async def settle(self, supervisor: str, pin: str) -> None:
        """Close the batch, with the supervisor's leave."""
        await self._press("/?sheet=settle", "/settle", supervisor=supervisor, pin=pin)

    async def cancel(self) -> None:
        """Give up the payment that waits for a card or a code."""
        await self._press("/", "/cancel")

    async def next_sale(self) -> None:
        """Go on from a result."""
        with suppress(PageError):  # no result is shown: the amount is there already
            await self._press("/", "/next")

    async def view(self) -> View:
        """What the page shows now."""
        view: View = (await self._browser.json("/state"))["view"]
        return view

    async def until(self, what: str, holds: Callable[[View], bool], within_s: float = PATIENCE_S) -> View:
        """Look at the page until something holds, and return what it shows then. Raises NotSeen with `what`."""
        version = ""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with suppress(PageError):  # the terminal is being started
                        shown = await self._browser.json(f"/state?after={version}")
                        version = shown["version"]
                        if holds(shown["view"]):
                            return dict(shown["view"])
                        continue
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise NotSeen(what) from None

    async def _begin(self, page: str, action: str, **fields: str) -> None:
        """Press what begins a payment, and wait until the page lists it: a look before that shows the one before."""
        before = len((await self.view())["payments"])
        await self._press(page, action, **fields)
        what = f"the payment of {action} has begun"
        await self.until(what, lambda view: len(view["payments"]) > before, TAKEN_UP_WITHIN_S)

    async def _press(self, page: str, action: str, **fields: str) -> None:
        answered = await self._browser.submit(page, action, **fields)
        if answered.get("said", "reprinting") != "reprinting":
            raise PageError(f"the page refuses {action}: {answered['said']}")


class Customer:
    """Somebody before the counter with cards, a phone, and the run of the printer."""

    def __init__(self, counter_port: int) -> None:
        self._browser = Browser(counter_port)

    async def insert(self, card: str) -> None:
        """Put a card of the deck into the slot."""
        await self._order("insert_card", card)

    async def tap(self, card: str) -> None:
        """Hold a card of the deck at the contactless reader."""
        await self._order("tap", card)

    async def take_away(self) -> None:
        """Take it away from there."""
        await self._order("take_away")

    async def swipe(self, card: str) -> None:
        """Pull a card of the deck through the stripe reader."""
        await self._order("swipe", card)

    async def take_card(self) -> None:
        """Take the card out."""
        await self._order("remove_card")

    async def enter_pin(self) -> None:
        """Wait until the pad asks, then enter the PIN."""
        await self.until("the PIN pad asks for a PIN", lambda state: bool(state["pin_pad"]["asks"]))
        await self._order("press", PIN)
        await self._order("press", "enter")

    async def show_phone(self) -> None:
        """Hold the phone under the scanner."""
        await self._order("scan")

    async def airplane(self, how: str) -> None:
        """Take the phone's network away (``on``), or give it back (``off``)."""
        await self._order("airplane", how)

    async def code_kind(self, kind: str) -> None:
        """In airplane mode, let the phone show a fresh code of this kind: ``digits`` or ``signed``."""
        await self._order("code_kind", kind)

    async def paper(self, how: str) -> None:
        """Take the printer's paper ``out``, or put it ``in``."""
        await self._order("paper", how)

    async def slips(self, after: int, count: int) -> list[dict[str, Any]]:
        """Wait for so many slips after the one of that number; return them, oldest first."""
        state = await self.until(
            f"{count} slips", lambda state: sum(slip["number"] > after for slip in state["slips"]) >= count
        )
        return sorted((slip for slip in state["slips"] if slip["number"] > after), key=lambda slip: slip["number"])

    async def last_slip(self) -> int:
        """The number of the newest slip, 0 if there is none."""
        state = await self._browser.json("/state")
        return max((slip["number"] for slip in state["slips"]), default=0)

    async def until(self, what: str, holds: Callable[[View], bool]) -> View:
        """Look at the devices until something holds. Raises NotSeen."""
        version = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    state: View = await self._browser.json(f"/state?after={version}")
                    if holds(state):
                        return state
                    version = state["version"]
        except TimeoutError:
            raise NotSeen(what) from None

    async def _order(self, order: str, value: str = "") -> None:
        await self._browser.order(f"/orders/{order}", value=value)


class Banker:
    """Somebody at the issuer's control port: sets its mood, looks into its accounts."""

    def __init__(self, control_port: int) -> None:
        self._port = control_port

    async def mood(self, name: str, times: int, **details: float) -> None:
        """Set how the issuer treats the next `times` requests."""
        await self._ask({"mood": name, "times": times, **details})

    async def balance(self, account: str) -> int:
        """What is in an account, in fen."""
        return int((await self._ask({"balance": account}))["balance"])

    async def until_balance(self, account: str, wanted: int) -> None:
        """Look into an account until so much is in it. Raises NotSeen."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.balance(account) != wanted:  # noqa: ASYNC110 - an account has no events
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise NotSeen(f"the balance of the account is {wanted} fen") from None

    async def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(json.dumps(order).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()
        assert answer["ok"], f"the issuer refuses {sorted(order)}"
        return answer


def yuan(amount: int) -> str:
    """Fen as the page takes them: ``2500`` is ``25.00``."""
    return f"{amount // FEN_PER_YUAN}.{amount % FEN_PER_YUAN:02d}"


def _sheet(name: str, key: str) -> str:
    return "/?" + urlencode({"sheet": name, "key": key})
