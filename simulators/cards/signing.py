"""Signatures with message recovery, as cards and authorities make them (EMV Book 2, Annex A2.1, §6.5.1 and §7.2)."""

import hashlib

from simulators.cards.personalisation import Personalisation

_FRAME_BYTES = 2 + 20
"""Header, trailer and hash, which surround the content of every signature."""


def sign(
    content: bytes, also_hashed: bytes, modulus: bytes, exponent: int, head: int = 0x6A, tail: int = 0xBC
) -> bytes:
    """A signature over `content`, filled up to the modulus, and what is hashed without being in it."""
    content += b"\xbb" * (len(modulus) - _FRAME_BYTES - len(content))
    hashed = hashlib.sha1(content + also_hashed, usedforsecurity=False).digest()
    block = bytes((head,)) + content + hashed + bytes((tail,))
    return pow(int.from_bytes(block, "big"), exponent, int.from_bytes(modulus, "big")).to_bytes(len(modulus), "big")


def signed(card: Personalisation, dynamic_data: bytes, terminal_data: bytes) -> bytes:
    """Signed dynamic application data (9F4B) over what the card says and what the terminal told it."""
    content = b"\x05\x01" + bytes((len(dynamic_data),)) + dynamic_data
    return sign(content, terminal_data, card.modulus, int.from_bytes(card.private_exponent, "big"))


def opened(card: Personalisation, data: bytes) -> bytes:
    """Raise to the private exponent; nothing if this is no number that the key can take."""
    modulus = int.from_bytes(card.modulus, "big")
    number = int.from_bytes(data, "big")
    if number >= modulus:
        return b""
    return pow(number, int.from_bytes(card.private_exponent, "big"), modulus).to_bytes(len(card.modulus), "big")
