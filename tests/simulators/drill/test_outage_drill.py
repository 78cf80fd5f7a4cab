"""`tillgate sim outage`: a short drill with real processes, as it is typed; its proofs are shown what they find."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from simulators.drill.commands import seconds_of
from simulators.drill.proofs import Compared, compare_in, prove
from simulators.drill.rehearsal import DrillError, prepare
from simulators.drill.telling import Report, Times
from simulators.tour.checks import Books
from simulators.tour.setting_up import Ports, Shop, set_up

OUTAGE = (sys.executable, "-m", "tillgate", "sim", "outage")
DURATION = "25s"
WITHIN_S = 240.0


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of one drill, with the printer out of paper for a while."""
    folder = tmp_path_factory.mktemp("drill")
    done = subprocess.run(
        [*OUTAGE, DURATION, "--paper", "--json", "--data", str(folder)],
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, report
    return report


@pytest.fixture
def shop(drilled: dict[str, Any], tmp_path: Path) -> Shop:
    """A copy of the drill's shop, to be tampered with."""
    folder = tmp_path / "shop"
    shutil.copytree(drilled["folder"], folder, ignore=shutil.ignore_patterns("pin_pad", "scanner", "stripe_reader"))
    return Shop(folder, Ports())


def test_cards_and_codes_pay_through_the_outage_and_nothing_is_lost_or_doubled(drilled: dict[str, Any]) -> None:
    assert drilled["ok"] and drilled["lost"] == drilled["doubled"] == 0
    assert drilled["sold_by_card"] > 0 and drilled["sold_by_code"] > 0
    assert drilled["sold_offline"] == drilled["sold_by_card"] + drilled["sold_by_code"]
    assert 0 < drilled["at_risk_amount_max"] <= drilled["sold_amount"]
    assert drilled["by_broker"] > 0
    assert drilled["noticed_offline_s"] and drilled["noticed_online_s"] and drilled["drained_s"]
    assert [check["name"] for check in drilled["checks"] if check["holds"]] == [
        "nothing_lost", "nothing_doubled", "three_books_agree", "journal", "nothing_owed", "host_books",
        "no_clear_card_numbers", "settled",
    ]  # fmt: skip


def test_every_slip_says_that_it_is_a_drill(drilled: dict[str, Any]) -> None:
    slips = list(Path(drilled["folder"]).rglob("slip-*.txt"))
    assert len(slips) > drilled["sold_offline"]
    assert all("演练商户" in slip.read_text("utf-8") for slip in slips)


def first_sold(shop: Shop) -> str:
    """The key of a sale by code, as the host's rows name it."""
    with sqlite3.connect(host_file(shop)) as store:
        trace: str = store.execute("SELECT trace FROM transactions WHERE kind = 'offline_code_sale'").fetchone()[0]
    return trace


def host_file(shop: Shop) -> Path:
    (file,) = shop.host.glob("*.db")
    return file


def change(shop: Shop, how: str, trace: str) -> None:
    """Change the ledger, as only somebody can who takes away what the host's own file forbids."""
    with sqlite3.connect(host_file(shop)) as store:
        guards = store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'postings'")
        for (guard,) in guards.fetchall():
            store.execute(f"DROP TRIGGER {guard}")
        assert store.execute(how, (trace,)).rowcount > 0


def told(shop: Shop, found: Compared) -> Report:
    checks = asyncio.run(prove(shop, Books(found.net, 0), Books(0, found.net), found))
    return Report(found, None, Times((), (), ()), None, tuple(checks))


def test_the_copy_is_as_good_as_the_shop(drilled: dict[str, Any], shop: Shop) -> None:
    found = compare_in(shop)
    assert (found.sold, found.lost, found.doubled) == (drilled["sold_offline"], (), ())
    assert told(shop, found).ok


def test_a_sale_that_the_host_has_lost_is_found_and_fails_the_drill(shop: Shop) -> None:
    trace = first_sold(shop)
    change(shop, "DELETE FROM postings WHERE trace = ?", trace)
    found = compare_in(shop)
    assert [name.split("-")[-1] for name in found.lost] == [trace] and not found.doubled
    report = told(shop, found)
    assert not report.ok and "nothing_lost" in {check.name for check in report.checks if not check.holds}


def test_a_sale_that_is_booked_twice_is_found_and_fails_the_drill(shop: Shop) -> None:
    trace = first_sold(shop)
    columns = "terminal, batch, trace, reason, at, account, amount, currency, digest"
    again = f"SELECT sequence + 1000000, entry + 1000000, {columns} FROM postings WHERE trace = ?"
    change(shop, f"INSERT INTO postings {again}", trace)
    found = compare_in(shop)
    assert [name.split("-")[-1] for name in found.doubled] == [trace] and not found.lost
    report = told(shop, found)
    assert not report.ok and "nothing_doubled" in {check.name for check in report.checks if not check.holds}


def test_money_that_the_issuer_has_not_given_fails_the_drill(shop: Shop) -> None:
    found = compare_in(shop)
    checks = asyncio.run(prove(shop, Books(found.net, 0), Books(1, found.net), found))
    assert [check.name for check in checks if not check.holds] == ["three_books_agree"]


def test_another_shop_is_no_place_for_a_drill_and_stays_as_it_is(tmp_path: Path) -> None:
    shop = set_up(tmp_path, Ports())
    profile = (shop.terminal / "profile.toml").read_bytes()
    with pytest.raises(DrillError, match="another shop lies in"):
        prepare(tmp_path, Ports(), 60)
    assert (shop.terminal / "profile.toml").read_bytes() == profile


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("2h", 7200), ("10s", 10), ("24h", 86_400)])
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "9s", "25h", "-5m", "1.5h", "20 m", "20M"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="such as 90s, 20m, 2h"):
        seconds_of(text)
