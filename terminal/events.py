"""What comes into the terminal's cores. Frozen values, no behaviour; what goes out of them stands in `effects.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from iso8583 import Message
from paycode.lists import CompactList
from paycode.signed import Issuers
from terminal.records import Key, Record

MacState = Literal["good", "bad", "absent"]
Means = Literal["card", "code"]
Line = Literal["host", "courier"]
"""The two ways to the host: the connection of the session, and the broker that carries what is owed."""


# --- events: what people do -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaleRequested:
    """The cashier charges an amount; card or code is decided by what the customer presents.

    `request_id` is made by the page: the same request twice is one payment. `offline`: the cashier has pressed the key
    that sells without the bank; if the bank can be asked after all, it is an ordinary sale.
    """

    request_id: str
    amount: int
    operator: str
    offline: bool = False


@dataclass(frozen=True, slots=True)
class BalanceRequested:
    """The cashier asks for the balance of a card."""

    request_id: str
    operator: str


@dataclass(frozen=True, slots=True)
class VoidRequested:
    """The cashier takes back a sale of this batch; `authorised_by` is the supervisor whose PIN was checked."""

    request_id: str
    original: Key
    operator: str
    authorised_by: str


@dataclass(frozen=True, slots=True)
class Original:
    """What a refund needs to know of its sale, which may lie in an earlier batch: the shell reads it in the journal."""

    key: Key
    type: str
    amount: int
    refunded: int
    currency: str
    reference: str
    authorisation: str
    date: str
    means: str
    card: str = field(repr=False)
    voided: bool = False
    card_erased: bool = False


@dataclass(frozen=True, slots=True)
class RefundRequested:
    """The cashier gives money back for an approved sale, all of it or a part."""

    request_id: str
    original: Original
    amount: int
    operator: str
    authorised_by: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The cashier presses cancel on this payment; only one that has not been sent can be cancelled."""

    key: Key


@dataclass(frozen=True, slots=True)
class ReprintRequested:
    """The cashier wants a slip again, of this batch, an earlier one, or a settlement; it will say DUPLICATE."""

    key: Key


@dataclass(frozen=True, slots=True)
class SettleRequested:
    """The cashier closes the batch."""

    operator: str


@dataclass(frozen=True, slots=True)
class DrawerRequested:
    """An operator wants the cash drawer opened; `reason` is one of `records.DRAWER_REASONS`."""

    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class DrawerStuck:
    """The order to the cash drawer is not known to have reached it."""


@dataclass(frozen=True, slots=True)
class CloseByPeople:
    """Two people, each with their own PIN, say what the acquirer's statement says of a payment: booked, or not.

    Only of a payment that cannot be asked for any more. `statement` is the reference by which its line is found.
    """

    key: Key
    booked: bool
    statement: str
    operator: str
    supervisor: str


# --- events: what devices report --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CardPresented:
    """The chip has been read and has answered with its cryptogram, or a stripe has been; the PIN, if any, is entered.

    Lives only until the request is sent: `pan`, the tracks and `pin_block` are never persisted, and never shown.
    `sealed` is the card number, encrypted by the vault; `masked` its first six and last four. A stripe has neither
    `sequence` nor chip data, but maybe a `track3`; `chip_failed`: it is used because the card's chip could not be.
    `approved_offline`: the chip has had its last word already, and `chip_data` holds its certificate; `token` (a keyed
    fingerprint) and `scheme` tell whose caps it counts against.
    `verified_by`: how a chip had its holder verified, in the kernel's words, such as ``device`` or ``not_needed``.
    """

    pan: str = field(repr=False)
    sealed: str = field(repr=False)
    masked: str
    expiry: str
    track2: str = field(repr=False)
    entry_mode: str
    sequence: str = ""
    chip_data: bytes = field(default=b"", repr=False)
    track3: str = field(default="", repr=False)
    chip_failed: bool = False
    pin_block: bytes | None = field(default=None, repr=False)
    signature: bool = False
    chip: Mapping[str, str] = field(default_factory=dict)
    reversal_chip_data: bytes = field(default=b"", repr=False)
    approved_offline: bool = False
    token: str = field(default="", repr=False)
    scheme: str = ""
    verified_by: str = ""


