"""The UnionPay POS frame and its MAC.

A frame is TPDU, six-byte header and message, behind a two-byte length when it travels (`iso8583.framing`). The answer
goes back with the two addresses of the TPDU swapped; in its header the host may put a command for the terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from iso8583.dialect import Dialect
from iso8583.dialects import load_dialect
from iso8583.errors import Iso8583Error
from iso8583.message import Message
from iso8583.security import equal_macs, unionpay_mac
from iso8583.unionpay_fields.field48 import Detail48, Details48, Totals, Totals48
from iso8583.unionpay_fields.field53 import security53
from iso8583.unionpay_fields.field54 import Balance54
from iso8583.unionpay_fields.field59 import Data59, TerminalIdentity59
from iso8583.unionpay_fields.field60 import Block60, Original61
from iso8583.unionpay_fields.field62 import WorkingKeys62

__all__ = [
    "Balance54",
    "Block60",
    "Data59",
    "Detail48",
    "Details48",
    "Frame",
    "Original61",
    "TerminalIdentity59",
    "Totals",
    "Totals48",
    "WorkingKeys62",
    "mac_state",
    "security53",
    "split_frame",
    "with_mac",
]

DIALECT: Final = "unionpay_pos"
TPDU_BYTES: Final = 5
HEADER_BYTES: Final = 6
HEAD_BYTES: Final = TPDU_BYTES + HEADER_BYTES
MAC_BYTES: Final = 8
MAC_PLACEHOLDER: Final = bytes(MAC_BYTES)

MacState = Literal["good", "bad", "absent"]
MacAlgorithm = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message with its addresses and header.

    Attributes:
        tpdu: ten digits: 60, destination (4), source (4).
        header: twelve digits: application class, software version, terminal state, host command, sub-version.
        message: the message.
    """

    tpdu: str
    header: str
    message: Message

    @classmethod
    def parse(cls, data: bytes) -> Frame:
        """The frame in `data`, which starts with the TPDU: the two length bytes are not part of it.

        Raises:
            Iso8583Error: offsets count from the TPDU. To answer a frame whose message is broken, take `split_frame`
                and the error's `partial`.
        """
        tpdu, header, message = split_frame(data)
        try:
            return cls(tpdu, header, _dialect().decode(message))
        except Iso8583Error as error:
            raise error.moved(HEAD_BYTES) from None

    def to_bytes(self, mac_key: bytes | None = None, algorithm: MacAlgorithm = unionpay_mac) -> bytes:
        """The frame on the wire, without the length.

        Args:
            mac_key: with it, field 64 is made in passing, as `with_mac` does but encoding only once.
            algorithm: as in `with_mac`.

        Raises:
            Iso8583Error: a field, the TPDU or the header breaks the rules.
        """
        head = _packed(self.tpdu, TPDU_BYTES, "TPDU", 0) + _packed(self.header, HEADER_BYTES, "header", TPDU_BYTES)
        if mac_key is None:
            return head + _dialect().encode(self.message)
        body = _without_mac(self.message)
        return head + body + algorithm(mac_key, body)

    @property
    def command(self) -> str:
        """The host's command to the terminal, digit 6 of the header.

        0 none, 1 download parameters, 2 upload status, 3 sign on again, 4 download CA keys, 5 download IC parameters,
        6 update software, 7 download the black list.
        """
        return self.header[5]

    def reply(self, message: Message, command: str = "0") -> Frame:
        """`message` on its way back: addresses swapped, header kept but for the `command`."""
        tpdu = self.tpdu[:2] + self.tpdu[6:] + self.tpdu[2:6]
        return replace(self, tpdu=tpdu, header=self.header[:5] + command + self.header[6:], message=message)


def split_frame(data: bytes) -> tuple[str, str, bytes]:
    """TPDU, header and the bytes from the MTI on. Raises Iso8583Error if the first eleven bytes are no frame's head."""
    return (
        _digits(data[:TPDU_BYTES], TPDU_BYTES, "TPDU", 0),
        _digits(data[TPDU_BYTES:HEAD_BYTES], HEADER_BYTES, "header", TPDU_BYTES),
        bytes(data[HEAD_BYTES:]),
    )


def _digits(chunk: bytes, width: int, part: str, at: int) -> str:
    digits = chunk.hex()
    if len(chunk) < width:
        raise Iso8583Error(part, at, f"needed {width} bytes, {len(chunk)} are left")
    if not digits.isdigit() or (part == "TPDU" and not digits.startswith("60")):
        needed = "60 and 8 digits" if part == "TPDU" else f"{2 * width} digits"
        raise Iso8583Error(part, at, f"needed {needed}, there is something else")
    return digits


def _packed(digits: str, width: int, part: str, at: int) -> bytes:
    if len(digits) != 2 * width or not (digits.isascii() and digits.isdigit()):
        raise Iso8583Error(part, at, f"needed {2 * width} digits, there are {len(digits)} characters")
    packed = bytes.fromhex(digits)
    _digits(packed, width, part, at)
    return packed


def with_mac(message: Message, mac_key: bytes, algorithm: MacAlgorithm = unionpay_mac) -> Message:
    """`message` with field 64: the MAC over MTI to field 63, bit 64 already set (Q/CUP 006).

    Args:
        message: any field 64 in it is replaced.
        mac_key: 8 bytes (DES) or 16 (3DES); for `sm4_mac` 16.
        algorithm: `unionpay_mac`, or `sm4_mac` for terminals with SM4 keys.
    """
    return message.with_({64: algorithm(mac_key, _without_mac(message))})


def _without_mac(message: Message) -> bytes:
    return _dialect().encode(message.with_({64: MAC_PLACEHOLDER}))[:-MAC_BYTES]


def mac_state(data: bytes, message: Message, mac_key: bytes, algorithm: MacAlgorithm = unionpay_mac) -> MacState:
    """Whether the MAC of a received message is right.

    Args:
        data: the message as received, from the MTI on.
        message: the same, decoded.
        mac_key: the terminal's MAC key in clear.
        algorithm: as in `with_mac`.
    """
    if 64 not in message:
        return "absent"
    expected = algorithm(mac_key, data[:-MAC_BYTES])
    return "good" if equal_macs(expected, data[-MAC_BYTES:]) else "bad"


def _dialect() -> Dialect:
    return load_dialect(DIALECT)
