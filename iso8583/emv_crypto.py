"""Application cryptograms of PBOC 3.0 chip cards under 3DES: what the card computes and the issuer checks.

The chain: issuer master key -> card key (once per card) -> session key (once per transaction) -> ARQC, TC or AAC (the
card's cryptogram) and ARPC (the issuer's answer). Keys are 16 bytes in clear. Parity bits are left as they come: DES
ignores them, and PBOC does not ask for them. Beside the chain, the check value of a card authority's public key.
"""

from __future__ import annotations

import hashlib

from iso8583.security import ecb_encrypt, equal_macs, retail_mac

INVERTED = bytes([0xFF]) * 8
SEQUENCE_DIGITS = 2  # of a card sequence number, tag 5F34


def card_key(issuer_key: bytes, pan: str, sequence_number: str) -> bytes:
    """The card's master key (UDK), derivation option A (EMV Book 2, A1.4.1).

    Args:
        issuer_key: the issuer's master key for cryptograms, 16 bytes.
        pan: the card number.
        sequence_number: tag 5F34 as digits ("01"), or "" or "00" if the card has none. Field 23 may come with three.
    """
    sequence = sequence_number[-SEQUENCE_DIGITS:].rjust(SEQUENCE_DIGITS, "0")
    if not (pan.isascii() and pan.isdigit() and sequence.isascii() and sequence.isdigit()):
        raise ValueError("a card key is derived from digits")
    diversifier = bytes.fromhex((pan + sequence)[-16:].rjust(16, "0"))
    return ecb_encrypt(issuer_key, diversifier + _xor(diversifier, INVERTED))


def session_key(card_key: bytes, counter: bytes) -> bytes:
    """The PBOC session key of one transaction: the counter, and its complement, encrypted (PBOC 3.0 part 7).

    Args:
        card_key: the card's master key.
        counter: the application transaction counter, tag 9F36, 2 bytes.
    """
    if len(counter) != 2:
        raise ValueError("a transaction counter has 2 bytes")
    return ecb_encrypt(card_key, bytes(6) + counter + bytes(6) + _xor(counter, INVERTED[:2]))


def application_cryptogram(session_key: bytes, data: bytes) -> bytes:
    """The 8-byte ARQC, TC or AAC over `data` (9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 82 9F36 and the CVR, in this order)."""
    return retail_mac(session_key, data, padding=2)


def arqc_is_good(session_key: bytes, data: bytes, received: bytes) -> bool:
    """Whether the cryptogram that came in tag 9F26 is the one over `data`, compared in constant time."""
    return equal_macs(application_cryptogram(session_key, data), received)


def arpc(session_key: bytes, arqc: bytes, response_code: bytes) -> bytes:
    """The issuer's 8-byte answer to an ARQC, method 1: the response code XORed into it, encrypted (EMV Book 2, 8.2.1).

    Args:
        session_key: of the transaction.
        arqc: the card's cryptogram.
        response_code: tag 8A, 2 ASCII characters.
    """
    return ecb_encrypt(session_key, _xor(arqc, response_code.ljust(8, b"\0")))


def ca_key_check_value(rid: bytes, index: int, modulus: bytes, exponent: bytes) -> bytes:
    """The check value that belongs to a card authority's public key, 20 bytes (EMV Book 2, §11.2.2).

    Args:
        rid: the payment system, 5 bytes.
        index: of the key, 0 to 255.
        modulus: as long as the key.
        exponent: in as few bytes as it needs.
    """
    return hashlib.sha1(rid + bytes([index]) + modulus + exponent, usedforsecurity=False).digest()


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
