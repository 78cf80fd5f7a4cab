"""The virtual printer: slips as pictures in a folder, one client at a time, switches that do what they say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from simulators.printer import PrintedSlip, VirtualPrinter
from simulators.slip_image import render
from terminal.devices.escpos import build
from terminal.receipts import slip_lines
from terminal.slip_layout import DrawerKick, Line, plain_text
from tests.in_a_loop import in_a_loop
from tests.terminal.sample_slips import CHIP_SALE, DUPLICATE

LINES = slip_lines(CHIP_SALE)
TEXT = plain_text(LINES[:-1], 32)
STATUS = b"\x10\x04\x01"


@asynccontextmanager
async def switched_on(folder: Path | None = None) -> AsyncIterator[VirtualPrinter]:
    printer = VirtualPrinter(folder)
    await printer.start()
    try:
        yield printer
    finally:
        await printer.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def send(printer: VirtualPrinter, data: bytes, answer_bytes: int = 0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", printer.port)
    writer.write(data)
    try:
        return await reader.readexactly(answer_bytes)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("columns", [32, 48])
@in_a_loop
async def test_each_slip_becomes_a_picture_with_a_sortable_name(tmp_path: Path, columns: int) -> None:
    seen: list[PrintedSlip] = []
    printer = VirtualPrinter(tmp_path / "slips", columns, seen.append)
    await printer.start()
    job = build(LINES, columns) + build(slip_lines(DUPLICATE), columns)
    assert await send(printer, job + b"\x1dr\x01", 1) == b"\x00"
    assert [slip.picture.name for slip in seen if slip.picture] == ["slip-000001.png", "slip-000002.png"]
    assert names(tmp_path / "slips") == ["slip-000001.png", "slip-000002.png"]
    assert seen == list(printer.slips)
    assert seen[0].sheet.text == plain_text(LINES[:-1], columns)
    with Image.open(tmp_path / "slips" / "slip-000002.png") as saved:
        assert saved.tobytes() == render(seen[1].sheet).tobytes()
    await printer.close()


@in_a_loop
async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        async with switched_on(tmp_path) as printer:
            await send(printer, b"x\n\x1dV\x00")
            await printer.wait_for(1)
    assert names(tmp_path) == ["slip-000001.png", "slip-000002.png"]


@in_a_loop
async def test_a_slip_torn_off_half_printed_is_named_so(tmp_path: Path) -> None:
    async with switched_on(tmp_path) as printer:
        printer.run_out_of_paper(after_dots=500)
        await send(printer, build(LINES, 32))
        assert await send(printer, STATUS, 1) == b"\x1a"
        await printer.load_paper()
        torn, rest = await printer.wait_for(2)
        assert torn.picture == tmp_path / "slip-000001-torn.png"
        assert torn.sheet.text + rest.sheet.text == TEXT


@in_a_loop
async def test_switches_show_in_the_status() -> None:
    async with switched_on() as printer:
        assert await send(printer, STATUS, 1) == b"\x12"
        printer.open_cover()
        assert await send(printer, STATUS, 1) == b"\x1a"
        await printer.close_cover()
        printer.run_out_of_paper()
        assert await send(printer, STATUS, 1) == b"\x1a"
        await printer.load_paper()
        assert await send(printer, STATUS, 1) == b"\x12"


@in_a_loop
async def test_power_loss_forgets_what_is_not_on_paper_and_keeps_the_port() -> None:
    async with switched_on() as printer:
        port = printer.port
        await send(printer, b"on paper\nnot yet\x1bE\x01" + STATUS, 1)
        await printer.lose_power()
        with pytest.raises(ConnectionRefusedError):
            await send(printer, STATUS)
        await printer.restore_power()
        assert printer.port == port
        await send(printer, b"new\n\x1dV\x00")
        torn, new = await printer.wait_for(2)
        assert (torn.sheet.lines, torn.sheet.complete) == (["on paper"], False)
        assert (new.sheet.lines, new.sheet.complete) == (["new"], True)


@in_a_loop
async def test_power_loss_forgets_a_job_that_waits_for_a_person() -> None:
    async with switched_on() as printer:
        printer.open_cover()
        await send(printer, b"old\n\x1dV\x00" + STATUS, 1)
        await printer.lose_power()
        await printer.restore_power()
        await printer.close_cover()
        await send(printer, b"new\n\x1dV\x00")
        (slip,) = await printer.wait_for(1)
        assert slip.sheet.lines == ["new"]


@in_a_loop
async def test_the_connection_breaks_after_so_many_bytes_and_only_once() -> None:
    async with switched_on() as printer:
        printer.drop_connection_after(4)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await send(printer, b"abc\nlost\n", 1)
        await send(printer, b"def\n\x1dV\x00")
        (slip,) = await printer.wait_for(1)
        assert slip.sheet.lines == ["abc", "def"]


@in_a_loop
async def test_a_second_client_waits_for_the_first() -> None:
    async with switched_on() as printer:
        first_reader, first = await asyncio.open_connection("127.0.0.1", printer.port)
        first.write(b"one\n" + STATUS)
        await first_reader.readexactly(1)
        second = asyncio.create_task(send(printer, b"two\n\x1dV\x00" + STATUS, 1))
        first.write(b"still one\n" + STATUS)
        await first_reader.readexactly(1)
        first.close()
        await first.wait_closed()
        await second
        assert printer.slips[0].sheet.lines == ["one", "still one", "two"]


@in_a_loop
async def test_the_drawer_opens() -> None:
    async with switched_on() as printer:
        kick: list[Line] = [DrawerKick()]
        await send(printer, build(kick, 32) + b"\x1dr\x01", 1)
        assert printer.drawer_kicks == 1
