"""The kernel's way into a card's TLV data: the same strict parser as the message codec, failing as a card fault."""

from iso8583 import Iso8583Error
from iso8583.tlv import iterate_tlv, parse_tlv
from terminal.emv.faults import MalformedError, MissingError


def objects_of(data: bytes, where: str) -> dict[int, bytes]:
    """The data objects by tag; raise MalformedError if they cannot be read or one comes twice."""
    try:
        return parse_tlv(data, where)
    except Iso8583Error:
        raise MalformedError(where) from None


def repeated_objects_of(data: bytes, where: str) -> list[tuple[int, bytes]]:
    """The data objects in their order, where a tag may come again; raise MalformedError."""
    try:
        return [(tag, value) for _, tag, value in iterate_tlv(data, where)]
    except Iso8583Error:
        raise MalformedError(where) from None


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
