"""How fast the codec is on the machine at hand: a quick look for users. `make bench-codec` compares it with others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.message import Message
from iso8583.table import Field

ROUNDS: Final = 5  # the best counts: whatever else the machine does only ever makes it slower
_SHAPES: Final = {
    "purchase": ("200", (2, 3, 4, 7, 11, 12, 13, 14, 22, 23, 25, 35, 37, 41, 42, 49, 52, 55, 60, 64)),
    "network": ("800", (7, 11, 41, 42, 60, 70)),
}
_USUAL_LENGTHS: Final = {2: 16, 35: 34, 55: 124, 60: 13}
_VALUES: Final = {2: "6299990000000009", 35: "6299990000000009D30122011234567890"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One row: nanoseconds for a message, and what it was."""

    dialect: str
    message: str
    fields: int
    size: int
    decode_ns: int
    encode_ns: int


def measure(dialect: Dialect, round_s: float) -> Iterator[Measured]:
    """Decoding and encoding of a purchase and a network message, each the best of some rounds of `round_s` seconds."""
    for name in _SHAPES:
        message = sample(dialect, name)
        wire = dialect.encode(message)
        again = dialect.decode(wire)

        def decode(wire: bytes = wire) -> object:
            return dialect.decode(wire)

        def encode(message: Message = again) -> object:
            return dialect.encode(message)

        yield Measured(dialect.name, name, len(message), len(wire), _best(decode, round_s), _best(encode, round_s))


def sample(dialect: Dialect, shape: str) -> Message:
    """A message with as many of the shape's fields as the dialect has."""
    tail, numbers = _SHAPES[shape]
    rows = dialect.table.fields
    fields = {number: _value(number, rows[number]) for number in numbers if number in rows}
    mti = dialect.table.version + tail
    while True:
        try:
            dialect.encode(Message(mti, fields))
        except Iso8583Error as error:
            if not isinstance(error.field, int) or error.field not in fields:
                raise
            del fields[error.field]  # a row that wants more than its class and length say
        else:
            return Message(mti, fields)


def _value(number: int, row: Field) -> str | bytes:
    usual = _USUAL_LENGTHS.get(number, 20)
    length = row.length if row.prefix is None else max(row.minimum, min(row.length, usual))
    if row.content == "b":
        return bytes(place % 251 for place in range(length))
    known = _VALUES.get(number, "")
    if len(known) == length:
        return known
    digits = ("1234567890" * (length // 10 + 1))[:length]
    return f"C{digits[1:]}" if row.content == "x+n" else digits


def _best(call: Callable[[], object], round_s: float) -> int:
    """Nanoseconds of one call, in the best of the rounds."""
    count = 1
    while (spent := _spent(call, count)) < round_s * 1e9:
        count = max(2 * count, int(count * round_s * 1e9 / max(spent, 1)) // 2)
    return min(spent // count, *(_spent(call, count) // count for _ in range(ROUNDS - 1)))


def _spent(call: Callable[[], object], count: int) -> int:
    begun = time.perf_counter_ns()
    for _ in range(count):
        call()
    return time.perf_counter_ns() - begun
