"""An issuer, phones and a shop with fixed keys, and the means to make codes that no honest issuer or phone makes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

import paycode
from paycode import base45, cose, signed
from paycode.cose import PrivateKey, public_key_of
from paycode.signed import Issuers, Memory, Payment, SignedTrust, SignedWallet, Terms

NOW = 1_767_225_600  # 2026-01-01, midnight in London
KEY_ID = b"\x01\x02\x03\x04"
SHOP = "898110053110001"
CNY = 156
TERMS = Terms(NOW - 3_600, NOW + 7 * 86_400, CNY, 20_000)
PAYMENT = Payment(2_500, CNY, SHOP)

ISSUER = ec.derive_private_key(0x1001, ec.SECP256R1())
OTHER_ISSUER = ec.derive_private_key(0x1002, ec.SECP256R1())
PHONES: dict[str, PrivateKey] = {
    "es256": ec.derive_private_key(0x2001, ec.SECP256R1()),
    "ed25519": Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
}
THIEF = Ed25519PrivateKey.from_private_bytes(b"\x77" * 32)


def wallet(phone: str = "ed25519", terms: Terms = TERMS, counter: int = 7, issuer: PrivateKey = ISSUER) -> SignedWallet:
    key = PHONES[phone]
    return SignedWallet(signed.certify(issuer, KEY_ID, public_key_of(key), terms), key, counter)


def code(said: SignedWallet | None = None, now: int = NOW, **bound: Any) -> str:
    return paycode.issue(said or wallet(), now, **bound)[0]


def trust(**parts: Any) -> SignedTrust:
    issuers = Issuers({KEY_ID: public_key_of(ISSUER)})
    return replace(SignedTrust(issuers, PAYMENT, Memory()), **parts)


def verdict(code: str, now: int = NOW, **parts: Any) -> paycode.Verdict:
    return paycode.verify(code, now, paycode.Trust(signed=trust(**parts)))


def reason(code: str, now: int = NOW, **parts: Any) -> str:
    """Why a code is refused; empty if it is not."""
    match verdict(code, now, **parts):
        case paycode.Refused(reason=reason):
            return reason.value
    return ""


# What no honest program makes ----------------------------------------------------------------------------------------


def message(key: PrivateKey, header: bytes, payload: bytes, context: bytes) -> bytes:
    """A COSE_Sign1 message over any bytes, well signed."""
    signature = cose.sign(key, payload, context)
    if header != cbor2.loads(signature)[0]:
        signed_bytes = cbor2.dumps(["Signature1", header, context, payload])
        return cbor2.dumps([header, {}, payload, _signature(key, signed_bytes)])
    return signature


def _signature(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def text(message: bytes) -> str:
    return signed.PREFIX + base45.encode(message)


def parts(code: str) -> list[Any]:
    """Header, unprotected header, payload and signature of a code."""
    found: list[Any] = cbor2.loads(base45.decode(code.removeprefix(signed.PREFIX)))
    return found


def forged(fields: Mapping[int, Any] | bytes, key: PrivateKey | None = None, header: bytes | None = None) -> str:
    """A code with any fields, signed by the honest phone if by nobody else."""
    payload = fields if isinstance(fields, bytes) else cbor2.dumps(fields)
    return text(message(key or PHONES["ed25519"], header or cbor2.dumps({1: -8}), payload, signed.CODE_CONTEXT))


def said(**changes: Any) -> dict[int, Any]:
    """The fields of an honest code, some of them changed or left out (None)."""
    labels = {"certificate": 1, "counter": 2, "time": 3, "amount": 4, "merchant": 5}
    honest = {1: wallet().certificate, 2: 7, 3: NOW}
    changed = {**honest, **{labels[name]: value for name, value in changes.items()}}
    return {label: value for label, value in sorted(changed.items()) if value is not None}
