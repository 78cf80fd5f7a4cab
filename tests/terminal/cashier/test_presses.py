"""Presses over HTTP, without a browser: what is pressed twice, late, by nobody, or by somebody who may not."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from simulators.tour.browser import form_fields
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR, SUPERVISOR_PIN
from terminal.cashier.forms import FORM_BYTES_MAX
from terminal.operators import WRONG_PINS_MAX
from tests.e2e.shop import RunningShop

LEAVE = {"supervisor": SUPERVISOR, "pin": SUPERVISOR_PIN}


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


def stranger(shop: RunningShop) -> httpx.Client:
    return httpx.Client(
        base_url=shop.address, headers={"origin": shop.address}, follow_redirects=True,
        verify=False, trust_env=False,  # else every client reads all certificates first
    )  # fmt: skip


def form(browser: httpx.Client, action: str, page: str = "/") -> dict[str, str]:
    """The fields that the page's form for `action` holds."""
    fields = form_fields(browser.get(page).text, action)
    assert fields is not None, f"{page} has no form for {action}"
    return fields


def charge(browser: httpx.Client, amount: str = "25.00") -> None:
    browser.post("/charge", data=form(browser, "/charge") | {"amount": amount})


def sell(browser: httpx.Client, shop: RunningShop) -> str:
    """A sale by code that is over; returns its key."""
    charge(browser)
    shop.scan()
    payment = shop.wait_for(lambda view: view["current"] is None and view["payments"])["payments"][0]
    browser.post("/next", data=form(browser, "/next"))
    return str(payment["key"])


def said(response: httpx.Response) -> str:
    return str(response.url.params.get("said", ""))


# --- once -------------------------------------------------------------------------------------------------------------


