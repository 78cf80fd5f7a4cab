"""The client of the host benchmark: one connection for each terminal, one sale at a time on it, every answer checked.

A terminal checks the MAC of what it is told and looks at the response code, so this client does both with every answer,
in front of the relay as in front of the host. What it sends was framed before the clock started.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.fleet import Till
from iso8583 import load_dialect
from iso8583.framing import LENGTH_BYTES
from iso8583.security import equal_macs, unionpay_mac
from iso8583.unionpay import HEAD_BYTES, MAC_BYTES

APPROVED = b"00"
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass came to: answers, those that approve under a good MAC, wall and CPU time, latencies in order."""

    answered: int
    approved: int
    seconds: float
    cpu_s: float
    latencies_s: Sequence[float]

    @property
    def rate(self) -> float:
        """Approved sales per second."""
        return self.approved / self.seconds

    def within_ms(self, share: float) -> float:
        """The latency that this share of the sales stayed within."""
        return 1000 * self.latencies_s[min(int(share * len(self.latencies_s)), len(self.latencies_s) - 1)]


class Line(asyncio.Protocol):
    """One terminal's connection. `on_answer` is called when the answer to its sale has been checked."""

    def __init__(self, till: Till, frames: Iterable[bytes], on_answer: Callable[["Line"], None]) -> None:
        self._mac_key = till.mac_key
        self._frames = iter(frames)
        self._on_answer = on_answer
        self._received = b""
        self._began = 0.0
        self._code_at = 0
        self._transport: asyncio.Transport
        self.approved = 0
        self.latencies_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def sell(self, began: float) -> bool:
        """Send the next sale, for a customer who came at `began`; False if there is none left."""
        frame = next(self._frames, None)
        if frame is None:
            return False
        self._began = began
        self._transport.write(frame)
        return True

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < LENGTH_BYTES + int.from_bytes(self._received[:LENGTH_BYTES], "big"):
            return
        answer, self._received = self._received[LENGTH_BYTES + HEAD_BYTES :], b""
        good = equal_macs(unionpay_mac(self._mac_key, answer[:-MAC_BYTES]), answer[-MAC_BYTES:])
        self._code_at = self._code_at or code_place(answer)
        self.approved += good and answer[self._code_at : self._code_at + len(APPROVED)] == APPROVED
        self.latencies_s.append(time.perf_counter() - self._began)
        self._on_answer(self)


def code_place(answer: bytes) -> int:
    """Where the response code stands in an answer; it is the same place in every approval of one kind."""
    dialect = load_dialect("unionpay_pos")
    message = dialect.decode(answer)
    other = dialect.encode(message.with_({39: "ZZ"}))
    return next(at for at, pair in enumerate(zip(answer, other, strict=True)) if pair[0] != pair[1])


class ClosedLoop:
    """Sells on every connection as fast as answers come, until the time is over or a terminal has no frames left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open = 0
        self._stop_at = 0.0
        self._over = asyncio.Event()

    async def run(self, lines: Sequence[Line]) -> None:
        """Run the pass."""
        began = time.perf_counter()
        self._stop_at = began + self._seconds
        self._open = sum(line.sell(began) for line in lines)
        async with asyncio.timeout(self._seconds + PATIENCE_S):
            await self._over.wait()

    def answered(self, line: Line) -> None:
        """One sale less under way, and the next one begins."""
        now = time.perf_counter()
        if now < self._stop_at and line.sell(now):
            return
        self._open -= 1
        if not self._open:
            self._over.set()


class AtRate:
    """Sells so many a second. Customers come at random moments, each to a terminal that is free.

    Latency counts from the moment when a customer came, also for one who had to wait for a free terminal.
    """

    def __init__(self, rate: float, seconds: float) -> None:
        self._rate = rate
        self._seconds = seconds
        self._free: deque[Line] = deque()
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._all_served = asyncio.Event()
        self._all_served.set()

    async def run(self, lines: Sequence[Line]) -> None:
        """Run the pass."""
        chance = random.Random(1)
        self._free.extend(lines)
        comes = time.perf_counter()
        stop_at = comes + self._seconds
        async with asyncio.timeout(self._seconds + PATIENCE_S):
            while comes < stop_at:
                while comes <= time.perf_counter():
                    self._waiting.append(comes)
                    comes += chance.expovariate(self._rate)
                self._serve()
                await asyncio.sleep(comes - time.perf_counter())
            await self._all_served.wait()

    def _serve(self) -> None:
        while self._free and self._waiting:
            sold = self._free.popleft().sell(self._waiting.popleft())
            assert sold, "frames for every customer were made before"
            self._under_way += 1
            self._all_served.clear()

    def answered(self, line: Line) -> None:
        """One sale less under way, and one terminal more that is free."""
        self._under_way -= 1
        self._free.append(line)
        self._serve()
        if not self._under_way:
            self._all_served.set()


async def measured(
    pattern: ClosedLoop | AtRate, port: int, tills: Sequence[Till], frames: Sequence[Iterable[bytes]]
) -> Pass:
    """Connect every terminal, run a pass with its frames, and disconnect."""
    lines = [await _connected(Line(till, own, pattern.answered), port) for till, own in zip(tills, frames, strict=True)]
    began, cpu = time.perf_counter(), time.process_time()
    await pattern.run(lines)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    latencies = sorted(latency for line in lines for latency in line.latencies_s)
    return Pass(len(latencies), sum(line.approved for line in lines), seconds, cpu_s, latencies)


async def _connected(line: Line, port: int) -> Line:
    await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", port)
    return line
