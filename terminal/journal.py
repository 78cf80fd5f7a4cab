"""The terminal's journal: an append-only, hash-chained list of records in SQLite (WAL, synchronous=FULL).

`append` returns when its records are on disk, all or none. Each row carries the SHA-256 of the row before it and of its
own content, so `verify` finds any row that was changed, removed or put in between. Nothing is ever updated or deleted;
the database refuses it. One process writes; others may read.

However many batches are parked and however much they hold, a start reads one line of each, the payments of the open
batch and of the one parked last, and, when it is its turn, those of the oldest (`batch`).
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import takewhile
from pathlib import Path
from typing import Any

from terminal.book import Book, Payment
from terminal.records import (
    DECLINED_LATER,
    SETTLEMENT_TRACE,
    BatchClosed,
    BatchParked,
    Key,
    ParametersTaken,
    PrintBegan,
    Record,
    SettleAnswered,
    SettleStarted,
    SignedOn,
    Started,
    from_entry,
    to_entry,
)  # fmt: skip

SCHEMA_VERSION = 5
"""Raised for a new type of record, too, or a new entry in one: a program that does not know it must not open it."""

GENESIS = bytes(32)

_SCHEMA = """
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT,
    original TEXT,
    entry TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX records_by_key ON records (key) WHERE key IS NOT NULL;
CREATE INDEX records_by_original ON records (original) WHERE original IS NOT NULL;
CREATE INDEX settlements ON records (type, sequence) WHERE type IN ('SettleStarted', 'BatchClosed');
CREATE TRIGGER records_stay BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER records_remain BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL);
INSERT INTO probe VALUES (1, 0);
"""
_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)"
_SINCE_VERSION_2 = "CREATE INDEX parameters ON records (sequence) WHERE type = 'ParametersTaken';"
_SINCE_VERSION_5 = """
CREATE INDEX IF NOT EXISTS codes ON records (sequence) WHERE type = 'ApprovedByCode';
CREATE INDEX IF NOT EXISTS parkings ON records (sequence) WHERE type = 'BatchParked';
CREATE INDEX IF NOT EXISTS cards ON records (json_extract(entry, '$.card_token')) WHERE type = 'ApprovedOffline';
CREATE INDEX IF NOT EXISTS code_users ON records (json_extract(entry, '$.user')) WHERE type = 'ApprovedByCode';
CREATE INDEX IF NOT EXISTS records_of_no_payment ON records (sequence) WHERE key IS NULL;
"""
_CODES_NEWEST = "type = 'ApprovedByCode' AND sequence < ? ORDER BY sequence DESC LIMIT ?"
CODES_REMEMBERED = 10_000
"""Codes of earlier batches that a start still reads: as many as the book's memory has customers."""

# The newest of them is all that counts. The type is written out, else SQLite would not use the index.
_LAST_PARAMETERS = "WHERE sequence = (SELECT MAX(sequence) FROM records WHERE type = 'ParametersTaken')"

_SETTLEMENTS = "type IN ('SettleStarted', 'BatchClosed')"  # as the index says it
_OF_SETTLEMENT = SettleStarted | SettleAnswered | BatchClosed


class JournalError(Exception):
    """The journal cannot be used; the text says why and what to do."""


