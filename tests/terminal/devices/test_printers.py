"""The contract of every driver: it believes only the printer, and a slip that may not be on paper raises."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from firmware_config.profile import Devices
from terminal.devices import DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.devices.escpos import build
from terminal.devices.printer_protocol import Patience
from terminal.receipts import slip_lines
from terminal.slip_layout import plain_text
from terminal.start import open_printer
from tests.in_a_loop import in_a_loop
from tests.terminal.devices.printer_rig import DRIVERS, JOB, TEXT, counter, trouble, whole_slips
from tests.terminal.sample_slips import VOID

every_driver = pytest.mark.parametrize("kind", DRIVERS)


@every_driver
@in_a_loop
async def test_a_slip_is_out_when_print_returns(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        assert driver.health() == DeviceHealth("unknown", "not_asked")
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]
        assert driver.health() == DeviceHealth("ready")


@every_driver
@in_a_loop
async def test_jobs_at_the_same_time_do_not_mix(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        await asyncio.gather(driver.print(JOB), driver.print(build(slip_lines(VOID), 32)), driver.status())
        assert whole_slips(printer) == [TEXT, plain_text(slip_lines(VOID)[:-1], 32)]


@every_driver
@in_a_loop
async def test_before_the_first_byte_it_is_said_that_the_printer_is_ready(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        begun = []

        async def begin() -> None:
            begun.append(len(printer.slips))
            assert driver.health().state != "attention"

        await driver.print(JOB, begin)
        assert begun == [0]
        printer.run_out_of_paper()
        with pytest.raises(PrinterTrouble, match="paper_out"):
            await driver.print(JOB, begin)
        assert begun == [0]


@every_driver
@in_a_loop
async def test_whoever_refuses_before_the_first_byte_gets_a_blank_paper(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):

        async def refuse() -> None:
            raise PrinterTrouble("not_noted")

        with pytest.raises(PrinterTrouble, match="not_noted"):
            await driver.print(JOB, refuse)
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@every_driver
@in_a_loop
async def test_without_paper_nothing_is_sent(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        printer.run_out_of_paper()
        assert await trouble(driver) == "paper_out"
        assert await driver.status() == PrinterStatus("attention", "paper_out")
        await printer.load_paper()
        assert not printer.slips
        assert await driver.status() == PrinterStatus("ready")


@pytest.mark.parametrize("after_dots", [1, 300, 1200])
@every_driver
@in_a_loop
async def test_paper_out_in_mid_slip_raises_and_a_retry_prints_one_whole_slip(
    kind: str, after_dots: int, tmp_path: Path
) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        printer.run_out_of_paper(after_dots)
        assert await trouble(driver) == "paper_out"
        await printer.load_paper()
        await driver.print(JOB)
        assert [slip.sheet.complete for slip in printer.slips] == [False, True]
        assert whole_slips(printer) == [TEXT]


@every_driver
@in_a_loop
async def test_paper_that_ends_with_the_slip_counts_as_trouble(kind: str, tmp_path: Path) -> None:
    """A second slip, marked DUPLICATE, does less harm than one that nobody got."""
    async with counter(kind, tmp_path) as (printer, driver):
        printer.run_out_of_paper(30)
        assert await trouble(driver, b"x\n\x1dV\x00") == "paper_out"


@every_driver
@in_a_loop
async def test_open_cover_raises_until_it_is_closed(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        printer.open_cover()
        assert await trouble(driver) == "cover_open"
        assert driver.health() == DeviceHealth("attention", "cover_open")
        await printer.close_cover()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@every_driver
@in_a_loop
async def test_without_power_there_is_no_connection(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        await printer.lose_power()
        assert await trouble(driver) == "no_connection"
        assert await driver.status() == PrinterStatus("unknown", "no_connection")
        await printer.restore_power()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@pytest.mark.parametrize("after_bytes", [1, 9, 12, 200, len(JOB)])
@pytest.mark.parametrize("fault", ["drop_connection_after", "lose_power_after"])
@every_driver
@in_a_loop
async def test_what_is_lost_in_mid_job_raises_and_a_retry_prints_a_whole_slip(
    kind: str, fault: str, after_bytes: int, tmp_path: Path
) -> None:
    async with counter(kind, tmp_path, Patience(answer_s=0.5)) as (printer, driver):
        getattr(printer, fault)(after_bytes)
        assert await trouble(driver) == "connection_lost"
        assert driver.health() == DeviceHealth("unknown", "connection_lost")
        if fault == "lose_power_after":
            await printer.restore_power()
        await driver.print(JOB)
        assert printer.slips[-1].sheet.text.endswith(TEXT)


@every_driver
@in_a_loop
async def test_what_a_killed_process_left_in_the_printer_is_not_printed(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path, Patience(ask_again_s=0.01)) as (printer, driver):
        printer.open_cover()
        await printer._take(build(slip_lines(VOID), 32), lambda _: None)
        assert await trouble(driver) == "cover_open"
        await printer.close_cover()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT]


@every_driver
@in_a_loop
async def test_a_printer_that_only_tells_its_status_by_itself_is_believed(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path, Patience(answer_s=0.5, ask_again_s=0.01)) as (printer, driver):
        printer.interpreter.real_time = False
        await driver.print(JOB)
        printer.run_out_of_paper(300)
        assert await trouble(driver) == "paper_out"
        assert driver.health() == DeviceHealth("attention", "paper_out")
        await printer.load_paper()
        await driver.print(JOB)
        assert whole_slips(printer) == [TEXT, TEXT]


@every_driver
@in_a_loop
async def test_the_drawer_opens_and_close_may_come_at_any_time(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        await driver.print(b"\x1bp\x00\x19\xfa")
        assert printer.drawer_kicks == 1
        await driver.close()
        await driver.close()


@every_driver
@in_a_loop
async def test_the_profile_says_where_the_printer_is(kind: Literal["tcp", "serial", "usb"], tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, _):
        address = "127.0.0.1" if kind == "tcp" else str(tmp_path / "printer")
        where = Devices(printer_kind=kind, printer_address=address, printer_port=printer.port, printer_baud=115200)
        await open_printer(where).print(JOB)
        assert whole_slips(printer) == [TEXT]
    kept = open_printer(Devices(printer_kind="file", printer_address=str(tmp_path / "slips")))
    await kept.print(JOB)
    assert (tmp_path / "slips").read_bytes() == JOB


@pytest.mark.parametrize("kind", ["serial", "usb"])
@in_a_loop
async def test_a_path_that_is_not_there_or_not_ours_is_told_apart(kind: str, tmp_path: Path) -> None:
    async with counter(kind, tmp_path) as (printer, driver):
        printer._line.unplug()  # type: ignore[union-attr]
        (tmp_path / "printer").mkdir()
        assert await trouble(driver) in {"no_connection", "port_refused"}
        (tmp_path / "printer").rmdir()
        assert await trouble(driver) == "no_connection"
