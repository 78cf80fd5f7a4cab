"""The keys of one terminal: master key, working keys, and the storage key for what lies at rest.

Everything that needs a key happens in here; nothing that holds a key comes out. In production a `KeyStore` lives in the
key process alone (`terminal.key_process`); simulated worlds, which have thousands of terminals, keep theirs at hand.

Of the storage key others are derived whenever they are needed: to sign what was downloaded, and to make fingerprints
of blocked cards. So with the vault all that goes which only this terminal may trust.

The vault file holds the master key and the storage key, readable by its owner alone. Working keys live in memory, until
the next sign-on or the end. The PIN key is not kept: the PIN pad has its own, and what the host sent for it goes there
as it came. All keys lie in one buffer that is overwritten at the end, so that it can be locked in memory as a whole.
What Python cannot promise: the cipher library makes short-lived copies of a key for as long as one call takes, and what
was freed is only overwritten by chance. Hence the process around it, whose memory nobody can read and which ends when
its keys are erased. Nor can overwriting a file promise anything on flash memory: whoever erases keys because of
tampering also has the bank withdraw the master key.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from iso8583 import rescue
from iso8583.errors import Iso8583Error
from iso8583.security import encrypt_track2, equal_macs, unionpay_mac, wipe
from iso8583.unionpay_fields.field62 import WorkingKeys62
from terminal.key_frames import KeysDiffer, KeysGone, NoWorkingKey, VaultError

Made = TypeVar("Made")

MASTER_BYTES: Final = 16
STORAGE_BYTES: Final = 32
NONCE_BYTES: Final = 12
_FORM: Final = re.compile(rb'\{"master_key": "([0-9a-f]{32})", "storage_key": "([0-9a-f]{64})"\}\s*')
_FILE_MAX: Final = 1024
_SEALED_CARD: Final = b"tillgate card"
_DOWNLOADS: Final = b"tillgate downloads"
_BLACK_LIST: Final = b"tillgate black list"
_PLACES: Final = {"master": (0, MASTER_BYTES), "storage": (16, STORAGE_BYTES), "mac": (48, 16), "track": (64, 16)}


class KeyStore:
    """The keys, once they have been read. Not for two threads at a time."""

    def __init__(self, path: Path) -> None:
        """Read the vault. Raises KeysGone if the terminal has no keys, or they cannot be trusted."""
        self.memory = bytearray(sum(width for _, width in _PLACES.values()))
        self._lengths = dict.fromkeys(_PLACES, 0)
        text = _read(path)
        form = _FORM.fullmatch(text)
        if form is None:
            raise KeysGone("keys_damaged")
        for group, name in ((1, "master"), (2, "storage")):
            self._unpack(name, text, *form.span(group))
        wipe(text)

    @staticmethod
    def create(path: Path, master_key: bytes) -> None:
        """Begin a vault with the master key that the host knows; the storage key is drawn here and never leaves.

        Raises VaultError for a key of another length, FileExistsError if there is a vault.
        """
        if len(master_key) != MASTER_BYTES:
            raise VaultError("a master key has 16 bytes (32 hexadecimal digits)")
        keys = {"master_key": master_key.hex(), "storage_key": secrets.token_hex(STORAGE_BYTES)}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(keys, file)
            file.flush()
            os.fsync(file.fileno())
        erased_mark(path).unlink(missing_ok=True)
        _sync_folder(path)

    def load_working_keys(self, field_62: bytes) -> None:
        """Take the working keys of a sign-on answer.

        Raises KeysDiffer if a check value does; then no key is kept, neither old nor new.
        """
        self._forget("mac")
        self._forget("track")
        try:
            _, mac_key, track_key = WorkingKeys62.parse(field_62).unwrap(self._key("master"))
        except Iso8583Error:
            raise KeysDiffer("the host's working keys are not under this terminal's master key") from None
        self._keep("mac", mac_key)
        self._keep("track", track_key)

    def mac(self, data: bytes) -> bytes:
        """The MAC of a message, eight characters. Raises NoWorkingKey."""
        return unionpay_mac(self._key("mac"), data)

    def check_mac(self, data: bytes, mac: bytes) -> bool:
        """Whether a MAC is that of `data`; without a key none is."""
        return bool(self._lengths["mac"]) and equal_macs(self.mac(data), mac)

    def macs(self, data: Sequence[bytes]) -> list[bytes | VaultError]:
        """MACs of many messages; in place of what cannot be made stands why. So do the others for many."""
        return [_tried(self.mac, each) for each in data]

    def check_macs(self, signed: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Whether MACs are those of the data before them."""
        return [self.check_mac(data, mac) for data, mac in signed]

    def unseal_each(self, sealed: Sequence[bytes]) -> list[str | VaultError]:
        """Decrypt many card numbers."""
        return [_tried(self.unseal, each) for each in sealed]

    def encrypt_track(self, track: str) -> str:
        """Track 2 or 3 with its middle encrypted. Raises NoWorkingKey, and ValueError for what is no track."""
        return encrypt_track2(self._key("track"), track)

    def seal(self, pan: str) -> bytes:
        """Encrypt a card number for the journal: AES-256-GCM, nonce in front."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._key("storage")).encrypt(nonce, pan.encode("ascii"), _SEALED_CARD)

    def unseal(self, sealed: bytes) -> str:
        """Decrypt a card number. Raises KeysDiffer if it was changed, or sealed by another vault."""
        try:
            pan = AESGCM(self._key("storage")).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _SEALED_CARD)
        except (InvalidTag, ValueError):
            raise KeysDiffer("a sealed card number does not open: it was changed, or sealed by another vault") from None
        return pan.decode("ascii")

    def sign(self, data: bytes) -> bytes:
        """Vouch for what lies in a file: HMAC-SHA256, 32 bytes, under a key that only this vault can derive."""
        return self._derived_mac(_DOWNLOADS, data)

    def check_signature(self, data: bytes, signature: bytes) -> bool:
        """Whether `sign` made this of the same data in the same vault."""
        return hmac.compare_digest(self.sign(data), signature)

    def fingerprint(self, pan: str) -> bytes:
        """What stands for a card number in the black list and beside offline sales, 32 bytes.

        Without a key, all card numbers could be tried.
        """
        return self._derived_mac(_BLACK_LIST, pan.encode("ascii"))

    def seal_for_host(self, terminal: str, frame: bytes) -> bytes:
        """Seal a message that this terminal cannot send, so that the host alone can open it, whoever brings it."""
        return rescue.seal(self._key("master"), terminal, frame, secrets.token_bytes(rescue.NONCE_BYTES))

    def _derived_mac(self, purpose: bytes, data: bytes) -> bytes:
        return hmac.digest(hmac.digest(self._key("storage"), purpose, hashlib.sha256), data, hashlib.sha256)

    def close(self) -> None:
        """Overwrite all keys; none of the others works any more."""
        wipe(self.memory)
        self._lengths = dict.fromkeys(_PLACES, 0)

    def _key(self, name: str) -> bytes:
        start, length = _PLACES[name][0], self._lengths[name]
        if not length:
            raise NoWorkingKey(f"there is no {name} key: the terminal must sign on first")
        return bytes(memoryview(self.memory)[start : start + length])

    def _keep(self, name: str, key: bytes) -> None:
        start, width = _PLACES[name]
        assert len(key) <= width, "the longest working key has 16 bytes"
        self.memory[start : start + len(key)] = key
        self._lengths[name] = len(key)

    def _forget(self, name: str) -> None:
        start, width = _PLACES[name]
        self.memory[start : start + width] = bytes(width)
        self._lengths[name] = 0

    def _unpack(self, name: str, text: bytearray, start: int, end: int) -> None:
        """Put hexadecimal digits into their place, without a copy of the key anywhere else."""
        place, digits = _PLACES[name][0], b"0123456789abcdef"
        for at in range(start, end, 2):
            self.memory[place + (at - start) // 2] = digits.index(text[at]) << 4 | digits.index(text[at + 1])
        self._lengths[name] = (end - start) // 2


def _tried(make: Callable[[bytes], Made], data: bytes) -> Made | VaultError:
    try:
        return make(data)
    except VaultError as error:
        return error


def erase_file(path: Path) -> None:
    """Overwrite a vault file and remove it; leave a mark that says why it is gone. Harmless if it is gone already."""
    erased_mark(path).touch(0o600)
    with contextlib.suppress(FileNotFoundError), path.open("r+b", buffering=0) as file:
        file.write(bytes(_FILE_MAX))
        os.fsync(file.fileno())
        path.unlink()
    _sync_folder(path)


def erased_mark(path: Path) -> Path:
    """The file that tells a terminal whose keys were erased from one that never had any."""
    return path.with_suffix(".erased")


def _read(path: Path) -> bytearray:
    """The file as it is. Raises KeysGone if it is not there, or not its owner's alone."""
    text = bytearray(_FILE_MAX)
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise KeysGone("keys_exposed")
            length = file.readinto(text)
    except FileNotFoundError:
        raise KeysGone("keys_erased" if erased_mark(path).exists() else "no_keys") from None
    except PermissionError:
        raise KeysGone("keys_exposed") from None
    except OSError:
        raise KeysGone("keys_damaged") from None
    del text[length:]
    return text


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
