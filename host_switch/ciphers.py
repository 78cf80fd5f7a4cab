"""The host's everyday cryptography, each key made ready once.

A host uses one MAC key per terminal and two zone keys for every sale. What a cipher needs of a key costs more to work
out than a MAC, so it is remembered; the store keeps terminals' keys in memory anyway. For one thread: the loop's.
"""

from functools import lru_cache

from iso8583 import security
from iso8583.security import DesKey

KEYS_MAX = 16_384

_ready = lru_cache(maxsize=KEYS_MAX)(DesKey)


def terminal_mac(key: bytes, data: bytes) -> bytes:
    """The MAC of a message between terminal and host: `iso8583.security.unionpay_mac`."""
    return security.unionpay_mac(_ready(key), data)


def zone_mac(key: bytes, data: bytes) -> bytes:
    """The MAC of a message between host and issuer: `iso8583.security.retail_mac`."""
    return security.retail_mac(_ready(key), data)


def clear_track(key: bytes, track: str) -> str:
    """Track data as it was before the terminal encrypted it. Raises ValueError if it is too short for that."""
    return security.decrypt_track2(_ready(key), track)


def zone_pin_block(block: bytes, pin_key: bytes, zone_key: bytes) -> bytes:
    """A terminal's PIN block under the zone PIN key. Raises ValueError if it is none of 8 bytes."""
    return security.translate_pin_block(block, _ready(pin_key), _ready(zone_key))
