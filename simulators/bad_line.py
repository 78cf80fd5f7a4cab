"""A line that goes bad when it is told to: a relay of bytes in front of a port, on loopback.

It swallows all bytes and leaves every connection open, as a router does that lost its way; it answers for the host with
a page, as a network does that wants somebody to log on; or it refuses connections. Whole, it carries what it is given.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

LOOPBACK: Final = "127.0.0.1"
FAULTS: Final = ("swallows", "portal", "refuses")
"""A line that swallows the first packet of a connection as well cannot be had on loopback."""

PORTAL: Final = b"HTTP/1.1 302 Found\r\nLocation: http://wifi.example/\r\nContent-Length: 0\r\n\r\n"
READ_BYTES: Final = 4096


class BadLine:
    """A relay in front of the port `behind`.

    `fault` is one of `FAULTS`, or empty while it carries what it is given; `on_loss` is told what it does not.
    """

    def __init__(self, behind: int, on_loss: Callable[[bytes], None] = lambda _: None) -> None:
        self.fault = ""
        self._on_loss = on_loss
        self._behind = behind
        self._ends: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def close(self) -> None:
        """Hang up, and listen no more."""
        assert self._server is not None, "open"
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._talks)

    async def go_bad(self, fault: str) -> None:
        """Have a fault from now on."""
        self.fault = fault
        if fault == "refuses":
            await self.close()

    async def mend(self, port: int) -> None:
        """Carry again; a connection that has lost something stays dead."""
        if self.fault == "refuses":
            await self.open(port)
        self.fault = ""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs it as one"
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        ends = [writer]
        self._ends.add(writer)
        with suppress(OSError):
            answers, host = await asyncio.open_connection(LOOPBACK, self._behind)
            ends.append(host)
            self._ends.add(host)
            await asyncio.gather(self._ask(reader, writer, host), self._answer(answers, writer, host))
        for end in ends:
            end.transport.abort()
            self._ends.discard(end)

    async def _ask(self, asked: asyncio.StreamReader, asker: asyncio.StreamWriter, host: asyncio.StreamWriter) -> None:
        """Carry questions, until either end hangs up."""
        with suppress(OSError):
            dead = False
            while data := await asked.read(READ_BYTES):
                dead = dead or self.fault == "swallows"
                if self.fault == "portal":
                    asker.write(PORTAL)
                    break
                if dead:
                    self._on_loss(data)
                else:
                    host.write(data)
        asker.close()
        host.close()

    async def _answer(
        self, answers: asyncio.StreamReader, asker: asyncio.StreamWriter, host: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            dead = False
            while data := await answers.read(READ_BYTES):
                dead = dead or bool(self.fault)
                if dead:
                    self._on_loss(data)
                else:
                    asker.write(data)
        asker.close()
        host.close()
