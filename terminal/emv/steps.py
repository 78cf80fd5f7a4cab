"""What the kernel asks for (steps) and what it is told (answers). Frozen values; those that hold secrets mask them.

The shell answers `Transmit` with the response APDU as bytes or with `CardRemoved`, `ChooseApplication` with an index or
with None when the customer gave up, `AskPin` with `PinResult`, `VerifyOfflinePin` with `OfflinePinResult` or
`CardRemoved`, `CheckDocument` with `DocumentChecked`, `CheckCard` with `CardChecked`, `GoOnline` with `OnlineAnswer` or
`NoAnswer`. `Finished` wants no answer.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from iso8583.masking import mask_pan
from terminal.emv.certificates import RsaKey
from terminal.emv.faults import CardReason

Cvm = Literal["online_pin", "offline_pin", "signature", "document", "device", "not_needed", "none"]
"""How the customer proved to be the holder; ``device``: to his telephone (CDCVM)."""
OutcomeKind = Literal[
    "approved", "declined", "reverse", "card_error", "try_another_interface", "use_stripe", "cancelled",
]  # fmt: skip
Reason = (
    CardReason
    | Literal[
        "approved_online", "approved_offline", "declined_by_issuer", "declined_by_card", "declined_by_terminal",
        "host_unreachable", "approval_refused", "pin_cancelled", "choice_cancelled",
        "contactless_amount", "contactless_not_possible",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardData:
    """What the host must know of the card, and the slip of the chip. Lives until the request is sent; never stored.

    pan, track2: digits in clear, track 2 with D as separator.
    psn: field 23, three digits; "000" when the card has none.
    expiry: YYMM. entry_mode: field 22. aid: hexadecimal.
    f55: field 55 of the request; reversal_f55: that of its reversal.
    receipt: the chip's printable lines by name, see `terminal.emv.card_data.receipt_lines`.
    """

    pan: str = field(repr=False)
    psn: str
    expiry: str = field(repr=False)
    track2: str = field(repr=False)
    f55: bytes = field(repr=False)
    reversal_f55: bytes = field(repr=False)
    entry_mode: Literal["051", "052", "071", "072"]
    aid: str
    label: str
    cvm: Cvm
    pin_block: bytes | None = field(default=None, repr=False)
    receipt: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def masked(self) -> str:
        """The card number's first six and last four digits."""
        return mask_pan(self.pan)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application that card and terminal both have. `label` is what the customer may be shown."""

    aid: bytes
    label: str
    priority: int = 0
    needs_confirmation: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the card's part ended.

    kind: ``approved`` (by the host, or offline), ``declined``, ``reverse`` (the host approved but the card did not
        agree or went away: the sale must not stand, reversal reason 06), ``cancelled`` (by the customer). Nothing was
        sent, and the counter goes on, after ``card_error`` (with another card, or this one again),
        ``try_another_interface`` (a tapped card is to be inserted), ``use_stripe`` (the chip cannot be used at all).
    reason: a stable key that the catalogues put into words; `where` names the command or data object at fault.
    response_code: tag 8A: the host's, or Y1, Z1, Y3, Z3 by the terminal; empty if it never came to that.
    card: as sent online, or as it must be sent for an offline approval; None when it was not read to the end.
    f55: field 55 with the final cryptogram (certificate upload, offline sale); `script_f55`: field 55 of the script
        result notice, empty when the issuer sent no scripts.
    receipt: the printable chip lines with the last values.
    """

    kind: OutcomeKind
    reason: Reason
    where: str = ""
    response_code: str = ""
    card: CardData | None = None
    f55: bytes = field(default=b"", repr=False)
    script_f55: bytes = field(default=b"", repr=False)
    receipt: Mapping[str, str] = field(default_factory=dict, repr=False)


# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a command APDU to the card."""

    apdu: bytes = field(repr=False)

    def __repr__(self) -> str:
        return f"Transmit({self.apdu[:4].hex().upper()}…)"


@dataclass(frozen=True, slots=True)
class ChooseApplication:
    """Let the customer choose, best first; also asked for a single one that wants to be confirmed."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class AskPin:
    """Ask for the PIN of an online check. `tries_left` is None where the card does not count (online PIN)."""

    pan: str = field(repr=False)
    amount: int
    tries_left: int | None = None

    @property
    def masked(self) -> str:
        """The card number's first six and last four digits."""
        return mask_pan(self.pan)


@dataclass(frozen=True, slots=True)
class VerifyOfflinePin:
    """Have the PIN pad take a PIN and the card compare it, without the kernel ever seeing it.

    The shell asks the pad, makes the command with `terminal.emv.offline_pin.verify_command`, sends it to the card and
    answers with the card's status word alone. `key` is None for a plain PIN; else the PIN is enciphered under it
    together with the card's `challenge`. `tries_left` is None where the card does not tell.
    """

    amount: int
    tries_left: int | None = None
    key: RsaKey | None = field(default=None, repr=False)
    challenge: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class CheckDocument:
    """Ask the cashier to compare the customer's document with the card's data: `kind` is tag 9F62, `number` 9F61."""

    kind: str
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckCard:
    """Ask whether this card may pay without its issuer; only asked if the terminal's parameters say so. `aid`: hex."""

    pan: str = field(repr=False)
    aid: str


@dataclass(frozen=True, slots=True)
class GoOnline:
    """The card wants the issuer's decision: send the request."""

    card: CardData


@dataclass(frozen=True, slots=True)
class Finished:
    """The card may be taken."""

    outcome: Outcome


Step = Transmit | ChooseApplication | AskPin | VerifyOfflinePin | CheckDocument | CheckCard | GoOnline | Finished


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardRemoved:
    """The card left the reader, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class PinResult:
    """What came of asking for the PIN. `block` is encrypted under the PIN pad's working key; only with ``entered``."""

    kind: Literal["entered", "bypassed", "no_pin_pad", "cancelled"]
    block: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.block is not None) != (self.kind == "entered"):
            msg = "a PIN block belongs to an entered PIN, and to nothing else"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class OfflinePinResult:
    """What came of an offline PIN: with ``presented``, `status` is the card's status word; else there is none."""

    kind: Literal["presented", "bypassed", "no_pin_pad", "cancelled"]
    status: int | None = None

    def __post_init__(self) -> None:
        if (self.status is not None) != (self.kind == "presented"):
            msg = "a status word belongs to a PIN that the card was given, and to nothing else"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class DocumentChecked:
    """Whether the document is the card holder's."""

    matches: bool


@dataclass(frozen=True, slots=True)
class CardChecked:
    """Whether the card may pay without its issuer; if not, its chip is asked to decline."""

    permitted: bool


@dataclass(frozen=True, slots=True)
class OnlineAnswer:
    """The host's answer: field 39, whether the payment machine takes it as an approval, and field 55 if there was one.

    Raises ValueError for a response code that is none.
    """

    response_code: str
    approved: bool
    f55: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.response_code) != 2 or not self.response_code.isascii():
            msg = "a response code has two ASCII characters"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came, or nothing could be sent."""


Answer = (
    bytes | CardRemoved | int | None | PinResult | OfflinePinResult | DocumentChecked | CardChecked | OnlineAnswer
    | NoAnswer
)  # fmt: skip

T = TypeVar("T")
Flow = Generator[Step, Answer, T]
"""A part of the kernel: yields steps, is sent their answers, returns a T."""
