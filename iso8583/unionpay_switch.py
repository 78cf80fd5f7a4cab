"""The frame between an acquirer and China UnionPay's switch: a header of 46 bytes, and the message behind it.

The header says how long it is and how long the whole frame, between which two institutions it travels, and why the
switch sent a message back, if it did. The message is of the dialect ``unionpay_switch``. Bytes that a transport puts in
front of the header are not part of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from iso8583.dialects import load_dialect
from iso8583.encodings import FieldError
from iso8583.errors import Iso8583Error
from iso8583.fields import reader, wire_width, writer
from iso8583.message import Message
from iso8583.table import Field

DIALECT: Final = "unionpay_switch"
HEADER_BYTES: Final = 46

# In the order of the wire; no part has a length in front, so each has its place.
HEADER: Final = (
    Field("header length", "b", "raw", 1, name_zh="头长度"),
    Field("version", "b", "raw", 1, name_zh="头标识和版本号"),
    Field("total length", "n", "ascii", 4, name_zh="整个报文长度"),
    Field("destination", "ans", "ascii", 11, name_zh="目的标识"),
    Field("source", "ans", "ascii", 11, name_zh="源标识"),
    Field("reserved", "b", "raw", 3, name_zh="保留使用"),
    Field("batch", "b", "raw", 1, name_zh="批次号"),
    Field("transaction info", "ans", "ascii", 8, name_zh="交易信息"),
    Field("user info", "b", "raw", 1, name_zh="用户信息"),
    Field("reject code", "n", "ascii", 5, name_zh="拒绝码"),
)


@dataclass(frozen=True, slots=True)
class SwitchFrame:
    """One message with its header.

    Attributes:
        destination: whom it is for, 11 characters, padded with blanks by whoever words it.
        source: who sends it, likewise.
        message: the message.
        version: the byte of the header's mark and version, 0 to 255.
        reserved: three bytes.
        batch: 0 to 255.
        transaction_info: 8 characters.
        user_info: 0 to 255.
        reject_code: 5 digits; not zero if the switch sends a message back that it could not take.

    >>> frame = SwitchFrame("00010344   ", "12345678   ", Message("0820", {7: "0115115301", 11: "000001", 70: "301"}))
    >>> data = frame.to_bytes()
    >>> data[2:28], len(data)
    (b'008500010344   12345678   ', 85)
    >>> SwitchFrame.parse(data) == frame
    True
    """

    destination: str
    source: str
    message: Message
    version: int = 1
    reserved: bytes = bytes(3)
    batch: int = 0
    transaction_info: str = "00000000"
    user_info: int = 0
    reject_code: str = "00000"

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview) -> SwitchFrame:
        """The frame that is exactly `data`.

        Raises:
            Iso8583Error: offsets count from the header's first byte; the field is a number in the message, or the name
                of a part of the header. To answer a frame whose message is broken, take `split_frame` and the error's
                `partial`.
        """
        parts, message = split_frame(data)
        try:
            decoded = load_dialect(DIALECT).decode(message)
        except Iso8583Error as error:
            raise error.moved(HEADER_BYTES) from None
        return cls(
            destination=parts["destination"],
            source=parts["source"],
            message=decoded,
            version=parts["version"][0],
            reserved=parts["reserved"],
            batch=parts["batch"][0],
            transaction_info=parts["transaction info"],
            user_info=parts["user info"][0],
            reject_code=parts["reject code"],
        )

    def to_bytes(self) -> bytes:
        """The frame on the wire. Both lengths are made here.

        Raises:
            Iso8583Error: a part of the header breaks its rule, or a field of the message does.
        """
        message = load_dialect(DIALECT).encode(self.message)
        parts: dict[str, Any] = {
            "header length": bytes([HEADER_BYTES]),
            "version": _byte(self.version, "version"),
            "total length": f"{HEADER_BYTES + len(message):04d}",  # with all fields at their longest some 6,700
            "destination": self.destination,
            "source": self.source,
            "reserved": self.reserved,
            "batch": _byte(self.batch, "batch"),
            "transaction info": self.transaction_info,
            "user info": _byte(self.user_info, "user info"),
            "reject code": self.reject_code,
        }
        return b"".join(_written(row, parts[row.name]) for row in HEADER) + message

    def reply(self, message: Message) -> SwitchFrame:
        """`message` on its way back: destination and source swapped, nothing rejected, the rest of the header kept."""
        return replace(self, destination=self.source, source=self.destination, reject_code="00000", message=message)


def split_frame(data: bytes | bytearray | memoryview) -> tuple[dict[str, Any], bytes]:
    """The parts of the header by their names in `HEADER`, and the bytes from the MTI on.

    Raises:
        Iso8583Error: the first 46 bytes are no header, or `data` is not as long as it says.
    """
    wire = bytes(data)
    parts: dict[str, Any] = {}
    at = 0
    for row in HEADER:
        try:
            parts[row.name], at = reader(row)(wire, at)
        except FieldError as fault:
            raise Iso8583Error(row.name, fault.at, fault.reason, clause=_clause(row)) from None
    if parts["header length"][0] != HEADER_BYTES:
        raise Iso8583Error("header length", 0, f"needed {HEADER_BYTES}, there is {parts['header length'][0]}")
    if int(parts["total length"]) != len(wire):
        raise Iso8583Error("total length", 2, f"needed {len(wire)}, there is {int(parts['total length'])}")
    return parts, wire[HEADER_BYTES:]


def _written(row: Field, value: Any) -> bytes:
    try:
        return writer(row)(value)
    except FieldError as fault:
        raise Iso8583Error(row.name, _OFFSETS[row.name], fault.reason, clause=_clause(row)) from None


def _byte(value: object, part: str) -> bytes:
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise Iso8583Error(part, _OFFSETS[part], "needed a whole number of 0 to 255, there is something else")
    return bytes([value])


def _clause(row: Field) -> str:
    return f"{DIALECT} header, {row.name}: {row.clause}"


_OFFSETS: Final = {
    row.name: sum(wire_width(before, before.length) for before in HEADER[:place]) for place, row in enumerate(HEADER)
}
