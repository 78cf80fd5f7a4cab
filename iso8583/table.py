"""A dialect as data: rows of fields, and nothing that reads or writes a byte.

`Field` is one row: character class x encoding x length x padding, with what people and logs need to know of it.
`Table` is a whole dialect. A table is made by hand (`iso8583/dialects/`), from another one with a few rows changed
(`Table.derive`), or from a file (`iso8583.toml_dialect`); `iso8583.table_check` says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from iso8583.parts import Parts

Content = Literal["n", "a", "an", "ans", "z", "x+n", "b"]
Encoding = Literal["bcd", "ascii", "ebcdic", "latin1", "gb18030", "hex", "raw"]
PrefixEncoding = Literal["bcd", "ascii", "ebcdic", "binary"]
Unit = Literal["digits", "bytes"]
Side = Literal["left", "right"]
Mask = Literal["show", "pan", "code", "hide"]

MTI: Final = 0  # the numbers under which errors name the two parts that are no data fields
BITMAP: Final = 1
BITMAP_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Prefix:
    """The length in front of a variable field.

    Attributes:
        encoding: bcd (two digits a byte), ascii or ebcdic (one), or binary (a number, big-endian).
        digits: 1 for L to 4 for LLLL; a binary or packed L or LL is one byte, LLL or LLLL two.
        counts: "digits" or "bytes". Only BCD and hex fields tell them apart: the digits of the value, or the bytes
            they are packed into (BCD) or stand for (hex). All others count bytes, whatever stands here.
    """

    encoding: PrefixEncoding
    digits: int
    counts: Unit = "digits"

    @property
    def width(self) -> int:
        """How many bytes the prefix takes."""
        return (self.digits + 1) // 2 if self.encoding in {"bcd", "binary"} else self.digits

    @property
    def maximum(self) -> int:
        """The largest number that it can say."""
        return (1 << 8 * self.width) - 1 if self.encoding == "binary" else int("9" * self.digits)

    def text(self, count: int) -> bytes:
        """The prefix that says `count`, which is at most `maximum`."""
        if self.encoding == "binary":
            return count.to_bytes(self.width, "big")
        if self.encoding == "bcd":
            return bytes.fromhex(f"{count:0{2 * self.width}d}")
        return f"{count:0{self.digits}d}".encode("ascii" if self.encoding == "ascii" else "cp500")


@dataclass(frozen=True, slots=True)
class Field:
    """One row.

    Attributes:
        name: the standard's name, for people.
        content: character class: n (digits), a (letters), an, ans (printable), z (track data), x+n (sign C or D, then
            digits) or b (binary). A blank belongs to a and an, as they may be padded with it (ISO 8583:1987, 4.3).
        encoding: bcd for n, z and x+n (whose sign is one ASCII byte); ascii or ebcdic for all but b; latin1 (any
            byte) or gb18030 for ans; hex (upper-case ASCII) or raw for b.
        length: the exact length of the value, or with a prefix the longest: digits or characters of a text, bytes of
            a b field; of gb18030 bytes as well.
        prefix: None for a fixed field.
        pad: the side of the pad nibble of an odd number of BCD digits.
        pad_nibble: that nibble, one upper-case hexadecimal digit.
        minimum: the shortest legal length of a variable field.
        mask: how `repr`, logs and pages show it: "show" (as it is), "pan", "code" (a payment code) or "hide".
        parts: how its value is cut into sub-fields; None if it is whole.
        name_zh: the name in Chinese; empty if the dialect has none.
    """

    name: str
    content: Content
    encoding: Encoding
    length: int
    prefix: Prefix | None = None
    pad: Side = "right"
    pad_nibble: str = "0"
    minimum: int = 0
    mask: Mask = "hide"
    parts: Parts | None = None
    name_zh: str = ""

    @property
    def unit(self) -> Unit:
        """What `length` counts: digits where they are packed, bytes elsewhere."""
        return "digits" if self.encoding == "bcd" else "bytes"

    @property
    def shortest(self) -> int:
        """The shortest legal length."""
        return self.length if self.prefix is None else self.minimum

    @property
    def span(self) -> str:
        """The legal lengths, in words."""
        return f"{self.length if self.prefix is None else f'{self.minimum} to {self.length}'} {self.unit}"

    @property
    def counts_digits(self) -> bool:
        """The prefix counts the digits of a packed or hexadecimal value, not bytes."""
        return self.prefix is not None and self.prefix.counts == "digits" and self.encoding in {"bcd", "hex"}

    @property
    def clause(self) -> str:
        """The row as the standards write it, for errors: ``n..19 bcd, LL bcd``."""
        if self.prefix is None:
            return f"{self.content}{self.length} {self.encoding}"
        counted = f" counting {'digits' if self.counts_digits else 'bytes'}" if self.encoding in {"bcd", "hex"} else ""
        kind = f"{'L' * self.prefix.digits} {self.prefix.encoding}"
        return f"{self.content}..{self.length} {self.encoding}, {kind}{counted}"


@dataclass(frozen=True, slots=True)
class Table:
    """A dialect.

    Attributes:
        name: what `load_dialect` calls it.
        version: the first digit of every MTI: 0 = ISO 8583:1987, 1 = 1993, 2 = 2003.
        mti: how the MTI is written.
        bitmap: how each bitmap of 64 bits is written: raw or hex, 8 bytes.
        bits: 64; 128 if bit 1 may announce a second bitmap; 192 if bit 65 may announce a third. They stand in front
            of all fields.
        fields: one row per field number.
        messages: (MTI, field numbers) of the messages that are known beforehand; they are made fast at load.
        title: what it is, in a sentence.
    """

    name: str
    version: str
    mti: Field
    bitmap: Field
    bits: int
    fields: Mapping[int, Field]
    messages: tuple[tuple[str, tuple[int, ...]], ...] = ()
    title: str = ""

    @property
    def announcing(self) -> frozenset[int]:
        """The bits that announce another bitmap, and so can be no fields."""
        return frozenset(range(1, self.bits - BITMAP_BITS + 1, BITMAP_BITS))

    def derive(self, name: str, changes: Mapping[int, Field | Mapping[str, Any] | None], **others: Any) -> Table:
        """A table called `name` that differs from this one in a few rows.

        Args:
            name: the name of the new dialect.
            changes: field number to a whole row, to a few columns of the row that is there, or to None: no such field.
            others: other attributes of the table to change: version, mti, bitmap, bits, messages, title. Unless new
                messages are among them, those whose rows are all still there stay.

        >>> from iso8583 import load_dialect
        >>> ours = load_dialect("iso87_ascii").table.derive("ours", {41: {"length": 16}, 128: None})
        >>> ours.fields[41].clause, 128 in ours.fields
        ('ans16 ascii', False)
        """
        fields = dict(self.fields)
        for number, change in changes.items():
            if change is None:
                fields.pop(number, None)
            else:
                fields[number] = change if isinstance(change, Field) else replace(fields[number], **change)
        still = tuple(known for known in self.messages if fields.keys() >= set(known[1]))
        return replace(self, name=name, fields=fields, **{"messages": still, **others})