class JournalUnwritable(JournalError):
    """A record did not reach the disk. Whatever it was about has not happened."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many rows hang together, and the first that does not."""

    rows: int
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Every row is as it was written."""
        return self.broken_at is None


class Journal:
    """The journal in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the journal, or begin a new one. Raises JournalError."""
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._prepare()
            self._sequence, self._hash = self._tail()
            if self._version() == 2:
                self._note_prints_of_version_2()
        except sqlite3.Error as error:
            raise JournalError(f"the journal {path.name} cannot be opened: {error}") from None

    def _prepare(self) -> None:
        version = self._version()
        if version == 0:
            self._bring_up_to_date(_SCHEMA + _SINCE_VERSION_2 + _SINCE_VERSION_5, SCHEMA_VERSION)
        elif version == 1:
            self._bring_up_to_date(_SINCE_VERSION_2, 2)
        elif version in (3, 4):
            self._bring_up_to_date(_SINCE_VERSION_5, SCHEMA_VERSION)
        elif version not in (2, SCHEMA_VERSION):
            raise JournalError(
                f"the journal {self.path.name} has version {version}, this program knows {SCHEMA_VERSION}: "
                "start the program that wrote it"
            )

    def _version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    def _bring_up_to_date(self, script: str, version: int) -> None:
        self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {version}; COMMIT;")

    def _note_prints_of_version_2(self) -> None:
        """It did not note that a slip began to be printed: each that is due may be on paper."""
        book = Book()
        for record in self.replay():
            book.apply(record)
        for key in book.slips_due:
            self.append(PrintBegan(key, book.payments[key].at))
        self._bring_up_to_date(_SINCE_VERSION_5, SCHEMA_VERSION)

    def _tail(self) -> tuple[int, bytes]:
        row = self._db.execute("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1").fetchone()
        return (row[0], bytes(row[1])) if row else (0, GENESIS)

    def append(self, *records: Record) -> None:
        """Write records durably, all of them or none. Raises JournalUnwritable when they did not reach the disk."""
        rows: list[tuple[object, ...]] = []
        sequence, link = self._sequence, self._hash
        for record in records:
            name, entry = to_entry(record)
            text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            sequence += 1
            link = chain(link, sequence, name, text)
            rows.append((sequence, name, entry.get("key"), entry.get("original"), text, link))
        try:
            self._insert(rows)
        except sqlite3.Error as error:
            raise JournalUnwritable(f"the journal {self.path.name} cannot be written: {error}") from None
        self._sequence, self._hash = sequence, link

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Several rows share one commit, and so one wait for the disk."""
        if len(rows) < 2:
            self._db.executemany(_INSERT, rows)
            return
        self._db.execute("BEGIN")
        try:
            self._db.executemany(_INSERT, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:  # some errors have rolled it back already
                self._db.execute("ROLLBACK")
            raise

    def probe(self) -> bool:
        """Try whether a write reaches the disk."""
        try:
            self._db.execute("UPDATE probe SET count = count + 1")
        except sqlite3.Error:
            return False
        return True

    def free_bytes(self) -> int:
        """Free room on the journal's disk, for those who are not root."""
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def replay(self) -> Iterator[Record]:
        """Give back what the host has set, codes that have paid, the last settlement, parkings, and the open batch."""
        parking = self._last_parking()
        if parking is not None:
            yield from self._replay_from(*parking)
            return
        closed = self._last("BatchClosed", before=None)
        started = self._last("SettleStarted", before=closed) if closed else None
        if started:
            yield from self._read(f"{_LAST_PARAMETERS} AND sequence < ?", started)
            yield from self._in_order(self._codes_before(started))
        yield from self._read("WHERE sequence >= ? ORDER BY sequence", started or 0)

    def book(self) -> Book:
        """The counter's book as it stands now, with the oldest parked batch loaded, for whoever only wants to look."""
        book = Book()
        for record in self.replay():
            book.apply(record)
        for oldest in [*book.parked.values()][:1]:
            book.load(Book.of_parked_batch(oldest.batch, self.batch(oldest.terminal, oldest.batch)))
        return book

    def lost(self) -> Iterator[Payment]:
        """What was sold offline in parked batches closed since people have settled last, and the bank has declined."""
        ended = (r for r in self._read(f"WHERE {_SETTLEMENTS} ORDER BY sequence DESC") if isinstance(r, BatchClosed))
        lossy = [record for record in takewhile(lambda record: record.parked, ended) if record.lost_count]
        for closed in reversed(lossy):
            book = Book.of_parked_batch(closed.batch, self.batch(closed.terminal, closed.batch))
            yield from (payment for payment in book.payments.values() if payment.attention == DECLINED_LATER)

    def _last_parking(self) -> tuple[int, BatchParked] | None:
        """The parking with which the open batch began; None if it began otherwise: then nothing is parked.

        Parked batches are closed before the open one is, so that is known by counting.
        """
        (at,) = self._db.execute("SELECT MAX(sequence) FROM records WHERE type = 'BatchParked'").fetchone()
        if at is None:
            return None
        (parked,) = self._read("WHERE sequence = ?", at)
        assert isinstance(parked, BatchParked), "the index has only those"
        ended = f"{_SETTLEMENTS} AND type = 'BatchClosed' AND sequence > ? LIMIT ?"
        closed = self._places(ended, at, parked.waiting + 1)
        return (at, parked) if len(closed) <= parked.waiting else None

    def _replay_from(self, at: int, parked: BatchParked) -> Iterator[Record]:
        """What has a bearing on the batch that began with this parking, in order.

        Of the payments only those of that batch, and of the one parked then: its slips may still be due.
        """
        lines = "type = 'BatchParked' AND sequence <= ? ORDER BY sequence DESC LIMIT ?"
        places = self._places(lines, at, parked.waiting) | self._places("key IS NULL AND sequence > ?", at)
        places |= self._settlement_before(at) | self._places(_LAST_PARAMETERS) | self._codes_before(at)
        batches, left = {parked.batch, parked.next_batch}, 0
        slips = list[Key]()
        for record in self._in_order(places):
            match record:
                case BatchParked(waiting=waiting):
                    left = waiting
                case BatchClosed(batch=batch, terminal=terminal):
                    left -= 1
                    slips.append(Key(terminal, batch, SETTLEMENT_TRACE))
                case SignedOn(batch=batch) if not left:  # then the open batch may have taken the host's number
                    batches.add(batch)
        places = places.union(*(self._places("key = ?", str(slip)) for slip in slips))
        places = places.union(*(self._places_of_batch(parked.terminal, batch) for batch in batches))
        yield from self._in_order(places)

    def _codes_before(self, at: int) -> set[int]:
        """The newest codes that had paid by then, whatever became of their batch."""
        return self._places(_CODES_NEWEST, at, CODES_REMEMBERED)

    def _settlement_before(self, at: int) -> set[int]:
        """The last one closed by then, and the last one begun by then."""
        closed = self._last("BatchClosed", before=at)
        started = self._last("SettleStarted", before=closed) if closed else None
        return {place for place in (closed, started, self._last("SettleStarted", before=at)) if place}

    def batch(self, terminal: str, batch: str) -> Iterator[Record]:
        """Give back the payments of one batch, and its settlement if that is the one begun last."""
        places = self._places_of_batch(terminal, batch)
        started = self._last("SettleStarted", before=None)
        if started:
            places |= self._places("key IS NULL AND sequence >= ?", started)
        for record in self._in_order(places):
            if getattr(record, "key", None) or (isinstance(record, _OF_SETTLEMENT) and record.batch == batch):
                yield record

    def _places_of_batch(self, terminal: str, batch: str) -> set[int]:
        return self._places("key >= ? AND key < ?", f"{terminal}-{batch}-", f"{terminal}-{batch}.")

    def _places(self, where: str, *values: object) -> set[int]:
        query = f"SELECT sequence FROM records WHERE {where.removeprefix('WHERE ')}"  # noqa: S608 - ours
        return {place for (place,) in self._db.execute(query, values)}

    def _in_order(self, places: Iterable[int]) -> Iterator[Record]:
        for place in sorted(places):
            yield from self._read("WHERE sequence = ?", place)

    def parameters(self) -> ParametersTaken | None:
        """What the host has set, if it has."""
        records = [record for record in self._read(_LAST_PARAMETERS) if isinstance(record, ParametersTaken)]
        return records[0] if records else None

    def everything(self) -> Iterator[Record]:
        """Give back all records, oldest first."""
        return self._read("ORDER BY sequence")

    def payment(self, key: Key) -> Payment | None:
        """Look a payment up, also in batches closed long ago."""
        book = Book()
        for record in self._read("WHERE key = ? ORDER BY sequence", str(key)):
            book.apply(record)
        return book.payments.get(key)

    def sold_offline_to(self, token: str) -> Iterator[Payment]:
        """What was sold offline to a card, or to a customer's key, newest first, whatever became of it.

        One after the other: whoever asks need not read on into batches closed long ago.
        """
        card = "type = 'ApprovedOffline' AND json_extract(entry, '$.card_token') = ?"
        user = "type = 'ApprovedByCode' AND json_extract(entry, '$.user') = ?"
        found = (
            self._db.execute(f"SELECT sequence, key FROM records WHERE {where} ORDER BY sequence DESC", (token,))  # noqa: S608 - ours
            for where in (card, user)
        )
        for _, key in merge(*found, reverse=True):
            payment = self.payment(Key.parse(key))
            assert payment is not None, "what was approved was begun"
            yield payment

    def refunds_of(self, key: Key) -> list[Payment]:
        """All refunds and voids of a sale, whatever became of them."""
        keys = [r.key for r in self._read("WHERE original = ? ORDER BY sequence", str(key)) if isinstance(r, Started)]
        return [payment for payment in map(self.payment, keys) if payment is not None]

    def settlement_of(self, batch: str) -> tuple[SettleStarted, BatchClosed] | None:
        """The totals and the end of a closed batch."""
        found: dict[type, Any] = {}
        for record in self._read(f"WHERE {_SETTLEMENTS} ORDER BY sequence"):
            if isinstance(record, SettleStarted | BatchClosed) and record.batch == batch:
                found[type(record)] = record
        return (found[SettleStarted], found[BatchClosed]) if len(found) == 2 else None

    def verify(self) -> Verdict:
        """Walk the whole chain."""
        expected, link = 1, GENESIS
        for sequence, name, text, stored in self._db.execute(
            "SELECT sequence, type, entry, hash FROM records ORDER BY sequence"
        ):
            if sequence != expected:
                return Verdict(expected - 1, expected, "a record is missing")
            link = chain(link, sequence, name, text)
            if link != bytes(stored):
                return Verdict(expected - 1, sequence, "a record was changed")
            expected += 1
        return Verdict(expected - 1)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _last(self, name: str, before: int | None) -> int | None:
        row = self._db.execute(
            f"SELECT MAX(sequence) FROM records WHERE {_SETTLEMENTS} AND type = ? AND sequence < ?",  # noqa: S608 - ours
            (name, before or 2**62),
        ).fetchone()
        found: int | None = row[0]
        return found

    def _read(self, where: str, *values: object) -> Iterator[Record]:
        for name, text in self._db.execute(f"SELECT type, entry FROM records {where}", values):  # noqa: S608 - ours
            yield from_entry(name, json.loads(text))


def chain(previous: bytes, sequence: int, name: str, text: str) -> bytes:
    """The hash of a row: over the hash before it, its number, its type and its content."""
    return hashlib.sha256(b"\0".join((previous, str(sequence).encode(), name.encode(), text.encode()))).digest()