def test_the_same_form_sent_many_times_at_once_is_one_payment(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/charge") | {"amount": "25.00"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: browser.post("/charge", data=fields), range(8)))
    assert [said(answer) for answer in answers] == [""] * 8
    assert len(shop.view()["payments"]) == 1


def test_a_form_that_was_used_starts_nothing_else(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/charge")
    key = sell(browser, shop)
    browser.post("/charge", data=fields | {"amount": "99.00"})
    assert [payment["key"] for payment in shop.view()["payments"]] == [key]


def test_a_form_of_a_page_that_is_out_of_date_is_refused_in_words(browser: httpx.Client, shop: RunningShop) -> None:
    answer = browser.post("/charge", data={"amount": "25.00", "request_id": "000001-0000000000000000"})
    assert said(answer) == "page_old" and "没有执行" in answer.text
    assert shop.view()["payments"] == []


def test_no_form_outlives_its_batch(browser: httpx.Client, shop: RunningShop) -> None:
    sell(browser, shop)
    kept = form(browser, "/charge")
    browser.post("/settle", data=form(browser, "/settle", "/?sheet=settle") | LEAVE)
    shop.wait_for(lambda view: view["settlement"]["last"])
    assert said(browser.post("/charge", data=kept | {"amount": "25.00"})) == "page_old"
    assert shop.view()["payments"] == []


def test_settle_pressed_twice_closes_one_batch(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/settle", "/?sheet=settle") | LEAVE
    browser.post("/settle", data=fields)
    closed = shop.wait_for(lambda view: view["settlement"]["last"])
    assert said(browser.post("/settle", data=fields)) == "page_old"
    assert shop.view()["batch"] == closed["batch"]


def test_reprint_pressed_twice_prints_one_duplicate(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    shop.wait_for(lambda view: not view["payments"][0]["receipt_due"])
    fields = form(browser, "/reprint", f"/?sheet=payment&key={key}")
    first, second = (browser.post("/reprint", data=fields) for _ in range(2))
    assert (said(first), said(second)) == ("reprinting", "")


def test_send_now_pressed_twice_is_done_once_and_said(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/charge")
    first, second = (browser.post("/send-now", data=fields) for _ in range(2))
    assert (said(first), said(second)) == ("sending_now", "") and "正在上送" in first.text


def test_send_now_without_a_line_says_that_it_goes_by_itself(browser: httpx.Client, shop: RunningShop) -> None:
    shop.stop_host()
    shop.wait_for(lambda view: view["session"]["state"] == "down")
    assert said(browser.post("/send-now", data=form(browser, "/charge"))) == "no_line_yet"


def test_cancel_ends_only_the_payment_that_it_names(browser: httpx.Client, shop: RunningShop) -> None:
    charge(browser)
    fields = form(browser, "/cancel")
    browser.post("/cancel", data=fields)
    assert shop.view()["current"] is None
    browser.post("/next", data=form(browser, "/next"))
    charge(browser)
    browser.post("/cancel", data=fields)
    assert shop.view()["current"]["state"] == "started"


# --- who may ----------------------------------------------------------------------------------------------------------


def test_nobody_moves_money_without_logging_on(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    fields = form(browser, "/charge") | LEAVE | {"amount": "1.00", "key": key}
    with stranger(shop) as nobody:
        for action in ("charge", "balance", "void", "refund", "settle", "reprint", "send-now"):
            assert said(nobody.post(f"/{action}", data=fields)) == "log_on_first", action
    assert [payment["key"] for payment in shop.view()["payments"]] == [key]


def test_a_cashier_is_no_supervisor(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    fields = form(browser, "/charge") | {"supervisor": CASHIER, "pin": CASHIER_PIN, "amount": "1.00", "key": key}
    for action in ("void", "refund", "settle"):
        assert said(browser.post(f"/{action}", data=fields)) == "operator_unknown", action
    assert [payment["key"] for payment in shop.view()["payments"]] == [key]


def test_wrong_pins_lock_the_operator(shop: RunningShop) -> None:
    with stranger(shop) as client:
        wrong = [said(client.post("/log-on", data={"operator": CASHIER, "pin": "9999"})) for _ in range(WRONG_PINS_MAX)]
        assert wrong == ["operator_pin_wrong"] * WRONG_PINS_MAX
        assert said(client.post("/log-on", data={"operator": CASHIER, "pin": CASHIER_PIN})) == "operator_locked"


def test_log_on_changes_the_name_of_the_session(shop: RunningShop) -> None:
    with stranger(shop) as client:
        before = client.get("/").headers["set-cookie"]
        assert "HttpOnly" in before and "SameSite=strict" in before
        cookie = f"cashier_{shop.terminal_id}"
        old = client.cookies[cookie]
        client.post("/log-on", data={"operator": CASHIER, "pin": CASHIER_PIN})
        assert client.cookies[cookie] != old
        client.cookies.set(cookie, old)
        assert 'id="amount"' not in client.get("/").text


def test_todays_sales_are_for_those_who_are_logged_on(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    assert key in browser.get("/").text
    with stranger(shop) as nobody:
        assert key not in nobody.get(f"/?sheet=payment&key={key}").text


def test_void_of_what_is_not_there_is_refused(browser: httpx.Client, shop: RunningShop) -> None:
    fields = form(browser, "/charge") | LEAVE
    for key in ("", "nonsense", f"{shop.terminal_id}-000001-000099"):
        assert said(browser.post("/void", data=fields | {"key": key})) == "not_in_this_batch"
        assert said(browser.post("/refund", data=fields | {"key": key, "amount": "1"})) == "not_refundable"


def test_a_voided_sale_is_not_refunded_by_a_form_that_was_kept(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    kept = form(browser, "/refund", f"/?sheet=refund&key={key}") | LEAVE | {"amount": "25.00"}
    browser.post("/void", data=form(browser, "/void", f"/?sheet=void&key={key}") | LEAVE)
    shop.wait_for(lambda view: view["current"] is None and view["totals"]["credit_count"])
    fresh = form(browser, "/balance")["request_id"]
    browser.post("/refund", data=kept | {"request_id": fresh})
    assert shop.view()["notice"]["reason"] == "already_voided"
    assert shop.view()["totals"]["credit_count"] == 1


# --- bad input --------------------------------------------------------------------------------------------------------


def test_what_is_no_amount_is_refused_in_words(browser: httpx.Client) -> None:
    for amount, reason in (("", "amount_zero"), ("abc", "amount_invalid"), ("-1", "amount_invalid")):
        assert said(browser.post("/charge", data=form(browser, "/charge") | {"amount": amount})) == reason


def test_a_form_is_bounded(browser: httpx.Client) -> None:
    for body, status in ((b"a=" + b"1" * FORM_BYTES_MAX, 413), (b"&".join([b"a=1"] * 50), 400), (b"a=\xff", 400)):
        assert browser.post("/charge", content=body).status_code == status


def test_an_address_puts_no_words_into_the_pages_mouth(browser: httpx.Client) -> None:
    for said_by_a_stranger in ("<script>alert(1)</script>", "Call 555 and read out your PIN"):
        page = browser.get("/", params={"said": said_by_a_stranger, "sheet": "<b>", "key": "<i>"}).text
        assert "alert(1)" not in page and "555" not in page and "<b>" not in page


def test_a_fault_of_the_page_shows_nothing_of_itself(browser: httpx.Client, shop: RunningShop) -> None:
    key = sell(browser, shop)
    shop.terminal.runner.journal.close()
    answer = browser.get(f"/?sheet=payment&key={key}")
    assert answer.status_code == 500 and "Traceback" not in answer.text and "sqlite" not in answer.text


# --- updates ----------------------------------------------------------------------------------------------------------


def regions_of(browser: httpx.Client, shop: RunningShop, shown: str, act: object = None) -> set[str]:
    """The regions in the first update of a page that shows the state `shown`, after `act`."""
    with browser.stream("GET", "/updates", params={"shown": shown}) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        if callable(act):
            act()
        data = []
        for line in lines:
            if line.startswith("data: "):
                data.append(line)
            elif data:
                return set(re.findall(r'<\w+ id="(strip|alerts|sale|sales|announcer|said|sheet)"', "".join(data)))
    raise AssertionError("the stream has ended")


def digest(browser: httpx.Client) -> str:
    found = re.search(r"/updates\?shown=([0-9a-f]+)", browser.get("/").text)
    assert found
    return found[1]


def test_a_page_that_is_up_to_date_is_sent_only_what_changes(browser: httpx.Client, shop: RunningShop) -> None:
    changed = regions_of(browser, shop, digest(browser), shop.unplug_scanner)
    assert changed == {"strip"}


def test_a_page_that_is_not_is_sent_all(browser: httpx.Client, shop: RunningShop) -> None:
    assert regions_of(browser, shop, "old") == {"strip", "alerts", "sale", "sales", "announcer"}


def test_state_waits_for_a_change_and_holds_nothing_secret(browser: httpx.Client, shop: RunningShop) -> None:
    version = browser.get("/state").json()["version"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: browser.get("/state", params={"after": version}).json())
        charge(browser)
        assert waiting.result()["view"]["current"]["amount"] == 2500
    shop.insert_card()
    shop.enter_pin()
    shop.wait_for(lambda view: view["payments"][0]["final"])
    text = json.dumps(browser.get("/state").json())
    assert "629999******0017" in text and "6299990" not in text and "sealed" not in text


def test_an_open_page_does_not_hold_the_terminal_up(browser: httpx.Client, shop: RunningShop) -> None:
    with browser.stream("GET", "/updates"):
        shop.stop_terminal()
        shop.start_terminal()
    assert browser.get("/").status_code == 200
