"""Who certifies cards: an authority's key, an issuer's, the card's own, and the chain of certificates between them.

Certificates are made as EMV Book 2, §5.1 and §6.1, describes them; tests may ask for ones that do not hold. An
authority is for test cards alone, and so are its keys: a folder keeps it in two files, the private one for its owner
only.
"""

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards.personalisation import Personalisation
from simulators.cards.signing import sign
from terminal.emv.ca_keys import check_value_of
from terminal.emv.certificates import RsaKey

PUBLIC_EXPONENT = 3
CA_BITS, ISSUER_BITS, CARD_BITS = 1152, 1024, 896
"""As long as the golden card's: each certificate has room for the next key, but for a small remainder."""

NEW_INDEX = 0xED
"""The index (tag 8F) of a new authority. The deck's own is EE; no payment system has either."""

PRIVATE_FILE, PUBLIC_FILE = "authority.json", "ca_keys.json"
_PRIMALITY_ROUNDS = 32
_RID = bytes.fromhex("A000000333")  # UnionPay's


class PrivateKey(NamedTuple):
    """An RSA key with the public exponent 3. Never shown: `repr` has its length alone."""

    modulus: bytes
    exponent: int

    def __repr__(self) -> str:
        return f"PrivateKey({len(self.modulus) * 8} bits)"


@dataclass(frozen=True, slots=True)
class Chain:
    """The keys behind a card's certificates. Without `card` it has static authentication only (SDA)."""

    ca: PrivateKey
    issuer: PrivateKey
    card: PrivateKey | None
    index: int


def new_key(bits: int, chance: random.Random) -> PrivateKey:
    """A key of two primes of half the length. `chance`: `secrets.SystemRandom()`, or a seeded one to make it again."""
    first = _prime(bits // 2, chance)
    second = _prime(bits // 2, chance)
    private = pow(PUBLIC_EXPONENT, -1, (first - 1) * (second - 1))
    return PrivateKey((first * second).to_bytes(bits // 8, "big"), private)


def _prime(bits: int, chance: random.Random) -> int:
    """A prime with both highest bits set, so that the product has its full length, and fit for the exponent 3."""
    while True:
        number = chance.getrandbits(bits) | 3 << bits - 2 | 1
        if number % PUBLIC_EXPONENT == 2 and _is_prime(number, chance):
            return number


def _is_prime(number: int, chance: random.Random) -> bool:
    """Miller and Rabin's test; wrong less than once in 4^32 times."""
    if any(number % small == 0 for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    twos = (number - 1 & 1 - number).bit_length() - 1
    for _ in range(_PRIMALITY_ROUNDS):
        power = pow(chance.randrange(2, number - 1), number - 1 >> twos, number)
        if power not in (1, number - 1) and not any(
            (power := power * power % number) == number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def key_certificate(
    form: int, holder: str, key: bytes, by: tuple[bytes, int], *, expiry: str = "1230", also: bytes = b"",
    hash_algorithm: int = 1, key_algorithm: int = 1, length: int | None = None, exponent: str = "03",
    head: int = 0x6A, tail: int = 0xBC,
) -> tuple[bytes, bytes, bytes]:  # fmt: skip
    """Certificate, remainder and exponent of a key. `form`: 2 an issuer's, 4 a card's. `expiry`: MMYY."""
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
    chain: Chain,
    *,
    issuer: Mapping[str, object] | None = None,
    own: Mapping[str, object] | None = None,
    static: Mapping[str, object] | None = None,
) -> Personalisation:
    """The card with a fresh chain of certificates. `issuer`, `own` and `static` change the certificates' parts."""
    base = replace(card, certificates={})
    data = parse_tlv(base.records[2, 1])[0x70] + base.profile
    until = {"expiry": card.expiry[2:4] + card.expiry[:2]}
    first = key_certificate(
        **{"form": 2, "holder": card.pan[:6], "key": chain.issuer.modulus, "by": chain.ca} | until | dict(issuer or {})  # type: ignore[arg-type]
    )
    said = {"content": b"\x03\x01\x12\x34", "also": data} | dict(static or {})
    records = {
        (2, 3): {0x8F: bytes((chain.index,)), 0x90: first[0], 0x92: first[1], 0x9F32: first[2]},
        (2, 4): {0x93: sign(said["content"], said["also"], *chain.issuer)},  # type: ignore[arg-type]
    }
    modulus = exponent = b""
    if chain.card is not None:
        modulus = chain.card.modulus
        exponent = chain.card.exponent.to_bytes(len(modulus), "big")
        parts = {"form": 4, "holder": card.pan, "key": modulus, "by": chain.issuer, "also": data}
        second = key_certificate(**parts | until | dict(own or {}))  # type: ignore[arg-type]
        records[3, 1] = {0x9F46: second[0]}
        records[3, 2] = {0x9F47: second[2], 0x9F48: second[1], 0x9F49: b"\x9f\x37\x04"}
    certificates = {key: build_tlv({0x70: build_tlv(objects)}) for key, objects in records.items()}
    return replace(card, certificates=certificates, modulus=modulus, private_exponent=exponent)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority for test cards: its key, and the index by which terminals find the public half."""

    key: PrivateKey
    index: int = NEW_INDEX

    @classmethod
    def in_folder(cls, folder: Path, chance: random.Random) -> "Authority":
        """The authority that is kept there; made, with its public key as ``ca_keys.json``, if there is none.

        Raises OSError if the folder cannot be used, ValueError if what stands there is no authority.
        """
        private = folder / PRIVATE_FILE
        if not private.exists():
            folder.mkdir(parents=True, exist_ok=True)
            made = cls(new_key(CA_BITS, chance))
            made._write(folder)
        try:
            kept = json.loads(private.read_text("utf-8"))
            key = PrivateKey(bytes.fromhex(kept["modulus"]), int(kept["private_exponent"], 16))
            return cls(key, int(kept["index"], 16))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{private} holds no authority's key") from None

    def ca_keys(self) -> str:
        """The public key as a terminal takes it: the JSON of `terminal.emv.ca_keys.parse_ca_keys`."""
        check = check_value_of(_RID, self.index, RsaKey(self.key.modulus, PUBLIC_EXPONENT))
        entry = {
            "rid": _RID.hex().upper(), "index": f"{self.index:02X}", "exponent": f"{PUBLIC_EXPONENT:02X}",
            "modulus": self.key.modulus.hex().upper(), "check_value": check.hex().upper(),
        }  # fmt: skip
        return json.dumps([entry], indent=1) + "\n"

    def _write(self, folder: Path) -> None:
        private = {
            "index": f"{self.index:02X}", "modulus": self.key.modulus.hex().upper(),
            "private_exponent": f"{self.key.exponent:0{len(self.key.modulus) * 2}X}",
        }  # fmt: skip
        (folder / PUBLIC_FILE).write_text(self.ca_keys(), "utf-8")
        descriptor = os.open(folder / PRIVATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(private, file, indent=1)
