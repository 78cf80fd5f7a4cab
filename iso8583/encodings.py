"""How the contents of one field look on the wire.

An encoding is a pair of functions made for one row of a dialect's table: `unpack(chunk, length)` turns exactly the
field's bytes into its value, `pack(value)` is the inverse. Both raise `FieldError` on anything that is not in the field's
character class, and whatever one accepts, the other turns back into the same. To add an encoding: one function here and
its line in `ENCODINGS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal

Content = Literal["n", "an", "ans", "z", "x+n", "b"]
Encoding = Literal["bcd", "ascii", "latin1", "gb18030", "hex", "raw"]
Side = Literal["left", "right"]
Unpack = Callable[[bytes, int], Any]
Pack = Callable[[Any], bytes]

DIGITS: Final = b"0123456789"
LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HEX: Final = b"0123456789ABCDEF"

# The characters of each class. An `an` field may be padded with blanks (ISO 8583:1987, 4.3), so a blank belongs to it.
ALPHABETS: Final[dict[Content, bytes]] = {
    "n": DIGITS,
    "an": DIGITS + LETTERS + b" ",
    "ans": bytes(range(0x20, 0x7F)),
    "z": HEX,
    "x+n": b"CD" + DIGITS,
    "b": bytes(range(0x100)),
}
# Track data: a nibble is its digit or letter here and in BCD, and the character 0x30 + nibble in text, as ISO/IEC 7811-2
# codes it. So the separator is D in a value and in BCD, and "=" in an ASCII message.
NIBBLE_TO_TRACK: Final = bytes.maketrans(HEX, b"0123456789:;<=>?")
TRACK_TO_NIBBLE: Final = bytes.maketrans(b"0123456789:;<=>?ABCDEF", HEX + b"......")

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


class FieldError(Exception):
    """A fault inside one field, before anyone knows which field: the codec makes an `Iso8583Error` of it.

    `at` is the place of the fault, `resume` where the next field starts in spite of it (None: nobody knows).
    """

    def __init__(self, at: int, reason: str, resume: int | None = None) -> None:
        super().__init__(at, reason)
        self.at = at
        self.reason = reason
        self.resume = resume


def bcd(content: Content, pad: Side) -> tuple[Unpack, Pack]:
    """Two digits a byte; an odd number of them has a 0 nibble on the side `pad`."""
    digits_only = content == "n"

    def unpack(chunk: bytes, length: int) -> str:
        nibbles = chunk.hex().upper()
        if length & 1:
            if nibbles[0 if pad == "left" else -1] != "0":
                raise FieldError(0 if pad == "left" else len(chunk) - 1, f"the {pad} pad nibble is not 0")
            nibbles = nibbles[1:] if pad == "left" else nibbles[:-1]
        if digits_only and length and not nibbles.isdigit():
            place = next(place for place, nibble in enumerate(nibbles) if nibble in "ABCDEF")
            raise FieldError((place + (length & (pad == "left"))) // 2, f"digit {place + 1} of {length} is a letter A to F")
        return nibbles

    def pack(value: str) -> bytes:
        nibbles = _characters(value.replace("=", "D") if content == "z" else value, content).decode("ascii")
        if len(nibbles) & 1:
            nibbles = "0" + nibbles if pad == "left" else nibbles + "0"
        return bytes.fromhex(nibbles)

    return unpack, pack


def ascii_text(content: Content, pad: Side) -> tuple[Unpack, Pack]:  # noqa: ARG001 - text has no pad nibble
    """One character a byte, none outside the class."""
    if content == "z":
        return _unpack_track, _pack_track
    alphabet = ALPHABETS[content]
    signed = content == "x+n"

    def unpack(chunk: bytes, length: int) -> str:  # noqa: ARG001
        if chunk.translate(None, alphabet) or (signed and not _is_signed(chunk)):
            raise _stranger(chunk, content)
        return chunk.decode("ascii")

    def pack(value: str) -> bytes:
        return _characters(value, content)

    return unpack, pack


def _unpack_track(chunk: bytes, length: int) -> str:  # noqa: ARG001
    nibbles = chunk.translate(TRACK_TO_NIBBLE)
    if nibbles.translate(None, HEX):
        raise _stranger(nibbles, "z")
    return nibbles.decode("ascii")


def _pack_track(value: str) -> bytes:
    return _characters(value.replace("=", "D"), "z").translate(NIBBLE_TO_TRACK)


def latin1(content: Content, pad: Side) -> tuple[Unpack, Pack]:  # noqa: ARG001
    """One character a byte, all 256 of them: a field of text that carries binary parts."""

    def unpack(chunk: bytes, length: int) -> str:  # noqa: ARG001
        return chunk.decode("latin-1")

    def pack(value: str) -> bytes:
        return _coded(value, "latin-1")

    return unpack, pack


def gb18030(content: Content, pad: Side) -> tuple[Unpack, Pack]:  # noqa: ARG001
    """Chinese text (GB 18030, of which GBK is a part), without control characters. Lengths count bytes."""

    def unpack(chunk: bytes, length: int) -> str:  # noqa: ARG001
        text = chunk.decode("gb18030", errors="replace")
        # A few byte sequences share a character. Only the canonical one is taken, so that a MAC over the re-encoded
        # message is the MAC over the one received.
        if text.encode("gb18030") != chunk:
            raise FieldError(0, "needed GB 18030 text, there is a broken character")
        return _printable(text)

    def pack(value: str) -> bytes:
        return _coded(_printable(value), "gb18030")

    return unpack, pack


def hexadecimal(content: Content, pad: Side) -> tuple[Unpack, Pack]:  # noqa: ARG001
    """Bytes as pairs of upper-case hexadecimal characters."""

    def unpack(chunk: bytes, length: int) -> bytes:
        if chunk.translate(None, HEX):
            raise _stranger(chunk, "z")
        if length & 1:
            raise FieldError(len(chunk), f"needed pairs of hexadecimal characters, there are {length}")
        return bytes.fromhex(chunk.decode("ascii"))

    def pack(value: bytes) -> bytes:
        return value.hex().upper().encode("ascii")

    return unpack, pack


def raw(content: Content, pad: Side) -> tuple[Unpack, Pack]:  # noqa: ARG001
    """Bytes as they are."""

    def unpack(chunk: bytes, length: int) -> bytes:  # noqa: ARG001
        return chunk

    return unpack, bytes


ENCODINGS: Final[dict[Encoding, Callable[[Content, Side], tuple[Unpack, Pack]]]] = {
    "bcd": bcd,
    "ascii": ascii_text,
    "latin1": latin1,
    "gb18030": gb18030,
    "hex": hexadecimal,
    "raw": raw,
}


def _characters(value: str, content: Content) -> bytes:
    characters = value.encode("ascii", errors="replace")
    if not value.isascii() or characters.translate(None, ALPHABETS[content]):
        raise _stranger(characters if value.isascii() else value.encode("latin-1", errors="replace"), content)
    if content == "x+n" and not _is_signed(characters):
        raise _stranger(characters, content)
    return characters


def _is_signed(characters: bytes) -> bool:
    return characters[:1] in {b"C", b"D"} and characters[1:].isdigit()


def _stranger(characters: bytes, content: Content) -> FieldError:
    """The error that names the first character outside the class: its place and its kind, never itself."""
    place = next((at for at, character in enumerate(characters) if character not in ALPHABETS[content]), 0)
    kind = _kind(characters[place : place + 1])
    return FieldError(place, f"needed {content}, character {place + 1} of {len(characters)} is {kind}")


def _kind(character: bytes) -> str:
    if not character.isascii():
        return "not ASCII"
    if character.isdigit():
        return "a digit"
    if character.isalpha():
        return "a letter"
    return "a control character" if _CONTROL.match(character.decode("ascii")) else "a blank or punctuation mark"


def _coded(value: str, charset: str) -> bytes:
    coded = value.encode(charset, errors="ignore")
    if coded.decode(charset) != value:
        raise FieldError(0, f"needed text that {charset} can carry, there is a character outside it")
    return coded


def _printable(text: str) -> str:
    control = _CONTROL.search(text)
    if control:
        raise FieldError(len(text[: control.start()].encode("gb18030")), "needed text, there is a control character")
    return text
