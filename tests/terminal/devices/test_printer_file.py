"""What takes a slip and never answers: the driver claims no more than it knows."""

import asyncio
import os
import tty
from pathlib import Path

import pytest

from terminal.devices import DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.devices.printer_file import FilePrinter
from terminal.devices.printer_link import Link
from terminal.devices.printer_protocol import Patience
from tests.in_a_loop import in_a_loop
from tests.terminal.devices.printer_rig import JOB


@in_a_loop
async def test_a_file_keeps_jobs_one_behind_the_other(tmp_path: Path) -> None:
    printer = FilePrinter(str(tmp_path / "slips"))
    begun = []

    async def begin() -> None:
        begun.append((tmp_path / "slips").read_bytes())

    await printer.print(JOB, begin)
    await printer.print(JOB, begin)
    assert begun == [b"", JOB]
    assert (tmp_path / "slips").read_bytes() == JOB + JOB
    assert (tmp_path / "slips").stat().st_mode & 0o777 == 0o600
    assert await printer.status() == PrinterStatus("ready")
    await printer.close()


@in_a_loop
async def test_a_one_way_printer_is_honestly_unknown() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    printer = FilePrinter(os.ttyname(theirs))
    await printer.print(b"slip\n")
    assert os.read(ours, 99) == b"slip\n"
    assert printer.health() == DeviceHealth("unknown", "one_way")
    os.close(ours)
    with pytest.raises(PrinterTrouble, match=r"connection_lost|no_connection"):
        await printer.print(b"slip\n")
    os.close(theirs)


@in_a_loop
async def test_one_that_takes_no_more_is_given_up() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    printer = FilePrinter(os.ttyname(theirs), Patience(job_s=0.05))
    with pytest.raises(PrinterTrouble, match="not_finished"):
        await printer.print(bytes(100_000))
    assert printer.health() == DeviceHealth("unknown", "not_finished")
    os.close(ours)
    os.close(theirs)


@in_a_loop
async def test_without_a_folder_there_is_no_file(tmp_path: Path) -> None:
    printer = FilePrinter(str(tmp_path / "none" / "slips"))
    assert printer.health() == DeviceHealth("unknown", "not_asked")
    with pytest.raises(PrinterTrouble, match="no_connection"):
        await printer.print(JOB)
    assert await printer.status() == PrinterStatus("unknown", "no_connection")


@in_a_loop
async def test_a_usb_printer_with_nothing_to_say_is_not_one_that_is_gone(tmp_path: Path) -> None:
    """Its empty packets are read as the end of the file would be; here a real file that grows."""
    path = tmp_path / "device"
    path.write_bytes(b"")
    link = Link(path.open("rb", buffering=0), empty_is_end=False)
    reading = asyncio.create_task(link.receive())
    await asyncio.sleep(0)
    path.write_bytes(b"\x12")
    assert await reading == b"\x12"
    link.close()
    with pytest.raises(OSError, match="closed"):
        await link.receive()
