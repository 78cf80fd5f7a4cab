"""Compiled code that decodes: a plan for the messages of one MTI and bitmap, and one plan for those of any.

The plan of one shape is straight-line code. Neighbouring fixed fields of one kind are read together: one slice, one
look at their characters, one cut. The plan of any shape asks for each field of the table whether it is there, and reads
it alone; it is the same code field by field, so there is nothing to learn of a message and nothing to fill up.

Lengths go through tables that hold only the legal ones. Nothing is asked about the end of the message until the end:
slices that run over it come out short, and then the last line sees that the lengths do not add up.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from iso8583.encodings import EBCDIC_TO_LATIN1, NIBBLES, coding
from iso8583.fields import prefixes_read, reader, wire_width
from iso8583.message import Message
from iso8583.plan_source import Source
from iso8583.table import BITMAP_BITS, Content, Encoding, Field, Prefix, Table

DecodePlan = Callable[[bytes], Message | None]

# What every ASCII text of a class passes at a glance. The methods of bytes know ASCII alone, and on more than a few
# characters they are several times faster than those of str.
GLANCE: Final[dict[Content, str]] = {
    "n": "encode().isdigit()",
    "a": "encode().isalpha()",
    "an": "encode().isalnum()",
    "ans": "isprintable()",
}
# The classes of which the glance is the whole truth. A text of another class may have blanks: then its coding is asked.
PRECISE: Final = frozenset({"n", "ans"})
DISPLAY_MAX: Final = 15  # entries of a dict display that CPython makes in one go
# What a plan of any shape knows of bitmaps: the first two; a third one is rare. A byte of them as eight answers.
ANY_SHAPE_BITS: Final = 2 * BITMAP_BITS
FLAGS: Final = [tuple(bool(byte & 0x80 >> bit) for bit in range(8)) for byte in range(256)]
FLAG_NAMES: Final = tuple(f"x{bit}" for bit in range(8))


def compile_decoder(table: Table, mti: str, numbers: Sequence[int], head_width: int) -> DecodePlan:
    """The plan for messages of `mti` with exactly the fields `numbers`, whose first field starts at `head_width`.

    It is given a message with that very head. It returns the message, or None, or raises one of
    `iso8583.dialect.SURPRISES` where the reference codec has to look.
    """
    return _Decoder(table, numbers).of_one_shape(mti, head_width)


def compile_any_decoder(table: Table, mtis: Mapping[bytes, str]) -> DecodePlan:
    """The plan for messages of any MTI and of any fields that one or two bitmaps announce.

    It is used as those of one shape are. `mtis` holds the legal MTIs as they are written, or raises what a plan may.
    """
    return _Decoder(table, table.fields).of_any_shape(mtis)


def is_digits(field: Field) -> bool:
    """The field is packed digits, its pad nibble a digit too."""
    return field.encoding == "bcd" and field.content == "n" and field.pad_nibble.isdigit()


def is_text(field: Field) -> bool:
    """The field is characters of a class that a glance can judge."""
    return field.encoding in {"ascii", "ebcdic"} and field.content in GLANCE


def _kind(field: Field) -> str:
    """What fields may be read together with it: fixed ones of the same kind; "" for none."""
    if field.prefix is not None:
        return ""
    return "digits" if is_digits(field) else field.encoding if is_text(field) else ""


class _Decoder:
    def __init__(self, table: Table, numbers: Iterable[int]) -> None:
        self._table = table
        self._rows = {number: table.fields[number] for number in numbers}
        self._source = Source("b")
        self._moved = False  # a variable field has been read: offsets count from `p`, not from the start
        self._walks = False  # `p` moves on with every field, as nobody knows which one is the next
        self._at = 0
        encodings = {field.encoding for field in self._rows.values()}
        heads = {table.mti.encoding, table.bitmap.encoding}
        prefixes = {field.prefix.encoding for field in self._rows.values() if field.prefix}
        self._all_ascii = encodings | heads | prefixes <= {"ascii", "hex"}
        self._write_views(encodings)

    def of_one_shape(self, mti: str, head_width: int) -> DecodePlan:
        self._at = head_width
        for kind, run in groupby(self._rows, lambda number: _kind(self._rows[number])):
            self._write_run(kind, list(run))
        first, rest = list(self._rows)[:DISPLAY_MAX], list(self._rows)[DISPLAY_MAX:]
        self._source.line(f"d = {{{', '.join(f'{number}: f{number}' for number in first)}}}")
        self._source.line("; ".join(f"d[{number}] = f{number}" for number in rest) or "pass")
        return self._ended(self._source.constant(mti))

    def of_any_shape(self, mtis: Mapping[bytes, str]) -> DecodePlan:
        self._move()
        self._walks = True
        mti_width = wire_width(self._table.mti, self._table.mti.length)
        self._source.line(f"m = {self._source.constant(mtis)}[b[:{mti_width}]]")
        self._source.line(f"p = {mti_width}")
        self._source.line("d = {}")
        self._write_contents("y", self._table.bitmap, self._write_extent(self._table.bitmap))
        if self._table.bits > BITMAP_BITS:
            self._write_second_bitmap()
        for number in range(1, BITMAP_BITS, 8):
            self._write_byte_of_bitmap("y", range(number, number + 8))
        if self._table.bits > BITMAP_BITS:
            with self._source.only_if("z"):
                for number in range(BITMAP_BITS + 1, ANY_SHAPE_BITS, 8):
                    self._write_byte_of_bitmap("z", range(number, number + 8))
        return self._ended("m")

    def _write_views(self, encodings: set[Encoding]) -> None:
        """The whole message as text, once: `s` of ASCII, `e` of EBCDIC; a character has the place of its byte."""
        if "ascii" in encodings:
            self._source.line(f"s = b.decode('{'ascii' if self._all_ascii else 'latin-1'}')")
        if "ebcdic" in encodings:
            self._source.line(f"e = b.translate({self._source.constant(EBCDIC_TO_LATIN1)}).decode('latin-1')")

    def _write_second_bitmap(self) -> None:
        """`z` becomes the second bitmap, None if there is none. It has a bit, and none that announces a third."""
        self._source.line("z = None")
        with self._source.only_if("y[0] & 128"):
            self._write_contents("z", self._table.bitmap, self._write_extent(self._table.bitmap))
            self._source.surprise_unless(f"z != {self._source.constant(bytes(BITMAP_BITS // 8))}")
            if BITMAP_BITS + 1 in self._table.announcing:
                self._source.surprise_unless("z[0] < 128")

    def _write_byte_of_bitmap(self, bitmap: str, numbers: range) -> None:
        """The fields of eight bits, each of them if it is there; none may be there that the table lacks."""
        known = self._rows.keys() | self._table.announcing
        unknown = sum(0x80 >> bit for bit, number in enumerate(numbers) if number not in known)
        self._source.line(f"x = {bitmap}[{numbers[0] % BITMAP_BITS // 8}]")
        if unknown:
            self._source.surprise_unless(f"not x & {unknown}")
        with self._source.only_if("x"):
            self._source.line(f"{', '.join(FLAG_NAMES)} = {self._source.constant(FLAGS)}[x]")
            for flag, number in zip(FLAG_NAMES, numbers, strict=True):
                if number in self._rows:
                    with self._source.only_if(flag):
                        self._write_alone(number)

    def _write_alone(self, number: int) -> None:
        self._write_run(_kind(self._rows[number]), [number])
        self._source.line(f"d[{number}] = f{number}")

    def _place(self, distance: int = 0) -> str:
        at = self._at + distance
        return (f"p+{at}" if at else "p") if self._moved else str(at)

    def _take(self, width: int) -> str:
        """The slice of the next `width` bytes; what is read next stands behind them."""
        if self._walks:
            return f"p:(p := p + {width})"
        start = self._place()
        self._at += width
        return f"{start}:{self._place()}"

    def _write_run(self, kind: str, run: list[int]) -> None:
        if kind == "digits":
            self._write_digits(run)
        elif kind:
            self._write_texts(run)
        else:
            for number in run:
                self._write_single(number, self._rows[number])

    def _write_digits(self, run: list[int]) -> None:
        """A run of fixed packed numbers."""
        slices, pads, end = [], [], 0
        for number in run:
            field = self._rows[number]
            start, end = end, end + 2 * wire_width(field, field.length)
            odd_left = field.length & 1 and field.pad == "left"
            slices.append(slice(start + 1 if odd_left else start, end if odd_left else start + field.length))
            if field.length & 1:
                pads.append((start if odd_left else end - 1, field.pad_nibble))
        whole = f"f{run[0]}" if slices == [slice(0, end)] else "h"
        self._source.line(f"{whole} = b[{self._take(end // 2)}].hex()")
        padded = [f"h[{at}] == {self._source.constant(nibble)}" for at, nibble in pads]
        self._source.surprise_unless(" and ".join([f"{whole}.encode().isdigit()", *padded]))
        if whole == "h":
            self._source.cut("h", [f"f{number}" for number in run], slices)

    def _write_texts(self, run: list[int]) -> None:
        """A run of fixed texts."""
        rows = [self._rows[number] for number in run]
        slices, end = [], 0
        for field in rows:
            slices.append(slice(end, end + field.length))
            end += field.length
        whole = f"f{run[0]}" if len(run) == 1 else "t"
        self._source.line(f"{whole} = {self._view(rows[0])}[{self._take(end)}]")
        if whole == "t":
            self._source.cut("t", [f"f{number}" for number in run], slices)
        classes = {field.content for field in rows}
        if len(classes) == 1:
            self._source.surprise_unless(self._glance(whole, rows[0]))
        else:
            odd_ones = [(number, field) for number, field in zip(run, rows, strict=True) if field.content != "ans"]
            checks = [self._printable("t"), *(self._glance(f"f{number}", field) for number, field in odd_ones)]
            self._source.surprise_unless(" and ".join(checks))

    def _view(self, field: Field) -> str:
        return "e" if field.encoding == "ebcdic" else "s"

    def _printable(self, name: str) -> str:
        return f"{name}.isprintable()" if self._all_ascii else f"{name}.isascii() and {name}.isprintable()"

    def _glance(self, name: str, field: Field) -> str:
        """The condition that the text in `name` belongs to the class of `field`."""
        if field.content == "ans":
            return self._printable(name)
        glance = f"{name}.{GLANCE[field.content]}"
        if field.content in PRECISE:
            return glance
        pack = self._source.constant(coding(Field("", field.content, "ascii", field.length)).pack)
        return f"({glance} or {pack}({name}) is not None)"

    def _write_single(self, number: int, field: Field) -> None:
        name = f"f{number}"
        if field.prefix is not None and field.encoding == "bcd" and self._is_plain_bcd(field):
            self._write_variable_bcd(name, field, field.prefix)
        elif field.encoding in {"raw", "hex"} or is_text(field) or self._is_track(field):
            self._write_contents(name, field, self._write_extent(field))
        else:  # a rare form: as the reference codec reads it
            self._source.line(f"{name}, p = {self._source.constant(reader(field))}(b, {self._place()})")
            self._move()

    def _is_plain_bcd(self, field: Field) -> bool:
        return field.counts_digits and (is_digits(field) or (field.content == "z" and field.pad_nibble == "0"))

    def _is_track(self, field: Field) -> bool:
        return field.content == "z" and field.encoding == "ascii"

    def _write_extent(self, field: Field) -> str:
        """The slice of the contents, to be used once; for a variable field it is found out first."""
        if field.prefix is None:
            return self._take(wire_width(field, field.length))
        body = self._write_prefix(field, field.prefix)
        self._source.line(f"q = {body}")
        self._source.line("p = q + w")
        self._move()
        return "q:p"

    def _write_prefix(self, field: Field, prefix: Prefix) -> str:
        """`w` becomes how many bytes (or BCD digits) the prefix announces; returns where they start."""
        table = prefixes_read(field)
        if prefix.width == 1:
            by_byte = self._source.constant({text[0]: length for text, length in table.items()})
            self._source.line(f"w = {by_byte}[b[{self._place()}]]")
        else:
            self._source.line(f"w = {self._source.constant(table)}[b[{self._place()}:{self._place(prefix.width)}]]")
        return self._place(prefix.width)

    def _move(self) -> None:
        self._moved, self._at = True, 0

    def _write_variable_bcd(self, name: str, field: Field, prefix: Prefix) -> None:
        body = self._write_prefix(field, prefix)
        self._source.line(f"q = {body}")
        self._source.line("p = q + (w + 1 >> 1)")
        self._source.line(f"{name} = b[q:p].hex(){'.upper()' if field.content == 'z' else ''}")
        if field.content == "n":
            self._source.surprise_unless(f"{name}.encode().isdigit()" + ("" if field.minimum else " or not w"))
        kept, pad = (f"{name}[1:]", f"{name}[0]") if field.pad == "left" else (f"{name}[:-1]", f"{name}[-1]")
        self._source.line("if w & 1:")
        self._source.line(f"    if {pad} != {self._source.constant(field.pad_nibble)}: return None")
        self._source.line(f"    {name} = {kept}")
        self._move()

    def _write_contents(self, name: str, field: Field, extent: str) -> None:
        if field.encoding == "raw":
            self._source.line(f"{name} = b[{extent}]")
            return
        if field.encoding == "hex":
            self._source.line(f"t = b[{extent}]")
            strangers = f"t.translate(None, {self._source.constant(NIBBLES)})"  # unhexlify also takes small letters
            self._source.surprise_unless(f"not {strangers}")
            self._source.line(f"{name} = {self._source.constant(unhexlify)}(t)")
            return
        self._source.line(f"{name} = {self._view(field)}[{extent}]")
        if self._is_track(field):
            unusual = f"{self._source.constant(coding(field).even)}({name}.encode('latin-1'))"
            usual = f"{name}.replace('=', '', 1).encode().isdigit()"
            self._source.line(f"{name} = {name}.replace('=', 'D', 1) if {usual} else {unusual}")
        else:
            empty = f" or not {name}" if field.shortest == 0 and field.content != "ans" else ""
            self._source.surprise_unless(f"{self._glance(name, field)}{empty}")

    def _ended(self, mti: str) -> DecodePlan:
        """The function, which makes the message of type `mti` with the fields in `d`."""
        self._source.surprise_unless(f"len(b) == {self._place()}")
        self._source.line(f"x = {self._source.constant(object.__new__)}({self._source.constant(Message)})")
        self._source.line(f"x._mti = {mti}")
        self._source.line(f"x._rows = {self._source.constant(self._table.fields)}")
        self._source.line("x._fields = d")
        self._source.line("return x")
        return self._source.function()
