"""Field 62 of the download loops: public keys of card authorities, chip applications, the black list of cards.

Each loop asks for a list (60.3 = 372, 382), then for each thing on it (370, 380), and ends with a message without the
field (371, 381). The black list brings its card numbers at once (390, end 391). Lists come in pages, because the field
holds 512 bytes: the question says how much has come, the first digit of the answer whether more follows.

How sure we are: one program of terminals in the field has the loops, two published lists the tags of an application.
Keys and applications are BER-TLV; tags that we do not know are read over, for their lengths say where they end. What
is named is checked: a key by its check value, a number by its digits. A card number is never shown by `repr` or errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import accumulate
from typing import Final

from iso8583.emv_crypto import ca_key_check_value
from iso8583.errors import Iso8583Error
from iso8583.parts import BerTlv
from iso8583.tlv import build_tlv, iterate_tlv, parse_tlv
from iso8583.unionpay_fields.field62_parts import APPLICATION, CA_KEY, FIELD_BYTES_MAX

CA_KEYS_MAX: Final = 64  # what both sides of ours hold to; a question for a list could count to 99
APPLICATIONS_MAX: Final = 32
CARDS_MAX: Final = 999  # as far as the question for the black list counts
EXPONENTS: Final = (b"\x03", b"\x01\x00\x01")
RID_BYTES: Final = 5

_NOTHING, _ALL, _MORE = b"0", b"1", b"2"
_CARD: Final = re.compile(rb"\d{13,19}", re.ASCII)
_SHA1_AND_RSA: Final = b"\x01"
_COUNT_DIGITS, _LENGTH_DIGITS = 3, 2


# --- questions and pages ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListAsked62:
    """The question for a list of keys or applications; `received`: how many names have come, 0 to 99."""

    received: int = 0

    @classmethod
    def parse(cls, data: bytes) -> ListAsked62:
        """The field taken apart. Raises Iso8583Error if it is not 1 and two digits."""
        return cls(_digits(data, rb"1(\d{2})", "1 and 2 digits"))

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error if the number has more than two digits."""
        return b"1" + _number(self.received, 99)


@dataclass(frozen=True, slots=True)
class CardsAsked62:
    """The question for the black list; `received`: how many cards have come, 0 to 999."""

    received: int = 0

    @classmethod
    def parse(cls, data: bytes) -> CardsAsked62:
        """The field taken apart. Raises Iso8583Error if it is not three digits."""
        return cls(_digits(data, rb"(\d{3})", "3 digits"))

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error if the number has more than three digits."""
        return _number(self.received, CARDS_MAX)


@dataclass(frozen=True, slots=True)
class Name62:
    """What a list names and a question asks for: a key by payment system and index, an application by its AID.

    Attributes:
        identifier: tag 9F06, the 5 bytes of the payment system (RID), or an AID of 5 to 16.
        index: tag 9F22, the index of a key; None for an application.
        expires: tag DF05 of a list, YYYYMMDD; empty if it is not said, as in questions.
    """

    identifier: bytes
    index: int | None = None
    expires: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Name62:
        """The question taken apart. Raises Iso8583Error if it names nothing, or not by the rules."""
        return cls._of(parse_tlv(data, 62))

    @classmethod
    def _of(cls, objects: Mapping[int, bytes]) -> Name62:
        if 0x9F22 not in objects:
            _check(objects, APPLICATION, frozenset({0x9F06}))
            return cls(objects[0x9F06])
        _check(objects, CA_KEY, frozenset({0x9F06}))
        return cls(objects[0x9F06], objects[0x9F22][0], _read_date(objects.get(0xDF05, b"")))

    def to_bytes(self) -> bytes:
        """The name as a list or a question carries it. Raises Iso8583Error if it breaks the rules."""
        objects = {0x9F06: self.identifier}
        if self.index is not None:
            objects |= {0x9F22: bytes([self.index])} | _date(self.expires)
        assert Name62._of(objects) == self
        return build_tlv(objects, 62)

    def asked(self) -> Name62:
        """The name as a question words it."""
        return replace(self, expires="")


@dataclass(frozen=True, slots=True)
class List62:
    """One page of a list of keys or applications, and whether `more` follow."""

    names: tuple[Name62, ...] = ()
    more: bool = False

    @classmethod
    def parse(cls, data: bytes) -> List62:
        """The field taken apart. Raises Iso8583Error if a name is broken, or there is none although it says so."""
        body, more = _body(data)
        groups: list[dict[int, bytes]] = []
        for at, tag, value in iterate_tlv(body, 62):
            if tag == 0x9F06:
                groups.append({})
            elif not groups or tag in groups[-1]:
                raise Iso8583Error(62, 1 + at, "needed a name that begins with 9F06 and has each tag once")
            groups[-1][tag] = value
        return cls(tuple(map(Name62._of, groups)), more)

    @classmethod
    def page(cls, names: Sequence[Name62]) -> List62:
        """As many of these names as one field holds."""
        count = _fitting(map(Name62.to_bytes, names), FIELD_BYTES_MAX - 1)
        return cls(tuple(names[:count]), count < len(names))

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises as `Name62.to_bytes` does."""
        return _status(self.names, self.more) + b"".join(map(Name62.to_bytes, self.names))


