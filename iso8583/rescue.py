"""What a terminal still owes, sealed for the host: to be carried in a file or as a series of codes on paper.

A terminal whose line is dead for good, or that does not start any more, still has sales that no bank has heard of. Each
of its messages is sealed by itself, under a key that terminal and host derive from the master key they share, so that
whoever carries them can neither read nor change them, and a part of them is of use without the rest.

The file: ``TGQ1``, the terminal's id (8 characters), how many messages (2 bytes), each with its length (2 bytes) before
it, and at the end the first 16 bytes of the SHA-256 of all that. A message is nonce (12), ciphertext and tag (16) of
AES-256-GCM over a frame: TPDU, header and message, whose field 64 says nothing; the terminal's id is authenticated with
it. The key is HMAC-SHA256 of the master key over ``tillgate rescue``. A sheet: ``TGQ1:``, the digest, a colon, number
and count, a colon, and a part of the file in base 32 without padding: all of the characters that a QR code holds best.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iso8583.errors import Iso8583Error

NONCE_BYTES: Final = 12
TERMINAL_CHARACTERS: Final = 8
SEALED_BYTES_MAX: Final = 960

MESSAGES_MAX: Final = 0xFFFF
SHEET_BYTES: Final = 900
_MAGIC: Final = b"TGQ1"
_DIGEST_BYTES: Final = 16
_HEAD: Final = struct.Struct(f">4s{TERMINAL_CHARACTERS}sH")
_LENGTH: Final = struct.Struct(">H")
_PURPOSE: Final = b"tillgate rescue"
_SHEET: Final = re.compile(r"TGQ1:([0-9A-F]{32}):(\d{1,5})/(\d{1,5}):([A-Z2-7]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rescue:
    """The sealed messages of one terminal, in the order in which it would have sent them."""

    terminal: str
    sealed: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The file. Raises Iso8583Error: too many messages, or one that is too long."""
        if len(self.sealed) > MESSAGES_MAX:
            raise Iso8583Error("rescue", 0, f"at most {MESSAGES_MAX} messages fit, there are {len(self.sealed)}")
        if any(len(each) > SEALED_BYTES_MAX for each in self.sealed):
            raise Iso8583Error("rescue", 0, f"a sealed message may have {SEALED_BYTES_MAX} bytes")
        parts = [_LENGTH.pack(len(each)) + each for each in self.sealed]
        body = _HEAD.pack(_MAGIC, self.terminal.encode("ascii"), len(self.sealed)) + b"".join(parts)
        return body + _digest(body)

    def sheets(self) -> list[str]:
        """The file as texts for QR codes, each with at most `SHEET_BYTES` of it. Raises as `to_bytes`."""
        whole = self.to_bytes()
        parts = [whole[at : at + SHEET_BYTES] for at in range(0, len(whole), SHEET_BYTES)]
        name = whole[-_DIGEST_BYTES:].hex().upper()
        return [
            f"TGQ1:{name}:{number}/{len(parts)}:{base64.b32encode(part).decode('ascii').rstrip('=')}"
            for number, part in enumerate(parts, 1)
        ]

    @classmethod
    def parse(cls, data: bytes) -> "Rescue":
        """Read a file, or the texts of its sheets, one a line, in any order and some of them twice.

        Raises:
            Iso8583Error: it is something else, was changed, or a sheet is missing; the text says which.
        """
        if data.startswith(_MAGIC + b":"):
            data = _joined(data)
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if not data.startswith(_MAGIC) or len(body) < _HEAD.size:
            raise Iso8583Error("rescue", 0, "this is no file of a terminal's queue")
        if not hmac.compare_digest(_digest(body), digest):
            raise Iso8583Error("rescue", 0, "the file was changed or cut: take it from the terminal again")
        _, terminal, count = _HEAD.unpack_from(body)
        return cls(terminal.decode("ascii", "replace"), tuple(_messages(body, count)))


def _messages(body: bytes, count: int) -> Iterable[bytes]:
    at = _HEAD.size
    for _ in range(count):
        if at + _LENGTH.size > len(body):
            raise Iso8583Error("rescue", at, "a message is missing")
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if length > SEALED_BYTES_MAX or at + length > len(body):
            raise Iso8583Error("rescue", at, "a message is longer than the file")
        yield body[at : at + length]
        at += length
    if at != len(body):
        raise Iso8583Error("rescue", at, "there is something behind the last message")


def _joined(data: bytes) -> bytes:
    """Put the sheets of one file together."""
    lines = data.decode("ascii", "replace").split()
    sheets = [_SHEET.fullmatch(line) for line in lines]
    found = {int(sheet[2]): sheet for sheet in sheets if sheet}
    wrong = next((number for number, sheet in enumerate(sheets, 1) if sheet is None), None)
    if wrong is not None:
        raise Iso8583Error("rescue", 0, f"line {wrong} is no sheet of a terminal's queue: scan it again")
    if len({(sheet[1], sheet[3]) for sheet in found.values()}) > 1:
        raise Iso8583Error("rescue", 0, "the sheets are of different files: give those of one")
    count = int(next(iter(found.values()))[3])
    missing = [str(number) for number in range(1, min(count, MESSAGES_MAX) + 1) if number not in found]
    if missing:
        raise Iso8583Error("rescue", 0, f"of {count} sheets these are missing: {', '.join(missing[:20])}")
    try:
        return b"".join(_of_base32(found[number][4]) for number in range(1, count + 1))
    except binascii.Error:
        raise Iso8583Error("rescue", 0, "a sheet is damaged: scan them again") from None


def _of_base32(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))


def seal(master_key: bytes, terminal: str, frame: bytes, nonce: bytes) -> bytes:
    """Seal one frame for the host.

    Args:
        master_key: the terminal's, in clear.
        terminal: its id.
        frame: TPDU, header and message.
        nonce: 12 bytes, never used twice with one key.
    """
    return nonce + AESGCM(_key(master_key)).encrypt(nonce, frame, terminal.encode("ascii"))


def unseal(master_key: bytes, terminal: str, sealed: bytes) -> bytes:
    """Give back the frame. Raises Iso8583Error if it was changed, or is of another terminal or master key."""
    try:
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return AESGCM(_key(master_key)).decrypt(nonce, rest, terminal.encode("ascii", "replace"))
    except (InvalidTag, ValueError):
        raise Iso8583Error("rescue", 0, "a message does not open under this terminal's master key") from None


def _key(master_key: bytes) -> bytes:
    return hmac.digest(master_key, _PURPOSE, hashlib.sha256)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_DIGEST_BYTES]
