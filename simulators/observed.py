"""What the auditor has seen of a simulated world, and how it follows a payment through its terminal's records.

The records are followed by rules of its own, simpler than the cores' tables: what may come after what.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from host_switch.events import Decision
from host_switch.records import Batch, Event, Outcome, Transaction
from host_switch.store import Books
from iso8583 import Message
from iso8583.transactions import TYPES
from iso8583.unionpay_fields.field62 import Parameters62
from simulators.issuer import Movement
from terminal.records import (
    Answered,
    ApprovedByCode,
    ApprovedOffline,
    BatchClosed,
    BatchParked,
    Cancelled,
    ClosedByPeople,
    Completed,
    Key,
    ParametersTaken,
    Record,
    ReversalDue,
    Reversed,
    Sent,
    SettleStarted,
    Started,
)  # fmt: skip
from terminal.slips import Slip

Name = tuple[str, str, str]
"""A payment's key as both sides write it: terminal, batch, trace."""

Stands = Literal["open", "approved", "nothing"]
_SIGNS = {"debit": 1, "credit": -1, "none": 0}


@dataclass(frozen=True, slots=True)
class Finding:
    """A complaint: which invariant, about what, in which words."""

    invariant: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.what}"


@dataclass(slots=True)
class Seen:
    """A payment as its terminal's durable records tell it. `given_away`: goods went out on the chip's word alone.

    `called`: people were called about it.
    """

    type: str
    amount: int
    sent: bool = False
    given_away: bool = False
    chip_asked: bool = False
    reversal_due: bool = False
    card: str = ""
    card_token: str = ""
    by_people: bool = False
    called: bool = False
    stands: Stands = "open"

    @property
    def is_lost(self) -> bool:
        """The goods are gone, and the issuer (or two people, by the statement) said that nobody pays for them."""
        return self.given_away and self.stands == "nothing"

    @property
    def net(self) -> int:
        """What it owes the merchant, in minor units."""
        return _SIGNS[TYPES[self.type].direction] * self.amount if self.stands == "approved" else 0


@dataclass(slots=True)
class Observed:
    """Everything the auditor has seen."""

    payments: dict[Name, Seen] = field(default_factory=dict)
    open: dict[Name, Seen] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)
    settling: set[tuple[str, str]] = field(default_factory=set)
    parked: dict[str, list[str]] = field(default_factory=dict)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    chip_agreed: dict[Name, bool] = field(default_factory=dict)
    certificates: set[str] = field(default_factory=set)
    signed_codes: set[str] = field(default_factory=set)
    codes_taken: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    erased_cards: set[str] = field(default_factory=set)
    slips: list[Slip] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    rows: dict[Name, Transaction] = field(default_factory=dict)
    names: dict[int, Name] = field(default_factory=dict)
    ledger: dict[Name, int] = field(default_factory=dict)
    answers: dict[Name, bytes] = field(default_factory=dict)
    approvals: set[Name] = field(default_factory=set)
    reversals_answered: set[Name] = field(default_factory=set)
    batches: dict[tuple[str, str], Batch] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    parameters: dict[str, ParametersTaken] = field(default_factory=dict)
    served: dict[str, frozenset[Parameters62]] = field(default_factory=dict)
    codes: dict[Name, str] = field(default_factory=dict)
    handles_paid: dict[str, Name] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    left: set[tuple[Name, str]] = field(default_factory=set)
    kept: set[tuple[str, str]] = field(default_factory=set)
    """Terminals, and the kinds of downloads that they have kept since they last asked for one of that kind."""

    def booked(self, name: Name) -> bool | None:
        """Whether the host has booked a payment that it knows; None as long as it does not know itself."""
        outcome = self.rows[name].outcome
        return None if outcome is Outcome.PENDING else outcome is Outcome.APPROVED

    def copy(self) -> "Observed":
        """The same observations, to be gone on from in another world."""
        copied = Observed(*(copy(getattr(self, each.name)) for each in fields(self)))
        copied.payments = {name: replace(seen) for name, seen in self.payments.items()}
        copied.open = {name: copied.payments[name] for name in self.open}
        copied.parked = {terminal: list(batches) for terminal, batches in self.parked.items()}
        copied.records = {terminal: list(records) for terminal, records in self.records.items()}
        return copied


@dataclass(frozen=True, slots=True)
class Quiet:
    """The world when nothing moves any more: what the checks at the end look at."""

    observed: Observed
    books: Books
    movements: Mapping[str, Movement]
    lied_about: frozenset[str]
    journals: Mapping[str, Iterable[Record]]


Findings = Iterator[Finding]


def name_of(key: Iterable[str] | Key) -> Name:
    """The name behind a key of the terminal or of the host."""
    if isinstance(key, Key):
        return key.terminal, key.batch, key.trace
    terminal, batch, trace = key
    return terminal, batch, trace


def name_in(message: Message) -> Name:
    """The name that a message on the line bears."""
    return message.text(41, ""), message.text(60, "")[2:8], message.text(11, "")


def text_of(name: Name) -> str:
    """A name in words."""
    return "-".join(name)


# --- following the records --------------------------------------------------------------------------------------------


