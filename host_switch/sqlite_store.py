"""The durable store: one SQLite file, WAL, synchronous=FULL, one writer, one transaction per batch of decisions.

Secrets are sealed by the key room before they are written. What SQLite itself can hold to, it does: a key names one
transaction, postings are never updated or deleted. Terminals and open transactions are also kept in memory, because
the next input about them is milliseconds away; the file stays the only truth.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from host_switch.events import Change, Decision, Due, Input, PutDetails
from host_switch.facts import BatchRow, Facts, Policy, Wanted, wanted
from host_switch.keys import KeyRoom
from host_switch.ledger import Head, Record, chain
from host_switch.records import Batch, Entry, Event, Key, Leg, Outcome, Terminal, Transaction, WorkingKeys
from host_switch.store import Books, StoreError, changes_of

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0
STATEMENTS_CACHED = 256  # set queries come in as many lengths as batches do
CACHED_ROWS_MAX = 20_000

_SCHEMA = """
CREATE TABLE terminals (
    id TEXT PRIMARY KEY, merchant TEXT NOT NULL, master_key BLOB NOT NULL, batch TEXT NOT NULL, keys BLOB,
    sign_on_trace TEXT NOT NULL, signed_on_at REAL NOT NULL, command TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE transactions (
    number INTEGER PRIMARY KEY, terminal TEXT NOT NULL, batch TEXT NOT NULL, trace TEXT NOT NULL,
    kind TEXT NOT NULL, merchant TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0), currency TEXT NOT NULL,
    block60 TEXT NOT NULL, content BLOB NOT NULL, created_at REAL NOT NULL, processing_code TEXT NOT NULL,
    entry_mode TEXT NOT NULL, masked TEXT NOT NULL, pan BLOB, original INTEGER NOT NULL,
    outcome TEXT NOT NULL, leg TEXT NOT NULL, connection TEXT NOT NULL, tpdu TEXT NOT NULL, header TEXT NOT NULL,
    response_code TEXT NOT NULL, auth_code TEXT NOT NULL, voucher TEXT NOT NULL, reply BLOB NOT NULL,
    reversal_reply BLOB NOT NULL, due_at REAL, attempts INTEGER NOT NULL,
    UNIQUE (terminal, batch, trace)
) STRICT;
CREATE INDEX transactions_due ON transactions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX transactions_dependants ON transactions (original) WHERE original > 0;
CREATE TABLE batches (
    terminal TEXT NOT NULL, number TEXT NOT NULL, claimed TEXT NOT NULL, balanced INTEGER NOT NULL,
    settled_at REAL NOT NULL, closed_at REAL, PRIMARY KEY (terminal, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE details (
    terminal TEXT NOT NULL, batch TEXT NOT NULL, trace TEXT NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (terminal, batch, trace)
) STRICT, WITHOUT ROWID;
CREATE TABLE postings (
    sequence INTEGER PRIMARY KEY, entry INTEGER NOT NULL, terminal TEXT NOT NULL, batch TEXT NOT NULL,
    trace TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL,
    currency TEXT NOT NULL, digest BLOB NOT NULL
) STRICT;
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY, severity TEXT NOT NULL, kind TEXT NOT NULL, terminal TEXT NOT NULL,
    batch TEXT NOT NULL, trace TEXT NOT NULL, at REAL NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER postings_stay BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings are never changed'); END;
CREATE TRIGGER postings_remain BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER transactions_remain BEFORE DELETE ON transactions
BEGIN SELECT RAISE(ABORT, 'transactions are never deleted'); END;
"""

# Columns that a transaction gets once, and those that change with its life.
_FIXED = (
    "number", "terminal", "batch", "trace", "kind", "merchant", "amount", "currency", "block60", "content",
    "created_at", "processing_code", "entry_mode", "masked", "pan", "original",
)  # fmt: skip
_MOVING = (
    "outcome", "leg", "connection", "tpdu", "header", "response_code", "auth_code", "voucher", "reply",
    "reversal_reply", "due_at", "attempts",
)  # fmt: skip
_COLUMNS = ", ".join(_FIXED + _MOVING)
_SET = ", ".join(f"{name} = ?" for name in _MOVING)
_INSERT = f"INSERT INTO transactions ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIXED + _MOVING))})"  # noqa: S608
_UPDATE = f"UPDATE transactions SET {_SET} WHERE number = ?"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS} FROM transactions WHERE "  # noqa: S608


class SqliteStore:
    """The store in one file. Made by `open`; used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, room: KeyRoom, policy: Policy) -> None:
        self._db = connection
        self._room = room
        self._policy = policy
        self._terminals: dict[str, Terminal] = {}
        self._open_rows: dict[int, Transaction] = {}
        self._highest = self._last_number = self._max_number()
        self._head = self._read_head()

    @classmethod
    def open(cls, path: Path, room: KeyRoom, policy: Policy) -> "SqliteStore":
        """Open the store, making its tables the first time.

        Raises:
            StoreError: the file is no store, or one of a newer version, or cannot be written.
        """
        try:
            return cls(_connect(path), room, policy)
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the host store {path}: {error}") from None

    # --- facts --------------------------------------------------------------------------------------------------------

    def facts_for(self, events: Sequence[Input]) -> list[Facts]:
        """Load the facts of every input, in order, with one query per kind of fact."""
        wants = [wanted(event) for event in events]
        by_key = self._by_keys([want.key for want in wants if want.key is not None])
        numbers = {number for want in wants for number in (want.number, want.original) if number}
        by_number = self._by_numbers(numbers)
        stored = [by_key.get(want.key) if want.key else by_number.get(want.number or 0) for want in wants]
        self._load_terminals(_terminal_ids(wants, stored))
        return [self._facts(want, row, by_number) for want, row in zip(wants, stored, strict=True)]

    def _facts(self, want: Wanted, stored: Transaction | None, by_number: dict[int, Transaction]) -> Facts:
        original = by_number.get(want.original) if want.original else None
        sale = stored if want.reversal else original
        terminal = want.terminal or (stored.key.terminal if stored else "")
        facts = Facts(
            policy=self._policy,
            terminal=self._terminals.get(terminal),
            stored=stored,
            original=original,
            dependants=self._dependants_of(sale) if sale else (),
            number=self._free_number() if want.opens else 0,
            fresh_keys=self._room.fresh_keys() if want.fresh_keys else None,
        )
        return self._with_batch(facts, terminal, want.batch) if want.batch else facts

    def _with_batch(self, facts: Facts, terminal: str, number: str) -> Facts:
        place = (terminal, number)
        batches = self._rows("SELECT * FROM batches WHERE terminal = ? AND number = ?", place)
        where = "WHERE terminal = ? AND batch = ?"
        rows = self._rows(f"SELECT trace, kind, amount, outcome FROM transactions {where}", place)  # noqa: S608
        details = self._rows(f"SELECT trace, amount FROM details {where}", place)  # noqa: S608
        return replace(
            facts,
            batch=next(map(_batch, batches), None),
            batch_rows=tuple(BatchRow(trace, kind, amount, Outcome(outcome)) for trace, kind, amount, outcome in rows),
            details=dict(details),
        )

    def _free_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _by_keys(self, keys: Sequence[Key]) -> dict[Key | None, Transaction]:
        if not keys:
            return {}
        values = ", ".join(["(?, ?, ?)"] * len(keys))
        query = f"{_SELECT} (terminal, batch, trace) IN (VALUES {values})"
        found = self._rows(query, [part for key in keys for part in key])
        return {row.key: row for row in map(self._transaction, found)}

    def _by_numbers(self, numbers: set[int]) -> dict[int, Transaction]:
        cached = {number: self._open_rows[number] for number in numbers if number in self._open_rows}
        missing = [number for number in sorted(numbers) if number not in cached]
        if missing:
            found = self._rows(f"{_SELECT} number IN ({', '.join('?' * len(missing))})", missing)
            cached |= {row.number: row for row in map(self._transaction, found)}
        return cached

    def _dependants_of(self, sale: Transaction) -> tuple[Transaction, ...]:
        found = self._rows(f"{_SELECT} original > 0 AND original = ?", (sale.number,))
        return tuple(map(self._transaction, found))

    def _load_terminals(self, ids: set[str]) -> None:
        missing = [terminal for terminal in ids if terminal not in self._terminals]
        if not missing:
            return
        query = f"SELECT * FROM terminals WHERE id IN ({', '.join('?' * len(missing))})"  # noqa: S608
        for row in self._rows(query, missing):
            terminal = self._terminal(row)
            self._terminals[terminal.id] = terminal

    def _transaction(self, columns: tuple[Any, ...]) -> Transaction:
        values = dict(zip(_FIXED + _MOVING, columns, strict=True))
        sealed = values.pop("pan")
        key = Key(values.pop("terminal"), values.pop("batch"), values.pop("trace"))
        outcome, leg = Outcome(values.pop("outcome")), Leg(values.pop("leg"))
        repeatable = leg is Leg.ADVICE_DUE and sealed
        pan = self._room.unseal(sealed, f"transaction/{key}/pan").decode() if repeatable else ""
        return Transaction(key=key, outcome=outcome, leg=leg, pan=pan, **values)

    def _terminal(self, columns: tuple[Any, ...]) -> Terminal:
        name, merchant, master_key, batch, keys, trace, signed_on_at, command = columns
        return Terminal(
            id=name, merchant=merchant, master_key=self._room.unseal(master_key, f"terminal/{name}/master"),
            batch=batch, keys=_split(self._room.unseal(keys, f"terminal/{name}/keys")) if keys else None,
            sign_on_trace=trace, signed_on_at=signed_on_at, command=command,
        )  # fmt: skip

    # --- changes ------------------------------------------------------------------------------------------------------

    def stage(self, decisions: Iterable[Decision]) -> None:
        """Write all that the decisions persist into one open transaction.

        Raises:
            StoreError: it could not be written (a full disk, say); nothing of the open transaction remains.
        """
        try:
            self._stage(list(changes_of(decisions)))
        except sqlite3.Error as error:
            self._forget()
            raise StoreError(f"cannot write to the host store: {error}") from None

    def _stage(self, changes: Sequence[Change]) -> None:
        if changes and not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        self._put_transactions([change for change in changes if isinstance(change, Transaction)])
        self._append([change for change in changes if isinstance(change, Entry)])
        for change in changes:
            self._put_other(change)

    def flush(self) -> None:
        """Make everything staged durable. Raises StoreError as `stage` does."""
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._forget()
            raise StoreError(f"cannot write to the host store: {error}") from None

    def commit(self, decisions: Iterable[Decision]) -> None:
        """Stage and flush."""
        self.stage(decisions)
        self.flush()

    def _forget(self) -> None:
        """Undo what was staged, and what we remember of it."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._terminals.clear()
        self._open_rows.clear()
        self._head = self._read_head()
        self._highest = self._max_number()

    def _put_transactions(self, rows: Sequence[Transaction]) -> None:
        for row in rows:
            if row.number > self._highest:
                self._highest = row.number
                self._db.execute(_INSERT, (*self._fixed(row), *_moving(row)))
            else:
                self._db.execute(_UPDATE, (*_moving(row), row.number))
            self._remember(row)

    def _remember(self, row: Transaction) -> None:
        self._open_rows.pop(row.number, None)
        if row.due_at is not None and len(self._open_rows) < CACHED_ROWS_MAX:
            self._open_rows[row.number] = row

    def _fixed(self, row: Transaction) -> tuple[Any, ...]:
        pan = self._room.seal(row.pan.encode(), f"transaction/{row.key}/pan") if row.pan else None
        return (
            row.number, *row.key, row.kind, row.merchant, row.amount, row.currency, row.block60, row.content,
            row.created_at, row.processing_code, row.entry_mode, row.masked, pan, row.original,
        )  # fmt: skip

    def _append(self, entries: Sequence[Entry]) -> None:
        records = [record for entry in entries for record in self._chained(entry)]
        self._db.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_posting, records))

    def _chained(self, entry: Entry) -> Iterator[Record]:
        for record in chain(self._head, entry):
            yield record
        self._head = Head(record.sequence, record.entry, record.digest)

    def _put_other(self, change: Change) -> None:
        match change:
            case Terminal():
                self._terminals[change.id] = change
                insert = "INSERT OR REPLACE INTO terminals VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                self._db.execute(insert, self._sealed(change))
            case Batch():
                columns = tuple(getattr(change, column.name) for column in fields(change))
                self._db.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?)", columns)
            case Event():
                columns = (change.severity, change.kind, *change.key, change.at, change.text)
                self._db.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", columns)
            case PutDetails():
                lines = ((change.terminal, change.batch, line.trace, line.amount) for line in change.details)
                self._db.executemany("INSERT OR REPLACE INTO details VALUES (?, ?, ?, ?)", lines)

    def _sealed(self, terminal: Terminal) -> tuple[Any, ...]:
        place, keys = f"terminal/{terminal.id}", terminal.keys
        joined = keys.pin_key + keys.mac_key + keys.track_key if keys else b""
        return (
            terminal.id, terminal.merchant, self._room.seal(terminal.master_key, f"{place}/master"), terminal.batch,
            self._room.seal(joined, f"{place}/keys") if keys else None,
            terminal.sign_on_trace, terminal.signed_on_at, terminal.command,
        )  # fmt: skip

    # --- timers, books, settings --------------------------------------------------------------------------------------

    def due(self, now: float, at_most: int) -> list[Due]:
        """The transactions whose due time has come, the longest waiting first."""
        query = "SELECT number FROM transactions WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at LIMIT ?"
        return [Due(number) for (number,) in self._rows(query, (now, at_most))]

    def owed(self, after: int, at_most: int) -> list[Due]:
        """The transactions that owe the issuer a message, due or not, with numbers above `after`, ascending."""
        query = (
            "SELECT number FROM transactions WHERE due_at IS NOT NULL AND leg IN (?, ?) AND number > ?"
            " ORDER BY number LIMIT ?"
        )
        found = self._rows(query, (Leg.ADVICE_DUE.value, Leg.REVERSAL_DUE.value, after, at_most))
        return [Due(number, early=True) for (number,) in found]

    def next_due(self) -> float | None:
        """The earliest due time, None if nothing is open."""
        earliest: float | None = self._one("SELECT min(due_at) FROM transactions WHERE due_at IS NOT NULL")
        return earliest

    def books(self) -> Books:
        """Everything, for validation, as of one moment."""
        self._db.execute("BEGIN")
        try:
            return Books(
                tuple(map(self._terminal, self._rows("SELECT * FROM terminals ORDER BY id"))),
                tuple(
                    replace(self._transaction(row), pan="")
                    for row in self._rows(f"SELECT {_COLUMNS} FROM transactions ORDER BY number")  # noqa: S608
                ),
                tuple(map(_record, self._rows("SELECT * FROM postings ORDER BY sequence"))),
                tuple(map(_batch, self._rows("SELECT * FROM batches ORDER BY terminal, number"))),
                tuple(map(_event, self._rows("SELECT * FROM events ORDER BY sequence"))),
            )
        finally:
            self._db.execute("COMMIT")

    def secret(self, name: str) -> bytes | None:
        """A sealed setting, such as the zone keys; None if it was never set."""
        found = self._rows("SELECT value FROM settings WHERE name = ?", (name,))
        return next((self._room.unseal(value, f"setting/{name}") for (value,) in found), None)

    def put_secret(self, name: str, value: bytes) -> None:
        """Set a sealed setting, durably."""
        sealed = self._room.seal(value, f"setting/{name}")
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, sealed))

    def close(self) -> None:
        """Let go of the file. What is staged and not flushed is undone."""
        self._db.close()

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(query, parameters).fetchall()

    def _one(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        return self._db.execute(query, parameters).fetchone()[0]

    def _max_number(self) -> int:
        highest: int = self._one("SELECT coalesce(max(number), 0) FROM transactions")
        return highest

    def _read_head(self) -> Head:
        last = self._rows("SELECT sequence, entry, digest FROM postings ORDER BY sequence DESC LIMIT 1")
        return Head(*last[0]) if last else Head()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_CACHED, timeout=BUSY_TIMEOUT_S
    )
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer Tillgate (schema {version}): use that one")
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return db


def _terminal_ids(wants: Sequence[Wanted], stored: Sequence[Transaction | None]) -> set[str]:
    ids = {want.terminal for want in wants if want.terminal}
    return ids | {row.key.terminal for row in stored if row is not None}


def _moving(row: Transaction) -> tuple[Any, ...]:
    return (
        row.outcome.value, row.leg.value, row.connection, row.tpdu, row.header, row.response_code, row.auth_code,
        row.voucher, row.reply, row.reversal_reply, row.due_at, row.attempts,
    )  # fmt: skip


def _split(keys: bytes) -> WorkingKeys:
    return WorkingKeys(pin_key=keys[:16], mac_key=keys[16:24], track_key=keys[24:])


def _posting(record: Record) -> tuple[Any, ...]:
    return (
        record.sequence, record.entry, *record.key, record.reason, record.at, record.account, record.amount,
        record.currency, record.digest,
    )  # fmt: skip


def _record(columns: tuple[Any, ...]) -> Record:
    sequence, entry, terminal, batch, trace, *rest = columns
    return Record(sequence, entry, Key(terminal, batch, trace), *rest)


def _batch(columns: tuple[Any, ...]) -> Batch:
    terminal, number, claimed, balanced, settled_at, closed_at = columns
    return Batch(terminal, number, claimed, bool(balanced), settled_at, closed_at)


def _event(columns: tuple[Any, ...]) -> Event:
    _, severity, kind, terminal, batch, trace, at, text = columns
    return Event(severity, kind, Key(terminal, batch, trace), at, text)
