"""The line to the host: one TCP connection, kept up; frames out, decoded messages in.

Shell code: it connects, reads, checks the MAC and reports. What a message means is decided by the cores.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from firmware_config.profile import HostEndpoint, TerminalProfile
from iso8583 import Iso8583Error, Message
from iso8583.framing import FrameBuffer, with_length
from iso8583.unionpay import HEAD_BYTES, Frame
from terminal.events import Event, Line, LinkLost, LinkUp, Received
from terminal.vault import Vault

if TYPE_CHECKING:
    from terminal.courier import Courier

READ_BYTES = 4096
RECONNECT_S = (0.2, 0.5, 1.0)
"""Pauses between attempts: with what an attempt takes they bound how late it is noticed that a line is back."""
UNSENT_BYTES_MAX = 64 * 1024

log = structlog.get_logger()


class HostLink:
    """Keeps one connection to the host, and makes it again when it is lost. Without `tls` it is plain TCP.

    `failures`: how many times in a row there was no answer.
    """

    def __init__(
        self, endpoint: HostEndpoint, vault: Vault, report: Callable[[Event], None], tls: ssl.SSLContext | None = None
    ) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._vault = vault
        self._report = report
        self._writer: asyncio.StreamWriter | None = None
        self.failures = 0

    async def run(self) -> None:
        """Connect, listen, and connect again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._endpoint.connect_timeout_s):
                    reader, writer = await asyncio.open_connection(
                        self._endpoint.address, self._endpoint.port, ssl=self._tls
                    )
            except (OSError, TimeoutError) as error:
                if isinstance(error, ssl.SSLError):
                    log.warning("host_not_trusted", reason=getattr(error, "verify_message", error.reason))
                self._report(LinkLost(_reason_of(error)))
                await self._pause()
                continue
            await self._converse(reader, writer)
            await self._pause()

    def send(self, message: Message) -> None:
        """Write one message. Without a connection it is dropped: LinkLost has been, or will be, reported."""
        if self._writer is None or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self.reconnect()
            return
        frame = Frame(self._endpoint.tpdu, self._endpoint.header, message).to_bytes()
        self._writer.write(with_length(frame))

    def reconnect(self) -> None:
        """Drop the connection; run() makes a new one."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._report(LinkUp())
        frames, reason = FrameBuffer(), ""
        try:
            while data := await reader.read(READ_BYTES):
                frames.receive(data)
                while (frame := frames.next_frame()) is not None:
                    (received,) = received_in([frame], self._vault, "host")
                    if isinstance(received, Iso8583Error):
                        raise received
                    self._report(received)
                    self.failures = 0
                await asyncio.sleep(0)  # let what was reported be decided: a flood must not fill the queue of events
        except OSError as error:  # with TLS 1.3 a host that does not trust us says so here
            reason = _reason_of(error) if isinstance(error, ssl.SSLError) else ""
            log.info("host_link_broken", reason=error.reason if isinstance(error, ssl.SSLError) else error.strerror)
        except Iso8583Error as error:
            reason = "not_a_host"
            log.warning("host_frame_refused", field=str(error.field), offset=error.offset, reason=error.reason)
        finally:
            self._writer = None
            writer.transport.abort()
            self._report(LinkLost(reason))

    async def _pause(self) -> None:
        pause_s = RECONNECT_S[min(self.failures, len(RECONNECT_S) - 1)]
        self.failures += 1
        await asyncio.sleep(pause_s)


def _reason_of(error: OSError) -> str:
    """Why there is no connection, as far as a technician is helped by it: a key of the page's catalogue."""
    if isinstance(error, ssl.SSLError):
        return "not_trusted"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, socket.gaierror):
        return "no_address"
    return "unreachable"


def courier_of(
    profile: TerminalProfile, vault: Vault, report: Callable[[Event], None], tls: ssl.SSLContext | None,
    offer_delta: Callable[[bytes], None] | None = None,
) -> "Courier | None":
    """The way through a broker, where the profile names one; its client is loaded only then."""
    if not profile.courier.address:
        return None
    from terminal.courier import Courier  # noqa: PLC0415

    return Courier(profile, vault, report, tls if profile.courier.tls else None, offer_delta)


def received_in(frames: Sequence[bytes], vault: Vault, line: Line) -> list[Received | Iso8583Error]:
    """The events that frames (without their lengths) are, their MACs checked; in place of one that is none, why."""
    parsed = [_parsed(data) for data in frames]
    good = [(data, frame) for data, frame in zip(frames, parsed, strict=True) if isinstance(frame, Frame)]
    states = iter(vault.mac_states([(data[HEAD_BYTES:], frame.message) for data, frame in good]))
    return [
        Received(frame.message, next(states), frame.command, line) if isinstance(frame, Frame) else frame
        for frame in parsed
    ]


def _parsed(data: bytes) -> Frame | Iso8583Error:
    try:
        return Frame.parse(data)
    except Iso8583Error as error:
        return error
