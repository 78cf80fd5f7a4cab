"""The kernel's way into a card's TLV data, failing as a card fault.

Cards are read more kindly than messages (`iso8583.tlv`): zero bytes before, between and after data objects are padding
(EMV Book 3, annex B1), and a length may be written longer than it must be. What is read is bounded all the same: a card
answers at most 256 bytes at a time.
"""

from typing import NamedTuple

from terminal.emv.faults import MalformedError, MissingError

OBJECTS_MAX = 128
TAG_BYTES_MAX = 4
LENGTH_BYTES_MAX = 2


class DataObject(NamedTuple):
    """One data object: its tag, its value, and all its bytes as the card sent them."""

    tag: int
    value: bytes
    raw: bytes


def scan(data: bytes, where: str) -> list[DataObject]:
    """The data objects in their order, where a tag may come again; raise MalformedError."""
    found: list[DataObject] = []
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        body = at + _tag_size(data, at, where)
        length, start = _length(data, body, where)
        end = start + length
        if end > len(data) or len(found) == OBJECTS_MAX:
            raise MalformedError(where)
        found.append(DataObject(int.from_bytes(data[at:body], "big"), data[start:end], data[at:end]))
        at = end
    return found


def objects_of(data: bytes, where: str) -> dict[int, bytes]:
    """The data objects by tag; raise MalformedError if they cannot be read or one comes twice."""
    found = scan(data, where)
    objects = {tag: value for tag, value, _ in found}
    if len(objects) < len(found):
        raise MalformedError(where)
    return objects


def template(data: bytes, tag: int, where: str) -> bytes:
    """The content of the one template that `data` must be; raise MalformedError."""
    objects = objects_of(data, where)
    if list(objects) != [tag]:
        raise MalformedError(where)
    return objects[tag]


def required(objects: dict[int, bytes], tag: int, where: str) -> bytes:
    """A data object that must be there; raise MissingError."""
    if tag not in objects:
        raise MissingError(where)
    return objects[tag]


def _tag_size(data: bytes, at: int, where: str) -> int:
    if data[at] & 0x1F != 0x1F:
        return 1
    size = 2
    while at + size <= len(data) and data[at + size - 1] & 0x80:
        size += 1
    if at + size > len(data) or size > TAG_BYTES_MAX:
        raise MalformedError(where)
    return size


def _length(data: bytes, at: int, where: str) -> tuple[int, int]:
    """The length that is written at `at`, and where the value begins."""
    if at >= len(data):
        raise MalformedError(where)
    if data[at] < 0x80:
        return data[at], at + 1
    start = at + 1 + (data[at] & 0x7F)
    if not 1 <= start - at - 1 <= LENGTH_BYTES_MAX or start > len(data):
        raise MalformedError(where)
    return int.from_bytes(data[at + 1 : start], "big"), start
