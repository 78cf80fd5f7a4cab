"""Legal values, messages and tables, drawn at random: tables that nobody would ship, with every row that can be had."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from iso8583 import Message
from iso8583.encodings import ALPHABETS, FieldError
from iso8583.fields import count_of, writer
from iso8583.table import Content, Encoding, Field, Prefix, PrefixEncoding, Table, Unit

CLASSES_OF: Final[dict[Encoding, tuple[Content, ...]]] = {
    "bcd": ("n", "n", "z", "x+n"),
    "ascii": ("n", "a", "an", "ans", "z", "x+n"),
    "ebcdic": ("n", "a", "an", "ans", "z", "x+n"),
    "latin1": ("ans",),
    "gb18030": ("ans",),
    "hex": ("b",),
    "raw": ("b",),
}
PREFIX_ENCODINGS: Final[tuple[PrefixEncoding, ...]] = ("bcd", "ascii", "ebcdic", "binary")
UNITS: Final[tuple[Unit, ...]] = ("digits", "bytes")
CHINESE: Final = "中国银联支付商户机构 AB09€ü𠀀"
LONG: Final = 24  # of a variable value: most are shorter, as they are in messages
TRIES: Final = 50


# Values --------------------------------------------------------------------------------------------------------------


def value_of(chance: Random, field: Field) -> str | bytes:
    """A value that the field takes."""
    for _ in range(TRIES):
        value = text_of(chance, field, _length(chance, field))
        try:
            writer(field)(value)
        except FieldError:  # where only the pad nibble tells an odd number of digits, some values cannot be written
            continue
        return value
    raise AssertionError(f"no value found for {field.clause}")


def _length(chance: Random, field: Field) -> int:
    low, high = field.shortest, field.length
    if chance.random() < 0.08:
        return chance.choice((low, min(high, 300)))
    return chance.randint(low, max(low, min(high, low + LONG)))


def text_of(chance: Random, field: Field, length: int) -> str | bytes:
    """A value of `length` that the field takes, unless a value of its class and length may be taken for another."""
    if field.content == "b":
        return chance.randbytes(length)
    if field.content == "x+n":
        return chance.choice("CD") + _digits(chance, length - 1)
    if field.content == "z":
        return _track(chance, length)
    if field.encoding == "gb18030":
        return _chinese(chance, length)
    if field.encoding == "latin1":
        return chance.randbytes(length).decode("latin-1")
    return "".join(chance.choices(ALPHABETS[field.content].decode("ascii"), k=length))


def _digits(chance: Random, length: int) -> str:
    return "".join(chance.choices("0123456789", k=length))


def _track(chance: Random, length: int) -> str:
    if chance.random() < 0.3:
        return "".join(chance.choices("0123456789ABCDEF", k=length))
    nibbles = _digits(chance, length)
    at = chance.randint(0, length)
    return nibbles[:at] + "D" + nibbles[at + 1 :] if at < length else nibbles


def _chinese(chance: Random, length: int) -> str:
    text = ""
    while True:
        more = text + chance.choice(CHINESE)
        if len(more.encode("gb18030")) > length:
            return text + " " * (length - len(text.encode("gb18030")))
        text = more


# Messages ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """The messages of one type with the same fields."""

    table: Table
    mti: str
    numbers: tuple[int, ...]

    def message(self, chance: Random) -> Message:
        """One of them, its fields in any order."""
        numbers = list(self.numbers)
        if chance.random() < 0.2:
            chance.shuffle(numbers)
        return Message(self.mti, {number: value_of(chance, self.table.fields[number]) for number in numbers})


def shapes(chance: Random, table: Table, count: int) -> Iterator[Shape]:
    """Shapes of messages, of some fields or many, most of them with at most two bitmaps."""
    low = [number for number in table.fields if number <= 128]
    for _ in range(count):
        among = low if chance.random() < 0.9 else list(table.fields)
        size = min(len(among), chance.choice((chance.randint(0, 4), chance.randint(4, 14), chance.randint(14, 24))))
        mti = table.version + _digits(chance, 3)
        yield Shape(table, mti, tuple(sorted(chance.sample(among, size))))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in a message on the wire: its prefix from `start`, its contents from `body`, to `end`."""

    field: Field
    start: int
    body: int
    end: int


