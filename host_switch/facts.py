"""Facts: what deciding one input may look at. The core never fetches; it says here what it will need.

`wanted` reads an input and names the facts; a store loads them for a whole batch of inputs with a few set queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from host_switch.events import (
    ChannelAnswered,
    ChannelUnavailable,
    CommandGiven,
    DownloadGiven,
    Due,
    FrameReceived,
    Input,
    MessageRescued,
    ParametersGiven,
    PhoneGiven,
    PhoneTaken,
    PresenceTold,
    SignerGiven,
    TelemetryTold,
    TerminalRegistered,
)
from host_switch.payer import scanned_code, signed_code
from host_switch.records import (
    Batch,
    CodeIssuer,
    Key,
    Outcome,
    PhoneUser,
    SignedKey,
    SignedUse,
    Terminal,
    Transaction,
    WorkingKeys,
)
from iso8583 import Message
from paycode.digits import is_digits
from paycode.signed import Claim, claimed


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this host has laid down. Amounts in minor units, times in seconds.

    `channel_timeout_s` must stay below the time a terminal waits (30 s), so that it hears 98 rather than nothing.
    `batches_ahead_max`: so far may a terminal be ahead of the batch that is closed next, with what it sold offline.
    `content_key` keys the hash of what terminals send; `zone_pin_key` encrypts PINs towards the issuer. `code_keys`
    are those of the codes that phones make without a network, by prefix; without any, none is taken.
    """

    content_key: bytes = field(repr=False)
    zone_pin_key: bytes = field(repr=False)
    acquirer: str = "01030000"
    currency: str = "156"
    amount_max: int = 5_000_000
    batches_ahead_max: int = 2_000
    channel_timeout_s: float = 20.0
    retry_first_s: float = 5.0
    retry_last_s: float = 300.0
    sign_on_repeat_s: float = 60.0
    utc_offset_s: int = 8 * 3600
    code_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What settlement needs of one transaction of a batch."""

    trace: str
    kind: str
    amount: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """What is known of a code that a phone has made without a network, or of the phone in an order.

    `holder` is the number of the user in the code's handle, None if its issuer is unknown; `user` is None if nobody has
    that number. `failed_at` are the tries that failed at this terminal.
    """

    holder: int | None = None
    user: PhoneUser | None = None
    failed_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedFacts:
    """What is known of what a signed code claims: its issuer, its key, whose account pays, and what has been paid.

    `paid` is the code that has paid under the same key and counter.
    """

    claim: Claim
    issuer: CodeIssuer | None = None
    key: SignedKey | None = None
    account: str = field(default="", repr=False)
    paid: SignedUse | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names of the facts that one input needs; what is None or False is not loaded.

    `number` asks for the stored transaction by our number, `key` by the terminal's name for it. `batch` asks for the
    batch with that number, its rows and the lines uploaded so far; `downloads` for the sets that terminals download.
    `code` asks for the user whose phone made a code, and for the tries at the terminal; `phone` for a user by number.
    `signed` asks for what is known of what a signed code claims.
    """

    terminal: str | None = None
    key: Key | None = None
    number: int | None = None
    original: int | None = None
    reversal: bool = False
    opens: bool = False
    fresh_keys: bool = False
    batch: str | None = None
    downloads: bool = False
    code: str = field(default="", repr=False)
    phone: int | None = None
    signed: Claim | None = None

    @property
    def only_reads_terminal(self) -> bool:
        """What is asked about a transaction changes that, not its terminal; the tries of codes are counted there."""
        return (self.key is not None or self.number is not None) and not self.code


@dataclass(frozen=True, slots=True)
class Touched:
    """The names of what a decision may change, and of what it only looks at."""

    changes: frozenset[Key | str]
    reads: frozenset[Key | str]

    def clashes_with(self, other: "Touched") -> bool:
        """One may change what the other changes or looks at: they cannot be decided on the same facts."""
        apart = self.changes.isdisjoint(other.changes | other.reads) and self.reads.isdisjoint(other.changes)
        return not apart


