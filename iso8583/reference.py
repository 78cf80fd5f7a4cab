"""The plain codec: one loop over the fields of a message, whatever the dialect.

This is the meaning of a dialect. It alone words errors and gathers what can be saved of a broken message; the compiled
plans (`decode_plan`, `encode_plan`) are only allowed to be faster, and leave to it whatever surprises them. Decoding
never trusts a length that does not fit, never skips a byte, and never takes two spellings of one message: what it
accepts, `encode` turns back into the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

from iso8583.encodings import FieldError
from iso8583.errors import Iso8583Error
from iso8583.fields import Reader, Writer, reader, undefined, writer
from iso8583.message import Message
from iso8583.table import BITMAP, BITMAP_BITS, MTI, Field, Table

BITMAP_BYTES: Final = BITMAP_BITS // 8
# For each byte of a bitmap, and each value of it, the bits that are set: a bitmap is read a byte at a time.
_BITS: Final = [
    [tuple(8 * place + bit for bit in range(1, 9) if byte >> (8 - bit) & 1) for byte in range(256)]
    for place in range(BITMAP_BYTES)
]
_NO_ROWS: Final[Mapping[int, Field]] = {}
_MIRRORED: Final = bytes(sum(0x80 >> bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


class Place(NamedTuple):
    """Where a part of a message lies.

    Attributes:
        number: the field's, 0 for the MTI, 1 for the bitmaps.
        start: offset of its first byte, the length prefix included.
        end: offset of the byte behind it; None if a fault hides it.
        value: what it says, of the bitmaps the field numbers; None if it is faulty.
        fault: what is wrong with it.
    """

    number: int
    start: int
    end: int | None
    value: Any
    fault: FieldError | None = None


class ReferenceCodec:
    """Decodes and encodes by the rows of one table, which is sound. It has no state, so threads may share it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._read_head, self._write_head = reader(table.mti), writer(table.mti)
        self._read_bitmap, self._write_bitmap = reader(table.bitmap), writer(table.bitmap)
        self._readers = {number: reader(field) for number, field in table.fields.items()}
        self._writers = {number: writer(field) for number, field in table.fields.items()}
        # Mirrored, the bits of most messages are small numbers, which are added up faster.
        self._bits = {number: 1 << number - 1 for number in table.fields}
        announcing = [0, 0, *(1 << bit - 1 for bit in sorted(table.announcing))]
        self._announcing = list(accumulate(announcing))  # what so many bitmaps say of those behind them

    def decode(self, wire: bytes) -> Message:
        """As `Dialect.decode`."""
        mti, at = self._part(MTI, self.read_mti, wire, 0)
        numbers, start = self._part(BITMAP, self._read_bitmaps, wire, at, mti)
        fields: dict[int, Any] = {}
        readers = self._readers
        at = start
        try:
            for number in numbers:
                fields[number], at = readers[number](wire, at)
        except (FieldError, KeyError):
            at = -1
        if at != len(wire):
            raise self._read_refusal(wire, mti, numbers, start)
        return Message.of(mti, fields, self.table.fields)

    def _part(self, number: int, read: Reader, wire: bytes, at: int, mti: str | None = None) -> tuple[Any, int]:
        try:
            return read(wire, at)
        except FieldError as fault:
            partial = None if mti is None else self._message(mti, {})
            raise Iso8583Error(number, fault.at, fault.reason, partial, self._clause(number)) from None

    def _message(self, mti: str, fields: dict[int, Any]) -> Message:
        return Message.of(mti, fields, self.table.fields)

    def _clause(self, number: int) -> str:
        heads = {MTI: self.table.mti, BITMAP: self.table.bitmap}
        field = heads.get(number) or self.table.fields.get(number)
        return f"{self.table.name} field {number}: {field.clause}" if field else ""

    def read_mti(self, wire: bytes, at: int) -> tuple[str, int]:
        """The MTI at `at`, and where it ends. Raises FieldError if it is none of this version."""
        mti, end = self._read_head(wire, at)
        return self._of_version(mti), end

    def _of_version(self, mti: str) -> str:
        if not mti.startswith(self.table.version):
            raise FieldError(0, f"needed an MTI of version {self.table.version}, there is another version")
        return mti

    def _read_bitmaps(self, wire: bytes, at: int) -> tuple[list[int], int]:
        """The field numbers that the bitmaps announce. Bits 1 and 65 announce the next bitmap, if there may be one."""
        numbers: list[int] = []
        for first in range(0, self.table.bits, BITMAP_BITS):
            bitmap, end = self._read_bitmap(wire, at)
            if first and not any(bitmap):
                raise FieldError(at, f"needed a bit in the bitmap that bit {first - 63} announces, there is none")
            bits: list[int] = [first + bit for bit in chain.from_iterable(map(list.__getitem__, _BITS, bitmap))]
            at = end
            if first + BITMAP_BITS == self.table.bits or bits[:1] != [first + 1]:
                return numbers + bits, at
            numbers += bits[1:]
        raise AssertionError("the last bitmap announces no other")

    def encode(self, message: Message) -> bytes:
        """As `Dialect.encode`."""
        values = message.fields
        try:
            numbers = sorted(values)
            bitmap = self.written_bitmaps(numbers)
        except TypeError:
            raise Iso8583Error(BITMAP, 0, "needed field numbers, there is something else") from None
        try:
            parts = [self.written_mti(message.mti), bitmap]
            parts += [self._writers[number](values[number]) for number in numbers]
        except (FieldError, KeyError):
            parts = []
        if not parts:
            raise self._write_refusal(message, bitmap, numbers)
        return b"".join(parts)

    def written_mti(self, mti: str) -> bytes:
        """`mti` as it stands in a message. Raises FieldError if it is none of this version."""
        written = self._write_head(mti)
        self._of_version(mti)
        return written

    def written_bitmaps(self, numbers: Iterable[int]) -> bytes:
        """The bitmaps, as they stand in a message, that announce those of `numbers` that the table has."""
        whole = self.bitmaps([number for number in numbers if number in self._bits])
        starts = range(0, len(whole), BITMAP_BYTES)
        return b"".join([self._write_bitmap(whole[start : start + BITMAP_BYTES]) for start in starts])

    def bitmaps(self, numbers: Iterable[int]) -> bytes:
        """The bits of all bitmaps that announce `numbers`. Raises KeyError if the table lacks one."""
        bits = sum(map(self._bits.__getitem__, numbers))
        count = (bits.bit_length() + BITMAP_BITS - 1) // BITMAP_BITS or 1
        return (bits | self._announcing[count]).to_bytes(count * BITMAP_BYTES, "little").translate(_MIRRORED)

    def _write_refusal(self, message: Message, bitmap: bytes, numbers: Sequence[int]) -> Iso8583Error:
        """Write a refused message again, to word its first fault and to gather its good fields."""
        try:
            at = len(self.written_mti(message.mti) + bitmap)
        except FieldError as fault:
            return Iso8583Error(MTI, 0, fault.reason, clause=self._clause(MTI))
        good: dict[int, Any] = {}
        faults: list[tuple[int, int, str]] = []
        for number in numbers:
            write = self._writers.get(number) or self._undefined(number)[1]
            try:
                at += len(write(message[number]))
                good[number] = message[number]
            except FieldError as fault:
                faults.append((number, at, fault.reason))
        return Iso8583Error(*faults[0], self._message(message.mti, good), self._clause(faults[0][0]))

    def _undefined(self, number: int) -> tuple[Reader, Writer]:
        return undefined(number, self.table.name)

    def _read_refusal(self, wire: bytes, mti: str, numbers: Sequence[int], start: int) -> Iso8583Error:
        """Read a refused message again, to word its first fault and to gather the fields that are beyond doubt.

        The fields behind a fault count only if they, by their own lengths, end exactly where the message ends.
        Otherwise the fault may have been in a length, and what follows it may have been read from the wrong place.
        """
        places = list(self._places(wire, numbers, start))
        end = places[-1].end if places else start
        for first, (number, _, _, _, fault) in enumerate(places):
            if fault is not None:
                sure = places if end == len(wire) else places[:first]
                return Iso8583Error(number, fault.at, fault.reason, self._good(mti, sure), self._clause(number))
        assert end is not None
        reason = f"needed the end here, {len(wire) - end} more bytes follow"
        return Iso8583Error("end", end, reason, self._good(mti, places))

    def _good(self, mti: str, places: Sequence[Place]) -> Message:
        """The good fields. They are shown by no row: behind a wrong bitmap, card digits look like harmless fields."""
        return Message.of(mti, {place.number: place.value for place in places if place.fault is None}, _NO_ROWS)

    def _places(self, wire: bytes, numbers: Sequence[int], at: int) -> Iterator[Place]:
        """The fields one after the other, up to one whose end nobody knows."""
        for number in numbers:
            read = self._readers.get(number) or self._undefined(number)[0]
            try:
                value, end = read(wire, at)
            except FieldError as fault:
                yield Place(number, at, fault.resume, None, fault)
                if fault.resume is None:
                    return
                at = fault.resume
            else:
                yield Place(number, at, end, value)
                at = end

    def layout(self, wire: bytes) -> list[Place]:
        """Where MTI (number 0), bitmaps (1) and fields lie in `wire`, good or not, up to one whose end nobody knows.

        Nothing is promised of what is read behind a fault, nor before it if the lengths do not add up: see
        `Iso8583Error.partial`.
        """
        places: list[Place] = []
        at = 0
        for number, read in ((MTI, self.read_mti), (BITMAP, self._read_bitmaps)):
            try:
                value, end = read(wire, at)
            except FieldError as fault:
                return [*places, Place(number, at, None, None, fault)]
            places.append(Place(number, at, end, value))
            at = end
        numbers: list[int] = places[-1].value
        return [*places, *self._places(wire, numbers, at)]
