"""The cashier's page for those who cannot see it, have wide fingers, or use no mouse, in a real browser."""

import json

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import go_on, log_on

pytestmark = pytest.mark.browser

COUNTER: ViewportSize = {"width": 1024, "height": 600}
PHONE: ViewportSize = {"width": 390, "height": 844}


AUDIT = """() => {
  const visible = (e) => e.checkVisibility({ visibilityProperty: true });
  const named = (e) => (e.getAttribute("aria-label") || e.innerText || "").trim()
    || [...(e.labels || [])].some((label) => label.innerText.trim()) || e.getAttribute("aria-labelledby");
  const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden])")].filter(visible);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  const small = (e) => { const box = e.getBoundingClientRect(); return box.width < 48 || box.height < 48; };
  const about = (e) => e.outerHTML.slice(0, 120);
  return JSON.stringify({
    unnamed: all.filter((e) => !named(e)).map(about),
    small: all.filter((e) => !e.closest(".amount-field, .skip") && !e.matches(".skip") && small(e)).map(about),
    twice: ids.filter((id, index) => ids.indexOf(id) !== index),
    sideways: document.documentElement.scrollWidth > innerWidth ? [document.documentElement.scrollWidth] : [],
    cut: [...document.querySelectorAll("button, .button, .outage *")].filter(visible)
      .filter((e) => e.scrollWidth > e.clientWidth + 1).map(about),
  });
}"""


def audit(page: Page) -> dict[str, list[str]]:
    """What is wrong with the page for somebody who cannot see it, or whose fingers are wide."""
    found: dict[str, list[str]] = json.loads(page.evaluate(AUDIT))
    return {what: where for what, where in found.items() if where}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("viewport", [COUNTER, PHONE], ids=["counter", "phone"])
def test_every_view_is_named_large_enough_and_whole(
    page: Page, shop: RunningShop, viewport: ViewportSize, language: str
) -> None:
    page.set_viewport_size(viewport)
    if language == "zh":
        page.get_by_role("button", name="Switch to Chinese").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    views = {"log on": audit(page)}
    log_on(page)
    views["amount"] = audit(page)
    page.keyboard.type("2500")
    page.keyboard.press("Enter")
    expect(page.locator(".steps")).to_be_visible()
    views["progress"] = audit(page)
    shop.scan()
    expect(page.locator(".result")).to_be_visible()
    views["result"] = audit(page)
    go_on(page)
    for sheet in ("find", "settle", "payment", "void", "refund"):
        page.goto(f"{shop.address}/?sheet={sheet}&key={shop.view()['payments'][0]['key']}")
        expect(page.get_by_role("dialog")).to_be_visible()
        views[sheet] = audit(page)
    page.goto(shop.address)
    shop.stop_host()
    expect(page.locator(".outage")).to_be_visible()
    views["outage"] = audit(page)
    assert {view: faults for view, faults in views.items() if faults} == {}


def test_focus_goes_through_the_page_in_reading_order(page: Page, shop: RunningShop) -> None:
    log_on(page)
    seen = []
    for _ in range(8):
        seen.append(page.evaluate("document.activeElement.id"))
        page.keyboard.press("Tab")
    assert seen[:6] == ["amount", "clear", "charge", "find", "balance", "settle"]


def test_sheet_keeps_the_focus_and_escape_closes_it(page: Page) -> None:
    log_on(page)
    page.keyboard.press("F4")
    expect(page.get_by_label("Voucher number")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("!document.activeElement.closest('main')")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#amount")).to_be_focused()