@dataclass(frozen=True, slots=True)
class Facts:
    """All that deciding one input may look at, loaded by the store before.

    `stored` is the transaction the input is about, `original` the sale that a void or refund names, `dependants` the
    voids and refunds of that sale (or, for a reversal, of `stored`). `number` is free for a new transaction and
    `fresh_keys` for a sign-on: numbers and keys are drawn by the shell, never by the core. `downloads` has the items of
    those sets that there are, by kind. `phone` is there if the input has a code that a phone made, or is about a phone;
    `signed` if it has a signed code that can be read. `asked` is what all of it was loaded for.
    """

    policy: Policy
    terminal: Terminal | None = None
    stored: Transaction | None = None
    original: Transaction | None = None
    dependants: tuple[Transaction, ...] = ()
    number: int = 0
    fresh_keys: WorkingKeys | None = None
    batch: Batch | None = None
    batch_rows: tuple[BatchRow, ...] = ()
    details: Mapping[str, int] = field(default_factory=dict)
    downloads: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    phone: PhoneFacts | None = None
    signed: SignedFacts | None = None
    asked: Wanted = field(default_factory=Wanted, repr=False)

    @property
    def caller(self) -> Terminal:
        """The terminal, for whoever knows that it is there: it was looked for before anything else."""
        assert self.terminal is not None
        return self.terminal

    @property
    def working_keys(self) -> WorkingKeys:
        """The terminal's working keys, for whoever has checked its MAC with them."""
        assert self.caller.keys is not None
        return self.caller.keys

    @property
    def touched(self) -> Touched:
        """What a decision on these facts may change, and what else it looks at: by it inputs share a batch or do not.

        Also a key that names nothing yet: of two requests with it only the first may find that so.
        """
        changes: list[Key | str | None] = [row.key for row in (self.stored, self.original) if row is not None]
        reads: list[Key | str] = [row.key for row in self.dependants]
        changes.append(self.asked.key)
        if self.terminal is not None:
            (reads if self.asked.only_reads_terminal else changes).append(self.terminal.id)
        if self.phone is not None and self.phone.holder is not None:
            changes.append(f"phone of {self.phone.holder}")
        if self.signed is not None:
            changes.append(f"signed by {self.signed.claim.key.hex()}")
        return Touched(frozenset(name for name in changes if name is not None), frozenset(reads))


def wanted(event: Input) -> Wanted:
    """Name the facts that deciding `event` needs."""
    match event:
        case FrameReceived():
            return _wanted_by_frame(event)
        case ChannelAnswered(answer):
            return Wanted(number=reference_number(answer.reference))
        case ChannelUnavailable(call):
            return Wanted(number=reference_number(call.reference))
        case Due(number):
            return Wanted(number=number)
        case CommandGiven(terminal) | ParametersGiven(terminal) | MessageRescued(terminal):
            return Wanted(terminal=terminal)
        case PresenceTold(terminal) | TelemetryTold(terminal):
            return Wanted(terminal=terminal)
        case TerminalRegistered(terminal):
            return Wanted(terminal=terminal, downloads=True)
        case PhoneGiven(number) | PhoneTaken(number):
            return Wanted(phone=number)
        case DownloadGiven() | SignerGiven():
            return Wanted()


def _wanted_by_frame(event: FrameReceived) -> Wanted:
    message, rules = event.message, event.rules
    terminal = message.text(41, "")
    if rules is None or event.malformed:
        return Wanted(terminal)
    if not rules.mac:
        batch = batch_number(message) if rules.name in BATCH_TYPES else None
        return Wanted(
            terminal, fresh_keys=rules.name == "sign_on", batch=batch, downloads=rules.name in DOWNLOAD_TYPES
        )
    key = Key(terminal, batch_number(message), message.text(11, ""))
    if rules.name == "reversal":
        return Wanted(terminal, key, reversal=True, opens=True)
    original = reference_number(message.text(37, "")) if 61 in rules.mandatory else None
    if rules.scan and rules.is_offline:
        return Wanted(terminal, key, opens=True, signed=claimed(signed_code(message)))
    is_scan_sale = rules.scan and rules.direction == "debit"
    return Wanted(terminal, key, original=original, opens=True, code=phone_code(message) if is_scan_sale else "")


PHONE_CODES = "771"
"""How codes begin that phones make without a network (docs/paycode.md, 1): others of 24 digits are of other wallets."""


def phone_code(message: Message) -> str:
    """The scanned code, if a phone has made it without a network; else ""."""
    code = scanned_code(message)
    return code if code.startswith(PHONE_CODES) and is_digits(code) else ""


DOWNLOAD_TYPES = frozenset(
    {"ca_key_list", "ca_key_download", "application_list", "application_download", "black_list_download"}
)
BATCH_TYPES = frozenset({"settle", "batch_upload", "batch_upload_end"})


def batch_number(message: Message) -> str:
    """The batch number of a message (60.2), empty if field 60 is missing or too short."""
    return message.text(60, "")[2:8]


def reference_number(reference: str) -> int | None:
    """Our number behind a retrieval reference (F37), None if it cannot be one of ours."""
    return int(reference) if len(reference) == 12 and reference.isascii() and reference.isdigit() else None
