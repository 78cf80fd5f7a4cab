"""Driver for a receipt printer on a TCP port (raw port 9100).

Bytes that were sent are not yet a slip, so the driver believes only the printer. Before a job it asks for the status
(DLE EOT 1, 2 and 4). Behind the job it puts GS r, which a printer answers in its turn, that is, when all before it is
on paper; meanwhile it goes on asking DLE EOT, which is answered at once even by a printer that waits for paper. A job
is done when GS r is answered and the printer then says once more that it is ready. Whatever else happens raises
PrinterTrouble, and what the printer still holds of the job is cleared, so that a later retry does not print it twice.

A connection lasts for one job: printers serve one client at a time, and forget connections when they are switched off.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from terminal.devices import DeviceHealth, PrinterStatus, PrinterTrouble

_ASK_STATUS = {1: b"\x10\x04\x01", 2: b"\x10\x04\x02", 4: b"\x10\x04\x04"}  # DLE EOT n
_QUIET = b"\x1da\x00"  # GS a 0: no status that nobody asked for
_ASK_WHEN_DONE = b"\x1dr\x01"  # GS r 1
_CLEAR_BUFFERS = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8

_REASONS = (
    (2, 0x04, "cover_open"),
    (4, 0x60, "paper_out"),
    (2, 0x20, "paper_out"),
    (2, 0x40, "printer_error"),
    (1, 0x08, "offline"),
)
"""Which bits of which DLE EOT answer mean what; the first that fits is what a person should look after first."""

_PRINTER_SAYS = frozenset(reason for _, _, reason in _REASONS)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 2.0
    job_s: float = 30.0
    ask_again_s: float = 0.25


_PATIENCE = Patience()


class TcpPrinter:
    """The `Printer` port over TCP. Jobs and status queries go one after the other.

    The reasons of PrinterTrouble are ``cover_open``, ``paper_out``, ``printer_error`` and ``offline``, as the printer
    says, and ``no_connection``, ``connection_lost``, ``no_answer`` (to a status query) and ``not_finished`` (in time).
    """

    def __init__(self, host: str, port: int = 9100, patience: Patience = _PATIENCE) -> None:
        self._address = (host, port)
        self._patience = patience
        self._turn = asyncio.Lock()
        self._link: _Link | None = None
        self._health = DeviceHealth("unknown", "not_asked")
        self._leftover = True  # the printer may hold a part of a job, of an earlier process too

    async def print(self, job: bytes) -> None:
        """Print a job; return only when the printer itself says that all of it is out, else raise PrinterTrouble."""
        await self._use(lambda link: self._print(link, job))

    async def status(self) -> PrinterStatus:
        """Ask the printer how it is; ``unknown`` when it does not answer."""
        with suppress(PrinterTrouble):  # its reason is the answer
            await self._use(_require_ready)
        return PrinterStatus(self._health.state, self._health.reason)

    def health(self) -> DeviceHealth:
        """Say how the printer was when last asked."""
        return self._health

    async def close(self) -> None:
        """Drop the connection, if one is open; a job in progress raises PrinterTrouble."""
        if self._link:
            self._link.abort()

    async def _use(self, work: Callable[["_Link"], Awaitable[None]]) -> None:
        """Do `work` on a connection of its own, and remember how the printer was."""
        async with self._turn:
            try:
                await self._connected(work)
            except PrinterTrouble as trouble:
                self._health = DeviceHealth(
                    "attention" if trouble.reason in _PRINTER_SAYS else "unknown", trouble.reason
                )
                raise
            self._health = DeviceHealth("ready")

    async def _connected(self, work: Callable[["_Link"], Awaitable[None]]) -> None:
        self._link = await _Link.open(self._address, self._patience)
        try:
            await work(self._link)
        except OSError:
            raise PrinterTrouble("connection_lost") from None
        finally:
            await self._link.close()
            self._link = None

    async def _print(self, link: "_Link", job: bytes) -> None:
        if self._leftover:
            link.write(_CLEAR_BUFFERS)
        await _require_ready(link)
        self._leftover = True
        try:
            await self._send_and_wait(link, job)
        except PrinterTrouble:
            await _clear(link)
            raise
        self._leftover = False

    async def _send_and_wait(self, link: "_Link", job: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience.job_s):
                await link.send_job(job)
                done = False
                while not done:
                    await link.wait_for_job()
                    done = link.job_done
                    await _require_ready(link)
        except TimeoutError:
            raise PrinterTrouble("not_finished") from None


async def _require_ready(link: "_Link") -> None:
    """Ask for the status; raise PrinterTrouble with the first reason not to be ready."""
    answers = {number: await link.status(number) for number in _ASK_STATUS}
    reason = next((reason for number, bits, reason in _REASONS if answers[number] & bits), "")
    if reason:
        raise PrinterTrouble(reason)


async def _clear(link: "_Link") -> None:
    """Clear what the printer has not printed, and wait until it has: its status comes after that."""
    with suppress(PrinterTrouble, ConnectionError):  # else it is cleared before the next job
        link.write(_CLEAR_BUFFERS)
        await link.status(1)


class _Link:
    """One open connection: tells apart the answers to DLE EOT and to GS r, and drops what was not asked for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self.write = writer.write
        self.abort = writer.transport.abort
        self.job_done = False

    @classmethod
    async def open(cls, address: tuple[str, int], patience: Patience) -> "_Link":
        try:
            async with asyncio.timeout(patience.connect_s):
                return cls(*await asyncio.open_connection(*address), patience)
        except OSError:  # TimeoutError is one too
            raise PrinterTrouble("no_connection") from None

    async def send_job(self, job: bytes) -> None:
        self.job_done = False
        self.write(_QUIET + job + _ASK_WHEN_DONE)
        await self._writer.drain()

    async def status(self, number: int) -> int:
        """Ask DLE EOT `number`; raise PrinterTrouble ``no_answer`` if none comes in time."""
        try:
            async with asyncio.timeout(self._patience.answer_s):
                self.write(_ASK_STATUS[number])
                while (answer := await self._read()) & 0x93 != 0x12:  # of DLE EOT: bits 1 and 4 set, 0 and 7 clear
                    pass
                return answer
        except TimeoutError:
            raise PrinterTrouble("no_answer") from None

    async def wait_for_job(self) -> None:
        """Wait a moment for the answer to GS r."""
        try:
            async with asyncio.timeout(self._patience.ask_again_s):
                while not self.job_done:
                    await self._read()
        except TimeoutError:
            pass  # time to look at the status again

    async def _read(self) -> int:
        byte = await self._reader.read(1)
        if not byte:
            raise PrinterTrouble("connection_lost")
        self.job_done = self.job_done or byte[0] & 0x90 == 0  # of GS r: bits 4 and 7 clear
        return byte[0]

    async def close(self) -> None:
        """Let the last bytes go out, but not for ever."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._patience.answer_s):
                await self._writer.wait_closed()
        except OSError:
            self.abort()
