"""The auditor: a second, simpler set of books on what everybody in the simulated world does.

It sees each record when it is durable, each message when it leaves, each slip when it is on paper, each commit of the
host. From these it keeps its own account of every payment, without the cores' tables, and complains at once or, when
the world is quiet again, at the end. A complaint is a value; what it appeals to has a name:

- I1 no approved payment is lost: what was approved, or printed as approved, stands in the ledger once, in full;
- I2 nothing is debited twice, and a repeated request gets the stored answer byte for byte;
- I3 no posting without a payment that stands at the terminal, and the issuer agrees with the ledger;
- I4 ambiguity ends: only an answer closes what was sent, and in a quiet world everything is closed;
- I5 every entry is balanced, and the ledger validates;
- I6 slips contradict neither each other nor the ledger, and batches balance;
- I7 what is said, printed or told to a chip was durable before;
- I8 no track, PIN block, payment code or clear card number is ever durable;
- I9 nothing durable is forgotten by a restart;
- I10 queues stay within their limits;
- I11 a key names one payment, and the same key with other content is refused and reported.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from firmware_config.profile import Limits
from host_switch.channels import ChannelCall
from host_switch.events import Decision, Persist, Report
from host_switch.invariants import breaches
from host_switch.ledger import CLEARING
from host_switch.records import Batch, Entry, Event, Leg, Outcome, Transaction
from host_switch.store import Books
from iso8583 import Message
from iso8583.response_codes import REVERSAL_DONE
from iso8583.transactions import TYPES
from simulators.issuer import Movement
from terminal.book import Book
from terminal.events import CompleteCard
from terminal.records import (
    Answered,
    BatchClosed,
    Cancelled,
    Completed,
    Key,
    LateAnswer,
    Record,
    ReversalDue,
    Reversed,
    Sent,
    SettleStarted,
    Started,
)  # fmt: skip
from terminal.settlement import SETTLEMENT_TRACE
from terminal.slips import Slip
from terminal.transitions import State

Name = tuple[str, str, str]
"""A payment's key as both sides write it: terminal, batch, trace."""

Stands = Literal["open", "approved", "nothing"]
_STANDS: Mapping[State, Stands] = {
    State.STARTED: "open", State.SENT: "open", State.COMPLETING: "open", State.REVERSAL_DUE: "open",
    State.APPROVED: "approved", State.DECLINED: "nothing", State.REVERSED: "nothing", State.CANCELLED: "nothing",
}  # fmt: skip
UNBALANCED = "the batch does not balance"
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
    """A payment as its terminal's durable records tell it."""

    type: str
    amount: int
    sent: bool = False
    chip_asked: bool = False
    reversal_due: bool = False
    stands: Stands = "open"

    @property
    def net(self) -> int:
        """What it owes the merchant, in minor units."""
        return _SIGNS[TYPES[self.type].direction] * self.amount if self.stands == "approved" else 0


@dataclass(slots=True)
class Observed:
    """Everything the auditor has seen."""

    payments: dict[Name, Seen] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)
    settling: set[tuple[str, str]] = field(default_factory=set)
    chip_agreed: dict[Name, bool] = field(default_factory=dict)
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

    def copy(self) -> "Observed":
        """The same observations, to be gone on from in another world."""
        copied = Observed(*(copy(getattr(self, each.name)) for each in fields(self)))
        copied.payments = {name: replace(seen) for name, seen in self.payments.items()}
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


