"""Two people close a payment in a real browser: what it is about, what the statement says, and a second look."""

import pytest
from playwright.sync_api import Page, expect

from simulators.issuer import Mood
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR_PIN
from terminal.events import CardErased
from terminal.records import Key
from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import go_on, headline, log_on, open_payment, pay_by_code, refund

pytestmark = pytest.mark.browser


def test_two_people_close_what_cannot_be_asked_for_any_more(page: Page, shop: RunningShop) -> None:
    log_on(page)
    pay_by_code(page, shop, "2500")
    go_on(page)
    shop.mood(Mood("lose"))
    refund(page, open_payment(page, "25.00"), "700")
    shop.wait_for(lambda view: view["current"] is None and view["payments"][0]["state"] == "sent")
    key = shop.view()["payments"][0]["key"]
    shop.terminal.runner.post(CardErased(Key.parse(key)))
    expect(headline(page)).to_have_text("Needs two people")
    go_on(page)
    expect(page.locator("#alerts")).to_contain_text("Don't refund again")
    page.get_by_role("link", name="Close by statement").click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("What does the acquirer's statement say?")
    sheet.get_by_role("link", name="It was booked", exact=True).click()
    expect(sheet).to_contain_text("The customer gets ¥7.00 back")
    expect(page.get_by_label("Reference on the statement")).to_be_focused()
    page.get_by_label("Reference on the statement").fill("ACQ-0117/3")  # typed so fast it would be a scan
    expect(page.get_by_label("First person", exact=True)).to_have_value(CASHIER)
    page.get_by_label("First person's PIN").fill(CASHIER_PIN)
    page.get_by_label("Supervisor's PIN").fill(SUPERVISOR_PIN)
    page.keyboard.press("Enter")
    expect(sheet).to_contain_text("Closed: booked")
    expect(sheet).to_contain_text("closed this by the acquirer's statement (ACQ-0117/3)")
    expect(page.locator("#alerts")).not_to_contain_text("Don't refund again")
    expect(page.locator("#sales")).to_contain_text("7.00")
    assert shop.view()["totals"]["credit_amount"] == 700
