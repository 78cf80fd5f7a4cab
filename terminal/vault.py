"""What the terminal needs keys for, message by message: MACs, encrypted tracks, sealed card numbers.

The keys themselves are elsewhere: in the key process (`terminal.key_link`), or in the `KeyStore` of a simulated world.
This side knows messages and no key. The PIN key is in neither: the PIN pad has its own, and what the host sent for it
only passes through, encrypted as it came.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from iso8583 import Iso8583Error, Message
from iso8583.transactions import type_of
from iso8583.unionpay import MAC_BYTES, MacState, WorkingKeys62, with_mac
from terminal.key_frames import KeysDiffer, VaultError
from terminal.messages import with_cards

__all__ = ["CardLost", "Keys", "PinKey", "Unready", "Vault", "VaultError"]

Made = TypeVar("Made")
Unready = VaultError | Iso8583Error
"""Why a message cannot go out."""

REPEATED_REFUND = "0221"

TOKEN_DIGITS = 32
"""Half of a fingerprint: no two cards of a batch have the same."""


class CardLost(VaultError):
    """A message cannot be what it repeats: its card number was sealed by keys that have been erased since."""


class Keys(Protocol):
    """What keys can be asked for; each raises VaultError if it cannot be done."""

    def load_working_keys(self, field_62: bytes) -> None:
        """Take the working keys of a sign-on answer; if a check value differs, keep none, neither old nor new."""

    def macs(self, data: Sequence[bytes]) -> list[bytes | VaultError]:
        """Make the MACs of messages, each from its MTI to field 63; in place of one that cannot be made stands why."""

    def check_macs(self, signed: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Whether MACs are those of the data before them; without a key none is."""

    def encrypt_track(self, track: str) -> str:
        """Encrypt the middle of a track 2 or 3."""

    def seal(self, pan: str) -> bytes:
        """Encrypt a card number for the journal."""

    def unseal_each(self, sealed: Sequence[bytes]) -> list[str | VaultError]:
        """Decrypt card numbers; in place of one that cannot be stands why."""

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
    """The keys of one terminal, as its messages need them.

    What is asked for many at once costs about as much waiting for the key process as what is asked for one.
    """

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

    def ready(self, wanted: Sequence[tuple[Message, Sequence[str]]]) -> list[Message | Unready]:
        """Messages fit for the wire, each with its sealed card numbers filled in; in place of one that is not, why."""
        numbers = self._cards_for_each(wanted)
        filled = [
            pans if isinstance(pans, VaultError) else _tried(partial(with_cards, message, pans))
            for (message, _), pans in zip(wanted, numbers, strict=True)
        ]
        return self._protect_each(filled)

    def protect(self, message: Message) -> Message:
        """Make a message fit for the wire: tracks encrypted, MAC added, where its type wants them or it has room.

        Raises VaultError, or Iso8583Error.
        """
        (protected,) = self._protect_each([message])
        if isinstance(protected, Exception):
            raise protected
        return protected

    def _protect_each(self, messages: Sequence[Message | Unready]) -> list[Message | Unready]:
        marked = [each if isinstance(each, Exception) else _tried(partial(self._marked, each)) for each in messages]
        to_sign = [each.data for each in marked if isinstance(each, _Marked) and each.data]
        macs = iter(self._keys.macs(to_sign) if to_sign else ())
        return [each.signed(macs) if isinstance(each, _Marked) else each for each in marked]

    def _marked(self, message: Message) -> "_Marked":
        message = self._with_tracks(message)
        kind = type_of(message)
        wants_mac = 64 in message or (kind is not None and kind.mac)
        return _marked(message) if wants_mac else _Marked(message, b"")

    def _with_tracks(self, message: Message) -> Message:
        tracks = [number for number in (35, 36) if number in message]
        if tracks and self._encrypts_tracks and 53 in message:
            encrypted = {number: self._keys.encrypt_track(message.text(number)) for number in tracks}
            message = message.with_({**encrypted, 53: _track_encrypted(message.text(53))})
        return message

    def mac_state(self, data: bytes, message: Message) -> MacState:
        """Check the MAC of a received message; without a key every MAC is bad."""
        (state,) = self.mac_states([(data, message)])
        return state

    def mac_states(self, received: Sequence[tuple[bytes, Message]]) -> list[MacState]:
        """Check the MACs of messages, each with its bytes as they came."""
        signed = [(data[:-MAC_BYTES], data[-MAC_BYTES:]) for data, message in received if 64 in message]
        good = iter(self._keys.check_macs(signed) if signed else ())
        return [("good" if next(good) else "bad") if 64 in message else "absent" for _, message in received]

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

    def cards_for(self, message: Message, cards: Sequence[str]) -> list[str]:
        """The card numbers that a message carries; of one that was sealed by keys erased since, an empty text.

        The host knows the original and asks for no number. But a repeated refund without it would be another refund to
        the host, and an offline sale nobody's: then CardLost is raised.
        """
        (numbers,) = self._cards_for_each([(message, cards)])
        if isinstance(numbers, VaultError):
            raise numbers
        return numbers

    def _cards_for_each(self, wanted: Sequence[tuple[Message, Sequence[str]]]) -> list[list[str] | VaultError]:
        opened = iter(self._unsealed([card for _, cards in wanted for card in cards]))
        return [_numbers(message, [next(opened) for _ in cards]) for message, cards in wanted]

    def unseal(self, sealed: str) -> str:
        """Decrypt a card number; an empty text stays empty (a payment by code has none)."""
        (number,) = self._unsealed([sealed])
        if isinstance(number, VaultError):
            raise number
        return number

    def _unsealed(self, cards: Sequence[str]) -> list[str | VaultError]:
        sealed = [_from_hex(card) for card in cards]
        known = [each for each in sealed if isinstance(each, bytes) and each]
        opened = iter(self._keys.unseal_each(known) if known else ())
        return [each if isinstance(each, VaultError) else next(opened) if each else "" for each in sealed]


