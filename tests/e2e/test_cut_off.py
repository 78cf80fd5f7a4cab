"""The line dies in the middle of a sale: what the page says of it, and that the next customer can pay."""

from playwright.sync_api import Page, expect

from simulators.issuer import Mood
from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import charge, go_on, headline, log_on


def test_an_unknown_result_says_so_until_it_is_reversed(page: Page, shop: RunningShop) -> None:
    cut_off_in_mid_sale(page, shop)
    expect(page.locator(".rest")).to_contain_text("Don't sell again until this line says done.")
    expect(page.locator("#strip")).to_contain_text("Offline")
    shop.mood(Mood())
    shop.start_host()
    expect(headline(page)).to_have_text("Done: reversed", timeout=10_000)
    expect(page.locator(".rest")).to_contain_text("the customer is not charged")
    go_on(page)


def test_while_the_line_is_dead_an_unknown_result_holds_up_no_other_customer(page: Page, shop: RunningShop) -> None:
    cut_off_in_mid_sale(page, shop)
    expect(page.locator(".rest")).to_contain_text("Don't charge this customer again; other customers can pay")
    expect(page.get_by_role("button", name="Sell offline")).to_have_count(0)
    go_on(page)
    expect(page.get_by_role("button", name="Sell offline")).to_be_visible()
    expect(page.locator("#alerts")).to_contain_text("25.00")
    shop.mood(Mood())
    shop.start_host()
    expect(page.locator(".row").filter(has_text="25.00")).to_contain_text("Reversed", timeout=10_000)


def cut_off_in_mid_sale(page: Page, shop: RunningShop) -> None:
    """The host is gone while it asks the bank about 25.00."""
    shop.mood(Mood("delay", delay_s=60))
    log_on(page)
    charge(page, "2500")
    shop.scan()
    expect(headline(page)).to_have_text("Asking the bank")
    shop.stop_host()
    expect(headline(page)).to_have_text("Result unknown")
