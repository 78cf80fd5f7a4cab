"""Tag-length-value, twice: BER-TLV as chip cards use it (EMV Book 3, annex B) and the text form of field 59.

Both are bounded and strict: a tag that comes twice, a length that runs over the end, or a length not written in its
shortest form is refused, so that what is parsed is built back to the same bytes.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from iso8583.errors import Iso8583Error

TAG_BYTES_MAX: Final = 4
OBJECTS_MAX: Final = 128  # in one template; real field 55 contents have fewer than 40
LENGTH_MAX: Final = 0xFFFF
LONG: Final = 0x80  # a first byte of a length from here on says how many bytes of length follow

TEXT_TAG: Final = 2
TEXT_LENGTH: Final = 3
TEXT_HEAD: Final = TEXT_TAG + TEXT_LENGTH
TEXT_LENGTH_MAX: Final = 10**TEXT_LENGTH - 1

REPEATED: Final = "needed each tag once, this one comes again"


def parse_tlv(data: bytes, field: int | str = 55) -> dict[int, bytes]:
    """The objects of `data` by tag, in their order.

    A constructed object (tag 70, 77, A5 …) is not opened: parse its value again, or see `iso8583.sub_fields`.

    Args:
        data: BER-TLV objects one after another, nothing between them.
        field: what to call `data` in errors.

    Raises:
        Iso8583Error: with the path of the object (``"55/9F26"``) and the offset in `data`.

    >>> parse_tlv(bytes.fromhex("9F36020007")) == {0x9F36: bytes([0, 7])}
    True
    """
    shapes = _shapes.get(len(data))
    if shapes:
        whole = int.from_bytes(data, "big")
        for head_bits, heads, tags, values in shapes:
            if whole & head_bits == heads:
                return dict(zip(tags, values(data)))  # noqa: B905 - as many by construction; to ask costs a sixth
    found = iterate_tlv(data, field)
    objects = {tag: value for _, tag, value in found}
    if len(objects) < len(found):
        raise _repeated(found, field)
    _learn(data, found)
    return objects


def _repeated(found: list[tuple[int, int, bytes]], field: int | str) -> Iso8583Error:
    seen: set[int] = set()
    for at, tag, _ in found:
        if tag in seen:
            return Iso8583Error(f"{field}/{tag:02X}", at, REPEATED)
        seen.add(tag)
    raise AssertionError("a tag is repeated")


# What a terminal sends is nearly always the same tags with the same lengths. Such a shape is the heads (tags and
# lengths) at their places, compared in one step, and what cuts the values out from between them. A shape is learned
# from bytes that the loop below has taken, so it says nothing that the loop does not say; what fits no shape goes
# through the loop. Learning costs about as much as parsing three times. Shapes are capped and never replaced: whoever
# sends others than usual cannot slow down the usual ones, nor cost more than this.
SHAPES_MAX: Final = 256
SHAPES_OF_A_LENGTH_MAX: Final = 4
SHAPE_BYTES_MAX: Final = 512
_Shape = tuple[int, int, tuple[int, ...], Callable[[bytes], tuple[bytes, ...]]]
_shapes: Final[dict[int, tuple[_Shape, ...]]] = {}


def _learn(data: bytes, found: list[tuple[int, int, bytes]]) -> None:
    size = len(data)
    known = _shapes.get(size, ())
    if not found or size > SHAPE_BYTES_MAX or len(known) == SHAPES_OF_A_LENGTH_MAX:
        return
    if not known and len(_shapes) == SHAPES_MAX // SHAPES_OF_A_LENGTH_MAX:
        return
    ends = [at for at, _, _ in found[1:]] + [size]
    heads = [end - at - len(value) for (at, _, value), end in zip(found, ends, strict=True)]
    sizes = [len(value) for _, _, value in found]
    pairs = list(zip(heads, sizes, strict=True))
    head_bits = int.from_bytes(b"".join(b"\xff" * head + bytes(length) for head, length in pairs), "big")
    cut = Struct("".join(f"{head}x{length}s" for head, length in pairs)).unpack
    tags = tuple(tag for _, tag, _ in found)
    _shapes[size] = (*known, (head_bits, int.from_bytes(data, "big") & head_bits, tags, cut))


def iterate_tlv(data: bytes, field: int | str = 55) -> list[tuple[int, int, bytes]]:
    """As `parse_tlv`, as a list of (offset, tag, value) in which tags may repeat, as they may in a card's directory."""
    found: list[tuple[int, int, bytes]] = []
    at, end = 0, len(data)
    while at < end:
        if len(found) == OBJECTS_MAX:
            raise Iso8583Error(field, at, f"needed at most {OBJECTS_MAX} objects, there are more")
        # The usual forms are read here, at once: a tag of one byte or two, and a length of one.
        tag, body = data[at], at + 1
        if tag & 0x1F == 0x1F and body < end and data[body] < 0x80:
            tag, body = tag << 8 | data[body], at + 2
        elif tag & 0x1F == 0x1F or tag == 0:
            tag, body = _tag(data, at, field)
        length, start = (data[body], body + 1) if body < end else (LONG, body)
        if length >= LONG:
            length, start = _length(data, body, f"{field}/{tag:02X}")
        following = start + length
        if following > end:
            raise Iso8583Error(f"{field}/{tag:02X}", start, f"needed {length} bytes, {end - start} are left")
        found.append((at, tag, data[start:following]))
        at = following
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
    if first < LONG:
        return first, at + 1
    count = first & 0x7F
    length = int.from_bytes(data[at + 1 : at + 1 + count], "big")
    if not 1 <= count <= 2 or at + 1 + count > len(data) or length < (0x80 if count == 1 else 0x100):
        raise Iso8583Error(path, at, f"needed a length up to {LENGTH_MAX} in its shortest form")
    return length, at + 1 + count


