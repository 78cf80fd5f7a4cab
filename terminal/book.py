"""The counter's book: what the journal's records add up to. The only durable state that the cores know.

`Book.apply` is the fold. It runs when a core decides (together with the effect Persist) and again at every start, so
the state after a restart is the state before it. A batch is forgotten when it is closed; the journal still has it.

A batch that was parked is forgotten, too, but for what the limits must know of it (`Book.parked`). When it is its turn
to be brought to the host, it gets a book of its own (`terminal/parked.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iso8583.transactions import TYPES, TransactionType
from iso8583.unionpay import Data59
from paycode.signed import Memory, Spent
from terminal.records import (
    CARD_ERASED,
    CODE_SCHEME,
    DECLINED_LATER,
    SETTLEMENT_TRACE,
    Answered,
    ApprovedByCode,
    ApprovedOffline,
    Attention,
    BatchClosed,
    BatchParked,
    Cancelled,
    ClosedByPeople,
    Completed,
    DrawerOpened,
    HostTime,
    Key,
    LateAnswer,
    ParametersTaken,
    PrintBegan,
    Printed,
    Record,
    ReversalDue,
    Reversed,
    Sent,
    SettleAnswered,
    SettleStarted,
    SignedOn,
    SpentTwice,
    Started,
)  # fmt: skip
from terminal.sums import Lost, Owed, Shares, Totals
from terminal.transitions import FINAL, State

FIRST_BATCH = "000001"


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as the records tell it. Amounts in minor units; `means` and `chip` are masked and printable."""

    key: Key
    type: str
    amount: int
    currency: str
    operator: str
    at: float
    request_id: str
    authorised_by: str = ""
    original: Key | None = None
    state: State = State.STARTED
    entry_mode: str = ""
    means: str = ""
    card: str = field(default="", repr=False)
    recovery_fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    chip: Mapping[str, str] = field(default_factory=dict)
    signature: bool = False
    card_token: str = field(default="", repr=False)
    scheme: str = ""
    verified_by: str = ""
    response_code: str = ""
    reference: str = ""
    authorisation: str = ""
    host_time: str = ""
    host_date: str = ""
    issuer: str = ""
    text: str = ""
    balance: int | None = None
    reason: str = ""
    printed: bool = False
    attention: str = ""
    voided_by: Key | None = None
    refunded: int = 0
    owed_since: float = 0.0
    closed_by_people: ClosedByPeople | None = None
    spent_twice: bool = False

    @property
    def rules(self) -> TransactionType:
        """The type's row in the table of transactions."""
        return TYPES[self.type]

    @property
    def is_final(self) -> bool:
        """Nothing more can happen to the money of this payment."""
        return self.state in FINAL

    @property
    def needs_people(self) -> bool:
        """Its end is not known, and the terminal cannot ask for it any more: two people may close it."""
        return self.state in (State.SENT, State.ADVICE_DUE) and self.attention == CARD_ERASED

    @property
    def is_booked_sale(self) -> bool:
        """Money can go back: the sale is approved, and has the reference by which the host knows it."""
        return self.state is State.APPROVED and self.rules.direction == "debit" and bool(self.reference)

    @property
    def has_slip(self) -> bool:
        """The money has moved, or is owed on the chip's word: whoever asks for a slip gets one."""
        return self.state in (State.APPROVED, State.ADVICE_DUE) and self.rules.direction != "none"

    @property
    def receipt_due(self) -> bool:
        """There must be a slip, but none is known to be on paper."""
        return self.has_slip and not self.printed


