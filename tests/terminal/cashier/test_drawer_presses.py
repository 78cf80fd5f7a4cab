"""The drawer's key on the page: a reason is asked for, one press opens once, and nobody does it unnamed."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from simulators.tour.setting_up import CASHIER, CASHIER_PIN
from terminal.records import DrawerOpened
from tests.e2e.shop import RunningShop
from tests.terminal.cashier.test_presses import charge, form, said, stranger

SHEET = "/?sheet=drawer"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[RunningShop]:
    shop = RunningShop(tmp_path)
    profile = shop.shop.terminal / "profile.toml"
    profile.write_text(profile.read_text("utf-8").replace("[devices]\n", "[devices]\ncash_drawer = true\n"), "utf-8")
    with shop.open():
        yield shop


@pytest.fixture
def browser(shop: RunningShop) -> Iterator[httpx.Client]:
    """Somebody at the counter who is logged on."""
    with stranger(shop) as client:
        client.post("/log-on", data={"operator": CASHIER, "pin": CASHIER_PIN})
        yield client


def openings(shop: RunningShop) -> list[tuple[str, str]]:
    records = shop.terminal.runner.journal.everything()
    return [(record.operator, record.reason) for record in records if isinstance(record, DrawerOpened)]


def test_a_press_opens_it_once_and_the_sheet_says_who_was_last(browser: httpx.Client, shop: RunningShop) -> None:
    assert "Last opened" not in browser.get(SHEET).text
    fields = form(browser, "/drawer", SHEET) | {"reason": "change"}
    answers = [browser.post("/drawer", data=fields) for _ in range(2)]
    assert [said(answer) for answer in answers] == ["drawer_opening", "page_old"]
    assert "已记录在案" in answers[0].text
    assert openings(shop) == [(CASHIER, "change")]
    assert f"操作员 {CASHIER}：换零钱" in browser.get(SHEET).text
    assert shop.view()["payments"] == []


def test_during_a_payment_it_stays_shut_in_words(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/drawer", SHEET) | {"reason": "count"}
    charge(browser)
    shop.wait_for(lambda view: view["current"])
    kept = form(browser, "/drawer", SHEET)
    answer = browser.post("/drawer", data=fields | kept)
    assert said(answer) == "" and "另一笔交易正在进行" in answer.text
    assert openings(shop) == []


@pytest.mark.parametrize("reason", ["", "lunch"])
def test_without_one_of_its_reasons_it_stays_shut(browser: httpx.Client, shop: RunningShop, reason: str) -> None:
    answer = browser.post("/drawer", data=form(browser, "/drawer", SHEET) | {"reason": reason})
    assert "开钱箱须说明原因" in answer.text
    assert openings(shop) == []


def test_nobody_who_is_not_logged_on_opens_it(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/drawer", SHEET) | {"reason": "change"}
    browser.post("/log-off", data=form(browser, "/log-off"))
    assert said(browser.post("/drawer", data=fields)) == "log_on_first"
    assert openings(shop) == []