def is_constructed(tag: int) -> bool:
    """Whether the value of `tag` is objects in turn: bit 6 of its first byte (EMV Book 3, annex B1)."""
    return bool(tag >> (tag.bit_length() - 1) // 8 * 8 & 0x20)


def build_tlv(objects: Mapping[int, bytes], field: int | str = 55) -> bytes:
    """The BER-TLV form of `objects`, in their order. Raises Iso8583Error if a tag or a length cannot be written."""
    return b"".join(tlv_object(tag, value, f"{field}/{tag:02X}") for tag, value in objects.items())


def tlv_object(tag: int, value: bytes, path: str) -> bytes:
    """One object, called `path` in errors. Raises as `build_tlv` does."""
    name = tag.to_bytes((tag.bit_length() + 7) // 8, "big") if tag > 0 else b"\0"
    if _tag(name + bytes(1), 0, path) != (tag, len(name)):
        raise Iso8583Error(path, 0, "needed a tag whose own bits say where it ends, this one is longer")
    if len(value) > LENGTH_MAX:
        raise Iso8583Error(path, 0, f"needed at most {LENGTH_MAX} bytes, there are {len(value)}")
    return name + _written_length(len(value)) + value


def _written_length(length: int) -> bytes:
    if length < LONG:
        return bytes([length])
    return bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")


def parse_text_tlv(text: str, field: int | str = 59) -> dict[str, str]:
    """The parts of a field of two-character tags and three-digit lengths, by tag, in their order.

    Raises:
        Iso8583Error: with the path of the part (``"59/A3"``) and the offset in `text`.

    >>> parse_text_tlv("A3019" + "62" + "0" * 17)
    {'A3': '6200000000000000000'}
    """
    return {tag: value for _, tag, value in iterate_text_tlv(text, field)}


def iterate_text_tlv(text: str, field: int | str = 59) -> list[tuple[int, str, str]]:
    """As `parse_text_tlv`, as a list of (offset of the tag, tag, value)."""
    found: dict[str, tuple[int, str, str]] = {}
    at = 0
    while at < len(text):
        body = at + TEXT_HEAD
        tag, digits = text[at : at + TEXT_TAG], text[at + TEXT_TAG : body]
        if len(digits) < TEXT_LENGTH or not (is_text_tag(tag) and digits.isascii() and digits.isdigit()):
            raise Iso8583Error(field, at, "needed a tag of 2 letters or digits and a length of 3 digits")
        if tag in found:
            raise Iso8583Error(f"{field}/{tag}", at, REPEATED)
        following = body + int(digits)
        if following > len(text):
            raise Iso8583Error(f"{field}/{tag}", body, f"needed {int(digits)} characters, {len(text) - body} are left")
        found[tag] = at, tag, text[body:following]
        at = following
    return list(found.values())


def is_text_tag(tag: str) -> bool:
    """Whether `tag` is two ASCII letters or digits."""
    return len(tag) == TEXT_TAG and tag.isascii() and tag.isalnum()


def build_text_tlv(parts: Mapping[str, str], field: int | str = 59) -> str:
    """The text form of `parts`, in their order. Raises Iso8583Error if a tag or length cannot be written."""
    for tag, value in parts.items():
        if not is_text_tag(tag):
            raise Iso8583Error(field, 0, "needed tags of 2 letters or digits")
        if len(value) > TEXT_LENGTH_MAX:
            reason = f"needed at most {TEXT_LENGTH_MAX} characters, there are {len(value)}"
            raise Iso8583Error(f"{field}/{tag}", 0, reason)
    return "".join(f"{tag}{len(value):03d}{value}" for tag, value in parts.items())