@dataclass(frozen=True, slots=True)
class _Marked:
    """A message on its way out, and what its MAC is made of; nothing where it has none."""

    message: Message
    data: bytes

    def signed(self, macs: Iterator[bytes | VaultError]) -> Message | VaultError:
        """The message with the next of these MACs, if it wants one."""
        if not self.data:
            return self.message
        mac = next(macs)
        return mac if isinstance(mac, VaultError) else self.message.with_({64: mac})


def _marked(message: Message) -> _Marked:
    """Raises Iso8583Error."""
    made_of: list[bytes] = []

    def noted(_: bytes, data: bytes) -> bytes:
        made_of.append(data)
        return bytes(MAC_BYTES)

    return _Marked(with_mac(message, b"", noted), made_of[0])


def _tried(make: Callable[[], Made]) -> Made | Unready:
    try:
        return make()
    except (VaultError, Iso8583Error) as error:
        return error


def _numbers(message: Message, opened: Sequence[str | VaultError]) -> list[str] | VaultError:
    """See `Vault.cards_for`."""
    pans: list[str] = []
    for number in opened:
        if isinstance(number, KeysDiffer):
            if message.mti == REPEATED_REFUND or _is_offline_sale(message):
                return CardLost("the card number in what is owed to the host cannot be unsealed any more")
            pans.append("")
        elif isinstance(number, VaultError):
            return number
        else:
            pans.append(number)
    return pans


def _from_hex(sealed: str) -> bytes | KeysDiffer:
    try:
        return bytes.fromhex(sealed)
    except ValueError:
        return KeysDiffer("a sealed card number is damaged")


def _is_offline_sale(message: Message) -> bool:
    kind = type_of(message)
    return kind is not None and kind.is_offline


def _track_encrypted(field_53: str) -> str:
    return field_53[:2] + "1" + field_53[3:]
