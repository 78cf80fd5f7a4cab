"""The auditor: a second, simpler set of books on what everybody in the simulated world does.

It sees each record when it is durable, each message when it leaves, each slip when it is on paper, each commit of the
host. From these it keeps its own account of every payment, without the cores' tables (`observed.py`), and complains at
once or, when the world is quiet again, at the end (`audit_checks.py`). A complaint appeals to one of these:

- I1 no approved payment is lost: what was approved, or printed as approved, stands in the ledger once, in full; but for
  an offline sale that the issuer declined later, or two people closed so, and then people are told;
- I2 nothing is debited twice, and a repeated request gets the stored answer byte for byte;
- I3 no posting without a payment that stands at the terminal, and the issuer agrees with the ledger;
- I4 ambiguity ends: only an answer closes what was sent, or two people what cannot be asked for any more; and in a
  quiet world everything is closed;
- I5 every entry is balanced, and the host's own validations hold;
- I6 slips contradict neither each other nor the ledger, and batches balance;
- I7 what is said, printed or told to a chip was durable before;
- I8 no track, PIN block, payment code or clear card number is ever durable;
- I9 nothing durable is forgotten by a restart;
- I10 queues stay within their limits;
- I11 a key names one payment, and the same key with other content is refused and reported;
- I12 what the host asks of a terminal waits while a payment is in hand, and is durable before the host is told;
- I13 over the courier goes only what is owed, never what somebody waits for at the counter;
- I14 offline sales go to the host for the first time in the order in which they were sold.
"""

from collections.abc import Callable, Iterable

from firmware_config.profile import Limits, Offline
from host_switch.channels import ChannelCall
from host_switch.events import Decision, Persist, Report
from host_switch.ledger import CLEARING
from host_switch.records import Batch, CodeSpent, Entry, Event, Transaction
from iso8583 import Message
from iso8583.transactions import TYPES
from iso8583.unionpay_fields.field62 import Parameters62
from simulators.audit_checks import (
    CHECKS_AT_THE_END,
    answer_is_stored,
    book_is_what_records_say,
    call_is_stored,
    card_has_not_taken_too_much,
    chip_hears_what_is_durable,
    code_pays_once,
    courier_carries_what_is_owed,
    download_is_durable,
    entry_is_balanced,
    errand_waits_for_the_payment,
    forgotten_is_durable,
    no_more_is_given_back_than_paid,
    offline_sales_go_in_order,
    parameters_are_durable,
    printed_is_durable,
    queues_are_bounded,
    repeats_say_so,
    row_keeps_its_word,
    sent_is_durable,
    slips_agree,
)
from simulators.observed import Finding, Observed, Quiet, follow, name_in, name_of
from terminal.book import Book
from terminal.effects import CompleteCard
from terminal.events import CardPresented, CodePresented, Line
from terminal.payment_codes import SIGNED
from terminal.records import (
    Answered,
    ApprovedByCode,
    ApprovedOffline,
    Attention,
    BatchClosed,
    BatchParked,
    ClosedByPeople,
    Key,
    LateAnswer,
    ParametersTaken,
    Record,
    ReversalDue,
    Sent,
)  # fmt: skip
from terminal.slips import Slip


