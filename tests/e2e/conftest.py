"""A browser, a shop, and a page in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.shop import RunningShop

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-sync", "--no-first-run",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, kept from talking to anybody.

    Not kept for the session: while Playwright's driver is there, its loop runs, and no other test could run one.
    """
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[RunningShop]:
    """A shop that has just opened."""
    with RunningShop(tmp_path).open() as shop:
        yield shop


@pytest.fixture
def page(browser: Browser, shop: RunningShop) -> Iterator[Page]:
    """The cashier's page in English; what the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1024, "height": 600})
    context.add_cookies([{"name": f"language_{shop.terminal_id}", "value": "en", "url": shop.address}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(shop.address)
    yield page
    context.close()
    assert [complaint for complaint in complaints if not shop.was_stopped or "net::" not in complaint] == []
