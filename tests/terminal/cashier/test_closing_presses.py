"""Two people close a payment at a terminal that runs, on its page and by a command: who may, once, and by what."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from simulators.issuer import Mood
from simulators.tour.browser import form_fields
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR, SUPERVISOR_PIN
from terminal.events import CardErased
from terminal.operators import WRONG_PINS_MAX
from terminal.records import ClosedByPeople, Key
from tests.e2e.shop import RunningShop
from tests.terminal.cashier.test_presses import LEAVE, form, said, sell, stranger

BOTH = {"statement": "ACQ-0117/3", "operator": CASHIER, "operator_pin": CASHIER_PIN, **LEAVE}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[RunningShop]:
    with RunningShop(tmp_path).open() as shop:
        yield shop


@pytest.fixture
def browser(shop: RunningShop) -> Iterator[httpx.Client]:
    """Somebody at the counter who is logged on."""
    with stranger(shop) as client:
        client.post("/log-on", data={"operator": CASHIER, "pin": CASHIER_PIN})
        yield client


@pytest.fixture
def key(shop: RunningShop, browser: httpx.Client) -> str:
    """A refund of 7.00 that was not answered, and cannot be asked for any more."""
    sale = sell(browser, shop)
    shop.mood(Mood("lose"))
    browser.post("/refund", data=form(browser, "/refund", f"/?sheet=refund&key={sale}") | LEAVE | {"amount": "7.00"})
    refund = str(shop.wait_for(lambda view: view["payments"][0]["state"] == "sent")["payments"][0]["key"])
    shop.wait_for(lambda view: view["current"] is None)
    shop.terminal.runner.post(CardErased(Key.parse(refund)))
    shop.wait_for(lambda view: view["payments"][0]["needs_people"])
    return refund


def closings(shop: RunningShop) -> list[ClosedByPeople]:
    return [record for record in shop.terminal.runner.journal.everything() if isinstance(record, ClosedByPeople)]


def close(browser: httpx.Client, key: str, /, sheet: str = "booked", **changed: str) -> httpx.Response:
    return browser.post("/close", data=form(browser, "/close", f"/?sheet={sheet}&key={key}") | BOTH | changed)


@pytest.mark.parametrize(("sheet", "booked"), [("booked", True), ("not_booked", False)])
def test_two_people_close_it_after_a_second_look(
    browser: httpx.Client, shop: RunningShop, key: str, sheet: str, booked: bool
) -> None:
    first = browser.get(f"/?sheet=close&key={key}").text
    assert f"/?sheet={sheet}&amp;key={key}" in first and form_fields(first, "/close") is None
    assert "¥7.00" in browser.get(f"/?sheet={sheet}&key={key}").text
    answer = close(browser, key, sheet)
    assert said(answer) == "" and "ACQ-0117/3" in answer.text
    (record,) = closings(shop)
    assert (str(record.key), record.booked, record.statement) == (key, booked, "ACQ-0117/3")
    assert (record.operator, record.supervisor) == (CASHIER, SUPERVISOR)
    assert shop.view()["totals"]["credit_amount"] == (700 if booked else 0)


def test_pressed_twice_it_is_closed_once(browser: httpx.Client, shop: RunningShop, key: str) -> None:
    fields = form(browser, "/close", f"/?sheet=booked&key={key}") | BOTH
    answers = [browser.post("/close", data=fields), browser.post("/close", data=fields | {"booked": "no"})]
    assert [said(answer) for answer in answers] == ["", "needs_no_people"]
    assert len(closings(shop)) == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"operator": SUPERVISOR, "operator_pin": SUPERVISOR_PIN}, "two_people_needed"),
        ({"supervisor": CASHIER, "pin": CASHIER_PIN}, "two_people_needed"),
        ({"operator": "07"}, "operator_unknown"),
        ({"operator_pin": "9999"}, "operator_pin_wrong"),
        ({"pin": "9999"}, "operator_pin_wrong"),
        ({"statement": "  "}, "statement_missing"),
        ({"statement": "6299 9900 0000 0009"}, "statement_is_card"),
        ({"key": "10000001-000001-999999"}, "not_found"),
        ({"key": "nonsense"}, "not_found"),
    ],
)
def test_whoever_may_not_closes_nothing(
    browser: httpx.Client, shop: RunningShop, key: str, changed: dict[str, str], reason: str
) -> None:
    assert said(close(browser, key, **changed)) == reason
    assert closings(shop) == [] and shop.view()["payments"][0]["needs_people"]


def test_guessing_a_pin_locks_its_owner(browser: httpx.Client, shop: RunningShop, key: str) -> None:
    refusals = [said(close(browser, key, pin=f"000{guess}")) for guess in range(WRONG_PINS_MAX)]
    assert refusals == ["operator_pin_wrong"] * WRONG_PINS_MAX
    assert said(close(browser, key)) == "operator_locked" and closings(shop) == []


def test_somebody_must_be_logged_on(browser: httpx.Client, shop: RunningShop, key: str) -> None:
    fields = form(browser, "/close", f"/?sheet=booked&key={key}") | BOTH
    with stranger(shop) as nobody:
        assert said(nobody.post("/close", data=fields)) == "log_on_first"
    assert closings(shop) == []


def test_what_is_still_asked_for_has_no_such_sheet(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    for sheet in ("close", "booked", "not_booked"):
        page = browser.get(f"/?sheet={sheet}&key={key}").text
        assert "sheet-payment" in page and form_fields(page, "/close") is None
    fields = form(browser, "/reprint", f"/?sheet=payment&key={key}") | BOTH | {"key": key, "booked": "yes"}
    assert said(browser.post("/close", data=fields)) == "needs_no_people"


def test_the_command_asks_the_terminal_that_runs(shop: RunningShop, key: str) -> None:
    command = [
        *(sys.executable, "-m", "tillgate", "terminal", "queue", "close", key, "--not-booked", "--json", "--yes"),
        *("--data", str(shop.shop.terminal), "--statement", "ACQ-0117/3"),
        *("--operator", CASHIER, "--supervisor", SUPERVISOR),
    ]
    pins = {"TILLGATE_OPERATOR_PIN": CASHIER_PIN, "TILLGATE_SUPERVISOR_PIN": SUPERVISOR_PIN}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | pins, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["key"] == key and "¥7.00" in done.stderr
    (record,) = closings(shop)
    assert (record.booked, record.operator, record.supervisor) == (False, CASHIER, SUPERVISOR)
    again = subprocess.run(command, capture_output=True, text=True, env=os.environ | pins, timeout=60, check=False)
    assert again.returncode == 1 and "People close only what" in again.stderr
