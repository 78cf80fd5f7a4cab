"""The tables of the durable store, and how rows become records and back. Secrets come and go through the key room."""

from dataclasses import astuple, fields
from typing import Any

from host_switch import sqlite_phones, sqlite_signed
from host_switch.keys import KeyRoom
from host_switch.ledger import Record
from host_switch.records import (
    Batch,
    Download,
    Event,
    Key,
    Leg,
    Outcome,
    Presence,
    Telemetry,
    Terminal,
    Transaction,
    WorkingKeys,
)
from iso8583.unionpay_fields.field62 import Parameters62

SCHEMA_VERSION = 6

SCHEMA = """
CREATE TABLE terminals (
    id TEXT PRIMARY KEY, merchant TEXT NOT NULL, master_key BLOB NOT NULL, batch TEXT NOT NULL, keys BLOB,
    sign_on_trace TEXT NOT NULL, signed_on_at REAL NOT NULL, command TEXT NOT NULL,
    parameters BLOB NOT NULL DEFAULT x''
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
CREATE TABLE downloads (kind TEXT PRIMARY KEY, items BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE presences (terminal TEXT PRIMARY KEY, online INTEGER NOT NULL, since REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE telemetry (
    terminal TEXT PRIMARY KEY, batch TEXT NOT NULL, owed_count INTEGER NOT NULL, owed_amount INTEGER NOT NULL,
    broken TEXT NOT NULL, at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER postings_stay BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings are never changed'); END;
CREATE TRIGGER postings_remain BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
CREATE TRIGGER postings_grow BEFORE INSERT ON postings WHEN NEW.sequence <= (SELECT max(sequence) FROM postings)
BEGIN SELECT RAISE(ABORT, 'postings grow at their end'); END;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER transactions_remain BEFORE DELETE ON transactions
BEGIN SELECT RAISE(ABORT, 'transactions are never deleted'); END;
"""

# What makes a store of each version one of the next.
UPGRADES = {
    1: "ALTER TABLE terminals ADD COLUMN parameters BLOB NOT NULL DEFAULT x''",
    2: "CREATE TABLE downloads (kind TEXT PRIMARY KEY, items BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "UPDATE terminals SET command = '' WHERE command = '0'",
    3: sqlite_phones.SCHEMA,
    4: "CREATE TABLE presences (terminal TEXT PRIMARY KEY, online INTEGER NOT NULL, since REAL NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE telemetry (terminal TEXT PRIMARY KEY, batch TEXT NOT NULL, owed_count INTEGER NOT NULL,"
    " owed_amount INTEGER NOT NULL, broken TEXT NOT NULL, at REAL NOT NULL) STRICT, WITHOUT ROWID",
    5: sqlite_signed.SCHEMA,
}

# Columns that a transaction gets once, and those that change with its life.
_FIXED = (
    "number", "terminal", "batch", "trace", "kind", "merchant", "amount", "currency", "block60", "content",
    "created_at", "processing_code", "entry_mode", "masked", "original",
)  # fmt: skip
_MOVING = (
    "outcome", "leg", "connection", "tpdu", "header", "response_code", "auth_code", "voucher", "reply",
    "reversal_reply", "due_at", "attempts", "pan",
)  # fmt: skip
COLUMNS = ", ".join(_FIXED + _MOVING)
PUT_PRESENCE = (  # `since` stays while the same is said again
    "INSERT INTO presences VALUES (?, ?, ?) ON CONFLICT (terminal) DO UPDATE SET online = excluded.online,"
    " since = excluded.since WHERE online != excluded.online"
)
PUT_TELEMETRY = "INSERT OR REPLACE INTO telemetry VALUES (?, ?, ?, ?, ?, ?)"
_SET = ", ".join(f"{name} = ?" for name in _MOVING)
INSERT = f"INSERT INTO transactions ({COLUMNS}) VALUES ({', '.join('?' * len(_FIXED + _MOVING))})"  # noqa: S608
UPDATE = f"UPDATE transactions SET {_SET} WHERE number = ?"  # noqa: S608
SELECT = f"SELECT {COLUMNS} FROM transactions WHERE "  # noqa: S608


