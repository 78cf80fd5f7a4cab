"""The line to the host, against a peer on loopback that behaves as badly as a network can."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_config.profile import HostEndpoint
from iso8583 import Message
from iso8583.unionpay import Frame
from terminal.events import Event, LinkLost, LinkUp, Received
from terminal.host_link import RECONNECT_S, HostLink, _reason_of
from terminal.key_store import KeyStore
from terminal.vault import Vault

ECHO = Message("0820", {41: "12345678", 42: "898110053110001", 60: "00000001301"})
ANSWER = Message("0830", {39: "00", 41: "12345678", 42: "898110053110001", 60: "00000001301"})
WAIT_S = 5.0

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def framed(message: Message, command: str = "0") -> bytes:
    frame = Frame("6000000003", f"60310{command}310006", message).to_bytes()
    return len(frame).to_bytes(2, "big") + frame


@asynccontextmanager
async def linked(tmp_path: Path, peer: Peer) -> AsyncIterator[tuple[HostLink, asyncio.Queue[Event]]]:
    """A link that talks to `peer`, and the events it reports."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    KeyStore.create(tmp_path / "vault.json", bytes(16))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    events: asyncio.Queue[Event] = asyncio.Queue()
    link = HostLink(HostEndpoint(port=port), Vault(KeyStore(tmp_path / "vault.json")), events.put_nowait)
    task = asyncio.create_task(link.run())
    try:
        yield link, events
    finally:
        task.cancel()
        await asyncio.wait([task])
        server.close()
        peers = asyncio.all_tasks() - {asyncio.current_task()}
        if peers:
            await asyncio.wait(peers, timeout=WAIT_S)


async def next_of(events: asyncio.Queue[Event]) -> Event:
    return await asyncio.wait_for(events.get(), WAIT_S)


def test_message_goes_out_framed_and_its_answer_comes_in(tmp_path):
    async def host(reader, writer):
        length = int.from_bytes(await reader.readexactly(2), "big")
        assert Frame.parse(await reader.readexactly(length)).message == ECHO
        writer.write(framed(ANSWER, command="3"))

    async def scene():
        async with linked(tmp_path, host) as (link, events):
            assert await next_of(events) == LinkUp()
            link.send(ECHO)
            assert await next_of(events) == Received(ANSWER, "absent", "3")

    asyncio.run(scene())


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_answer_in_pieces_is_one_answer(tmp_path, size):
    async def host(reader, writer):
        data = framed(ANSWER) * 2
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()

    async def scene():
        async with linked(tmp_path, host) as (_, events):
            assert [type(await next_of(events)) for _ in range(3)] == [LinkUp, Received, Received]

    asyncio.run(scene())


BAD = {
    "length zero": b"\x00\x00",
    "length beyond all bounds": b"\xff\xff",
    "not a frame": b"\x00\x05hello",
    "letters in a number": b"\x00\x0d" + bytes.fromhex("6000000003603100310006") + b"\x08\x3f",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_garbage_ends_the_connection_and_the_link_comes_back(tmp_path, data):
    """Also a host that announces more than it sends and then hangs up."""

    async def host(reader, writer):
        writer.write(data)
        await writer.drain()
        writer.close()

    async def scene():
        async with linked(tmp_path, host) as (_, events):
            assert [type(await next_of(events)) for _ in range(3)] == [LinkUp, LinkLost, LinkUp]

    asyncio.run(scene())


def test_order_to_reconnect_makes_a_new_connection(tmp_path):
    connections = []

    async def host(reader, writer):
        connections.append(writer)

    async def scene():
        async with linked(tmp_path, host) as (link, events):
            await next_of(events)
            link.reconnect()
            assert [type(await next_of(events)) for _ in range(2)] == [LinkLost, LinkUp]
            assert len(connections) == 2

    asyncio.run(scene())


def test_sending_without_a_line_is_harmless(tmp_path):
    KeyStore.create(tmp_path / "vault.json", bytes(16))
    HostLink(HostEndpoint(port=1), Vault(KeyStore(tmp_path / "vault.json")), lambda event: None).send(ECHO)


# --- what a technician is told ----------------------------------------------------------------------------------------


def test_a_page_instead_of_the_host_is_known_for_what_it_is(tmp_path):
    """A captive portal answers whatever it is asked with a page to log on to the network."""

    async def portal(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://wifi.example/\r\nContent-Length: 0\r\n\r\n")

    async def scene():
        async with linked(tmp_path, portal) as (link, events):
            assert await next_of(events) == LinkUp()
            link.send(ECHO)
            assert await next_of(events) == LinkLost("not_a_host")

    asyncio.run(scene())


def test_a_host_that_hangs_up_says_nothing_about_why(tmp_path):
    async def host(reader, writer):
        writer.close()

    async def scene():
        async with linked(tmp_path, host) as (_, events):
            assert [await next_of(events) for _ in range(2)] == [LinkUp(), LinkLost()]

    asyncio.run(scene())


def test_a_port_that_nobody_listens_on_is_tried_every_second(tmp_path):
    async def scene():
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        KeyStore.create(tmp_path / "vault.json", bytes(16))
        events: asyncio.Queue[Event] = asyncio.Queue()
        link = HostLink(HostEndpoint(port=port), Vault(KeyStore(tmp_path / "vault.json")), events.put_nowait)
        task = asyncio.create_task(link.run())
        assert [await next_of(events) for _ in range(2)] == [LinkLost("refused")] * 2
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scene())
    assert max(RECONNECT_S) <= 1.0


FAULTS = {
    "not_trusted": ssl.SSLCertVerificationError("self-signed certificate"),
    "refused": ConnectionRefusedError(111, "refused"),
    "no_address": socket.gaierror(-2, "unknown"),
    "unreachable": TimeoutError(),
}


@pytest.mark.parametrize(("reason", "fault"), FAULTS.items(), ids=FAULTS.keys())
def test_why_there_is_no_connection_is_told_apart(reason, fault):
    assert _reason_of(fault) == reason
