"""What the journal holds: facts that have happened, in the order in which they became known.

The state of the counter is the fold of these records, so a restart reads them back and stands where it stood.
A record never holds track data, a PIN or a PIN block; a card number only sealed (encrypted) or as first six and last
four. A signed code stands whole in the record of the sale that it has paid, or of the double spend that it proves.
Amounts are integer minor units; times are UTC seconds; sealed values and chip data are upper-case hexadecimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

CARD_ERASED = "card_erased"
"""The reason of the attention to a payment that cannot be asked for again: its card number went with the keys."""

DECLINED_LATER = "declined_later"
"""The reason of the attention to an offline sale that the bank has declined: goods and money are gone."""

DRAWER_REASONS = ("change", "count", "cash_in", "cash_out", "other")
"""Why a cash drawer is opened: to give change, to count, to put money in or take it out, or for another reason."""

CODE_SCHEME = "code"
"""By which signed codes count against the shop's caps, as cards do by their scheme."""

SETTLEMENT_TRACE = "000000"
"""The trace in the key of a settlement's slip: no payment has it."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of a payment, made by the terminal before anything is sent: terminal, batch and trace number."""

    terminal: str
    batch: str
    trace: str

    def __str__(self) -> str:
        return f"{self.terminal}-{self.batch}-{self.trace}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read back what str() wrote; raise ValueError if it is not a key."""
        terminal, batch, trace = text.split("-")
        return cls(terminal, batch, trace)


@dataclass(frozen=True, slots=True)
class Started:
    """A payment was asked for and has its key; nothing has been sent."""

    key: Key
    type: str
    amount: int
    currency: str
    operator: str
    request_id: str
    at: float
    authorised_by: str = ""
    original: Key | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The request is about to go out. From here on an answer is owed: without one the payment is unknown.

    `recovery_fields` are the fields of the reversal or of the repeat, without card number and MAC.
    `means` is the masked card number or code, `card` the sealed card number, `chip` what the slip shows of the chip.
    `verified_by` is how a chip had its holder verified, in the kernel's words; empty of stripes and codes.
    """

    key: Key
    type: str
    entry_mode: str
    means: str
    at: float
    card: str = ""
    recovery_fields: Mapping[str, str] = field(default_factory=dict)
    chip: Mapping[str, str] = field(default_factory=dict)
    signature: bool = False
    verified_by: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedOffline:
    """The chip has approved without the host: the goods may go, and the sale is owed to the host until it answers.

    `recovery_fields` are those of the advice, without card number and MAC; everything else is as in `Sent`. By
    `card_token` (a keyed fingerprint) and `scheme` it counts against the caps of its card and of its scheme; records
    from before there were such caps lack both.
    """

    key: Key
    entry_mode: str
    means: str
    at: float
    card: str
    recovery_fields: Mapping[str, str]
    chip: Mapping[str, str] = field(default_factory=dict)
    signature: bool = False
    card_token: str = field(default="", repr=False)
    scheme: str = ""
    verified_by: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedByCode:
    """A signed code was verified without the host: the goods may go, and the sale is owed to the host until it answers.

    The whole `code` stands here, and nowhere else: what the customer has signed must be there to be sent, and to be
    shown to a judge, even when this terminal's keys are gone; and nobody can be paid with it a second time. `user` is
    the key that signed it, hexadecimal; together with `counter` it names this use. Until the Unix time `until` the code
    could be shown again. `revoked` and `quota` are the versions of the lists that the key was not on, 0 without a list.
    `recovery_fields` are those of the advice, without the code and the MAC.
    """

    key: Key
    code: str = field(repr=False)
    user: str
    counter: int
    until: int
    means: str
    at: float
    recovery_fields: Mapping[str, str]
    revoked: int = 0
    quota: int = 0


@dataclass(frozen=True, slots=True)
class SpentTwice:
    """A customer's key has signed another code with a counter that has paid here: evidence, and nothing was sold.

    The `code` that was refused; the one that had paid is in the record of that sale. Both are signed by the same key.
    """

    key: Key
    code: str = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The host's answer, trusted: its MAC was good.

    `amount` is what the host approved; `card_waits`: the chip must still confirm it.
    """

    key: Key
    approved: bool
    response_code: str
    at: float
    amount: int
    reference: str = ""
    authorisation: str = ""
    host_time: str = ""
    host_date: str = ""
    issuer: str = ""
    text: str = ""
    balance: int | None = None
    card_waits: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """The chip confirmed the approval with its transaction certificate."""

    key: Key
    at: float
    chip: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The payment ended before anything was sent, or was an inquiry without an answer: no money can have moved."""

    key: Key
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class ReversalDue:
    """The result is unknown or must not stand; the reversal is sent until it is answered. `reason` is field 39."""

    key: Key
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Reversed:
    """The host answered the reversal: the payment has no effect."""

    key: Key
    response_code: str
    at: float


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer that came when the payment had gone another way. Evidence only; it changes nothing."""

    key: Key
    response_code: str
    at: float


@dataclass(frozen=True, slots=True)
class Attention:
    """Something about a payment that a person must look at; the payment goes on being resolved."""

    key: Key
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class ClosedByPeople:
    """Two people have closed a payment that could not be asked for any more, by what the acquirer's statement says.

    `operator` and `supervisor` have each given their own PIN; `statement` is the reference of the line that they read.
    """

    key: Key
    booked: bool
    statement: str
    operator: str
    supervisor: str
    at: float


