"""Offline PIN: the card compares it (EMV Book 3 §10.5.1, Book 2 §7). The PIN itself never enters the kernel.

The kernel does what is around it: the tries that are left, the key, the card's challenge, and what the status word
means. `verify_command` is for the shell, which has the PIN pad's block in its hands for the length of one command.
"""

from collections.abc import Mapping

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.certificates import CertificateError, RsaKey
from terminal.emv.faults import CardError, CustomerCancelledError
from terminal.emv.flags import Tvr
from terminal.emv.offline_authentication import pin_key
from terminal.emv.steps import Flow, OfflinePinResult, VerifyOfflinePin
from terminal.emv.tags import Tag

PIN_FINDINGS: Mapping[str, Tvr] = {"bypassed": Tvr.PIN_NOT_ENTERED, "no_pin_pad": Tvr.PIN_PAD_MISSING}
"""What is found when no PIN was entered, by kind of result."""

PIN_BLOCK_BYTES = 8
CHALLENGE_BYTES = 8
_TRIES_MAX = 15
_BLOCKED = (0x6983, 0x6984, 0x63C0)
_PLAIN, _ENCIPHERED = 0x80, 0x88
_HEADER = b"\x7f"
_FRAME_BYTES = len(_HEADER) + PIN_BLOCK_BYTES + CHALLENGE_BYTES


def verify_offline_pin(session: CardSession, *, enciphered: bool) -> Flow[bool]:
    """Ask until the card agrees, no try is left or nobody enters anything. Raises CardError, CustomerCancelledError."""
    tries = yield from _tries_left(session)
    key = None
    if enciphered:
        try:
            key = pin_key(session)
        except CertificateError:
            return False
    for _ in range(_TRIES_MAX):
        if tries == 0:
            session.tvr |= Tvr.PIN_TRIES_EXCEEDED
            return False
        status = yield from _present(session, tries, key)
        if status is None or status == apdu.STATUS_OK:
            return status is not None
        if status not in _BLOCKED and status >> 4 != 0x63C:
            return False
        tries = 0 if status in _BLOCKED else status & 0x0F
    return False


def verify_command(step: VerifyOfflinePin, block: bytearray, padding: bytes) -> bytearray:
    """The VERIFY command for a format 2 PIN block in clear; overwrite both as soon as it has been sent.

    `padding` is at least `padding_bytes(step)` random bytes. Raises ValueError if there are fewer, or this is no block.
    """
    if len(block) != PIN_BLOCK_BYTES or len(padding) < padding_bytes(step):
        raise ValueError("a VERIFY command is made of a PIN block and enough random bytes")
    if step.key is None:
        return bytearray((0x00, 0x20, 0x00, _PLAIN, PIN_BLOCK_BYTES)) + block
    plain = bytearray(_HEADER) + block + step.challenge + padding[: padding_bytes(step)]
    data = step.key.apply(plain)
    plain[:] = bytes(len(plain))
    return bytearray((0x00, 0x20, 0x00, _ENCIPHERED, len(data))) + data


def padding_bytes(step: VerifyOfflinePin) -> int:
    """How many random bytes an enciphered PIN is filled up with; 0 for a plain one."""
    return 0 if step.key is None else len(step.key.modulus) - _FRAME_BYTES


def _present(session: CardSession, tries: int | None, key: RsaKey | None) -> Flow[int | None]:
    """One try; None if the card was not given a PIN."""
    challenge = b""
    if key is not None:
        response = yield from session.exchange(apdu.get_challenge())
        if not response.ok or len(response.data) != CHALLENGE_BYTES or len(key.modulus) < _FRAME_BYTES:
            return None
        challenge = response.data
    answer = yield VerifyOfflinePin(session.facts.amount, tries, key, challenge)
    if not isinstance(answer, OfflinePinResult):
        raise CardError("removed", "VERIFY")
    if answer.kind == "cancelled":
        raise CustomerCancelledError("pin_cancelled")
    session.tvr |= PIN_FINDINGS.get(answer.kind, Tvr.NONE)
    return answer.status


def _tries_left(session: CardSession) -> Flow[int | None]:
    value = yield from session.get_data(Tag.PIN_TRIES)
    return value[0] if value is not None and len(value) == 1 else None
