"""A terminal's journal in memory, for the simulated world: what `terminal/journal.py` does, without its disk."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

from terminal.book import Book, Payment
from terminal.journal import CODES_REMEMBERED
from terminal.records import (
    ApprovedByCode,
    ApprovedOffline,
    BatchClosed,
    Key,
    ParametersTaken,
    Record,
    SettleAnswered,
    SettleStarted,
    Started,
)  # fmt: skip


class JournalPort(Protocol):
    """What a terminal's journal does; `terminal.journal.Journal` does it too."""

    def append(self, record: Record) -> None:
        """Write a record durably. Raises JournalUnwritable."""

    def replay(self) -> Iterable[Record]:
        """Give back what the host has set, codes that have paid, the last settlement, parkings, and the open batch."""

    def batch(self, terminal: str, batch: str) -> Iterable[Record]:
        """Give back the payments of one batch, and its settlement if that is the one begun last."""

    def payment(self, key: Key) -> Payment | None:
        """Look a payment up, also in batches closed long ago."""

    def refunds_of(self, key: Key) -> list[Payment]:
        """All refunds and voids of a sale."""

    def sold_offline_to(self, token: str) -> Iterable[Payment]:
        """What was sold offline to a card, or to a customer's key, newest first."""

    def everything(self) -> Iterable[Record]:
        """Give back all records."""

    def close(self) -> None:
        """Close the file."""


class MemoryJournal:
    """A journal whose disk is a list."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records: list[Record] = []
        self._settlement_at = 0
        self._replay_from = 0
        self._parameters_at: int | None = None
        self._codes_at: list[int] = []
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Write a record."""
        if isinstance(record, SettleStarted) and not record.parked:
            self._settlement_at = len(self.records)
        elif isinstance(record, BatchClosed) and not record.parked:
            self._replay_from = self._settlement_at
        elif isinstance(record, ParametersTaken):
            self._parameters_at = len(self.records)
        elif isinstance(record, ApprovedByCode):
            self._codes_at.append(len(self.records))
        self.records.append(record)

    def replay(self) -> Iterator[Record]:
        """Give back what `Journal.replay` gives back; while batches are parked, also what it leaves out of them."""
        at, first = self._parameters_at, self._replay_from
        before = [] if at is None or at >= first else [self.records[at]]
        codes = [self.records[at] for at in self._codes_at if at < first][-CODES_REMEMBERED:]
        return chain(before, codes, self.records[first:])

    def batch(self, terminal: str, batch: str) -> Iterator[Record]:
        """Give back the payments of one batch, and its settlement if that is the one begun last."""
        for record in self.records:
            key = getattr(record, "key", None)
            if (key and (key.terminal, key.batch) == (terminal, batch)) or (
                isinstance(record, SettleStarted | SettleAnswered) and record.batch == batch
            ):
                yield record

    def payment(self, key: Key) -> Payment | None:
        """Look a payment up, also in batches closed long ago."""
        book = Book()
        for record in self.records:
            if getattr(record, "key", None) == key:
                book.apply(record)
        return book.payments.get(key)

    def refunds_of(self, key: Key) -> list[Payment]:
        """All refunds and voids of a sale, whatever became of them."""
        keys = [record.key for record in self.records if isinstance(record, Started) and record.original == key]
        return [payment for payment in map(self.payment, keys) if payment is not None]

    def sold_offline_to(self, token: str) -> Iterator[Payment]:
        """What was sold offline to a card, or to a customer's key, newest first."""
        for record in reversed(self.records):
            match record:
                case ApprovedOffline(key=key, card_token=card) | ApprovedByCode(key=key, user=card) if card == token:
                    payment = self.payment(key)
                    assert payment is not None, "what was approved was begun"
                    yield payment

    def everything(self) -> Iterator[Record]:
        """Give back all records, oldest first."""
        return iter(self.records)

    def close(self) -> None:
        """Nothing to close."""
