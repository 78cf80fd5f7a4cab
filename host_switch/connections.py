"""Terminals' TCP connections: bytes in, decoded frames out, and patience with a limit.

A connection is closed, with one line in the log and never a traceback, when its bytes cannot be a frame from a
terminal, when it dawdles over a frame, or when it says nothing at all. What can be answered is answered.
"""

import asyncio
import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from host_switch.events import FrameReceived
from host_switch.frames import decoded
from iso8583 import Iso8583Error
from iso8583.framing import FrameBuffer, with_length

_log = structlog.get_logger("host_switch.listener")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the host one connection, and all together, may take. Times in seconds.

    `first_frame_s` is how long a new connection may say nothing, `frame_s` how long one frame may take from its first
    byte to its last, `idle_s` how long a terminal that has spoken may be silent. `under_way_max` frames of a connection
    may wait for their decision; then its bytes are left in the network.
    """

    connections_max: int = 4096
    first_frame_s: float = 30.0
    frame_s: float = 10.0
    idle_s: float = 600.0
    under_way_max: int = 8
    sweep_s: float = 1.0


class Connections:
    """All connections of the listener, by name. Names are never used again, not even after a restart.

    Over TLS, `certified` tells whose certificate (DER) it is; empty, if it is nobody's any more.
    """

    def __init__(
        self, limits: Limits, on_frame: Callable[[FrameReceived], None], now: Callable[[], float],
        certified: Callable[[bytes], str] = lambda _certificate: "",
    ) -> None:  # fmt: skip
        self.limits = limits
        self.certified = certified
        self._on_frame = on_frame
        self._now = now
        self._open: dict[str, Connection] = {}
        self._run = secrets.token_hex(4)
        self._count = 0

    def accept(self) -> "Connection":
        """Make the protocol of a new connection (asyncio's protocol factory)."""
        self._count += 1
        return Connection(f"{self._run}-{self._count}", self, self._on_frame, self._now)

    def opened(self, connection: "Connection") -> bool:
        """Take a connection in, unless there are too many."""
        if len(self._open) >= self.limits.connections_max:
            return False
        self._open[connection.name] = connection
        return True

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""
        self._open.pop(connection.name, None)

    def send(self, name: str, frame: bytes) -> None:
        """Send a frame on a connection; if it is closed, the frame is dropped and the terminal will ask again."""
        connection = self._open.get(name)
        if connection is not None:
            connection.send(frame)

    def decided(self, name: str) -> None:
        """Note that one frame of a connection has been decided, which makes room for another."""
        connection = self._open.get(name)
        if connection is not None:
            connection.decided()

    def close(self, name: str, reason: str) -> None:
        """Close a connection and say why."""
        connection = self._open.get(name)
        if connection is not None:
            connection.refuse(reason)

    def sweep(self) -> None:
        """Close whoever has used up our patience."""
        for connection, reason in list(self._impatient(self._now())):
            connection.refuse(reason)

    def _impatient(self, now: float) -> Iterator[tuple["Connection", str]]:
        for connection in self._open.values():
            reason = connection.overdue(now)
            if reason:
                yield connection, reason

    def close_all(self) -> None:
        """Close everything, because the listener stops."""
        for connection in list(self._open.values()):
            connection.abort()


class Connection(asyncio.Protocol):
    """One terminal's connection."""

    def __init__(
        self, name: str, owner: Connections, on_frame: Callable[[FrameReceived], None], now: Callable[[], float]
    ) -> None:
        self.name = name
        self._owner = owner
        self._limits = owner.limits
        self._on_frame = on_frame
        self._now = now
        self._buffer = FrameBuffer()
        self._spoken = False
        self._since = now()
        self._under_way = 0
        self._answers_pile_up = False
        self._reading = True
        self._peer = ""
        self._certified = ""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once if there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = str(transport.get_extra_info("peername"))
        if not self._owner.opened(self):
            self.refuse("too many connections")
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._identify(tls)

    def _identify(self, tls: ssl.SSLObject) -> None:
        """Take the terminal's name from its certificate, which our authority has signed, if it is the newest of it."""
        certificate = tls.getpeercert(binary_form=True) or b""
        self._certified = self._owner.certified(certificate)
        if not self._certified:
            self.refuse("a certificate that was replaced or taken away")

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget it; what is under way will be decided, and its answers dropped."""
        self._owner.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take what came; the patience for a frame begins with its first byte."""
        if not self._buffer.pending:
            self._since = self._now()
        self._buffer.receive(data)
        self._take_frames()

    def _take_frames(self) -> None:
        """Cut frames out of the stream as long as there is room for them; the rest waits, here and in the network."""
        try:
            while self._has_room() and (frame := self._buffer.next_frame()) is not None:
                self._since = self._now()
                self._spoken = True
                self._under_way += 1
                self._on_frame(decoded(self.name, frame, self._certified))
        except Iso8583Error as error:
            self.refuse(str(error))
        self._read(self._has_room())

    def _read(self, reading: bool) -> None:
        """Read on, or leave what comes in the network."""
        if reading != self._reading:
            self._reading = reading
            (self._transport.resume_reading if reading else self._transport.pause_reading)()

    def _has_room(self) -> bool:
        return self._under_way < self._limits.under_way_max and not self._answers_pile_up

    def decided(self) -> None:
        """One frame less under way."""
        self._under_way -= 1
        if not self._reading:
            self._take_frames()

    def pause_writing(self) -> None:
        """Whoever does not read its answers is not read either."""
        self._answers_pile_up = True
        self._read(False)

    def resume_writing(self) -> None:
        """It reads its answers again."""
        self._answers_pile_up = False
        self._take_frames()

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self._transport.write(with_length(frame))

    def overdue(self, now: float) -> str:
        """Why our patience with it is used up, "" if it is not."""
        waited_s = now - self._since
        if self._under_way:
            return ""
        if self._buffer.pending:
            return "slow sender" if waited_s > self._limits.frame_s else ""
        if not self._spoken:
            return "said nothing" if waited_s > self._limits.first_frame_s else ""
        return "idle" if waited_s > self._limits.idle_s else ""

    def refuse(self, reason: str) -> None:
        """Close it, with one line in the log."""
        if not self._transport.is_closing():
            _log.warning("connection closed", peer=self._peer, reason=reason)
            self.abort()

    def abort(self) -> None:
        """Close it now; what is in its buffers is dropped."""
        self._transport.abort()
