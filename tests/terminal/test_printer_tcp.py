"""The driver believes only the printer: whenever a slip may not be on paper it raises, and a retry prints once."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.printer import VirtualPrinter
from terminal.devices import DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.devices.escpos import build
from terminal.devices.printer_tcp import Patience, TcpPrinter
from terminal.receipts import slip_lines
from terminal.slip_layout import plain_text
from tests.in_a_loop import in_a_loop
from tests.terminal.sample_slips import CHIP_SALE, VOID

JOB = build(slip_lines(CHIP_SALE), 32)
TEXT = plain_text(slip_lines(CHIP_SALE)[:-1], 32)
IMPATIENT = Patience(connect_s=1, answer_s=0.05, job_s=0.05, ask_again_s=0.01)


@asynccontextmanager
async def counter() -> AsyncIterator[tuple[VirtualPrinter, TcpPrinter]]:
    """A printer that is on, and a driver for it."""
    printer = VirtualPrinter()
    await printer.start()
    driver = TcpPrinter("127.0.0.1", printer.port)
    try:
        yield printer, driver
    finally:
        await driver.close()
        await printer.close()


async def trouble(driver: TcpPrinter, job: bytes = JOB) -> str:
    with pytest.raises(PrinterTrouble) as raised:
        await driver.print(job)
    return raised.value.reason


def whole_slips(printer: VirtualPrinter) -> list[str]:
    return [slip.sheet.text for slip in printer.slips if slip.sheet.complete]


@in_a_loop
async def test_a_slip_is_out_when_print_returns() -> None:
    async with counter() as (printer, driver):
        assert driver.health() == DeviceHealth("unknown", "not_asked")
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]
        assert driver.health() == DeviceHealth("ready")


@in_a_loop
async def test_jobs_at_the_same_time_do_not_mix() -> None:
    async with counter() as (printer, driver):
        await asyncio.gather(driver.print(JOB), driver.print(build(slip_lines(VOID), 32)), driver.status())
        assert whole_slips(printer) == [TEXT, plain_text(slip_lines(VOID)[:-1], 32)]


@in_a_loop
async def test_without_paper_nothing_is_sent() -> None:
    async with counter() as (printer, driver):
        printer.run_out_of_paper()
        assert await trouble(driver) == "paper_out"
        assert await driver.status() == PrinterStatus("attention", "paper_out")
        await printer.load_paper()
        assert not printer.slips
        assert await driver.status() == PrinterStatus("ready")


@pytest.mark.parametrize("after_dots", [1, 300, 1200])
@in_a_loop
async def test_paper_out_in_mid_slip_raises_and_a_retry_prints_one_whole_slip(after_dots: int) -> None:
    async with counter() as (printer, driver):
        printer.run_out_of_paper(after_dots)
        assert await trouble(driver) == "paper_out"
        await printer.load_paper()
        await driver.print(JOB)
        assert [slip.sheet.complete for slip in printer.slips] == [False, True]
        assert whole_slips(printer) == [TEXT]


@in_a_loop
async def test_paper_that_ends_with_the_slip_counts_as_trouble() -> None:
    """A second slip, marked DUPLICATE, does less harm than one that nobody got."""
    async with counter() as (printer, driver):
        printer.run_out_of_paper(30)
        assert await trouble(driver, b"x\n\x1dV\x00") == "paper_out"


@in_a_loop
async def test_open_cover_raises_until_it_is_closed() -> None:
    async with counter() as (printer, driver):
        printer.open_cover()
        assert await trouble(driver) == "cover_open"
        assert driver.health() == DeviceHealth("attention", "cover_open")
        await printer.close_cover()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@in_a_loop
async def test_without_power_there_is_no_connection() -> None:
    async with counter() as (printer, driver):
        await printer.lose_power()
        assert await trouble(driver) == "no_connection"
        assert await driver.status() == PrinterStatus("unknown", "no_connection")
        await printer.restore_power()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@in_a_loop
async def test_a_connection_that_takes_too_long_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        driver = TcpPrinter("127.0.0.1", full.getsockname()[1], Patience(connect_s=0.05))
        assert await trouble(driver) == "no_connection"


@pytest.mark.parametrize("after_bytes", [1, 9, 12, 200, len(JOB)])
@in_a_loop
async def test_a_connection_lost_in_mid_job_raises_and_a_retry_prints_a_whole_slip(after_bytes: int) -> None:
    async with counter() as (printer, driver):
        printer.drop_connection_after(after_bytes)
        assert await trouble(driver) == "connection_lost"
        assert driver.health() == DeviceHealth("unknown", "connection_lost")
        await driver.print(JOB)
        assert printer.slips[-1].sheet.text.endswith(TEXT)


@in_a_loop
async def test_what_a_killed_process_left_in_the_printer_is_not_printed() -> None:
    async with counter() as (printer, driver):
        printer.open_cover()
        _, writer = await asyncio.open_connection("127.0.0.1", printer.port)
        writer.write(build(slip_lines(VOID), 32))
        writer.close()
        await writer.wait_closed()
        assert await trouble(driver) == "cover_open"
        await printer.close_cover()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@in_a_loop
async def test_close_ends_a_job_in_progress() -> None:
    async with scripted_printer(READY, finishes=False) as (asked, port):
        driver = TcpPrinter("127.0.0.1", port)
        job = asyncio.create_task(trouble(driver))
        await asked.wait()
        await driver.close()
        assert await job == "connection_lost"


# What only ill or foreign printers do: one that answers by a script.

READY = {1: b"\x12", 2: b"\x12", 4: b"\x12"}


@asynccontextmanager
async def scripted_printer(*moods: dict[int, bytes], finishes: bool = True) -> AsyncIterator[tuple[asyncio.Event, int]]:
    """Serve a printer that answers DLE EOT from its first mood until a job comes, then from the next ones, thrice each.

    The last mood lasts. The event says that a job has come.
    """
    job_came = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queries = 0
        while command := await reader.read(3):
            if command[:2] == b"\x10\x04":
                mood = min(1 + queries // 3 if job_came.is_set() else 0, len(moods) - 1)
                queries += job_came.is_set()
                writer.write(moods[mood][command[2]])
            elif command[:2] == b"\x10\x14":
                await reader.readexactly(7)
            else:
                rest = await reader.readuntil(b"\x1dr\x01")
                assert command + rest == b"\x1da\x00" + JOB + b"\x1dr\x01"
                job_came.set()
                writer.write(b"\x00" if finishes else b"")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield job_came, server.sockets[0].getsockname()[1]


REASONS = [
    (1, b"\x1a", "offline"),
    (2, b"\x16", "cover_open"),
    (2, b"\x32", "paper_out"),
    (2, b"\x52", "printer_error"),
    (4, b"\x72", "paper_out"),
    (4, b"", "no_answer"),
]


@pytest.mark.parametrize(("number", "answer", "reason"), REASONS)
@pytest.mark.parametrize("finishes", [False, True])
@in_a_loop
async def test_each_trouble_is_seen_before_and_after_the_job(
    number: int, answer: bytes, reason: str, finishes: bool
) -> None:
    ill = READY | {number: answer}
    async with scripted_printer(ill) as (job_came, port):
        assert await trouble(TcpPrinter("127.0.0.1", port, IMPATIENT)) == reason
        assert not job_came.is_set()
    patient_job = Patience(answer_s=0.05, ask_again_s=0.01)
    async with scripted_printer(READY, ill, finishes=finishes) as (job_came, port):
        assert await trouble(TcpPrinter("127.0.0.1", port, patient_job)) == reason
        assert job_came.is_set()


@in_a_loop
async def test_trouble_while_the_job_is_under_way_is_seen_although_it_was_ready_before() -> None:
    async with scripted_printer(READY, READY, READY | {2: b"\x16"}, finishes=False) as (_, port):
        assert await trouble(TcpPrinter("127.0.0.1", port, Patience(ask_again_s=0.01))) == "cover_open"


@in_a_loop
async def test_a_job_that_the_printer_never_says_is_done_is_not_done() -> None:
    async with scripted_printer(READY, finishes=False) as (_, port):
        driver = TcpPrinter("127.0.0.1", port, IMPATIENT)
        assert await trouble(driver) == "not_finished"
        assert driver.health() == DeviceHealth("unknown", "not_finished")


@in_a_loop
async def test_bytes_that_nobody_asked_for_are_not_taken_for_an_answer() -> None:
    """Flow control, an automatic status before the job, the answer to a cleared buffer."""
    chatty = {number: b"\x11\x13\x10\x00\x00\x0f\x37\x25\x00" + answer for number, answer in READY.items()}
    async with scripted_printer(chatty, READY, finishes=False) as (_, port):
        assert await trouble(TcpPrinter("127.0.0.1", port, IMPATIENT)) == "not_finished"
    async with scripted_printer(chatty, READY) as (_, port):
        await TcpPrinter("127.0.0.1", port).print(JOB)
