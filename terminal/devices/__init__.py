"""The counter's devices: one small port per kind, one file per driver.

A driver is asyncio code that speaks a device's own bytes and nothing else. It never decides about money and never
touches the journal. Each kind has one contract test that runs on every driver of it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from terminal.magnetic_stripe import Swipe

HealthState = Literal["ready", "attention", "unknown"]


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """How a device is, and why: `reason` is a stable key such as ``paper_out``, empty when ready."""

    state: HealthState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was last wrong with a device, as in `DeviceHealth.reason`, and when it was last so (UTC seconds)."""

    reason: str
    at: float


class DeviceError(Exception):
    """A device could not do what was asked. `reason` is a stable key that the catalogues put into words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CardGone(DeviceError):
    """The card left the reader, or did not answer in time."""


class CardMute(CardGone):
    """The card that is in the reader gives no answer to reset, or none that is one."""


class PinCancelled(DeviceError):
    """The customer pressed cancel, or let the time for the PIN run out."""


class PinBypassed(DeviceError):
    """The customer pressed enter without a PIN."""


class PinPadFault(DeviceError):
    """The PIN pad is missing, has no key, or does not answer."""


class PrinterTrouble(DeviceError):
    """The slip is not known to be on paper; `reason` says why (``paper_out``, ``no_answer``…)."""


class CardReader(Protocol):
    """A reader of chips: of cards that are inserted, or that are tapped, and in it as long as they are in its field."""

    async def wait_for_card(self) -> bytes:
        """Return the answer to reset of the card that is, or will be, in the reader; raise CardMute if it gives none.

        A mute card is told of once, and may still be in: wait for its removal before the next.
        """

    async def transmit(self, apdu: bytes) -> bytes:
        """Send a command APDU, return the response APDU with its status word; raise CardGone."""

    async def wait_for_removal(self) -> None:
        """Return when no card is in the reader."""

    def health(self) -> DeviceHealth:
        """Say how the reader is."""

    async def close(self) -> None:
        """Release the reader."""


class StripeReader(Protocol):
    """A reader of magnetic stripes."""

    async def next_swipe(self) -> Swipe:
        """Return the next swipe that ends from now on, or why it cannot be used; what nobody waited for is forgotten.

        There is one who waits: whoever asks anew takes the place of the one before.
        """

    def health(self) -> DeviceHealth:
        """Say how the reader is."""

    async def close(self) -> None:
        """Release the reader."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A code that was scanned: ASCII, without prefix, suffix and control characters."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScanIgnored:
    """A scan that is no code for anybody, and why: `reason` is a stable key such as ``scan_repeated``."""

    reason: str


Scan = Scanned | ScanIgnored


class Scanner(Protocol):
    """A code scanner."""

    async def next_scan(self) -> Scan:
        """Return the next code that is scanned, or why there was none: nothing that was seen is dropped in silence."""

    def health(self) -> DeviceHealth:
        """Say how the scanner is."""

    async def close(self) -> None:
        """Release the scanner."""


class PinPad(Protocol):
    """A PIN pad that keeps its own keys: a PIN never leaves it in clear."""

    async def load_key(self, slot: str, encrypted: bytes, check_value: bytes) -> None:
        """Load a working key, encrypted under the pad's master key; raise PinPadFault if the check value differs."""

    async def enter_pin(self, pan: str, amount: int, currency: str) -> bytes:
        """Ask the customer for the PIN; return the PIN block encrypted under the pad's PIN key.

        Raises PinCancelled, PinBypassed or PinPadFault.
        """

    async def show(self, text: str) -> None:
        """Put a line on the pad's display."""

    def health(self) -> DeviceHealth:
        """Say how the pad is."""

    async def close(self) -> None:
        """Release the pad."""


@runtime_checkable
class OfflinePinPad(PinPad, Protocol):
    """A PIN pad that can also take the PIN that the card itself compares."""

    async def enter_offline_pin(self, amount: int, currency: str, tries_left: int | None) -> bytearray:
        """Ask for the PIN; return its format 2 block in clear, which the caller sends to the card and overwrites.

        Raises PinCancelled, PinBypassed or PinPadFault.
        """


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What the printer itself says; ``unknown`` when it does not answer."""

    state: HealthState
    reason: str = ""


BeforeFirstByte = Callable[[], Awaitable[None]]
"""Awaited when a printer is ready and nothing of the job has been sent; may raise PrinterTrouble to stop it there."""


class Printer(Protocol):
    """A slip printer."""

    async def print(self, job: bytes, begin: BeforeFirstByte | None = None) -> None:
        """Print a job; return only when the printer itself says that all of it is out, else raise PrinterTrouble.

        If it was raised before `begin` was called, nothing of the job is on paper; afterwards, all of it may be.
        """

    async def status(self) -> PrinterStatus:
        """Ask the printer how it is."""

    def health(self) -> DeviceHealth:
        """Say how the printer was when last asked."""

    async def close(self) -> None:
        """Release the printer."""


class Speaker(Protocol):
    """A voice at the counter. `language` is ``zh`` or ``en``."""

    def say(self, sentence: str, language: str) -> None:
        """Say it soon, and return at once. At most one sentence waits: the newest."""

    async def speak(self, sentence: str, language: str) -> None:
        """Say it now, and return when it has been said; raise DeviceError if it has not."""

    def health(self) -> DeviceHealth:
        """Say how it went the last time."""

    async def close(self) -> None:
        """Fall silent."""
