"""What travels in front of a message: a length, and a head of a TPDU, a header, or both.

Networks agree on none of it, so all is by name: `LENGTHS` says how a length is written, `HEADS` how long a head is and
how to know one. An `Envelope` puts it around a message again, byte for byte as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from iso8583.errors import Iso8583Error

MESSAGE_MAX: Final = 0xFFFF  # bytes, head included: what two bytes of length can say
TPDU_BYTES: Final = 5
SWITCH_HEADER_BYTES: Final = 46


@dataclass(frozen=True, slots=True)
class LengthForm:
    """How a length is written.

    Attributes:
        width: bytes it takes.
        read: the number those bytes say, None if they say none.
        write: the bytes for a number.
        inclusive: it counts itself.
        words: what it is, in Chinese and English.
    """

    width: int
    read: Callable[[bytes], int | None]
    write: Callable[[int], bytes]
    words: tuple[str, str]
    inclusive: bool = False

    @property
    def extra(self) -> int:
        """What it counts beside the message."""
        return self.width if self.inclusive else 0


def _decimal(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


LENGTHS: Final[Mapping[str, LengthForm]] = {
    "2-byte": LengthForm(
        2, lambda raw: int.from_bytes(raw, "big"), lambda count: count.to_bytes(2, "big"),
        ("两字节长度", "2-byte length"),
    ),
    "2-byte-inclusive": LengthForm(
        2, lambda raw: int.from_bytes(raw, "big"), lambda count: count.to_bytes(2, "big"),
        ("两字节长度(含自身)", "2-byte length that counts itself"), inclusive=True,
    ),
    "2-byte-little": LengthForm(
        2, lambda raw: int.from_bytes(raw, "little"), lambda count: count.to_bytes(2, "little"),
        ("两字节长度(低位在前)", "2-byte length, low byte first"),
    ),
    "4-digit": LengthForm(
        4, lambda raw: _decimal(raw.decode("latin-1")), lambda count: b"%04d" % count,
        ("四位数字长度", "length of 4 ASCII digits"),
    ),
    "2-byte-bcd": LengthForm(
        2, lambda raw: _decimal(raw.hex()), lambda count: bytes.fromhex(f"{count:04d}"),
        ("两字节 BCD 长度", "2-byte BCD length"),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeadForm:
    """How long a head is, how to know one, and what it is in Chinese and English."""

    size: int
    fits: Callable[[bytes], bool]
    words: tuple[str, str]


def _is_tpdu(data: bytes) -> bool:
    return data[:1] == b"\x60" and data[:TPDU_BYTES].hex().isdigit()


def _is_tpdu_and_header(data: bytes) -> bool:
    return _is_tpdu(data) and data[:11].hex().isdigit()


def _is_switch_header(data: bytes) -> bool:
    """It begins with its own size, and says the length of the whole (`iso8583.unionpay_switch`)."""
    return data[:1] == bytes([SWITCH_HEADER_BYTES]) and _decimal(data[2:6].decode("latin-1")) == len(data)


HEADS: Final[Mapping[str, HeadForm]] = {
    "tpdu+header": HeadForm(11, _is_tpdu_and_header, ("TPDU 和报文头", "TPDU and header")),
    "tpdu": HeadForm(TPDU_BYTES, _is_tpdu, ("TPDU", "TPDU")),
    "switch": HeadForm(SWITCH_HEADER_BYTES, _is_switch_header, ("46 字节报文头", "46-byte header")),
    "none": HeadForm(0, lambda _data: True, ("", "")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around one message.

    Attributes:
        length: a key of `LENGTHS`, or "none".
        kind: a key of `HEADS`, or "other" for a head of which only the size is known.
        head: the bytes between length and MTI.
    """

    length: str = "none"
    kind: str = "none"
    head: bytes = b""

    def around(self, message: bytes) -> bytes:
        """`message` with the head and the length in front.

        Raises:
            Iso8583Error: it is too long for the length.
        """
        framed = self._head_for(message) + message
        if self.length == "none":
            return framed
        form = LENGTHS[self.length]
        count = len(framed) + form.extra
        limit = MESSAGE_MAX if form.width == 2 and self.length != "2-byte-bcd" else 9999
        if count > limit:
            raise Iso8583Error("length", 0, f"needed at most {limit} bytes, there are {count}")
        return form.write(count) + framed

    def _head_for(self, message: bytes) -> bytes:
        """The head; that of the switch says how long the whole is, and must go on doing so."""
        if self.kind != "switch":
            return self.head
        return self.head[:2] + b"%04d" % (len(self.head) + len(message)) + self.head[6:]

    @property
    def tpdu(self) -> str:
        """The TPDU, ten digits; empty if there is none."""
        return self.head[:TPDU_BYTES].hex() if self.kind.startswith("tpdu") else ""

    @property
    def header(self) -> str:
        """What follows the TPDU, in hexadecimal."""
        return self.head[TPDU_BYTES if self.tpdu else 0 :].hex().upper()


def cut(data: bytes, length: str) -> tuple[list[tuple[int, int, int]], int]:
    """Cut a stream by its lengths.

    Returns:
        (where it begins, where its head begins, where it ends) for each message that is all there, and how many bytes
        are left over behind the last one, because they are an impossible length or less than that says.
    """
    if length == "none":
        return ([(0, 0, len(data))], 0) if len(data) <= MESSAGE_MAX else ([], len(data))
    form = LENGTHS[length]
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(data):
        count = form.read(data[at : at + form.width])
        end = at + form.width - form.extra + (count or 0)
        if count is None or count <= form.extra or end > len(data):
            break
        found.append((at, at + form.width, end))
        at = end
    return found, len(data) - at


def lacks(data: bytes, length: str) -> int:
    """How many bytes the first message lacks, by what its length says; 0 if it is all there, or its length is none."""
    if length == "none" or len(data) <= LENGTHS[length].width:
        return 0
    form = LENGTHS[length]
    count = form.read(data[: form.width]) or 0
    return max(form.width - form.extra + count - len(data), 0)
