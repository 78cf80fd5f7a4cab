"""How a card signs with its private key, and opens what was enciphered for it (EMV Book 2, §6.5.1 and §7.2)."""

import hashlib

from simulators.cards.personalisation import Personalisation

_FRAME_BYTES = 2 + 20 + 3
"""Header, trailer, hash, and the three bytes before the dynamic data."""


def signed(card: Personalisation, dynamic_data: bytes, terminal_data: bytes) -> bytes:
    """Signed dynamic application data (9F4B) over what the card says and what the terminal told it."""
    filling = b"\xbb" * (len(card.modulus) - _FRAME_BYTES - len(dynamic_data))
    content = b"\x05\x01" + bytes((len(dynamic_data),)) + dynamic_data + filling
    hashed = hashlib.sha1(content + terminal_data, usedforsecurity=False).digest()
    return opened(card, b"\x6a" + content + hashed + b"\xbc")


def opened(card: Personalisation, data: bytes) -> bytes:
    """Raise to the private exponent; nothing if this is no number that the key can take."""
    modulus = int.from_bytes(card.modulus, "big")
    number = int.from_bytes(data, "big")
    if number >= modulus:
        return b""
    return pow(number, int.from_bytes(card.private_exponent, "big"), modulus).to_bytes(len(card.modulus), "big")
