"""Take the pictures of README and tutorial anew.

Run ``tillgate demo`` in one terminal; when its tour is over, ``python -m tests.e2e.take_pictures`` in another. The demo
must have its default ports. Pictures go to docs/images.

The picture of an outage is of a drill: run ``tillgate sim outage 4m --people`` instead, and then
``python -m tests.e2e.take_pictures outage``.
"""

import asyncio
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from simulators.counter.devices import PIN
from simulators.drill.staff import Staff
from simulators.tour.people import Banker, Cashier, Customer, View
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, Ports
from simulators.tour.steps import Outages, Tour, declined_sale, partial_refund, scan_sale, sign_on

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
VIEWPORT: ViewportSize = {"width": 1120, "height": 700}
SLIP_WIDTH = 342
COLOURS = 256
OUTAGE_SALES = 7
DRILL_DEAD_WITHIN_S = 120.0
PORTS = Ports()


def main() -> None:
    """A few sales, so that the list is not empty; then one in pictures, or the page in an outage."""
    in_an_outage = "outage" in sys.argv
    asyncio.run(sales_without_the_bank() if in_an_outage else some_sales())
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        till, devices = (browser.new_page(viewport=VIEWPORT, color_scheme="light") for _ in range(2))
        log_on(till)
        if in_an_outage:
            till.wait_for_selector(".outage")
            keep(till, "outage")
        else:
            one_sale(till, devices)
        browser.close()


async def some_sales() -> None:
    """What a shop has done by the time somebody looks."""
    tour = people()
    for step in (sign_on, scan_sale, declined_sale, partial_refund):
        await step(tour)


async def sales_without_the_bank() -> None:
    """What a shop has sold by card and by code since line and broker are dead."""
    tour = people()
    await tour.cashier.until("line and broker are dead", all_is_dead, DRILL_DEAD_WITHIN_S)
    staff = Staff(tour, pause_s=0.1)
    selling = asyncio.ensure_future(staff.work())
    await tour.cashier.until("enough is sold", lambda view: view["offline"]["owed_count"] >= OUTAGE_SALES)
    staff.close()
    await selling


def all_is_dead(view: View) -> bool:
    """Nothing that is sold can go to the bank."""
    return not view["offline"]["refusal"] and view["forwarding"]["courier"] == "down"


def people() -> Tour:
    """A cashier, a customer and a banker."""
    nothing = Outages(nothing_fails, nothing_fails, nothing_fails, nothing_carried)
    return Tour(Cashier(PORTS.page), Customer(PORTS.counter), Banker(PORTS.issuer_control), nothing)


async def nothing_fails(*_: bool) -> None:
    """The tour could kill the host, and cut its line."""


async def nothing_carried() -> int:
    """The tour could ask what the broker has carried."""
    return 0


def log_on(till: Page) -> None:
    """Open the page in English, and log on."""
    till.goto(f"http://127.0.0.1:{PORTS.page}/")
    till.click("#language")
    till.wait_for_selector("html[lang=en]")
    till.fill("input[name=operator]", CASHIER)
    till.fill("input[name=pin]", CASHIER_PIN)
    till.keyboard.press("Enter")
    till.wait_for_selector("form[action='/charge']")


def one_sale(till: Page, devices: Page) -> None:
    """Charge 25.00 and pay it by card, with a picture at each turn."""
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
