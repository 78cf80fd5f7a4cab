"""A contact reader whose cards are programs: the reader's side of vsmartcard's vpcd protocol, on loopback.

A card puts itself in by connecting, and is out when the connection ends; while one is in, others are turned away.
Frames both ways: length (2 bytes, big endian), data. To the card, data of one byte is a control: 0 off, 1 on, 2 reset,
4 answer-to-reset wanted, of which only the last is answered; anything longer is a command APDU.

A card that does not answer in time is thrown out, so that it cannot hang the counter; one whose answer to reset is none
stays in until somebody takes it. Reasons in `CardGone`:
``card_removed``, ``card_mute``. Reasons in `health`: ``card_mute`` until a card answers again, ``reader_closed``.
"""

import asyncio
from collections import deque

from terminal.devices import CardGone, CardMute, DeviceHealth

ON, RESET, ANSWER_TO_RESET = b"\x01", b"\x02", b"\x04"
_FIRST_CHARACTERS = (0x3B, 0x3F)
"""How every answer to reset begins (ISO/IEC 7816-3 §8.1): direct or inverse convention."""

ANSWER_TIMEOUT_S = 5.0
"""A chip that needs longer for a command asks for more time at the electrical level, which is not ours to see."""


class VpcdCardReader:
    """A `CardReader` for virtual cards. Make it with `listen`."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._server: asyncio.Server | None = None
        self._card: _Card | None = None
        self._read: _Card | None = None  # only to this one commands go: the next card must not end its sale
        self._inserted = asyncio.Event()
        self._fault = ""

    @classmethod
    async def listen(
        cls, port: int = 0, *, host: str = "127.0.0.1", answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> "VpcdCardReader":
        """Open the slot; port 0 takes a free one, see `port`. Raises OSError if the port is taken."""
        reader = cls(answer_timeout_s)
        loop = asyncio.get_running_loop()
        reader._server = await loop.create_server(lambda: _Card(reader), host, port)
        return reader

    @property
    def port(self) -> int:
        """Where cards connect to."""
        assert self._server is not None, "made by listen"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def wait_for_card(self) -> bytes:
        """Return the answer to reset of the card that is, or will be, in the reader; raise CardMute if it has none."""
        while True:
            await self._inserted.wait()
            card = self._card
            assert card is not None, "the slot is not empty while a card is in"
            card.send(ON)
            card.send(RESET)
            try:
                answer_to_reset = await self._ask(card, ANSWER_TO_RESET)
            except CardGone as error:
                await card.gone.wait()
                if error.reason == "card_mute":
                    raise CardMute("card_mute") from error
                continue
            if len(answer_to_reset) < 2 or answer_to_reset[0] not in _FIRST_CHARACTERS:
                self._fault = "card_mute"
                raise CardMute("card_mute")
            self._read = card
            return answer_to_reset

    async def transmit(self, apdu: bytes) -> bytes:
        """Send a command APDU, return the response APDU; raise CardGone if there is no card or it does not answer."""
        assert len(apdu) >= 4, "a command has at least its header"
        if self._card is None or self._card is not self._read:
            raise CardGone("card_removed")
        return await self._ask(self._card, apdu)

    async def wait_for_removal(self) -> None:
        """Return when the card that is in the reader, if any, is out."""
        if self._card is not None:
            await self._card.gone.wait()

    def health(self) -> DeviceHealth:
        """Say whether cards can be put in, and whether the last one answered."""
        return DeviceHealth("attention", self._fault) if self._fault else DeviceHealth("ready")

    async def close(self) -> None:
        """Stop listening and let the card go."""
        self._fault = "reader_closed"
        if self._server is not None:
            self._server.close()
        if self._card is not None:
            self._card.throw_out("card_removed")
        await self.wait_for_removal()

    async def _ask(self, card: "_Card", data: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                answer = await card.ask(data)
        except TimeoutError:
            self._fault = "card_mute"
            card.throw_out("card_mute")
            raise CardGone("card_mute") from None
        self._fault = ""
        return answer

    def _insert(self, card: "_Card") -> None:
        if self._card is not None or self._fault == "reader_closed":
            card.throw_out("card_removed")
            return
        self._card = card
        self._inserted.set()

    def _remove(self, card: "_Card") -> None:
        if self._card is card:
            self._card = None
            self._inserted.clear()


class _Card(asyncio.Protocol):
    """One connection: frames in and out, answers in the order of the questions. `gone` is set when it has ended."""

    def __init__(self, reader: VpcdCardReader) -> None:
        self.gone = asyncio.Event()
        self._reader = reader
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._asked: deque[asyncio.Future[bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP gives a stream"
        self._transport = transport
        self._reader._insert(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 2:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                return
            answer = bytes(self._received[2:end])
            del self._received[:end]
            self._deliver(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended makes no difference
        self._transport = None
        self._fail("card_removed")
        self._reader._remove(self)
        self.gone.set()

    def send(self, data: bytes) -> None:
        """Send a frame that is not answered."""
        if self._transport is not None:
            self._transport.write(len(data).to_bytes(2, "big") + data)

    async def ask(self, data: bytes) -> bytes:
        """Send a frame and wait for its answer. An answer to a question that was given up is dropped when it comes."""
        if self._transport is None:
            raise CardGone("card_removed")
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self.send(data)
        return await answer

    def throw_out(self, reason: str) -> None:
        """End the connection at once."""
        self._fail(reason)
        if self._transport is not None:
            self._transport.abort()

    def _deliver(self, answer: bytes) -> None:
        if not self._asked:  # a card that speaks unasked: its words could be taken for the answer to the next question
            self.throw_out("card_removed")
            return
        asked = self._asked.popleft()
        if not asked.done():
            asked.set_result(answer)

    def _fail(self, reason: str) -> None:
        while self._asked:
            asked = self._asked.popleft()
            if not asked.done():
                asked.set_exception(CardGone(reason))
