"""Compiled code that encodes: a plan for the messages with one set of fields, and one plan for those with any.

Neighbouring packed numbers, with the prefixes between them, become one string of digits; neighbouring texts become one
text. Each is turned into bytes once. The plan of one shape is straight-line code, and knows these runs beforehand. The
plan of any shape asks for each field of the table whether it is there, and ends a run when a field of another kind
comes. Lengths go through tables that hold only the legal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from iso8583.decode_plan import ANY_SHAPE_BITS, FLAG_NAMES, FLAGS, GLANCE, PRECISE, is_digits, is_text
from iso8583.encodings import LATIN1_TO_EBCDIC, coding
from iso8583.fields import prefixes_as_text, prefixes_written, writer
from iso8583.plan_source import Source
from iso8583.table import BITMAP_BITS, Content, Field, Table

EncodePlan = Callable[[bytes, Mapping[int, Any]], bytes | None]


def compile_encoder(table: Table, numbers: Sequence[int], bitmaps: bytes) -> EncodePlan:
    """The plan for messages with exactly the fields `numbers`, in ascending order.

    `bitmaps` are what announces them. The plan is given the MTI as bytes and the fields. It returns the message from
    the MTI on, or None, or raises one of `iso8583.dialect.SURPRISES` where the reference codec has to look.
    """
    return _Encoder(table, numbers).of_one_shape(bitmaps)


def compile_any_encoder(table: Table, bitmaps_of: Callable[[Iterable[int]], bytes]) -> EncodePlan:
    """The plan for messages with any fields that one or two bitmaps announce. It is used as those of one shape are.

    `bitmaps_of` gives the bitmaps, as they are before they are written, that announce the fields of a message; it
    raises what a plan may if one of them is not in the table.
    """
    return _Encoder(table, table.fields).of_any_shape(table, bitmaps_of)


_Kind = Literal["packed", "track", "ascii", "ebcdic", "bytes"]
# Where a plan of any shape gathers a run of each kind; bytes go straight to `c`, the parts of the message.
_RUNS: Final[Mapping[_Kind, str]] = {"packed": "h", "track": "k", "ascii": "t", "ebcdic": "e"}
_JOIN: Final = "".join


class _Piece(NamedTuple):
    """A part of the message: how it is written, and the expression that gives it.

    Packed digits are looked at where their run ends. A packed track, which may have letters, has been looked at before.
    """

    kind: _Kind
    expression: str
    alone: str = ""  # of kind "packed": what gives it as bytes, if no neighbour is packed


class _Encoder:
    def __init__(self, table: Table, numbers: Iterable[int]) -> None:
        self._rows = {number: table.fields[number] for number in numbers}
        self._source = Source("mti, v")
        self._open: set[_Kind] = set()  # the runs that may hold something here, in a plan of any shape

    def of_one_shape(self, bitmaps: bytes) -> EncodePlan:
        self._write_values()
        self._check_texts()
        pieces = [piece for number, field in self._rows.items() for piece in self._pieces(f"f{number}", field)]
        self._write_end(bitmaps, pieces)
        return self._source.function()

    def of_any_shape(self, table: Table, bitmaps_of: Callable[[Iterable[int]], bytes]) -> EncodePlan:
        self._source.line("c, h, k, t, e = [mti], [], [], [], []")
        self._source.line(f"y = {self._source.constant(bitmaps_of)}(v)")
        for piece in self._binary("y", table.bitmap):
            self._append(piece)
        bits = min(table.bits, ANY_SHAPE_BITS)
        self._source.surprise_unless(f"len(y) <= {bits // 8}")
        for first in range(0, bits, BITMAP_BITS):
            with self._source.only_if(f"len(y) > {first // 8}"):
                for number in range(first + 1, first + BITMAP_BITS, 8):
                    self._write_byte_of_bitmap(range(number, number + 8))
        self._end_runs()
        self._source.line(f"return {self._source.constant(b''.join)}(c)")
        return self._source.function()

    def _write_byte_of_bitmap(self, numbers: range) -> None:
        """The fields of eight bits, each of them if it is there."""
        self._source.line(f"z = y[{numbers[0] // 8}]")
        with self._source.only_if("z"):
            self._source.line(f"{', '.join(FLAG_NAMES)} = {self._source.constant(FLAGS)}[z]")
            for flag, number in zip(FLAG_NAMES, numbers, strict=True):
                if number in self._rows:
                    with self._source.only_if(flag):
                        self._write_alone(f"f{number}", number, self._rows[number])

    def _write_alone(self, name: str, number: int, field: Field) -> None:
        self._source.line(f"{name} = v[{number}]")
        if _is_measured(field):
            self._source.surprise_unless(f"len({name}) == {field.length}")
        if is_text(field):
            self._check_text(name, field.content)
        if_absent = self._open
        for piece in self._pieces(name, field):
            self._append(piece)
        self._open = self._open | if_absent

    def _append(self, piece: _Piece) -> None:
        """Add a piece to the run of its kind; any other run ends here."""
        self._end_runs(besides=piece.kind)
        self._source.line(f"{_RUNS.get(piece.kind, 'c')}.append({piece.expression})")
        self._open = {piece.kind} & _RUNS.keys()

    def _end_runs(self, besides: _Kind = "bytes") -> None:
        for kind in sorted(self._open - {besides}):
            run = _RUNS[kind]
            with self._source.only_if(run):
                self._source.line(f"x = {self._source.constant(_JOIN)}({run})")
                if kind == "packed":
                    self._source.surprise_unless("x.encode().isdigit()")
                self._source.line(f"c.append({self._converted(kind, 'x')})")
                self._source.line(f"{run} = []")

    def _write_values(self) -> None:
        """All values into names; the lengths of all fixed ones are compared at once."""
        fixed = [number for number, field in self._rows.items() if _is_measured(field)]
        variable = [number for number in self._rows if number not in fixed]
        if fixed:
            self._source.line(f"x = {self._getter(fixed)}(v)")
            lengths = self._source.constant(tuple(self._rows[number].length for number in fixed))
            self._source.surprise_unless(f"(*map(len, x),) == {lengths}")
            self._source.line(f"{self._names(fixed)} = x")
        if variable:
            self._source.line(f"{self._names(variable)} = {self._getter(variable)}(v)")

    def _getter(self, numbers: list[int]) -> str:
        if len(numbers) > 1:
            return self._source.constant(itemgetter(*numbers))
        return self._source.constant(lambda values, number=numbers[0]: (values[number],))

    def _names(self, numbers: list[int]) -> str:
        return "".join(f"f{number}, " for number in numbers)

    def _check_texts(self) -> None:
        """All texts of a class together. That they are ASCII shows at the end, where they are encoded as such."""
        for content in GLANCE:
            names = [
                f"f{number}" for number, field in self._rows.items() if is_text(field) and field.content == content
            ]
            if not names:
                continue
            text = names[0] if len(names) == 1 else f"''.join(({', '.join(names)}))"
            self._source.line(f"x = {text}")
            self._check_text("x", content)

    def _check_text(self, name: str, content: Content) -> None:
        glance = f"{name}.{GLANCE[content]}"
        if content in PRECISE:
            self._source.surprise_unless(glance + (f" or not {name}" if content == "n" else ""))
        else:
            pack = self._source.constant(coding(Field("", content, "ascii", 0)).pack)
            self._source.line(f"if not {glance}: {pack}({name})")

    def _pieces(self, name: str, field: Field) -> list[_Piece]:
        if field.encoding == "bcd" and (is_digits(field) or field.content == "z") and self._counts_plainly(field):
            return self._packed(name, field)
        if is_text(field):
            return [*self._prefix(field, name), _Piece(_charset(field), name)]
        if field.content == "z" and field.encoding == "ascii":
            pack = self._source.constant(_pack_unusual_track)
            self._source.line(f"t{name} = {name}.replace('D', '=', 1)")
            self._source.line(f"if not t{name}.replace('=', '', 1).encode().isdigit(): t{name} = {pack}({name})")
            return [*self._prefix(field, name), _Piece("ascii", f"t{name}")]
        if field.encoding in {"raw", "hex"}:
            return self._binary(name, field)
        return [_Piece("bytes", f"{self._source.constant(writer(field))}({name})")]  # a rare form: as the reference

    def _counts_plainly(self, field: Field) -> bool:
        return field.pad_nibble.isdigit() and (field.prefix is None or field.counts_digits)

    def _packed(self, name: str, field: Field) -> list[_Piece]:
        if field.content == "z":
            check = self._source.constant(coding(Field("", "z", "ascii", field.length)).pack)
            self._source.line(f"{name} = {name}.replace('=', 'D')")
            self._source.line(f"if not {name}.replace('D', '', 1).encode().isdigit(): {check}({name})")
        kind: _Kind = "track" if field.content == "z" else "packed"
        pad = self._source.constant(field.pad_nibble)
        if field.prefix is None:
            padding = [_Piece(kind, pad)] if field.length & 1 else []
        else:
            pads = self._source.constant(("", field.pad_nibble))
            padding = [_Piece(kind, f"{pads}[len({name}) & 1]")]
        value = _Piece(kind, name)
        body = [*padding, value] if field.pad == "left" else [value, *padding]
        return [*self._prefix(field, name), *body]

    def _prefix(self, field: Field, name: str) -> list[_Piece]:
        if field.prefix is None:
            return []
        if field.prefix.encoding == "binary":
            return [_Piece("bytes", f"{self._source.constant(prefixes_written(field))}[len({name})]")]
        as_text = f"{self._source.constant(prefixes_as_text(field))}[len({name})]"
        if field.prefix.encoding != "bcd":
            return [_Piece(field.prefix.encoding, as_text)]
        return [_Piece("packed", as_text, alone=f"{self._source.constant(prefixes_written(field))}[len({name})]")]

    def _binary(self, name: str, field: Field) -> list[_Piece]:
        self._source.surprise_unless(f"{name}.__class__ is {self._source.constant(bytes)}")
        prefix = self._prefix(field, name)
        if field.encoding == "raw":
            return [*prefix, _Piece("bytes", name)]
        return [*prefix, _Piece("ascii", f"{name}.hex().upper()")]

    def _write_end(self, bitmaps: bytes, pieces: list[_Piece]) -> None:
        chunks = ["mti", self._source.constant(bitmaps)]
        for place, (kind, run) in enumerate(groupby(pieces, lambda piece: piece.kind)):
            parts = list(run)
            if kind == "bytes":
                chunks += [piece.expression for piece in parts]
            elif len(parts) == 1 and parts[0].alone:
                chunks.append(parts[0].alone)
            else:
                self._source.line(f"c{place} = {self._joined(parts)}")
                if kind == "packed":
                    self._source.surprise_unless(f"c{place}.encode().isdigit()")
                chunks.append(self._converted(kind, f"c{place}"))
        self._source.line(f"return {self._source.constant(b''.join)}(({', '.join(chunks)},))")

    def _joined(self, parts: list[_Piece]) -> str:
        if len(parts) == 1 and parts[0].kind not in {"packed", "track"}:
            return parts[0].expression
        return f"''.join(({', '.join(piece.expression for piece in parts)},))"  # it refuses what is no text

    def _converted(self, kind: str, chunk: str) -> str:
        if kind in {"packed", "track"}:
            return f"{self._source.constant(bytes.fromhex)}({chunk})"
        if kind == "ascii":
            return f"{chunk}.encode('ascii')"
        return f"{chunk}.encode('ascii').translate({self._source.constant(LATIN1_TO_EBCDIC)})"


def _is_measured(field: Field) -> bool:
    """The length of its value is what its row says, in characters or bytes."""
    return field.prefix is None and field.encoding != "gb18030"


def _charset(field: Field) -> _Kind:
    return "ebcdic" if field.encoding == "ebcdic" else "ascii"


def _pack_unusual_track(value: str) -> str:
    return coding(_TRACK).pack(value).decode("ascii")


_TRACK = Field("", "z", "ascii", 0)
