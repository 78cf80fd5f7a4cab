"""How the contents of one field look on the wire.

A `Coding` is made for one row of a dialect's table. Its `even` and `odd` turn exactly the field's bytes into the value,
for an even and an odd length (packed BCD alone tells them apart); its `pack` is the inverse. All raise `FieldError` on
whatever is not in the field's character class, and what one accepts, the other turns back into the same. To add an
encoding: its functions here, and its line in `coding` or `_FREE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

Content = Literal["n", "an", "ans", "z", "x+n", "b"]
Encoding = Literal["bcd", "ascii", "latin1", "gb18030", "hex", "raw"]
Side = Literal["left", "right"]
Unpack = Callable[[bytes], Any]
Pack = Callable[[Any], bytes]

DIGITS: Final = b"0123456789"
LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NIBBLES: Final = b"0123456789ABCDEF"

# The characters of each class. An `an` field may be padded with blanks (ISO 8583:1987, 4.3), so a blank belongs to it.
ALPHABETS: Final[dict[Content, bytes]] = {
    "n": DIGITS,
    "an": DIGITS + LETTERS + b" ",
    "ans": bytes(range(0x20, 0x7F)),
    "z": NIBBLES,
    "x+n": b"CD" + DIGITS,
    "b": bytes(range(0x100)),
}
# A track's nibble is its digit or letter in a value and in BCD, and the character 0x30 + nibble in text, as
# ISO/IEC 7811-2 codes it. So the separator is D in a value and in BCD, and "=" in an ASCII message.
NIBBLE_TO_TEXT: Final = bytes.maketrans(NIBBLES, b"0123456789:;<=>?")
TEXT_TO_NIBBLE: Final = bytes.maketrans(b"0123456789:;<=>?ABCDEF", NIBBLES + b"xxxxxx")

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


class FieldError(Exception):
    """A fault inside one field, before anyone knows which field: the codec makes an `Iso8583Error` of it.

    `at` is the offset of the fault, `resume` where the next field starts in spite of it (None: nobody knows).
    """

    def __init__(self, at: int, reason: str, resume: int | None = None) -> None:
        super().__init__(at, reason)
        self.at = at
        self.reason = reason
        self.resume = resume


class Coding(NamedTuple):
    """What reads and writes the contents of one field."""

    even: Unpack
    odd: Unpack
    pack: Pack


def coding(content: Content, encoding: Encoding, pad: Side) -> Coding:
    """The coding of a field of class `content`; `pad` is the side of the 0 nibble of an odd BCD length."""
    if encoding == "bcd":
        return _bcd(content, pad)
    return _ascii(content) if encoding == "ascii" else _FREE[encoding]


def _bcd(content: Content, pad: Side) -> Coding:
    """Two digits a byte (class n), or two nibbles (class z)."""
    unpack = _digits if content == "n" else _nibbles
    check = _checker(content)
    padded_left = pad == "left"

    def odd(chunk: bytes) -> str:
        nibbles = unpack(chunk)
        kept, padding = (nibbles[1:], nibbles[0]) if padded_left else (nibbles[:-1], nibbles[-1])
        if padding != "0":
            raise FieldError(0 if padded_left else len(chunk) - 1, f"the {pad} pad nibble must be 0, it is another")
        return kept

    def pack(value: str) -> bytes:
        nibbles = value.replace("=", "D") if content == "z" else value
        if not (nibbles.isascii() and nibbles.isdigit()):
            check(nibbles)
        if len(nibbles) & 1:
            nibbles = "0" + nibbles if padded_left else nibbles + "0"
        return bytes.fromhex(nibbles)

    return Coding(unpack, odd, pack)


def _digits(chunk: bytes) -> str:
    digits = chunk.hex()
    if digits and not digits.isdigit():
        place = next(place for place, nibble in enumerate(digits) if nibble in "abcdef")
        raise FieldError(place // 2, f"needed digits, nibble {place + 1} of {len(digits)} is a letter A to F")
    return digits


def _nibbles(chunk: bytes) -> str:
    return chunk.hex().upper()


def _ascii(content: Content) -> Coding:
    """One character a byte, none outside the class."""
    if content == "z":
        return Coding(_unpack_track, _unpack_track, _pack_track)
    check = _checker(content)
    surely_good = _SURELY_GOOD.get(content, bytes.isdigit)

    def unpack(chunk: bytes) -> str:
        text = chunk.decode("latin-1")
        if not surely_good(chunk):
            check(text)
        return text

    return Coding(unpack, unpack, check)


def _unpack_track(chunk: bytes) -> str:
    nibbles = chunk.translate(TEXT_TO_NIBBLE)
    if nibbles.translate(None, NIBBLES):
        raise _stranger(nibbles.decode("latin-1"), "z")
    return nibbles.decode("ascii")


def _pack_track(value: str) -> bytes:
    return _check_nibbles(value.replace("=", "D")).translate(NIBBLE_TO_TEXT)


# What is good at a glance, sooner than by looking every character up; what is not may still be good.
_SURELY_GOOD: Final[dict[Content, Callable[[bytes], bool]]] = {"an": bytes.isalnum, "ans": bytes.isalnum}


def _checker(content: Content) -> Callable[[str], bytes]:
    """The function that turns text of class `content` into ASCII, or raises FieldError."""
    alphabet = ALPHABETS[content]
    surely_good = _SURELY_GOOD.get(content, bytes.isdigit)

    def check(text: str) -> bytes:
        if not text.isascii():
            raise _stranger(text, content)
        characters = text.encode("ascii")
        if not surely_good(characters) and characters.translate(None, alphabet):
            raise _stranger(text, content)
        return characters

    def check_signed(text: str) -> bytes:
        characters = check(text)
        if characters[:1] not in {b"C", b"D"} or characters[1:].translate(None, DIGITS):
            raise FieldError(0, "needed a sign C or D and then digits, there is something else")
        return characters

    return check_signed if content == "x+n" else check


_check_nibbles = _checker("z")


def _stranger(text: str, content: Content) -> FieldError:
    """The error that names the first character outside the class: its place and its kind, never itself."""
    alphabet = ALPHABETS[content].decode("latin-1")
    place = next(place for place, character in enumerate(text) if character not in alphabet)
    return FieldError(place, f"needed {content}, character {place + 1} of {len(text)} is {_kind(text[place])}")


def _kind(character: str) -> str:
    if not character.isascii():
        return "not ASCII"
    if character.isalnum():
        return "a digit" if character.isdigit() else "a letter"
    return "a control character" if _CONTROL.match(character) else "a blank or a punctuation mark"


def _unpack_latin1(chunk: bytes) -> str:
    return chunk.decode("latin-1")


def _pack_latin1(value: str) -> bytes:
    return _coded(value, "latin-1")


def _unpack_gb18030(chunk: bytes) -> str:
    text = chunk.decode("gb18030", errors="replace")
    # Several byte sequences may share one character. Only the canonical one is taken, so that what is encoded again
    # (and a MAC over it) is the same as what was received.
    if text.encode("gb18030", errors="replace") != chunk:
        raise FieldError(0, "needed GB 18030 text, there is a broken character")
    _refuse_control(text)
    return text


def _pack_gb18030(value: str) -> bytes:
    if value.isascii() and value.isprintable():
        return value.encode("ascii")  # GB 18030 has it unchanged
    coded = _coded(value, "gb18030")
    _refuse_control(value)
    return coded


def _coded(value: str, charset: str) -> bytes:
    coded = value.encode(charset, errors="ignore")
    if coded.decode(charset) != value:
        raise FieldError(0, f"needed text that {charset} can carry, there is a character outside it")
    return coded


def _refuse_control(text: str) -> None:
    control = _CONTROL.search(text)
    if control:
        raise FieldError(len(text[: control.start()].encode("gb18030")), "needed text, there is a control character")


def _unpack_hex(chunk: bytes) -> bytes:
    if chunk.translate(None, NIBBLES):
        raise _stranger(chunk.decode("latin-1"), "z")
    if len(chunk) & 1:
        raise FieldError(0, f"needed pairs of hexadecimal characters, there are {len(chunk)}")
    return bytes.fromhex(chunk.decode("ascii"))


def _pack_hex(value: bytes) -> bytes:
    return value.hex().upper().encode("ascii")


# The encodings that are the same for every field: binary parts within text, Chinese text, and bytes in two forms.
_FREE: Final[dict[Encoding, Coding]] = {
    "latin1": Coding(_unpack_latin1, _unpack_latin1, _pack_latin1),
    "gb18030": Coding(_unpack_gb18030, _unpack_gb18030, _pack_gb18030),
    "hex": Coding(_unpack_hex, _unpack_hex, _pack_hex),
    "raw": Coding(bytes, bytes, bytes),
}
