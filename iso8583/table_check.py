"""What can be wrong with a dialect's table, all of it at once.

A table that passes gives a codec that is sound: no row can make it raise anything but `Iso8583Error`, and whatever it
decodes, it encodes to the same bytes. Tables are checked when a dialect is loaded, whether they come with this package,
from Python or from a file, so every value may be of any type here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from iso8583.encodings import NIBBLES
from iso8583.fields import count_of
from iso8583.parts import Forms, Part, Parts, Positional, Records
from iso8583.table import Content, Encoding, Field, Mask, Prefix, PrefixEncoding, Side, Table, Unit

BITS: Final = (64, 128, 192)
LENGTH_MAX: Final = 9999  # what LLLL can say; the tables of legal lengths grow with it
PREFIX_DIGITS: Final = (1, 2, 3, 4)
MESSAGES_MAX: Final = 64  # each is compiled at load, and takes about a millisecond
NAME_MAX: Final = 120
PART_DEPTH_MAX: Final = 4

_TEXT: Final = ("ascii", "ebcdic")
ENCODINGS_OF: Final[dict[Content, tuple[Encoding, ...]]] = {
    "n": ("bcd", *_TEXT),
    "a": _TEXT,
    "an": _TEXT,
    "ans": (*_TEXT, "latin1", "gb18030"),
    "z": ("bcd", *_TEXT),
    "x+n": ("bcd", *_TEXT),
    "b": ("raw", "hex"),
}
_ONE_OF: Final[dict[str, tuple[str, ...]]] = {
    "content": get_args(Content),
    "encoding": get_args(Encoding),
    "pad": get_args(Side),
    "mask": get_args(Mask),
}


@dataclass(frozen=True, slots=True)
class DialectFault:
    """One thing that is wrong.

    Attributes:
        row: the field's number, or "mti", "bitmap", "dialect" (the table itself) or "message 1" and on.
        column: the attribute of the row, or of its prefix.
        reason: what was needed and what was there.
    """

    row: int | str
    column: str
    reason: str

    def __str__(self) -> str:
        row = f"row {self.row}" if isinstance(self.row, int) else self.row
        return f"{row}, column {self.column}: {self.reason}"


class DialectError(ValueError):
    """A table that is no dialect.

    Attributes:
        name: the table's name, or the file's.
        faults: everything that is wrong with it, in the order of its rows.
    """

    def __init__(self, name: str, faults: Iterable[DialectFault]) -> None:
        self.name = name
        self.faults = tuple(faults)
        super().__init__(name, self.faults)

    def __str__(self) -> str:
        return "\n".join([f"{self.name} is no sound dialect:", *(f"  {fault}" for fault in self.faults)])


def check_table(table: Table) -> None:
    """Pass a sound table.

    Raises:
        DialectError: with every fault of the table.

    >>> from iso8583 import load_dialect
    >>> table = load_dialect("iso87_ascii").table
    >>> check_table(table)
    >>> check_table(table.derive("ours", {41: {"encoding": "bcd"}, 48: {"length": 1000}}))
    Traceback (most recent call last):
    iso8583.table_check.DialectError: ours is no sound dialect:
      row 41, column encoding: needed ascii, ebcdic, latin1 or gb18030 for class ans, there is 'bcd'
      row 48, column length: needed at most 999, which LLL ascii can say, there is 1000
    """
    faults = [*_dialect_faults(table), *_head_faults(table), *_fields_faults(table)]
    faults = faults or list(_message_faults(table))
    if faults:
        raise DialectError("the table" if list(_name_faults("", "", table.name)) else table.name, faults)


# The table -----------------------------------------------------------------------------------------------------------


def _dialect_faults(table: Any) -> Iterator[DialectFault]:
    yield from _name_faults("dialect", "name", table.name)
    if not isinstance(table.title, str):
        yield _fault("dialect", "title", "needed text", table.title)
    version = table.version
    if not (isinstance(version, str) and len(version) == 1 and version in "0123456789"):
        yield _fault("dialect", "version", "needed one digit in quotes, the first of every MTI", version)
    if table.bits not in BITS or isinstance(table.bits, bool):
        yield _fault("dialect", "bits", f"needed {_either(BITS)}", table.bits)


def _head_faults(table: Any) -> Iterator[DialectFault]:
    for row, field in (("mti", table.mti), ("bitmap", table.bitmap)):
        faults = list(_row_faults(row, field))
        yield from faults
        if not faults and field.prefix is not None:
            yield _fault(row, "prefix", "needed none", "one")
    yield from _must_be("mti", table.mti, "content", "n")
    yield from _must_be("mti", table.mti, "length", 4)
    yield from _must_be("bitmap", table.bitmap, "content", "b")
    yield from _must_be("bitmap", table.bitmap, "length", 8)


def _must_be(row: str, field: Any, column: str, needed: Any) -> Iterator[DialectFault]:
    if isinstance(field, Field) and getattr(field, column) != needed:
        yield _fault(row, column, f"needed {needed}", getattr(field, column))


def _fields_faults(table: Any) -> Iterator[DialectFault]:
    if not isinstance(table.fields, Mapping):
        yield _fault("dialect", "fields", "needed a mapping from number to row", table.fields)
        return
    if len(table.fields) > max(BITS):
        yield DialectFault("dialect", "fields", f"needed at most {max(BITS)} rows, there are {len(table.fields)}")
        return
    for number, field in table.fields.items():
        if not _is_number(number):
            yield _fault("dialect", "fields", "needed field numbers", number)
            continue
        if table.bits in BITS:
            yield from _number_faults(table, number)
        yield from _row_faults(number, field)


def _number_faults(table: Any, number: int) -> Iterator[DialectFault]:
    if number in table.announcing:
        yield DialectFault(number, "number", "needed another number: this bit announces a bitmap")
    elif not 2 <= number <= table.bits:
        yield _fault(number, "number", f"needed 2 to {table.bits}", number)


def _message_faults(table: Any) -> Iterator[DialectFault]:
    if not isinstance(table.messages, tuple | list):
        yield _fault("dialect", "messages", "needed pairs of MTI and field numbers", table.messages)
        return
    if len(table.messages) > MESSAGES_MAX:
        yield DialectFault("dialect", "messages", f"needed at most {MESSAGES_MAX}, there are {len(table.messages)}")
    for place, message in enumerate(table.messages, 1):
        yield from _one_message_faults(table, f"message {place}", message)


def _one_message_faults(table: Any, row: str, message: Any) -> Iterator[DialectFault]:
    if not (isinstance(message, tuple | list) and len(message) == 2):
        yield _fault(row, "mti", "needed a pair of MTI and field numbers", message)
        return
    mti, numbers = message
    if not (isinstance(mti, str) and len(mti) == 4 and _is_digits(mti) and mti.startswith(table.version)):
        yield _fault(row, "mti", f"needed four digits in quotes, the first {table.version}", mti)
    if not isinstance(numbers, tuple | list):
        yield _fault(row, "fields", "needed field numbers", numbers)
        return
    unknown = [number for number in numbers if not _is_number(number) or number not in table.fields]
    if unknown:
        yield _fault(row, "fields", "needed numbers of rows that there are", unknown[0])
    elif len(set(numbers)) < len(numbers):
        yield DialectFault(row, "fields", "needed each number once, there is one twice")


# A row ---------------------------------------------------------------------------------------------------------------


def _row_faults(row: int | str, field: Any) -> Iterator[DialectFault]:
    """What is wrong with a row; what its columns say together only if each is good for itself."""
    if not isinstance(field, Field):
        yield _fault(row, "row", "needed a Field", field)
        return
    faults = [*_column_faults(row, field), *_prefix_faults(row, field.prefix)]
    yield from faults or [*_class_faults(row, field), *_length_faults(row, field), *_pad_faults(row, field)]
    if not faults and field.parts is not None:
        yield from _parts_faults(row, field)


def _column_faults(row: int | str, field: Any) -> Iterator[DialectFault]:
    yield from _name_faults(row, "name", field.name)
    if not isinstance(field.name_zh, str):
        yield _fault(row, "name_zh", "needed text", field.name_zh)
    for column, choices in _ONE_OF.items():
        value = getattr(field, column)
        if value not in choices:
            yield _fault(row, column, f"needed {_either(choices)}", value)
    nibble = field.pad_nibble
    if not (isinstance(nibble, str) and len(nibble) == 1 and nibble in NIBBLES.decode()):
        yield _fault(row, "pad_nibble", "needed one of 0 to 9 and A to F, in quotes", nibble)
    if not _is_count(field.length, 1):
        yield _fault(row, "length", f"needed a whole number of 1 to {LENGTH_MAX}", field.length)
    if not _is_count(field.minimum, 0):
        yield _fault(row, "minimum", f"needed a whole number of 0 to {LENGTH_MAX}", field.minimum)


def _prefix_faults(row: int | str, prefix: Any) -> Iterator[DialectFault]:
    if prefix is None:
        return
    if not isinstance(prefix, Prefix):
        yield _fault(row, "prefix", "needed a Prefix or None", prefix)
        return
    if prefix.encoding not in get_args(PrefixEncoding):
        yield _fault(row, "prefix_encoding", f"needed {_either(get_args(PrefixEncoding))}", prefix.encoding)
    if prefix.digits not in PREFIX_DIGITS or isinstance(prefix.digits, bool):
        yield _fault(row, "prefix", f"needed {_either(PREFIX_DIGITS)} digits", prefix.digits)
    if prefix.counts not in get_args(Unit):
        yield _fault(row, "prefix_counts", f"needed {_either(get_args(Unit))}", prefix.counts)


def _class_faults(row: int | str, field: Field) -> Iterator[DialectFault]:
    fitting = ENCODINGS_OF[field.content]
    if field.encoding not in fitting:
        yield _fault(row, "encoding", f"needed {_either(fitting)} for class {field.content}", field.encoding)
    if field.content == "x+n":
        if field.prefix is not None:
            yield _fault(row, "prefix", "needed none: an amount with a sign has a fixed length", "one")
        if field.length < 2:
            yield _fault(row, "length", "needed at least 2, a sign and a digit", field.length)


def _length_faults(row: int | str, field: Field) -> Iterator[DialectFault]:
    if field.prefix is None:
        if field.minimum:
            yield _fault(row, "minimum", "needed none: a field without a prefix has one length", field.minimum)
        return
    if field.minimum > field.length:
        yield _fault(row, "minimum", f"needed at most {field.length}, the length", field.minimum)
    if count_of(field, field.length) > field.prefix.maximum:
        maximum = field.prefix.maximum
        most = max(length for length in range(field.length) if count_of(field, length) <= maximum)
        kind = f"{'L' * field.prefix.digits} {field.prefix.encoding}"
        yield _fault(row, "length", f"needed at most {most}, which {kind} can say", field.length)


def _pad_faults(row: int | str, field: Field) -> Iterator[DialectFault]:
    """Where bytes are counted, only the pad nibble tells an odd number of digits, so it must be no digit of a value.

    With 0 for a pad nibble there are even numbers of digits only, and nothing is padded. A track may hold any nibble,
    and D is its separator; F is what networks pad it with.
    """
    if field.encoding != "bcd" or field.prefix is None or field.counts_digits:
        return
    fitting = "0F" if field.content == "z" else "0ABCDEF"
    if field.pad_nibble not in fitting:
        reason = f"needed {_either(fitting)} where the prefix counts the bytes of class {field.content}"
        yield _fault(row, "pad_nibble", reason, field.pad_nibble)


# Sub-fields ----------------------------------------------------------------------------------------------------------


def _parts_faults(row: int | str, field: Field) -> Iterator[DialectFault]:
    if not isinstance(field.parts, Parts):
        yield _fault(row, "parts", "needed a layout of iso8583.parts or None", field.parts)
        return
    faults = list(_layout_faults(row, field.parts, 1))
    yield from faults
    if isinstance(field.parts, Positional) and not faults:
        total = sum(part.length for part in field.parts.parts)
        if total > field.length:
            reason = f"needed at most {field.length} for all parts together, there are {total}"
            yield DialectFault(row, "parts", reason)


def _layout_faults(row: int | str, layout: Any, depth: int) -> Iterator[DialectFault]:
    if depth > PART_DEPTH_MAX:
        yield DialectFault(row, "parts", f"needed at most {PART_DEPTH_MAX} layers, there are more")
        return
    for part in _inside(layout):
        if not isinstance(part, Part):
            yield from _layout_faults(row, part, depth)
            continue
        if part.content not in _ONE_OF["content"] or part.mask not in _ONE_OF["mask"] or not _is_count(part.length, 0):
            yield _fault(row, "parts", "needed content, length and mask as in a row", str(part.name))
        yield from _part_faults(row, part)
        if part.parts is not None:
            yield from _layout_faults(row, part.parts, depth + 1)


def _part_faults(row: int | str, part: Part) -> Iterator[DialectFault]:
    """What is wrong with a part beside content, length and mask."""
    yield from _name_faults(row, "parts", part.name)
    if part.name_zh:
        yield from _name_faults(row, "parts", part.name_zh)
    if part.minimum is not None and not (_is_count(part.minimum, 0) and _is_count(part.length, part.minimum)):
        yield _fault(row, "parts", "needed a minimum no longer than the length", part.minimum)
    if part.encoding is not None and part.encoding not in _ONE_OF["encoding"]:
        yield _fault(row, "parts", f"needed {_either(_ONE_OF['encoding'])} for a part's encoding", part.encoding)


def _inside(layout: Any) -> Iterator[Any]:
    """The parts of a layout, and the layouts of one that has several forms."""
    match layout:
        case Positional(parts=parts):
            yield from parts
        case Records(record=record):
            yield record
        case Forms(forms=forms):
            yield from (form.parts for form in forms)
        case _:
            yield from layout.tags.values()


# Words ---------------------------------------------------------------------------------------------------------------


def _name_faults(row: int | str, column: str, name: Any) -> Iterator[DialectFault]:
    if not (isinstance(name, str) and 0 < len(name) <= NAME_MAX and name.isprintable()):
        yield _fault(row, column, f"needed 1 to {NAME_MAX} printable characters", name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any, least: int) -> bool:
    return _is_number(value) and least <= value <= LENGTH_MAX


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _either(choices: Iterable[Any]) -> str:
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def _fault(row: int | str, column: str, needed: str, there: Any) -> DialectFault:
    shown = repr(there)
    return DialectFault(row, column, f"{needed}, there is {shown if len(shown) <= 60 else type(there).__name__}")
