"""Bytes in, frames out: whole, in pieces, too long, too slow, too many, or no frames at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from host_switch.connections import Connections, Limits
from host_switch.events import FrameReceived
from host_switch.frames import decoded
from iso8583.framing import FRAME_MAX, with_length
from tests.host_switch.till import Till
from tests.in_a_loop import in_a_loop

FRAME = with_length(Till(mac_key=bytes(8)).frame(Till().sale()))


@dataclass
class Port:
    """A listening port whose frames and clock are in the test's hands."""

    limits: Limits = field(default_factory=Limits)
    now: float = 0.0
    received: list[FrameReceived] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connections = Connections(self.limits, self._on_frame, lambda: self.now)

    def _on_frame(self, frame: FrameReceived) -> None:
        self.received.append(frame)
        self.arrived.set()

    async def wait_for(self, count: int) -> None:
        while len(self.received) < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 5)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        self.writers.append(writer)
        return reader, writer

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Port"]:
        server = await asyncio.get_running_loop().create_server(self.connections.accept, "127.0.0.1", 0)
        self.number: int = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.connections.close_all()
            for writer in self.writers:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in self.writers), return_exceptions=True)


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side has closed."""
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@in_a_loop
async def test_a_frame_in_single_bytes_is_the_same_frame() -> None:
    async with Port().listening() as port:
        _, writer = await port.connect()
        for byte in FRAME:
            writer.write(bytes([byte]))
            await writer.drain()
        await port.wait_for(1)
        assert port.received[0].message == decoded("", FRAME[2:]).message


@in_a_loop
async def test_ten_frames_in_one_piece_are_ten_frames() -> None:
    async with Port(Limits(under_way_max=10)).listening() as port:
        _, writer = await port.connect()
        writer.write(FRAME * 10)
        await port.wait_for(10)


def test_a_frame_cut_anywhere_is_never_taken_for_a_whole_one() -> None:
    """Every cut: refused, or answerable as broken; never an exception of another kind, never a sale."""
    for length in range(len(FRAME) - 2):
        try:
            received = decoded("line", FRAME[2 : 2 + length])
        except ValueError:
            continue
        assert received.malformed


UNREADABLE = {
    "length of zero": b"\x00\x00",
    "length above the maximum": (FRAME_MAX + 1).to_bytes(2, "big"),
    "the largest length": b"\xff\xff" + bytes(100),
    "a web browser": b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
    "a TLS handshake": bytes.fromhex("16030100a5010000a10303") + bytes(160),
    "zeros where the TPDU should be": b"\x00\x20" + bytes(32),
    "a TPDU that is no TPDU": with_length(b"\x99" + FRAME[3:]),
    "nothing behind the header": with_length(FRAME[2:13]),
    "an unknown field": with_length(bytes.fromhex("60000300006031003100060200FFFFFFFFFFFFFFFF") + bytes(40)),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_closes_the_connection_with_one_line_in_the_log(case: str) -> None:
    @in_a_loop
    async def scenario() -> None:
        async with Port().listening() as port:
            reader, writer = await port.connect()
            _, other = await port.connect()
            with capture_logs() as log:
                writer.write(UNREADABLE[case])
                assert await closed(reader)
            assert [(line["event"], line["log_level"]) for line in log] == [("connection closed", "warning")]
            other.write(FRAME)
            await port.wait_for(1)

    scenario()


def test_the_log_of_an_offender_does_not_repeat_its_bytes() -> None:
    @in_a_loop
    async def scenario() -> None:
        async with Port().listening() as port:
            reader, writer = await port.connect()
            with capture_logs() as log:
                writer.write(with_length(b"\x60" + b"6299990000000009D3012" * 2))
                assert await closed(reader)
            assert "62999900" not in repr(log)

    scenario()


# --- patience ---------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_a_slow_sender_is_closed_although_it_keeps_sending() -> None:
    async with Port(Limits(frame_s=10)).listening() as port:
        reader, writer = await port.connect()
        for byte in FRAME[:11]:  # a byte a second
            writer.write(bytes([byte]))
            await _seen(port, writer)
            port.now += 1
            port.connections.sweep()
        assert await closed(reader)


async def _seen(port: Port, writer: asyncio.StreamWriter) -> None:
    """Let the bytes arrive: a frame sent on another connection arrives after them."""
    await writer.drain()
    _, other = await port.connect()
    other.write(FRAME)
    await port.wait_for(len(port.received) + 1)
    port.connections.decided(port.received[-1].connection)


@in_a_loop
async def test_a_connection_that_says_nothing_is_closed() -> None:
    """A half-open connection, or a port scanner."""
    async with Port(Limits(first_frame_s=30, idle_s=600)).listening() as port:
        reader, writer = await port.connect()
        await _seen(port, writer)
        port.now += 31
        with capture_logs() as log:
            port.connections.sweep()
            assert await closed(reader)
        assert log[0]["reason"] == "said nothing"


@in_a_loop
async def test_a_terminal_may_be_silent_between_two_sales_but_not_for_ever() -> None:
    async with Port(Limits(first_frame_s=30, idle_s=600)).listening() as port:
        reader, writer = await port.connect()
        writer.write(FRAME)
        await port.wait_for(1)
        port.connections.decided(port.received[0].connection)
        port.now += 599
        port.connections.sweep()
        writer.write(FRAME)
        await port.wait_for(2)
        port.connections.decided(port.received[0].connection)
        port.now += 601
        port.connections.sweep()
        assert await closed(reader)


@in_a_loop
async def test_one_connection_too_many_is_closed_at_once_and_the_others_stay() -> None:
    async with Port(Limits(connections_max=2)).listening() as port:
        first, second, third = [await port.connect() for _ in range(3)]
        assert await closed(third[0])
        for _, writer in (first, second):
            writer.write(FRAME)
        await port.wait_for(2)


@in_a_loop
async def test_when_a_connection_has_gone_there_is_room_for_another() -> None:
    async with Port(Limits(connections_max=1)).listening() as port:
        _, writer = await port.connect()
        writer.write(FRAME)
        await port.wait_for(1)
        port.connections.close(port.received[0].connection, "to make room")
        _, writer = await port.connect()
        writer.write(FRAME)
        await port.wait_for(2)


@in_a_loop
async def test_a_terminal_that_sends_faster_than_we_decide_is_left_waiting_in_the_network() -> None:
    async with Port(Limits(under_way_max=4)).listening() as port:
        _, writer = await port.connect()
        writer.write(FRAME * 40)
        await port.wait_for(4)
        for decided in range(1, 37):
            assert len(port.received) == 3 + decided
            port.connections.decided(port.received[0].connection)
            await port.wait_for(4 + decided)


@in_a_loop
async def test_an_answer_to_a_closed_connection_is_dropped() -> None:
    async with Port().listening() as port:
        port.connections.send("nobody", b"frame")
        port.connections.close("nobody", "why not")
        port.connections.decided("nobody")


def test_no_two_connections_ever_have_one_name() -> None:
    """After a restart an old answer must not reach a new connection."""
    names = {Port().connections.accept().name for _ in range(3)}
    assert len(names) == 3
