"""The courier benchmark's load: many terminals at the broker, each with its certificate, their advices framed before.

It speaks just as much MQTT 5 as that takes, so that it takes little of the cores that are measured: publish with QoS 1,
and acknowledge what comes. Like a terminal, it takes an advice for delivered only when the host's own answer has come
under a good MAC. What the broker says of an advice is not looked at.
"""

import asyncio
import ssl
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.fleet import MERCHANT, Till
from bench.load_client import APPROVED, code_place
from iso8583.security import equal_macs, unionpay_mac
from iso8583.unionpay import HEAD_BYTES, MAC_BYTES

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 3, 4, 8, 9
_CLEAN_START, _QOS_1 = 0x02, 0x02
KEEPALIVE_S = 300
NUMBERS = 0xFFFF
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run came to: answers under a good MAC, those of them that book the sale, and wall and CPU time."""

    answered: int
    approved: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Advices a second that the host has booked, and told so."""
        return self.approved / self.seconds


@dataclass(slots=True)
class Sender:
    """One terminal to be: who it is, what it shows to the broker, and what it has to say, without lengths."""

    till: Till
    tls: ssl.SSLContext
    advices: Iterable[bytes] = field(repr=False)


class _AtBroker(asyncio.Protocol):
    """One terminal's connection: it keeps so many advices unanswered, until it has no more or is told to stop."""

    def __init__(self, sender: Sender, under_way: int) -> None:
        self._till = sender.till
        self._advices = iter(sender.advices)
        self._topic = f"tg/{MERCHANT}/{sender.till.id}".encode()
        self._room = under_way
        self._received = bytearray()
        self._numbers = _numbers()
        self._code_at = 0
        self._transport: asyncio.Transport
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stop_at = 0.0
        self.answered = self.approved = self.unanswered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = _text(b"MQTT") + struct.pack(">BBHB", 5, _CLEAN_START, KEEPALIVE_S, 0)
        transport.write(packet(CONNECT, 0, head + _text(self._till.id.encode())))
        topic = _text(self._topic + b"/down/answer")
        transport.write(packet(SUBSCRIBE, 2, struct.pack(">HB", 1, 0) + topic + b"\x01"))

    def begin(self, stop_at: float) -> None:
        """Send as many as may be unanswered at once."""
        self.stop_at = stop_at
        self._transport.write(b"".join(self._next() for _ in range(self._room)))

    def data_received(self, data: bytes) -> None:
        self._received += data
        out: list[bytes] = []
        while (each := taken(self._received)) is not None:
            kind, body = each
            if kind == PUBLISH:
                out += self._answer(body)
            elif kind == SUBACK:
                self.subscribed.set_result(None)
        self._transport.write(b"".join(out))
        if not self.unanswered and self.stop_at and not self.idle.done():
            self.idle.set_result(None)

    def connection_lost(self, _exc: Exception | None) -> None:
        for waiting in (self.subscribed, self.idle):
            if not waiting.done():
                waiting.set_exception(ConnectionError("the broker has closed the connection"))
                waiting.exception()  # one of them may have nobody who waits for it

    def close(self) -> None:
        """Be gone."""
        self._transport.abort()

    def _answer(self, body: bytes) -> Iterator[bytes]:
        """Check what came, acknowledge it, and go on with the next advice."""
        after_topic = 2 + int.from_bytes(body[:2], "big")
        number = body[after_topic : after_topic + 2]
        properties = after_topic + 2
        answer = body[properties + 1 + body[properties] + HEAD_BYTES :]  # ours have few properties: one byte of length
        self.unanswered -= 1
        if equal_macs(unionpay_mac(self._till.mac_key, answer[:-MAC_BYTES]), answer[-MAC_BYTES:]):
            self.answered += 1
            self._code_at = self._code_at or code_place(answer)
            self.approved += answer[self._code_at : self._code_at + len(APPROVED)] == APPROVED
        yield packet(PUBACK, 0, number)
        yield self._next()

    def _next(self) -> bytes:
        advice = next(self._advices, None) if time.perf_counter() < self.stop_at else None
        if advice is None:
            return b""
        self.unanswered += 1
        head = _text(self._topic + b"/up/advice") + struct.pack(">HB", next(self._numbers), 0)
        return packet(PUBLISH, _QOS_1, head + advice)


def _numbers() -> Iterator[int]:
    while True:
        yield from range(1, NUMBERS)


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def taken(received: bytearray) -> tuple[int, bytes] | None:
    """Take the next packet out of what has come, its kind and its body; None while it is not whole."""
    length = shift = 0
    for at in range(1, len(received)):
        byte = received[at]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    else:
        return None
    end = at + 1 + length
    if len(received) < end:
        return None
    kind, body = received[0] >> 4, bytes(received[at + 1 : end])
    del received[:end]
    return kind, body


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """One packet, of a kind, with its flags."""
    length, rest = bytearray(), len(body)
    while True:
        rest, part = rest >> 7, rest & 0x7F
        length.append(part | (0x80 if rest else 0))
        if not rest:
            return bytes([kind << 4 | flags]) + length + body


async def delivered(port: int, senders: Sequence[Sender], under_way: int, seconds: float) -> Delivered:
    """Let all of them send for so long, each with so many unanswered at once, and wait until all is answered."""
    loop = asyncio.get_running_loop()
    lines = [_AtBroker(sender, under_way) for sender in senders]
    for line, sender in zip(lines, senders, strict=True):
        await loop.create_connection(lambda line=line: line, "127.0.0.1", port, ssl=sender.tls)  # type: ignore[misc]
        await line.subscribed
    began, cpu = time.perf_counter(), time.process_time()
    for line in lines:
        line.begin(began + seconds)
    async with asyncio.timeout(seconds + PATIENCE_S):
        await asyncio.gather(*(line.idle for line in lines))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    for line in lines:
        line.close()
    return Delivered(sum(line.answered for line in lines), sum(line.approved for line in lines), took_s, cpu_s)
