"""The golden transit code of tests/vectors/paycode.json, and what builds others like it, signed by any keys."""

import json
from pathlib import Path

from tests.paycode import plain_sm2

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "paycode.json").read_text("utf-8"))
_GOLDEN = VECTORS["transit"]
ROOT = bytes.fromhex(_GOLDEN["root_public_key"])
CODE = bytes.fromhex(_GOLDEN["code"])
CERTIFICATE = CODE[3:120]
ROOT_KEY, ISSUER_KEY, USER_KEY = (int(_GOLDEN[f"{who}_private_key"], 16) for who in ("root", "issuer", "user"))


def with_byte(place: int, byte: int) -> bytes:
    return CODE[:place] + bytes([byte]) + CODE[place + 1 :]


def certificate(issuer: int = ISSUER_KEY, expiry: str = "1235", root: int = ROOT_KEY) -> bytes:
    signed = bytes.fromhex(f"1201020304{expiry}00000104040021") + plain_sm2.compressed(issuer)
    return CERTIFICATE[:6] + signed + plain_sm2.sign(root, signed)


def built(
    certificate: bytes = CERTIFICATE,
    custom: bytes = b"",
    validity_s: int = 60,
    issuer: int = ISSUER_KEY,
    user: int = USER_KEY,
    user_key: bytes | None = None,
) -> bytes:
    """The golden code with other parts, signed anew."""
    key = user_key or plain_sm2.compressed(user)
    said = certificate + CODE[120:158] + key + CODE[191:195] + validity_s.to_bytes(2, "big")
    said += bytes([len(custom)]) + custom
    head = b"\x81" + (len(said) + 134).to_bytes(2, "big")
    signed = head + said + b"\x15" + plain_sm2.sign(issuer, said) + CODE[263:267]
    return signed + b"\x15" + plain_sm2.sign(user, signed)


def root_record() -> bytes:
    said = bytes.fromhex("2101010000A000000632011235041140") + ROOT
    return said + plain_sm2.sign(ROOT_KEY, said)
