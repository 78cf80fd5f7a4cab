"""Signatures with message recovery, and the chain of keys: certification authority, issuer, card (EMV Book 2, §5, §6).

Pure functions. Whatever a card hands over, they return a result or raise `CertificateError`, after at most one RSA
operation with a public exponent of 3 or 65537 on at most 248 bytes each.
"""

import hashlib
from dataclasses import dataclass, field

from terminal.emv.dates import full_date

MODULUS_BYTES_MAX = 248
EXPONENTS = (3, 65537)

_HEADER, _TRAILER = 0x6A, 0xBC
_SHA1, _RSA = 0x01, 0x01
_HASH_BYTES = 20
_FRAME_BYTES = 2 + _HASH_BYTES
"""Header, trailer and hash, which surround the content of every signature."""


class CertificateError(Exception):
    """A certificate or a signature does not hold. `where` names what is wrong with it, never its content."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class LackingError(CertificateError):
    """The card does not have a data object without which its certificates cannot be checked."""


@dataclass(frozen=True, slots=True)
class RsaKey:
    """A public key. Raises ValueError if it is longer than 248 bytes or its exponent is neither 3 nor 65537."""

    modulus: bytes = field(repr=False)
    exponent: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.modulus) <= MODULUS_BYTES_MAX or self.modulus[0] == 0:
            raise ValueError("a modulus has 1 to 248 bytes and no leading zeros")
        if self.exponent not in EXPONENTS:
            raise ValueError("a public exponent is 3 or 65537")

    def apply(self, data: bytes | bytearray) -> bytes:
        """Raise `data`, a number below the modulus, to the exponent: opens a signature, or enciphers."""
        power = pow(int.from_bytes(data, "big"), self.exponent, int.from_bytes(self.modulus, "big"))
        return power.to_bytes(len(self.modulus), "big")


@dataclass(frozen=True, slots=True)
class KeyCertificate:
    """What a card has of a key: the certificate and what did not fit into it. `name` is used in errors.

    `signed_too`: data that the certificate vouches for besides (the card's static data). `form` is the certificate's
    format byte, `holder_bytes` how many bytes name its holder: the issuer's number or the card number.
    """

    name: str
    form: int
    holder_bytes: int
    certificate: bytes = field(repr=False)
    remainder: bytes = field(repr=False)
    exponent: bytes = field(repr=False)
    signed_too: bytes = field(default=b"", repr=False)


def open_signature(signature: bytes, key: RsaKey, form: int, also_hashed: bytes, where: str) -> bytes:
    """Open a signature and return its content, format byte first; raise CertificateError if it does not hold."""
    content, hashed = _open(signature, key, form, where)
    _check_hash(content + also_hashed, hashed, where)
    return content


def open_key(given: KeyCertificate, by: RsaKey, today: str) -> tuple[bytes, RsaKey]:
    """Check a key's certificate with the key `by` of whoever issued it; return the name of its holder, and the key.

    `today` is YYYYMMDD. Raises CertificateError, or LackingError if the rest of the key is wanted and is not there.
    """
    content, hashed = _open(given.certificate, by, given.form, given.name)
    at = 1 + given.holder_bytes
    if len(content) < at + 9:
        raise CertificateError(given.name)
    holder, expiry, left = content[1:at], content[at : at + 2].hex(), content[at + 9 :]
    hash_algorithm, key_algorithm, length, exponent_length = content[at + 5 : at + 9]
    if length > len(left) and not given.remainder:
        raise LackingError(given.name)
    _check_hash(content + given.remainder + given.exponent + given.signed_too, hashed, given.name)
    if (hash_algorithm, key_algorithm, exponent_length) != (_SHA1, _RSA, len(given.exponent)):
        raise CertificateError(given.name)
    if not _is_valid(expiry, today):
        raise CertificateError(f"{given.name} expired")
    return holder, _key(left[:length] if length <= len(left) else left + given.remainder, length, given, by)


def _open(signature: bytes, key: RsaKey, form: int, where: str) -> tuple[bytes, bytes]:
    """The content of a signature and the hash in it, which is still to be compared."""
    if len(signature) != len(key.modulus) or len(signature) <= _FRAME_BYTES or signature >= key.modulus:
        raise CertificateError(where)
    opened = key.apply(signature)
    content, hashed = opened[1 : -_HASH_BYTES - 1], opened[-_HASH_BYTES - 1 : -1]
    if (opened[0], content[0], opened[-1]) != (_HEADER, form, _TRAILER):
        raise CertificateError(where)
    return content, hashed


def _check_hash(data: bytes, hashed: bytes, where: str) -> None:
    if hashlib.sha1(data, usedforsecurity=False).digest() != hashed:  # the only algorithm that these cards use
        raise CertificateError(where)


def _key(modulus: bytes, length: int, given: KeyCertificate, by: RsaKey) -> RsaKey:
    if len(modulus) != length or length > len(by.modulus):
        raise CertificateError(given.name)
    try:
        return RsaKey(modulus, int.from_bytes(given.exponent, "big"))
    except ValueError:
        raise CertificateError(given.name) from None


def _is_valid(expiry: str, today: str) -> bool:
    """Whether a certificate that expires with month MMYY is still good."""
    month, year = expiry[:2], expiry[2:]
    return expiry.isdecimal() and "01" <= month <= "12" and full_date(f"{year}{month}31") >= today