def follow(observed: Observed, terminal: str, record: Record) -> Findings:
    """Keep the account of a payment, and complain about a record that cannot follow from those before it."""
    match record:
        case Started(key):
            if name_of(key) in observed.payments:
                yield Finding("I11", str(key), "the key is used a second time")
            observed.payments[name_of(key)] = observed.open[name_of(key)] = Seen(record.type, record.amount)
        case SettleStarted(batch):
            observed.settling.add((terminal, batch))
        case ParametersTaken():
            observed.parameters[terminal] = record
        case BatchParked(batch):
            observed.parked.setdefault(terminal, []).append(batch)
        case BatchClosed():
            yield from _batch_closed(observed, terminal, record)
        case (
            Sent(key) | ApprovedOffline(key) | ApprovedByCode(key) | Answered(key) | Completed(key) | Cancelled(key)
            | ReversalDue(key) | Reversed(key) | ClosedByPeople(key)
        ):  # fmt: skip
            seen = observed.payments.get(name_of(key))
            wrong = "no payment has this key" if seen is None else _moved(observed, seen, record)
            if seen and seen.stands != "open":
                observed.open.pop(name_of(key), None)
            if wrong:
                yield Finding("I4", str(key), wrong)


def _moved(observed: Observed, seen: Seen, record: Record) -> str:  # noqa: C901 - one match over a closed union
    """Carry one record out on the account; say what is wrong with it, if something is."""
    if seen.stands != "open":
        return f"{type(record).__name__} after the end ({seen.stands})"
    match record:
        case Sent():
            wrong = "sent twice" if seen.sent else ""
            seen.sent, seen.type, seen.card = True, record.type, record.card
        case ApprovedOffline():
            wrong = _given_away(observed, seen, record)
        case ApprovedByCode():
            wrong = _given_for_a_code(observed, seen, record)
        case Answered(key):
            wrong = "answered, but not sent" if not seen.sent else ""
            wrong = wrong or ("answered, though its reversal is due" if seen.reversal_due else "")
            unheard = record.approved and name_of(key) not in observed.approvals
            wrong = wrong or ("approved, but the host has not approved it" if unheard else "")
            seen.amount, seen.chip_asked = record.amount, record.card_waits
            if not record.card_waits:
                seen.stands = "approved" if record.approved else "nothing"
        case Completed(key):
            wrong = "" if seen.chip_asked and not seen.reversal_due else "completed, but no chip was asked"
            wrong = wrong or ("" if observed.chip_agreed.get(name_of(key)) else "completed, but the chip did not agree")
            seen.stands = "approved"
        case Cancelled():
            wrong = "closed without an answer" if seen.sent and TYPES[seen.type].direction != "none" else ""
            seen.stands = "nothing"
        case ReversalDue():
            wrong = "reversed, but not sent" if not seen.sent else ""
            seen.reversal_due = True
        case Reversed(key):
            wrong = "" if name_of(key) in observed.reversals_answered else "closed without an answer to the reversal"
            seen.stands = "nothing"
        case ClosedByPeople():
            wrong = "" if {record.operator, record.supervisor} == {"01", "00"} else "closed by one person alone"
            asked_again = TYPES[seen.type].recovery != "repeat" or seen.card not in observed.erased_cards
            wrong = wrong or ("closed by people, though it is still asked for" if asked_again else "")
            seen.by_people, seen.stands = True, "approved" if record.booked else "nothing"
        case _:
            wrong = ""
    return wrong


def _given_away(observed: Observed, seen: Seen, record: ApprovedOffline) -> str:
    wrong = "sold offline, but sent before" if seen.sent else ""
    uncertified = record.recovery_fields["55"] not in observed.certificates
    seen.sent, seen.given_away, seen.card, seen.card_token = True, True, record.card, record.card_token
    return wrong or ("sold offline, but no chip has approved it" if uncertified else "")


def _given_for_a_code(observed: Observed, seen: Seen, record: ApprovedByCode) -> str:
    wrong = "sold offline, but sent before" if seen.sent else ""
    wrong = wrong or ("" if record.code in observed.signed_codes else "sold by a code that nobody has shown")
    wrong = wrong or ("sold a second time by one code" if record.code in observed.codes_taken else "")
    seen.sent, seen.given_away, seen.type = True, True, "offline_code_sale"
    observed.codes_taken.add(record.code)
    return wrong


def _batch_closed(observed: Observed, terminal: str, record: BatchClosed) -> Findings:
    batch, subject = record.batch, f"{terminal}-{record.batch}"
    observed.closed.add((terminal, batch))
    closed = observed.batches.get((terminal, batch))
    if closed is None or closed.closed_at is None:
        yield Finding("I4", subject, "the terminal closed a batch that the host has not closed")
    for name in observed.open:
        if name[:2] == (terminal, batch):
            yield Finding("I4", text_of(name), "its batch was closed while it was open")
    waiting = observed.parked.get(terminal, [])
    if (waiting[:1] == [batch]) is not record.parked or (waiting and not record.parked):
        yield Finding("I4", subject, f"closed, though {', '.join(waiting) or 'nothing'} is parked")
    if not record.parked:
        observed.lost[terminal] = (0, 0)
        return
    del waiting[:1]
    lost = [s.amount for name, s in observed.payments.items() if name[:2] == (terminal, batch) and _is_news(s)]
    if (record.lost_count, record.lost_amount) != (len(lost), sum(lost)):
        yield Finding("I1", subject, f"{sum(lost)} is lost, the terminal says {record.lost_amount}")
    count, amount = observed.lost.get(terminal, (0, 0))
    observed.lost[terminal] = (count + len(lost), amount + sum(lost))


def _is_news(seen: Seen) -> bool:
    """Lost by the issuer's word: where two people have said so, they know."""
    return seen.is_lost and not seen.by_people
