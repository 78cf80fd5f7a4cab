"""What the page knows beside the view, and how a press reaches the machine.

Every form that could move money carries a `request_id`. There is one at a time for the whole till: whichever form uses
it first has it, and the page then shows another. So a double click, a second tab and the browser's *back* start at most
one payment, and a form from a page that is out of date starts none.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from terminal.book import Payment
from terminal.effects import Print
from terminal.events import Event, Original
from terminal.operators import Operators, Role
from terminal.records import SETTLEMENT_TRACE, Key
from terminal.risk import given_back
from terminal.runner import Runner
from terminal.slip_layout import Cut, plain_text
from terminal.transitions import State
from terminal.view import payment_view

TAKEN_UP_WITHIN_S = 3.0


class Till:
    """One terminal as its page sees it."""

    def __init__(self, runner: Runner, operators: Operators) -> None:
        self.runner = runner
        self.operators = operators
        self.seen = ""
        self._request_id = ""
        self._used = ""
        self._one_at_a_time = asyncio.Lock()
        self._touched = asyncio.Event()

    def view(self) -> dict[str, Any]:
        """The machine's state."""
        return self.runner.view()

    def now(self) -> float:
        """What time it is, UTC seconds: the machine's time, not that of a wall clock that may be wrong."""
        return self.runner.now()

    def touch(self) -> None:
        """What the page shows has changed, though the machine's state has not."""
        self._touched.set()
        self._touched = asyncio.Event()

    async def touched(self) -> None:
        """Return at the next touch."""
        await self._touched.wait()

    def go_on(self, key: str) -> None:
        """Somebody has seen this result and wants the next amount."""
        self.seen = key
        self.touch()

    @property
    def request_id(self) -> str:
        """The name that the next request will have. It is of this batch, so no form outlives its batch."""
        book = self.runner.counter.book
        held = self._request_id
        if held == self._used or held in book.requests or not held.startswith(f"{book.batch}-"):
            self._request_id = f"{book.batch}-{secrets.token_hex(8)}"
        return self._request_id

    def is_fresh(self, request_id: str) -> bool:
        """Whether a form is of the page as it stands, or of a payment that it has started already."""
        return request_id == self.request_id or request_id in self.runner.counter.book.requests

    def use(self, request_id: str) -> bool:
        """Take the request id for something that is no payment; False if it was used before."""
        if request_id != self.request_id:
            return False
        self._used = request_id
        self.touch()
        return True

    async def check(self, number: str, pin: str, role: Role | None = None) -> str:
        """Check a PIN off the loop (it takes a while on purpose); return an empty text or a reason."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self.operators.check, number, pin, role)

    async def carry_out(self, event: Event, taken_up: Callable[[], bool]) -> str:
        """Hand an event to the machine and wait until it has taken it up or refused it; a refusal is in the view.

        Returns a reason if it did neither.
        """
        notice = self.runner.counter.notice
        self.runner.post(event)
        try:
            async with asyncio.timeout(TAKEN_UP_WITHIN_S):
                async for _ in self.runner.changes():
                    if taken_up() or self.runner.counter.notice is not notice:
                        break
        except TimeoutError:
            return "not_heard"
        return ""

    def started(self, request_id: str) -> bool:
        """Whether a payment stands under this name."""
        return request_id in self.runner.counter.book.requests

    def in_batch(self, name: str) -> Payment | None:
        """A payment of the open batch, or of the parked one that is loaded; None if there is none of this name."""
        try:
            return self.runner.counter.book.find(Key.parse(name))
        except ValueError:
            return None

    def find(self, key: str) -> dict[str, Any] | None:
        """Describe a payment of this batch or of an earlier one; None if there is none of this name.

        `here`: it is of the open batch; only then can it be voided.
        """
        payment = self._in_journal(key)
        if payment is None:
            return None
        shown, here = payment_view(payment, self.runner.codes), payment.key in self.runner.counter.book.payments
        return shown | {"here": here, "voidable": shown["voidable"] and here}

    def original(self, key: str) -> Original | None:
        """What a refund must know of its sale; None for what is no approved sale."""
        payment = self._in_journal(key)
        if payment is None or not payment.is_booked_sale:
            return None
        refunded = given_back(self.runner.journal.refunds_of(payment.key), self.runner.counter.book)
        return Original(
            payment.key, payment.type, payment.amount, refunded, payment.currency, payment.reference,
            payment.authorisation, payment.host_date, payment.means, payment.card, payment.voided_by is not None,
            self.runner.has_lost_card(payment.card),
        )  # fmt: skip

    def slip(self, key: str) -> str:
        """The customer's copy of a slip (of a settlement its only one) as text; empty where there is none."""
        try:
            parsed = Key.parse(key)
        except ValueError:
            return ""
        lines = self.runner.printing.lines(Print(parsed))
        copies = [index for index, line in enumerate(lines) if isinstance(line, Cut)]
        start = 0 if parsed.trace == SETTLEMENT_TRACE or len(copies) < 2 else copies[-2] + 1
        end = copies[-1] if copies else len(lines)
        return plain_text(lines[start:end], self.runner.profile.devices.paper_columns).strip("\n")

    def _in_journal(self, name: str) -> Payment | None:
        """A payment as the whole journal tells it, with all that was given back of it since."""
        try:
            key = Key.parse(name)
        except ValueError:
            return None
        payment = self.runner.journal.payment(key)
        if payment is None:
            return None
        back = [p for p in self.runner.journal.refunds_of(key) if p.state is State.APPROVED]
        voids = [p.key for p in back if p.type in ("sale_void", "qr_void")]
        refunded = sum(p.amount for p in back if p.type in ("refund", "qr_refund"))
        return replace(payment, refunded=refunded, voided_by=voids[0] if voids else None)