@dataclass(frozen=True, slots=True)
class BlackList62:
    """One page of the black list: card numbers, which `repr` does not show, and whether `more` follow."""

    cards: tuple[str, ...] = field(default=(), repr=False)
    more: bool = False

    @classmethod
    def parse(cls, data: bytes) -> BlackList62:
        """The field taken apart. Raises Iso8583Error if count and numbers do not agree, or one is no card number."""
        body, more = _body(data, nothing=b"000")
        cards: list[str] = []
        count, at = _digits(body[:_COUNT_DIGITS] or b"000", rb"(\d{3})", "a count of 3 digits"), _COUNT_DIGITS
        while at < len(body):
            start = at + _LENGTH_DIGITS
            end = start + _digits(body[at:start], rb"(\d{2})", "a length of 2 digits", 1 + at)
            if end > len(body) or not _CARD.fullmatch(body[start:end]):
                raise Iso8583Error(62, 1 + start, "needed a card number of 13 to 19 digits, there is something else")
            cards.append(body[start:end].decode("ascii"))
            at = end
        if count != len(cards):
            raise Iso8583Error(62, 1, f"needed {count} card numbers, there are {len(cards)}")
        return cls(tuple(cards), more)

    @classmethod
    def page(cls, cards: Sequence[str]) -> BlackList62:
        """As many of these cards as one field holds."""
        count = _fitting(map(_card, cards), FIELD_BYTES_MAX - 1 - _COUNT_DIGITS)
        return cls(tuple(cards[:count]), count < len(cards))

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error for what is no card number."""
        return _status(self.cards, self.more) + b"%03d" % len(self.cards) + b"".join(map(_card, self.cards))


# --- what is downloaded -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaKey62:
    """A public key of a card authority, whose check value is right.

    Attributes:
        name: payment system and index; `expires` is its last day, empty if it has none.
        modulus: up to 248 bytes, the first not zero.
        exponent: 3 or 65537, in as few bytes as it needs.
        check_value: SHA-1 of RID, index, modulus and exponent.
    """

    name: Name62
    modulus: bytes = field(repr=False)
    exponent: bytes
    check_value: bytes

    @classmethod
    def parse(cls, data: bytes) -> CaKey62:
        """The field taken apart. Raises Iso8583Error for a key that cannot be used, or whose check value differs."""
        return cls._of(parse_tlv(data, 62))

    @classmethod
    def _of(cls, objects: Mapping[int, bytes]) -> CaKey62:
        _check(objects, CA_KEY, frozenset({0x9F06, 0x9F22, 0xDF02, 0xDF04, 0xDF03}))
        for tag in (0xDF06, 0xDF07):
            if objects.get(tag, _SHA1_AND_RSA) != _SHA1_AND_RSA:
                raise Iso8583Error(f"62/{tag:02X}", 0, "needed 01, SHA-1 or RSA, there is another algorithm")
        name, modulus, exponent = Name62._of(objects), objects[0xDF02], objects[0xDF04].lstrip(b"\0")
        if modulus[0] == 0 or exponent not in EXPONENTS:
            raise Iso8583Error("62/DF02", 0, "needed a modulus without leading zeros, and 3 or 65537 for an exponent")
        if ca_key_check_value(name.identifier, objects[0x9F22][0], modulus, exponent) != objects[0xDF03]:
            raise Iso8583Error("62/DF03", 0, "needed the key's own check value, there is another: the key is damaged")
        return cls(name, modulus, exponent, objects[0xDF03])

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error as `parse` does."""
        assert self.name.index is not None, "a key has an index"
        objects = {0x9F06: self.name.identifier, 0x9F22: bytes([self.name.index])} | _date(self.name.expires)
        objects |= {0xDF06: _SHA1_AND_RSA, 0xDF07: _SHA1_AND_RSA, 0xDF02: self.modulus}
        objects |= {0xDF04: self.exponent, 0xDF03: self.check_value}
        CaKey62._of(objects)
        return build_tlv(objects, 62)


