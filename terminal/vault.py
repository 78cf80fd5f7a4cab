"""The terminal's keys: master key, working keys, and the storage key that seals card numbers at rest.

Everything that needs a key happens in here; nothing that holds a key comes out. The vault file keeps only the master
key and the storage key, readable by its owner alone; working keys live in memory until the next sign-on or stop. The
PIN key is not here at all: the PIN pad has its own, and what the host sent for it only passes through.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iso8583 import Iso8583Error, Message
from iso8583.security import encrypt_track2
from iso8583.transactions import type_of
from iso8583.unionpay import MacState, WorkingKeys62, mac_state, with_mac

NONCE_BYTES = 12
_SEALED_CARD = b"tillgate card"


class VaultError(Exception):
    """A key is missing or wrong; the text says which and what to do, never its value."""


@dataclass(frozen=True, slots=True)
class PinKey:
    """A PIN key on its way to the PIN pad: still encrypted under the master key, with its check value."""

    encrypted: bytes
    check_value: bytes


class Vault:
    """Keys of one terminal."""

    def __init__(self, path: Path) -> None:
        """Open the vault. Raises VaultError if the terminal has not been given its keys."""
        try:
            keys = json.loads(path.read_text())
            self._master_key = bytes.fromhex(keys["master_key"])
            self._storage = AESGCM(bytes.fromhex(keys["storage_key"]))
        except FileNotFoundError:
            raise VaultError("the terminal has no keys: give it a master key with `tillgate terminal keys`") from None
        except (ValueError, KeyError):
            raise VaultError("the vault is damaged: the terminal must be given its keys again") from None
        self._mac_key: bytes | None = None
        self._track_key: bytes | None = None

    @staticmethod
    def create(path: Path, master_key: bytes) -> None:
        """Begin a vault with the master key that the host knows; the storage key is drawn here and never leaves."""
        if len(master_key) != 16:
            raise VaultError("a master key has 16 bytes (32 hexadecimal digits)")
        keys = {"master_key": master_key.hex(), "storage_key": secrets.token_hex(32)}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(keys, file)
            file.flush()
            os.fsync(file.fileno())

    def load(self, field_62: bytes) -> PinKey:
        """Take the working keys of a sign-on answer; return the PIN key for the PIN pad.

        Raises VaultError if a check value differs; then no key is kept, neither old nor new.
        """
        self._mac_key = self._track_key = None
        try:
            keys = WorkingKeys62.parse(field_62)
            _, mac_key, track_key = keys.unwrap(self._master_key)
        except Iso8583Error:
            raise VaultError("the host's working keys are not under this terminal's master key") from None
        self._mac_key, self._track_key = mac_key, track_key or None
        return PinKey(keys.pin_key, keys.pin_check)

    def protect(self, message: Message) -> Message:
        """Make a message fit for the wire: track encrypted, MAC added, where its type wants them."""
        if 35 in message and self._track_key and 53 in message:
            fields = {35: encrypt_track2(self._track_key, message.text(35)), 53: _track_encrypted(message.text(53))}
            message = message.with_(fields)
        kind = type_of(message)
        if kind is None or not kind.mac:
            return message
        if self._mac_key is None:
            raise VaultError("there is no MAC key: the terminal must sign on first")
        return with_mac(message, self._mac_key)

    def mac_state(self, data: bytes, message: Message) -> MacState:
        """Check the MAC of a received message; without a key every MAC is bad."""
        if self._mac_key is None:
            return "bad" if 64 in message else "absent"
        return mac_state(data, message, self._mac_key)

    def seal(self, pan: str) -> str:
        """Encrypt a card number for the journal: AES-256-GCM, nonce in front, hexadecimal."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return (nonce + self._storage.encrypt(nonce, pan.encode(), _SEALED_CARD)).hex()

    def unseal(self, sealed: str) -> str:
        """Decrypt a card number; an empty text stays empty (a payment by code has none)."""
        if not sealed:
            return ""
        try:
            data = bytes.fromhex(sealed)
            return self._storage.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _SEALED_CARD).decode()
        except (InvalidTag, ValueError):
            raise VaultError("a sealed card number does not open: it was changed, or sealed by another vault") from None


def _track_encrypted(field_53: str) -> str:
    return field_53[:2] + "1" + field_53[3:]
