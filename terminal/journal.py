"""The terminal's journal: an append-only, hash-chained list of records in SQLite (WAL, synchronous=FULL).

`append` returns when the record is on disk. Each row carries the SHA-256 of the row before it and of its own content,
so `verify` finds any row that was changed, removed or put in between. Nothing is ever updated or deleted; the database
refuses it. One process writes; others may read.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terminal.book import Book, Payment
from terminal.records import (
    BatchClosed,
    Key,
    ParametersTaken,
    PrintBegan,
    Record,
    SettleStarted,
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
_SINCE_VERSION_2 = "CREATE INDEX parameters ON records (sequence) WHERE type = 'ParametersTaken';"
# The newest of them is all that counts. The type is written out, else SQLite would not use the index.
_LAST_PARAMETERS = "WHERE sequence = (SELECT MAX(sequence) FROM records WHERE type = 'ParametersTaken')"


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
            self._bring_up_to_date(_SCHEMA + _SINCE_VERSION_2, SCHEMA_VERSION)
        elif version == 1:
            self._bring_up_to_date(_SINCE_VERSION_2, 2)
        elif version in (3, 4):
            self._bring_up_to_date("", SCHEMA_VERSION)
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
        self._bring_up_to_date("", SCHEMA_VERSION)

    def _tail(self) -> tuple[int, bytes]:
        row = self._db.execute("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1").fetchone()
        return (row[0], bytes(row[1])) if row else (0, GENESIS)

    def append(self, record: Record) -> None:
        """Write a record durably. Raises JournalUnwritable when it did not reach the disk."""
        name, entry = to_entry(record)
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        link = chain(self._hash, self._sequence + 1, name, text)
        row = (self._sequence + 1, name, entry.get("key"), entry.get("original"), text, link)
        try:
            self._db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise JournalUnwritable(f"the journal {self.path.name} cannot be written: {error}") from None
        self._sequence, self._hash = self._sequence + 1, link

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
        """Give back what the host has set, the records of the last settlement, and those of the open batch."""
        closed = self._last("BatchClosed", before=None)
        started = self._last("SettleStarted", before=closed) if closed else None
        if started:
            yield from self._read(f"{_LAST_PARAMETERS} AND sequence < ?", started)
        yield from self._read("WHERE sequence >= ? ORDER BY sequence", started or 0)

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

    def refunds_of(self, key: Key) -> list[Payment]:
        """All refunds and voids of a sale, whatever became of them."""
        keys = [r.key for r in self._read("WHERE original = ? ORDER BY sequence", str(key)) if isinstance(r, Started)]
        return [payment for payment in map(self.payment, keys) if payment is not None]

    def settlement_of(self, batch: str) -> tuple[SettleStarted, BatchClosed] | None:
        """The totals and the end of a closed batch."""
        found: dict[type, Any] = {}
        for record in self._read("WHERE type IN ('SettleStarted', 'BatchClosed') ORDER BY sequence"):
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
            "SELECT MAX(sequence) FROM records WHERE type = ? AND sequence < ?", (name, before or 2**62)
        ).fetchone()
        found: int | None = row[0]
        return found

    def _read(self, where: str, *values: object) -> Iterator[Record]:
        for name, text in self._db.execute(f"SELECT type, entry FROM records {where}", values):  # noqa: S608 - ours
            yield from_entry(name, json.loads(text))


def chain(previous: bytes, sequence: int, name: str, text: str) -> bytes:
    """The hash of a row: over the hash before it, its number, its type and its content."""
    return hashlib.sha256(b"\0".join((previous, str(sequence).encode(), name.encode(), text.encode()))).digest()