@dataclass(frozen=True, slots=True)
class CodePresented:
    """The customer's payment code has been scanned."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodesSeen:
    """Another terminal of this shop has sold by signed codes: their uses, named as by `offline_codes.fingerprint`."""

    fingerprints: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CardCounted:
    """What a card has taken offline, or a customer's key, of what lies in batches that are parked and not loaded.

    Only the journal knows it. It is told before the card is asked for, and again before it is presented.
    """

    token: str = field(default="", repr=False)
    count: int = 0
    amount: int = 0


@dataclass(frozen=True, slots=True)
class CodeIgnored:
    """Something was scanned that is no code for this payment; `reason` is a key of the catalogue."""

    reason: str


@dataclass(frozen=True, slots=True)
class SwipeRefused:
    """A card was swiped that this payment does not take so; it goes on. `reason` is a key of the catalogue."""

    reason: str


@dataclass(frozen=True, slots=True)
class MeansFailed:
    """The card or the code could not be used; `reason` is a key of the catalogue."""

    reason: str


@dataclass(frozen=True, slots=True)
class CardCompleted:
    """The chip's last word on an approval: `agreed` with a certificate, or not (then the sale must not stand)."""

    agreed: bool
    chip: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the customer is doing at the devices, for the page: such as ``pin``.

    `choices`: the names of what there is to choose from, as the card tells them; there are some only with ``choose``.
    """

    stage: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlipReady:
    """The printer says that it is ready for the slip, and nothing of it has been sent."""

    key: Key


@dataclass(frozen=True, slots=True)
class SlipPrinted:
    """The printer itself says that the slip is on paper."""

    key: Key
    duplicate: bool


@dataclass(frozen=True, slots=True)
class SlipFailed:
    """The slip is not known to be on paper."""

    key: Key
    reason: str


# --- events: the link, the store, the clock ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The connection to the host stands."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The connection to the host is gone, or could not be made. `reason` says why where that is known."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the host: decoded, its MAC checked, with the command digit of its header.

    What came over the courier may be old: it says something of its payment, and nothing of the session.
    """

    message: Message
    mac: MacState
    command: str = "0"
    line: Line = "host"


@dataclass(frozen=True, slots=True)
class CourierUp:
    """The broker carries messages, and would bring us answers."""


@dataclass(frozen=True, slots=True)
class CourierLost:
    """The connection to the broker is gone."""


@dataclass(frozen=True, slots=True)
class CourierRefused:
    """The broker does not carry this message: nobody may send it, or nobody is there to take it."""

    key: Key


@dataclass(frozen=True, slots=True)
class SendNow:
    """A person wants all that is owed to the host to be sent now."""


@dataclass(frozen=True, slots=True)
class KeysLoaded:
    """The working keys of a sign-on are in the vault and in the PIN pad, or were refused there."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KeysLost:
    """There is no key process, and so no MAC and no card number; `reason` says why and so what to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeysBack:
    """There is a key process again; it has no working keys yet."""


@dataclass(frozen=True, slots=True)
class CardErased:
    """A payment cannot be asked for again: its card number was sealed by keys that have been erased since."""

    key: Key


@dataclass(frozen=True, slots=True)
class RoomMeasured:
    """How the journal's disk is: free bytes, and whether the last write went through."""

    free_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """How many seconds the wall clock is ahead of the cores' time, and whether the host vouches for the latter."""

    wall_is_off_s: float
    is_vouched: bool


@dataclass(frozen=True, slots=True)
class DevicesSeen:
    """How the devices are, by name: whether each works. What is not there, or not known, is left out."""

    works: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class DownloadKept:
    """A set that was downloaded is in its file and in force; or it could not be written, and all is as before."""

    kind: str
    kept: bool = True


@dataclass(frozen=True, slots=True)
class DownloadsLoaded:
    """What was downloaded has been read from its files; what of it could not be trusted, by kind.

    `at`: when each kind came (UTC seconds) of which a set serves that was downloaded.
    """

    refused: tuple[str, ...] = ()
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def lists_at(self) -> float | None:
        """When the oldest of these sets came; None without a black list, which no shipped set stands in for."""
        return min(self.at.values()) if "black_list" in self.at else None


@dataclass(frozen=True, slots=True)
class BatchLoaded:
    """What the journal holds of a parked batch, its settlement included, as it is now."""

    batch: str
    records: tuple[Record, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeTrustLoaded:
    """By what signed codes are judged while no host can be asked, read from its files.

    Without `issuers` none is taken. `revoked` and `quota` are the lists of customers' keys that there are. `refused`:
    there are files, but they cannot be trusted.
    """

    issuers: Issuers | None = None
    revoked: CompactList | None = None
    quota: CompactList | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline that a core asked for has come."""


Event = (
    SaleRequested | BalanceRequested | VoidRequested | RefundRequested | CancelRequested | ReprintRequested
    | SettleRequested | CloseByPeople | DrawerRequested | DrawerStuck
    | CardPresented | CodePresented | CardCounted | CodesSeen | CodeIgnored | SwipeRefused | MeansFailed
    | CardCompleted | Progress | SlipReady | SlipPrinted | SlipFailed
    | LinkUp | LinkLost | CourierUp | CourierLost | CourierRefused | SendNow | Received
    | KeysLoaded | KeysLost | KeysBack | CardErased | DownloadKept | DownloadsLoaded
    | RoomMeasured | ClockSeen | DevicesSeen | BatchLoaded | CodeTrustLoaded | Tick
)  # fmt: skip