def places(table: Table, message: Message, wire: bytes) -> Sequence[Place]:
    """Where the fields of `message` stand in `wire`, which is what it is encoded to."""
    sizes = [(table.fields[number], len(writer(table.fields[number])(message[number]))) for number in message]
    at = len(wire) - sum(size for _, size in sizes)
    found = []
    for field, size in sizes:
        body = at + (field.prefix.width if field.prefix else 0)
        found.append(Place(field, at, body, at + size))
        at += size
    return found


# Tables --------------------------------------------------------------------------------------------------------------


def odd_table(chance: Random, name: str) -> Table:
    """A table of 1 to 60 rows of any kind."""
    bits = chance.choice((64, 128, 192))
    bare = Table(
        name=name,
        version=chance.choice("012"),
        mti=Field("type", "n", chance.choice(("bcd", "ascii", "ebcdic")), 4),
        bitmap=Field("bitmap", "b", chance.choice(("raw", "hex")), 8),
        bits=bits,
        fields={},
    )
    numbers = [number for number in range(2, bits + 1) if number not in bare.announcing]
    chosen = sorted(chance.sample(numbers, chance.randint(1, 60)))
    if chance.random() < 0.5:  # many neighbours of one kind, as plans read them together
        kinds = [odd_row(chance) for _ in range(3)]
        return replace(bare, fields={number: _like(chance, chance.choice(kinds)) for number in chosen})
    return replace(bare, fields={number: odd_row(chance) for number in chosen})


def odd_row(chance: Random) -> Field:
    """Any row that can be written."""
    encoding: Encoding = chance.choice(list(CLASSES_OF))
    content = chance.choice(CLASSES_OF[encoding])
    prefix = None
    if content != "x+n" and chance.random() < 0.6:
        prefix = Prefix(chance.choice(PREFIX_ENCODINGS), chance.choice((1, 2, 2, 3, 4)), chance.choice(UNITS))
    row = Field("odd", content, encoding, 1, prefix, pad=chance.choice(("left", "right")))
    return _sized(chance, replace(row, pad_nibble=_pad_nibble(chance, row)))


def _pad_nibble(chance: Random, row: Field) -> str:
    """Any nibble, but where only it tells an odd number of digits: there it must be none that a value may hold."""
    only_it = row.prefix is not None and not row.counts_digits
    return chance.choice(("0F" if row.content == "z" else "0ABCDEF") if only_it else "00123456789ABCDEF")


def _sized(chance: Random, row: Field) -> Field:
    shortest = 2 if row.content == "x+n" else 1
    length = chance.choice((chance.randint(shortest, 8), chance.randint(shortest, 40), chance.randint(shortest, 999)))
    if row.prefix is None:
        return replace(row, length=length)
    while count_of(row, length) > row.prefix.maximum:
        length //= 2
    minimum = chance.choice((0, 0, 1, chance.randint(0, length)))
    if row.encoding == "bcd" and row.pad_nibble == "0" and not row.counts_digits:
        minimum, length = minimum & ~1, length + 1 & ~1  # else there might be no legal length
    return replace(row, length=length, minimum=minimum)


def _like(chance: Random, row: Field) -> Field:
    """A row of the same kind with another length."""
    return _sized(chance, replace(row, minimum=0))


def changed(chance: Random, shape: Shape, message: Message, share: float) -> Message:
    """Another message of the shape that keeps most values."""
    rows = shape.table.fields
    fresh: dict[int, Any] = {n: value_of(chance, rows[n]) for n in message.fields if chance.random() < share}
    return message.with_(fresh)
