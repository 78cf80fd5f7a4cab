"""A receipt printer on a TCP port or a serial line that prints on virtual paper: slips become PNGs, and text for tests.

It speaks ESC/POS as real printers do (`simulators.escpos`), serves one client at a time, and has the troubles of real
ones as switches: paper, cover, power, and a connection that breaks in the middle of a job.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulators.escpos import Answer, DrawerKicked, Event, Interpreter, SheetOut
from simulators.paper_roll import Roll, Sheet
from simulators.pseudo_terminal import PseudoTerminal
from simulators.slip_image import render

SLIPS_KEPT_MAX = 500
_READ_BYTES_MAX = 4096
_LINE_READS_MAX = 64


@dataclass(frozen=True, slots=True)
class PrintedSlip:
    """A piece of paper that left the printer, with its picture where the printer has a folder for pictures."""

    number: int
    sheet: Sheet
    picture: Path | None


class VirtualPrinter:
    """A virtual ESC/POS printer for 58 mm (32 columns) or 80 mm (48 columns) paper.

    Pictures go to `folder` as ``slip-000001.png`` and so on, going on after those that are there; a slip that was torn
    off half printed ends in ``-torn.png``. `on_slip` is called for each slip when its picture is complete.
    """

    def __init__(
        self, folder: Path | None = None, columns: int = 32, on_slip: Callable[[PrintedSlip], None] | None = None
    ) -> None:
        self.port = 0
        self.slips: deque[PrintedSlip] = deque(maxlen=SLIPS_KEPT_MAX)
        self.drawer_kicks = 0
        self.interpreter = Interpreter(Roll(columns))
        self._folder = folder
        self._on_slip = on_slip
        self._number = _last_number(folder)
        self._printed = asyncio.Condition()
        self._printed_count = 0
        self._in_turn = asyncio.Lock()
        self._one_client = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._line: _Line | None = None
        self._answer_to: Callable[[bytes], None] | None = None
        self._then: Callable[[], object] | None = None
        self._bytes_left = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Switch on and listen; port 0 takes a free one, then `port` tells which."""
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def plug_in(self, path: Path) -> None:
        """Switch on at the end of a serial line: the terminal opens `path`."""
        self._line = _Line(path, self._take)

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._clients.values():
            writer.transport.abort()
        await asyncio.gather(*self._clients)
        if self._line:
            self._line.unplug()

    async def wait_for(self, count: int) -> list[PrintedSlip]:
        """Wait until `count` slips have come out since the start; return the latest ones, at most `SLIPS_KEPT_MAX`."""
        async with self._printed:
            await self._printed.wait_for(lambda: self._printed_count >= count)
        return list(self.slips)

    # Switches

    def run_out_of_paper(self, after_dots: int = 0) -> None:
        """Let the paper end, at once or `after_dots` dots (1/8 mm) further on: in the middle of the next slip."""
        self.interpreter.roll.dots_left = after_dots
        self._tell_change()

    async def load_paper(self) -> None:
        """Put in a new roll; what hangs out is torn off, and the printer goes on with what it still has."""
        self.interpreter.roll.dots_left = None
        await self._tended()

    def open_cover(self) -> None:
        """Open the cover: printing stops."""
        self.interpreter.cover_open = True
        self._tell_change()

    async def close_cover(self) -> None:
        """Close the cover; what hangs out is torn off, and the printer goes on with what it still has."""
        self.interpreter.cover_open = False
        await self._tended()

    async def lose_power(self) -> None:
        """Pull the plug: connections break, and everything but the paper is forgotten."""
        self._power_off()
        await self.close()

    async def restore_power(self) -> None:
        """Plug in again, on the same port or line; what hangs out is torn off."""
        if self._line:
            self._line.plug()
        else:
            await self.start(self.port)
        await self._tended()

    def drop_connection_after(self, count: int) -> None:
        """Break the connection, once, when `count` more bytes have come."""
        self.act_after(count, self._hang_up)

    def lose_power_after(self, count: int) -> None:
        """Lose the power, once, when `count` more bytes have come: what they print is on paper, the rest is gone."""
        self.act_after(count, self._lose_power_now)

    def act_after(self, count: int, act: Callable[[], object]) -> None:
        """Do something, once, when `count` more bytes have come, before the next one is looked at."""
        self._bytes_left, self._then = count, act

    def nothing_happens(self) -> None:
        """Take back what was to happen after so many bytes."""
        self._then = None

    @property
    def listens(self) -> bool:
        """Whether it has power and a port."""
        return self._server is not None

    async def _tended(self) -> None:
        await self._carry_out(self.interpreter.tear_off())
        await self._carry_out(self.interpreter.run())

    def _tell_change(self) -> None:
        """What a person did may be told at once, if the client has asked for that."""
        for event in self.interpreter.changed():
            self._answer(event.data)

    def _power_off(self) -> None:
        self.interpreter.switch_off()
        self._answer_to = self._then = None

    def _hang_up(self) -> None:
        self._answer_to = None
        if self._line:
            self._line.unplug()
            self._line.plug()
        for writer in self._clients.values():
            writer.transport.abort()

    def _lose_power_now(self) -> None:
        self._power_off()
        if self._server:
            self._server.close()
            self._server = None
        if self._line:
            self._line.unplug()
        for writer in self._clients.values():
            writer.transport.abort()

    # Wire

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it came in the moment in which the power went
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # clients come and go
            async with self._one_client:
                while not writer.is_closing() and (data := await reader.read(_READ_BYTES_MAX)):
                    await self._take(data, writer.write)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _take(self, data: bytes, answer: Callable[[bytes], None]) -> None:
        self._answer_to = answer
        if self._then is None:
            await self._carry_out(self.interpreter.receive(data))
            return
        taken = data[: self._bytes_left]
        self._bytes_left -= len(taken)
        await self._carry_out(self.interpreter.receive(taken))
        if not self._bytes_left and self._then is not None:
            then, self._then = self._then, None
            then()
            if self._answer_to is not None:
                await self._carry_out(self.interpreter.receive(data[len(taken) :]))

    async def _carry_out(self, events: list[Event]) -> None:
        async with self._in_turn:
            for event in events:
                match event:
                    case Answer(data):
                        self._answer(data)
                    case SheetOut(sheet):
                        await self._deliver(sheet)
                    case DrawerKicked():
                        self.drawer_kicks += 1

    def _answer(self, data: bytes) -> None:
        if self._answer_to is not None:
            with suppress(OSError):  # nobody listens any more
                self._answer_to(data)

    # Paper

    async def _deliver(self, sheet: Sheet) -> None:
        self._number += 1
        picture = await asyncio.to_thread(_save, sheet, self._folder, self._number) if self._folder else None
        slip = PrintedSlip(self._number, sheet, picture)
        self.slips.append(slip)
        if self._on_slip:
            self._on_slip(slip)
        async with self._printed:
            self._printed_count += 1
            self._printed.notify_all()


