"""Data object lists: what a card wants to be told (PDOL, CDOL1, CDOL2), filled after EMV Book 3 §5.4.

A list is tags with lengths, without values. What the terminal does not know becomes zeros; what is too long is cut.
"""

from collections.abc import Callable

from terminal.emv.faults import MalformedError
from terminal.emv.tags import COMPRESSED, NUMERIC

DATA_LENGTH_MAX = 252
"""A command carries at most 255 bytes, and GET PROCESSING OPTIONS wraps its data in up to 3 more."""

DataObjectList = tuple[tuple[int, int], ...]


def parse_dol(data: bytes, where: str) -> DataObjectList:
    """Read a list of (tag, length); raise MalformedError if cut short or more than a command can carry."""
    entries: list[tuple[int, int]] = []
    rest = memoryview(data)
    while rest:
        size = _tag_size(rest)
        if len(rest) <= size or rest[size] > 0x7F:
            raise MalformedError(where)
        entries.append((int.from_bytes(rest[:size], "big"), rest[size]))
        rest = rest[size + 1 :]
    if sum(length for _, length in entries) > DATA_LENGTH_MAX:
        raise MalformedError(where)
    return tuple(entries)


def fill_dol(entries: DataObjectList, value: Callable[[int], bytes | None]) -> bytes:
    """Join the values that a list asks for; `value` gives a data object, or None where it is not known."""
    return b"".join(_fit(tag, value(tag), length) for tag, length in entries)


def cut_dol(entries: DataObjectList, data: bytes) -> dict[int, bytes]:
    """The values that a filled list holds, by tag: how the other side reads it."""
    values: dict[int, bytes] = {}
    at = 0
    for tag, length in entries:
        values[tag] = data[at : at + length]
        at += length
    return values


def _fit(tag: int, value: bytes | None, length: int) -> bytes:
    if value is None:
        return bytes(length)
    if tag in NUMERIC:
        return value[max(0, len(value) - length) :].rjust(length, b"\x00")
    return value[:length].ljust(length, b"\xff" if tag in COMPRESSED else b"\x00")


def _tag_size(rest: memoryview) -> int:
    if rest[0] & 0x1F != 0x1F:
        return 1
    size = 2
    while size <= len(rest) and rest[size - 1] & 0x80:
        size += 1
    return size