class Book:
    """Batch, trace number, payments of the open batch, the settlement under way, slips due, what the host has set.

    Of the batches that are parked, oldest first, it has what stood when they were parked; of the one that is being
    brought to the host (`draining`) what stands now. `lost` is what those have lost that were closed since people have
    settled last, `unbalanced` how many of them did not balance. `drawer_opened`: when the cash drawer was last opened
    in this batch, other than by a test, and why.
    """

    def __init__(self, parked_batch: str = "") -> None:
        self.of_parked = bool(parked_batch)
        self.batch = self.host_batch = parked_batch or FIRST_BATCH
        self.batch_is_known = False
        self.next_trace = 1
        self.payments: dict[Key, Payment] = {}
        self.requests: dict[str, Key] = {}
        self.settling: SettleStarted | None = None
        self.settle_answer: SettleAnswered | None = None
        self.last_settled: SettleStarted | None = None
        self.last_closed: BatchClosed | None = None
        self.parameters: ParametersTaken | None = None
        self.parked: dict[str, BatchParked] = {}
        self.parked_settling: SettleStarted | None = None
        self.draining: Book | None = None
        self._in_parked: tuple[Owed, tuple[int, int], Shares] | None = None
        self.lost = Lost()
        self.newest_at = 0.0
        """No earlier can it be now: the latest time of a record since the host last vouched for one."""
        self.host_time: float | None = None
        """The time that the host last vouched for, and in which of our batches."""
        self.host_time_batch = ""
        self.drawer_opened: DrawerOpened | None = None
        self.codes = Memory()
        """The last codes of each customer's key that have paid here offline, also in batches that are closed."""
        self.unbalanced = 0
        self.slips_due: dict[Key, int] = {}
        """Slips that are not known to be on paper, oldest first, and how often each has begun to be printed."""

    @classmethod
    def of_parked_batch(cls, batch: str, records: Iterable[Record]) -> "Book":
        """The book of one parked batch, from what the journal holds of it."""
        book = cls(batch)
        for record in records:
            book.apply(record)
        return book

    def apply(self, record: Record) -> None:
        """Add one record; records come in the order in which they were persisted."""
        if isinstance(record, ApprovedByCode):
            self.codes.add(bytes.fromhex(record.user), Spent(record.counter, record.code, record.until))
            if record.key not in self.payments:
                return  # of an earlier batch: neither its payment nor its time has a bearing on this one
        key = getattr(record, "key", None)
        if key is not None and key.batch in self.parked:
            self._of_a_parked_batch(record)
        else:
            _APPLY[type(record)](self, record)
        self.newest_at = record.at if isinstance(record, HostTime) else max(self.newest_at, record.at)

    def find(self, key: Key) -> Payment | None:
        """A payment of the open batch, or of the parked one that is being brought to the host."""
        if key not in self.payments and self.draining is not None:
            return self.draining.payments.get(key)
        return self.payments.get(key)

    @property
    def host_is_behind(self) -> bool:
        """The host is still in the batch that we closed last: the acknowledgement of its end was not the host's."""
        return self.last_closed is not None and self.host_batch == self.last_closed.batch

    def unresolved(self) -> list[Payment]:
        """Payments whose end is not known, oldest first."""
        return [payment for payment in self.payments.values() if not payment.is_final]

    def offline(self) -> Owed:
        """What was sold offline and is not at the bank yet, in all batches: the money that the shop may lose."""
        here = self.owed_here() + self._as_when_parked()[0]
        if self.draining is None:
            return here
        live, parked = self.draining.offline(), self.parked[self.draining.batch]
        if live.count and parked.owed_since is not None:  # a sale of it may bear the time of a clock that was ahead
            live = replace(live, since=min(live.since or parked.owed_since, parked.owed_since))
        return here + live

    def asked(self) -> tuple[int, int]:
        """How many payments, in all batches, wait for an answer of the host, and how many of those are reversals.

        Offline sales are not among them: they stand in nobody's way.
        """
        parts = (self.asked_here(), self._as_when_parked()[1], self.draining.asked() if self.draining else (0, 0))
        return sum(asked for asked, _ in parts), sum(reversals for _, reversals in parts)

    def owed_here(self) -> Owed:
        """What `offline` says, of this batch alone."""
        owed = self.advices_due()
        return Owed(len(owed), sum(p.amount for p in owed), min((p.owed_since for p in owed), default=None))

    def owed_at_hand(self) -> list[Payment]:
        """The sales of which `offline` is the sum, but for those in batches that are parked and not loaded."""
        return self.advices_due() + (self.draining.owed_at_hand() if self.draining else [])

    def owed_not_at_hand(self) -> Owed:
        """What `offline` says, of those batches."""
        return self._as_when_parked()[0]

    def shares_not_at_hand(self) -> Shares:
        """The parts of what is owed in them."""
        return self._as_when_parked()[2]

    def advices_due(self) -> list[Payment]:
        """The sales of this batch of which `offline` is the sum."""
        return [payment for payment in self.payments.values() if payment.state is State.ADVICE_DUE]

    def asked_here(self) -> tuple[int, int]:
        """What `asked` says, of this batch alone."""
        waiting = [p.state for p in self.unresolved() if p.state is not State.ADVICE_DUE]
        return len(waiting), waiting.count(State.REVERSAL_DUE)

    def load(self, draining: "Book | None") -> None:
        """From now on this is the parked batch that is being brought to the host. All others are as when parked."""
        self.draining, self._in_parked = draining, None

    def _as_when_parked(self) -> tuple[Owed, tuple[int, int], Shares]:
        """What the batches that are parked and not loaded owe; added up once for as long as it stays so."""
        if self._in_parked is None:
            live = self.draining.batch if self.draining else ""
            waiting = [record for record in self.parked.values() if record.batch != live]
            times = (record.owed_since for record in waiting if record.owed_since is not None)
            count, amount = sum(r.owed_count for r in waiting), sum(r.owed_amount for r in waiting)
            asked = sum(r.asked for r in waiting), sum(r.reversals for r in waiting)
            shares = Shares.total(_shares(record) for record in waiting)
            self._in_parked = Owed(count, amount, min(times, default=None)), asked, shares
        return self._in_parked

    def declined_later(self) -> Lost:
        """What the bank has declined of this batch that had been sold offline."""
        amounts = [p.amount for p in self.payments.values() if p.attention == DECLINED_LATER]
        return Lost(len(amounts), sum(amounts))

    def totals(self) -> Totals:
        """Sum up the approved payments of the batch."""
        taken = [p.amount for p in self._approved("debit")]
        given = [p.amount for p in self._approved("credit")]
        return Totals(sum(taken), len(taken), sum(given), len(given))

    def approved(self) -> list[Payment]:
        """Approved payments that moved money, in trace order."""
        return self._approved("debit", "credit")

    def _approved(self, *directions: str) -> list[Payment]:
        return [p for p in self.payments.values() if p.state is State.APPROVED and p.rules.direction in directions]

    def _update(self, key: Key, **changes: Any) -> None:
        self.payments[key] = replace(self.payments[key], **changes)

    # One function for each type of record.

    def _started(self, r: Started) -> None:
        self.payments[r.key] = Payment(
            r.key, r.type, r.amount, r.currency, r.operator, r.at, r.request_id, r.authorised_by, r.original
        )
        self.requests[r.request_id] = r.key
        self.next_trace = int(r.key.trace) % 999_999 + 1

    def _sent(self, r: Sent) -> None:
        self._update(
            r.key, state=State.SENT, type=r.type, entry_mode=r.entry_mode, means=r.means, card=r.card,
            recovery_fields=r.recovery_fields, chip=r.chip, signature=r.signature, verified_by=r.verified_by,
        )  # fmt: skip

    def _approved_offline(self, r: ApprovedOffline) -> None:
        self._update(
            r.key, state=State.ADVICE_DUE, entry_mode=r.entry_mode, means=r.means, card=r.card,
            recovery_fields=r.recovery_fields, chip=r.chip, signature=r.signature,
            card_token=r.card_token, scheme=r.scheme, verified_by=r.verified_by, owed_since=self.payments[r.key].at,
        )  # fmt: skip
        self._slip_due(r.key)

    def _approved_by_code(self, r: ApprovedByCode) -> None:
        fields = {**r.recovery_fields, "59": Data59(signed_code=r.code).to_text()}
        self._update(
            r.key, state=State.ADVICE_DUE, type="offline_code_sale", entry_mode=fields["22"], means=r.means,
            recovery_fields=fields, card_token=r.user, scheme=CODE_SCHEME, owed_since=self.payments[r.key].at,
        )  # fmt: skip
        self._slip_due(r.key)

    def _spent_twice(self, r: SpentTwice) -> None:
        self._update(r.key, spent_twice=True)

    def _answered(self, r: Answered) -> None:
        too_late = self.payments[r.key].rules.is_offline and not r.approved
        state = State.DECLINED if not r.approved else State.COMPLETING if r.card_waits else State.APPROVED
        self._update(
            r.key, state=state, response_code=r.response_code, amount=r.amount, reference=r.reference,
            authorisation=r.authorisation, host_time=r.host_time, host_date=r.host_date, issuer=r.issuer, text=r.text,
            balance=r.balance, attention=DECLINED_LATER if too_late else "",
        )  # fmt: skip
        self._credit_original(r.key)
        self._slip_due(r.key)

    def _slip_due(self, key: Key) -> None:
        """One more slip to print, or one less: of an offline sale that was declined before it was printed."""
        if self.payments[key].receipt_due:
            self.slips_due.setdefault(key, 0)
        else:
            self.slips_due.pop(key, None)

    def _credit_original(self, key: Key) -> None:
        """Mark the sale that an approved void or refund gives back, if it lies in this batch."""
        payment = self.payments[key]
        if payment.state is not State.APPROVED or payment.original not in self.payments:
            return
        if payment.type in ("sale_void", "qr_void"):
            self._update(payment.original, voided_by=key)
        else:
            self._update(payment.original, refunded=self.payments[payment.original].refunded + payment.amount)

    def _completed(self, r: Completed) -> None:
        self._update(r.key, state=State.APPROVED, chip={**self.payments[r.key].chip, **r.chip})
        self._slip_due(r.key)

    def _cancelled(self, r: Cancelled) -> None:
        self._update(r.key, state=State.CANCELLED, reason=r.reason)

    def _reversal_due(self, r: ReversalDue) -> None:
        self._update(r.key, state=State.REVERSAL_DUE, reason=r.reason)

    def _reversed(self, r: Reversed) -> None:
        self._update(r.key, state=State.REVERSED, response_code=r.response_code, attention="")

    def _late_answer(self, r: LateAnswer) -> None:
        """Evidence only."""

    def _attention(self, r: Attention) -> None:
        self._update(r.key, attention=r.reason)

    def _closed_by_people(self, r: ClosedByPeople) -> None:
        state = State.APPROVED if r.booked else State.DECLINED
        self._update(r.key, state=state, closed_by_people=r, attention="")
        self._credit_original(r.key)
        self._slip_due(r.key)

    def _print_began(self, r: PrintBegan) -> None:
        if r.key in self.slips_due:
            self.slips_due[r.key] += 1

    def _printed(self, r: Printed) -> None:
        self.slips_due.pop(r.key, None)
        if r.key in self.payments:
            self._update(r.key, printed=True)

    def _of_a_parked_batch(self, record: Any) -> None:
        """Of a batch whose payments are not here only the slips are: those that are due survive the parking."""
        match record:
            case PrintBegan():
                self._print_began(record)
            case Printed(key):
                self._printed(record)
                if self.draining and key in self.draining.payments:
                    self.draining.apply(record)
            case Answered(approved=False) | ClosedByPeople(booked=False):
                self.slips_due.pop(record.key, None)

    def _signed_on(self, r: SignedOn) -> None:
        """Take the host's batch number while nothing counts in ours, but never that of the one closed before."""
        self.host_batch, self.batch_is_known = r.batch, True
        counts = any(not p.is_final or p.state is State.APPROVED for p in self.payments.values())
        if not (counts or self.parked) and self.settling is None and not self.host_is_behind:
            self.batch = r.batch

    def _settle_started(self, r: SettleStarted) -> None:
        if r.parked is not self.of_parked:
            self.parked_settling = r
            return
        self.settling = r
        self.settle_answer = None

    def _settle_answered(self, r: SettleAnswered) -> None:
        if self.settling is not None and self.settling.batch == r.batch:
            self.settle_answer = r

    def _batch_closed(self, r: BatchClosed) -> None:
        if r.parked:
            self._parked_batch_closed(r)
            return
        self.slips_due.clear()
        self._settlement_slip_due(r)
        self.last_settled, self.last_closed = self.settling, r
        self.lost, self.unbalanced = Lost(), 0
        self.settling = self.settle_answer = None
        self._begin(r.next_batch, r.next_trace)

    def _parked_batch_closed(self, r: BatchClosed) -> None:
        """The open batch goes on."""
        self.parked.pop(r.batch, None)
        for key in [key for key in self.slips_due if key.batch == r.batch]:
            del self.slips_due[key]
        self._settlement_slip_due(r)
        self.load(None)
        self.last_settled, self.last_closed = self.parked_settling, r
        self.lost = Lost(self.lost.count + r.lost_count, self.lost.amount + r.lost_amount)
        self.unbalanced += not r.balanced

    def _batch_parked(self, r: BatchParked) -> None:
        """Let the payments go. Slips of the batch before that are still due after a whole batch are let go as well."""
        closed = self.last_closed.batch if self.last_closed else ""
        self.slips_due = {key: begun for key, begun in self.slips_due.items() if key.batch in (r.batch, closed)}
        self.parked[r.batch], self._in_parked = r, None
        self.lost, self.unbalanced = Lost(r.lost_count, r.lost_amount), r.unbalanced
        self._begin(r.next_batch, r.next_trace)

    def _settlement_slip_due(self, r: BatchClosed) -> None:
        if r.terminal:
            self.slips_due[Key(r.terminal, r.batch, SETTLEMENT_TRACE)] = 0

    def _begin(self, batch: str, next_trace: str) -> None:
        self.payments.clear()
        self.requests.clear()
        self.drawer_opened = None
        self.batch, self.next_trace, self.batch_is_known = batch, int(next_trace), True

    def _parameters_taken(self, r: ParametersTaken) -> None:
        self.parameters = r

    def _host_time(self, r: HostTime) -> None:
        """Whatever is owed was owed before, even if the clock was ahead when it was sold."""
        self.host_time, self.host_time_batch = r.at, self.batch
        for payment in self.unresolved():
            if payment.owed_since > r.at:
                self._update(payment.key, owed_since=r.at)
        for batch, parked in self.parked.items():
            if parked.owed_since is not None and parked.owed_since > r.at:
                self.parked[batch], self._in_parked = replace(parked, owed_since=r.at), None
        if self.draining:
            self.draining.apply(r)

    def _drawer_opened(self, r: DrawerOpened) -> None:
        self.drawer_opened = r


def _shares(r: BatchParked) -> Shares:
    return Shares(r.owed_by_operator, r.owed_by_scheme, r.owed_count_by_scheme, r.owed_by_slice)


_APPLY: dict[type, Callable[[Book, Any], None]] = {
    Started: Book._started,
    Sent: Book._sent,
    ApprovedOffline: Book._approved_offline,
    ApprovedByCode: Book._approved_by_code,
    SpentTwice: Book._spent_twice,
    Answered: Book._answered,
    Completed: Book._completed,
    Cancelled: Book._cancelled,
    ReversalDue: Book._reversal_due,
    Reversed: Book._reversed,
    LateAnswer: Book._late_answer,
    Attention: Book._attention,
    ClosedByPeople: Book._closed_by_people,
    PrintBegan: Book._print_began,
    Printed: Book._printed,
    SignedOn: Book._signed_on,
    SettleStarted: Book._settle_started,
    SettleAnswered: Book._settle_answered,
    BatchClosed: Book._batch_closed,
    BatchParked: Book._batch_parked,
    ParametersTaken: Book._parameters_taken,
    HostTime: Book._host_time,
    DrawerOpened: Book._drawer_opened,
}
