"""The auditor must see whatever is wrong: each of its books is spoiled in turn."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from simulators.crash.audit import faults
from simulators.crash.kills import Outcome
from simulators.crash.shop import SLIPS
from simulators.tour.setting_up import Ports, Shop


@pytest.fixture
def shop(found: list[Outcome], folder: Path, tmp_path: Path) -> Shop:
    """A shop that has sold four times, after real processes wrote all of it."""
    assert found
    lines = ("pin_pad", "scanner", "stripe_reader")
    shutil.copytree(folder / "base", tmp_path / "shop", ignore=shutil.ignore_patterns("*.sock", *lines))
    return Shop(tmp_path / "shop", Ports())


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for statement in (*(f"DROP TRIGGER {name}" for (name,) in triggers), *statements):
            db.execute(statement)


def journal(shop: Shop, *statements: str) -> None:
    execute(shop.terminal / "journal.db", *statements)


def host(shop: Shop, *statements: str) -> None:
    execute(shop.host / "host.db", *statements)


def issuer(shop: Shop, *statements: str) -> None:
    execute(shop.issuer / "issuer.db", *statements)


def paper(shop: Shop, written: str, instead: str) -> None:
    slips = (shop.folder / SLIPS).read_text("utf-8")
    assert written in slips
    (shop.folder / SLIPS).write_text(slips.replace(written, instead), "utf-8")


def log(shop: Shop, line: str) -> None:
    shop.logs.mkdir(exist_ok=True)
    (shop.logs / "host.log").write_text(line + "\n", "utf-8")


def test_a_shop_that_sold_four_times_has_no_fault(shop: Shop) -> None:
    assert faults(shop) == []


SPOILED: dict[str, tuple[str, Callable[[Shop], None]]] = {
    "a record is missing in the journal": ("broken", lambda s: journal(s, "DELETE FROM records WHERE sequence = 3")),
    "the journal ends in the middle of a payment": (
        "doubled",
        lambda s: journal(
            s, "DELETE FROM records WHERE sequence >= (SELECT max(sequence) FROM records WHERE type = 'Answered')"
        ),
    ),
    "a posting is missing": ("lost", lambda s: host(s, "DELETE FROM postings WHERE entry = 2")),
    "a posting is twice there": (
        "doubled",
        lambda s: host(
            s,
            "INSERT INTO postings SELECT sequence + 100, entry + 100, terminal, batch, trace, reason, at, account,"
            " amount, currency, digest FROM postings WHERE entry = 1",
        ),
    ),
    "a posting has no payment": ("doubled", lambda s: host(s, "UPDATE postings SET trace = '000099' WHERE entry = 1")),
    "something is still owed": ("broken", lambda s: host(s, "UPDATE transactions SET due_at = 1.0 WHERE number = 1")),
    "the host noted an attack": (
        "broken",
        lambda s: host(s, "INSERT INTO events VALUES (NULL, 'security', 'attack', 't', 'b', '000001', 1.0, '')"),
    ),
    "the customer paid twice": (
        "doubled", lambda s: issuer(s, "UPDATE movements SET amount = 2 * amount WHERE reference LIKE '%1'"),
    ),
    "the customer did not pay": ("lost", lambda s: issuer(s, "UPDATE movements SET reversed = 1")),
    "an account does not add up": ("broken", lambda s: issuer(s, "UPDATE accounts SET balance = balance - 1")),
    "a slip shows another amount": ("lost", lambda s: paper(s, "RMB 25.00", "RMB 26.00")),
    "a slip shows a payment that never was": ("lost", lambda s: paper(s, "NO         000001", "NO         000077")),
    "a process met a fault of its own": ("broken", lambda s: log(s, '{"event": "fault", "level": "error"}')),
    "a process ended with a traceback": ("broken", lambda s: log(s, "Traceback (most recent call last):")),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "spoil"), SPOILED.values(), ids=SPOILED)
def test_whatever_is_spoiled_is_seen(shop: Shop, kind: str, spoil: Callable[[Shop], None]) -> None:
    spoil(shop)
    assert kind in {fault.kind for fault in faults(shop)}
