"""The seven corruptions that codecs are known to let through, in every dialect that is shipped, on both paths.

Each is refused, and the error points at its very byte and saves every other field. Then what corresponds to them in a
message that is to be encoded: it never gets onto a wire.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pytest

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.table import Field
from tests.fuzz.both_paths import watch_plans
from tests.fuzz.drawn import Place, places
from tests.iso8583.refusals import refused

PAN, AMOUNT, STAN, TERMINAL, CURRENCY = 2, 4, 11, 41, 49
Path = Literal["plan", "reference"]
DIALECTS = pytest.mark.parametrize("name", NAMES)
PATHS = pytest.mark.parametrize("path", ["plan", "reference"])


@dataclass(frozen=True)
class Sample:
    """A message with the fields that are corrupted, and where each of them stands."""

    message: Message
    wire: bytes
    places: Mapping[int, Place]

    @property
    def numeric(self) -> int:
        """The field that gets a letter: the currency, or where that may have letters, the trace number."""
        return CURRENCY if CURRENCY in self.places and self.places[CURRENCY].field.content == "n" else STAN

    def put(self, at: int, byte: int) -> bytes:
        """The wire with another byte at `at`."""
        return self.wire[:at] + bytes([byte]) + self.wire[at + 1 :]


def sample(dialect: Dialect) -> Sample:
    rows = dialect.table.fields
    numbers = [number for number in (PAN, AMOUNT, STAN, TERMINAL, CURRENCY) if rows[number].content != "b"]
    values = {number: "6299990000000009" if number == PAN else "1" * rows[number].length for number in numbers}
    message = Message(f"{dialect.table.version}200", values)
    wire = dialect._reference.encode(message)
    return Sample(message, wire, dict(zip(numbers, places(dialect.table, message, wire), strict=True)))


def letter(field: Field) -> int:
    """The byte of a letter: two nibbles of it where digits are packed."""
    return {"bcd": 0xAB, "ebcdic": 0xC1}.get(field.encoding, 0x41)


# On the wire ---------------------------------------------------------------------------------------------------------

Corrupted = tuple[bytes, int | str, int]  # the wire, and the field and the offset that the error must name


def trailing_byte(good: Sample) -> Corrupted:
    return good.wire + b"0", "end", len(good.wire)


def truncated(good: Sample) -> Corrupted:
    last = max(good.places)
    return good.wire[:-1], last, good.places[last].start


def letter_in_the_amount(good: Sample) -> Corrupted:
    at = good.places[AMOUNT].body + 2
    return good.put(at, letter(good.places[AMOUNT].field)), AMOUNT, at


def one_letter_nibble_in_the_amount(good: Sample) -> Corrupted:
    """The low one: the high one is a digit. What is not packed has the letter as a whole."""
    place = good.places[AMOUNT]
    return (
        good.put(place.end - 1, 0x1A if place.field.encoding == "bcd" else letter(place.field)),
        AMOUNT,
        place.end - 1,
    )


def letter_in_a_numeric_field(good: Sample) -> Corrupted:
    at = good.places[good.numeric].body + 1
    return good.put(at, letter(good.places[good.numeric].field)), good.numeric, at


def byte_above_127_in_the_terminal(good: Sample) -> Corrupted:
    """0xFF: all that EBCDIC has of letters and digits is above 127, but this is a control character there too."""
    at = good.places[TERMINAL].body + 2
    return good.put(at, 0xFF), TERMINAL, at


def nul_in_the_terminal(good: Sample) -> Corrupted:
    at = good.places[TERMINAL].end - 1
    return good.put(at, 0), TERMINAL, at


def length_above_the_maximum(good: Sample) -> Corrupted:
    """And as many digits as it says."""
    place = good.places[PAN]
    row, prefix, count = place.field, place.field.prefix, place.field.length + 1
    assert prefix is not None
    digits = {"bcd": b"\x11" * (count // 2), "ebcdic": b"\xf1" * count}.get(row.encoding, b"1" * count)
    return good.wire[: place.start] + prefix.text(count) + digits + good.wire[place.end :], PAN, place.start


CORRUPTIONS: list[Callable[[Sample], Corrupted]] = [
    *(trailing_byte, truncated, letter_in_the_amount, one_letter_nibble_in_the_amount, letter_in_a_numeric_field),
    *(byte_above_127_in_the_terminal, nul_in_the_terminal, length_above_the_maximum),
]


@cache
def warm(name: str) -> tuple[Dialect, Counter[str]]:
    """A dialect that has plans for the sample, and how often they are asked. What it refuses teaches it nothing."""
    dialect = Dialect(load_dialect(name).table)
    dialect.decode(dialect.encode(sample(dialect).message))
    return dialect, watch_plans(dialect)


def refusal(name: str, path: Path, operation: Literal["decode", "encode"], given: Any) -> Iso8583Error:
    """What comes of it by a plan that is sure to be asked, or by the reference codec."""
    dialect, watched = warm(name)
    if path == "reference":
        return refused(getattr(dialect._reference, operation), given)
    watched.clear()
    error = refused(getattr(dialect, operation), given)
    assert (watched["asked"], watched["answered"]) == (1, 0)
    return error


@DIALECTS
@PATHS
@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_a_corruption_is_refused_at_its_place(corrupt: Callable[[Sample], Corrupted], path: Path, name: str) -> None:
    good = sample(load_dialect(name))
    wire, field, offset = corrupt(good)
    assert wire != good.wire
    error = refusal(name, path, "decode", wire)
    assert (error.field, error.offset) == (field, offset)
    assert error.clause.startswith("" if field == "end" else f"{name} field {field}: ")
    lost = {other for other in good.places if corrupt is length_above_the_maximum or other == field}
    assert error.partial == good.message.without(*lost)


@DIALECTS
def test_the_uncorrupted_message_is_taken(name: str) -> None:
    good = sample(load_dialect(name))
    assert load_dialect(name).decode(good.wire) == good.message


# Before the wire -----------------------------------------------------------------------------------------------------

Change = Callable[[str], Any]
WRONG: dict[str, tuple[int, Change]] = {
    "a letter in the amount": (AMOUNT, lambda value: "12X4" + value[4:]),
    "a short amount with a letter": (AMOUNT, lambda _: "12X4"),
    "a digit that is not ASCII": (AMOUNT, lambda value: "²" + value[1:]),
    "a full-width digit": (AMOUNT, lambda value: "１" + value[1:]),
    "a blank in the amount": (AMOUNT, lambda value: " " + value[1:]),
    "two blanks, as parsers of hex skip": (AMOUNT, lambda value: "  " + value[2:]),
    "a sign in the amount": (AMOUNT, lambda value: "-" + value[1:]),
    "one digit more": (AMOUNT, lambda value: value + "1"),
    "one digit less": (AMOUNT, lambda value: value[1:]),
    "a number": (AMOUNT, int),
    "bytes": (AMOUNT, str.encode),
    "nothing": (AMOUNT, lambda _: None),
    "a letter in a numeric field": (0, lambda value: value[:1] + "A" + value[2:]),
    "a line end behind a numeric field": (0, lambda value: value[:-1] + "\n"),
    "a character above 127 in the terminal": (TERMINAL, lambda value: "é" + value[1:]),
    "a character outside Latin-1 in the terminal": (TERMINAL, lambda value: "中" + value[1:]),
    "half a character in the terminal": (TERMINAL, lambda value: "\ud800" + value[1:]),
    "a NUL in the terminal": (TERMINAL, lambda value: value[:-1] + "\0"),
    "too many digits in the PAN": (PAN, lambda _: "1" * 20),
    "no digit in the PAN": (PAN, lambda _: ""),
}


@DIALECTS
@PATHS
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_never_gets_onto_a_wire(wrong: str, path: Path, name: str) -> None:
    good = sample(load_dialect(name))
    number, change = WRONG[wrong]
    number = number or good.numeric
    fields: dict[int, Any] = dict(good.message.fields)
    fields[number] = change(fields[number])
    error = refusal(name, path, "encode", Message(good.message.mti, fields))
    assert (error.field, error.offset) == (number, good.places[number].start)
    assert error.clause.startswith(f"{name} field {number}: ")
    assert error.partial == good.message.without(number)
