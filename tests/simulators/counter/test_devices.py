"""The devices of one counter, worked as a person would, and seen through the terminal's own drivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from iso8583.security import key_check_value, wrap_key
from simulators.cards import DECK, load_card
from simulators.counter.devices import DECK_ORDER, PIN, Devices, OrderRefused, Places
from terminal.devices import CardGone, PrinterTrouble, Scanned
from terminal.devices.card_reader_vpcd import VpcdCardReader
from terminal.devices.escpos import build
from terminal.devices.pin_pad_serial import SerialPinPad
from terminal.devices.printer_tcp import tcp_printer
from terminal.devices.scanner_serial import SerialScanner
from terminal.devices.stripe_reader_serial import SerialStripeReader
from terminal.magnetic_stripe import Stripe
from terminal.receipts import slip_lines
from tests.in_a_loop import in_a_loop
from tests.terminal.sample_slips import CHIP_SALE

MASTER_KEY = bytes(range(16))
PIN_KEY = bytes(range(16, 32))
PAN = "6299990000000017"
SELECT_DIRECTORY = bytes.fromhex("00A404000E315041592E5359532E444446303100")
SELECT_TAP_DIRECTORY = bytes.fromhex("00A404000E325041592E5359532E444446303100")
WAIT_S = 5.0
JOB = build(slip_lines(CHIP_SALE), 32)


@asynccontextmanager
async def counter(folder: Path, reader_port: int = 1, contactless_port: int = 1) -> AsyncIterator[Devices]:
    devices = await Devices.plugged_in(Places(folder, reader_port, contactless_port, printer_port=0), MASTER_KEY)
    try:
        yield devices
    finally:
        await devices.close()


async def until(devices: Devices, **wanted: object) -> None:
    async with asyncio.timeout(WAIT_S):
        while any(devices.state()[name] != value for name, value in wanted.items()):
            await devices.changed_since(devices.version)


async def ready(device: SerialPinPad | SerialScanner | SerialStripeReader) -> None:
    async with asyncio.timeout(WAIT_S):
        while device.health().state != "ready":  # noqa: ASYNC110 - a driver's health is asked for, not announced
            await asyncio.sleep(0)


async def load_pin_key(pad: SerialPinPad) -> None:
    await ready(pad)
    await pad.load_key("pin", wrap_key(MASTER_KEY, PIN_KEY), key_check_value(PIN_KEY))


async def wait_for_asking(devices: Devices) -> None:
    async with asyncio.timeout(WAIT_S):
        while not devices.state()["pin_pad"]["asks"]:
            await devices.changed_since(devices.version)


@in_a_loop
async def test_a_card_goes_in_answers_and_comes_out(tmp_path: Path) -> None:
    reader = await VpcdCardReader.listen()
    async with counter(tmp_path, reader.port) as devices:
        await devices.obey("insert_card", "golden")
        assert devices.state()["card"] == "golden"
        await asyncio.wait_for(reader.wait_for_card(), WAIT_S)
        assert (await reader.transmit(SELECT_DIRECTORY))[-2:] == b"\x90\x00"
        await devices.obey("remove_card")
        await asyncio.wait_for(reader.wait_for_removal(), WAIT_S)
        assert devices.state()["card"] == ""
    await reader.close()


@in_a_loop
async def test_a_card_is_held_in_the_field_and_taken_away(tmp_path: Path) -> None:
    reader = await VpcdCardReader.listen()
    async with counter(tmp_path, contactless_port=reader.port) as devices:
        await devices.obey("tap", "contactless")
        assert (devices.state()["card"], devices.state()["tapped"]) == ("", "contactless")
        await asyncio.wait_for(reader.wait_for_card(), WAIT_S)
        assert (await reader.transmit(SELECT_TAP_DIRECTORY))[-2:] == b"\x90\x00"
        await devices.obey("take_away")
        await asyncio.wait_for(reader.wait_for_removal(), WAIT_S)
        assert devices.state()["tapped"] == ""
    await reader.close()


@in_a_loop
async def test_a_card_stays_in_the_slot_while_the_terminal_restarts(tmp_path: Path) -> None:
    reader = await VpcdCardReader.listen()
    port = reader.port
    async with counter(tmp_path, port) as devices:
        await devices.obey("insert_card", "good")
        await asyncio.wait_for(reader.wait_for_card(), WAIT_S)
        await reader.close()
        assert devices.state()["card"] == "good"
        reader = await VpcdCardReader.listen(port)
        await asyncio.wait_for(reader.wait_for_card(), WAIT_S)
    await reader.close()


@in_a_loop
async def test_a_card_that_is_pulled_out_is_no_longer_in_the_slot(tmp_path: Path) -> None:
    reader = await VpcdCardReader.listen()
    async with counter(tmp_path, reader.port) as devices:
        await devices.obey("insert_card", "pulled_out")
        await asyncio.wait_for(reader.wait_for_card(), WAIT_S)
        with pytest.raises(CardGone):
            await asyncio.gather(*(reader.transmit(SELECT_DIRECTORY) for _ in range(10)))
        await until(devices, card="")
    await reader.close()


@in_a_loop
async def test_the_phone_is_scanned_and_shows_a_fresh_code(tmp_path: Path) -> None:
    async with counter(tmp_path) as devices:
        scanner = SerialScanner(str(tmp_path / "scanner"))
        await ready(scanner)
        shown = devices.phone.code
        assert shown.startswith("62")
        assert len(shown) == 19
        await devices.obey("scan")
        assert await asyncio.wait_for(scanner.next_scan(), WAIT_S) == Scanned(shown)
        assert devices.phone.code != shown
        await scanner.close()


@in_a_loop
async def test_the_pad_asks_shows_the_hint_and_sends_no_clear_pin(tmp_path: Path) -> None:
    async with counter(tmp_path) as devices:
        pad = SerialPinPad(str(tmp_path / "pin_pad"))
        await load_pin_key(pad)
        entering = asyncio.create_task(pad.enter_pin(PAN, 2500, "156"))
        await wait_for_asking(devices)
        assert "25.00" in "".join(devices.state()["pin_pad"]["display"])
        await devices.obey("press", PIN)
        assert devices.state()["pin_pad"]["display"][-1].endswith("*" * len(PIN))
        await devices.obey("press", "enter")
        block = await asyncio.wait_for(entering, WAIT_S)
        assert len(block) == 8
        await pad.close()


@in_a_loop
async def test_the_pads_battery_keeps_the_working_key_over_a_kill(tmp_path: Path) -> None:
    async with counter(tmp_path):
        pad = SerialPinPad(str(tmp_path / "pin_pad"))
        await load_pin_key(pad)
        await pad.close()
    assert PIN_KEY not in (tmp_path / "pin_pad.key").read_bytes()
    async with counter(tmp_path) as devices:
        pad = SerialPinPad(str(tmp_path / "pin_pad"))
        await ready(pad)
        entering = asyncio.create_task(pad.enter_pin(PAN, 100, "156"))
        await wait_for_asking(devices)
        await devices.obey("press", "cancel")
        with pytest.raises(Exception, match="pin_cancelled"):
            await asyncio.wait_for(entering, WAIT_S)
        await pad.close()


@in_a_loop
async def test_a_pad_that_is_opened_tells_the_terminal_and_keeps_nothing(tmp_path: Path) -> None:
    async with counter(tmp_path) as devices:
        told = asyncio.Event()
        pad = SerialPinPad(str(devices.pin_pad.path), tampered=told.set)
        await load_pin_key(pad)
        await devices.obey("tamper")
        async with asyncio.timeout(WAIT_S):
            await told.wait()
        assert "LOCKED" in devices.state()["pin_pad"]["display"][0]
        assert not (tmp_path / "pin_pad.key").exists()
        await pad.close()


@in_a_loop
async def test_slips_come_out_as_picture_and_text_and_outlive_the_process(tmp_path: Path) -> None:
    async with counter(tmp_path) as devices:
        await tcp_printer("127.0.0.1", devices.printer.port).print(JOB)
        (slip,) = devices.state()["slips"]
        assert slip["number"] == 1
        assert "MERCHANT COPY" in slip["text"]
        assert slip["file"] == str(tmp_path / "slips" / "slip-000001.png")
    async with counter(tmp_path) as devices:
        assert devices.state()["slips"] == [slip]


@pytest.mark.parametrize(
    ("order", "bad", "good", "reason"),
    [
        ("paper", "out", "in", "paper_out"),
        ("cover", "open", "closed", "cover_open"),
        ("power", "off", "on", "no_connection"),
    ],
)
@in_a_loop
async def test_the_printers_switches_are_felt_by_the_terminal(
    tmp_path: Path, order: str, bad: str, good: str, reason: str
) -> None:
    async with counter(tmp_path) as devices:
        printer = tcp_printer("127.0.0.1", devices.printer.port)
        await devices.obey(order, bad)
        with pytest.raises(PrinterTrouble, match=reason):
            await printer.print(JOB)
        await devices.obey(order, good)
        await printer.print(JOB)
        assert len(devices.state()["slips"]) == 1


@pytest.mark.parametrize("card", ["good", "stripe_only"])
@in_a_loop
async def test_a_card_is_swiped_and_stays_in_the_customers_hand(tmp_path: Path, card: str) -> None:
    async with counter(tmp_path) as devices:
        reader = SerialStripeReader(str(tmp_path / "stripe_reader"))
        await ready(reader)
        read = asyncio.ensure_future(reader.next_swipe())
        await asyncio.sleep(0)
        await devices.obey("swipe", card)
        swipe = await asyncio.wait_for(read, WAIT_S)
        assert isinstance(swipe, Stripe) and swipe.pan == load_card(card).pan
        assert devices.state()["card"] == ""
        await reader.close()


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ("shout", ""), ("insert_card", "platinum"), ("insert_card", "stripe_only"), ("swipe", "platinum"),
        ("tap", "platinum"), ("tap", "good"),
        ("press", "12x4"),
    ],
)  # fmt: skip
@in_a_loop
async def test_what_the_counter_does_not_have_is_refused_by_name(tmp_path: Path, order: str, value: str) -> None:
    async with counter(tmp_path) as devices:
        with pytest.raises(OrderRefused, match=r"there are|has"):
            await devices.obey(order, value)


@in_a_loop
async def test_every_card_of_the_deck_is_on_the_page(tmp_path: Path) -> None:
    assert sorted(DECK_ORDER) == sorted(DECK)
