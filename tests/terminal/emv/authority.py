"""The golden card's authority and issuer, with their private keys: certifies a card anew, well or not so well."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Personalisation
from tests.terminal.emv.rig import VECTORS


def number(name: str) -> int:
    return int(VECTORS[name], 16)


CA, CA_D = bytes.fromhex(VECTORS["CA_modulus"]), number("CA_d")
ISSUER, ISSUER_D = bytes.fromhex(VECTORS["issuer_modulus"]), number("issuer_d")
CARD, CARD_D = bytes.fromhex(VECTORS["icc_modulus"]), number("icc_d")


def sign(
    content: bytes, also_hashed: bytes, modulus: bytes, exponent: int, head: int = 0x6A, tail: int = 0xBC
) -> bytes:
    """A signature over `content`, filled up to the modulus, and what is hashed without being in it."""
    content += b"\xbb" * (len(modulus) - 22 - len(content))
    hashed = hashlib.sha1(content + also_hashed).digest()
    block = bytes((head,)) + content + hashed + bytes((tail,))
    return pow(int.from_bytes(block, "big"), exponent, int.from_bytes(modulus, "big")).to_bytes(len(modulus), "big")


def key_certificate(
    form: int, holder: str, key: bytes, by: tuple[bytes, int], *, expiry: str = "1230", also: bytes = b"",
    hash_algorithm: int = 1, key_algorithm: int = 1, length: int | None = None, exponent: str = "03",
    head: int = 0x6A, tail: int = 0xBC,
) -> tuple[bytes, bytes, bytes]:  # fmt: skip
    """Certificate, remainder and exponent of a key."""
    held = bytes.fromhex(holder.ljust(8 if form == 2 else 20, "F"))
    power = bytes.fromhex(exponent)
    room = len(by[0]) - (36 if form == 2 else 42)
    size = len(key) if length is None else length
    content = bytes((form,)) + held + bytes.fromhex(expiry + "000001")
    content += bytes((hash_algorithm, key_algorithm, size, len(power)))
    remainder = key[room:]
    return sign(content + key[:room], remainder + power + also, *by, head, tail), remainder, power


def certified(
    card: Personalisation,
    *,
    issuer: Mapping[str, object] | None = None,
    own: Mapping[str, object] | None = None,
    static: Mapping[str, object] | None = None,
) -> Personalisation:
    """The card with a fresh chain of certificates. `issuer`, `own` and `static` change the certificates' parts."""
    base = replace(card, certificates={})
    signed = parse_tlv(base.records[2, 1])[0x70] + base.profile
    authority, issuing = (CA, CA_D), (ISSUER, ISSUER_D)
    first = key_certificate(**{"form": 2, "holder": card.pan[:6], "key": ISSUER, "by": authority} | dict(issuer or {}))  # type: ignore[arg-type]
    second = key_certificate(
        **{"form": 4, "holder": card.pan, "key": CARD, "by": issuing, "also": signed} | dict(own or {})  # type: ignore[arg-type]
    )
    said = {"content": b"\x03\x01\x12\x34", "also": signed} | dict(static or {})
    ssad = sign(said["content"], said["also"], *issuing)  # type: ignore[arg-type]
    records = {
        (2, 3): {0x8F: b"\xee", 0x90: first[0], 0x92: first[1], 0x9F32: first[2]},
        (2, 4): {0x93: ssad},
        (3, 1): {0x9F46: second[0]},
        (3, 2): {0x9F47: second[2], 0x9F48: second[1], 0x9F49: b"\x9f\x37\x04"},
    }
    certificates = {key: build_tlv({0x70: build_tlv(objects)}) for key, objects in records.items()}
    return replace(
        card, certificates=certificates, modulus=CARD, private_exponent=CARD_D.to_bytes(len(CARD), "big"),
    )  # fmt: skip
