"""The magnetic stripe of a card: what a reader hands out of it, and what its service code allows. Pure.

A swipe is one line of printable ASCII: ``%track 1?;track 2?+track 3?``, where readers that know no ``+`` send a second
``;`` for track 3. Where a reader hands out the check character (LRC, ISO/IEC 7811-6), it stands behind each ``?``. A
track that could not be read is ``E``, and it or an empty one has no check character. What a payment needs stands on
track 2 (ISO/IEC 7813); track 1 must not contradict it, and track 3 (ISO/IEC 4909) goes along where there is one.

The rules:
- Any fault refuses the whole swipe, by its name and never by what was read: it can be swiped again.
- A card with a chip pays with the chip, if chips can be read here. Only when this very payment has tried the chip and
  could not begin with it, the stripe is taken, as a fallback.
- What a swipe says lives until the request is sent: never written down, never shown but for the masked number.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import reduce
from typing import Literal, NamedTuple

from iso8583.masking import mask_pan
from iso8583.tool.plausibility import luhn_valid

SWIPE_LENGTH_MAX = 79 + 40 + 107
"""The three tracks with all their sentinels and check characters."""

INSERT_CHIP = "swipe_insert_chip"
"""The one refusal that is no fault: the customer is to use the chip."""

END = "?"
READ_ERROR = "E"
_PRINTABLE = re.compile(r"[ -~]*")
_TRACK1 = re.compile(r"B(\d{13,19})\^[^^]{2,26}\^(\d{4})(\d{3})[^^]*")
_TRACK2 = re.compile(r"(\d{13,19})=(\d{2}(?:0[1-9]|1[0-2]))(\d{3})\d*")
_WITHOUT_DATE = re.compile(r"\d{13,19}=\d{7,}")
_TRACK3 = re.compile(r"\d{2}(\d{13,19})=[\d=]+")

Pin = Literal["required", "asked", "none"]
"""A PIN that must be entered, one that the holder may pass over with the enter key, or none."""

_PINS: Mapping[str, Pin] = {"1": "none", "2": "none", "6": "asked", "7": "asked"}
"""By the third digit of the service code (ISO/IEC 7813); any other, whether in use or not, requires one."""


class _Kind(NamedTuple):
    """One track: the first of its characters in ASCII, how many bits of it count, and how much data it may hold."""

    first: str
    bits: int
    length_max: int


_KINDS = {1: _Kind(" ", 0x3F, 76), 2: _Kind("0", 0x0F, 37), 3: _Kind("0", 0x0F, 104)}
_STARTS = {"%": 1, ";": 2, "+": 3}


@dataclass(frozen=True, slots=True)
class Stripe:
    """What a good swipe says. `expiry` YYMM; `track2` and `track3` as fields 35 and 36 carry them, D for the separator.

    `track3` is empty where there is none.
    """

    pan: str = field(repr=False)
    expiry: str = field(repr=False)
    service_code: str
    track2: str = field(repr=False)
    track3: str = field(default="", repr=False)

    @property
    def masked(self) -> str:
        """The card number's first six and last four digits."""
        return mask_pan(self.pan)

    @property
    def has_chip(self) -> bool:
        """Whether the card has a chip, as the first digit of its service code says."""
        return self.service_code[0] in "26"

    @property
    def pays_for_goods(self) -> bool:
        """Whether it may be used at a counter, and not for cash only."""
        return self.service_code[2] not in "34"

    def pin_for(self, amount: int, signature_amount_max: int) -> Pin:
        """What PIN a payment wants: as the card says, but where it wants none, one is asked for above a limit."""
        wanted = _PINS.get(self.service_code[2], "required")
        return "asked" if wanted == "none" and amount > signature_amount_max else wanted


@dataclass(frozen=True, slots=True)
class SwipeFailed:
    """A swipe that cannot be used, and why: `reason` is a stable key such as ``swipe_unreadable``."""

    reason: str