class _Line:
    """The printer's end of a serial line, read in turn."""

    def __init__(self, path: Path, take: Callable[[bytes, Callable[[bytes], None]], Awaitable[None]]) -> None:
        self._take = take
        self._terminal = PseudoTerminal(path, self._receive)
        self._begin()

    def plug(self) -> None:
        self._terminal.plug()
        self._begin()

    def unplug(self) -> None:
        self._terminal.unplug()
        if self._reads is not asyncio.current_task():  # else it ends by itself
            self._reads.cancel()

    def _begin(self) -> None:
        self._came = asyncio.Queue[bytes](_LINE_READS_MAX)
        self._reads = asyncio.create_task(self._read(self._came))

    def _receive(self, data: bytes, _: float) -> None:
        self._came.put_nowait(data)

    async def _read(self, came: asyncio.Queue[bytes]) -> None:
        while came is self._came and self._terminal.plugged:
            await self._take(await came.get(), self._terminal.write)


def _last_number(folder: Path | None) -> int:
    names = [path.stem for path in folder.glob("slip-*.png")] if folder else []
    return max((int(name.split("-")[1]) for name in names), default=0)


def _save(sheet: Sheet, folder: Path, number: int) -> Path:
    """Write the picture under its name only when it is complete: someone may be watching the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"slip-{number:06}{'' if sheet.complete else '-torn'}.png"
    unfinished = path.with_suffix(".part")
    render(sheet).save(unfinished, "PNG")
    return unfinished.replace(path)