@dataclass(frozen=True, slots=True)
class PrintBegan:
    """A slip is about to be sent to the printer: from here on it may be on paper. `duplicate`: it is marked so."""

    key: Key
    at: float
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Printed:
    """The slip of a payment is on paper, as the printer itself says. `duplicate`: it was marked so."""

    key: Key
    at: float
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class SignedOn:
    """The host gave fresh working keys and named the batch."""

    batch: str
    at: float


@dataclass(frozen=True, slots=True)
class SettleStarted:
    """The batch is being settled: no new payments until it is closed. Totals as sent in field 48.

    `parked`: it is one that was parked before; new payments go on in the open one.
    """

    batch: str
    debit_amount: int
    debit_count: int
    credit_amount: int
    credit_count: int
    operator: str
    at: float
    parked: bool = False


@dataclass(frozen=True, slots=True)
class SettleAnswered:
    """The host compared its totals with ours."""

    batch: str
    balanced: bool
    at: float


@dataclass(frozen=True, slots=True)
class BatchClosed:
    """The host acknowledged the end of the batch upload. All payments of the batch are final; `next_batch` begins.

    `terminal` names the slip of the settlement together with `batch`; records from before slips were queued lack it.
    `parked`: it was parked before, and the open batch goes on; `lost_count` and `lost_amount` (minor units) are its
    sales that were made offline and that the bank has declined since.
    """

    batch: str
    next_batch: str
    next_trace: str
    balanced: bool
    at: float
    terminal: str = ""
    parked: bool = False
    lost_count: int = 0
    lost_amount: int = 0


@dataclass(frozen=True, slots=True)
class BatchParked:
    """A batch that was full, and could not be settled, was set aside to be settled later; `next_batch` begins.

    Its payments are in the journal and no more in memory. What the limits must know of them stands here, as it was
    then: sales made offline that the bank has not answered (`owed_…`, the oldest at `owed_since`), other payments whose
    end is not known (`asked`), and how many of those are reversals. `waiting` batches were parked then, this one
    included; `lost_…` is what the parked batches closed since the last settlement by people have lost, `unbalanced` how
    many of them did not balance. `owed_by_…` are the parts of what is owed, as in `sums.Shares`.
    """

    batch: str
    next_batch: str
    next_trace: str
    terminal: str
    waiting: int
    operator: str
    at: float
    owed_count: int = 0
    owed_amount: int = 0
    owed_since: float | None = None
    asked: int = 0
    reversals: int = 0
    lost_count: int = 0
    lost_amount: int = 0
    unbalanced: int = 0
    owed_by_operator: Mapping[str, int] = field(default_factory=dict)
    owed_by_scheme: Mapping[str, int] = field(default_factory=dict)
    owed_count_by_scheme: Mapping[str, int] = field(default_factory=dict)
    owed_by_slice: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParametersTaken:
    """The host has set parameters of this terminal; all that are in force, whenever each of them came.

    `reply_timeout_s` None and `merchant_name` empty: the profile's stand.
    """

    at: float
    reply_timeout_s: int | None = None
    merchant_name: str = ""


@dataclass(frozen=True, slots=True)
class HostTime:
    """The host has vouched for this time, under its MAC. What was recorded before it did not happen after it.

    Records before it may bear a later time: then this terminal's clock was wrong, and was set.
    """

    at: float


@dataclass(frozen=True, slots=True)
class DrawerOpened:
    """Somebody has the cash drawer opened, for one of DRAWER_REASONS: the order to it is about to go out."""

    operator: str
    reason: str
    at: float


PaymentRecord = (
    Started | Sent | ApprovedOffline | ApprovedByCode | SpentTwice | Answered | Completed | Cancelled | ReversalDue
    | Reversed | LateAnswer | Attention | ClosedByPeople | PrintBegan | Printed
)  # fmt: skip
Record = (
    PaymentRecord | SignedOn | SettleStarted | SettleAnswered | BatchClosed | BatchParked | ParametersTaken | HostTime
    | DrawerOpened
)  # fmt: skip

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        Started, Sent, ApprovedOffline, ApprovedByCode, SpentTwice, Answered, Completed, Cancelled, ReversalDue,
        Reversed, LateAnswer, Attention, ClosedByPeople, PrintBegan, Printed, SignedOn, SettleStarted, SettleAnswered,
        BatchClosed, BatchParked, ParametersTaken, HostTime, DrawerOpened,
    )
}  # fmt: skip
_FIELDS = {name: tuple(each.name for each in fields(cls)) for name, cls in _CLASSES.items()}
_KEY_FIELDS = {
    name: tuple(f.name for f in fields(cls) if get_type_hints(cls)[f.name] in (Key, Key | None))
    for name, cls in _CLASSES.items()
}


def to_entry(record: Record) -> tuple[str, dict[str, Any]]:
    """Turn a record into its type's name and a JSON-able mapping, keys as text."""
    name = type(record).__name__
    entry = {each: getattr(record, each) for each in _FIELDS[name]}
    for key_field in _KEY_FIELDS[name]:
        value = getattr(record, key_field)
        entry[key_field] = None if value is None else str(value)
    return name, entry


def from_entry(name: str, entry: Mapping[str, Any]) -> Record:
    """Turn what to_entry wrote back into a record; raise KeyError or TypeError if it is not one."""
    values = dict(entry)
    for key_field in _KEY_FIELDS[name]:
        if values[key_field] is not None:
            values[key_field] = Key.parse(values[key_field])
    record: Record = _CLASSES[name](**values)
    return record