class Auditor:
    """Watches one world. `happened` counts what must happen in a full run, so that a tame world is noticed."""

    def __init__(self, limits: Limits, happened: Callable[[str], None]) -> None:
        self.observed = Observed()
        self.findings: list[Finding] = []
        self.sales = 0
        self.notes = 0  # what the host has noted or reported so far
        self._limits = limits
        self._happened = happened

    def complain(self, findings: Iterable[Finding]) -> None:
        """Keep complaints."""
        self.findings.extend(findings)

    # --- what terminals do --------------------------------------------------------------------------------------------

    def terminal_persisted(self, terminal: str, record: Record) -> None:
        """A record is durable."""
        self.observed.records.setdefault(terminal, []).append(record)
        self.complain(_follow(self.observed, terminal, record))
        if isinstance(record, Sent) and TYPES[record.type].direction == "debit":
            self.sales += 1
        elif isinstance(record, LateAnswer) and record.response_code == "00":
            self._happened("late approval after reversal")
        elif isinstance(record, ReversalDue) and record.reason == "06":
            self._happened("chip refuses after approval")

    def terminal_rests(self, terminal: str, book: Book) -> None:
        """The terminal has finished with an event (or its start): its book must be what its records say."""
        self.complain(book_is_what_records_say(self.observed, terminal, book))
        self.complain(queues_are_bounded(book, self._limits))

    def terminal_sends(self, terminal: str, message: Message) -> None:
        """A message is about to leave a terminal."""
        self.complain(sent_is_durable(self.observed, terminal, message))

    def print_ordered(self, key: Key) -> None:
        """A slip is about to be printed."""
        self.complain(printed_is_durable(self.observed, key))

    def chip_told(self, key: Key | None, word: CompleteCard) -> None:
        """The chip is about to hear the host's answer."""
        self.complain(chip_hears_what_is_durable(self.observed, key, word))

    def chip_spoke(self, key: Key, agreed: bool) -> None:
        """The chip has had its last word."""
        self.observed.chip_agreed[_name(key)] = agreed

    def slip_printed(self, slip: Slip) -> None:
        """A slip is on paper."""
        self.complain(slips_agree(self.observed.slips, slip))
        self.observed.slips.append(slip)

    # --- what the host does -------------------------------------------------------------------------------------------

    def host_committed(self, decision: Decision) -> None:
        """The changes of a decision are durable."""
        self.observed.decisions.append(decision)
        changes = [change for effect in decision.effects if isinstance(effect, Persist) for change in effect.changes]
        for change in changes:
            match change:
                case Transaction():
                    self._row_committed(change)
                case Entry():
                    self.complain(entry_is_balanced(change))
                    self._post(change)
                case Batch():
                    self.observed.batches[change.terminal, change.number] = change
                case Event(kind=kind):
                    self.observed.events.append(change)
                    self.notes += 1
                    self._happened(f"host notes: {kind}")

    def _row_committed(self, row: Transaction) -> None:
        name = _name(row.key)
        before = self.observed.rows.get(name)
        if before is not None:
            self.complain(row_keeps_its_word(before, row))
        elif row.kind == "reversal":
            self._happened("reversal before original")
        self.observed.rows[name] = row
        self.observed.names[row.number] = name
        self.complain(no_more_is_given_back_than_paid(self.observed, row))

    def _post(self, entry: Entry) -> None:
        name = _name(entry.key)
        owed = -sum(posting.amount for posting in entry.postings if posting.account != CLEARING)
        self.observed.ledger[name] = self.observed.ledger.get(name, 0) + owed

    def host_sends(self, message: Message, body: bytes) -> None:
        """An answer is about to leave the host; `body` is what lies between its header and its MAC."""
        self.complain(answer_is_stored(self.observed, message, body))

    def host_calls(self, call: ChannelCall) -> None:
        """A call to the issuer is about to leave."""
        self.complain(call_is_stored(self.observed, call))

    def host_reported(self, report: Report) -> None:
        """The host reports what leaves no trace in its store."""
        self.notes += 1
        self._happened(f"host reports: {report.kind}")

    def host_knows(self, request: Message) -> bool:
        """Whether the host has stored something under the key of this request."""
        return _name_in(request) in self.observed.rows

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self, quiet: Quiet) -> None:
        """The world is quiet: look at everything."""
        for check in CHECKS_AT_THE_END:
            self.complain(check(quiet))


# --- following the records --------------------------------------------------------------------------------------------


def _follow(observed: Observed, terminal: str, record: Record) -> Findings:
    """Keep the account of a payment, and complain about a record that cannot follow from those before it."""
    match record:
        case Started(key):
            if _name(key) in observed.payments:
                yield Finding("I11", str(key), "the key is used a second time")
            observed.payments[_name(key)] = Seen(record.type, record.amount)
        case SettleStarted(batch):
            observed.settling.add((terminal, batch))
        case BatchClosed(batch):
            yield from _batch_closed(observed, terminal, batch)
        case Sent(key) | Answered(key) | Completed(key) | Cancelled(key) | ReversalDue(key) | Reversed(key):
            seen = observed.payments.get(_name(key))
            wrong = "no payment has this key" if seen is None else _moved(observed, seen, record)
            if wrong:
                yield Finding("I4", str(key), wrong)


