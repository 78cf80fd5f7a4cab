"""A field opened to its parts, and built of them, by the rows of its dialect.

What is opened builds back to the same value. A tag that no row knows is kept and hidden, and `SubField.unknown` lists
it. A tag that comes twice is refused, for two readers could take two different values of one message; only where the
standard lets it come again (a chip's scripts and their commands, the entries of a card's directory) are all kept, the
later ones as ``55/72/86#2``. Work and memory grow with the length of the field, whatever it holds: objects nest at
most NESTING_MAX deep, and OBJECTS_MAX stand side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.masking import mask_part
from iso8583.message import Message
from iso8583.parts import BerTlv, FixedTlv, Form, Forms, Part, Parts, Positional, Records, TextTlv
from iso8583.positional import pieces, records
from iso8583.table import Field, Mask, Table
from iso8583.tlv import (
    REPEATED,
    TEXT_HEAD,
    TEXT_LENGTH_MAX,
    TEXT_TAG,
    build_text_tlv,
    is_constructed,
    iterate_text_tlv,
    iterate_tlv,
    tlv_object,
)

NESTING_MAX: Final = 8
_CHARSETS: Final = {"latin1": "latin-1", "gb18030": "gb18030"}
_HEXADECIMAL: Final = re.compile("(?:[0-9A-Fa-f]{2}){1,4}")
_STEP: Final = re.compile(r"[./][^./]+")

Value = str | bytes


@dataclass(frozen=True, slots=True, repr=False)
class SubField:
    """A field or a part of one. `repr` is masked, as everywhere.

    Attributes:
        path: ``"60"``, ``"60.2"``, ``"59/A2/01"``, ``"55/9F26"``, ``"55/72/86#2"``, as in errors.
        row: what the dialect says of it; None for a tag that it does not know.
        value: all of it, nested parts included: bytes for class b and in BER-TLV, text elsewhere.
        offset: where the value starts within the field: bytes, or digits where they are packed.
        parts: what it is cut into, in the order of the wire; empty if it is whole.
    """

    path: str
    row: Field | Part | None
    value: Value
    offset: int = 0
    parts: tuple[SubField, ...] = ()

    @property
    def name(self) -> str:
        """What it is called; empty for an unknown tag."""
        return self.row.name if self.row else ""

    @property
    def name_zh(self) -> str:
        """The same in Chinese."""
        return self.row.name_zh if self.row else ""

    @property
    def mask(self) -> Mask:
        """How it may be shown."""
        return self.row.mask if self.row else "hide"

    @property
    def shown(self) -> str:
        """The value as it may be shown: text as it is, bytes in hexadecimal, masked if its row says so."""
        return mask_part(self.row, self.value)

    @property
    def unknown(self) -> tuple[SubField, ...]:
        """The tags at any depth that no row knows."""
        return tuple(part for part in self.walk() if part.row is None)

    @property
    def leaves(self) -> dict[str, Value]:
        """Path -> value of every part that is not cut further: what `build_field` takes."""
        return {part.path: part.value for part in self.walk() if not part.parts}

    def walk(self) -> Iterator[SubField]:
        """Every part at any depth, each in front of its own parts."""
        for part in self.parts:
            yield part
            yield from part.walk()

    def __getitem__(self, path: str) -> SubField:
        found = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def get(self, path: str) -> SubField | None:
        """The part with this whole path, or None."""
        return next((part for part in self.walk() if part.path == path), None)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def __repr__(self) -> str:
        shown = ", ".join(f"{part.path}={part.shown}" for part in self.walk() if not part.parts)
        return f"SubField({self.path}: {shown or self.shown})"


# --- opening ----------------------------------------------------------------------------------------------------------


def open_field(table: Table, message: Message, number: int) -> SubField:
    """Field `number` of `message`, opened by its row in `table`. A field without parts comes out whole.

    Raises:
        KeyError: the message lacks the field.
        Iso8583Error: the table lacks it, or it cannot be cut so; the error names the part ("60.2", "55/9F26") and its
            offset within the field.
    """
    row = table.fields.get(number)
    if row is None:
        raise Iso8583Error(number, 0, f"{table.name} does not define field {number}")
    value = message[number]
    path = str(number)
    if row.parts is None:
        return SubField(path, row, value)
    data = _units(row, value, path)
    parts = _form_of(table, message, row.parts, len(data))
    return SubField(path, row, value, 0, _opened(parts, data, path) if parts else ())


def _form_of(table: Table, message: Message, parts: Parts, length: int) -> Parts | None:
    """The layout that a field of `length` has in this message."""
    if not isinstance(parts, Forms):
        return parts
    fitting = (form for form in parts.forms if form.length in {0, length} and _has_form(table, message, form))
    return next((form.parts for form in fitting), None)


def _has_form(table: Table, message: Message, form: Form) -> bool:
    if message.mti not in form.mtis or not form.path:
        return message.mti in form.mtis
    number = int(_STEP.sub("", form.path))
    if number not in message:
        return False
    try:
        part = open_field(table, message, number).get(form.path)
    except Iso8583Error:
        return False
    return part is not None and part.value in form.values


def _units(row: Field, value: Value, path: str) -> bytes:
    """The contents as bytes, one for each unit that lengths and offsets count."""
    kind = bytes if row.content == "b" else str
    if not isinstance(value, kind):
        raise Iso8583Error(path, 0, f"needed {kind.__name__}, there is {type(value).__name__}")
    if isinstance(value, bytes):
        return value
    charset = _CHARSETS.get(row.encoding, "ascii")
    try:
        return value.encode(charset)
    except UnicodeEncodeError as error:
        reason = f"needed text that {charset} can carry, there is a character outside it"
        raise Iso8583Error(path, error.start, reason) from None


def _opened(layout: Parts, data: bytes, path: str, at: int = 0, depth: int = 0) -> tuple[SubField, ...]:
    match layout:
        case Positional():
            return tuple(_part(*piece) for piece in pieces(path, data, layout, at))
        case Records():
            counted = SubField(f"{path}.count", _counter(layout), data[: layout.count_digits].decode("latin-1"), at)
            return (counted, *(_part(*piece) for piece in records(path, data, layout, at)))
        case TextTlv(tags):
            return tuple(_text_parts(tags, data, path, at))
        case FixedTlv(tags):
            return tuple(_part(*piece) for piece in _fixed_pieces(tags, data, path, at))
        case BerTlv():
            return tuple(_objects(layout, data, path, at, depth))
        case Forms():
            raise Iso8583Error(path, at, "needed one form of the part, its row has several")


def _part(path: str, at: int, part: Part, piece: bytes) -> SubField:
    value = part.read(piece, path, at)
    return SubField(path, part, value, at, _opened(part.parts, piece, path, at) if part.parts else ())


def _counter(layout: Records) -> Part:
    return Part("number of records", "n", layout.count_digits, "show", "笔数")


def _text_parts(tags: Mapping[str, Part], data: bytes, path: str, at: int) -> Iterator[SubField]:
    try:
        found = iterate_text_tlv(data.decode("latin-1"), path)
    except Iso8583Error as error:
        raise error.moved(at) from None
    for place, tag, value in found:
        start, piece = at + place + TEXT_HEAD, value.encode("latin-1")
        if tag in tags:
            yield _part(f"{path}/{tag}", start, tags[tag], piece)
        else:
            yield SubField(f"{path}/{tag}", None, value, start)


def _fixed_pieces(tags: Mapping[str, Part], data: bytes, path: str, at: int) -> Iterator[tuple[str, int, Part, bytes]]:
    seen: set[str] = set()
    place = 0
    while place < len(data):
        tag, start = data[place : place + TEXT_TAG].decode("latin-1"), place + TEXT_TAG
        part = tags.get(tag)
        if part is None:
            raise Iso8583Error(
                path, at + place, "needed a tag that the dialect knows, for its length; there is another"
            )
        if tag in seen:
            raise Iso8583Error(f"{path}/{tag}", at + place, REPEATED)
        seen.add(tag)
        piece = data[start : start + part.length]
        if len(piece) < part.length:
            raise Iso8583Error(f"{path}/{tag}", at + start, f"needed {part.span}, {len(piece)} are left")
        yield f"{path}/{tag}", at + start, part, piece
        place = start + part.length


def _objects(layout: BerTlv, data: bytes, path: str, at: int, depth: int) -> Iterator[SubField]:
    if data and depth == NESTING_MAX:
        raise Iso8583Error(path, at, f"needed objects nested at most {NESTING_MAX} deep, they are deeper")
    try:
        found = iterate_tlv(data, path)
    except Iso8583Error as error:
        raise error.moved(at) from None
    counts: dict[int, int] = {}
    ends = [*(place for place, _, _ in found), len(data)][1:]
    for (place, tag, value), end in zip(found, ends, strict=True):
        part, name, start = layout.tags.get(tag), f"{path}/{tag:02X}", at + end - len(value)
        counts[tag] = counts.get(tag, 0) + 1
        if counts[tag] > 1:
            if part is None or not part.repeats:
                raise Iso8583Error(name, at + place, REPEATED)
            name += f"#{counts[tag]}"
        if part is not None:
            part.check_length(len(value), name, start, "bytes")
        nested = _opened(layout, value, name, start, depth + 1) if is_constructed(tag) else ()
        yield SubField(name, part, value, start, nested)


# --- building ---------------------------------------------------------------------------------------------------------

_Tree = dict[str, "Value | _Tree"]


def build_field(table: Table, number: int, parts: Mapping[str, Value]) -> Value:
    """The value of field `number` made of its parts: the inverse of `open_field`.

    Args:
        table: the dialect's.
        number: the field.
        parts: value by whole path, as `SubField.leaves` has them: ``{"60.1": "22", "60.2": "000001", "60.3": "000"}``.
            Tags come in this order. A part that is cut in turn may be given whole.

    Raises:
        Iso8583Error: there is no such field or part, or a value does not fit; offsets count in the value made.
    """
    row = table.fields.get(number)
    if row is None:
        raise Iso8583Error(number, 0, f"{table.name} does not define field {number}")
    path = str(number)
    if row.parts is None:
        raise Iso8583Error(number, 0, f"{table.name} does not cut field {number} into parts")
    data = _built_in_a_form(row.parts, _tree(parts, path), path)
    return data if row.content == "b" else data.decode(_CHARSETS.get(row.encoding, "ascii"))


def _tree(parts: Mapping[str, Value], path: str) -> _Tree:
    """The parts by their steps: {"59/A2/01": x} -> {"/A2": {"/01": x}}."""
    root: _Tree = {}
    for name, value in parts.items():
        steps = _STEP.findall(name[len(path) :])
        if not 1 <= len(steps) <= NESTING_MAX or path + "".join(steps) != name:
            raise Iso8583Error(path, 0, f"needed paths of parts such as {path}.1 or {path}/A1, there is another")
        branch = root
        for step in steps[:-1]:
            inner = branch.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Iso8583Error(path, 0, "needed a part whole or in parts, there are both")
            branch = inner
        if steps[-1] in branch:
            raise Iso8583Error(path, 0, "needed a part whole or in parts, there are both")
        branch[steps[-1]] = value
    return root


def _built_in_a_form(layout: Parts, tree: _Tree, path: str) -> bytes:
    """Built by the layout, or of several forms by the first that can hold the parts."""
    refusals: list[Iso8583Error] = []
    for form in [form.parts for form in layout.forms] if isinstance(layout, Forms) else [layout]:
        try:
            data = _built(form, tree, path)
            _opened(
                form, data, path
            )  # what is built can be opened: lengths, repeated tags, parts that were given whole
        except Iso8583Error as error:
            refusals.append(error)
        else:
            return data
    raise max(refusals, key=lambda error: error.offset)  # of the form that got furthest


def _built(layout: Parts, tree: _Tree, path: str, at: int = 0) -> bytes:
    match layout:
        case Positional(rows, minimum):
            return _positional(rows, minimum, tree, path, at)
        case Records():
            return _records(layout, tree, path, at)
        case Forms():
            raise Iso8583Error(path, at, "needed one form of the part, its row has several")
    made = b""
    for step, given in tree.items():
        name, start = path + step, at + len(made)
        if step[0] != "/":
            raise _stranger(name, start)
        made += _tagged(layout, step[1:].partition("#")[0], given, name, start)
    return made


def _stranger(path: str, at: int) -> Iso8583Error:
    return Iso8583Error(path, at, "needed a part that the dialect knows, there is another")


def _positional(rows: Sequence[Part], minimum: int, tree: _Tree, path: str, at: int) -> bytes:
    names = [f".{number}" for number in range(1, len(rows) + 1)]
    for step in tree.keys() - set(names):
        raise _stranger(path + step, at)
    used = max((number for number, name in enumerate(names, 1) if name in tree), default=0)
    made = b""
    for name, row in list(zip(names, rows, strict=True))[: max(used, minimum)]:
        if name not in tree:
            raise Iso8583Error(path + name, at + len(made), f"needed {row.span}, the part is absent")
        made += _written(row, tree[name], path + name, at + len(made))
    return made


def _records(layout: Records, tree: _Tree, path: str, at: int) -> bytes:
    given = dict(tree)
    count = given.pop(".count", f"{len(given):0{layout.count_digits}d}")
    made = _written(_counter(layout), count, f"{path}.count", at)
    for number, (step, record) in enumerate(given.items(), 1):
        if step != f".{number}":
            raise _stranger(path + step, at + len(made))
        made += _written(layout.record, record, path + step, at + len(made))
    return made


def _tagged(layout: TextTlv | FixedTlv | BerTlv, tag: str, given: Value | _Tree, path: str, at: int) -> bytes:
    match layout:
        case BerTlv():
            return tlv_object(_tag_number(tag, path, at), _object_value(layout, given, path, at), path)
        case FixedTlv(tags):
            if tag not in tags:
                raise _stranger(path, at)
            return tag.encode("ascii") + _written(tags[tag], given, path, at + TEXT_TAG)
        case TextTlv(tags):
            part = tags.get(tag) or Part("", "ans", TEXT_LENGTH_MAX, minimum=0, encoding="latin1")
            piece = _written(part, given, path, at + TEXT_HEAD)
            return build_text_tlv({tag: piece.decode("latin-1")}, path).encode("latin-1")


def _tag_number(tag: str, path: str, at: int) -> int:
    if not _HEXADECIMAL.fullmatch(tag):
        raise Iso8583Error(path, at, "needed a tag in hexadecimal, there is something else")
    return int(tag, 16)


def _object_value(layout: BerTlv, given: Value | _Tree, path: str, at: int) -> bytes:
    if isinstance(given, dict):
        return _built(layout, given, path, at)
    if isinstance(given, str):
        raise Iso8583Error(path, at, "needed bytes, there is str")
    return given


def _written(part: Part, given: Value | _Tree, path: str, at: int) -> bytes:
    if not isinstance(given, dict):
        return part.write(given, path, at)
    if part.parts is None:
        raise Iso8583Error(path, at, "needed the part whole, it is not cut further")
    return _built(part.parts, given, path, at)
