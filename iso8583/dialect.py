"""The codec: one plain loop over the fields of a message, whatever the dialect.

Decoding never trusts a length that does not fit, never skips a byte, and never takes two spellings of one message:
what it accepts, `encode` turns back into the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from iso8583.encodings import FieldError
from iso8583.errors import Iso8583Error
from iso8583.fields import Field, Reader, Writer, reader, undefined, writer
from iso8583.message import Message

MTI = 0  # the numbers under which errors name the two parts that are no data fields
BITMAP = 1
PLANS_MAX = 512  # bitmaps remembered per dialect; a peer that varies them only costs itself the look-up

Plan = Sequence[tuple[int, Reader]]


@dataclass(frozen=True, slots=True)
class Table:
    """A dialect as data.

    Attributes:
        name: what `load_dialect` calls it.
        version: the first digit of every MTI: 0 = ISO 8583:1987, 1 = 1993, 2 = 2003.
        mti: how the MTI is written.
        bitmap: how each bitmap of 64 bits is written.
        bits: 64, or 128 if a secondary bitmap may follow the first (its bit 1 says so).
        fields: one row per field number.
    """

    name: str
    version: str
    mti: Field
    bitmap: Field
    bits: int
    fields: Mapping[int, Field]


class Dialect:
    """A loaded dialect: `decode` and `encode`. Immutable in effect, and safe to share between threads."""

    def __init__(self, table: Table) -> None:
        self.table = table
        pairs = [self._pair(table, number) for number in range(table.bits + 1)]
        self._readers = [pair[0] for pair in pairs]
        self._writers = [pair[1] for pair in pairs]
        self._read_mti, self._write_mti = reader(table.mti), writer(table.mti)
        self._read_bitmap, self._write_bitmap = reader(table.bitmap), writer(table.bitmap)
        self._plan = lru_cache(maxsize=PLANS_MAX)(self._plan_of)

    @staticmethod
    def _pair(table: Table, number: int) -> tuple[Reader, Writer]:
        field = table.fields.get(number)
        return (reader(field), writer(field)) if field else undefined(number, table.name)

    @property
    def name(self) -> str:
        """The dialect's name."""
        return self.table.name

    def decode(self, data: bytes | bytearray | memoryview) -> Message:
        """The message in `data`, which starts with the MTI and ends with the last field.

        Raises:
            Iso8583Error: anything at all is not as the dialect says. If only the contents of fields are wrong, its
                `partial` holds all other fields; if the fault makes the place of what follows unsure, those before it.
        """
        wire = bytes(data)
        mti, plan, start = self._open(wire)
        fields: dict[int, Any] = {}
        at = start
        try:
            for number, read in plan:
                fields[number], at = read(wire, at)
        except FieldError:
            at = -1
        if at != len(wire):
            raise _refusal(wire, mti, plan, start)
        return Message(mti, fields)

    def _open(self, wire: bytes) -> tuple[str, Plan, int]:
        mti = None
        part = MTI
        try:
            mti, at = self._read_mti(wire, 0)
            if mti[0] != self.table.version:
                raise FieldError(0, f"needed an MTI that starts with {self.table.version}, it starts with another digit")
            part = BITMAP
            bitmap, end = self._read_bitmap(wire, at)
            if self.table.bits == 128 and bitmap[0] & 0x80:
                second, end = self._secondary(wire, end)
                bitmap += second
        except FieldError as fault:
            partial = Message(mti, {}) if part == BITMAP and mti else None
            raise Iso8583Error(part, fault.at, fault.reason, partial) from None
        return mti, self._plan(bitmap), end

    def _secondary(self, wire: bytes, at: int) -> tuple[bytes, int]:
        second, end = self._read_bitmap(wire, at)
        if not any(second):
            raise FieldError(at, "bit 1 announces a secondary bitmap, but it is empty")
        return second, end

    def _plan_of(self, bitmap: bytes) -> Plan:
        bits = int.from_bytes(bitmap, "big")
        size = 8 * len(bitmap)
        numbers = [number for number in range(1, size + 1) if bits >> (size - number) & 1]
        if size == 128:
            numbers.remove(1)  # it announced the secondary bitmap and is no field
        return [(number, self._readers[number]) for number in numbers]

    def encode(self, message: Message) -> bytes:
        """`message` on the wire, checked as strictly as `decode` does.

        Raises:
            Iso8583Error: a field that the dialect lacks, of the wrong type, of the wrong length, or with characters
                outside its class.
        """
        number = MTI
        numbers = list(message)
        parts: list[bytes] = []
        try:
            parts.append(self._head(message.mti, numbers))
            for number in numbers:
                parts.append(self._writer(number)(message[number]))
        except FieldError as fault:
            partial = Message(message.mti, {good: message[good] for good in numbers[: max(len(parts) - 1, 0)]})
            raise Iso8583Error(number, sum(map(len, parts)), fault.reason, partial) from None
        return b"".join(parts)

    def _writer(self, number: int) -> Writer:
        if not 1 < number <= self.table.bits:
            return undefined(number, self.name)[1]
        return self._writers[number]

    def _head(self, mti: str, numbers: Sequence[int]) -> bytes:
        written = self._write_mti(mti)
        if mti[0] != self.table.version:
            raise FieldError(0, f"needed an MTI that starts with {self.table.version}")
        numbers = [number for number in numbers if 1 < number <= self.table.bits]
        if not numbers or numbers[-1] <= 64:
            return written + self._write_bitmap(_bits(numbers, 64))
        bitmap = _bits([1, *numbers], 128)
        return written + self._write_bitmap(bitmap[:8]) + self._write_bitmap(bitmap[8:])


def _bits(numbers: Sequence[int], size: int) -> bytes:
    return sum(1 << (size - number) for number in numbers).to_bytes(size // 8, "big")


def _refusal(wire: bytes, mti: str, plan: Plan, start: int) -> Iso8583Error:
    """Walk a refused message again, to word its first fault and to save the fields that are beyond doubt.

    The fields behind a fault are kept only if they, by their own lengths, end exactly where the message ends. Otherwise
    the fault may have been in a length, and what follows it may have been read from the wrong place.
    """
    good: dict[int, Any] = {}
    before: dict[int, Any] = {}
    first: tuple[int | str, int, str] | None = None
    at: int | None = start
    for number, read in plan:
        try:
            good[number], at = read(wire, at)
        except FieldError as fault:
            if first is None:
                first, before = (number, fault.at, fault.reason), dict(good)
            at = fault.resume
            if at is None:
                break
    if first is None:
        return Iso8583Error("end", at or 0, f"needed the end of the message, {len(wire) - (at or 0)} more bytes are there", Message(mti, good))
    return Iso8583Error(*first, Message(mti, good if at == len(wire) else before))