def _moved(observed: Observed, seen: Seen, record: Record) -> str:
    """Carry one record out on the account; say what is wrong with it, if something is."""
    if seen.stands != "open":
        return f"{type(record).__name__} after the end ({seen.stands})"
    match record:
        case Sent():
            wrong = "sent twice" if seen.sent else ""
            seen.sent, seen.type = True, record.type
        case Answered(key):
            wrong = "answered, but not sent" if not seen.sent else ""
            wrong = wrong or ("answered, though its reversal is due" if seen.reversal_due else "")
            unheard = record.approved and _name(key) not in observed.approvals
            wrong = wrong or ("approved, but the host has not approved it" if unheard else "")
            seen.amount, seen.chip_asked = record.amount, record.card_waits
            if not record.card_waits:
                seen.stands = "approved" if record.approved else "nothing"
        case Completed(key):
            wrong = "" if seen.chip_asked and not seen.reversal_due else "completed, but no chip was asked"
            wrong = wrong or ("" if observed.chip_agreed.get(_name(key)) else "completed, but the chip did not agree")
            seen.stands = "approved"
        case Cancelled():
            wrong = "closed without an answer" if seen.sent and TYPES[seen.type].direction != "none" else ""
            seen.stands = "nothing"
        case ReversalDue():
            wrong = "reversed, but not sent" if not seen.sent else ""
            seen.reversal_due = True
        case Reversed(key):
            wrong = "" if _name(key) in observed.reversals_answered else "closed without an answer to the reversal"
            seen.stands = "nothing"
        case _:
            wrong = ""
    return wrong


def _batch_closed(observed: Observed, terminal: str, batch: str) -> Findings:
    subject = f"{terminal}-{batch}"
    closed = observed.batches.get((terminal, batch))
    if closed is None or closed.closed_at is None:
        yield Finding("I4", subject, "the terminal closed a batch that the host has not closed")
    for name, seen in observed.payments.items():
        if name[:2] == (terminal, batch) and seen.stands == "open":
            yield Finding("I4", _text(name), "its batch was closed while it was open")


# --- checks as it happens ---------------------------------------------------------------------------------------------


def book_is_what_records_say(observed: Observed, terminal: str, book: Book) -> Findings:
    """I9: after every event and every restart the book stands where the durable records stand, no further, no less."""
    for key, payment in book.payments.items():
        seen = observed.payments.get(_name(key))
        if seen is None or seen.stands != _STANDS[payment.state]:
            durable = "unknown" if seen is None else seen.stands
            yield Finding("I9", str(key), f"the book says {payment.state.value}, the records {durable}")
    for name, seen in observed.payments.items():
        if name[0] == terminal and seen.stands == "open" and Key(*name) not in book.payments:
            yield Finding("I9", _text(name), "open, and forgotten by the book")


def queues_are_bounded(book: Book, limits: Limits) -> Findings:
    """I10: no more open payments, and no more payments in a batch, than the profile allows."""
    if len(book.unresolved()) > limits.open_payments_max:
        yield Finding("I10", book.batch, f"{len(book.unresolved())} payments are open")
    if len(book.payments) > limits.batch_count_max:
        yield Finding("I10", book.batch, f"{len(book.payments)} payments are in the batch")


def sent_is_durable(observed: Observed, terminal: str, message: Message) -> Findings:
    """I7: a request, a reversal, a settlement leaves only when its record is durable."""
    batch, trace = message.text(60, "")[2:8], message.text(11, "")
    if message.mti in {"0500", "0320"}:
        if (terminal, batch) not in observed.settling:
            yield Finding("I7", f"{terminal}-{batch}", "settles before it is durable")
    elif message.mti.startswith(("02", "04")):
        seen = observed.payments.get((terminal, batch, trace))
        reverses = message.mti.startswith("04")
        if seen is None or not (seen.reversal_due if reverses else seen.sent):
            yield Finding("I7", f"{terminal}-{batch}-{trace}", f"{message.mti} leaves before it is durable")


def printed_is_durable(observed: Observed, key: Key) -> Findings:
    """I7: a slip is printed only for an approval that is durable."""
    seen = observed.payments.get(_name(key))
    if key.trace != SETTLEMENT_TRACE and (seen is None or seen.stands != "approved"):
        yield Finding("I7", str(key), "printed before the approval is durable")