@dataclass(frozen=True, slots=True)
class Application62:
    """The parameters of one chip application. Amounts in minor units.

    Attributes:
        aid: 5 to 16 bytes.
        partial_match: whether a card application whose name only begins with `aid` will do.
        version: 2 bytes.
        tac_default, tac_online, tac_denial: 5 bytes each, as the TVR.
        floor_limit, random_threshold: of 4 bytes.
        random_max_percent, random_target_percent: 0 to 99, the target not above the maximum.
        default_ddol: tags and lengths; it asks for the unpredictable number (9F37).
        contactless_floor_limit, contactless_limit, contactless_cvm_limit: None if the host does not say.
    """

    aid: bytes
    partial_match: bool
    version: bytes
    tac_default: bytes
    tac_online: bytes
    tac_denial: bytes
    floor_limit: int
    random_threshold: int
    random_max_percent: int
    random_target_percent: int
    default_ddol: bytes
    contactless_floor_limit: int | None = None
    contactless_limit: int | None = None
    contactless_cvm_limit: int | None = None

    @classmethod
    def parse(cls, data: bytes) -> Application62:
        """The field taken apart; whether the PIN goes online (DF18) and the wallet's limit (9F7B) are not kept.

        Raises Iso8583Error for a part that is missing, too long or too short, or impossible.
        """
        return cls._of(parse_tlv(data, 62))

    @classmethod
    def _of(cls, objects: Mapping[int, bytes]) -> Application62:
        versions = {0x9F09} if 0x9F09 in objects else {0x9F08}
        _check(objects, APPLICATION, _APPLICATION_NEEDS | versions)
        if objects[0xDF01] not in (b"\0", b"\1"):
            raise Iso8583Error("62/DF01", 0, "needed 00 or 01, there is another")
        if not objects[0xDF14].startswith(b"\x9f\x37\x04"):
            raise Iso8583Error("62/DF14", 0, "needed a list that begins with the unpredictable number, 9F3704")
        most, target = _packed(objects, 0xDF16), _packed(objects, 0xDF17)
        if target > most:
            raise Iso8583Error("62/DF17", 0, "needed a target not above the maximum, it is")
        return cls(
            objects[0x9F06], objects[0xDF01] == b"\1", objects[versions.pop()], objects[0xDF11], objects[0xDF12],
            objects[0xDF13], int.from_bytes(objects[0x9F1B], "big"), int.from_bytes(objects[0xDF15], "big"), most,
            target, objects[0xDF14], *(_packed(objects, tag) if tag in objects else None for tag in _CONTACTLESS),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error as `parse` does."""
        try:
            objects = self._objects()
        except (OverflowError, ValueError):
            raise Iso8583Error(62, 0, "needed amounts and percentages within their lengths, one is not") from None
        Application62._of(objects)
        return build_tlv(objects, 62)

    def _objects(self) -> dict[int, bytes]:
        limits = (self.contactless_floor_limit, self.contactless_limit, self.contactless_cvm_limit)
        return {
            0x9F06: self.aid, 0xDF01: bytes([self.partial_match]), 0x9F08: self.version, 0xDF11: self.tac_default,
            0xDF12: self.tac_online, 0xDF13: self.tac_denial, 0x9F1B: self.floor_limit.to_bytes(4, "big"),
            0xDF15: self.random_threshold.to_bytes(4, "big"), 0xDF16: bytes.fromhex(f"{self.random_max_percent:02d}"),
            0xDF17: bytes.fromhex(f"{self.random_target_percent:02d}"), 0xDF14: self.default_ddol,
            **{tag: bytes.fromhex(f"{n:012d}") for tag, n in zip(_CONTACTLESS, limits, strict=True) if n is not None},
        }  # fmt: skip


_CONTACTLESS: Final = (0xDF19, 0xDF20, 0xDF21)
_APPLICATION_NEEDS: Final = frozenset({0x9F06, 0xDF01, 0xDF11, 0xDF12, 0xDF13, 0x9F1B, 0xDF15, 0xDF16, 0xDF17, 0xDF14})


# --- parts ------------------------------------------------------------------------------------------------------------


def _check(objects: Mapping[int, bytes], form: BerTlv, needed: frozenset[int]) -> None:
    """Whether what is needed is there, and each known part as long as it may be."""
    missing = needed - objects.keys()
    if missing:
        raise Iso8583Error(f"62/{min(missing):02X}", 0, "needed this part, it is not there")
    for tag in form.tags.keys() & objects.keys():
        form.tags[tag].check_length(len(objects[tag]), f"62/{tag:02X}", 0, "bytes")


def _packed(objects: Mapping[int, bytes], tag: int) -> int:
    digits = objects[tag].hex()
    if not digits.isdigit():
        raise Iso8583Error(f"62/{tag:02X}", 0, "needed packed digits, there is something else")
    return int(digits)


def _read_date(value: bytes) -> str:
    """YYYYMMDD of eight characters, or of four packed bytes."""
    text = value.decode("latin-1") if len(value) == 8 else value.hex()
    if text and not _is_day(text):
        raise Iso8583Error("62/DF05", 0, "needed a day as YYYYMMDD, there is something else")
    return text


def _is_day(text: str) -> bool:
    if not (len(text) == 8 and text.isascii() and text.isdigit()):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _date(day: str) -> dict[int, bytes]:
    return {0xDF05: day.encode("ascii", "replace")} if day else {}


def _digits(data: bytes, form: bytes, needed: str, at: int = 0) -> int:
    found = re.fullmatch(form, data, re.ASCII)
    if found is None:
        raise Iso8583Error(62, at, f"needed {needed}, there is something else")
    return int(found[1])


def _number(number: int, most: int) -> bytes:
    if not 0 <= number <= most:
        raise Iso8583Error(62, 0, f"needed a number of 0 to {most}, it is another")
    return b"%0*d" % (len(str(most)), number)


def _card(number: str) -> bytes:
    digits = number.encode("ascii", "replace")
    if not _CARD.fullmatch(digits):
        raise Iso8583Error(62, 0, "needed a card number of 13 to 19 digits, there is something else")
    return b"%02d" % len(digits) + digits


def _body(data: bytes, nothing: bytes = b"") -> tuple[bytes, bool]:
    """What a page holds, and whether more follows."""
    status, body = data[:1], data[1:]
    if status not in (_NOTHING, _ALL, _MORE) or len(data) > FIELD_BYTES_MAX:
        raise Iso8583Error(62, 0, "needed 0, 1 or 2, and then a page of the list, there is something else")
    if (status == _NOTHING) is not (body in {b"", nothing}):
        raise Iso8583Error(62, 0, "needed names or numbers if, and only if, it says that there are some")
    return body, status == _MORE


def _status(entries: Sequence[object], more: bool) -> bytes:
    return _MORE if more else _ALL if entries else _NOTHING


def _fitting(pieces: Iterable[bytes], room: int) -> int:
    return sum(end <= room for end in accumulate(map(len, pieces)))
