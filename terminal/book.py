"""The counter's book: what the journal's records add up to. The only durable state that the cores know.

`Book.apply` is the fold. It runs when a core decides (together with the effect Persist) and again at every start, so
the state after a restart is the state before it. A batch is forgotten when it is closed; the journal still has it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iso8583.transactions import TYPES, TransactionType
from terminal.records import (
    CARD_ERASED,
    DECLINED_LATER,
    SETTLEMENT_TRACE,
    Answered,
    ApprovedOffline,
    Attention,
    BatchClosed,
    Cancelled,
    ClosedByPeople,
    Completed,
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
    Started,
)  # fmt: skip
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
    card_token: str = ""
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
    closed_by_people: ClosedByPeople | None = None

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


@dataclass(frozen=True, slots=True)
class Totals:
    """What field 48 of a settlement says: sales on the debit side, voids and refunds on the credit side."""

    debit_amount: int = 0
    debit_count: int = 0
    credit_amount: int = 0
    credit_count: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """Offline sales that the bank has not answered: how many, what they come to, and when the oldest was made."""

    count: int = 0
    amount: int = 0
    since: float | None = None


class Book:
    """Batch, trace number, payments of the open batch, the settlement under way, slips due, what the host has set."""

    def __init__(self) -> None:
        self.batch = self.host_batch = FIRST_BATCH
        self.batch_is_known = False
        self.next_trace = 1
        self.payments: dict[Key, Payment] = {}
        self.requests: dict[str, Key] = {}
        self.settling: SettleStarted | None = None
        self.settle_answer: SettleAnswered | None = None
        self.last_settled: SettleStarted | None = None
        self.last_closed: BatchClosed | None = None
        self.parameters: ParametersTaken | None = None
        self.slips_due: dict[Key, int] = {}
        """Slips that are not known to be on paper, oldest first, and how often each has begun to be printed."""

    def apply(self, record: Record) -> None:
        """Add one record; records come in the order in which they were persisted."""
        _APPLY[type(record)](self, record)

    @property
    def host_is_behind(self) -> bool:
        """The host is still in the batch that we closed last: the acknowledgement of its end was not the host's."""
        return self.last_closed is not None and self.host_batch == self.last_closed.batch

    def unresolved(self) -> list[Payment]:
        """Payments whose end is not known, oldest first."""
        return [payment for payment in self.payments.values() if not payment.is_final]

    def offline(self) -> Owed:
        """What was sold offline and is not at the bank yet: the money that the shop may lose."""
        owed = self.owed()
        return Owed(len(owed), sum(p.amount for p in owed), min((p.at for p in owed), default=None))

    def owed(self) -> list[Payment]:
        """The sales of which `offline` is the sum."""
        return [payment for payment in self.payments.values() if payment.state is State.ADVICE_DUE]

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
            card_token=r.card_token, scheme=r.scheme, verified_by=r.verified_by,
        )  # fmt: skip
        self._slip_due(r.key)

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

    def _signed_on(self, r: SignedOn) -> None:
        """Take the host's batch number while nothing counts in ours, but never that of the one closed before."""
        self.host_batch, self.batch_is_known = r.batch, True
        counts = any(not p.is_final or p.state is State.APPROVED for p in self.payments.values())
        if not counts and self.settling is None and not self.host_is_behind:
            self.batch = r.batch

    def _settle_started(self, r: SettleStarted) -> None:
        self.settling = r
        self.settle_answer = None

    def _settle_answered(self, r: SettleAnswered) -> None:
        self.settle_answer = r

    def _batch_closed(self, r: BatchClosed) -> None:
        self.payments.clear()
        self.requests.clear()
        self.slips_due.clear()
        if r.terminal:
            self.slips_due[Key(r.terminal, r.batch, SETTLEMENT_TRACE)] = 0
        self.last_settled, self.last_closed = self.settling, r
        self.settling = self.settle_answer = None
        self.batch, self.next_trace, self.batch_is_known = r.next_batch, int(r.next_trace), True

    def _parameters_taken(self, r: ParametersTaken) -> None:
        self.parameters = r


_APPLY: dict[type, Callable[[Book, Any], None]] = {
    Started: Book._started,
    Sent: Book._sent,
    ApprovedOffline: Book._approved_offline,
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
    ParametersTaken: Book._parameters_taken,
}
