"""The durable store: one SQLite file, WAL, synchronous=FULL, one writer, one transaction per batch of decisions.

What SQLite itself can hold to, it does: a key names one transaction, postings are never updated or deleted. Terminals
and open transactions are also kept in memory, because the next input about them is milliseconds away; the file stays
the only truth.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from host_switch import sqlite_phones, sqlite_rows, sqlite_signed
from host_switch.events import Change, Decision, Due, Input, PutDetails
from host_switch.facts import BatchRow, Facts, PhoneFacts, Policy, Wanted, wanted
from host_switch.keys import KeyRoom
from host_switch.ledger import Head, Record, chain
from host_switch.records import (
    Batch,
    CodeIssuer,
    CodeSpent,
    Download,
    Entry,
    Event,
    FailedCodes,
    Key,
    Leg,
    Outcome,
    PhoneUser,
    Presence,
    SignedKey,
    SignedUse,
    Telemetry,
    Terminal,
    Transaction,
)
from host_switch.sqlite_phones import PhoneTables
from host_switch.sqlite_rows import COLUMNS, INSERT, SCHEMA, SCHEMA_VERSION, SELECT, UPDATE, UPGRADES, Rows
from host_switch.sqlite_signed import SignedTables
from host_switch.store import Books, StoreError, changes_of, holder_of

BUSY_TIMEOUT_S = 5.0
STATEMENTS_CACHED = 256  # set queries come in as many lengths as batches do
CACHED_ROWS_MAX = 20_000
CACHE_KIB = 32 * 1024  # a page of the key index for each of some thousand terminals


class SqliteStore:
    """The store in one file. Made by `open`; used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, room: KeyRoom, policy: Policy) -> None:
        self._db = connection
        self._room = room
        self.policy = policy
        self._convert = Rows(room)
        self._phones = PhoneTables(connection, room)
        self._signed = SignedTables(connection, room, self._phones)
        self._terminals: dict[str, Terminal] = {}
        self._open_rows: dict[int, Transaction] = {}
        self._highest = self._last_number = self._max_number()
        self._head = self._read_head()

    @classmethod
    def open(cls, path: Path, room: KeyRoom, policy: Policy, *, to_write: bool = True) -> "SqliteStore":
        """Open the store, making its tables the first time; only to read it, it must be there.

        Raises:
            StoreError: the file is no store, or one of a newer version, or cannot be read or written.
        """
        with _as_store_error("open"):
            return cls(_connect(path, to_write=to_write), room, policy)

    # --- facts --------------------------------------------------------------------------------------------------------

    def facts_for(self, events: Sequence[Input]) -> list[Facts]:
        """Load the facts of every input, in order, with one query per kind of fact."""
        wants = [wanted(event) for event in events]
        by_key = self._by_keys([want.key for want in wants if want.key is not None])
        numbers = {number for want in wants for number in (want.number, want.original) if number}
        by_number = self._by_numbers(numbers)
        stored = [by_key.get(want.key) if want.key else by_number.get(want.number or 0) for want in wants]
        self._load_terminals(_terminal_ids(wants, stored))
        facts = [self._facts(want, row, by_number) for want, row in zip(wants, stored, strict=True)]
        return self._with_signed(wants, self._with_phones(wants, facts))

    def _with_signed(self, wants: Sequence[Wanted], facts: list[Facts]) -> list[Facts]:
        """Add what is known of signed codes."""
        with _as_store_error("read"):
            return [
                replace(known, signed=self._signed.facts(want.signed)) if want.signed else known
                for want, known in zip(wants, facts, strict=True)
            ]

    def _with_phones(self, wants: Sequence[Wanted], facts: list[Facts]) -> list[Facts]:
        """Add what is known of phones: two more queries, in a batch that has something of theirs."""
        if not any(want.code or want.phone is not None for want in wants):
            return facts
        holders = [holder_of(want, self.policy) for want in wants]
        with _as_store_error("read"):
            users = self._phones.users({number for number in holders if number is not None})
            failed = self._phones.failed({want.terminal for want in wants if want.code and want.terminal})
        return [
            replace(known, phone=PhoneFacts(number, users.get(number), failed.get(want.terminal or "", ())))
            if want.code or want.phone is not None
            else known
            for want, known, number in zip(wants, facts, holders, strict=True)
        ]

    def _facts(self, want: Wanted, stored: Transaction | None, by_number: dict[int, Transaction]) -> Facts:
        original = by_number.get(want.original) if want.original else None
        sale = stored if want.reversal else original
        terminal = want.terminal or (stored.key.terminal if stored else "")
        facts = Facts(
            policy=self.policy,
            terminal=self._terminals.get(terminal),
            stored=stored,
            original=original,
            dependants=self._dependants_of(sale) if sale else (),
            number=self._free_number() if want.opens else 0,
            fresh_keys=self._room.fresh_keys() if want.fresh_keys else None,
            downloads={each.kind: each.items for each in self.downloads()} if want.downloads else {},
            asked=want,
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
            batch=next(map(sqlite_rows.batch, batches), None),
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
        # A row value IN a list would scan the table; CROSS JOIN makes SQLite look every key up in the index.
        query = (
            f"WITH wanted (t, b, c) AS (VALUES {values}) SELECT {COLUMNS} FROM wanted CROSS JOIN transactions"  # noqa: S608
            " ON terminal = t AND batch = b AND trace = c"
        )
        found = self._rows(query, [part for key in keys for part in key])
        return {row.key: row for row in map(self._convert.transaction, found)}

    def _by_numbers(self, numbers: set[int]) -> dict[int, Transaction]:
        cached = {number: self._open_rows[number] for number in numbers if number in self._open_rows}
        missing = [number for number in sorted(numbers) if number not in cached]
        if missing:
            found = self._rows(f"{SELECT} number IN ({', '.join('?' * len(missing))})", missing)
            cached |= {row.number: row for row in map(self._convert.transaction, found)}
        return cached

    def _dependants_of(self, sale: Transaction) -> tuple[Transaction, ...]:
        found = self._rows(f"{SELECT} original > 0 AND original = ?", (sale.number,))
        return tuple(map(self._convert.transaction, found))

    def _load_terminals(self, ids: set[str]) -> None:
        missing = [terminal for terminal in ids if terminal not in self._terminals]
        if not missing:
            return
        query = f"SELECT * FROM terminals WHERE id IN ({', '.join('?' * len(missing))})"  # noqa: S608
        for row in self._rows(query, missing):
            terminal = self._convert.terminal(row)
            self._terminals[terminal.id] = terminal

    # --- changes ------------------------------------------------------------------------------------------------------

    def stage(self, decisions: Iterable[Decision]) -> None:
        """Write all that the decisions persist into one open transaction.

        Raises:
            StoreError: it could not be written (a full disk, say); nothing of the open transaction remains.
        """
        with self._all_or_nothing():
            self._stage(list(changes_of(decisions)))

    def _stage(self, changes: Sequence[Change]) -> None:
        if changes and not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        self._put_transactions([change for change in changes if isinstance(change, Transaction)])
        self._append([change for change in changes if isinstance(change, Entry)])
        for change in changes:
            self._put_other(change)

    def flush(self) -> None:
        """Make everything staged durable. Raises StoreError as `stage` does."""
        with self._all_or_nothing():
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def commit(self, decisions: Iterable[Decision]) -> None:
        """Stage and flush."""
        self.stage(decisions)
        self.flush()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            with _as_store_error("write to"):
                yield
        except StoreError:
            self._forget()
            raise

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
                self._db.execute(INSERT, (*sqlite_rows.fixed(row), *self._convert.moving(row)))
            else:
                self._db.execute(UPDATE, (*self._convert.moving(row), row.number))
            self._remember(row)

    def _remember(self, row: Transaction) -> None:
        self._open_rows.pop(row.number, None)
        if row.due_at is not None and len(self._open_rows) < CACHED_ROWS_MAX:
            self._open_rows[row.number] = row

    def _append(self, entries: Sequence[Entry]) -> None:
        records = [record for entry in entries for record in self._chained(entry)]
        insert = "INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._db.executemany(insert, map(sqlite_rows.posting, records))

    def _chained(self, entry: Entry) -> Iterator[Record]:
        for record in chain(self._head, entry):
            yield record
        self._head = Head(record.sequence, record.entry, record.digest)

    def _put_other(self, change: Change) -> None:
        match change:
            case Terminal():
                self._terminals[change.id] = change
                insert = "INSERT OR REPLACE INTO terminals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                self._db.execute(insert, self._convert.sealed(change))
            case Presence():
                self._db.execute(sqlite_rows.PUT_PRESENCE, sqlite_rows.news_columns(change))
            case Telemetry():
                self._db.execute(sqlite_rows.PUT_TELEMETRY, sqlite_rows.news_columns(change))
            case Download():
                insert = "INSERT OR REPLACE INTO downloads VALUES (?, ?)"
                self._db.execute(insert, self._convert.download_columns(change))
            case Batch():
                insert = "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?)"
                self._db.execute(insert, sqlite_rows.batch_columns(change))
            case Event():
                columns = (change.severity, change.kind, *change.key, change.at, change.text)
                self._db.execute("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", columns)
            case PhoneUser() | FailedCodes() | CodeSpent():
                self._phones.put(change)
            case CodeIssuer() | SignedKey() | SignedUse():
                self._signed.put(change)
            case PutDetails():
                lines = ((change.terminal, change.batch, line.trace, line.amount) for line in change.details)
                self._db.executemany("INSERT OR REPLACE INTO details VALUES (?, ?, ?, ?)", lines)

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
        transactions = f"SELECT {COLUMNS} FROM transactions ORDER BY number"  # noqa: S608
        self._db.execute("BEGIN")
        try:
            return Books(
                tuple(map(self._convert.terminal, self._rows("SELECT * FROM terminals ORDER BY id"))),
                tuple(self._convert.transaction(row).without_card() for row in self._rows(transactions)),
                tuple(map(sqlite_rows.record, self._rows("SELECT * FROM postings ORDER BY sequence"))),
                tuple(map(sqlite_rows.batch, self._rows("SELECT * FROM batches ORDER BY terminal, number"))),
                tuple(map(sqlite_rows.event, self._rows("SELECT * FROM events ORDER BY sequence"))),
                self._phones.codes_spent(),
                tuple(map(sqlite_rows.presence, self._news("presences"))),
                tuple(map(sqlite_rows.telemetry, self._news("telemetry"))),
                self._signed.uses_without_codes(),
            )
        finally:
            self._db.execute("COMMIT")

    def _news(self, table: str) -> list[tuple[Any, ...]]:
        """What terminals have told; nothing in an older store that is only read."""
        there = self._rows("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,))
        return self._rows(f"SELECT * FROM {table} ORDER BY terminal") if there else []  # noqa: S608

    def downloads(self) -> list[Download]:
        """What terminals download, each set by its kind."""
        return list(map(self._convert.download, self._rows("SELECT * FROM downloads ORDER BY kind")))

    def phone_users(self) -> list[PhoneUser]:
        """The customers whose phones make payment codes without a network, by number."""
        with _as_store_error("read"):
            return list(self._phones.users().values())

    def merchants(self) -> dict[str, str]:
        """Of each terminal its merchant."""
        return {str(terminal): str(merchant) for terminal, merchant in self._rows("SELECT id, merchant FROM terminals")}

    def signers(self) -> tuple[list[CodeIssuer], list[SignedKey]]:
        """The issuers of signed codes, and the phones' keys that they have certified."""
        with _as_store_error("read"):
            return self._signed.signers()

    def evidence(self, number: int) -> list[SignedUse]:
        """The signed codes that came under the key and counter of this transaction's, the one that has paid first."""
        where = (
            "JOIN (SELECT key AS k, counter AS c FROM signed_uses WHERE number = ?) ON key = k AND counter = c"
            " ORDER BY paid DESC, number"
        )
        with _as_store_error("read"):
            return self._signed.uses(where, number)

    def secret(self, name: str) -> bytes | None:
        """A sealed setting, such as the zone keys; None if it was never set."""
        found = self._rows("SELECT value FROM settings WHERE name = ?", (name,))
        return next((self._room.unseal(value, f"setting/{name}") for (value,) in found), None)

    def put_secret(self, name: str, value: bytes) -> None:
        """Set a sealed setting, durably."""
        with _as_store_error("write to"):
            sealed = self._room.seal(value, f"setting/{name}")
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, sealed))

    def close(self) -> None:
        """Let go of the file. What is staged and not flushed is undone."""
        self._db.close()

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _as_store_error("read"):
            return self._db.execute(query, parameters).fetchall()

    def _one(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        return self._rows(query, parameters)[0][0]

    def _max_number(self) -> int:
        highest: int = self._one("SELECT coalesce(max(number), 0) FROM transactions")
        return highest

    def _read_head(self) -> Head:
        last = self._rows("SELECT sequence, entry, digest FROM postings ORDER BY sequence DESC LIMIT 1")
        return Head(*last[0]) if last else Head()


@contextmanager
def _as_store_error(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"cannot {doing} the host store: {error}") from None


def _connect(path: Path, *, to_write: bool) -> sqlite3.Connection:
    mode = "rwc" if to_write else "ro"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False,
        cached_statements=STATEMENTS_CACHED, timeout=BUSY_TIMEOUT_S,
    )  # fmt: skip
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer Tillgate (schema {version}): use that one")
    if to_write:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    if version == 0:
        schema = SCHEMA + sqlite_phones.SCHEMA + sqlite_signed.SCHEMA
        db.executescript(f"BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif to_write:
        for step in range(version, SCHEMA_VERSION):
            db.executescript(f"BEGIN; {UPGRADES[step]}; PRAGMA user_version = {step + 1}; COMMIT;")
    return db


def _terminal_ids(wants: Sequence[Wanted], stored: Sequence[Transaction | None]) -> set[str]:
    ids = {want.terminal for want in wants if want.terminal}
    return ids | {row.key.terminal for row in stored if row is not None}
