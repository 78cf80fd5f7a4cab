"""The codec: one plain loop over the fields of a message, whatever the dialect.

Decoding never trusts a length that does not fit, never skips a byte, and never takes two spellings of one message:
what it accepts, `encode` turns back into the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from iso8583.encodings import FieldError
from iso8583.errors import Iso8583Error
from iso8583.fields import Field, Reader, Writer, reader, undefined, writer
from iso8583.message import Message

MTI: Final = 0  # the numbers under which errors name the two parts that are no data fields
BITMAP: Final = 1

# Plans remembered per dialect and direction. A fleet of terminals uses some dozens; a peer that varies its bitmaps
# gains nothing, as making a plan costs no more than reading the fields.
PLANS_MAX: Final = 512

ReadPlan = Sequence[tuple[int, Reader]]
WritePlan = tuple[bytes, Sequence[tuple[int, Writer]]]


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
    """A loaded dialect: `decode` and `encode`. It has no state but two caches, so threads may share it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._read_head, self._write_head = reader(table.mti), writer(table.mti)
        self._read_bitmap, self._write_bitmap = reader(table.bitmap), writer(table.bitmap)
        self._read_plan = lru_cache(maxsize=PLANS_MAX)(self._make_read_plan)
        self._write_plan = lru_cache(maxsize=PLANS_MAX)(self._make_write_plan)
        self._pairs = {number: (reader(field), writer(field)) for number, field in table.fields.items()}

    @property
    def name(self) -> str:
        """The dialect's name."""
        return self.table.name

    def decode(self, data: bytes | bytearray | memoryview) -> Message:
        """The message in `data`, which starts with the MTI and ends with the last field.

        Raises:
            Iso8583Error: anything at all is not as the dialect says. Its `partial` holds the fields before the fault,
                and those behind it too if only contents were wrong and all lengths still add up.
        """
        wire = bytes(data)
        mti, at = self._part(MTI, self._read_mti, wire, 0)
        plan, start = self._part(BITMAP, self._read_bitmaps, wire, at, mti)
        fields: dict[int, Any] = {}
        at = start
        try:
            for number, read in plan:
                fields[number], at = read(wire, at)
        except FieldError:
            at = -1
        if at != len(wire):
            raise _read_refusal(wire, mti, plan, start)
        return Message(mti, fields)

    @staticmethod
    def _part(number: int, read: Reader, wire: bytes, at: int, mti: str | None = None) -> tuple[Any, int]:
        try:
            return read(wire, at)
        except FieldError as fault:
            partial = None if mti is None else Message(mti, {})
            raise Iso8583Error(number, fault.at, fault.reason, partial) from None

    def _read_mti(self, wire: bytes, at: int) -> tuple[str, int]:
        mti, end = self._read_head(wire, at)
        return self._of_version(mti), end

    def _of_version(self, mti: str) -> str:
        if not mti.startswith(self.table.version):
            raise FieldError(0, f"needed an MTI of version {self.table.version}, there is another version")
        return mti

    def _read_bitmaps(self, wire: bytes, at: int) -> tuple[ReadPlan, int]:
        bitmap, end = self._read_bitmap(wire, at)
        if self.table.bits == 128 and bitmap[0] & 0x80:
            at = end
            second, end = self._read_bitmap(wire, at)
            if not any(second):
                raise FieldError(at, "needed a bit in the secondary bitmap that bit 1 announces, there is none")
            bitmap += second
        return self._read_plan(bitmap), end

    def _make_read_plan(self, bitmap: bytes) -> ReadPlan:
        bits, size = int.from_bytes(bitmap, "big"), 8 * len(bitmap)
        announces = size == 128  # then bit 1 is no field
        numbers = [number for number in range(1 + announces, size + 1) if bits >> (size - number) & 1]
        return [(number, self._pair(number)[0]) for number in numbers]

    def _pair(self, number: int) -> tuple[Reader, Writer]:
        return self._pairs.get(number) or undefined(number, self.name)

    def encode(self, message: Message) -> bytes:
        """`message` on the wire, checked as strictly as `decode` does.

        Raises:
            Iso8583Error: a field that the dialect lacks, of the wrong type, of the wrong length, or with characters
                outside its class. Its offset is where the field would begin, its `partial` holds all good fields.
        """
        values = message.fields
        bitmap, plan = self._write_plan(tuple(sorted(values)))
        try:
            parts = [self._write_head(self._of_version(message.mti)), bitmap]
            parts += [write(values[number]) for number, write in plan]
        except FieldError:
            parts = []
        if not parts:
            raise self._write_refusal(message, bitmap, plan)
        return b"".join(parts)

    def _make_write_plan(self, numbers: Sequence[int]) -> WritePlan:
        present = {number for number in numbers if number in self._pairs}
        size = 128 if max(present, default=0) > 64 else 64
        bits = sum(1 << (size - number) for number in present | ({1} if size == 128 else set()))
        whole = bits.to_bytes(size // 8, "big")
        bitmap = b"".join(self._write_bitmap(whole[at : at + 8]) for at in range(0, len(whole), 8))
        return bitmap, [(number, self._pair(number)[1]) for number in numbers]

    def _write_refusal(self, message: Message, bitmap: bytes, plan: Sequence[tuple[int, Writer]]) -> Iso8583Error:
        """Write a refused message again, to word its first fault and to gather its good fields."""
        try:
            at = len(self._write_head(self._of_version(message.mti)) + bitmap)
        except FieldError as fault:
            return Iso8583Error(MTI, 0, fault.reason)
        good: dict[int, Any] = {}
        faults: list[tuple[int, int, str]] = []
        for number, write in plan:
            try:
                at += len(write(message[number]))
                good[number] = message[number]
            except FieldError as fault:
                faults.append((number, at, fault.reason))
        return Iso8583Error(*faults[0], Message(message.mti, good))


def _read_refusal(wire: bytes, mti: str, plan: ReadPlan, start: int) -> Iso8583Error:
    """Read a refused message again, to word its first fault and to gather the fields that are beyond doubt.

    The fields behind a fault count only if they, by their own lengths, end exactly where the message ends. Otherwise
    the fault may have been in a length, and what follows it may have been read from the wrong place.
    """
    good: dict[int, Any] = {}
    sure: dict[int, Any] = {}
    faults: list[tuple[int, int, str]] = []
    at = start
    for number, read in plan:
        try:
            good[number], at = read(wire, at)
        except FieldError as fault:
            sure = sure if faults else dict(good)
            faults.append((number, fault.at, fault.reason))
            at = -1 if fault.resume is None else fault.resume
        if at < 0:
            break
    if faults:
        return Iso8583Error(*faults[0], Message(mti, good if at == len(wire) else sure))
    reason = f"needed the end here, {len(wire) - at} more bytes follow"
    return Iso8583Error("end", at, reason, Message(mti, good))
