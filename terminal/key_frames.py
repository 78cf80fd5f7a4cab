"""What a terminal and its key process say to one another, and how either fails.

They share a pair of sockets that keeps packets apart. The terminal sends one request and waits for its answer before
it sends another. A request is one letter and its data; an answer is one status digit and its data. Nothing else is
said, and nothing longer than `PACKET_MAX`; a request that breaks these rules is answered ``NOT_UNDERSTOOD``. Only
several requests in one packet, which save the waiting for each, may come to `SEVERAL_MAX`.

===  ===============================================  ========================================================
 L   field 62 of a sign-on answer (24 to 60 bytes)    -; all working keys before it are forgotten in any case
 M   bytes to authenticate                            MAC (8)
 C   MAC (8), bytes that it should be of              -; ``REFUSED`` if it is not
 T   track 2 or 3, ASCII                              the same, encrypted
 S   card number, ASCII                               nonce, ciphertext and tag
 U   nonce, ciphertext and tag                        card number, ASCII; ``REFUSED`` if another vault sealed it
 G   bytes to sign                                    signature (32)
 V   signature (32), bytes that it should be of       -; ``REFUSED`` if it is not
 F   card number, ASCII                               its fingerprint (32)
 Q   terminal id (8), frame for the host              the frame sealed for it (`iso8583.rescue`)
 B   requests, each behind its length (2)             their answers, each behind its length (2)
 X   -                                                none: the keys and their file are erased, the process ends
===  ===============================================  ========================================================

When the process has its keys it says ``DONE`` unasked, once. If it cannot have them it ends, with an `Ending`.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

DATA_MAX: Final = 4096
PACKET_MAX: Final = 1 + DATA_MAX
SEVERAL: Final = b"B"
SEVERAL_MAX: Final = 32 * 1024
LENGTH_BYTES: Final = 2
MAC_BYTES: Final = 8
SIGNATURE_BYTES: Final = 32
TERMINAL_BYTES: Final = 8

DONE, NO_KEY, REFUSED, NOT_UNDERSTOOD = b"0", b"1", b"2", b"3"


def joined(parts: Iterable[bytes]) -> bytes:
    """Requests or answers in one packet."""
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)


def parted(data: bytes) -> list[bytes]:
    """What `joined` has joined. Raises ValueError if it has not."""
    parts, at = list[bytes](), 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        parts.append(data[begin:at])
    if at != len(data):
        raise ValueError("a part is not whole")
    return parts


class Ending(IntEnum):
    """With what the process ends: exit codes."""

    STOPPED = 0
    NO_KEYS = 3
    ERASED = 4
    DAMAGED = 5
    EXPOSED = 6
    IN_USE = 7


class VaultError(Exception):
    """A key is missing or wrong; the text says which and what to do, never its value."""


class NoWorkingKey(VaultError):
    """The terminal has not signed on since the key process began: there is no key for this yet."""


class KeysDiffer(VaultError):
    """What should be under one of our keys is not."""


class KeysGone(VaultError):
    """There is no key process now; `reason` is a key of the catalogues: why, and so what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(SENTENCES[reason])
        self.reason = reason


SENTENCES: Final[Mapping[str, str]] = {
    "no_keys": "the terminal has no keys: give it a master key with `tillgate terminal keys`",
    "keys_erased": "the keys were erased because of tampering: have the devices examined, then give the terminal a "
    "new master key with `tillgate terminal keys`",
    "keys_damaged": "the vault is damaged: move vault.json away and give the terminal its keys again with "
    "`tillgate terminal keys`",
    "keys_exposed": "vault.json belongs to somebody else or others may read it: if nobody can have read it, "
    "`chmod 600` it, else erase it with `tillgate terminal tamper` and ask the bank for a new master key",
    "keys_in_use": "another terminal uses this folder: stop that one first",
    "key_process": "the key process has stopped; the terminal starts it again by itself",
}
"""Why there are no keys, and what to do, for whoever works at a command line."""

REASONS: Final[Mapping[int, str]] = {
    Ending.NO_KEYS: "no_keys", Ending.ERASED: "keys_erased", Ending.DAMAGED: "keys_damaged",
    Ending.EXPOSED: "keys_exposed", Ending.IN_USE: "keys_in_use",
}  # fmt: skip
"""What an ending means to the terminal; any other is ``key_process``."""
