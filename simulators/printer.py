"""A receipt printer on a TCP port that prints on virtual paper: every slip becomes a PNG, and text for tests.

It speaks ESC/POS as real printers do (`simulators.escpos`), serves one client at a time, and has the troubles of real
ones as switches: paper, cover, power, and a connection that breaks in the middle of a job.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulators.escpos import Answer, DrawerKicked, Event, Interpreter, SheetOut
from simulators.paper_roll import Roll, Sheet
from simulators.slip_image import render

SLIPS_KEPT_MAX = 500
_READ_BYTES_MAX = 4096


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
        self._client: asyncio.StreamWriter | None = None
        self._bytes_until_drop: int | None = None

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Switch on and listen; port 0 takes a free one, then `port` tells which."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._clients.values():
            writer.transport.abort()
        await asyncio.gather(*self._clients)

    async def wait_for(self, count: int) -> list[PrintedSlip]:
        """Wait until `count` slips have come out since the start; return the latest ones, at most `SLIPS_KEPT_MAX`."""
        async with self._printed:
            await self._printed.wait_for(lambda: self._printed_count >= count)
        return list(self.slips)

    # Switches

    def run_out_of_paper(self, after_dots: int = 0) -> None:
        """Let the paper end, at once or `after_dots` dots (1/8 mm) further on: in the middle of the next slip."""
        self.interpreter.roll.dots_left = after_dots

    async def load_paper(self) -> None:
        """Put in a new roll; what hangs out is torn off, and the printer goes on with what it still has."""
        self.interpreter.roll.dots_left = None
        await self._tended()

    def open_cover(self) -> None:
        """Open the cover: printing stops."""
        self.interpreter.cover_open = True

    async def close_cover(self) -> None:
        """Close the cover; what hangs out is torn off, and the printer goes on with what it still has."""
        self.interpreter.cover_open = False
        await self._tended()

    async def lose_power(self) -> None:
        """Pull the plug: connections break, and everything but the paper is forgotten."""
        await self.close()
        self.interpreter.forget()
        self.interpreter.reset()

    async def restore_power(self) -> None:
        """Plug in again, on the same port; what hangs out is torn off."""
        await self.start(self.port)
        await self._tended()

    def drop_connection_after(self, count: int) -> None:
        """Break the connection, once, when `count` more bytes have come."""
        self._bytes_until_drop = count

    async def _tended(self) -> None:
        await self._carry_out(self.interpreter.tear_off())
        await self._carry_out(self.interpreter.run())

    # Wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        with suppress(ConnectionError):  # clients come and go
            async with self._one_client:
                await self._read(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        del self._clients[task]

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._client = writer
        while data := await reader.read(_READ_BYTES_MAX):
            taken = data[: self._bytes_until_drop]
            await self._carry_out(self.interpreter.receive(taken))
            if self._bytes_until_drop is None:
                continue
            self._bytes_until_drop -= len(taken)
            if not self._bytes_until_drop:
                self._bytes_until_drop = None
                writer.transport.abort()

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
        if self._client and not self._client.is_closing():
            self._client.write(data)

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
