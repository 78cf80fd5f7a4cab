"""The key room: the host's master key, what is sealed under it, and fresh working keys.

Everything secret that the store writes (terminal master keys, working keys, zone keys, card numbers) is sealed with
AES-256-GCM under the master key and bound to where it belongs: a sealed value copied to another row does not open. The
master key is one file that only its owner may read.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from host_switch.records import WorkingKeys

MASTER_KEY_BYTES = 32
NONCE_BYTES = 12
OWNER_ONLY = 0o600
CODE_PREFIXES = tuple(f"771{generation}" for generation in range(10))
"""Of the payment codes that phones make without a network: ten generations, each with a key of its own."""


class KeyRoomError(Exception):
    """A key cannot be used; the text says which and what to do, never what it is."""


@dataclass(frozen=True, slots=True)
class ZoneKeys:
    """The keys shared with the issuer: for PIN blocks and for MACs, double length (3DES)."""

    pin_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)


class KeyRoom:
    """Seals and opens secrets. `draw` is the source of randomness; a simulation hands in a seeded one."""

    def __init__(self, master_key: bytes, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise KeyRoomError(f"the host's master key must have {MASTER_KEY_BYTES} bytes")
        self._cipher = AESGCM(_derived(master_key, "seal"))
        self._draw = draw
        self.content_key = _derived(master_key, "content")
        self.code_keys = {prefix: _derived(master_key, f"phone codes {prefix}") for prefix in CODE_PREFIXES}

    @classmethod
    def in_file(cls, path: Path) -> "KeyRoom":
        """Open the room whose master key is in `path`, a file that is made if it does not exist.

        Raises:
            KeyRoomError: the file can be read by others, cannot be read by us, or holds no key.
        """
        try:
            if not path.exists():
                write_secret(path, secrets.token_bytes(MASTER_KEY_BYTES))
            if path.stat().st_mode & 0o077:
                raise KeyRoomError(f"{path} can be read by others: chmod 600 it, and consider the keys in it known")
            return cls(path.read_bytes())
        except OSError as error:
            raise KeyRoomError(f"cannot use the master key file {path}: {error.strerror}") from None

    def seal(self, secret: bytes, place: str) -> bytes:
        """Encrypt `secret` for the place it is kept at, such as ``terminal/12345678/tmk``."""
        nonce = self._draw(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, place.encode())

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what `seal` made for the same place.

        Raises:
            KeyRoomError: another master key, another place, or damaged.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise KeyRoomError(f"{place} does not open under this master key: restore the right key file") from None

    def fresh_keys(self) -> WorkingKeys:
        """New working keys for one sign-on."""
        return WorkingKeys(des_key(16, self._draw), des_key(8, self._draw), des_key(16, self._draw))


def des_key(length: int, draw: Callable[[int], bytes]) -> bytes:
    """A new DES key of 8 or 16 bytes, of odd parity; the halves differ, or EDE would be single DES."""
    while True:
        key = bytes(_odd_parity(byte) for byte in draw(length))
        if key[:8] != key[8:]:
            return key


def _odd_parity(byte: int) -> int:
    return byte & 0xFE | (byte >> 1).bit_count() & 1 ^ 1


def _derived(master_key: bytes, purpose: str) -> bytes:
    return hmac.new(master_key, f"tillgate host {purpose}".encode(), hashlib.sha256).digest()


def write_secret(path: Path, secret: bytes) -> None:
    """Write a new file that only its owner may read, durably. Raises OSError (FileExistsError if it is there)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(path, secret)
    _sync_folder(path.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, or replace it: after a crash it is the old one or the new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    _write(unfinished, content)
    unfinished.replace(path)
    _sync_folder(path.parent)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
