"""The customer's phone at the counter: online, in airplane mode, and on its way between."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from host_switch import start
from host_switch.events import PhoneGiven
from simulators.counter.devices import OrderRefused
from simulators.counter.phone import WALLET_FILE, Phone
from simulators.wallet import Wallet
from simulators.wallet.issuing import Online, certified, digits_from, issuer_key
from terminal.devices import Scanned
from terminal.devices.scanner_serial import SerialScanner
from terminal.payment_codes import SHIPPED
from tests.host_switch.room import Room
from tests.host_switch.till import PAN
from tests.in_a_loop import in_a_loop
from tests.simulators.counter.test_devices import WAIT_S, counter, ready
from tests.simulators.counter.test_page import opened

USER = 1_000_000_001
NOON = 1_800_000_000.0


@pytest.fixture
def host(tmp_path: Path) -> Path:
    start.carry_out(tmp_path / "host", PhoneGiven(USER, bytes(32), int(time.time()), PAN, "王芳"))
    return tmp_path / "host"


def filled(folder: Path, host: Path) -> Wallet:
    """A phone that was online once."""
    wallet = Wallet(folder / WALLET_FILE)
    wallet.take_digits(digits_from(host, USER))
    certified(wallet, issuer_key(host / "code_issuer.hex"), int(time.time()))
    return wallet


@in_a_loop
async def test_in_airplane_mode_the_scanner_reads_a_code_that_the_phone_has_made(tmp_path: Path, host: Path) -> None:
    filled(tmp_path, host)
    async with counter(tmp_path) as devices:
        scanner = SerialScanner(str(tmp_path / "scanner"))
        await ready(scanner)
        assert devices.phone.code.startswith("62")
        await devices.obey("airplane", "on")
        await devices.obey("scan")
        scan = await asyncio.wait_for(scanner.next_scan(), WAIT_S)
        assert isinstance(scan, Scanned)
        wallet = SHIPPED.wallet_of(scan.code)
        assert wallet is not None and wallet.wallet == "tillgate"
        assert devices.phone.code not in {"", scan.code}, "the next one is on the screen"
        await scanner.close()
    with start.opened_store(host, to_write=True) as store:
        room = Room(store, now=time.time())
        till = room.till()
        assert room.talk(till, till.qr_sale(scan.code))[39] == "00"


@in_a_loop
async def test_the_phone_stays_in_airplane_mode_over_a_restart_and_shows_no_code_twice(
    tmp_path: Path, host: Path
) -> None:
    filled(tmp_path, host)
    codes: list[str] = []
    for _ in range(2):
        async with counter(tmp_path) as devices:
            await devices.obey("airplane", "on")
            codes.append(devices.phone.code)
            await devices.obey("fresh_code")
            codes.append(devices.phone.code)
    async with counter(tmp_path) as devices:
        codes.append(devices.phone.code)
    assert len(set(codes)) == 5 and all(code.startswith("7710") for code in codes)


@in_a_loop
async def test_a_phone_without_handles_has_nothing_to_scan_and_says_what_to_do(tmp_path: Path, host: Path) -> None:
    filled(tmp_path, host)
    async with counter(tmp_path) as devices:
        await devices.obey("airplane", "on")
        for _ in range(64):
            await devices.obey("fresh_code")
        phone = devices.state()["phone"]
        assert (phone["code"], phone["picture"], phone["handles"]) == ("", "", 0)
        with pytest.raises(OrderRefused, match="online once"):
            await devices.obey("scan")
        await devices.obey("code_kind", "signed")
        assert devices.phone.code.startswith("TG1:")
        with pytest.raises(OrderRefused, match="no kind"):
            await devices.obey("code_kind", "spoken")


class Bank:
    """The issuer's control port, as far as a phone asks it."""

    def __init__(self, balance: int) -> None:
        self._balance = balance

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert json.loads(await reader.readline()) == {"balance": PAN}
        writer.write(json.dumps({"ok": True, "balance": self._balance}).encode() + b"\n")
        await writer.drain()
        writer.close()


@in_a_loop
async def test_going_online_fetches_new_codes_and_the_balance(tmp_path: Path, host: Path) -> None:
    wallet = filled(tmp_path, host)
    bank = await asyncio.start_server(Bank(123_45).answer, "127.0.0.1", 0)
    online = Online(host, USER, host / "code_issuer.hex", bank.sockets[0].getsockname()[1], PAN)
    phone = Phone(wallet, lambda: NOON, online)
    await phone.airplane(True)
    before = phone.code
    await phone.airplane(False)
    assert phone.code.startswith("62") and phone.trouble == ""
    state: dict[str, Any] = phone.state()
    assert (state["handles"], state["balance"], state["shows"]) == (64, 12345, "online")
    await phone.airplane(True)
    assert before != phone.code
    bank.close()


@in_a_loop
async def test_a_phone_that_cannot_reach_anybody_says_so_and_keeps_what_it_has(tmp_path: Path, host: Path) -> None:
    wallet = filled(tmp_path, host)
    phone = Phone(wallet, lambda: NOON, Online(tmp_path / "elsewhere", USER, host / "code_issuer.hex", 1, PAN))
    await phone.airplane(True)
    await phone.airplane(False)
    assert "could not go online" in phone.trouble and wallet.handles_left == 63
    assert phone.code.startswith("62"), "online codes come from the wallet's server"


@in_a_loop
async def test_the_page_shows_codes_of_the_phone_and_how_long_they_are_good(tmp_path: Path, host: Path) -> None:
    filled(tmp_path, host)
    async with opened(tmp_path) as (devices, _, client):
        page = (await client.get("/?lang=en")).text
        assert 'id="airplane"' in page and "data-until" not in page
        await client.post("/orders/airplane", data={"value": "on"})
        page = (await client.get("/?lang=en")).text
        assert "Code-128" in page and "data-until=" in page and 'aria-pressed="true">Airplane mode' in page
        digits = devices.phone.code
        assert f"{digits[:4]} {digits[4:8]}" in page, "a customer can read it out"
        await client.post("/orders/code_kind", data={"value": "signed"})
        page = (await client.get("/?lang=en")).text
        assert "Signed code" in page and devices.phone.code not in page and "Code-128" not in page


@in_a_loop
async def test_a_phone_that_was_never_given_anything_has_no_airplane_mode(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, _, client):
        assert 'id="airplane"' not in (await client.get("/?lang=en")).text
