"""The issuer of the host benchmark: it checks every MAC, approves everything, signs every answer, and keeps nothing.

The simulated bank keeps accounts on disk and checks PINs and cryptograms; beside it the host would look better than it
is, because both rows of the benchmark wait for the issuer. This one speaks the same dialect with the same MAC, and has
nothing in common with the host but the public codec: a bank would not run its acquirer's code.
"""

import asyncio
from collections.abc import Callable

from iso8583 import Message, load_dialect
from iso8583.framing import FrameBuffer, with_length
from iso8583.message import response_mti
from iso8583.security import equal_macs, retail_mac
from simulators.issuer import INSTITUTION, ZONE_MAC_KEY

_ECHOED = (3, 4, 7, 11, 37, 41, 42, 49)
_MAC_CHARACTERS = 16
_dialect = load_dialect("iso87_ascii")


class WrongMac(Exception):
    """A request that nobody should answer."""


def answer_to(request: bytes) -> bytes:
    """Approve one request. Raises WrongMac."""
    message = _dialect.decode(request)
    if not equal_macs(retail_mac(ZONE_MAC_KEY, request[:-_MAC_CHARACTERS]), message.binary(64)):
        raise WrongMac
    fields = {number: message[number] for number in _ECHOED}
    fields |= {38: message.text(37)[-6:], 39: "00", 44: INSTITUTION, 64: bytes(8)}
    body = _dialect.encode(Message(response_mti(message.mti), fields))[:-_MAC_CHARACTERS]
    return body + retail_mac(ZONE_MAC_KEY, body).hex().upper().encode("ascii")


class _Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = FrameBuffer()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer all that has come in one piece."""
        self._buffer.receive(data)
        answers = []
        while (frame := self._buffer.next_frame()) is not None:
            answers.append(with_length(answer_to(frame)))
        self._transport.write(b"".join(answers))


async def serve(on_ready: Callable[[int], None]) -> None:
    """Answer until cancelled; `on_ready` is told the port."""
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    on_ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()
