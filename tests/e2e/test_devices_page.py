"""The devices' page in a real browser: keyboard alone, two tabs that agree, and a line that breaks."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from iso8583.security import key_check_value, wrap_key
from simulators.counter.devices import PIN
from simulators.counter.process import PAD_KEY_FILE
from terminal.devices.pin_pad_serial import SerialPinPad

pytestmark = pytest.mark.browser

MASTER_KEY, PIN_KEY = bytes(range(16)), bytes(range(16, 32))
WAIT_S = 10.0


@pytest.fixture
def counter(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The devices as a process of their own."""
    (tmp_path / PAD_KEY_FILE).write_text(MASTER_KEY.hex())
    ports = [free_port() for _ in range(3)]
    arguments = [sys.executable, "-m", "tillgate", "sim", "counter", "--json", "--data", str(tmp_path)]
    for name, port in zip(("--reader-port", "--printer-port", "--page-port"), ports, strict=True):
        arguments += [name, str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def address(counter: "subprocess.Popen[str]") -> str:
    """Where the page is, as soon as it is there."""
    assert counter.stdout is not None
    ready = json.loads(counter.stdout.readline())
    assert ready["ready"]
    return str(ready["page"])


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{address}?lang=en")
    yield page
    context.close()
    assert [complaint for complaint in complaints if "net::" not in complaint] == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def ask_for_pin(path: Path) -> bytes:
    """What the terminal does: load a key, ask, get an encrypted block."""
    pad = SerialPinPad(str(path))
    async with asyncio.timeout(WAIT_S):
        while pad.health().state != "ready":  # noqa: ASYNC110 - a driver's health is asked for, not announced
            await asyncio.sleep(0)
        await pad.load_key("pin", wrap_key(MASTER_KEY, PIN_KEY), key_check_value(PIN_KEY))
        block = await pad.enter_pin("6299990000000017", 2500, "156")
    await pad.close()
    return block


def test_a_customer_needs_only_the_keyboard(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("a")
    expect(page.get_by_text("Plain card · in the slot")).to_be_visible()
    with ThreadPoolExecutor() as beside:
        asked: Future[bytes] = beside.submit(asyncio.run, ask_for_pin(tmp_path / "pin_pad"))
        expect(page.locator("#display")).to_be_focused()
        page.keyboard.type(PIN[:2])
        expect(page.locator("#display")).to_contain_text("ENTER PIN **")
        page.keyboard.press("Backspace")
        page.keyboard.type(PIN)
        page.keyboard.press("Enter")
        assert len(asked.result(WAIT_S)) == 8
    expect(page.locator("#display")).to_contain_text("WELCOME")
    page.keyboard.press("x")
    expect(page.get_by_text("The slot is empty")).to_be_visible()


def test_two_tabs_and_two_languages_show_one_counter(page: Page, address: str) -> None:
    other = page.context.new_page()
    other.goto(f"{address}?lang=zh")
    page.keyboard.press("p")
    expect(page.get_by_text("! Out of paper")).to_be_visible()
    expect(other.get_by_text("! 缺纸")).to_be_visible()
    other.keyboard.press("p")
    expect(page.get_by_text("✓ Ready")).to_be_visible()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="柜台设备")).to_be_visible()


def test_the_page_works_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}?lang=en")
    page.locator("#card-lost").click()
    expect(page.get_by_text("Lost card · in the slot")).to_be_visible()
    page.locator("#remove").click()
    expect(page.get_by_text("The slot is empty")).to_be_visible()
    context.close()


def test_a_lost_line_is_said(page: Page, counter: "subprocess.Popen[str]") -> None:
    counter.send_signal(signal.SIGKILL)
    expect(page.get_by_text("The connection to the devices is lost")).to_be_visible()
