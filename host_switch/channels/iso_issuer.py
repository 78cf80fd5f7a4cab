"""The channel to an issuer that speaks ISO 8583:1987 in ASCII (dialect ``iso87_ascii``) over one TCP connection.

Every message has a two-byte length in front and a retail MAC (ISO 9797-1 algorithm 3, under the zone MAC key, padding
1) over all that stands before it in field 64. Many calls are under way at once: field 37 is our reference, field 11
its last six digits, and an answer belongs to the call that carries both. In field 48, parts of tag, length and value:
``A3`` the customer's payment code, ``A4`` the number under which the wallet keeps the payment, ``OR`` the reference of
the sale that a void or refund belongs to. A reversal has the reference of what it reverses.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

import structlog

from host_switch.channels import ChannelAnswer, ChannelCall
from host_switch.ciphers import zone_mac
from host_switch.keys import ZoneKeys
from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.framing import FrameBuffer, with_length
from iso8583.security import equal_macs
from iso8583.tlv import build_text_tlv, parse_text_tlv
from iso8583.transactions import TYPES

MAC_CHARACTERS = 16  # eight bytes in hexadecimal
RECONNECT_FIRST_S = 0.1
RECONNECT_LAST_S = 5.0
PAYMENT_CODE, VOUCHER, ORIGINAL = "A3", "A4", "OR"

_dialect = load_dialect("iso87_ascii")
_log = structlog.get_logger("host_switch.issuer")


class ChannelFault(Exception):
    """A message on the channel that cannot be trusted or understood; the text says why."""


# --- the wire, pure ---------------------------------------------------------------------------------------------------


def protect(message: Message, mac_key: bytes) -> bytes:
    """Encode a message with its MAC in field 64."""
    body = _dialect.encode(message.with_({64: bytes(8)}))[:-MAC_CHARACTERS]
    return body + zone_mac(mac_key, body).hex().upper().encode("ascii")


def verified(data: bytes, mac_key: bytes) -> Message:
    """Decode a message whose MAC is good.

    Raises:
        ChannelFault: no MAC, a wrong one, or not a message of the dialect.
    """
    try:
        message = _dialect.decode(data)
    except Iso8583Error as error:
        raise ChannelFault(str(error)) from None
    if 64 not in message or not equal_macs(zone_mac(mac_key, data[:-MAC_CHARACTERS]), message.binary(64)):
        raise ChannelFault("the MAC is missing or wrong")
    return message


def call_message(call: ChannelCall) -> Message:
    """Word a call as a request (without its MAC)."""
    rules = TYPES[call.kind]
    fields: dict[int, str | bytes] = {
        2: call.pan, 3: rules.processing_code, 4: f"{call.amount:012d}", 7: _transmission_time(int(call.at)),
        11: call.reference[-6:], 14: call.expiry, 22: call.entry_mode, 23: call.sequence, 25: rules.condition_code,
        35: call.track2, 37: call.reference, 38: call.auth_code, 39: call.reason, 41: call.terminal, 42: call.merchant,
        48: _private(call), 49: call.currency, 52: call.pin_block, 55: call.chip_data,
    }  # fmt: skip
    return Message(_mti(rules.mti, call), {number: value for number, value in fields.items() if value})


def _mti(mti: str, call: ChannelCall) -> str:
    base = "040" if call.reverse else mti[:3]
    return base + ("1" if call.repeat else "0")


@lru_cache(maxsize=8)
def _transmission_time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%m%d%H%M%S")


def _private(call: ChannelCall) -> str:
    parts = {PAYMENT_CODE: call.code, ORIGINAL: call.original}
    return build_text_tlv({tag: value for tag, value in parts.items() if value}, 48)


def answer_of(message: Message) -> ChannelAnswer:
    """Read an answer.

    Raises:
        ChannelFault: it is no answer, or lacks what an answer must have.
    """
    try:
        if message.mti not in {"0210", "0230", "0410"} or message[11] != message.text(37)[-6:]:
            raise ChannelFault("not an answer to a call")
        return ChannelAnswer(
            reference=message.text(37), terminal=message.text(41), code=message.text(39),
            reverse=message.mti == "0410", amount=int(message.text(4)), auth_code=message.text(38, ""),
            issuer=message.text(44, ""), balances=message.text(54, ""), chip_data=message.binary(55, b""),
            voucher=parse_text_tlv(message.text(48, ""), 48).get(VOUCHER, ""),
        )  # fmt: skip
    except KeyError as error:
        raise ChannelFault(f"field {error} is missing") from None
    except Iso8583Error as error:
        raise ChannelFault(str(error)) from None


# --- the connection ---------------------------------------------------------------------------------------------------


class IsoIssuer:
    """The connection to one issuer. It is kept open, and made again with growing pauses when it breaks.

    `on_answer` gets every authentic answer, `on_unavailable` every call made while there is no connection (or no room
    in it), `on_connected` is told each time the issuer can be reached (again). A call that was written and not answered
    is reported by nobody: it is unknown, and the switch's timers deal with it.
    """

    def __init__(
        self,
        keys: ZoneKeys,
        on_answer: Callable[[ChannelAnswer], None],
        on_unavailable: Callable[[ChannelCall], None],
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._keys = keys
        self._on_answer = on_answer
        self._on_unavailable = on_unavailable
        self._on_connected = on_connected
        self._link: _Link | None = None
        self._outgoing: list[bytes] = []
        self._keeper: asyncio.Task[None] | None = None

    def connect(self, host: str, port: int) -> None:
        """Start to keep a connection to the issuer."""
        self._keeper = asyncio.create_task(self._keep_connected(host, port))

    async def _keep_connected(self, host: str, port: int) -> None:
        while True:
            self._link = await self._connected(host, port)
            _log.info("issuer connected", issuer=f"{host}:{port}")
            self._on_connected()
            await self._link.lost
            self._link = None
            _log.warning("issuer connection lost", issuer=f"{host}:{port}")

    async def _connected(self, host: str, port: int) -> "_Link":
        """Try until it works; the log hears of the first failure only."""
        loop = asyncio.get_running_loop()
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                _, link = await loop.create_connection(lambda: _Link(self._received), host, port)
            except OSError as error:
                if pause_s == RECONNECT_FIRST_S:
                    _log.warning("issuer cannot be reached", issuer=f"{host}:{port}", reason=error.strerror)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RECONNECT_LAST_S)
            else:
                return link

    def call(self, call: ChannelCall) -> None:
        """Send the call, or report it as never having left."""
        if self._link is None or self._link.full:
            self._on_unavailable(call)
            return
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write)
        self._outgoing.append(with_length(protect(call_message(call), self._keys.mac_key)))

    def _write(self) -> None:
        """Write everything called in this turn of the loop at once: one system call instead of many."""
        data, self._outgoing = b"".join(self._outgoing), []
        if self._link is not None:
            self._link.transport.write(data)

    def _received(self, frame: bytes) -> None:
        try:
            answer = answer_of(verified(frame, self._keys.mac_key))
        except ChannelFault as error:
            _log.warning("issuer's message not used", reason=str(error))
            return
        self._on_answer(answer)

    async def close(self) -> None:
        """Let go of the connection. Calls without an answer stay so."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._link is not None:
            self._link.transport.abort()
            self._link = None


class _Link(asyncio.Protocol):
    """One TCP connection: frames in, whether there is room to write, and a future that ends with it."""

    def __init__(self, on_frame: Callable[[bytes], None]) -> None:
        self._on_frame = on_frame
        self._buffer = FrameBuffer()
        self.full = False
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer.receive(data)
        try:
            while (frame := self._buffer.next_frame()) is not None:
                self._on_frame(frame)
        except Iso8583Error as error:
            _log.warning("issuer's connection closed", reason=str(error))
            self.transport.abort()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
