"""The cashier's page in a real browser, with a whole shop behind it: what a cashier does all day, and the bad days."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from simulators.issuer import Mood
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR_PIN
from tests.e2e.shop import RunningShop

pytestmark = pytest.mark.browser



def log_on(page: Page) -> None:
    page.keyboard.type(CASHIER)
    page.keyboard.press("Tab")
    page.keyboard.type(CASHIER_PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#amount")).to_be_focused()


def headline(page: Page) -> Locator:
    return page.locator("#sale h1")


def charge(page: Page, figures: str) -> None:
    page.keyboard.type(figures)
    page.keyboard.press("Enter")
    expect(headline(page)).to_have_text(re.compile("Insert, tap or swipe the card"))


def pay_by_code(page: Page, shop: RunningShop, figures: str, result: str = "Approved") -> None:
    charge(page, figures)
    shop.scan()
    expect(headline(page)).to_have_text(result)


def go_on(page: Page) -> None:
    page.keyboard.press("Enter")
    expect(page.locator("#amount")).to_be_focused()


def open_payment(page: Page, amount: str) -> Locator:
    page.locator(".row").filter(has_text=amount).first.click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    return sheet


def refund(page: Page, sheet: Locator, figures: str) -> None:
    sheet.get_by_role("link", name="Refund").click()
    expect(page.get_by_label("Amount to refund")).to_be_focused()
    page.keyboard.type(figures)
    allow(page)


def allow(page: Page) -> None:
    """The supervisor agrees; the sheet closes."""
    page.get_by_label("Supervisor's PIN").fill(SUPERVISOR_PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


# --- a good day -------------------------------------------------------------------------------------------------------


def test_card_sale_with_pin_by_keyboard_alone(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.type("2500")
    expect(page.locator("#amount")).to_have_value("25.00")
    page.keyboard.press("Enter")
    expect(headline(page)).to_have_text("Insert, tap or swipe the card, or scan the customer's code")
    shop.insert_card()
    expect(headline(page)).to_have_text("The customer enters the PIN")
    shop.enter_pin()
    expect(headline(page)).to_have_text("Approved")
    expect(page.locator(".result .figure")).to_have_text("¥25.00")
    expect(page.locator(".slip")).to_contain_text("CARDHOLDER COPY")
    expect(page.locator("#announcer")).to_contain_text("Approved ¥25.00. The customer has paid.")
    go_on(page)
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text("Approved")


def test_figures_typed_over_a_result_are_the_next_amount(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "100")
    page.keyboard.type("990")
    expect(page.locator("#amount")).to_have_value("9.90")


def test_sale_by_touch_with_keypad(page: Page, shop: RunningShop) -> None:
    log_on(page)
    keypad = page.get_by_role("group", name="Keypad")
    for key in ("1", "2", "00", "5"):
        keypad.get_by_role("button", name=key, exact=True).click()
    keypad.get_by_role("button", name="Delete the last figure").click()
    expect(page.locator("#amount")).to_have_value("12.00")
    page.get_by_role("button", name="Charge").click()
    shop.scan()
    expect(headline(page)).to_have_text("Approved")


def test_supervisor_allows_a_void(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    open_payment(page, "25.00").get_by_role("link", name="Void").click()
    sheet = page.get_by_role("dialog", name="Void this sale?")
    expect(sheet).to_contain_text("¥25.00")
    expect(sheet).to_contain_text("UnionPay 62")
    allow(page)
    expect(headline(page)).to_have_text("Voided")
    expect(page.locator(".row").filter(has_text="Sale")).to_contain_text("Voided")
    expect(page.locator(".sums")).to_contain_text("−¥25.00")


def test_wrong_supervisor_pin_moves_no_money(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    open_payment(page, "25.00").get_by_role("link", name="Void").click()
    page.get_by_label("Supervisor's PIN").fill("999999")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Wrong PIN. Nothing was done.")
    expect(page.get_by_label("Supervisor's PIN")).to_be_focused()
    expect(page.get_by_label("Supervisor's PIN")).to_have_value("")
    assert [payment["type"] for payment in shop.view()["payments"]] == ["qr_sale"]


def test_refund_by_parts_never_exceeds_the_sale(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    refund(page, open_payment(page, "25.00"), "1000")
    expect(headline(page)).to_have_text("Refunded")
    go_on(page)
    refund(page, open_payment(page, "Refunded ¥10.00"), "1501")
    expect(page.locator("#sale").get_by_role("alert")).to_contain_text("more than is left of the sale")
    assert shop.view()["totals"]["credit_amount"] == 1000


def test_a_card_that_cannot_pay_by_tap_is_inserted_in_the_same_payment(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2500")
    shop.tap("insert_instead")
    expect(headline(page)).to_have_text("Tapping won't do this time: insert the card instead")
    shop.take_away()
    shop.insert_card("insert_instead")
    shop.enter_pin()
    expect(headline(page)).to_have_text("Approved")
    (payment,) = shop.view()["payments"]
    assert payment["state"] == "approved"


def test_balance_inquiry_charges_nothing(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.press("F8")
    expect(headline(page)).to_have_text("Insert or swipe the card")
    shop.insert_card()
    shop.enter_pin()
    expect(headline(page)).to_have_text("Balance")
    expect(page.locator(".result .figure")).to_have_text("¥10,000.00")
    expect(page.locator(".rest")).to_contain_text("Nothing was charged.")


def test_settlement_is_looked_at_twice(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    page.keyboard.press("F9")
    expect(page.get_by_role("dialog").locator(".sums")).to_contain_text("¥25.00")
    allow(page)
    expect(headline(page)).to_have_text("Settled, balanced")
    expect(page.locator(".slip")).to_contain_text("SETTLEMENT SLIP")
    go_on(page)
    expect(page.locator("#sales")).to_contain_text("No sales in this batch yet.")


def test_sale_of_a_closed_batch_is_found_and_refunded(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    page.keyboard.press("F9")
    allow(page)
    expect(headline(page)).to_have_text("Settled, balanced")
    go_on(page)
    page.keyboard.press("F4")
    page.get_by_label("Batch number").fill("1")
    page.get_by_label("Voucher number").fill("1")
    page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="Sale, voucher 000001")
    expect(sheet.get_by_role("link", name="Void")).to_have_count(0)
    refund(page, sheet, "2500")
    expect(headline(page)).to_have_text("Refunded")


# --- a bad day --------------------------------------------------------------------------------------------------------


def test_decline_says_why_and_that_nothing_was_charged(page: Page, shop: RunningShop) -> None:
    shop.mood(Mood("decline", times=1, code="51"))
    log_on(page)
    pay_by_code(page, shop, "2500", "Declined")
    expect(page.locator(".result")).to_contain_text("Code 51")
    expect(page.locator(".rest")).to_contain_text("Insufficient funds: ask for another card.")
    expect(page.locator(".rest")).to_contain_text("The customer has not been charged.")


def test_cancelled_sale_charges_nothing(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2500")
    page.keyboard.press("Escape")
    expect(headline(page)).to_have_text("Cancelled")
    expect(page.locator(".rest")).to_contain_text("The customer has not been charged.")


def test_amount_above_the_limit_is_refused_and_stays_typed(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.type("5000001")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("above this terminal's limit of ¥50,000.00")
    expect(page.locator("#amount")).to_have_value("50000.01")
    assert shop.view()["payments"] == []


def test_while_the_line_is_dead_only_a_key_of_its_own_sells_offline(page: Page, shop: RunningShop) -> None:
    log_on(page)
    expect(page.get_by_role("button", name="Sell offline")).to_have_count(0)
    shop.stop_host()
    expect(page.get_by_role("button", name="Sell offline")).to_be_visible()
    outage = page.get_by_label("No connection to the bank")
    expect(outage).to_contain_text("¥2,000.00")
    expect(outage).to_contain_text("up to ¥200.00 each")
    page.keyboard.type("1500")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Charge")).to_be_disabled()
    assert shop.view()["payments"] == []
    page.keyboard.press("F6")
    expect(headline(page)).to_have_text("Insert or tap the card, or scan a code for outages")
    shop.insert_card("offline")
    expect(headline(page)).to_have_text("Sold offline")
    expect(page.locator(".rest")).to_contain_text("the shop bears the risk")
    expect(page.locator("#sales")).to_contain_text("Offline, not yet at the bank")
    go_on(page)
    expect(outage).to_contain_text("1 sold, first just now")
    expect(outage).to_contain_text("¥1,985.00")
    shop.start_host()
    expect(page.locator("#sales")).to_contain_text("Approved", timeout=10_000)
    expect(outage).to_have_count(0)
    expect(page.locator("#alerts")).not_to_contain_text("Waiting for the bank")


def test_printer_out_of_paper_leaves_the_sale_and_its_receipt_due(page: Page, shop: RunningShop) -> None:
    shop.paper("out")
    log_on(page)
    pay_by_code(page, shop, "2500")
    expect(page.locator(".rest")).to_contain_text("The payment stands; its receipt is due.")
    go_on(page)
    expect(page.locator("#alerts")).to_contain_text("Receipt due for voucher 000001 (¥25.00)")
    expect(page.locator("#strip")).to_contain_text("Printer: out of paper")
    shop.paper("in")
    expect(page.locator("#alerts li")).to_have_count(0)


# --- a page is only a view --------------------------------------------------------------------------------------------


def test_double_click_on_charge_is_one_payment(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.type("2500")
    page.get_by_role("button", name="Charge").dblclick()
    expect(headline(page)).to_have_text(re.compile("Insert, tap or swipe the card"))
    assert len(shop.view()["payments"]) == 1


def asked_which_account(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2500")
    shop.insert_card("two_accounts")
    expect(headline(page)).to_have_text("Which account?")


def test_the_cashier_chooses_the_account_by_its_number(page: Page, shop: RunningShop) -> None:
    asked_which_account(page, shop)
    page.reload()
    expect(page.get_by_role("group", name="Which account?").get_by_role("button")).to_have_text(
        [re.compile("PBOC DEBIT"), re.compile("PBOC CREDIT")]
    )
    page.keyboard.press("3")
    expect(headline(page)).to_have_text("Which account?")
    page.keyboard.press("2")
    shop.enter_pin()
    expect(headline(page)).to_have_text("Approved")
    expect(page.locator("#sale")).to_contain_text("629999 ···· 0249")


def test_of_two_tabs_the_first_to_choose_is_heard(page: Page, shop: RunningShop) -> None:
    asked_which_account(page, shop)
    other = page.context.new_page()
    other.goto(shop.address)
    fields = {name: other.locator(f".choices form input[name={name}]").last.input_value() for name in ("key", "name")}
    page.get_by_role("button", name="PBOC DEBIT").click()
    expect(headline(page)).to_have_text("The customer enters the PIN")
    answered = other.request.post(
        f"{shop.address}/choose", form={**fields, "number": "2"}, headers={"origin": shop.address}
    )
    assert "Something else happened on this till meanwhile" in answered.text()
    shop.enter_pin()
    expect(headline(page)).to_have_text("Approved")
    expect(page.locator("#sale")).to_contain_text("629999 ···· 0231")


def test_reload_in_mid_sale_shows_the_sale(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2500")
    page.reload()
    expect(headline(page)).to_have_text(re.compile("Insert, tap or swipe the card"))
    expect(page.locator(".figure")).to_have_text("¥25.00")
    shop.scan()
    expect(headline(page)).to_have_text("Approved")


def test_reload_loses_no_typed_figure(page: Page) -> None:
    log_on(page)
    page.keyboard.type("1234")
    page.reload()
    expect(page.locator("#amount")).to_have_value("12.34")


def test_two_tabs_agree(page: Page, shop: RunningShop) -> None:
    log_on(page)
    other = page.context.new_page()
    other.goto(shop.address)
    charge(page, "2500")
    expect(headline(other)).to_have_text(re.compile("Insert, tap or swipe the card"))
    shop.scan()
    expect(headline(other)).to_have_text("Approved")
    other.get_by_role("button", name="Next sale").click()
    expect(page.locator("#amount")).to_be_visible()
    other.locator("#log-off").click()
    expect(headline(page)).to_have_text("Log on")


def test_back_closes_a_sheet(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.press("F4")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#amount")).to_be_visible()


def test_page_comes_back_by_itself_after_a_restart(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2500")
    shop.stop_terminal()
    expect(page.get_by_text("The terminal is starting.")).to_be_visible()
    shop.start_terminal()
    expect(page.get_by_text("The terminal is starting.")).to_be_hidden()
    expect(headline(page)).to_have_text("Cancelled")
    expect(page.locator(".rest")).to_contain_text("The terminal was restarted before the sale went to the bank.")


def test_language_changes_in_place(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.keyboard.type("1234")
    page.get_by_role("button", name="Switch to Chinese").click()
    expect(page.get_by_role("button", name="收款")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#amount")).to_have_value("12.34")


def test_works_without_script(browser: Browser, shop: RunningShop) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(shop.address)
    page.locator("#operator").fill(CASHIER)
    page.locator("#operator-pin").fill(CASHIER_PIN)
    page.get_by_role("button", name="登录").click()
    page.locator("#amount").fill("25.00")
    page.get_by_role("button", name="收款").click()
    expect(headline(page)).to_have_text("请插卡、挥卡或刷卡，或扫描顾客的付款码")
    shop.scan()
    shop.wait_for(lambda view: view["payments"][0]["state"] == "approved")
    page.reload()
    expect(headline(page)).to_have_text("收款成功")
    context.close()