def chip_hears_what_is_durable(observed: Observed, key: Key | None, word: CompleteCard) -> Findings:
    """I7: the chip is asked to confirm only an approval that is durable."""
    seen = observed.payments.get(_name(key)) if key else None
    if word.approved and (seen is None or not seen.chip_asked):
        yield Finding("I7", str(key), "the chip hears of an approval before it is durable")


def slips_agree(slips: Iterable[Slip], fresh: Slip) -> Findings:
    """I6: one original of each slip, and every later one says the same and DUPLICATE."""
    name = (fresh.shop.terminal_no, fresh.batch, fresh.voucher)
    before = [s for s in slips if (s.shop.terminal_no, s.batch, s.voucher) == name]
    if before and not fresh.duplicate:
        yield Finding("I6", _text(name), "a second slip is not marked as a duplicate")
    if any((s.amount, s.type_en, s.reference_no) != (fresh.amount, fresh.type_en, fresh.reference_no) for s in before):
        yield Finding("I6", _text(name), "two slips contradict each other")


def row_keeps_its_word(before: Transaction, row: Transaction) -> Findings:
    """I2: a key has one row, and an answer that was given stays as it was."""
    if row.number != before.number:
        yield Finding("I2", str(row.key), "the host keeps a second transaction under this key")
    if before.reply and row.reply != before.reply:
        yield Finding("I2", str(row.key), "the stored answer was changed")


def no_more_is_given_back_than_paid(observed: Observed, row: Transaction) -> Findings:
    """I2: voids and refunds of a sale, also those under way, come to no more than the sale."""
    if not row.original:
        return
    sale = observed.rows[observed.names[row.original]]
    standing = (Outcome.PENDING, Outcome.APPROVED)
    given = sum(r.amount for r in observed.rows.values() if r.original == sale.number and r.outcome in standing)
    if given > sale.amount:
        yield Finding("I2", str(sale.key), f"{given} given back, {sale.amount} paid")


def entry_is_balanced(entry: Entry) -> Findings:
    """I5: an entry sums to zero."""
    if sum(posting.amount for posting in entry.postings):
        yield Finding("I5", str(entry.key), "an entry does not sum to zero")


def answer_is_stored(observed: Observed, message: Message, body: bytes) -> Findings:
    """I7 and I2: an answer leaves only when it is stored, and the second answer is the first, byte for byte."""
    if message.mti not in {"0210", "0230", "0410"} or 64 not in message or message.get(39) == "94":
        return
    name = _name_in(message)
    row = observed.rows.get(name)
    if message.mti == "0410":
        yield from _reversal_answer_is_stored(observed, name, row, message)
    elif row is None or row.reply != body:
        yield Finding("I7", _text(name), "an answer leaves that is not the stored one")
    elif observed.answers.setdefault(name, body) != body:
        yield Finding("I2", _text(name), "a repeated request gets another answer")
    elif message.get(39) == "00":
        observed.approvals.add(name)


def _reversal_answer_is_stored(observed: Observed, name: Name, row: Transaction | None, message: Message) -> Findings:
    if message.get(39) not in REVERSAL_DONE:
        return
    observed.reversals_answered.add(name)
    if row is None or (message.get(39) == "00" and row.outcome not in {Outcome.REVERSED, Outcome.DECLINED}):
        yield Finding("I7", _text(name), "a reversal is confirmed before it is stored")


def call_is_stored(observed: Observed, call: ChannelCall) -> Findings:
    """I7: a call leaves only when what it is about is durable, and a debt is called only while it is owed."""
    row = observed.rows.get(observed.names.get(int(call.reference), ("", "", "")))
    if row is None:
        yield Finding("I7", call.reference, "a call leaves before it is durable")
    elif call.reverse and row.leg is not Leg.REVERSAL_DUE:
        yield Finding("I7", str(row.key), "a reversal is called before it is durable")


# --- checks at the end ------------------------------------------------------------------------------------------------


def approved_is_posted_once(quiet: Quiet) -> Findings:
    """I1: what the terminal holds for approved stands in the ledger, once and in full."""
    for name, seen in quiet.observed.payments.items():
        posted = quiet.observed.ledger.get(name, 0)
        if seen.stands == "approved" and posted != seen.net:
            yield Finding("I1", _text(name), f"approved over {seen.net}, posted {posted}")


