"""The certification authorities' public keys, by which a terminal knows a genuine card without asking anyone.

Public keys, but what they are must be certain: each carries its check value, recomputed when the key is made, and a
terminal must take new ones only from its host.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from iso8583.emv_crypto import ca_key_check_value
from iso8583.unionpay_fields.field62_downloads import CA_KEYS_MAX
from terminal.emv.certificates import RsaKey

RID_BYTES = 5


@dataclass(frozen=True, slots=True)
class CaKey:
    """One key of a payment system. Raises ValueError if the check value is not its own.

    rid: the payment system, the first 5 bytes of its application names. index: tag 8F and 9F22.
    check_value: SHA-1 over rid, index, modulus and exponent. expires: YYYYMMDD, its last day; "" if it has none.
    """

    rid: bytes
    index: int
    key: RsaKey
    check_value: bytes
    expires: str = ""

    def __post_init__(self) -> None:
        if len(self.rid) != RID_BYTES or not 0 <= self.index <= 0xFF:
            raise ValueError("a CA key has a RID of 5 bytes and an index of one")
        if self.expires and (len(self.expires), self.expires.isdecimal()) != (8, True):
            raise ValueError("a CA key's last day is YYYYMMDD")
        if check_value_of(self.rid, self.index, self.key) != self.check_value:
            name = f"{self.rid.hex().upper()} {self.index:02X}"
            raise ValueError(f"the CA key {name} is damaged: its check value differs")


def check_value_of(rid: bytes, index: int, key: RsaKey) -> bytes:
    """The check value that belongs to a key (EMV Book 2, §11.2.2)."""
    exponent = key.exponent.to_bytes((key.exponent.bit_length() + 7) // 8, "big")
    return ca_key_check_value(rid, index, key.modulus, exponent)


def find_key(keys: Iterable[CaKey], application: bytes, index: int, today: str) -> RsaKey | None:
    """The key that an application's certificates are signed with; None if it is unknown, or its last day has passed."""
    for known in keys:
        if (known.rid, known.index) == (application[:RID_BYTES], index) and (known.expires or today) >= today:
            return known.key
    return None


def parse_ca_keys(text: str) -> tuple[CaKey, ...]:
    """Read a JSON list of keys, bytes in hexadecimal; raise ValueError, naming what is wrong."""
    entries = json.loads(text)
    if not isinstance(entries, list) or len(entries) > CA_KEYS_MAX:
        raise ValueError(f"CA keys are a list of at most {CA_KEYS_MAX}")
    return tuple(_ca_key(entry) for entry in entries)


def _ca_key(entry: dict[str, Any]) -> CaKey:
    try:
        key = RsaKey(bytes.fromhex(entry["modulus"]), int(entry["exponent"], 16))
        rid, index, check_value = (bytes.fromhex(entry[name]) for name in ("rid", "index", "check_value"))
        return CaKey(rid, index[0], key, check_value, entry.get("expires", ""))
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("a CA key has rid, index, exponent, modulus and check_value in hexadecimal") from None
