"""Batches that are parked: a full batch that cannot be settled is set aside, and selling goes on in the next.

When the line is back they are brought to the host strictly one after the other, the oldest first, for that is the order
in which a host closes batches. The oldest one is loaded from the journal into a book of its own, with payments and a
settlement over it: what is owed goes out and is answered, then the batch is settled, then the next is loaded. So
however many are parked, two batches are in memory, and of every other one line (`records.BatchParked`).

Whatever dies in the midst, the journal knows which batches are parked and how far the oldest one is.
"""

from firmware_config.profile import TerminalProfile
from terminal.book import Book
from terminal.effects import Effect, LoadBatch, Persist, Send
from terminal.events import BatchLoaded, CloseByPeople, Line, Received
from terminal.payment import Payments
from terminal.records import BatchParked, Key
from terminal.settlement import Settlement, Step, following
from terminal.sums import Shares


class ParkedBatches:
    """Parks the open batch, and drains those that are parked."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._asked_for = ""
        self._desk: _Desk | None = None

    def park(self, operator: str, now: float) -> list[Effect]:
        """Set the open batch aside; the caller has made sure that it may be, and that nothing of it is in hand."""
        book, owed, (asked, reversals) = self._book, self._book.owed_here(), self._book.asked_here()
        sales = book.advices_due()
        shares = Shares.of(((sale.operator, sale.scheme, sale.amount, sale.owed_since) for sale in sales), now)
        record = BatchParked(
            book.batch, following(book.batch), f"{book.next_trace:06d}", self._profile.terminal_id,
            len(book.parked) + 1, operator, now, owed.count, owed.amount, owed.since, asked, reversals,
            book.lost.count, book.lost.amount, book.unbalanced,
            shares.by_operator, shares.by_scheme, shares.count_by_scheme, shares.by_slice,
        )  # fmt: skip
        book.apply(record)
        return [Persist(record)]

    def follow(self, ready: bool, now: float) -> list[Effect]:
        """Load the oldest one, if none is; settle the one that is, as soon as nothing of it is open."""
        if self._desk is None:
            return self._load()
        return self._kept(self._desk.settle(self._book.parked[self._desk.book.batch].operator, now)) if ready else []

    def _load(self) -> list[Effect]:
        oldest = self._next()
        if oldest == self._asked_for:
            return []
        self._asked_for = oldest
        return [LoadBatch(oldest)] if oldest else []

    def _next(self) -> str:
        """The oldest batch that is parked; empty if none is. The host closes them in this order."""
        return next(iter(self._book.parked), "")

    @property
    def come_first(self) -> bool:
        """Advices of the open batch wait for those in here: all go in order, unless these wait for people.

        They do not wait for ever for a host that has booked all of these, and does not settle their batch.
        """
        if self._desk is None:
            return bool(self._book.parked)
        if waiting := self._desk.book.unresolved():
            return not all(payment.attention for payment in waiting)
        return bool(self._book.owed_not_at_hand().count) or not self._desk.settlement.is_in_vain

    @property
    def under_way(self) -> int:
        """How many messages of the batch that is loaded may yet be answered in time."""
        return self._desk.payments.forwarding.under_way if self._desk else 0

    @property
    def waiting(self) -> int:
        """How many of them wait for their next turn."""
        return self._desk.payments.forwarding.waiting if self._desk else 0

    def loaded(self, event: BatchLoaded, lines: frozenset[Line], now: float) -> list[Effect]:
        """The journal has been read: go on where this batch stands, over the lines that are up."""
        if self._desk is not None or event.batch != self._next():
            return []
        book = Book.of_parked_batch(event.batch, event.records)
        self._book.load(book)
        self._desk = _Desk(book, self._profile)
        return self._kept(self._desk.payments.resume(now) + self._desk.lines_are(lines, now))

    def owns(self, batch: str) -> bool:
        """Whether this is the batch that is loaded."""
        return self._desk is not None and self._desk.book.batch == batch

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer of the host about the batch that is loaded."""
        if self._desk is None:
            return []
        settles = event.message.mti in ("0510", "0330")
        core: Settlement | Payments = self._desk.settlement if settles else self._desk.payments
        return self._kept(core.received(event, now))

    def card_erased(self, key: Key, now: float) -> list[Effect]:
        """A payment of the batch that is loaded cannot be asked for any more."""
        return self._kept(self._desk.payments.card_erased(key, now)) if self._desk else []

    def close_by_people(self, said: CloseByPeople, now: float) -> list[Effect]:
        """Two people close a payment of the batch that is loaded; the caller has made sure that they may."""
        return self._kept(self._desk.payments.close_by_people(said, now)) if self._desk else []

    def courier_refused(self, key: Key, now: float) -> list[Effect]:
        """The broker does not carry a message of the batch that is loaded."""
        return self._kept(self._desk.payments.courier_refused(key, now)) if self._desk else []

    def send_now(self, now: float) -> list[Effect]:
        """A person does not want to wait until it is time."""
        return self._kept(self._desk.payments.send_now(now)) if self._desk else []

    def lines_are(self, lines: frozenset[Line], now: float) -> list[Effect]:
        """The lines that can be used now."""
        return self._kept(self._desk.lines_are(lines, now)) if self._desk else []

    def tick(self, now: float) -> list[Effect]:
        """Send again what is due."""
        return self._kept(self._desk.payments.tick(now) + self._desk.settlement.tick(now)) if self._desk else []

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        times = (self._desk.payments.deadline(), self._desk.settlement.deadline()) if self._desk else ()
        return min((time for time in times if time is not None), default=None)

    def _kept(self, effects: list[Effect]) -> list[Effect]:
        """What the open batch's book must know of it, it hears here; the customer's devices are not touched."""
        for effect in effects:
            if isinstance(effect, Persist):
                self._book.apply(effect.record)
        if self._book.draining is None:
            self._desk, self._asked_for = None, ""
        return [effect for effect in effects if isinstance(effect, Persist | Send)]


class _Desk:
    """The batch that is loaded: its book, and what works on it."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self.book = book
        self.payments = Payments(book, profile)
        self.settlement = Settlement(book, profile)

    def lines_are(self, lines: frozenset[Line], now: float) -> list[Effect]:
        was_up = "host" in self.payments.forwarding.lines
        effects = self.payments.lines_are(lines, now)
        if "host" in lines and not was_up:
            return effects + self.settlement.link_up(now)
        return effects + (self.settlement.link_down() if was_up and "host" not in lines else [])

    def settle(self, operator: str, now: float) -> list[Effect]:
        """Begin, if it has not begun and nothing is open."""
        if self.settlement.step is not Step.IDLE or self.book.unresolved():
            return []
        return self.settlement.start(operator, now)
