"""Transit codes of the Ministry of Transport's type: binary, three SM2 signatures, verified at the gate, offline.

Root key -> issuer's certificate -> what the issuer says of the user (account, limit, key) -> the code of this minute.
The layout is that of public parsers and stands in `docs/paycode.md`; integers are big-endian. The seventeen checks come
in the order that validators use, each with a reason of its own and a number: -101 for the first, and so on. Of the
official numbers only the first is known publicly.

Certificates and issuer's signatures that were verified are kept, bounded, so that one signature of a code is left. What
is known of a card is a fact: it comes in, and goes out changed, to be stored before the gate opens.
"""

import calendar
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha1
from typing import Final

from paycode.lists import CompactList
from paycode.sm2 import Point, point, verifies
from paycode.verdict import CodeRefused, Reason, demand, masked

BYTES_MIN: Final = 332
CUSTOM_BYTES_MAX: Final = 32
BYTES_MAX: Final = BYTES_MIN + 255
TEXT_MAX: Final = -(-BYTES_MAX // 3) * 4
CERTIFICATE_BYTES: Final = 117
ROOT_BYTES: Final = 144
VALIDITY_MAX_S: Final = 1_200
FUTURE_MAX_S: Final = 20
BEIJING_S: Final = 8 * 3_600
SIGNATURE_HEAD: Final = b"\x15"

NUMBERS: Final[Mapping[Reason, int]] = {
    Reason.LENGTH_WRONG: -101,
    Reason.CERTIFICATE_WRONG: -102,
    Reason.CERTIFICATE_EXPIRED: -102,
    Reason.ROOT_UNKNOWN: -103,
    Reason.ROOT_EXPIRED: -103,
    Reason.CERTIFICATE_FORGED: -104,
    Reason.ACCOUNT_UNPRINTABLE: -105,
    Reason.ACCOUNT_TYPE_ZERO: -106,
    Reason.AUTHORISATION_EXPIRED: -107,
    Reason.CUSTOM_DATA_TOO_LONG: -108,
    Reason.VALIDITY_TOO_LONG: -109,
    Reason.FUTURE: -110,
    Reason.EXPIRED: -111,
    Reason.ISSUER_SIGNATURE_WRONG: -112,
    Reason.SIGNATURE_WRONG: -113,
    Reason.SHOWN_AGAIN: -114,
    Reason.REPLAYED: -115,
    Reason.PASSED_BACK: -116,
    Reason.REVOKED: -117,
    Reason.OVER_LIMIT: -117,
    Reason.GATE_ORDER: -117,
}
"""Reason to number: minus a hundred, and the number of the check in that order."""


class Gate(Enum):
    """Which way a passenger goes. A bus with one machine only lets in."""

    IN = "in"
    OUT = "out"
    RIDE = "ride"


@dataclass(frozen=True, slots=True)
class TransitCode:
    """What a transit code says; parsed, and nothing of it verified.

    Attributes:
        certificate: the issuer's, 117 bytes.
        account: the pay account.
        card: the number of the card account, 20 digits.
        institution: who issued the account.
        platform: who made the code.
        account_type: 0 is none.
        ride_max: limit of a single ride in fen.
        user_key: SM2, compressed.
        authorised_until: Unix time.
        validity_s: how long the code lives after `made_at`.
        custom: data of the issuer's own.
        made_at: Unix time.
        raw: all bytes.
    """

    certificate: bytes = field(repr=False)
    account: bytes = field(repr=False)
    card: str = field(repr=False)
    institution: bytes
    platform: bytes
    account_type: int
    ride_max: int
    user_key: bytes = field(repr=False)
    authorised_until: int
    validity_s: int
    custom: bytes = field(repr=False)
    made_at: int
    raw: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The account, masked, for pages and logs."""
        return masked(self.account.decode("ascii", "replace"))

    @property
    def issuer_signed(self) -> bytes:
        """What the issuer has signed."""
        return self.raw[3 : 198 + len(self.custom)]

    @property
    def issuer_signature(self) -> bytes:
        """Head and signature."""
        return self.raw[198 + len(self.custom) :][:65]

    @property
    def user_signature(self) -> bytes:
        """Head and signature, over all bytes before them."""
        return self.raw[-65:]


@dataclass(frozen=True, slots=True)
class RootKey:
    """A root of trust: the key, and the month (Unix time of its end) until which it may be used."""

    key: Point
    expires_at: int


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a gate knows of a card: its last passage, and the SHA-1 of its last codes, newest last."""

    passed_at: int = -(2**40)
    gate: Gate = Gate.RIDE
    codes: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class TransitRules:
    """Pauses of one card in seconds: what is the same showing, and how soon it may pass again; codes remembered.

    A code lives for VALIDITY_MAX_S at most: as many must be remembered as can be accepted in that time.
    """

    same_showing_s: int = 3
    interval_s: int = 60
    codes_max: int = 32


@dataclass(frozen=True, slots=True)
class Ride:
    """What is asked for: which way, and for how many fen."""

    fare: int
    gate: Gate = Gate.RIDE


class Roots:
    """Root keys by service and index, and which signatures below them were verified, bounded."""

    def __init__(self, keys: Mapping[tuple[bytes, int], RootKey], verified_max: int = 10_000) -> None:
        self._keys = dict(keys)
        self._verified: dict[tuple[Point, bytes, bytes], None] = {}
        self._verified_max = verified_max

    def __repr__(self) -> str:
        return f"Roots({len(self._keys)} keys, {len(self._verified)} signatures)"

    def of(self, certificate: bytes) -> RootKey | None:
        """The root that a certificate names."""
        return self._keys.get((certificate[1:5], certificate[5]))

    def verifies(self, key: Point, signature: bytes, data: bytes) -> bool:
        """Like `sm2.verifies`, and what was good once is not computed again."""
        known = (key, signature, data)
        if known not in self._verified:
            if not verifies(key, signature, data):
                return False
            if len(self._verified) >= self._verified_max:
                del self._verified[next(iter(self._verified))]
            self._verified[known] = None
        return True


@dataclass(frozen=True, slots=True)
class TransitTrust:
    """What a transit code is verified with. `cards` holds the facts of the card, if it is known: see `parse`."""

    roots: Roots
    ride: Ride
    cards: Mapping[str, CardFacts] = field(repr=False)
    rules: TransitRules = TransitRules()
    revoked: CompactList | None = None


# Parsing -------------------------------------------------------------------------------------------------------------


def bytes_of(code: str) -> bytes | None:
    """The bytes of a code that was shown as base64 text; None if it is no such text."""
    if not BYTES_MIN <= len(code) <= TEXT_MAX:
        return None
    try:
        return b64decode(code, validate=True)
    except (Base64Error, ValueError):
        return None


def is_transit(code: bytes) -> bool:
    """Whether bytes begin as these codes do; other transit codes begin with smaller ones."""
    return code[:1] >= b"\x80"


def parse(code: bytes) -> TransitCode:
    """Check 1, and the parts. Raises CodeRefused."""
    custom_bytes = code[197] if len(code) > 197 else 0
    if code[:1] != b"\x81" or len(code) != BYTES_MIN + custom_bytes or code[1:3] != (len(code) - 3).to_bytes(2, "big"):
        raise CodeRefused(Reason.LENGTH_WRONG)  # version 81 alone brings the certificate along
    end = 198 + custom_bytes
    return TransitCode(
        certificate=code[3:120], account=code[120:136], card=code[136:146].hex(), institution=code[146:150],
        platform=code[150:154], account_type=code[154], ride_max=_number(code[155:158]), user_key=code[158:191],
        authorised_until=_number(code[191:195]), validity_s=_number(code[195:197]), custom=code[198:end],
        made_at=_number(code[end + 65 : end + 69]), raw=code,
    )  # fmt: skip


def root_key(record: bytes) -> tuple[tuple[bytes, int], RootKey]:
    """Service and index, and the key, of a root record of 144 bytes. Raises ValueError unless it signs itself."""
    heads = (record[:1], record[5:10], record[13:16])
    if len(record) != ROOT_BYTES or heads != (b"\x21", b"\xa0\x00\x00\x06\x32", b"\x04\x11\x40"):
        raise ValueError("this is not a root record of 144 bytes for SM2")
    key, expires_at = point(record[16:80]), _end_of_month(record[11:13])
    if expires_at is None or not verifies(key, record[80:], record[:80]):
        raise ValueError("the root record does not sign itself, or has no month of expiry")
    return (record[1:5], record[10]), RootKey(key, expires_at)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _end_of_month(expiry: bytes) -> int | None:
    """The first second after a month given as MMYY in BCD, in Beijing; None if it is no month."""
    digits = expiry.hex()
    if not digits.isdigit() or not 1 <= int(digits[:2]) <= 12:
        return None
    years, month = divmod(int(digits[:2]), 12)
    return calendar.timegm((2000 + int(digits[2:]) + years, month + 1, 1, 0, 0, 0)) - BEIJING_S


# The checks ----------------------------------------------------------------------------------------------------------


def check(code: bytes, now: int, trust: TransitTrust) -> tuple[TransitCode, CardFacts]:
    """Verify a code: all seventeen checks in their order. Returns what it says, and what the card's facts become."""
    parsed = parse(code)
    issuer = _issuer_key(parsed.certificate, now, trust.roots)
    _check_what_it_says(parsed, now)
    _check_signatures(parsed, issuer, trust.roots)
    known = trust.cards.get(parsed.card, CardFacts())
    digest = sha1(code, usedforsecurity=False).digest()
    _check_card(parsed, known, digest, now, trust)
    return parsed, CardFacts(now, trust.ride.gate, (*known.codes, digest)[-trust.rules.codes_max :])


def _issuer_key(certificate: bytes, now: int, roots: Roots) -> Point:
    """Checks 2 to 4."""
    heads = (certificate[:1], certificate[6:7], certificate[16:20])
    demand(heads == (b"\x24", b"\x12", b"\x04\x04\x00\x21"), Reason.CERTIFICATE_WRONG)
    expires_at, key = _end_of_month(certificate[11:13]), _point(certificate[20:53])
    if expires_at is None or key is None:
        raise CodeRefused(Reason.CERTIFICATE_WRONG)
    demand(now < expires_at, Reason.CERTIFICATE_EXPIRED)
    root = roots.of(certificate)
    if root is None:
        raise CodeRefused(Reason.ROOT_UNKNOWN)
    demand(now < root.expires_at, Reason.ROOT_EXPIRED)
    demand(roots.verifies(root.key, certificate[53:], certificate[6:53]), Reason.CERTIFICATE_FORGED)
    return key


def _point(data: bytes) -> Point | None:
    try:
        return point(data)
    except ValueError:
        return None


def _check_what_it_says(code: TransitCode, now: int) -> None:
    """Checks 5 to 11."""
    demand(all(0x20 <= byte < 0x7F for byte in code.account), Reason.ACCOUNT_UNPRINTABLE)
    demand(code.account_type != 0, Reason.ACCOUNT_TYPE_ZERO)
    demand(code.authorised_until > now, Reason.AUTHORISATION_EXPIRED)
    demand(len(code.custom) <= CUSTOM_BYTES_MAX, Reason.CUSTOM_DATA_TOO_LONG)
    demand(code.validity_s <= VALIDITY_MAX_S, Reason.VALIDITY_TOO_LONG)
    demand(code.made_at <= now + FUTURE_MAX_S, Reason.FUTURE)
    demand(now <= code.made_at + code.validity_s, Reason.EXPIRED)


def _check_signatures(code: TransitCode, issuer: Point, roots: Roots) -> None:
    """Checks 12 and 13. The last is of this minute: to keep it would only fill the memory."""
    head, signature = code.issuer_signature[:1], code.issuer_signature[1:]
    good = head == SIGNATURE_HEAD and roots.verifies(issuer, signature, code.issuer_signed)
    demand(good, Reason.ISSUER_SIGNATURE_WRONG)
    user, head, signature = _point(code.user_key), code.user_signature[:1], code.user_signature[1:]
    good = user is not None and head == SIGNATURE_HEAD and verifies(user, signature, code.raw[:-65])
    demand(good, Reason.SIGNATURE_WRONG)


def _check_card(code: TransitCode, known: CardFacts, digest: bytes, now: int, trust: TransitTrust) -> None:
    """Checks 14 to 17. A clock that was set back refuses a card until it has caught up."""
    pause_s = now - known.passed_at
    demand(pause_s >= trust.rules.same_showing_s, Reason.SHOWN_AGAIN)
    demand(digest not in known.codes, Reason.REPLAYED)
    demand(pause_s >= trust.rules.interval_s, Reason.PASSED_BACK)
    demand(trust.revoked is None or bytes.fromhex(code.card) not in trust.revoked, Reason.REVOKED)
    demand(trust.ride.fare <= code.ride_max, Reason.OVER_LIMIT)
    is_in = known.gate is Gate.IN
    demand({Gate.IN: not is_in, Gate.OUT: is_in, Gate.RIDE: True}[trust.ride.gate], Reason.GATE_ORDER)
