"""A customer without a network, in a real browser: at the cashier's page, and on the phone itself."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from host_switch import start
from host_switch.events import PhoneGiven
from iso8583.response_codes import meaning
from simulators.counter.phone import WALLET_FILE
from simulators.counter.process import PAD_KEY_FILE
from simulators.wallet import Wallet
from simulators.wallet.issuing import certified, digits_from, issuer_key
from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import charge, go_on, log_on, pay_by_code
from tests.e2e.test_devices_page import free_port
from tests.host_switch.till import PAN

pytestmark = pytest.mark.browser

USER = 1_000_000_001


def test_a_phone_without_network_pays_and_a_picture_of_its_code_does_not(page: Page, shop: RunningShop) -> None:
    log_on(page)
    shop.airplane("on")
    photographed = shop.code
    pay_by_code(page, shop, "12.80")
    newest = shop.view()["payments"][0]
    assert (newest["means"][:2], len(newest["means"]), newest["state"]) == ("77", 24, "approved")
    go_on(page)
    charge(page, "25.00")
    shop.scan_again(photographed)
    expect(page.locator("#sale")).to_contain_text("That code was read a moment ago")
    guessed = f"{photographed[:-1]}{(int(photographed[-1]) + 1) % 10}"
    shop.scan_again(guessed)
    expect(page.locator("#sale")).to_contain_text(meaning("P7").en)
    assert shop.view()["payments"][0]["state"] == "declined"


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The devices' page, with a phone that was online once, beside a host that is there."""
    host, folder = tmp_path / "host", tmp_path / "counter"
    folder.mkdir()
    now = int(time.time())
    start.carry_out(host, PhoneGiven(USER, bytes(32), now, PAN, "王芳"))
    wallet = Wallet(folder / WALLET_FILE)
    wallet.take_digits(digits_from(host, USER))
    certified(wallet, issuer_key(tmp_path / "issuer.hex"), now)
    (folder / PAD_KEY_FILE).write_text(bytes(range(16)).hex())
    arguments = [sys.executable, "-m", "tillgate", "sim", "counter", "--json", "--data", str(folder)]
    for name in ("--reader-port", "--printer-port", "--page-port"):
        arguments += [name, str(free_port())]
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    with subprocess.Popen([*arguments, "--bank", str(host)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            page.goto(f"{json.loads(process.stdout.readline())['page']}?lang=en")
            yield page
        finally:
            context.close()
            process.kill()
    assert complaints == []


def test_the_phone_makes_codes_in_airplane_mode_and_counts_their_seconds(phone: Page) -> None:
    phone.keyboard.press("z")
    expect(phone.get_by_role("button", name="Airplane mode")).to_have_attribute("aria-pressed", "true")
    expect(phone.locator(".phone .digits")).to_have_text(re.compile(r"7710( [0-9]{4}){5}"))
    expect(phone.locator(".left")).to_have_text(re.compile(r"Good for [0-9]+ s"))
    first = phone.locator(".phone .digits").inner_text()
    phone.keyboard.press("n")
    expect(phone.locator(".phone .digits")).not_to_have_text(first)
    expect(phone.locator(".purse")).to_contain_text("Offline codes left: 62")
    phone.get_by_role("button", name="Signed", exact=True).click()
    expect(phone.get_by_text("Signed code")).to_be_visible()
    expect(phone.locator("svg.bars")).to_have_count(0)


def test_going_online_fetches_new_codes_or_says_why_not(phone: Page) -> None:
    phone.keyboard.press("z")
    phone.keyboard.press("n")
    expect(phone.locator(".purse")).to_contain_text("Offline codes left: 62")
    phone.keyboard.press("z")
    expect(phone.locator(".purse")).to_contain_text("Offline codes left: 64")
    expect(phone.get_by_role("status").filter(has_text="the bank does not answer")).to_be_visible()


def test_a_code_whose_time_is_over_says_so(phone: Page) -> None:
    phone.clock.install()
    phone.keyboard.press("z")
    expect(phone.locator(".left")).to_have_text(re.compile(r"Good for [0-9]+ s"))
    phone.clock.fast_forward(61_000)
    expect(phone.locator(".left")).to_have_text("Expired: show another")
