"""A cashier and customers who are there all the time, with cards and codes: what the page offers, they take.

Customers have the card that approves by itself, the one that is tapped, and a phone without a network.
"""

import asyncio
from dataclasses import dataclass

from simulators.tour.browser import PageError
from simulators.tour.people import NotSeen, View
from simulators.tour.setting_up import CASHIER, CASHIER_PIN
from simulators.tour.steps import OFFLINE_CARD, TAPPED_CARD, Tour

AMOUNT_MIN, AMOUNT_STEP, AMOUNTS = 640, 170, 12
LOOK_AGAIN_S = 0.3
OVER_WITHIN_S = 60.0


@dataclass(slots=True)
class Turns:
    """How often a customer came, and how often one was turned away because nothing could be sold."""

    customers: int = 0
    turned_away: int = 0


class Staff:
    """Sells until `close` is called, with a pause after each customer."""

    def __init__(self, tour: Tour, pause_s: float) -> None:
        self.turns = Turns()
        self._tour = tour
        self._pause_s = pause_s
        self._closed = asyncio.Event()

    def close(self) -> None:
        """The customer who is at the counter is the last."""
        self._closed.set()

    async def work(self) -> None:
        """Serve one customer after the other. What a customer cannot have is put away, and the next one comes."""
        await self._tour.cashier.log_on(CASHIER, CASHIER_PIN)
        await self._tour.customer.airplane("on")
        while not self._closed.is_set():
            try:
                sold = await self._serve(await self._tour.cashier.view())
                await self._tour.cashier.next_sale()
            except (NotSeen, PageError):
                sold = False
                await self._put_away()
            await self._pause(self._pause_s if sold else LOOK_AGAIN_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return

    async def _serve(self, view: View) -> bool:
        number, customer = self.turns.customers, self._tour.customer
        amount = AMOUNT_MIN + number % AMOUNTS * AMOUNT_STEP
        self.turns.customers += 1
        if not view["refusal"]:
            await self._tour.cashier.charge(amount)
            await self._asked_for_means()
            await customer.tap(TAPPED_CARD)
            await self._over()
            await customer.take_away()
        elif not view["offline"]["refusal"] and view["offline"]["left_amount"] >= amount:
            await self._tour.cashier.charge_offline(amount)
            await self._asked_for_means()
            await (self._shows_phone() if number % 2 else customer.insert(OFFLINE_CARD))
            await self._over()
            await customer.take_card()
        else:
            self.turns.turned_away += 1
            return False
        return True

    async def _shows_phone(self) -> None:
        await self._tour.customer.code_kind("signed")
        await self._tour.customer.show_phone()

    async def _asked_for_means(self) -> None:
        await self._tour.cashier.until(
            "a card or a code is asked for",
            lambda view: bool(view["current"]) and view["current"]["stage"] == "card_or_code",
        )

    async def _over(self) -> None:
        await self._tour.cashier.until("the payment is over", lambda view: view["current"] is None, OVER_WITHIN_S)

    async def _put_away(self) -> None:
        """Whatever was begun is given up or waited for, and nothing lies on any reader."""
        self.turns.turned_away += 1
        try:
            await self._tour.customer.take_card()
            await self._tour.customer.take_away()
            view = await self._tour.cashier.view()
            if view["current"] and view["current"]["cancellable"]:
                await self._tour.cashier.cancel()
            await self._over()
            await self._tour.cashier.next_sale()
        except (NotSeen, PageError):
            return  # the terminal is looked at again by the next customer
