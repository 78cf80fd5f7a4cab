"""A virtual printer and each driver that reaches it: what the contract of printers is tried on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.printer import VirtualPrinter
from terminal.devices import PrinterTrouble
from terminal.devices.escpos import build
from terminal.devices.printer_protocol import PATIENCE, EscPosPrinter, Patience
from terminal.devices.printer_serial import serial_printer
from terminal.devices.printer_tcp import tcp_printer
from terminal.devices.printer_usb import usb_printer
from terminal.receipts import slip_lines
from terminal.slip_layout import plain_text
from tests.terminal.sample_slips import CHIP_SALE

JOB = build(slip_lines(CHIP_SALE), 32)
TEXT = plain_text(slip_lines(CHIP_SALE)[:-1], 32)
IMPATIENT = Patience(connect_s=1, answer_s=0.3, job_s=0.3, ask_again_s=0.01)

ON_A_LINE: dict[str, Callable[..., EscPosPrinter]] = {
    "serial": lambda path, patience: serial_printer(path, 115200, patience),
    "usb": usb_printer,
}
DRIVERS = ("tcp", *ON_A_LINE)


@asynccontextmanager
async def counter(
    kind: str, folder: Path, patience: Patience = PATIENCE
) -> AsyncIterator[tuple[VirtualPrinter, EscPosPrinter]]:
    """A printer that is on, and a driver for it."""
    printer = VirtualPrinter()
    if kind == "tcp":
        await printer.start()
        driver = tcp_printer("127.0.0.1", printer.port, patience)
    else:
        printer.plug_in(folder / "printer")
        driver = ON_A_LINE[kind](str(folder / "printer"), patience)
    try:
        yield printer, driver
    finally:
        await driver.close()
        await printer.close()


async def trouble(driver: EscPosPrinter, job: bytes = JOB) -> str:
    with pytest.raises(PrinterTrouble) as raised:
        await driver.print(job)
    return raised.value.reason


def whole_slips(printer: VirtualPrinter) -> list[str]:
    return [slip.sheet.text for slip in printer.slips if slip.sheet.complete]
