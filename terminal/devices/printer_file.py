"""Driver for what takes a slip and never answers: a file that keeps jobs one behind the other, or a one-way printer.

A file has the job when it is on the disk. A one-way printer has it when the kernel has taken it; whether it is on paper
nobody knows, and `health` says so: ``unknown``, ``one_way``.
"""

import asyncio
import os
import stat
from contextlib import suppress

from terminal.devices import BeforeFirstByte, DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.devices.printer_link import Link
from terminal.devices.printer_protocol import PATIENCE, Patience

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FilePrinter:
    """The `Printer` port over a path. A file is made if there is none; a folder must be there.

    The reasons of PrinterTrouble are ``no_connection``, ``port_refused``, ``connection_lost`` and ``not_finished``.
    """

    def __init__(self, path: str, patience: Patience = PATIENCE) -> None:
        self._path = path
        # Where a printer was pulled out, a file of its name would take the slips, and nobody would ever see them.
        self._flags = _FLAGS if path.startswith("/dev/") else _FLAGS | os.O_CREAT
        self._patience = patience
        self._turn = asyncio.Lock()
        self._health = DeviceHealth("unknown", "not_asked")

    async def print(self, job: bytes, begin: BeforeFirstByte | None = None) -> None:
        """Hand a job over; return when the disk, or the device's driver, has all of it, else raise PrinterTrouble."""
        async with self._turn:
            link, descriptor = self._open()
            try:
                if begin:
                    await begin()
                async with asyncio.timeout(self._patience.job_s):
                    await link.send(job)
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fsync(descriptor)
            except TimeoutError:
                raise self._trouble("not_finished") from None
            except OSError:
                raise self._trouble("connection_lost") from None
            finally:
                link.close()

    async def status(self) -> PrinterStatus:
        """Say whether the path can be written; more is not known of it."""
        if not self._turn.locked():
            with suppress(PrinterTrouble):  # its reason is the answer
                self._open()[0].close()
        return PrinterStatus(self._health.state, self._health.reason)

    def health(self) -> DeviceHealth:
        """Say how the path was when last used."""
        return self._health

    async def close(self) -> None:
        """Nothing stays open between jobs."""

    def _open(self) -> tuple[Link, int]:
        try:
            descriptor = os.open(self._path, self._flags, 0o600)
        except (PermissionError, BlockingIOError):
            raise self._trouble("port_refused") from None
        except OSError:
            raise self._trouble("no_connection") from None
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._health = DeviceHealth("ready") if is_file else DeviceHealth("unknown", "one_way")
        return Link(os.fdopen(descriptor, "wb", buffering=0)), descriptor

    def _trouble(self, reason: str) -> PrinterTrouble:
        self._health = DeviceHealth("unknown", reason)
        return PrinterTrouble(reason)
