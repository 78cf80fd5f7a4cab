"""A scanner that types into the cashier's page, in a real browser: its codes are scans, and never figures of an amount.

Keys come from Playwright one by one; the page is told of a very slow scanner, so that a busy machine is no hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import go_on, headline, log_on

pytestmark = pytest.mark.browser

CODE = "6288123456789012345"
GAP_MS = 1_000
BY_HAND_MS = 60
WAITS = re.compile("Insert, tap or swipe the card, or scan")


@pytest.fixture
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningShop]:
    """A shop with such a scanner; also one where nobody has set it up, and one where it is as quick as most are."""
    which = getattr(request, "param", "slow")
    shop = RunningShop(tmp_path)
    profile = shop.shop.terminal / "profile.toml"
    entries = f"[devices]\nscanner_keyboard = {'false' if which == 'none' else 'true'}\n"
    entries += "" if which == "quick" else f"scanner_keyboard_gap_ms = {GAP_MS}\n"
    profile.write_text(profile.read_text("utf-8").replace("[devices]\n", entries), "utf-8")
    with shop.open() as shop:
        yield shop


def charge(page: Page, figures: str = "2500") -> None:
    """By touch: here keys are the scanner's."""
    keypad = page.get_by_role("group", name="Keypad")
    for figure in figures:
        keypad.get_by_role("button", name=figure, exact=True).click()
    page.get_by_role("button", name="Charge").click()
    expect(headline(page)).to_have_text(WAITS)


def scan(page: Page, code: str = CODE, end: str = "Enter") -> None:
    expect(page.locator("#scan")).not_to_have_attribute("data-sent", "yes")  # the last one has been answered
    page.keyboard.type(code)
    if end:
        page.keyboard.press(end)


def said(page: Page) -> str:
    notice = page.locator("#said p")
    expect(notice).to_be_visible()
    return notice.inner_text()


@pytest.mark.parametrize("end", ["Enter", "Tab"])
def test_a_typed_code_pays(page: Page, shop: RunningShop, end: str) -> None:
    log_on(page)
    charge(page)
    scan(page, end=end)
    expect(headline(page)).to_have_text("Approved")
    assert shop.view()["payments"][0]["means"] == f"62{'*' * 13}2345"
    go_on(page)
    expect(page.locator("#amount")).to_have_value("")


def test_a_code_never_becomes_an_amount(page: Page, shop: RunningShop) -> None:
    log_on(page)
    expect(page.locator("#amount")).to_be_focused()
    scan(page)
    assert "no payment waits" in said(page)
    expect(page.locator("#amount")).to_have_value("")
    assert shop.view()["payments"] == [] and shop.view()["notice"] is None


def test_a_code_over_a_result_starts_nothing(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page)
    scan(page)
    expect(headline(page)).to_have_text("Approved")
    scan(page, "134567890123456789")
    assert "no payment waits" in said(page)
    expect(headline(page)).to_have_text("Approved")
    assert len(shop.view()["payments"]) == 1


def test_a_code_never_goes_into_a_pin(page: Page, shop: RunningShop) -> None:
    page.locator("#operator-pin").focus()
    scan(page)
    assert said(page).startswith("Log on first")
    expect(page.locator("#operator-pin")).to_have_value("")


def test_a_code_without_its_end_is_told_and_goes_nowhere(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page)
    scan(page, end="")
    expect(page.locator("#sale")).to_contain_text("did not end the code with Enter")
    scan(page)
    expect(headline(page)).to_have_text("Approved")


def test_a_code_that_cannot_pay_is_refused_in_words(page: Page, shop: RunningShop) -> None:
    log_on(page)
    charge(page)
    scan(page, "123456789012")
    expect(page.locator("#sale")).to_contain_text("Only a part of the code was read")
    scan(page, "https://example.org/a?b=1")
    expect(page.locator("#sale")).to_contain_text("a link or a text")


@pytest.mark.parametrize("shop", ["quick"], indirect=True)
def test_what_is_typed_by_hand_is_typed(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.locator("#amount").focus()
    page.keyboard.type("12345678", delay=BY_HAND_MS)
    expect(page.locator("#amount")).to_have_value("123456.78")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    page.keyboard.type("89")  # two keys at once, and the next ones before the page has seen them
    page.keyboard.press("Backspace")
    expect(page.locator("#amount")).to_have_value("12345.68")
    page.keyboard.press("Enter")
    expect(headline(page)).to_have_text(WAITS)
    assert shop.view()["current"]["amount"] == 1_234_568


@pytest.mark.parametrize("shop", ["none"], indirect=True)
def test_a_scanner_that_nobody_has_set_up_is_told_and_types_no_amount(page: Page, shop: RunningShop) -> None:
    log_on(page)
    scan(page)
    assert "none is set up here" in said(page)
    expect(page.locator("#amount")).to_have_value("")
