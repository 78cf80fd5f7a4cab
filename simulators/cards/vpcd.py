"""A card's way into a reader that listens: vsmartcard's vpcd protocol, the card being the TCP client.

Frames both ways: length (2 bytes, big endian), data. From the reader, data of one byte is a control: 0 off, 1 on, 2
reset, 4 answer-to-reset wanted, of which only the last is answered; anything longer is a command APDU, answered with
the response APDU.
"""

import asyncio
import contextlib
import socket
from typing import Protocol

from simulators.cards.card import PulledOutError, SilentError

ANSWER_TO_RESET = b"\x04"


class AnyCard(Protocol):
    """What can be put into a reader."""

    @property
    def answer_to_reset(self) -> bytes:
        """What the card says when it is switched on."""

    def reset(self) -> None:
        """Begin anew, as the reader has switched the card on or off."""

    def process(self, apdu: bytes) -> bytes | None:
        """Answer a command; None from a card that never does. PulledOutError takes it out."""


class InsertedCard:
    """A card that is in a reader until `remove`, or until it is pulled out or the reader lets it go."""

    def __init__(
        self, card: AnyCard, answer_to_reset: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.card = card
        self._answer_to_reset = answer_to_reset
        self._reader = reader
        self._writer = writer
        self._serving = asyncio.create_task(self._serve())

    @classmethod
    async def insert(
        cls, card: AnyCard, port: int, host: str = "127.0.0.1", answer_to_reset: bytes = b""
    ) -> "InsertedCard":
        """Put a card into the reader that listens there; raise OSError if none does.

        answer_to_reset: instead of the card's own.
        """
        reader, writer = await asyncio.open_connection(host, port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(card, answer_to_reset or card.answer_to_reset, reader, writer)

    async def remove(self) -> None:
        """Take the card out."""
        self._writer.close()
        await self.wait_until_out()

    async def wait_until_out(self) -> None:
        """Return when the card is no longer in the reader."""
        await asyncio.shield(self._serving)

    async def _serve(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, PulledOutError):
            while True:
                answer = self._answer(await self._receive())
                if answer is not None:
                    self._writer.write(len(answer).to_bytes(2, "big") + answer)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _receive(self) -> bytes:
        length = int.from_bytes(await self._read(2), "big")
        return await self._read(length)

    async def _read(self, count: int) -> bytes:
        # pcscd's driver sends length and data apart: unless the first is acknowledged at once, a command takes 40 ms.
        self._acknowledge_at_once()
        data = await self._reader.readexactly(count)
        self._acknowledge_at_once()
        return data

    def _acknowledge_at_once(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _answer(self, data: bytes) -> bytes | None:
        if len(data) > 1:
            try:
                return self.card.process(data)
            except SilentError:
                return None
        if data == ANSWER_TO_RESET:  # also how pcscd looks whether the card is still there: no reset
            return self._answer_to_reset
        self.card.reset()
        return None
