"""Tag-length-value, twice: BER-TLV as chip cards use it (EMV Book 3, annex B) and the text form of field 59.

Both are bounded and strict: a tag that comes twice, a length that runs over the end, or a length not written in its
shortest form is refused, so that what is parsed is built back to the same bytes.
"""

from collections.abc import Mapping
from typing import Final

from iso8583.errors import Iso8583Error

TAG_BYTES_MAX: Final = 4
OBJECTS_MAX: Final = 128  # in one template; real field 55 contents have fewer than 40
LENGTH_MAX: Final = 0xFFFF


def parse_tlv(data: bytes, field: int | str = 55) -> dict[int, bytes]:
    """The objects of `data` by tag, in their order.

    A constructed object (tag 70, 77, A5 …) is not opened: parse its value again.

    Args:
        data: BER-TLV objects one after another, nothing between them.
        field: what to call `data` in errors.

    Raises:
        Iso8583Error: with the path of the object (``"55/9F26"``) and the offset in `data`.

    >>> parse_tlv(bytes.fromhex("9F36020007")) == {0x9F36: bytes([0, 7])}
    True
    """
    objects: dict[int, bytes] = {}
    for at, tag, value in iterate_tlv(data, field):
        if tag in objects:
            raise Iso8583Error(f"{field}/{tag:X}", at, "needed each tag once, this one comes again")
        objects[tag] = value
    return objects


def iterate_tlv(data: bytes, field: int | str = 55) -> list[tuple[int, int, bytes]]:
    """As `parse_tlv`, as a list of (offset, tag, value) in which tags may repeat, as they may in a card's directory."""
    found: list[tuple[int, int, bytes]] = []
    at = 0
    while at < len(data):
        if len(found) == OBJECTS_MAX:
            raise Iso8583Error(field, at, f"needed at most {OBJECTS_MAX} objects, there are more")
        tag, body = _tag(data, at, field)
        length, start = _length(data, body, f"{field}/{tag:X}")
        if start + length > len(data):
            raise Iso8583Error(f"{field}/{tag:X}", start, f"needed {length} bytes, {len(data) - start} are left")
        found.append((at, tag, data[start : start + length]))
        at = start + length
    return found


def _tag(data: bytes, at: int, field: int | str) -> tuple[int, int]:
    end = at + 1
    if data[at] & 0x1F == 0x1F:
        while end < len(data) and data[end] & 0x80:
            end += 1
            if end - at >= TAG_BYTES_MAX:
                break
        end += 1
    if end > len(data) or end - at > TAG_BYTES_MAX:
        raise Iso8583Error(field, at, f"needed a tag of 1 to {TAG_BYTES_MAX} bytes, it has no end")
    tag = int.from_bytes(data[at:end], "big")
    if tag == 0:
        raise Iso8583Error(field, at, "needed a tag, there is a zero byte")
    return tag, end


def _length(data: bytes, at: int, path: str) -> tuple[int, int]:
    if at >= len(data):
        raise Iso8583Error(path, at, "needed a length, 0 bytes are left")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    length = int.from_bytes(data[at + 1 : at + 1 + count], "big")
    if not 1 <= count <= 2 or at + 1 + count > len(data) or length < (0x80 if count == 1 else 0x100):
        raise Iso8583Error(path, at, f"needed a length up to {LENGTH_MAX} in its shortest form")
    return length, at + 1 + count


def build_tlv(objects: Mapping[int, bytes], field: int | str = 55) -> bytes:
    """The BER-TLV form of `objects`, in their order. Raises Iso8583Error if a tag or a length cannot be written."""
    return b"".join(_object(tag, value, f"{field}/{tag:X}") for tag, value in objects.items())


def _object(tag: int, value: bytes, path: str) -> bytes:
    name = tag.to_bytes((tag.bit_length() + 7) // 8, "big") if tag > 0 else b"\0"
    if _tag(name + bytes(1), 0, path) != (tag, len(name)):
        raise Iso8583Error(path, 0, "needed a tag whose own bits say where it ends, this one is longer")
    if len(value) > LENGTH_MAX:
        raise Iso8583Error(path, 0, f"needed at most {LENGTH_MAX} bytes, there are {len(value)}")
    return name + _written_length(len(value)) + value


def _written_length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    return bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")


def parse_text_tlv(text: str, field: int | str = 59) -> dict[str, str]:
    """The parts of a field of two-character tags and three-digit lengths, by tag, in their order.

    Raises:
        Iso8583Error: with the path of the part (``"59/A3"``) and the offset in `text`.

    >>> parse_text_tlv("A3019" + "62" + "0" * 17)
    {'A3': '6200000000000000000'}
    """
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        tag, digits = text[at : at + 2], text[at + 2 : at + 5]
        if len(digits) < 3 or not (tag.isascii() and tag.isalnum() and digits.isascii() and digits.isdigit()):
            raise Iso8583Error(field, at, "needed a tag of 2 letters or digits and a length of 3 digits")
        length, at = int(digits), at + 5
        if tag in parts:
            raise Iso8583Error(f"{field}/{tag}", at - 5, "needed each tag once, this one comes again")
        if at + length > len(text):
            raise Iso8583Error(f"{field}/{tag}", at, f"needed {length} characters, {len(text) - at} are left")
        parts[tag] = text[at : at + length]
        at += length
    return parts


def build_text_tlv(parts: Mapping[str, str], field: int | str = 59) -> str:
    """The text form of `parts`, in their order. Raises Iso8583Error if a tag or length cannot be written."""
    for tag, value in parts.items():
        if len(tag) != 2 or not (tag.isascii() and tag.isalnum()):
            raise Iso8583Error(field, 0, "needed tags of 2 letters or digits")
        if len(value) > 999:
            raise Iso8583Error(f"{field}/{tag}", 0, f"needed at most 999 characters, there are {len(value)}")
    return "".join(f"{tag}{len(value):03d}{value}" for tag, value in parts.items())
