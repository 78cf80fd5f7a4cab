"""Take the card data out of messages and leave everything else as it is: to send to a colleague, or into a test.

The redacted message has the same fields, of the same lengths and classes, so it still decodes, and where a sub-field or
a tag was, there is one. Fields that dialects mark as harmless are kept; card numbers keep their first six and last four
digits, with others between that still pass Luhn's check; all else becomes filler. It fails closed: what is not known to
be harmless is filled, and at the end no field may hold the digits of a card number that was in the message.

The same card number becomes the same one throughout, because the digits come from an HMAC of it (SHA-256). Its key is
drawn for each run, so nobody can try card numbers until they fit, unless the user keeps a key of his own.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from iso8583.card_number_guard import Pieces, pieces, value_holds
from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.masking import CODE_LENGTHS, PAN_LENGTHS
from iso8583.message import Message
from iso8583.sub_fields import SubField, build_field, open_field
from iso8583.table import Content
from iso8583.tool.meanings import HARMLESS, Words
from iso8583.tool.plausibility import luhn_valid

KEY_BYTES: Final = 32
EXPIRY: Final = "4912"  # in place of every expiry date: a month that exists, and that stands out
_KEPT_TAIL: Final = 4
_TRACK_TAGS: Final = {"57", "9F6B"}
_EXPIRY_TAG: Final = "5F24"
_TRACK: Final = re.compile(r"([0-9]{8,19})([D=])(.*)", re.DOTALL)
_TRACK_1: Final = re.compile(r"(B)([0-9 ]{8,19})\^([^^]*)\^(.*)", re.DOTALL)
_TRACK_3: Final = re.compile(r"([0-9]{2})([0-9]{8,19})([D=])(.*)", re.DOTALL)

# What became of a value.
_FILLED: Final[Words] = ("填充", "filler")
_NUMBER: Final[Words] = ("换成别的卡号,前六后四不变", "another card number, first six and last four kept")
_TRACKED: Final[Words] = ("换卡号,其余填充", "card number as elsewhere, the rest filler")
_CODED: Final[Words] = ("换成别的付款码", "another payment code")
_EXPIRED: Final[Words] = ("换成 4912", "4912")

Value = str | bytes


class Redactor:
    """Redacts messages under one key. `changed` counts what was changed, by field and in words."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.changed: Counter[tuple[str, Words]] = Counter()

    def redact(self, message: Message, dialect: Dialect) -> Message:
        """`message` without card data. It encodes to as many bytes as before."""
        numbers = self._card_numbers(message)
        fields = {number: self._field(message, number, dialect) for number in message}
        for number, value in fields.items():
            if value == message[number] and value_holds(value, numbers):
                fields[number] = self._filled(str(number), value, dialect.table.fields[number].content)
        return Message.of(message.mti, fields, dialect.table.fields)

    def _card_numbers(self, message: Message) -> Pieces:
        """Pieces of the card numbers in the fields for them: they must not stand anywhere else either."""
        texts = [str(message.get(number, "")) for number in (2, 34, 35, 36, 45)]
        return pieces(digits for text in texts for digits in re.findall(r"[0-9]{13,}", text))

    def _field(self, message: Message, number: int, dialect: Dialect) -> Value:
        row = dialect.table.fields[number]
        value = message[number]
        path = str(number)
        special = _FIELDS.get(number)
        if special and isinstance(value, str):
            return self._note(path, value, special(self, value, message))
        if number in HARMLESS or row.mask == "show":
            return value
        if isinstance(value, str) and row.mask in {"pan", "code"}:
            return self._note(path, value, self.number(value) if row.mask == "pan" else self.code(value))
        cut = self._cut(message, number, dialect) if row.parts is not None else None
        return self._filled(path, value, row.content) if cut is None else cut

    def _cut(self, message: Message, number: int, dialect: Dialect) -> Value | None:
        """The field with its sub-fields redacted one by one; None if it cannot be cut, or is whole in this message."""
        changed = self.changed.copy()
        try:
            leaves = [part for part in open_field(dialect.table, message, number).walk() if not part.parts]
            parts = {part.path: self._part(part, message) for part in leaves}
            made = build_field(dialect.table, number, parts) if parts else None
        except Iso8583Error:
            made = None
        if made is None or len(made) != len(message[number]):
            self.changed = changed
            return None
        return made

    def _part(self, part: SubField, message: Message) -> Value:
        value, tag = part.value, part.path.rpartition("/")[2]
        if part.mask == "show" or not value:
            return value
        if isinstance(value, bytes):
            return self._note(part.path, value, self._object(tag, part, value, message))
        if part.mask in {"pan", "code"}:
            return self._note(part.path, value, self.number(value) if part.mask == "pan" else self.code(value))
        return self._filled(part.path, value, part.row.content if part.row else "ans")

    def _object(self, tag: str, part: SubField, value: bytes, message: Message) -> tuple[bytes, Words]:
        """A chip's data object: a card number or a track in packed digits, a date, or anything else."""
        nibbles = value.hex().upper()
        digits = nibbles.rstrip("F")
        padding = "F" * (len(nibbles) - len(digits))
        if part.mask == "pan" and digits.isdigit():
            other, words = self.number(digits)
        elif tag in _TRACK_TAGS:
            other, words = self.track_2(digits, message)
        elif tag == _EXPIRY_TAG and len(digits) == 6:
            other, words = f"{EXPIRY}31", _EXPIRED
        else:
            return filler_bytes(value), _FILLED
        return bytes.fromhex(other + padding), words

    def _filled(self, path: str, value: Value, content: Content) -> Value:
        filled = filler_bytes(value) if isinstance(value, bytes) else filler(value, content)
        return self._note(path, value, (filled, _FILLED))

    def _note(self, path: str, old: Value, new: tuple[Value, Words]) -> Value:
        value, words = new
        if value != old:
            self.changed[path, words] += 1
        return value

    def number(self, digits: str) -> tuple[str, Words]:
        """Another card number in place of this one; zeros on its left stay."""
        bare = digits.lstrip("0") if len(digits) > PAN_LENGTHS.stop - 1 else digits
        if len(bare) not in PAN_LENGTHS or not (bare.isascii() and bare.isdigit()):
            return filler(digits, "n"), _FILLED
        return self._other_number(bare).rjust(len(digits), "0"), _NUMBER

    def _other_number(self, pan: str) -> str:
        middle = len(pan) - 6 - _KEPT_TAIL
        attempt = 0
        while True:
            drawn = self._drawn(f"pan {attempt} {pan}", middle - 1)
            others = (f"{pan[:6]}{drawn}{last}{pan[-_KEPT_TAIL:]}" for last in range(10))
            other = next(filter(luhn_valid, others))
            if other != pan:
                return other
            attempt += 1

    def _drawn(self, text: str, count: int) -> str:
        drawn = int.from_bytes(hmac.digest(self._key, text.encode(), "sha256"), "big")
        return f"{drawn % 10**count:0{count}d}"

    def code(self, code: str) -> tuple[str, Words]:
        """Another payment code: the first two and last four digits stay."""
        if len(code) not in CODE_LENGTHS or not (code.isascii() and code.isdigit()):
            return filler(code, "n"), _FILLED
        return code[:2] + self._drawn(f"code {code}", len(code) - 6) + code[-4:], _CODED

    def track_2(self, value: str, message: Message) -> tuple[str, Words]:
        """Card number, separator, expiry, service code, and zeros for the issuer's own data."""
        found = _TRACK.fullmatch(value)
        if found is None or not self._is_its_number(found[1], message):
            return self._sealed_track(value, message)
        pan, separator, rest = found.groups()
        return f"{self.number(pan)[0]}{separator}{_after_number(rest)}", _TRACKED

    def track_3(self, value: str, message: Message) -> tuple[str, Words]:
        """Format code, card number, separator; the rest zeros, with the separators where they were."""
        found = _TRACK_3.fullmatch(value)
        if found is None:
            return self._sealed_track(value, message)
        code, pan, separator, rest = found.groups()
        return f"{code}{self.number(pan)[0]}{separator}{filler(rest, 'z')}", _TRACKED

    def track_1(self, value: str, _message: Message) -> tuple[str, Words]:
        """Card number, name as letters X, expiry, service code, zeros."""
        found = _TRACK_1.fullmatch(value)
        if found is None:
            return filler(value, "ans"), _FILLED
        letter, pan, name, rest = found.groups()
        return f"{letter}{self.number(pan)[0]}^{filler(name, 'ans')}^{_after_number(rest)}", _TRACKED

    def _sealed_track(self, value: str, message: Message) -> tuple[str, Words]:
        """A track that is encrypted, as a whole or but for its beginning."""
        pan = str(message.get(2, ""))
        kept = next((count for count in range(len(pan), 5, -1) if value.startswith(pan[:count])), 0)
        if kept:
            return self.number(pan)[0][:kept] + "0" * (len(value) - kept), _TRACKED
        return "0" * len(value), _FILLED

    @staticmethod
    def _is_its_number(digits: str, message: Message) -> bool:
        """Not the beginning of a track that is encrypted and happens to hold a separator."""
        return message.get(2, digits) == digits

    def expiry(self, value: str, _message: Message) -> tuple[str, Words]:
        """A month that stands out."""
        return EXPIRY[: len(value)].ljust(len(value), "0"), _EXPIRED