class Auditor:
    """Watches one world. `happened` counts what must happen in a full run, so that a tame world is noticed."""

    def __init__(self, limits: Limits, offline: Offline, happened: Callable[[str], None]) -> None:
        self.observed = Observed()
        self.findings: list[Finding] = []
        self.sales = 0
        self.notes = 0  # what the host has noted or reported so far
        self._limits = limits
        self._offline = offline
        self._happened = happened

    def complain(self, findings: Iterable[Finding]) -> None:
        """Keep complaints."""
        self.findings.extend(findings)

    # --- what terminals do --------------------------------------------------------------------------------------------

    def terminal_persisted(self, terminal: str, record: Record) -> None:  # noqa: C901 - one case for each thing
        """A record is durable."""
        self.observed.records.setdefault(terminal, []).append(record)
        self.complain(follow(self.observed, terminal, record))
        if isinstance(record, Sent) and TYPES[record.type].direction == "debit":
            self.sales += 1
        elif isinstance(record, ApprovedOffline):
            self.sales += 1
            self._happened("offline sale")
            self.complain(card_has_not_taken_too_much(self.observed, record, self._offline))
        elif isinstance(record, ApprovedByCode):
            self.sales += 1
            self._happened("offline sale by code")
        elif isinstance(record, Answered) and not record.approved and self._was_given_away(record.key):
            self._happened("offline sale declined later")
        elif isinstance(record, LateAnswer) and record.response_code == "00":
            self._happened("late approval after reversal")
        elif isinstance(record, ReversalDue) and record.reason == "06":
            self._happened("chip refuses after approval")
        elif isinstance(record, Attention):
            self.observed.payments[name_of(record.key)].called = True
        elif isinstance(record, ParametersTaken):
            self._happened("parameters taken")
        elif isinstance(record, ClosedByPeople):
            self._happened("closed by people")
        elif isinstance(record, BatchParked):
            self._happened("batch parked" if record.waiting == 1 else "batch parked behind others")
        elif isinstance(record, BatchClosed) and record.parked:
            self._happened("parked batch settled")

    def _was_given_away(self, key: Key) -> bool:
        return self.observed.payments[name_of(key)].given_away

    def keys_erased(self, terminal: str) -> None:
        """What this terminal has sealed so far, nobody can unseal any more."""
        sealing = Sent | ApprovedOffline
        sent = (record for record in self.observed.records.get(terminal, ()) if isinstance(record, sealing))
        self.observed.erased_cards |= {record.card for record in sent if record.card}

    def terminal_rests(self, terminal: str, book: Book) -> None:
        """The terminal has finished with an event (or its start): its book must be what its records say."""
        self.complain(book_is_what_records_say(self.observed, terminal, book))
        self.complain(queues_are_bounded(book, self._limits, self._offline))

    def terminal_sends(self, terminal: str, message: Message, line: Line = "host") -> None:
        """A message is about to leave a terminal."""
        if line == "courier":
            self.complain(courier_carries_what_is_owed(self.observed, message))
        self.complain(repeats_say_so(self.observed, message))
        self.complain(offline_sales_go_in_order(self.observed, message))
        if message.mti.startswith(("02", "04")):
            self.observed.left.add((name_in(message), message.mti[:2]))
        self.complain(sent_is_durable(self.observed, terminal, message))
        self.complain(errand_waits_for_the_payment(self.observed, terminal, message))
        self.complain(parameters_are_durable(self.observed, terminal, message))
        self.complain(download_is_durable(self.observed, terminal, message))

    def courier_brings(self, message: Message, mac: str) -> None:
        """The courier brings a terminal something, which may be old, or false."""
        if mac != "good":
            self._happened("courier brings no good MAC")
        elif name_in(message) in self.observed.open:
            self._happened("reversal answered by courier" if message.mti == "0410" else "advice answered by courier")
        elif name_in(message)[:2] in self.observed.closed:
            self._happened("courier answers after the batch was closed")
        else:
            self._happened("courier answers again")

    def download_kept(self, terminal: str, kind: str) -> None:
        """A set that was downloaded is durable."""
        self.observed.kept.add((terminal, kind))
        self._happened("download kept")

    def print_ordered(self, key: Key) -> None:
        """A slip is about to be printed."""
        self.complain(printed_is_durable(self.observed, key))

    def chip_told(self, key: Key | None, word: CompleteCard) -> None:
        """The chip is about to hear the host's answer."""
        self.complain(chip_hears_what_is_durable(self.observed, key, word))

    def customer_presented(self, key: Key, means: CardPresented | CodePresented) -> None:
        """A card or a code gives away what nobody may keep; a signed code is evidence, and is kept."""
        if isinstance(means, CodePresented) and means.code.startswith(SIGNED):
            self.observed.signed_codes.add(means.code)
        elif isinstance(means, CodePresented):
            self.observed.secrets.add(means.code)
            self.observed.codes[name_of(key)] = means.code
        else:
            if means.approved_offline:
                self.observed.certificates.add(means.chip_data.hex())
            pin_block = {means.pin_block.hex()} if means.pin_block else set()
            self.observed.secrets |= {means.pan, means.track2} | pin_block

    def chip_spoke(self, key: Key, agreed: bool) -> None:
        """The chip has had its last word."""
        self.observed.chip_agreed[name_of(key)] = agreed

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
                case CodeSpent():
                    self._happened("phone without network")
                case Batch():
                    self.observed.batches[change.terminal, change.number] = change
                case Event(kind=kind):
                    self.observed.events.append(change)
                    self.notes += 1
                    self._happened(f"host notes: {kind}")

    def _row_committed(self, row: Transaction) -> None:
        name = name_of(row.key)
        before = self.observed.rows.get(name)
        if before is not None:
            self.complain(row_keeps_its_word(before, row))
        elif row.kind == "reversal":
            self._happened("reversal before original")
        self.observed.rows[name] = row
        self.observed.names[row.number] = name
        self.complain(no_more_is_given_back_than_paid(self.observed, row))

    def _post(self, entry: Entry) -> None:
        name = name_of(entry.key)
        owed = -sum(posting.amount for posting in entry.postings if posting.account != CLEARING)
        self.observed.ledger[name] = self.observed.ledger.get(name, 0) + owed

    def host_sends(self, message: Message, body: bytes) -> None:
        """An answer is about to leave the host; `body` is what lies between its header and its MAC."""
        self.complain(answer_is_stored(self.observed, message, body))
        if message.mti == "0810" and message.text(60, "")[8:11] == "360":
            terminal, served = message.text(41), frozenset({Parameters62.parse(message.binary(62, b""))})
            self.observed.served[terminal] = self.observed.served.get(terminal, served) | served

    def host_acknowledges(self, decision: Decision) -> None:
        """The courier is about to forget a message from which this decision followed."""
        self.complain(forgotten_is_durable(self.observed, decision))

    def host_calls(self, call: ChannelCall) -> None:
        """A call to the issuer is about to leave."""
        self.complain(call_is_stored(self.observed, call))
        self.complain(code_pays_once(self.observed, call))

    def host_reported(self, report: Report) -> None:
        """The host reports what leaves no trace in its store."""
        self.notes += 1
        self._happened(f"host reports: {report.kind}")

    def host_knows(self, request: Message) -> bool:
        """Whether the host has stored something under the key of this request."""
        return name_in(request) in self.observed.rows

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self, quiet: Quiet) -> None:
        """The world is quiet: look at everything."""
        for check in CHECKS_AT_THE_END:
            self.complain(check(quiet))
