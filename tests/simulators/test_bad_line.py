"""A line that goes bad goes bad as it says, and is whole again afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from simulators.bad_line import FAULTS, PORTAL, BadLine

WITHIN_S = 5.0


class Ends:
    """Both ends of a line: somebody who says what is said to him, and whoever connects."""

    def __init__(self) -> None:
        self.line: BadLine
        self.lost: asyncio.Queue[bytes] = asyncio.Queue()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def play(self, scene: Callable[["Ends"], Awaitable[None]]) -> None:
        server = await asyncio.start_server(self._parrot, "127.0.0.1", 0)
        self.line = BadLine(server.sockets[0].getsockname()[1], self.lost.put_nowait)
        self.port = await self.line.open()
        try:
            async with asyncio.timeout(WITHIN_S):
                await scene(self)
        finally:
            for writer in self._writers:
                writer.close()
            await self.line.close()
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            if others:
                await asyncio.wait(others, timeout=WITHIN_S)

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def talking(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which an answer has come."""
        reader, writer = await self.connected()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        return reader, writer

    async def _parrot(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()


def played(scene: Callable[[Ends], Awaitable[None]]) -> None:
    asyncio.run(Ends().play(scene))


def test_a_swallowing_line_stays_open_and_a_connection_that_lost_something_is_dead_for_good() -> None:
    async def scene(ends: Ends) -> None:
        (reader, old), (other_reader, new) = await ends.talking(), await ends.connected()
        await ends.line.go_bad("swallows")
        for writer in (old, new):
            writer.write(b"lost")
            assert await ends.lost.get() == b"lost"
        await ends.line.mend(ends.port)
        old.write(b"lost again")
        assert await ends.lost.get() == b"lost again"
        await ends.talking()
        assert not reader.at_eof() and not other_reader.at_eof()

    played(scene)


def test_a_portal_answers_for_the_host_and_hangs_up() -> None:
    async def scene(ends: Ends) -> None:
        reader, writer = await ends.talking()
        await ends.line.go_bad("portal")
        writer.write(b"frame")
        assert await reader.read() == PORTAL

    played(scene)


def test_a_line_that_refuses_hangs_up_and_lets_nobody_in() -> None:
    async def scene(ends: Ends) -> None:
        reader, _ = await ends.talking()
        await ends.line.go_bad("refuses")
        with pytest.raises(ConnectionRefusedError):
            await ends.connected()
        with suppress(ConnectionError):
            assert await reader.read() == b""

    played(scene)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_line_that_was_mended_carries_again(fault: str) -> None:
    async def scene(ends: Ends) -> None:
        await ends.line.go_bad(fault)
        await ends.line.mend(ends.port)
        await ends.talking()

    played(scene)