_FIELDS: Final[Mapping[int, Callable[[Redactor, str, Message], tuple[str, Words]]]] = {
    2: lambda redactor, value, _: redactor.number(value),
    14: Redactor.expiry,
    35: Redactor.track_2,
    36: Redactor.track_3,
    45: Redactor.track_1,
}


def _after_number(rest: str) -> str:
    """Expiry (4) and service code (3), then the issuer's own data: only the service code stays."""
    expiry = EXPIRY[: len(rest)] if rest[:4].isdigit() else filler(rest[:4], "z")
    return expiry + (rest[4:7] if rest[4:7].isdigit() else filler(rest[4:7], "z")) + filler(rest[7:], "z")


def filler(text: str, content: Content) -> str:
    """Text of the same length and class: digits as 0, letters as X or x, Chinese as one character of the same size.

    >>> filler("Zhang San 1", "ans"), filler("C000000001234", "x+n")
    ('Xxxxx Xxx 0', 'C000000000000')
    """
    if content in {"n", "z"}:
        return "".join(character if character in "D=" else "0" for character in text)
    if content == "x+n":
        return text[:1] + "0" * (len(text) - 1)
    return "".join(map(_filler_character, text))


def _filler_character(character: str) -> str:
    if character.isascii():
        if character.isdigit():
            return "0"
        if character.isalpha():
            return "X" if character.isupper() else "x"
        return character if character.isprintable() else "0"
    size = len(character.encode("gb18030", "replace"))
    return "X" if ord(character) < 0x100 else "某" * (size // 2)


def filler_bytes(value: bytes) -> bytes:
    """Zeros; but text, such as a MAC in hexadecimal digits, stays text."""
    if value.isascii() and value.decode("ascii").isprintable():
        return filler(value.decode("ascii"), "ans").encode("ascii")
    return bytes(len(value))
