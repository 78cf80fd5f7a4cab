"""Straight-line code that encodes the messages with one set of fields.

Neighbouring packed numbers, with the prefixes between them, become one string of digits; neighbouring texts become one
text. Each is looked at once and turned into bytes once. Lengths go through tables that hold only the legal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from iso8583.decode_plan import GLANCE, PRECISE, is_digits, is_text
from iso8583.encodings import LATIN1_TO_EBCDIC, coding
from iso8583.fields import prefixes_as_text, prefixes_written, writer
from iso8583.plan_source import Source
from iso8583.table import Field, Table

EncodePlan = Callable[[bytes, Mapping[int, Any]], bytes | None]


def compile_encoder(table: Table, numbers: Sequence[int], bitmaps: bytes) -> EncodePlan:
    """The plan for messages with exactly the fields `numbers`, in ascending order.

    `bitmaps` are what announces them. The plan is given the MTI as bytes and the fields. It returns the message from
    the MTI on, or None, or raises one of `iso8583.dialect.SURPRISES` where the reference codec has to look.
    """
    return _Encoder(table, numbers, bitmaps).function()


_Kind = Literal["packed", "ascii", "ebcdic", "bytes"]


class _Piece(NamedTuple):
    """A part of the message: how it is written, and the expression that gives it."""

    kind: _Kind
    expression: str
    is_track: bool = False  # of kind "packed": it has been looked at, and may have letters
    alone: str = ""  # of kind "packed": what gives it as bytes, if no neighbour is packed


class _Encoder:
    def __init__(self, table: Table, numbers: Sequence[int], bitmaps: bytes) -> None:
        self._rows = {number: table.fields[number] for number in numbers}
        self._source = Source("mti, v")
        self._write_values()
        self._check_texts()
        pieces = [piece for number in numbers for piece in self._pieces(f"f{number}", self._rows[number])]
        self._write_end(bitmaps, pieces)

    def function(self) -> EncodePlan:
        return self._source.function()

    def _write_values(self) -> None:
        """All values into names; the lengths of all fixed ones are compared at once."""
        fixed = [number for number, field in self._rows.items() if field.prefix is None and field.encoding != "gb18030"]
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
        for content, glance in GLANCE.items():
            names = [
                f"f{number}" for number, field in self._rows.items() if is_text(field) and field.content == content
            ]
            if not names:
                continue
            text = names[0] if len(names) == 1 else f"''.join(({', '.join(names)}))"
            if content in PRECISE:
                empty = " or not x" if content == "n" else ""
                self._source.line(f"x = {text}")
                self._source.surprise_unless(f"x.{glance}{empty}")
            else:
                pack = self._source.constant(coding(Field("", content, "ascii", 0)).pack)
                self._source.line(f"x = {text}")
                self._source.line(f"if not x.{glance}: {pack}(x)")

    def _pieces(self, name: str, field: Field) -> list[_Piece]:
        if field.encoding == "bcd" and (is_digits(field) or field.content == "z") and self._counts_plainly(field):
            return self._packed(name, field)
        if is_text(field):
            return [*self._prefix(field, name), _Piece(_charset(field), name)]
        if field.content == "z" and field.encoding == "ascii":
            pack = self._source.constant(_pack_unusual_track)
            usual = f"{name}.replace('=', 'D').replace('D', '', 1).encode().isdigit()"
            self._source.line(f"t{name} = {name}.replace('D', '=', 1) if {usual} else {pack}({name})")
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
        value = _Piece("packed", name, is_track=field.content == "z")
        pad = self._source.constant(field.pad_nibble)
        if field.prefix is None:
            padding = [_Piece("packed", pad)] if field.length & 1 else []
        else:
            pads = self._source.constant(("", field.pad_nibble))
            padding = [_Piece("packed", f"{pads}[len({name}) & 1]")]
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
                    self._check_digits(f"c{place}", parts)
                chunks.append(self._converted(kind, f"c{place}"))
        self._source.line(f"return {self._source.constant(b''.join)}(({', '.join(chunks)},))")

    def _joined(self, parts: list[_Piece]) -> str:
        if len(parts) == 1 and parts[0].kind != "packed":
            return parts[0].expression
        return f"''.join(({', '.join(piece.expression for piece in parts)},))"  # it refuses what is no text

    def _check_digits(self, chunk: str, parts: list[_Piece]) -> None:
        """That packed numbers are numbers; in a chunk with a track, those beside it."""
        numbers = [piece for piece in parts if not piece.is_track]
        if len(numbers) == len(parts):
            self._source.surprise_unless(f"{chunk}.encode().isdigit()")
        elif numbers:
            self._source.surprise_unless(f"{self._joined(numbers)}.encode().isdigit()")

    def _converted(self, kind: str, chunk: str) -> str:
        if kind == "packed":
            return f"{self._source.constant(bytes.fromhex)}({chunk})"
        if kind == "ascii":
            return f"{chunk}.encode('ascii')"
        return f"{chunk}.encode('ascii').translate({self._source.constant(LATIN1_TO_EBCDIC)})"


def _charset(field: Field) -> _Kind:
    return "ebcdic" if field.encoding == "ebcdic" else "ascii"


def _pack_unusual_track(value: str) -> str:
    return coding(_TRACK).pack(value).decode("ascii")


_TRACK = Field("", "z", "ascii", 0)
