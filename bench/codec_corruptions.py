"""The seven corruptions that decoders of ISO 8583 are known to let through, tried on every dialect of ours.

Each is made on a message that the dialect itself has written, at the place where the field stands in it. A corruption
that a dialect cannot have (all bytes are letters in EBCDIC, say) is made with the nearest byte that is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from iso8583 import Iso8583Error, Message
from iso8583.dialect import Dialect
from iso8583.table import Field, Table

AMOUNT: Final = 4
TERMINAL: Final = 41
CURRENCY: Final = 49
STAN: Final = 11
PAN: Final = 2
TRIES: Final = 2  # of each corruption: before the dialect has met such a message, and after


@dataclass(frozen=True, slots=True)
class Probe:
    """A message on the wire, and where each of its fields stands in it, prefix included."""

    wire: bytes
    places: Mapping[int, slice]
    fields: Mapping[int, Field]

    def with_byte(self, at: int, value: int) -> bytes:
        """The wire with another byte at `at`."""
        return self.wire[:at] + bytes([value]) + self.wire[at + 1 :]


def accepted(table: Table) -> list[str]:
    """The corruptions that the dialect takes for good messages, before it has met such a message and after: none."""
    dialect = Dialect(table)
    probe = probe_of(dialect)
    wires = {name: corrupt(probe) for name, corrupt in CORRUPTIONS.items()}
    at_first = [name for name, wire in wires.items() if _takes(dialect, wire)]
    assert _takes(dialect, probe.wire)  # from now on it may read such messages another way
    return at_first + [name for name, wire in wires.items() if _takes(dialect, wire)]


def _takes(dialect: Dialect, wire: bytes) -> bool:
    try:
        dialect.decode(wire)
    except Iso8583Error:
        return False
    return True


def probe_of(dialect: Dialect) -> Probe:
    """A message of the fields that are corrupted, with good contents. All dialects have them."""
    fields, mti = dialect.table.fields, f"{dialect.table.version}200"
    values: dict[int, str] = {}
    places: dict[int, slice] = {}
    wire = dialect.encode(Message(mti, values))
    for number in sorted({PAN, AMOUNT, STAN, TERMINAL, _numeric(fields)}):
        begin = len(wire)  # another bit in a bitmap makes it no longer
        values[number] = _good(fields[number])
        wire = dialect.encode(Message(mti, values))
        places[number] = slice(begin, len(wire))
    return Probe(wire, places, fields)


def _numeric(fields: Mapping[int, Field]) -> int:
    """The numeric field that gets a letter: the currency, or where that takes letters, the trace number."""
    return CURRENCY if CURRENCY in fields and fields[CURRENCY].content == "n" else STAN


def _good(field: Field) -> str:
    return "6299990000000009" if field.prefix else "1" * field.length


def _amount_with_a_letter(probe: Probe) -> bytes:
    at = probe.places[AMOUNT].start
    letter = {"bcd": 0xA1, "ebcdic": 0xC1}.get(probe.fields[AMOUNT].encoding, 0x41)
    return probe.with_byte(at, letter)


def _currency_with_a_letter(probe: Probe) -> bytes:
    number = _numeric(probe.fields)
    letter = {"bcd": 0x0B, "ebcdic": 0xC2}.get(probe.fields[number].encoding, 0x42)
    return probe.with_byte(probe.places[number].start, letter)


def _terminal_with(probe: Probe, value: int) -> bytes:
    return probe.with_byte(probe.places[TERMINAL].start + 2, value)


def _length_over_the_maximum(probe: Probe) -> bytes:
    """The PAN says 20 digits, and they are there."""
    field, place = probe.fields[PAN], probe.places[PAN]
    assert field.prefix is not None
    more = field.length + 1
    contents = {"bcd": b"\x11" * ((more + 1) // 2), "ebcdic": b"\xf1" * more}.get(field.encoding, b"1" * more)
    return probe.wire[: place.start] + field.prefix.text(more) + contents + probe.wire[place.stop :]


CORRUPTIONS: Final[Mapping[str, Callable[[Probe], bytes]]] = {
    "a byte behind the end": lambda probe: probe.wire + b"0",
    "the last byte is missing": lambda probe: probe.wire[:-1],
    "a letter in the amount": _amount_with_a_letter,
    "a letter in the currency": _currency_with_a_letter,
    "a byte above 127 in the terminal's name": lambda probe: _terminal_with(probe, 0xFF),
    "a NUL in the terminal's name": lambda probe: _terminal_with(probe, 0),
    "a length above the maximum": _length_over_the_maximum,
}