class Rows:
    """Turns rows into records and records into rows, sealing and opening what is secret."""

    def __init__(self, room: KeyRoom) -> None:
        self._room = room

    def transaction(self, columns: tuple[Any, ...]) -> Transaction:
        """Read a row of `COLUMNS`."""
        values = dict(zip(_FIXED + _MOVING, columns, strict=True))
        sealed = values.pop("pan")
        key = Key(values.pop("terminal"), values.pop("batch"), values.pop("trace"))
        outcome, leg = Outcome(values.pop("outcome")), Leg(values.pop("leg"))
        card = self._room.unseal(sealed, f"transaction/{key}/pan").decode() if sealed else ""
        pan, sequence, chip_data = (*card.split("/"), "", "")[:3]
        return Transaction(
            key=key, outcome=outcome, leg=leg, pan=pan, sequence=sequence, chip_data=bytes.fromhex(chip_data), **values
        )

    def moving(self, row: Transaction) -> tuple[Any, ...]:
        """The columns that change with the life of a transaction; what is kept of the card goes when it is not needed.

        In the column `pan` stand number, sequence and chip data; older versions have written the number alone.
        """
        card = f"{row.pan}/{row.sequence}/{row.chip_data.hex()}"
        pan = self._room.seal(card.encode(), f"transaction/{row.key}/pan") if row.pan else None
        return (
            row.outcome.value, row.leg.value, row.connection, row.tpdu, row.header, row.response_code, row.auth_code,
            row.voucher, row.reply, row.reversal_reply, row.due_at, row.attempts, pan,
        )  # fmt: skip

    def terminal(self, columns: tuple[Any, ...]) -> Terminal:
        """Read a row of terminals; in an older store, only read so far, 0 is no command, and parameters may lack."""
        name, merchant, master_key, batch, keys, trace, signed_on_at, command, *parameters = columns
        return Terminal(
            id=name, merchant=merchant, master_key=self._room.unseal(master_key, f"terminal/{name}/master"),
            batch=batch, keys=_split(self._room.unseal(keys, f"terminal/{name}/keys")) if keys else None,
            sign_on_trace=trace, signed_on_at=signed_on_at, commands=command.strip("0"),
            parameters=Parameters62.parse(b"".join(parameters)),
        )  # fmt: skip

    def sealed(self, terminal: Terminal) -> tuple[Any, ...]:
        """The columns of a terminal."""
        place, keys = f"terminal/{terminal.id}", terminal.keys
        joined = keys.pin_key + keys.mac_key + keys.track_key if keys else b""
        return (
            terminal.id, terminal.merchant, self._room.seal(terminal.master_key, f"{place}/master"), terminal.batch,
            self._room.seal(joined, f"{place}/keys") if keys else None,
            terminal.sign_on_trace, terminal.signed_on_at, terminal.commands, terminal.parameters.to_bytes(),
        )  # fmt: skip


    def download(self, columns: tuple[Any, ...]) -> Download:
        """Read a row of downloads."""
        kind, sealed = columns
        items = self._room.unseal(sealed, f"download/{kind}").split()
        return Download(kind, tuple(bytes.fromhex(item.decode("ascii")) for item in items))

    def download_columns(self, download: Download) -> tuple[Any, ...]:
        """The columns of a download: sealed, for a black list has card numbers."""
        joined = " ".join(map(bytes.hex, download.items)).encode("ascii")
        return download.kind, self._room.seal(joined, f"download/{download.kind}")


def fixed(row: Transaction) -> tuple[Any, ...]:
    """The columns that a transaction gets once."""
    return (
        row.number, *row.key, row.kind, row.merchant, row.amount, row.currency, row.block60, row.content,
        row.created_at, row.processing_code, row.entry_mode, row.masked, row.original,
    )  # fmt: skip


def _split(keys: bytes) -> WorkingKeys:
    return WorkingKeys(pin_key=keys[:16], mac_key=keys[16:24], track_key=keys[24:])


def posting(record: Record) -> tuple[Any, ...]:
    """The columns of a ledger record."""
    return *record[:2], *record.key, *record[3:]


def record(columns: tuple[Any, ...]) -> Record:
    """Read a row of postings."""
    sequence, entry, terminal, batch, trace, *rest = columns
    return Record(sequence, entry, Key(terminal, batch, trace), *rest)


def batch(columns: tuple[Any, ...]) -> Batch:
    """Read a row of batches."""
    terminal, number, claimed, balanced, settled_at, closed_at = columns
    return Batch(terminal, number, claimed, bool(balanced), settled_at, closed_at)


def presence(columns: tuple[Any, ...]) -> Presence:
    """Read a row of presences."""
    terminal, online, since = columns
    return Presence(terminal, bool(online), since)


def telemetry(columns: tuple[Any, ...]) -> Telemetry:
    """Read a row of telemetry."""
    return Telemetry(*columns)


def news_columns(told: Presence | Telemetry) -> tuple[Any, ...]:
    """The columns of what a terminal has told."""
    return astuple(told)


def batch_columns(settled: Batch) -> tuple[Any, ...]:
    """The columns of a batch."""
    return tuple(getattr(settled, column.name) for column in fields(settled))


def event(columns: tuple[Any, ...]) -> Event:
    """Read a row of events."""
    _, severity, kind, terminal, batch, trace, at, text = columns
    return Event(severity, kind, Key(terminal, batch, trace), at, text)
