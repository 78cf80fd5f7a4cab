"""The button that tests the counter, in a real browser with a whole shop behind it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from simulators.tour.setting_up import CASHIER, CASHIER_PIN
from tests.e2e.shop import RunningShop
from tests.e2e.test_cashier import headline, log_on

pytestmark = pytest.mark.browser


def test_the_whole_counter_is_tested_and_nothing_is_charged(page: Page, shop: RunningShop) -> None:
    log_on(page)
    page.get_by_role("button", name="Test this counter").click()
    expect(page.locator(".story")).to_contain_text("Insert any bank card")
    shop.insert_card()
    expect(page.locator(".story")).to_contain_text("Tap any bank card")
    shop.tap("contactless")
    expect(page.locator(".story")).to_contain_text("Swipe any bank card")
    shop.swipe("good")
    expect(page.locator(".story")).to_contain_text("Scan any code")
    shop.scan()
    expect(headline(page)).to_have_text("The counter works")
    expect(page.locator(".check").filter(has_text="Cash drawer")).to_contain_text("Skipped")
    expect(page.locator(".check").filter(has_text="Bank")).to_contain_text("Passed")
    (report,) = (shop.shop.terminal / "tests").glob("*.json")
    told = json.loads(report.read_text("utf-8"))
    assert told["passed"] is True
    assert told["payments_made"] == 0
    assert {check["name"]: check["state"] for check in told["checks"]} == {
        "host": "passed", "printer": "passed", "cash_drawer": "skipped", "pin_pad": "passed", "display": "skipped",
        "card_reader": "passed", "contactless_reader": "passed", "stripe_reader": "passed", "scanner": "passed",
    }  # fmt: skip
    assert shop.view()["payments"] == []
    page.get_by_role("button", name="Back to selling").click()
    expect(page.locator("#amount")).to_be_focused()


def test_what_is_out_of_order_says_what_to_do_and_the_rest_is_tested(page: Page, shop: RunningShop) -> None:
    log_on(page)
    shop.paper("out")
    page.get_by_role("button", name="Test this counter").click()
    page.get_by_role("button", name="Skip this one").click()
    expect(page.locator(".story")).to_contain_text("Tap any bank card")
    page.get_by_role("button", name="Skip this one").click()
    expect(page.locator(".story")).to_contain_text("Swipe any bank card")
    page.get_by_role("button", name="Skip this one").click()
    expect(page.locator(".story")).to_contain_text("Scan any code")
    page.get_by_role("button", name="Skip this one").click()
    expect(headline(page)).to_have_text("The counter needs attention")
    expect(page.locator(".check").filter(has_text="Printer")).to_have_text(
        re.compile("Failed.*put in a roll", re.DOTALL)
    )
    expect(page.locator(".check").filter(has_text="PIN pad")).to_contain_text("Passed")


def is_tested(name: str) -> Callable[[dict[str, Any]], bool]:
    """For `wait_for`: this device is being tested now."""
    return lambda view: {"name": name, "state": "running", "reason": ""} in view["test"]["checks"]


def test_the_command_talks_to_the_running_terminal(shop: RunningShop) -> None:
    shop.insert_card()
    with ThreadPoolExecutor() as beside:
        arguments = [sys.executable, "-m", "tillgate", "terminal", "selftest", "--json", "--operator", CASHIER]
        command = beside.submit(
            subprocess.run, [*arguments, "--data", str(shop.shop.terminal)], capture_output=True, text=True,
            env=os.environ | {"TILLGATE_OPERATOR_PIN": CASHIER_PIN}, timeout=60, check=False,
        )  # fmt: skip
        shop.wait_for(is_tested("contactless_reader"))
        shop.tap("contactless")
        shop.wait_for(is_tested("stripe_reader"))
        shop.swipe("lost")
        shop.wait_for(is_tested("scanner"))
        shop.scan()
        done = command.result()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["passed"] is True
    assert json.loads(Path(told["path"]).read_text("utf-8"))["operator"] == CASHIER
    assert "扫码枪 Scanner: 通过 · Passed" in done.stderr
    assert shop.view()["payments"] == []


def test_the_command_starts_the_terminal_where_it_does_not_run(shop: RunningShop) -> None:
    shop.stop_terminal()
    profile = shop.shop.terminal / "profile.toml"  # nobody is there to tap or swipe a card
    without = re.sub("(stripe_reader_path|contactless_reader_port).*", "", profile.read_text("utf-8"))
    profile.write_text(without, "utf-8")
    shop.insert_card()
    with ThreadPoolExecutor() as beside:
        arguments = [sys.executable, "-m", "tillgate", "terminal", "selftest", "--data", str(shop.shop.terminal)]
        command = beside.submit(subprocess.run, arguments, capture_output=True, text=True, timeout=90, check=False)
        done = command.result()
    assert done.returncode == 1, "nobody scanned a code"
    assert "银行连接 Bank: 通过 · Passed" in done.stdout
    assert "读卡器 Card reader: 通过 · Passed" in done.stdout
    assert "no code was read: check the scanner and test again" in done.stdout
