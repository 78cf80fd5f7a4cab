"""The customer's screen in a real browser: it follows the payment, in both languages, and shows nothing of a card."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from simulators.cards import load_card
from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import charge, go_on, headline, log_on

pytestmark = pytest.mark.browser


@pytest.fixture
def display(browser: Browser, shop: RunningShop) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1024, "height": 600})
    display = context.new_page()
    complaints: list[str] = []
    display.on("pageerror", lambda error: complaints.append(str(error)))
    display.goto(f"{shop.address}/display")
    yield display
    context.close()
    assert complaints == []


def test_the_customer_sees_amount_and_what_to_do_and_the_result(page: Page, display: Page, shop: RunningShop) -> None:
    screen = display.locator("#screen")
    expect(screen).to_contain_text("Welcome")
    log_on(page)
    charge(page, "2550")
    expect(screen).to_contain_text("25.50")
    expect(screen).to_contain_text("请插卡、挥卡或刷卡，或出示付款码")
    expect(screen).to_contain_text("Insert, tap or swipe your card, or show your payment code")
    shop.insert_card()
    expect(screen).to_contain_text("Enter your PIN on the PIN pad")
    shop.enter_pin()
    expect(headline(page)).to_have_text("Approved")
    expect(screen).to_contain_text("付款成功，谢谢")
    pan = load_card("good").pan
    assert pan[:6] not in display.content()
    assert pan[-4:] not in screen.inner_text()
    go_on(page)
    expect(screen).to_contain_text("Welcome")


def test_an_open_display_passes_the_test_of_the_counter(page: Page, display: Page, shop: RunningShop) -> None:
    log_on(page)
    page.get_by_role("button", name="Test this counter").click()
    expect(display.locator("#screen")).to_contain_text("设备测试中")
    expect(page.locator(".check").filter(has_text="Display")).to_contain_text("Passed")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 600), (390, 844)])
def test_the_longest_amount_fits_on_every_screen(browser: Browser, tmp_path: Path, width: int, height: int) -> None:
    closed = RunningShop(tmp_path)
    profile = closed.shop.terminal / "profile.toml"
    profile.write_text(profile.read_text("utf-8") + "\n[limits]\nsale_amount_max = 999_999_999_999\n", "utf-8")
    with closed.open() as shop:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.add_cookies([{"name": f"language_{shop.terminal_id}", "value": "en", "url": shop.address}])
        till, display = context.new_page(), context.new_page()
        till.goto(shop.address)
        display.goto(f"{shop.address}/display")
        log_on(till)
        till.locator("#amount").fill("999999999999")  # typed as fast as a test types, it would be a scan
        till.keyboard.press("Enter")
        expect(display.locator(".amount")).to_contain_text("9,999,999,999.99")
        box = display.locator(".amount").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
        context.close()


def test_the_customer_sees_what_there_is_to_choose_from(page: Page, display: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page, "2550")
    shop.insert_card("two_accounts")
    expect(display.locator("#screen")).to_contain_text("Which account shall pay? Tell the cashier")
    expect(display.locator("#screen li")).to_have_text(["PBOC DEBIT", "PBOC CREDIT"])
    page.keyboard.press("Escape")
    expect(headline(page)).to_have_text("Cancelled")
    expect(display.locator("#screen li")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 600), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_takes_the_receipt_from_the_screen_while_the_printer_has_no_paper(
    page: Page, display: Page, shop: RunningShop, width: int, height: int, scheme: Literal["light", "dark"]
) -> None:
    display.set_viewport_size({"width": width, "height": height})
    display.emulate_media(color_scheme=scheme)
    shop.paper("out")
    log_on(page)
    charge(page, "2550")
    shop.scan()
    expect(display.locator(".receipt figcaption")).to_contain_text("扫码保存小票")
    expect(display.locator(".receipt figcaption")).to_contain_text("Scan it to keep your receipt")
    (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(display.screenshot())))
    (payment,) = shop.view()["payments"]
    assert payment["receipt_due"]
    for fact in ("晨光便利店 MORNING LIGHT STORE", "RMB 25.50", payment["trace"], payment["reference"]):
        assert fact in code.text
    for part in (".amount", ".line.first", ".receipt"):
        box = display.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
    go_on(page)
    expect(display.locator(".receipt")).to_have_count(0)
