"""The terminal's process: the whole terminal out of its folder, and a cashier who carries out the orders of a plan.

The cashier begins no order twice: one whose request is in the journal has been begun, in this life or in one before.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from simulators.crash.lives import Ear, Trigger
from simulators.crash.plans import OFFLINE, Order, Plan
from terminal.book import Payment
from terminal.counter import Counter, Notice
from terminal.effects import Effect
from terminal.events import (
    BalanceRequested,
    Event,
    Original,
    RefundRequested,
    SaleRequested,
    SettleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.runner import Runner
from terminal.settlement import Step
from terminal.start import opened

CASHIER, SUPERVISOR = "01", "00"
CODE_USER = "6207"


async def work(folder: Path, plan: Plan, trigger: Trigger, ear: Ear) -> None:
    """Run the terminal, carry out what has not been begun, say ``quiet``, and then settle when told to."""

    def after(_: Effect) -> None:
        trigger.effect("terminal")
        if trigger.effect_for("keys", terminal.keys.pid):
            ear.say(died="keys")

    async with opened(folder, after) as terminal, asyncio.TaskGroup() as group:
        group.create_task(terminal.runner.run())
        cashier = Cashier(terminal.runner, ear)
        ear.say(host="on")  # a life before this one may have left it off
        for number, order in enumerate(plan.orders):
            await cashier.ready()
            await cashier.cut_the_line(order)
            if number == 0:
                trigger.arm()
            await cashier.carry_out(order)
        await cashier.quiet()
        ear.say(quiet=True)
        while True:
            assert await ear.words.get() == "settle", "the only word for a cashier"
            ear.say(settled=await cashier.settle())


class Cashier:
    """Somebody at the counter. Where a card or a code is wanted, the customer is told by way of `ear`."""

    def __init__(self, runner: Runner, ear: Ear) -> None:
        self._runner = runner
        self._ear = ear

    async def ready(self) -> None:
        """Wait until the terminal may take a payment."""
        await self._until(lambda counter: counter.session.ready and not self._open(counter))

    async def quiet(self) -> None:
        """Wait until nothing is under way and every slip is out."""
        await self._until(lambda counter: counter.session.ready and not self._open(counter) and counter.slips.at_rest)

    async def cut_the_line(self, order: Order) -> None:
        """Have the host switched off for an offline sale that has not been begun."""
        if order.kind in OFFLINE and order.request_id not in self._runner.counter.book.requests:
            self._ear.say(host="off")
            await self._until(lambda counter: counter.session.host_is_out_of_reach)

    async def carry_out(self, order: Order) -> None:
        """Do what the order says and wait for its end, whatever that is."""
        if order.request_id in self._runner.counter.book.requests:
            return
        if order.kind == "settle":
            await self.settle()
            return
        event = self._event(order)
        if event is None:
            return
        self._runner.post(event)
        await self._until(lambda counter: order.request_id in counter.book.requests or counter.notice is not None)
        if order.kind in ("sale", "offline_sale", "balance"):
            self._ear.say(customer=f"card {order.card}")
        elif order.kind in ("qr_sale", "phone_sale", "offline_code_sale"):
            await self._until(lambda counter: counter.busy or self._ended(counter, order))
            kind = "signed" if order.kind in OFFLINE else "digits"
            shows = f"code {payment_code(order.request_id)}" if order.kind == "qr_sale" else f"phone {kind}"
            self._ear.say(customer=shows)
        if order.kind in OFFLINE:
            await self._until(lambda counter: not counter.busy and counter.slips.at_rest)
            self._ear.say(host="on")
        await self._until(lambda counter: self._ended(counter, order))
        self._ear.say(customer="out")

    async def settle(self) -> str:
        """Close the batch, and return its number; press again if that was refused, as when the keys have just gone."""
        await self.quiet()
        batch = self._runner.counter.book.batch
        while self._runner.counter.book.batch == batch:
            said = self._runner.counter.notice
            self._runner.post(SettleRequested(CASHIER))
            await self._until(lambda counter, said=said: _moved_on(counter, batch, said))  # type: ignore[misc]
            await self.quiet()
        return batch

    def _event(self, order: Order) -> Event | None:
        """The request, or None if its sale did not come to anything."""
        sale = self._sale(order.original)
        match order.kind:
            case "sale" | "qr_sale" | "phone_sale":
                return SaleRequested(order.request_id, order.amount, CASHIER)
            case "offline_sale" | "offline_code_sale":
                return SaleRequested(order.request_id, order.amount, CASHIER, offline=True)
            case "balance":
                return BalanceRequested(order.request_id, CASHIER)
            case "void" if sale:
                return VoidRequested(order.request_id, sale.key, CASHIER, SUPERVISOR)
            case "refund" if sale:
                return RefundRequested(order.request_id, _original(sale), order.amount, CASHIER, SUPERVISOR)
        return None

    def _sale(self, request_id: str) -> Payment | None:
        book = self._runner.counter.book
        key = book.requests.get(request_id)
        return book.payments[key] if key else None

    @staticmethod
    def _ended(counter: Counter, order: Order) -> bool:
        key = counter.book.requests.get(order.request_id)
        return key is None or counter.book.payments[key].is_final

    @staticmethod
    def _open(counter: Counter) -> bool:
        return bool(counter.busy or counter.book.unresolved() or counter.settlement.step is not Step.IDLE)

    async def _until(self, holds: Callable[[Counter], bool]) -> None:
        async for _ in self._runner.changes():
            if holds(self._runner.counter):
                return


def _moved_on(counter: Counter, batch: str, said: Notice | None) -> bool:
    """The batch is closed, or that was refused: something new has been said."""
    return counter.book.batch != batch or (counter.notice is not None and counter.notice is not said)


def _original(sale: Payment) -> Original:
    return Original(
        key=sale.key, type=sale.type, amount=sale.amount, refunded=sale.refunded, currency=sale.currency,
        reference=sale.reference, authorisation=sale.authorisation, date=sale.host_date, means=sale.means,
        card=sale.card,
    )  # fmt: skip


def payment_code(request_id: str) -> str:
    """A code of one wallet user, for one order: it works once."""
    return CODE_USER + f"{int.from_bytes(request_id.encode()[-6:]):015d}"
