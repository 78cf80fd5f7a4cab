"""The tables of codes that phones make without a network: their users, failed tries, what has paid.

Account and seed are sealed, each for the place where it is kept. That a code pays once, the table holds to by itself.
"""

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from host_switch.keys import KeyRoom
from host_switch.records import CodeSpent, FailedCodes, PhoneUser
from paycode.digits import UserFacts

SCHEMA = """
CREATE TABLE phone_users (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, account BLOB NOT NULL, prefix TEXT NOT NULL, seed BLOB NOT NULL,
    refreshed_at INTEGER NOT NULL, slots_from INTEGER NOT NULL, slots_to INTEGER NOT NULL, used TEXT NOT NULL,
    failed_at TEXT NOT NULL
) STRICT;
CREATE TABLE failed_codes (terminal TEXT PRIMARY KEY, failed_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE codes_spent (one_time BLOB PRIMARY KEY, number INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
CREATE TRIGGER codes_stay_spent BEFORE DELETE ON codes_spent BEGIN SELECT RAISE(ABORT, 'a code pays once'); END;
"""


class PhoneTables:
    """Reads and writes them on the store's connection; raises sqlite3.Error as that does."""

    def __init__(self, connection: sqlite3.Connection, room: KeyRoom) -> None:
        self._db = connection
        self._room = room

    def users(self, numbers: AbstractSet[int] | None = None) -> dict[int | None, PhoneUser]:
        """The users with these numbers, all of them if none is named; ascending."""
        if numbers is None:
            rows = self._rows("SELECT * FROM phone_users ORDER BY number", ()) if self._are_there() else []
        else:
            rows = self._rows(f"SELECT * FROM phone_users WHERE number IN ({_marks(numbers)})", sorted(numbers))  # noqa: S608
        return {user.number: user for user in map(self._user, rows)}

    def failed(self, terminals: AbstractSet[str]) -> dict[str, tuple[int, ...]]:
        """When tries failed, by terminal."""
        query = f"SELECT terminal, failed_at FROM failed_codes WHERE terminal IN ({_marks(terminals)})"  # noqa: S608
        return {terminal: _numbers(failed_at) for terminal, failed_at in self._rows(query, sorted(terminals))}

    def codes_spent(self) -> tuple[CodeSpent, ...]:
        """What has paid, in order."""
        if not self._are_there():
            return ()
        rows = self._rows("SELECT one_time, number FROM codes_spent ORDER BY number", ())
        return tuple(CodeSpent(one_time, number) for one_time, number in rows)

    def put(self, change: PhoneUser | FailedCodes | CodeSpent) -> None:
        """Write a change into the store's open transaction."""
        match change:
            case PhoneUser():
                self._db.execute(
                    f"INSERT OR REPLACE INTO phone_users VALUES ({', '.join('?' * 10)})",  # noqa: S608
                    self._columns(change),
                )
            case FailedCodes(terminal, failed_at):
                columns = (terminal, _text(failed_at))
                self._db.execute("INSERT OR REPLACE INTO failed_codes VALUES (?, ?)", columns)
            case CodeSpent(one_time, number):
                self._db.execute("INSERT INTO codes_spent VALUES (?, ?)", (one_time, number))

    def _columns(self, user: PhoneUser) -> tuple[Any, ...]:
        codes, place = user.codes, f"phone/{user.number}"
        return (
            user.number, user.name, self._room.seal(user.account.encode(), f"{place}/account"), user.prefix,
            self._room.seal(codes.seed, f"{place}/seed"), codes.refreshed_at, codes.slots.start, codes.slots.stop,
            _text(sorted(codes.used)), _text(codes.failed_at),
        )  # fmt: skip

    def _user(self, columns: tuple[Any, ...]) -> PhoneUser:
        number, name, account, prefix, seed, refreshed_at, first, end, used, failed_at = columns
        place = f"phone/{number}"
        codes = UserFacts(
            number, self._room.unseal(seed, f"{place}/seed"), refreshed_at, range(first, end),
            frozenset(_numbers(used)), _numbers(failed_at),
        )  # fmt: skip
        return PhoneUser(name, self._room.unseal(account, f"{place}/account").decode(), prefix, codes)

    def _are_there(self) -> bool:
        """Whether the store has these tables: one of an older version that is only read has not."""
        return bool(self._rows("SELECT 1 FROM sqlite_master WHERE name = 'codes_spent'", ()))

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._db.execute(query, parameters).fetchall()


def _marks(wanted: AbstractSet[Any]) -> str:
    return ", ".join("?" * len(wanted))


def _text(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))
