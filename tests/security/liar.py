"""Somebody between terminal and host who hears everything and may say anything: replay, change, drop, invent, flood."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from iso8583 import Iso8583Error, Message
from iso8583.framing import FrameBuffer, with_length
from iso8583.unionpay import Frame, WorkingKeys62
from terminal.effects import Effect, LoadKeys
from tests.shop.rig import LOOPBACK, MASTER_KEY, Shop, free_port, shop

Say = Callable[[bytes], list[bytes]]
"""An honest frame (without its length) to what goes onto the wire instead, in pieces."""


def honest(frame: bytes) -> list[bytes]:
    """Pass it on."""
    return [with_length(frame)]


class Liar:
    """A relay that is honest until `say` (towards the terminal) or `ask` (towards the host) is set.

    A piece that is empty closes the connection. `said` and `asked` keep every honest frame.
    """

    def __init__(self) -> None:
        self.host_port = free_port()
        self.port = 0
        self.say: Say = honest
        self.ask: Say = honest
        self.said: list[bytes] = []
        self.asked: list[bytes] = []
        self.mac_key = b""
        self._terminal: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._faults: list[Exception] = []

    async def start(self) -> None:
        """Listen where the terminal looks for its host."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone; a lie that broke down in the telling is told now."""
        assert self._server is not None, "started"
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        if self._faults:
            raise self._faults[0]

    def inject(self, data: bytes) -> None:
        """Put bytes onto the wire towards the terminal, asked or not."""
        assert self._terminal is not None, "the terminal is connected"
        self._terminal.write(data)

    def overhear(self, effect: Effect) -> None:
        """Learn the MAC key of each sign-on: for lies of a host that has the keys."""
        if isinstance(effect, LoadKeys):
            with suppress(Iso8583Error):  # our own lie about keys
                _, self.mac_key, _ = WorkingKeys62.parse(effect.keys).unwrap(MASTER_KEY)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self._terminal = writer
        with suppress(OSError):
            host_reader, host_writer = await asyncio.open_connection(LOOPBACK, self.host_port)
            try:
                await self._both_ways(reader, writer, host_reader, host_writer)
            finally:
                host_writer.transport.abort()
        writer.transport.abort()
        self._talks.discard(task)

    async def _both_ways(
        self,
        terminal: asyncio.StreamReader,
        to_terminal: asyncio.StreamWriter,
        host: asyncio.StreamReader,
        to_host: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.create_task(_pass_on(terminal, to_host, self._ask)),
            asyncio.create_task(_pass_on(host, to_terminal, self._say)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
            self._faults += [end for end in ends if isinstance(end, Exception) and not isinstance(end, OSError)]

    def _ask(self, frame: bytes) -> list[bytes]:
        self.asked.append(frame)
        return self.ask(frame)

    def _say(self, frame: bytes) -> list[bytes]:
        self.said.append(frame)
        return self.say(frame)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Say) -> None:
    frames = FrameBuffer()
    while data := await reader.read(4096):
        frames.receive(data)
        while (frame := frames.next_frame()) is not None:
            for piece in say(frame):
                if not piece:
                    return
                writer.write(piece)
                await asyncio.sleep(0)  # let it go out as a piece of its own
                await writer.drain()


@asynccontextmanager
async def shop_with_liar(folder: Path, **options: Any) -> AsyncIterator[tuple[Shop, Liar]]:
    """A shop whose terminal reaches its host through a liar, who is honest so far."""
    liar = Liar()
    await liar.start()
    try:
        options |= {"host_port": liar.host_port, "relay_port": liar.port, "on_effect": liar.overhear}
        async with shop(folder, **options) as s:
            yield s, liar
    finally:
        await liar.stop()


def message_of(frame: bytes) -> Message:
    """The message in a frame."""
    return Frame.parse(frame).message


def about(mti: str, lie: Say) -> Say:
    """Lie about messages of one type only."""
    return lambda frame: lie(frame) if message_of(frame).mti == mti else honest(frame)


def once(mti: str, lie: Say) -> Say:
    """Lie about the first message of one type only."""
    left = [1]

    def say(frame: bytes) -> list[bytes]:
        if message_of(frame).mti != mti or not left:
            return honest(frame)
        left.clear()
        return lie(frame)

    return say


def then_closed(say: Say) -> Say:
    """Say it, and close the line: whoever did not believe it need not wait for an answer that will not come."""
    return lambda frame: [*say(frame), b""]


def changed(*, key: bytes | None = None, without: Iterable[int] = (), mti: str = "", **fields: Any) -> Say:
    """Change fields (``f39="00"``); the MAC stays what it was, or is made anew with `key`."""

    def say(frame: bytes) -> list[bytes]:
        old = Frame.parse(frame)
        message = old.message.without(*without).with_({int(name[1:]): value for name, value in fields.items()})
        message = Message(mti or message.mti, dict(message.items()))
        return [with_length(Frame(old.tpdu, old.header, message).to_bytes(key))]

    return say
