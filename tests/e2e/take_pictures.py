"""Take the pictures of README and tutorial anew.

Run ``tillgate demo`` in one terminal; when its tour is over, ``python -m tests.e2e.take_pictures`` in another. The demo
must have its default ports. Pictures go to docs/images.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from simulators.counter.devices import PIN
from simulators.tour.people import Banker, Cashier, Customer, View
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, Ports
from simulators.tour.steps import Outages, Tour, declined_sale, partial_refund, scan_sale, sign_on

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
VIEWPORT: ViewportSize = {"width": 1120, "height": 700}
SLIP_WIDTH = 342
COLOURS = 256
PORTS = Ports()


def main() -> None:
    """A few sales, so that the list is not empty; then one in pictures, in Chinese and in English."""
    asyncio.run(some_sales())
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        till, devices = (browser.new_page(viewport=VIEWPORT, color_scheme="light") for _ in range(2))
        one_sale(till, devices)
        browser.close()


async def some_sales() -> None:
    """What a shop has done by the time somebody looks."""
    people = Cashier(PORTS.page), Customer(PORTS.counter), Banker(PORTS.issuer_control)
    tour = Tour(*people, Outages(nothing_fails, nothing_fails, nothing_fails, nothing_carried))
    for step in (sign_on, scan_sale, declined_sale, partial_refund):
        await step(tour)


async def nothing_fails(*_: bool) -> None:
    """The tour could kill the host, and cut its line."""


async def nothing_carried() -> int:
    """The tour could ask what the broker has carried."""
    return 0


def one_sale(till: Page, devices: Page) -> None:
    """Charge 25.00 and pay it by card, with a picture at each turn."""
    till.goto(f"http://127.0.0.1:{PORTS.page}/")
    till.click("#language")
    till.wait_for_selector("html[lang=en]")
    till.fill("input[name=operator]", CASHIER)
    till.fill("input[name=pin]", CASHIER_PIN)
    till.keyboard.press("Enter")
    till.wait_for_selector("form[action='/charge']")
    till.keyboard.type("2500")
    keep(till, "charge")
    till.keyboard.press("Enter")
    devices.goto(f"http://127.0.0.1:{PORTS.counter}/?lang=en")
    devices.click("#card-good")
    devices.wait_for_selector(".pad[data-asks=true]")
    devices.keyboard.type(PIN[:4])
    devices.locator("#display", has_text="****").wait_for()
    keep(devices, "devices")
    keep(till, "waiting")
    devices.keyboard.type(PIN[4:])
    devices.keyboard.press("Enter")
    waited_for(printed())
    till.wait_for_selector("form[action='/next']")
    keep(till, "approved")
    newest_slip()
    devices.click("#remove")


async def printed() -> View:
    """Wait until nothing is due."""
    return await Cashier(PORTS.page).until(
        "the receipt is printed", lambda view: view["current"] is None and not view["payments"][0]["receipt_due"]
    )


def waited_for(look: Coroutine[None, None, View]) -> View:
    """Run a coroutine beside Playwright, whose loop is this thread's."""
    with ThreadPoolExecutor() as beside:
        return beside.submit(asyncio.run, look).result()


def keep(page: Page, name: str) -> None:
    """Save what a page shows, with few colours: these files are cloned by everybody."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def newest_slip() -> None:
    """Save the customer's copy at a size for a page."""
    state = waited_for(Customer(PORTS.counter).until("a slip", lambda state: bool(state["slips"])))
    with Image.open(state["slips"][0]["file"]) as slip:
        height = slip.height * SLIP_WIDTH // slip.width
        small = slip.resize((SLIP_WIDTH, height), Image.Resampling.LANCZOS)
        white = Image.new("RGB", small.size, "white")
        white.paste(small, mask=small.getchannel("A"))
        white.quantize(16).save(IMAGES / "slip.png", optimize=True)


if __name__ == "__main__":
    main()
