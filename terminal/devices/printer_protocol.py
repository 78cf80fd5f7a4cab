"""How a slip is handed to a receipt printer that answers, over whatever link: the `Printer` port but for the opening.

Bytes that were sent are not yet a slip, so the driver believes only the printer. Before a job it asks for the status
(DLE EOT 1, 2 and 4). Behind the job it puts GS r, which a printer answers in its turn, that is, when all before it is
on paper; meanwhile it goes on asking DLE EOT, which is answered at once even by a printer that waits for paper. A job
is done when GS r is answered and the printer then says once more that it is ready. Whatever else happens raises
PrinterTrouble, and what the printer still holds of the job is cleared, so that a later retry does not print it twice.

A printer that does not answer DLE EOT may know the automatic status (GS a), which it sends when it is switched on and
at every change: then that is believed instead. One that answers neither is not known to be ready, and prints nothing.

A connection lasts for one job or one look: network printers serve one client at a time, serial lines and USB devices
are free for others between, and every printer forgets connections when it is switched off.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from terminal.devices import BeforeFirstByte, DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.devices.printer_answers import PRINTER_SAYS, Answers, reason_of, reason_of_block
from terminal.devices.printer_link import Link

_ASK_STATUS = {1: b"\x10\x04\x01", 2: b"\x10\x04\x02", 4: b"\x10\x04\x04"}  # DLE EOT n
_QUIET = b"\x1da\x00"  # GS a 0: no status that nobody asked for
_TELL_CHANGES = b"\x1da\x0e"  # GS a: on-line, error and paper, now and whenever one of them changes
_ASK_WHEN_DONE = b"\x1dr\x01"  # GS r 1
_CLEAR_BUFFERS = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 2.0
    job_s: float = 30.0
    ask_again_s: float = 0.25


PATIENCE = Patience()

OpenLink = Callable[[], Awaitable[Link]]
Work = Callable[["_Talk"], Awaitable[None]]


class EscPosPrinter:
    """The `Printer` port over the links that `open_link` makes. Jobs and status queries go one after the other.

    The reasons of PrinterTrouble are ``cover_open``, ``paper_out``, ``printer_error`` and ``offline``, as the printer
    says; ``no_connection`` and ``port_refused`` (another program has it, or we may not use it), ``connection_lost``,
    ``no_answer`` (to a status query) and ``not_finished`` (in time).
    """

    def __init__(self, open_link: OpenLink, patience: Patience = PATIENCE) -> None:
        self._open_link = open_link
        self._patience = patience
        self._turn = asyncio.Lock()
        self._link: Link | None = None
        self._health = DeviceHealth("unknown", "not_asked")
        self._leftover = True  # the printer may hold a part of a job, of an earlier process too
        self._speaks_blocks = False

    async def print(self, job: bytes, begin: BeforeFirstByte | None = None) -> None:
        """Print a job; return only when the printer itself says that all of it is out, else raise PrinterTrouble.

        `begin` is awaited when the printer has said that it is ready, and before the first byte of the job: when
        PrinterTrouble is raised without it having been called, nothing of the job is on paper.
        """
        await self._use(lambda talk: self._print(talk, job, begin))

    async def status(self) -> PrinterStatus:
        """Ask the printer how it is; ``unknown`` when it does not answer."""
        with suppress(PrinterTrouble):  # its reason is the answer
            await self._use(_Talk.require_ready)
        return PrinterStatus(self._health.state, self._health.reason)

    def health(self) -> DeviceHealth:
        """Say how the printer was when last asked."""
        return self._health

    async def close(self) -> None:
        """Drop the connection, if one is open; a job in progress raises PrinterTrouble."""
        if self._link:
            self._link.close()

    async def _use(self, work: Work) -> None:
        """Do `work` on a link of its own, and remember how the printer was."""
        async with self._turn:
            try:
                await self._connected(work)
            except PrinterTrouble as trouble:
                self._health = DeviceHealth(
                    "attention" if trouble.reason in PRINTER_SAYS else "unknown", trouble.reason
                )
                raise
            self._health = DeviceHealth("ready")

    async def _connected(self, work: Work) -> None:
        self._link = await self._open()
        self._link.discard()
        talk = _Talk(self._link, self._patience, self._speaks_blocks)
        try:
            await work(talk)
        except OSError:
            raise PrinterTrouble("connection_lost") from None
        finally:
            self._speaks_blocks = talk.speaks_blocks
            self._link.close()
            self._link = None

    async def _open(self) -> Link:
        try:
            async with asyncio.timeout(self._patience.connect_s):
                return await self._open_link()
        except (PermissionError, BlockingIOError):  # EACCES, EPERM; EAGAIN is a serial port that somebody has
            raise PrinterTrouble("port_refused") from None
        except OSError:  # TimeoutError is one too
            raise PrinterTrouble("no_connection") from None

    async def _print(self, talk: "_Talk", job: bytes, begin: BeforeFirstByte | None) -> None:
        if self._leftover:
            await talk.send(_CLEAR_BUFFERS)
        await talk.require_ready()
        if begin:
            await begin()
        self._leftover = True
        try:
            await self._send_and_wait(talk, job)
        except PrinterTrouble:
            await talk.clear()
            raise
        self._leftover = False

    async def _send_and_wait(self, talk: "_Talk", job: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience.job_s):
                await talk.send_job(job)
                done = False
                while not done:
                    done = await talk.is_done()
                    await (talk.require_ready() if done else talk.require_no_trouble())
        except TimeoutError:
            raise PrinterTrouble("not_finished") from None


class _Talk:
    """The conversation on one link."""

    def __init__(self, link: Link, patience: Patience, speaks_blocks: bool) -> None:
        self._link = link
        self._patience = patience
        self._answers = Answers()
        self.speaks_blocks = speaks_blocks

    async def send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience.answer_s):
                await self._link.send(data)
        except TimeoutError:
            raise PrinterTrouble("no_answer") from None

    async def send_job(self, job: bytes) -> None:
        self._answers.job_done = False
        await self._link.send((_TELL_CHANGES if self.speaks_blocks else _QUIET) + job + _ASK_WHEN_DONE)

    async def is_done(self) -> bool:
        """Wait a moment for the answer to GS r."""
        await self._comes(lambda: self._answers.job_done, self._patience.ask_again_s)
        return self._answers.job_done

    async def require_ready(self) -> None:
        """Ask for the status; raise PrinterTrouble with the first reason not to be ready."""
        if not self.speaks_blocks:
            try:
                answers = {number: await self._ask(number) for number in _ASK_STATUS}
            except PrinterTrouble:
                await self._try_blocks()
            else:
                _raise_unless_empty(reason_of(answers))
                return
        await self._require_ready_by_block()

    async def require_no_trouble(self) -> None:
        """The same while a job is under way, when GS a has to wait for its turn: then no news are good news."""
        if not self.speaks_blocks:
            await self.require_ready()
        elif self._answers.block:
            _raise_unless_empty(reason_of_block(self._answers.block))

    async def clear(self) -> None:
        """Clear what the printer has not printed, and wait until it has: its status comes after that."""
        with suppress(PrinterTrouble, OSError):  # else it is cleared before the next job
            await self.send(_CLEAR_BUFFERS)
            await self._ask(1)

    async def _ask(self, number: int) -> int:
        """Ask DLE EOT `number`; raise PrinterTrouble ``no_answer`` if none comes in time."""
        self._answers.forget()
        await self.send(_ASK_STATUS[number])
        await self._comes(lambda: self._answers.real_time is not None, self._patience.answer_s)
        if self._answers.real_time is None:
            raise PrinterTrouble("no_answer")
        return self._answers.real_time

    async def _try_blocks(self) -> None:
        """No answer to DLE EOT: does the printer know GS a? Raises PrinterTrouble ``no_answer`` if not."""
        await self._ask_for_block()
        if self._answers.block is None:
            raise PrinterTrouble("no_answer")
        self.speaks_blocks = True

    async def _require_ready_by_block(self) -> None:
        before = self._answers.block
        await self._ask_for_block()
        block = self._answers.block
        if block is None:  # a printer that waits for a person does not come to GS a: what it said last stands
            _raise_unless_empty(reason_of_block(before) if before else "")
            raise PrinterTrouble("no_answer")
        _raise_unless_empty(reason_of_block(block))

    async def _ask_for_block(self) -> None:
        self._answers.forget()
        await self.send(_TELL_CHANGES)
        await self._comes(lambda: self._answers.block is not None, self._patience.answer_s)

    async def _comes(self, has_come: Callable[[], bool], wait_s: float) -> None:
        """Take what the printer sends until that is there, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not has_come():
                    self._answers.receive(await self._link.receive())


def _raise_unless_empty(reason: str) -> None:
    if reason:
        raise PrinterTrouble(reason)
