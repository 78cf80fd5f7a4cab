"""What comes into the switch (inputs) and what goes out (effects). Frozen values, no behaviour.

The effect law: in every decision, Persist stands before Send and CallChannel of the same fact. The shell commits what
all decisions of a batch persist in one durable transaction, and only then carries out the rest, in order.
"""

from dataclasses import dataclass, field

from host_switch.channels import ChannelAnswer, ChannelCall
from host_switch.records import (
    Batch,
    CodeIssuer,
    CodeSpent,
    Detail,
    Download,
    Entry,
    Event,
    FailedCodes,
    PhoneUser,
    Presence,
    Severity,
    SignedKey,
    SignedUse,
    Telemetry,
    Terminal,
    Transaction,
)
from iso8583 import Message
from iso8583.transactions import TransactionType
from iso8583.unionpay_fields.field62 import Parameters62

# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame from a terminal, decoded. `data` is the message as it came (from the MTI on), for its MAC.

    `rules` is its transaction type, None if it is none that we know. `malformed` says that only the good fields of a
    broken message are there. `certified` is the terminal that the connection's certificate names; empty without TLS.
    `rescued`: it was sealed under the terminal's master key, which stands for MAC and certificate.
    """

    connection: str
    tpdu: str
    header: str
    message: Message
    data: bytes = field(repr=False)
    rules: TransactionType | None
    malformed: bool = False
    certified: str = ""
    rescued: bool = False


@dataclass(frozen=True, slots=True)
class ChannelAnswered:
    """The issuer answered: in time, late, again, or differently from the first time."""

    answer: ChannelAnswer


@dataclass(frozen=True, slots=True)
class ChannelUnavailable:
    """A call certainly never left, so the issuer cannot have done anything about it."""

    call: ChannelCall


@dataclass(frozen=True, slots=True)
class Due:
    """The due time of a transaction has come, or (`early`) its channel is back and it need not wait longer."""

    number: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class CommandGiven:
    """An operator asks a terminal to do something: `command` is the digit for the header of its answers."""

    terminal: str
    command: str


@dataclass(frozen=True, slots=True)
class ParametersGiven:
    """An operator lays down the parameters of a terminal, and asks it to fetch them."""

    terminal: str
    parameters: Parameters62


@dataclass(frozen=True, slots=True)
class DownloadGiven:
    """An operator lays down what all terminals shall download; who has it already is not asked to fetch it again."""

    download: Download


@dataclass(frozen=True, slots=True)
class TerminalRegistered:
    """An operator registers a terminal, or gives a known one a new merchant or master key."""

    terminal: str
    merchant: str
    master_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageRescued:
    """A message that a terminal could not send itself: sealed by it, and carried here by somebody else.

    `connection`: where its answer goes; that of a file goes nowhere.
    """

    terminal: str
    sealed: bytes = field(repr=False)
    connection: str = ""


@dataclass(frozen=True, slots=True)
class PhoneGiven:
    """An operator gives a customer's phone what it makes payment codes of; `account` and `name` may stay as they are.

    `seed` are 32 bytes drawn by the shell, `at` is the UTC second at which the phone gets it.
    """

    number: int
    seed: bytes = field(repr=False)
    at: int
    account: str = field(default="", repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True)
class PhoneTaken:
    """An operator ends the codes of a customer's phone: it is lost."""

    number: int

@dataclass(frozen=True, slots=True)
class PresenceTold:
    """The broker says that a terminal has come or gone; it may say the same again."""

    terminal: str
    online: bool


@dataclass(frozen=True, slots=True)
class TelemetryTold:
    """A terminal tells of itself: its batch, how much waits there for an answer of ours, which devices do not work."""

    terminal: str
    batch: str = ""
    owed_count: int = 0
    owed_amount: int = 0
    broken: str = ""


@dataclass(frozen=True, slots=True)
class SignerGiven:
    """An operator makes an issuer of signed codes known, or a phone's key, or that a key is revoked."""

    signer: CodeIssuer | SignedKey


Order = (
    CommandGiven | ParametersGiven | DownloadGiven | TerminalRegistered | MessageRescued | PhoneGiven | PhoneTaken
    | SignerGiven
)  # fmt: skip
News = PresenceTold | TelemetryTold
Input = FrameReceived | News | ChannelAnswered | ChannelUnavailable | Due | Order


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutDetails:
    """Remember lines of a batch upload; the same line again changes nothing."""

    terminal: str
    batch: str
    details: tuple[Detail, ...]


Change = (
    Transaction | Terminal | Presence | Telemetry | Download | Batch | Entry | Event | PutDetails
    | PhoneUser | FailedCodes | CodeSpent
    | CodeIssuer | SignedKey | SignedUse
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Persist:
    """Write all changes, durably and together, before anything that follows."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame (without its length) on a connection; if that is closed, the frame is dropped."""

    connection: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallChannel:
    """Call the issuer."""

    call: ChannelCall


@dataclass(frozen=True, slots=True)
class Report:
    """Log something that leaves no trace in the store because anyone could cause it, such as a wrong MAC."""

    severity: Severity
    kind: str
    connection: str = ""
    terminal: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection that cannot be answered; the log is told why."""

    connection: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Decide another input in place of this one: what it was can only be said now that this one has been opened."""

    event: Input


Effect = Persist | Send | CallChannel | Report | Close | Decide


@dataclass(frozen=True, slots=True)
class Decision:
    """The effects of one input, in the order in which they must be carried out."""

    effects: tuple[Effect, ...] = ()

    @property
    def goes_on(self) -> bool:
        """There is more to decide before anybody knows what became of the input."""
        return any(isinstance(effect, Decide) for effect in self.effects)
