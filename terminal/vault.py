"""What the terminal needs keys for, message by message: MACs, encrypted tracks, sealed card numbers.

The keys themselves are elsewhere: in the key process (`terminal.key_link`), or in the `KeyStore` of a simulated world.
This side knows messages and no key. The PIN key is in neither: the PIN pad has its own, and what the host sent for it
only passes through, encrypted as it came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from iso8583 import Iso8583Error, Message
from iso8583.transactions import type_of
from iso8583.unionpay import MAC_BYTES, MacState, WorkingKeys62, with_mac
from terminal.key_frames import KeysDiffer, VaultError

__all__ = ["CardLost", "Keys", "PinKey", "Vault", "VaultError"]

REPEATED_REFUND = "0221"

TOKEN_DIGITS = 32
"""Half of a fingerprint: no two cards of a batch have the same."""


class CardLost(VaultError):
    """A message cannot be what it repeats: its card number was sealed by keys that have been erased since."""


class Keys(Protocol):
    """What keys can be asked for; each raises VaultError if it cannot be done."""

    def load_working_keys(self, field_62: bytes) -> None:
        """Take the working keys of a sign-on answer; if a check value differs, keep none, neither old nor new."""

    def mac(self, data: bytes) -> bytes:
        """Make the MAC of a message from its MTI to field 63."""

    def check_mac(self, data: bytes, mac: bytes) -> bool:
        """Whether a MAC is right; without a key none is."""

    def encrypt_track(self, track: str) -> str:
        """Encrypt the middle of a track 2 or 3."""

    def seal(self, pan: str) -> bytes:
        """Encrypt a card number for the journal."""

    def unseal(self, sealed: bytes) -> str:
        """Decrypt a card number."""

    def sign(self, data: bytes) -> bytes:
        """Vouch for what lies in a file: 32 bytes."""

    def check_signature(self, data: bytes, signature: bytes) -> bool:
        """Whether `sign` made this, of the same data and with the same keys."""

    def fingerprint(self, pan: str) -> bytes:
        """What stands for a card number in the black list: 32 bytes."""


@dataclass(frozen=True, slots=True)
class PinKey:
    """A PIN key on its way to the PIN pad: still encrypted under the master key, with its check value."""

    encrypted: bytes
    check_value: bytes


class Vault:
    """The keys of one terminal, as its messages need them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._encrypts_tracks = False

    def load(self, field_62: bytes) -> PinKey:
        """Take the working keys of a sign-on answer; return the PIN key for the PIN pad.

        Raises VaultError if they are not under this terminal's master key; then no key is kept, neither old nor new.
        """
        self._keys.load_working_keys(field_62)
        try:
            keys = WorkingKeys62.parse(field_62)
        except Iso8583Error:
            raise KeysDiffer("field 62 holds no working keys") from None
        self._encrypts_tracks = bool(keys.track_key)
        return PinKey(keys.pin_key, keys.pin_check)

    def protect(self, message: Message) -> Message:
        """Make a message fit for the wire: tracks encrypted, MAC added, where its type wants them or it has room."""
        tracks = [number for number in (35, 36) if number in message]
        if tracks and self._encrypts_tracks and 53 in message:
            encrypted = {number: self._keys.encrypt_track(message.text(number)) for number in tracks}
            message = message.with_({**encrypted, 53: _track_encrypted(message.text(53))})
        kind = type_of(message)
        if 64 not in message and (kind is None or not kind.mac):
            return message
        return with_mac(message, b"", lambda _, data: self._keys.mac(data))

    def mac_state(self, data: bytes, message: Message) -> MacState:
        """Check the MAC of a received message; without a key every MAC is bad."""
        if 64 not in message:
            return "absent"
        return "good" if self._keys.check_mac(data[:-MAC_BYTES], data[-MAC_BYTES:]) else "bad"

    def seal(self, pan: str) -> str:
        """Encrypt a card number for the journal, hexadecimal."""
        return self._keys.seal(pan).hex()

    def token(self, pan: str) -> str:
        """What stands for a card where its sales are added up: a keyed fingerprint, hexadecimal. Raises VaultError."""
        return self._keys.fingerprint(pan).hex()[:TOKEN_DIGITS]

    def has_lost(self, sealed: str) -> bool:
        """Whether this card number was sealed by keys that have been erased since: nobody can unseal it any more."""
        try:
            self.unseal(sealed)
        except KeysDiffer:
            return True
        except VaultError:
            return False
        return False

    def cards_for(self, message: Message, cards: Iterable[str]) -> list[str]:
        """The card numbers that a message carries; of one that was sealed by keys erased since, an empty text.

        The host knows the original and asks for no number. But a repeated refund without it would be another refund to
        the host, and an offline sale nobody's: then CardLost is raised.
        """
        pans: list[str] = []
        for card in cards:
            try:
                pans.append(self.unseal(card))
            except KeysDiffer:
                if message.mti == REPEATED_REFUND or _is_offline_sale(message):
                    raise CardLost("the card number in what is owed to the host cannot be unsealed any more") from None
                pans.append("")
        return pans

    def unseal(self, sealed: str) -> str:
        """Decrypt a card number; an empty text stays empty (a payment by code has none)."""
        if not sealed:
            return ""
        try:
            data = bytes.fromhex(sealed)
        except ValueError:
            raise KeysDiffer("a sealed card number is damaged") from None
        return self._keys.unseal(data)


def _is_offline_sale(message: Message) -> bool:
    kind = type_of(message)
    return kind is not None and kind.is_offline


def _track_encrypted(field_53: str) -> str:
    return field_53[:2] + "1" + field_53[3:]
