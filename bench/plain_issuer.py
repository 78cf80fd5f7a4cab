"""The issuer of the host benchmark: it checks every MAC, approves everything, signs every answer, and keeps nothing.

The simulated bank keeps accounts on disk and checks PINs and cryptograms; beside it the host would look better than it
is, because both rows of the benchmark wait for the issuer. This one speaks the same dialect with the same MAC.
"""

import asyncio
from collections.abc import Callable

from host_switch.channels.iso_issuer import protect, verified
from iso8583 import Message
from iso8583.framing import FrameBuffer, with_length
from iso8583.message import response_mti
from simulators.issuer import INSTITUTION, ZONE_MAC_KEY

_ECHOED = (3, 4, 7, 11, 37, 41, 42, 49)


def answer_to(request: bytes) -> bytes:
    """Approve one request. Raises ChannelFault if its MAC is not good."""
    message = verified(request, ZONE_MAC_KEY)
    echoed = {number: message[number] for number in _ECHOED}
    fields = echoed | {38: message.text(37)[-6:], 39: "00", 44: INSTITUTION}
    return protect(Message(response_mti(message.mti), fields), ZONE_MAC_KEY)


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
