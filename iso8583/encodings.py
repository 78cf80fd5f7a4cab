"""How the contents of one field look on the wire.

A `Coding` is made for one row of a dialect's table. Its `even`, `odd` and `packed` turn exactly the field's bytes into
the value, for an even, an odd and (where a prefix counts bytes) an unknown number of digits; packed BCD alone tells
them apart. Its `pack` is the inverse. All raise `FieldError` on whatever is not in the field's character class, and
what one accepts, the other turns back into the same. To add an encoding: its functions here, its line in `coding`, and
its lines in both plans.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from iso8583.table import Content, Encoding, Field

Unpack = Callable[[bytes], Any]
Pack = Callable[[Any], bytes]

DIGITS: Final = b"0123456789"
LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NIBBLES: Final = b"0123456789ABCDEF"

ALPHABETS: Final[dict[Content, bytes]] = {
    "n": DIGITS,
    "a": LETTERS + b" ",
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
# EBCDIC as IBM code page 500: its letters, digits and the separator "=" are those of all code pages.
EBCDIC_TO_LATIN1: Final = bytes(range(256)).decode("cp500").encode("latin-1")
LATIN1_TO_EBCDIC: Final = bytes(range(256)).decode("latin-1").encode("cp500")

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
    packed: Unpack
    pack: Pack


def coding(field: Field) -> Coding:
    """The coding of one row."""
    if field.encoding == "bcd":
        return _bcd_signed(field) if field.content == "x+n" else _bcd(field)
    if field.encoding in {"ascii", "ebcdic"}:
        unpack, pack = _ascii(field.content)
        if field.encoding == "ebcdic":
            unpack, pack = _ebcdic(unpack, pack)
    else:
        unpack, pack = _FREE[field.encoding]
    return Coding(unpack, unpack, unpack, pack)


def _bcd(field: Field) -> Coding:
    """Two digits a byte (class n), or two nibbles (class z)."""
    unpack = _digits if field.content == "n" else _nibbles
    check, padding = _checker(field.content), field.pad_nibble
    padded_left, is_track = field.pad == "left", field.content == "z"
    counts_bytes = field.prefix is not None and not field.counts_digits

    def odd(chunk: bytes) -> str:
        nibbles = chunk.hex().upper()
        kept, found = (nibbles[1:], nibbles[0]) if padded_left else (nibbles[:-1], nibbles[-1])
        if not is_track and not kept.isdigit():
            raise _letter(nibbles, nibbles.find(next(filter(str.isalpha, kept)), padded_left))
        if found != padding:
            place = 0 if padded_left else len(chunk) - 1
            raise FieldError(place, f"the {field.pad} pad nibble must be {padding}, it is another")
        return kept

    def packed(chunk: bytes) -> str:
        nibbles = chunk.hex().upper()
        found = nibbles[:1] if padded_left else nibbles[-1:]
        return odd(chunk) if found == padding and padding != "0" else unpack(chunk)

    def pack(value: str) -> bytes:
        nibbles = value.replace("=", "D") if is_track else value
        if not (nibbles.isascii() and nibbles.encode().isdigit()):
            check(nibbles)
        if len(nibbles) & 1:
            if counts_bytes and padding == "0":
                raise FieldError(0, f"needed an even number of digits, there are {len(nibbles)}")
            nibbles = padding + nibbles if padded_left else nibbles + padding
        elif counts_bytes and padding != "0" and (nibbles[:1] if padded_left else nibbles[-1:]) == padding:
            raise FieldError(0, f"needed digits that no {field.pad} pad nibble {padding} can be mistaken for")
        return bytes.fromhex(nibbles)

    return Coding(unpack, odd, packed, pack)


def _bcd_signed(field: Field) -> Coding:
    """One ASCII byte C or D, then two digits a byte; `length` counts the sign as one digit."""
    digits = _bcd(Field(field.name, "n", "bcd", field.length, pad=field.pad, pad_nibble=field.pad_nibble))
    check_signed = _checker("x+n")

    def unpacking(unpack: Unpack) -> Unpack:
        def unpack_signed(chunk: bytes) -> str:
            if chunk[:1] not in {b"C", b"D"}:
                raise FieldError(0, "needed a sign C or D and then digits, there is something else")
            try:
                return chunk[:1].decode("ascii") + str(unpack(chunk[1:]))
            except FieldError as fault:
                raise FieldError(1 + fault.at, fault.reason) from None

        return unpack_signed

    def pack(value: str) -> bytes:
        return check_signed(value)[:1] + digits.pack(value[1:])

    odd, even = unpacking(digits.even), unpacking(digits.odd)  # an odd length: a sign and an even number of digits
    return Coding(even, odd, odd, pack)


def _digits(chunk: bytes) -> str:
    digits = chunk.hex()
    if not digits.encode().isdigit() and digits:
        raise _letter(digits, next(place for place, nibble in enumerate(digits) if nibble in "abcdef"))
    return digits


def _letter(nibbles: str, place: int) -> FieldError:
    return FieldError(place // 2, f"needed digits, nibble {place + 1} of {len(nibbles)} is a letter A to F")


def _nibbles(chunk: bytes) -> str:
    return chunk.hex().upper()


def _ascii(content: Content) -> tuple[Unpack, Pack]:
    """One character a byte, none outside the class."""
    if content == "z":
        return _unpack_track, _pack_track
    check = _checker(content)
    surely_good = _SURELY_GOOD[content]

    def unpack(chunk: bytes) -> str:
        text = chunk.decode("latin-1")
        if not surely_good(chunk):
            check(text)
        return text

    return unpack, check


def _ebcdic(unpack: Unpack, pack: Pack) -> tuple[Unpack, Pack]:
    """The same characters in EBCDIC."""
    return (
        lambda chunk: unpack(chunk.translate(EBCDIC_TO_LATIN1)),
        lambda value: pack(value).translate(LATIN1_TO_EBCDIC),
    )


def _unpack_track(chunk: bytes) -> str:
    nibbles = chunk.translate(TEXT_TO_NIBBLE)
    if nibbles.translate(None, NIBBLES):
        raise _stranger(nibbles.decode("latin-1"), "z")
    return nibbles.decode("ascii")


def _pack_track(value: str) -> bytes:
    return _check_nibbles(value.replace("=", "D")).translate(NIBBLE_TO_TEXT)


# What is good at a glance, sooner than by looking every character up; what is not may still be good.
_SURELY_GOOD: Final[dict[Content, Callable[[bytes], bool]]] = {
    "n": bytes.isdigit,
    "a": bytes.isalpha,
    "an": bytes.isalnum,
    "ans": bytes.isalnum,
    "z": bytes.isdigit,
    "x+n": lambda _text: False,  # digits alone lack the sign
}


def _checker(content: Content) -> Callable[[str], bytes]:
    """The function that turns text of class `content` into ASCII, or raises FieldError."""
    alphabet = ALPHABETS[content]
    surely_good = _SURELY_GOOD[content]

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
    return bytes.fromhex(chunk.decode("ascii"))


def _pack_hex(value: bytes) -> bytes:
    return value.hex().upper().encode("ascii")


# The encodings that are the same for every field: binary parts within text, Chinese text, and bytes in two forms.
_FREE: Final[dict[Encoding, tuple[Unpack, Pack]]] = {
    "latin1": (_unpack_latin1, _pack_latin1),
    "gb18030": (_unpack_gb18030, _pack_gb18030),
    "hex": (_unpack_hex, _pack_hex),
    "raw": (bytes, bytes),
}
