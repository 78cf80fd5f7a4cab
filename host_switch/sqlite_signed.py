"""The tables of signed codes: their issuers, the phones' keys, and every code that has come, sealed.

That one code is paid under a key and a counter, the table holds to by itself.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from host_switch.facts import SignedFacts
from host_switch.keys import KeyRoom
from host_switch.records import CodeIssuer, SignedKey, SignedUse
from host_switch.sqlite_phones import PhoneTables
from paycode.signed import Claim

SCHEMA = """
CREATE TABLE code_issuers (
    key_id BLOB PRIMARY KEY, algorithm INTEGER NOT NULL, key BLOB NOT NULL, name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE signed_keys (key BLOB PRIMARY KEY, user INTEGER NOT NULL, revoked_at REAL) STRICT, WITHOUT ROWID;
CREATE TABLE signed_uses (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL, counter INTEGER NOT NULL, paid INTEGER NOT NULL, code BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX signed_uses_paid ON signed_uses (key, counter) WHERE paid;
CREATE TRIGGER signed_uses_stay BEFORE UPDATE ON signed_uses
BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END;
CREATE TRIGGER signed_uses_remain BEFORE DELETE ON signed_uses
BEGIN SELECT RAISE(ABORT, 'evidence is never deleted'); END;
"""


class SignedTables:
    """Reads and writes them on the store's connection; raises sqlite3.Error as that does."""

    def __init__(self, connection: sqlite3.Connection, room: KeyRoom, phones: PhoneTables) -> None:
        self._db = connection
        self._room = room
        self._phones = phones

    def facts(self, claim: Claim) -> SignedFacts:
        """What is known of what a code claims: a few look-ups, for a kind of sale that is rare."""
        issuer = next(iter(self._issuers("WHERE key_id = ?", claim.issuer)), None)
        key = next(iter(self._keys("WHERE key = ?", claim.key)), None)
        user = self._phones.users({key.user}).get(key.user) if key else None
        paid = next(iter(self.uses("WHERE key = ? AND counter = ? AND paid", claim.key, claim.counter)), None)
        return SignedFacts(claim, issuer, key, user.account if user else "", paid)

    def signers(self) -> tuple[list[CodeIssuer], list[SignedKey]]:
        """All issuers and all phones' keys."""
        return self._issuers("ORDER BY key_id"), self._keys("ORDER BY user, key")

    def uses(self, where: str, *values: Any) -> list[SignedUse]:
        """Codes that have come, with the codes themselves."""
        rows = self._rows(f"SELECT number, key, counter, paid, code FROM signed_uses {where}", values)  # noqa: S608
        return [
            SignedUse(number, key, counter, bool(paid), self._room.unseal(code, _place(number)).decode("ascii"))
            for number, key, counter, paid, code in rows
        ]

    def uses_without_codes(self) -> tuple[SignedUse, ...]:
        """The same for the validations; nothing in a store of an older version that is only read."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'signed_uses'", ()):
            return ()
        rows = self._rows("SELECT number, key, counter, paid FROM signed_uses ORDER BY number", ())
        return tuple(SignedUse(number, key, counter, bool(paid)) for number, key, counter, paid in rows)

    def put(self, change: CodeIssuer | SignedKey | SignedUse) -> None:
        """Write a change into the store's open transaction."""
        match change:
            case CodeIssuer(key_id, algorithm, key, name):
                insert = "INSERT OR REPLACE INTO code_issuers VALUES (?, ?, ?, ?)"
                self._db.execute(insert, (key_id, algorithm, key, name))
            case SignedKey(key, user, revoked_at):
                self._db.execute("INSERT OR REPLACE INTO signed_keys VALUES (?, ?, ?)", (key, user, revoked_at))
            case SignedUse(number, key, counter, paid, code):
                sealed = self._room.seal(code.encode("ascii"), _place(number))
                self._db.execute("INSERT INTO signed_uses VALUES (?, ?, ?, ?, ?)", (number, key, counter, paid, sealed))

    def _issuers(self, where: str, *values: Any) -> list[CodeIssuer]:
        return [CodeIssuer(*row) for row in self._rows(f"SELECT * FROM code_issuers {where}", values)]  # noqa: S608

    def _keys(self, where: str, *values: Any) -> list[SignedKey]:
        return [SignedKey(*row) for row in self._rows(f"SELECT * FROM signed_keys {where}", values)]  # noqa: S608

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._db.execute(query, parameters).fetchall()


def _place(number: int) -> str:
    return f"signed use/{number}"