def slips_are_posted(quiet: Quiet) -> Findings:
    """I1: whoever holds a slip is right."""
    for slip in quiet.observed.slips:
        name = (slip.shop.terminal_no, slip.batch, slip.voucher)
        if quiet.observed.ledger.get(name, 0) != slip.amount:
            yield Finding("I1", _text(name), f"printed {slip.amount}, posted {quiet.observed.ledger.get(name, 0)}")


def postings_have_a_payment(quiet: Quiet) -> Findings:
    """I3: nothing stands in the ledger that does not stand at its terminal."""
    for name, posted in quiet.observed.ledger.items():
        seen = quiet.observed.payments.get(name)
        if posted and (seen is None or seen.stands != "approved"):
            yield Finding("I3", _text(name), f"posted {posted}, but it does not stand at the terminal")


def issuer_agrees_with_ledger(quiet: Quiet) -> Findings:
    """I2 and I3: what the issuer moved for a payment is what the ledger says, but where it said two things itself."""
    rows = {row.reference: _name(row.key) for row in quiet.observed.rows.values()}
    moved = {reference: 0 if m.reversed else -m.amount for reference, m in quiet.movements.items()}
    for reference in sorted((rows.keys() | moved.keys()) - quiet.lied_about):
        name = rows.get(reference, ("", "", reference))
        posted = quiet.observed.ledger.get(name, 0)
        if moved.get(reference, 0) != posted:
            yield Finding("I3", _text(name), f"the issuer moved {moved.get(reference, 0)}, the ledger {posted}")


def nothing_is_open(quiet: Quiet) -> Findings:
    """I4: in a quiet world neither side has an open payment."""
    for name, seen in quiet.observed.payments.items():
        if seen.stands == "open":
            yield Finding("I4", _text(name), "still open at the terminal")
    for row in quiet.books.transactions:
        if row.due_at is not None or row.outcome is Outcome.PENDING:
            yield Finding("I4", str(row.key), f"still owed at the host: {row.outcome.value}, {row.leg.value}")


def batches_balance(quiet: Quiet) -> Findings:
    """I6: terminal and host agree about every batch."""
    for terminal, records in quiet.observed.records.items():
        for record in records:
            if isinstance(record, BatchClosed) and not record.balanced:
                yield Finding("I6", f"{terminal}-{record.batch}", UNBALANCED)


def store_is_what_was_committed(quiet: Quiet) -> Findings:
    """I9: the host's store holds every row as it was committed last, and the ledger every posting."""
    stored = {_name(row.key): (row.outcome, row.leg, row.reply) for row in quiet.books.transactions}
    for name, row in quiet.observed.rows.items():
        if stored.get(name) != (row.outcome, row.leg, row.reply):
            yield Finding("I9", _text(name), "the host's store does not hold what was committed")
    ledger: dict[Name, int] = {}
    for record in quiet.books.records:
        if record.account != CLEARING:
            ledger[_name(record.key)] = ledger.get(_name(record.key), 0) - record.amount
    if ledger != quiet.observed.ledger:
        yield Finding("I9", "ledger", "the host's ledger does not hold what was posted")


def journals_are_what_was_written(quiet: Quiet) -> Findings:
    """I9: every journal holds exactly the records that were written."""
    for terminal, journal in quiet.journals.items():
        if list(journal) != quiet.observed.records.get(terminal, []):
            yield Finding("I9", terminal, "the journal does not hold what was written")


def books_validate(quiet: Quiet) -> Findings:
    """I2, I3, I5, I8, I11: the validations that the host itself runs in production."""
    for breach in breaches(quiet.books):
        yield Finding("I5", breach.where, f"{breach.validation}: {breach.text}")


CHECKS_AT_THE_END: tuple[Callable[[Quiet], Findings], ...] = (
    approved_is_posted_once,
    slips_are_posted,
    postings_have_a_payment,
    issuer_agrees_with_ledger,
    nothing_is_open,
    batches_balance,
    store_is_what_was_committed,
    journals_are_what_was_written,
    books_validate,
)


def _name(key: Iterable[str] | Key) -> Name:
    if isinstance(key, Key):
        return key.terminal, key.batch, key.trace
    terminal, batch, trace = key
    return terminal, batch, trace


def _name_in(message: Message) -> Name:
    return message.text(41, ""), message.text(60, "")[2:8], message.text(11, "")


def _text(name: Name) -> str:
    return "-".join(name)
