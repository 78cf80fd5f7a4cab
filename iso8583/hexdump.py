"""A message in hexadecimal, one line per field, with a caret where it breaks the rules. Card data is masked in it.

What is shown is decided by reading the bytes anew; the error that is explained only says where the caret goes.

- Of contents only fields appear whose row says "show", and the first six and last four digits of a PAN: what
  `masking.mask_field` shows, or less. MTI, bitmaps and lengths appear as they are. All other bytes are two dots.
- If the lengths do not add up to the message, one of them may be a lie, or a bit of a bitmap: then what was read
  behind it is not what it seems, and may be a card number where a harmless field should be. Only fields of fixed length
  in front of the first variable one are shown then; what stands behind the fault is not even measured.
- Whatever looks like a card number anywhere in these bytes (`iso8583.card_number_guard`) is hidden wherever a piece of
  it stands, with the whole field that holds it; or, if the lengths do not add up, every field that it reaches into.

Work and text grow with the length of the message. No message and no error make these functions raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from iso8583.card_number_guard import pieces_of_card_numbers
from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.masking import hidden, mask_field
from iso8583.reference import Place
from iso8583.table import BITMAP, MTI, Field, Table
from iso8583.tool.text_columns import visible

BYTES_A_LINE: Final = 16
DOTS: Final = "··"
LABEL_CELLS: Final = 40
HEX_AT: Final = len("0000  ") + LABEL_CELLS + len("  ")
_FIELD_OF_PATH: Final = re.compile(r"(\d{1,3})[./]")


def dump(dialect: Dialect, data: bytes | bytearray | memoryview) -> str:
    """A good message, one line per field: offset, number, name, bytes, value. A broken one is explained.

    >>> from iso8583 import Message, load_dialect
    >>> dialect = load_dialect("unionpay_pos")
    >>> message = Message("0820", {2: "6299990000000009", 41: "12345678"})
    >>> for line in dump(dialect, dialect.encode(message)).splitlines():
    ...     print(" ".join(line.split()))
    0000 message type 08 20 0820
    0002 bitmap 40 00 00 00 00 80 00 00 2 41
    000A 2 primary account number 16 62 99 99 ·· ·· ·· 00 09 629999******0009
    0013 41 terminal identification 31 32 33 34 35 36 37 38 12345678
    """
    wire = bytes(data)
    try:
        dialect.decode(wire)
    except Iso8583Error as error:
        return explain(dialect, wire, error)
    return "\n".join(_drawn(dialect, wire, -1))


def explain(dialect: Dialect, data: bytes | bytearray | memoryview, error: Iso8583Error) -> str:
    """As `dump`, with a caret under the byte that `error` names, its reason, and the clause of the dialect.

    Args:
        dialect: the one that refused the message.
        data: what it refused.
        error: what `decode` raised; or `open`, for a field of this message: then its offset counts within the field.
    """
    wire = bytes(data)
    places = dialect._reference.layout(wire)
    texts = [
        f"{error.field}: {error.reason}" if isinstance(error.field, str) else f"field {error.field}: {error.reason}"
    ]
    texts += [error.clause] if error.clause else []
    at = _place_of(error, places, dialect.table)
    return "\n".join(_drawn(dialect, wire, min(max(at, 0), len(wire)), texts))


def _place_of(error: Iso8583Error, places: list[Place], table: Table) -> int:
    """The offset of a fault in the message, also of one whose offset counts within a field."""
    path = _FIELD_OF_PATH.match(str(error.field))
    place = next((place for place in places if path and place.number == int(path[1])), None)
    row = table.fields.get(place.number) if place else None
    if place is None or row is None:
        return error.offset
    units = {"bcd": error.offset // 2, "hex": 2 * error.offset}
    return place.start + _prefix_width(row) + units.get(row.encoding, error.offset)


def _prefix_width(row: Field) -> int:
    return row.prefix.width if row.prefix else 0


class _Row(NamedTuple):
    """One part of the message: where it starts, what it is called, its bytes as text, its value as text."""

    start: int
    label: str
    cells: list[str]
    value: str = ""


def _drawn(dialect: Dialect, wire: bytes, fault: int, texts: list[str] | None = None) -> Iterator[str]:
    """The lines, with a caret under byte `fault` and `texts` beside and below it; no caret if it is negative."""
    rows = list(_rows(dialect, wire))
    faulty = max((number for number, row in enumerate(rows) if row.start <= fault), default=0)
    for number, row in enumerate(rows):
        yield from _lines(row, fault if texts and number == faulty else -1, texts or [])


def _lines(row: _Row, fault: int, texts: list[str]) -> Iterator[str]:
    """The lines of one row; of a long hidden one the first, and that of the fault."""
    starts = range(0, max(len(row.cells), 1), BYTES_A_LINE)
    marked = min((fault - row.start) // BYTES_A_LINE, len(starts) - 1) * BYTES_A_LINE if fault >= 0 else -1
    label = row.label if len(row.label) <= LABEL_CELLS else f"{row.label[: LABEL_CELLS - 1]}…"
    skipped = 0
    for start in starts:
        cells = row.cells[start : start + BYTES_A_LINE]
        if len(starts) > 2 and start not in {0, marked} and set(cells) == {DOTS}:
            skipped += len(cells)
            continue
        yield from _ellipsis(skipped)
        skipped = 0
        name, value = (label, row.value) if start == 0 else ("", "")
        hexadecimal = " ".join(cells).ljust(3 * BYTES_A_LINE)
        yield f"{row.start + start:04X}  {name:{LABEL_CELLS}}  {hexadecimal} {visible(value)}".rstrip()
        if start == marked:
            yield from _caret(min(fault - row.start - start, len(cells)), texts)
    yield from _ellipsis(skipped)


def _ellipsis(count: int) -> Iterator[str]:
    if count:
        yield f"{'':{HEX_AT}}… {count} bytes"


def _caret(place: int, texts: list[str]) -> Iterator[str]:
    indent = " " * (HEX_AT + 3 * place)
    for number, text in enumerate(texts):
        yield f"{indent}{' ' if number else '^'} {visible(text)}"


# --- what may be seen -------------------------------------------------------------------------------------------------


def _rows(dialect: Dialect, wire: bytes) -> Iterator[_Row]:
    places = dialect._reference.layout(wire)
    adds_up = places[-1].end == len(wire)
    # Runs of two digits are not looked for: nine and zeros, say, stand across the borders of harmless fields.
    pieces = frozenset(piece for piece in pieces_of_card_numbers(wire) if len(set(piece)) > 2)
    reached = frozenset() if adds_up else _reached(wire, pieces)
    sure = True
    for place in places:
        row = _row_of(dialect.table, place.number)
        sure = adds_up or (sure and row is not None and row.prefix is None)
        end = len(wire) if place.end is None else place.end
        held = not reached.isdisjoint(range(place.start, end)) or bool(_reached(wire[place.start : end], pieces))
        yield _part(wire, place, row, sure, held)
    last = places[-1].end
    if last is not None and last < len(wire):
        yield _Row(last, "behind the last field", [DOTS] * (len(wire) - last))


def _row_of(table: Table, number: int) -> Field | None:
    return {MTI: table.mti, BITMAP: table.bitmap}.get(number) or table.fields.get(number)


def _part(wire: bytes, place: Place, row: Field | None, sure: bool, held: bool) -> _Row:
    """One row: what of `wire` may be seen at `place`.

    Args:
        wire: the whole message.
        place: the part of it.
        row: its row; None if the dialect has none.
        sure: the part lies where it seems to lie.
        held: it holds a piece of a card number.
    """
    end = len(wire) if place.end is None else place.end
    label = row.name if row else "not in this dialect"
    cells = [DOTS] * (end - place.start)
    if place.number <= BITMAP:
        if place.fault or held:
            return _Row(place.start, label, cells)
        value = place.value if place.number == MTI else " ".join(map(str, place.value))
        return _Row(place.start, label, _hexadecimal(wire[place.start : end]), value)
    label = f"{place.number:3} {label}"
    if row is None:
        return _Row(place.start, label, cells)
    body = place.start + _prefix_width(row)
    if place.end is not None or (place.fault and place.fault.at >= body):  # the length at least is legal
        cells[: body - place.start] = _hexadecimal(wire[place.start : body])
    if place.fault or not sure:
        return _Row(place.start, label, cells, "" if place.fault else "in doubt")
    shown = mask_field(row, place.value)
    if row.mask == "pan":
        cells[body - place.start :] = _masked(row, wire[body:end], shown)
    elif not held and shown == place.value:
        cells[body - place.start :] = _hexadecimal(wire[body:end])
    else:
        shown = hidden(place.value)
    return _Row(place.start, label, cells, shown)


def _hexadecimal(data: bytes) -> list[str]:
    return [f"{byte:02X}" for byte in data]


def _masked(row: Field, contents: bytes, shown: str) -> list[str]:
    """The bytes of a PAN, of which the digits are seen that `shown` shows."""
    if row.encoding == "bcd":
        spare = 2 * len(contents) - len(shown)
        nibbles = contents.hex().upper()
        seen = f"{'+' * spare}{shown}" if row.pad == "left" else f"{shown}{'+' * spare}"  # the pad nibble may be seen
        text = "".join("·" if mask == "*" else nibble for nibble, mask in zip(nibbles, seen, strict=True))
        return [text[at : at + 2] for at in range(0, len(text), 2)]
    if len(shown) != len(contents):
        return [DOTS] * len(contents)
    return [DOTS if mask == "*" else f"{byte:02X}" for byte, mask in zip(contents, shown, strict=True)]


def _reached(data: bytes, pieces: frozenset[str]) -> frozenset[int]:
    """The offsets of all bytes of `data` that one of `pieces` reaches into, in packed digits, ASCII or EBCDIC."""
    sizes = {len(piece) for piece in pieces}  # one or two
    found: set[int] = set()
    for text, digits in ((data.hex(), 2), (data.decode("latin-1"), 1), (data.decode("cp500"), 1)):
        for size in sizes:
            for at in range(len(text) - size + 1):
                if text[at : at + size] in pieces:
                    found.update(range(at // digits, (at + size - 1) // digits + 1))
    return frozenset(found)
