"""COSE_Sign1 (RFC 9052) as strictly as money wants it: one spelling for one meaning, and nothing unknown that matters.

A message is the array [protected header, {}, payload, signature], untagged, in deterministic CBOR (RFC 8949, 4.2.1).
Everything that can be refused without a key is refused before one is touched: length, indefinite lengths, duplicate
keys, nesting, other spellings, unknown algorithms and critical fields.

ES256 and Ed25519 can be used. The algorithm of SM2 with SM3 has a number here, and is refused until it has an issuer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from paycode.verdict import CodeRefused, Reason, demand

ES256: Final = -7
ED25519: Final = -8
SM2_RESERVED: Final = -65537
"""For SM2 with SM3, out of the numbers for private use. A code that bears it is refused: no issuer uses it yet."""

ALGORITHM, KEY_ID = 1, 4
"""Labels of the protected header (RFC 9052, 3.1), and no others: `crit` could only list what is unknown here."""

DEPTH_MAX: Final = 3
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES_MAX: Final = 8
NUMBER_MAX: Final = 2**53 - 1
"""Of any number in a field, whatever its sign: what every language holds exactly."""

PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
Verifier = Callable[[bytes, bytes], None]

_ECDSA = ec.ECDSA(SHA256())
_ECDSA_WITHOUT_CHANCE = ec.ECDSA(SHA256(), deterministic_signing=True)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies: its algorithm, its bytes (Ed25519: 32; ES256: a compressed point, 33), and what does it."""

    algorithm: int
    data: bytes
    verify: Verifier

    def __repr__(self) -> str:
        return f"PublicKey({self.algorithm}, {self.data[:4].hex()}…)"


def public_key(algorithm: int, data: bytes) -> PublicKey:
    """Read a key. Raises CodeRefused if it is none."""
    try:
        match algorithm:
            case -7 if len(data) == 33:
                point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
                return PublicKey(algorithm, data, lambda signature, signed: _verify_es256(point, signature, signed))
            case -8 if len(data) == 32:
                return PublicKey(algorithm, data, Ed25519PublicKey.from_public_bytes(data).verify)
    except ValueError:
        raise CodeRefused(Reason.FIELDS_WRONG) from None
    raise CodeRefused(Reason.FIELDS_WRONG if algorithm in {ES256, ED25519} else Reason.ALGORITHM_UNKNOWN)


def public_key_of(key: PrivateKey) -> PublicKey:
    """The key that verifies what `key` signs."""
    if isinstance(key, Ed25519PrivateKey):
        return public_key(ED25519, key.public_key().public_bytes_raw())
    return public_key(ES256, key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


class Message(NamedTuple):
    """What was parsed, its signature not verified."""

    algorithm: int
    key_id: bytes
    payload: bytes
    signature: bytes
    signed: bytes

    def verify(self, key: PublicKey, refusal: Reason) -> None:
        """Raise CodeRefused, with that reason, unless the owner of `key` signed it with its own algorithm."""
        demand(self.algorithm == key.algorithm, Reason.ALGORITHM_OTHER)
        try:
            key.verify(self.signature, self.signed)
        except InvalidSignature:
            raise CodeRefused(refusal) from None


class Table:
    """The fields of a map, label to the type of its value: those that must be there, and those that may."""

    def __init__(self, needed: Mapping[int, type], optional: Mapping[int, type] | None = None) -> None:
        self.needed = frozenset(needed)
        self.kinds: dict[int, type] = {**needed, **(optional or {})}


_HEADER: Final = Table({ALGORITHM: int}, optional={KEY_ID: bytes})


def sign(key: PrivateKey, payload: bytes, context: bytes, key_id: bytes | None = None) -> bytes:
    """Make a message. No chance is needed: ES256 signs after RFC 6979."""
    import cbor2  # noqa: PLC0415 - see `read`

    header = write({ALGORITHM: public_key_of(key).algorithm, KEY_ID: key_id})
    signed = _to_be_signed(header, context, payload)
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(signed)
    else:
        r, s = decode_dss_signature(key.sign(signed, _ECDSA_WITHOUT_CHANCE))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps([header, {}, payload, signature])


def parse(data: bytes, context: bytes) -> Message:
    """Read a message that was signed for `context`, the external data of RFC 9052, 4.3. Raises CodeRefused."""
    match read(data):
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)] if not unprotected:
            algorithm, key_id = _header(protected)
        case _:
            raise CodeRefused(Reason.FIELDS_WRONG)
    demand(signature != b"", Reason.UNSIGNED)
    demand(len(signature) == SIGNATURE_BYTES, Reason.FIELDS_WRONG)
    return Message(algorithm, key_id, payload, signature, _to_be_signed(protected, context, payload))


@lru_cache(maxsize=64)  # a header is one of few
def _header(protected: bytes) -> tuple[int, bytes]:
    """The algorithm, and the name of the key if it has one."""
    header = fields(protected, _HEADER)
    algorithm, key_id = header[ALGORITHM], header.get(KEY_ID, b"")
    demand(algorithm in {ES256, ED25519}, Reason.ALGORITHM_UNKNOWN)
    demand(len(key_id) <= KEY_ID_BYTES_MAX, Reason.FIELDS_WRONG)
    return algorithm, key_id


def fields(data: bytes, table: Table) -> dict[int, Any]:
    """The fields of a map. Raises CodeRefused, also for one that the table does not name: every field matters."""
    said: dict[int, Any] = read(data)
    demand(type(said) is dict, Reason.FIELDS_WRONG)
    for label, value in said.items():
        kind = table.kinds.get(label)
        if kind is None or type(label) is not int:  # True and 1.0 are 1 to Python
            raise CodeRefused(Reason.CRITICAL_UNKNOWN)
        if type(value) is not kind or (isinstance(value, int) and abs(value) > NUMBER_MAX):
            raise CodeRefused(Reason.FIELDS_WRONG)
    demand(said.keys() >= table.needed, Reason.FIELDS_WRONG)
    demand(list(said) == sorted(said), Reason.CBOR_AMBIGUOUS)
    return said


def write(values: Mapping[int, Any]) -> bytes:
    """The map of those fields that have a value, in deterministic CBOR."""
    import cbor2  # noqa: PLC0415 - see `read`

    return cbor2.dumps({label: value for label, value in values.items() if value is not None}, canonical=True)


def read(data: bytes) -> Any:
    """One item of deterministic CBOR that is all of `data`. Raises CodeRefused."""
    import cbor2  # noqa: PLC0415 - a terminal that never sees such a code never loads it

    try:
        item = cbor2.loads(data, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False)
        again = cbor2.dumps(item)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError):
        raise CodeRefused(Reason.CBOR_BROKEN) from None
    demand(again == data, Reason.CBOR_AMBIGUOUS)  # longer numbers than needed, keys out of order, bytes behind
    return item


def _to_be_signed(protected: bytes, context: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052, 4.4: an array of four, of which only the payload differs from code to code."""
    import cbor2  # noqa: PLC0415 - see `read`

    return _start_of_signed(protected, context) + cbor2.dumps(payload)


@lru_cache(maxsize=64)
def _start_of_signed(protected: bytes, context: bytes) -> bytes:
    import cbor2  # noqa: PLC0415 - see `read`

    return b"\x84" + b"".join(map(cbor2.dumps, ("Signature1", protected, context)))


def _verify_es256(point: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    point.verify(encode_dss_signature(r, s), signed, _ECDSA)