Swipe = Stripe | SwipeFailed


class Chip(Enum):
    """What the payment knows of chips when a card is swiped."""

    NONE_READ_HERE = auto()
    NOT_TRIED = auto()
    FAILED = auto()


def refusal_of(stripe: Stripe, chip: Chip) -> str:
    """Why this payment does not take the stripe now; empty if it does."""
    if not stripe.pays_for_goods:
        return "swipe_not_for_goods"
    return INSERT_CHIP if stripe.has_chip and chip is Chip.NOT_TRIED else ""


def read_swipe(line: str, *, with_lrc: bool = False) -> Swipe:
    """Make a stripe of what a reader has sent for one swipe, without the end of the line.

    Args:
        line: what came, a character for each byte.
        with_lrc: the reader hands out the check characters.
    """
    try:
        return _stripe(dict(_tracks(line, with_lrc)))
    except _FaultError as fault:
        return SwipeFailed(fault.reason)


class _FaultError(Exception):
    """Something is wrong with the swipe."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _tracks(line: str, with_lrc: bool) -> Iterator[tuple[int, str]]:
    """The tracks that could be read, by number."""
    if len(line) > SWIPE_LENGTH_MAX:
        raise _FaultError("swipe_too_long")
    if not _PRINTABLE.fullmatch(line):
        raise _FaultError("swipe_garbled")
    at, before = 0, 0
    while at < len(line):
        number = _STARTS.get(line[at], 0)
        number = 3 if number == before == 2 else number
        if number <= before:
            raise _FaultError("swipe_garbled")
        end = line.find(END, at)
        if end < 0:
            raise _FaultError("swipe_broken_off")
        data, lrc = line[at + 1 : end], None
        if data not in ("", READ_ERROR):
            lrc = line[end + 1 : end + 2] if with_lrc else None
            _check(number, data, lrc)
            yield number, data
        at, before = end + 1 + (lrc is not None), number


def _check(number: int, data: str, lrc: str | None) -> None:
    """Raise _FaultError unless a track has its characters, its length, and the right check character, if one at all."""
    kind = _KINDS[number]
    if len(data) > kind.length_max:
        raise _FaultError("swipe_too_long")
    if not all(0 <= ord(character) - ord(kind.first) <= kind.bits for character in data):
        raise _FaultError("swipe_garbled")
    if lrc == "":  # the line ends where it should be
        raise _FaultError("swipe_broken_off")
    if lrc is not None and lrc != lrc_of(number, data):
        raise _FaultError("swipe_check_failed")


def lrc_of(number: int, data: str) -> str:
    """The check character of a track: every bit of it evens out those of all characters, sentinels included."""
    kind = _KINDS[number]
    start = "%" if number == 1 else ";"
    values = ((ord(character) - ord(kind.first)) & kind.bits for character in start + data + END)
    return chr(ord(kind.first) + reduce(lambda parity, value: parity ^ value, values))


def _stripe(tracks: dict[int, str]) -> Stripe:
    if 2 not in tracks:
        raise _FaultError("swipe_unreadable")
    parts = _TRACK2.fullmatch(tracks[2])
    if parts is None:
        raise _FaultError("swipe_no_date" if _WITHOUT_DATE.fullmatch(tracks[2]) else "swipe_no_bank_card")
    pan, expiry, service_code = parts.groups()
    if not luhn_valid(pan):
        raise _FaultError("swipe_number_wrong")
    first, third = _TRACK1.fullmatch(tracks.get(1, "")), _TRACK3.fullmatch(tracks.get(3, ""))
    if (first and first.groups() != parts.groups()) or (third and third[1] != pan):
        raise _FaultError("swipe_contradicts_itself")
    return Stripe(pan, expiry, service_code, _as_sent(tracks[2]), _as_sent(third[0]) if third else "")


def _as_sent(track: str) -> str:
    return track.replace("=", "D")
