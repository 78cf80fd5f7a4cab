"""What the host keeps: terminals, transactions, batches, ledger entries, events. Frozen values without behaviour.

Nothing here ever holds track data, a PIN, a PIN block or a payment code. A card number is held only while a refund
may still have to be repeated to its issuer (and is sealed on disk); everywhere else there is `masked`. Amounts are
integer minor units (fen) with their ISO 4217 numeric code, times are UTC seconds.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, NamedTuple

from iso8583.unionpay_fields.field62 import Parameters62
from paycode.digits import UserFacts


class Key(NamedTuple):
    """The name of a transaction, made by the terminal: its id, the batch (60.2) and the trace number (F11)."""

    terminal: str
    batch: str
    trace: str

    def __str__(self) -> str:
        return f"{self.terminal}-{self.batch}-{self.trace}"


class Outcome(StrEnum):
    """What the terminal is, or will be, told."""

    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"


STANDING = frozenset({Outcome.PENDING, Outcome.APPROVED})
"""A void or refund in one of these counts against its sale."""

VOIDS = frozenset({"sale_void", "qr_void"})
"""The types that give a whole sale back; a sale is voided once, and not after a refund."""


class Leg(StrEnum):
    """How we stand with the issuer. `*_DUE` is a debt: repeated until the issuer answers, and no timer ends it."""

    NONE = "none"
    CALLED = "called"
    ANSWERED = "answered"
    ADVICE_DUE = "advice due"
    REVERSAL_DUE = "reversal due"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class WorkingKeys:
    """The keys of one sign-on: PIN key and track key double length, MAC key single length (3DES, raw bytes)."""

    pin_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    track_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A registered terminal. `keys` is None until it signs on and after it signs off.

    `commands` are the header digits for what it is asked to do, the newest first. `parameters` are what it gets when it
    asks for its parameters.
    """

    id: str
    merchant: str
    master_key: bytes = field(repr=False)
    batch: str = "000001"
    keys: WorkingKeys | None = None
    sign_on_trace: str = ""
    signed_on_at: float = 0.0
    commands: str = ""
    parameters: Parameters62 = field(default_factory=Parameters62)

    @property
    def command(self) -> str:
        """The digit that stands in the header of every answer until the terminal has obeyed it ("0": none)."""
        return self.commands[:1] or "0"

    def asked(self, digit: str) -> "Terminal":
        """The terminal, asked to do one thing before all others: what it cannot do must not stand before a sign-on."""
        return replace(self, commands=digit + self.commands.replace(digit, ""))

    def obeyed(self, digit: str) -> "Terminal":
        """The terminal, having done what it was asked for."""
        return replace(self, commands=self.commands.replace(digit, ""))


CA_KEYS, APPLICATIONS, BLACK_LIST = "ca-keys", "applications", "black-list"


@dataclass(frozen=True, slots=True)
class Download:
    """A set that terminals download: its kind, one of the three, and its items as they stand on the wire."""

    kind: str
    items: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction, or the memory of a reversal that came before (or instead of) its original.

    `number` is ours, and so is the retrieval reference made of it. `content` is the keyed hash of what the terminal
    sent. `pan`, `sequence` and `chip_data` are kept only as long as the issuer must be asked again. `reply` and
    `reversal_reply` are the answers given, without MAC. `due_at` is when something must be done if nothing happens
    before. `connection`, `tpdu` and `header` are those of the newest request: the answer goes there.
    """

    key: Key
    number: int
    kind: str
    outcome: Outcome
    leg: Leg
    merchant: str
    amount: int
    currency: str
    block60: str
    content: bytes
    created_at: float
    connection: str
    tpdu: str
    header: str
    processing_code: str = ""
    entry_mode: str = ""
    masked: str = ""
    pan: str = field(default="", repr=False)
    sequence: str = field(default="", repr=False)
    chip_data: bytes = field(default=b"", repr=False)
    original: int = 0
    response_code: str = ""
    auth_code: str = ""
    voucher: str = ""
    reply: bytes = field(default=b"", repr=False)
    reversal_reply: bytes = field(default=b"", repr=False)
    due_at: float | None = None
    attempts: int = 0

    def without_card(self) -> "Transaction":
        """The same without what was kept to ask the issuer again."""
        return replace(self, pan="", sequence="", chip_data=b"")

    @property
    def reference(self) -> str:
        """The retrieval reference number (F37): our number in twelve digits, so it never repeats."""
        return f"{self.number:012d}"


@dataclass(frozen=True, slots=True)
class PhoneUser:
    """A customer whose phone makes payment codes without a network: who it is, the account that pays, the codes.

    `account` is a card number, sealed on disk like the seed in `codes`. `prefix` is the one that the phone's handles
    were made under.
    """

    name: str
    account: str = field(repr=False)
    prefix: str
    codes: UserFacts

    @property
    def number(self) -> int:
        """The user's number at this host, up to ten digits."""
        return self.codes.user


@dataclass(frozen=True, slots=True)
class FailedCodes:
    """When payment codes of phones without a network failed at one terminal, as far as it still counts."""

    terminal: str
    failed_at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CodeSpent:
    """The part of a payment code that pays once (as a keyed hash), and the number of the transaction it paid in."""

    one_time: bytes
    number: int


@dataclass(frozen=True, slots=True)
class CodeIssuer:
    """Who certifies the keys of phones that pay where neither side is online: its public key, by the name of that."""

    key_id: bytes
    algorithm: int
    key: bytes = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True)
class SignedKey:
    """A phone's public key, as in its certificate, and the number of the user whose account pays for what it signs.

    What it signed at `revoked_at` (UTC seconds) or later, its owner has not.
    """

    key: bytes = field(repr=False)
    user: int
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class SignedUse:
    """A signed code that came with the transaction of this number: the first under its key and counter has `paid`.

    The others are declined. `code` is kept, sealed on disk: two of them prove who has spent twice.
    """

    number: int
    key: bytes = field(repr=False)
    counter: int
    paid: bool
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a terminal claimed about one of its batches, and how that compared with our own sums."""

    terminal: str
    number: str
    claimed: str
    balanced: bool
    settled_at: float
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of a batch upload, without its card number."""

    trace: str
    amount: int


class Posting(NamedTuple):
    """One side of an entry: a positive amount debits the account, a negative one credits it."""

    account: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A balanced movement of money: its postings sum to zero in every currency. Never changed, only countered."""

    key: Key
    reason: str
    at: float
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a terminal is at the broker, and since when, as the broker has told. It proves nothing about money."""

    terminal: str
    online: bool
    since: float


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a terminal has last told of itself, when its money did not need the line: it may be old, and proves nothing.

    `owed_count` and `owed_amount` (minor units) are what waits there for an answer of ours. `broken` names the devices
    that do not work, separated by commas.
    """

    terminal: str
    batch: str
    owed_count: int
    owed_amount: int
    broken: str
    at: float


Severity = Literal["security", "attention", "note"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person should be able to find again: an attack, a contradiction, a debt that will not be paid."""

    severity: Severity
    kind: str
    key: Key
    at: float
    text: str = ""
