# ruff: noqa: ARG002 - the functions of one table share one signature
"""The payment machine: decides what happens to a payment, for every transaction type.

It takes events with the time and returns effects. What is durable stands in the book, as records; what this class keeps
beside it may be lost at any moment: which payment the counter is busy with, when an answer is due, when to try again.

The rules, each with its test:
- The key is made and persisted before anything is sent, and never used twice.
- A request is persisted together with all that its reversal needs, before it is sent.
- No answer, a dead link, an answer whose MAC is not good, or a restart: reversed (sales, voids) or repeated (refunds)
  until the host answers. Time never closes a payment.
- An approval that comes late changes nothing; it is kept as evidence.
- A sale that chip or code approved offline is owed to the host until that has booked or declined it; only its word
  ends it.
- A chip that refuses after the host approved: the sale is reversed.
- What is owed goes when `forwarding.py` says so, over the line that it names; a sale only over the line to the host.
- What cannot be asked for any more is closed by two people, by the acquirer's statement. An answer that contradicts
  them after all changes nothing; it is kept as evidence, and calls a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from firmware_config.profile import TerminalProfile
from iso8583 import Message
from iso8583.masking import mask_code
from iso8583.message import response_mti
from iso8583.response_codes import Action, meaning
from iso8583.transactions import TYPES
from terminal import host_parameters, messages
from terminal.answers import APPROVING, amount_fits, answered, judge_advice, judge_reversal, word_of
from terminal.book import Book, Payment
from terminal.effects import AskForMeans, CompleteCard, Effect, Persist, ReleaseMeans, Send
from terminal.events import CardCompleted, CardPresented, CloseByPeople, CodePresented, Line, Means, Original, Received
from terminal.forwarding import Forwarding, Turn, Urgency
from terminal.offline_codes import CodeVerified
from terminal.offline_sales import sold_offline
from terminal.records import (
    CARD_ERASED,
    Attention,
    Cancelled,
    ClosedByPeople,
    Completed,
    Key,
    LateAnswer,
    Record,
    ReversalDue,
    Reversed,
    Sent,
    Started,
)  # fmt: skip
from terminal.transitions import TABLE, Act, Happening, State

NO_ANSWER, BAD_MAC, CARD_REFUSED = "98", "A0", "06"


class Payments:
    """All payments of the open batch. One of them may be in the customer's hands: the *current* one."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._answer_due: dict[Key, float] = {}
        self.forwarding = Forwarding()
        self.current: Key | None = None
        self.link_ready = False

    @property
    def sells_offline(self) -> bool:
        """The current payment waits for a chip or a code that approves without the host."""
        payment = self._current()
        return payment is not None and payment.rules.is_offline

    @property
    def answer_is_owed(self) -> bool:
        """A request is at the host, and its answer is still waited for."""
        return any(self._book.payments[key].state is State.SENT for key in self._answer_due)

    # --- what people ask for ------------------------------------------------------------------------------------------

    def start(self, type_name: str, request_id: str, amount: int, operator: str, now: float) -> list[Effect]:
        """Begin a payment that needs the customer's card or code."""
        effects, payment = self._open(type_name, request_id, amount, operator, now)
        means: tuple[Means, ...] = ("card", "code") if type_name == "sale" else ("card",)
        self._answer_due[payment.key] = now + self._profile.limits.means_timeout_s
        return [*effects, AskForMeans(payment.key, amount, payment.currency, means, payment.rules.is_offline)]

    def void(self, sale: Payment, request_id: str, operator: str, authorised_by: str, now: float) -> list[Effect]:
        """Take back a sale of this batch, without the card: its number is in the journal, sealed."""
        name = "qr_void" if sale.rules.scan else "sale_void"
        effects, payment = self._open(name, request_id, sale.amount, operator, now, authorised_by, sale.key)
        request = messages.void_request(payment, sale, self._profile)
        return effects + self._send(payment, request, sale.means, sale.card, now)

    def refund(
        self, sale: Original, amount: int, request_id: str, operator: str, authorised_by: str, now: float
    ) -> list[Effect]:
        """Give money back for an approved sale, whole or in part."""
        name = "qr_refund" if TYPES[sale.type].scan else "refund"
        effects, payment = self._open(name, request_id, amount, operator, now, authorised_by, sale.key)
        request = messages.refund_request(payment, sale, self._profile)
        return effects + self._send(payment, request, sale.means, sale.card, now)

    def cancel(self, reason: str, now: float) -> list[Effect]:
        """Give up the current payment, if it has not been sent."""
        payment = self._current()
        return [] if payment is None else self._happen(payment, Happening.GIVEN_UP, now, _Facts(reason=reason))

    def close_by_people(self, said: CloseByPeople, now: float) -> list[Effect]:
        """Take the word of two people; the caller has made sure that this payment cannot be asked for any more."""
        happening = Happening.PEOPLE_SAY_BOOKED if said.booked else Happening.PEOPLE_SAY_NOT_BOOKED
        return self._happen(self._book.payments[said.key], happening, now, _Facts(people=said))

    # --- what devices report ------------------------------------------------------------------------------------------

    def presented(self, means: CardPresented | CodePresented | CodeVerified, now: float) -> list[Effect]:
        """The customer presented a card or a code. If the line has died meanwhile, nothing is sent.

        Only a sale that was asked for as one is sold offline, even if the chip or the code would approve any.
        """
        payment = self._current()
        if payment is None:
            return []
        by_itself = isinstance(means, CodeVerified) or (isinstance(means, CardPresented) and means.approved_offline)
        if by_itself != payment.rules.is_offline:
            return self.cancel("card_approved_offline" if by_itself else "card_host_unreachable", now)
        if by_itself:
            return self._happen(payment, Happening.APPROVED_OFFLINE, now, _Facts(means=means))
        if not self.link_ready:
            return self.cancel("no_link", now)
        return self._happen(payment, Happening.PRESENTED, now, _Facts(means=means))

    def card_erased(self, key: Key, now: float) -> list[Effect]:
        """A refund that must be repeated and cannot be: only a person can find out what became of it."""
        payment = self._book.payments.get(key)
        if payment is None:
            return []
        self.forwarding.cannot_be_sent(key)
        called = [] if payment.attention else [self._persist(Attention(key, CARD_ERASED, now))]
        return called + self.forward(now)

    def card_completed(self, event: CardCompleted, now: float) -> list[Effect]:
        """The chip had its last word."""
        payment = self._current()
        if payment is None or payment.state is not State.COMPLETING:
            return []
        happening = Happening.CHIP_AGREED if event.agreed else Happening.CHIP_REFUSED
        return self._happen(payment, happening, now, _Facts(chip=event.chip, reason=CARD_REFUSED))

    # --- the host's answers -------------------------------------------------------------------------------------------

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer (0210, 0230, 0410). One that fits no payment, or not exactly, is ignored.

        An answer makes room for what is owed next.
        """
        payment = self._payment_of(event.message)
        if payment is None or not self._fits(payment, event.message):
            return []
        if event.line == "courier" and (event.mac != "good" or payment.key in self._answer_due):
            return []  # the courier brings answers to what is owed: whoever waits at the counter is told by the host
        happening = judge_reversal(event) if event.message.mti == "0410" else self._judge(payment, event)
        if event.mac == "good":
            self.forwarding.answered(payment.key, event.line, word_of(happening, event.message), now)
        reason = NO_ANSWER if event.mac == "good" else BAD_MAC
        effects = self._happen(payment, happening, now, _Facts(answer=event.message, reason=reason))
        return effects + self.forward(now)

    def _payment_of(self, answer: Message) -> Payment | None:
        return self._book.payments.get(messages.key_in(answer))

    def _fits(self, payment: Payment, answer: Message) -> bool:
        """Response acceptance: message type, processing code, merchant and amount are those of the request."""
        request_mti = "0400" if answer.mti == "0410" else payment.rules.mti
        return (
            answer.mti == response_mti(request_mti)
            and answer.get(3) == payment.rules.processing_code
            and answer.get(42) == self._profile.merchant_id
            and amount_fits(payment, answer)
        )

    def _judge(self, payment: Payment, event: Received) -> Happening:
        """What an answer means. One without a good MAC, or without what it must say, proves nothing."""
        code = event.message.text(39, "")
        action = meaning(code).action
        if event.mac != "good" or not code or action is Action.REVERSE:
            return _DOUBTS[payment.rules.recovery]
        if payment.rules.is_offline:
            return judge_advice(event.message, code)
        if action not in APPROVING:
            return Happening.DECLINED
        if 37 not in event.message:  # without its reference it could be neither voided nor refunded
            return _DOUBTS[payment.rules.recovery]
        chip_waits = payment.entry_mode.startswith("05") and payment.rules.direction != "none"
        return Happening.APPROVED_CHIP_WAITS if chip_waits else Happening.APPROVED

    # --- the link and the clock ---------------------------------------------------------------------------------------

    def lines_are(self, lines: frozenset[Line], now: float) -> list[Effect]:
        """The lines that can be used now. What was sent to a host whose line has died has no answer any more."""
        if lines == self.forwarding.lines:
            return []
        self.forwarding.lines_are(lines, now)
        waits: list[Payment] = []
        if self.link_ready and "host" not in lines:
            waits = [p for p in self._book.unresolved() if p.state is State.SENT and p.key in self._answer_due]
        self.link_ready = "host" in lines
        return [effect for payment in waits for effect in self._doubt(payment, now)] + self.forward(now)

    def courier_refused(self, key: Key, now: float) -> list[Effect]:
        """The broker does not carry this message."""
        self.forwarding.not_carried(key, "courier", now)
        return self.forward(now)

    def send_now(self, now: float) -> list[Effect]:
        """A person does not want to wait until it is time."""
        self.forwarding.send_now(now)
        return self.forward(now)

    def hold_advices(self, held: bool, now: float) -> list[Effect]:
        """Whether the advices of this batch wait for those of older ones."""
        goes_on = self.forwarding.holds_advices and not held
        self.forwarding.holds_advices = held
        return self.forward(now) if goes_on else []

    def forward(self, now: float) -> list[Effect]:
        """Send what is owed, as far as it is its turn."""
        effects: list[Effect] = []
        for turn in self.forwarding.turns(now):
            effects += self._happen(self._book.payments[turn.key], Happening.RETRY, now, _Facts(turn=turn))
        return effects

    def let_all_go(self) -> None:
        """The batch is parked: what is owed of it is brought to the host from a book of its own."""
        assert self.current is None, "no batch is parked with a payment in anybody's hands"
        self._answer_due.clear()
        self.forwarding.forget_all()

    def resume(self, now: float) -> list[Effect]:
        """After a start: nothing is known of what was under way, so it is cancelled, reversed or repeated."""
        effects: list[Effect] = []
        for payment in self._book.unresolved():
            if payment.state is State.STARTED:
                effects += self._happen(payment, Happening.GIVEN_UP, now, _Facts(reason="restarted"))
            elif payment.state in (State.REVERSAL_DUE, State.ADVICE_DUE):
                self._owe(payment, now, tries=1)
            else:
                effects += self._doubt(payment, now)
        return effects

    def tick(self, now: float, missed: str = "no_means") -> list[Effect]:
        """Do what time asks for: give up waiting, because of what was `missed`, and try again what is due."""
        effects: list[Effect] = []
        for key in [key for key, at in self._answer_due.items() if at <= now]:
            payment = self._book.payments[key]
            if payment.state is State.STARTED:
                effects += self._happen(payment, Happening.GIVEN_UP, now, _Facts(reason=missed))
            else:
                effects += self._doubt(payment, now)
        return effects + self.forward(now)

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        forward_at = self.forwarding.deadline()
        return min([*self._answer_due.values(), *([] if forward_at is None else [forward_at])], default=None)

    # --- the machine --------------------------------------------------------------------------------------------------

    def _doubt(self, payment: Payment, now: float, reason: str = NO_ANSWER) -> list[Effect]:
        completing = payment.state is State.COMPLETING
        happening = Happening.DOUBTFUL if completing else _DOUBTS[payment.rules.recovery]
        return self._happen(payment, happening, now, _Facts(reason=CARD_REFUSED if completing else reason))

    def _happen(self, payment: Payment, happening: Happening, now: float, facts: "_Facts") -> list[Effect]:
        """Look the pair up in the table and act; a pair that is not there changes nothing."""
        move = TABLE.get((payment.state, happening))
        if move is None:
            return []
        effects = _ACTS[move.act](self, payment, facts, now)
        assert self._book.payments[payment.key].state is move.to, "an act must lead where the table says"
        return effects

    def _persist(self, record: Record) -> Persist:
        """What is persisted is known: the book follows at once, the journal before the next effect."""
        self._book.apply(record)
        return Persist(record)

    def _open(
        self, type_name: str, request_id: str, amount: int, operator: str, now: float,
        authorised_by: str = "", original: Key | None = None,
    ) -> tuple[list[Effect], Payment]:  # fmt: skip
        key = Key(self._profile.terminal_id, self._book.batch, f"{self._book.next_trace:06d}")
        started = Started(
            key, type_name, amount, self._profile.currency, operator, request_id, now, authorised_by, original
        )
        self.current = key
        return [self._persist(started)], self._book.payments[key]

    def _send(
        self, payment: Payment, request: Message, means: str, card: str, now: float, event: CardPresented | None = None
    ) -> list[Effect]:
        chip_data = event.reversal_chip_data if event else b""
        kept = messages.recovery_fields(request, payment.rules.recovery, chip_data)
        sent = Sent(
            payment.key, payment.type, request.text(22), means, now, card, kept,
            chip=event.chip if event else {}, signature=event.signature if event else False,
            verified_by=event.verified_by if event else "",
        )  # fmt: skip
        in_force = host_parameters.in_force(self._profile, self._book.parameters)
        self._answer_due[payment.key] = now + in_force.host.reply_timeout_s
        return [self._persist(sent), Send(request, () if event or not card else (card,))]

    def _act_send(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        if isinstance(facts.means, CodePresented):
            payment = replace(payment, type="qr_sale")
            request = messages.code_request(payment, facts.means, self._profile)
            return [*self._send(payment, request, mask_code(facts.means.code), "", now), ReleaseMeans()]
        assert isinstance(facts.means, CardPresented), "the table presents only with means"
        request = messages.card_request(payment, facts.means, self._profile)
        return self._send(payment, request, facts.means.masked, facts.means.sealed, now, facts.means)

    def _act_sell_offline(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        assert isinstance(facts.means, CardPresented | CodeVerified), "only chip and code approve offline"
        approved = sold_offline(payment, facts.means, self._profile, now)
        self._let_go(payment.key)
        return [self._persist(approved), ReleaseMeans(), *self._owe(payment, now)]

    def _act_cancel(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        reason = facts.reason if payment.state is State.STARTED else "no_answer"
        return [self._persist(Cancelled(payment.key, reason, now)), ReleaseMeans()]

    def _act_finish(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(answered(payment, facts.answer, True, now)), ReleaseMeans()]

    def _act_ask_chip(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._answer_due[payment.key] = now + self._profile.limits.card_completion_timeout_s
        said = self._persist(answered(payment, facts.answer, True, now, card_waits=True))
        return [said, _complete(facts, approved=True)]

    def _act_decline(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        said = self._persist(answered(payment, facts.answer, False, now))
        return [said, _complete(facts, approved=False), ReleaseMeans()]

    def _act_certify(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(Completed(payment.key, now, facts.chip)), ReleaseMeans()]

    def _act_reverse(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        due = self._persist(ReversalDue(payment.key, facts.reason, now))
        return [due, ReleaseMeans(), *self._owe(payment, now)]

    def _act_send_reversal(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        turn = _turn(facts)
        request = messages.reversal(payment.recovery_fields, payment.reason, payment.authorisation, turn.again)
        return [Send(request, line=turn.line, again_in_s=turn.next_in_s)]

    def _act_repeat(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        """What was asked for is owed from now on: it has been sent once."""
        self._stop_waiting(payment.key)
        return self._owe(payment, now, tries=1)

    def _act_send_advice(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        turn = _turn(facts)
        request = messages.advice(payment.recovery_fields, payment.rules.mti, turn.again)
        return [Send(request, (payment.card,) if payment.card else (), turn.line, turn.next_in_s)]

    def _act_book_late(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(answered(payment, facts.answer, True, now))]

    def _act_decline_late(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(answered(payment, facts.answer, False, now))]

    def _act_close(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(Reversed(payment.key, facts.response_code, now))]

    def _act_note(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        """Keep a late answer. Where people have spoken, only one that contradicts them comes here."""
        effects: list[Effect] = [self._persist(LateAnswer(payment.key, facts.response_code, now))]
        if payment.closed_by_people and not payment.attention:
            reason = "answer_not_booked" if payment.closed_by_people.booked else "answer_booked"
            effects.append(self._persist(Attention(payment.key, reason, now)))
        return effects

    def _act_call(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        what = "advice" if payment.state is State.ADVICE_DUE else "reversal"
        reason = f"{what}_refused_{facts.response_code}"
        return [] if payment.attention == reason else [self._persist(Attention(payment.key, reason, now))]

    def _act_close_by_people(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        said = facts.people
        assert said is not None, "the table closes so only with the word of people"
        self._let_go(payment.key)
        closed = ClosedByPeople(said.key, said.booked, said.statement, said.operator, said.supervisor, now)
        return [self._persist(closed)]

    def _owe(self, payment: Payment, now: float, *, tries: int = 0) -> list[Effect]:
        """Enter what is owed into the timetable; it goes at once if it can."""
        is_reversal = self._book.payments[payment.key].state is State.REVERSAL_DUE
        urgency = Urgency.REVERSAL if is_reversal else Urgency.ADVICE
        means = self._book.payments[payment.key].means
        self.forwarding.owe(payment.key, urgency, means, now, tries=tries)
        return self.forward(now)

    def _current(self) -> Payment | None:
        return self._book.payments[self.current] if self.current else None

    def _let_go(self, key: Key) -> None:
        """The payment no longer holds the counter up, and nothing is owed of it."""
        self._stop_waiting(key)
        self.forwarding.forget(key)

    def _stop_waiting(self, key: Key) -> None:
        self._answer_due.pop(key, None)
        if self.current == key:
            self.current = None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What came with a happening."""

    means: CardPresented | CodePresented | CodeVerified | None = None
    answer: Message | None = None
    chip: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    people: CloseByPeople | None = None
    turn: Turn | None = None

    @property
    def response_code(self) -> str:
        return self.answer.text(39, "") if self.answer else ""


def _turn(facts: _Facts) -> Turn:
    assert facts.turn is not None, "the table sends again only when it is its turn"
    return facts.turn


def _complete(facts: _Facts, approved: bool) -> CompleteCard:
    assert facts.answer is not None, "the table answers only with an answer"
    return CompleteCard(facts.response_code, facts.answer.binary(55, b""), approved)


_DOUBTS = {
    "reverse": Happening.DOUBTFUL,
    "repeat": Happening.DOUBTFUL_REPEAT,
    "none": Happening.DOUBTFUL_HARMLESS,
}

_ACTS: Mapping[Act, Callable[[Payments, Payment, _Facts, float], list[Effect]]] = {
    Act.SEND: Payments._act_send,
    Act.SELL_OFFLINE: Payments._act_sell_offline,
    Act.CANCEL: Payments._act_cancel,
    Act.FINISH: Payments._act_finish,
    Act.ASK_CHIP: Payments._act_ask_chip,
    Act.DECLINE: Payments._act_decline,
    Act.CERTIFY: Payments._act_certify,
    Act.REVERSE: Payments._act_reverse,
    Act.SEND_REVERSAL: Payments._act_send_reversal,
    Act.REPEAT: Payments._act_repeat,
    Act.SEND_ADVICE: Payments._act_send_advice,
    Act.BOOK_LATE: Payments._act_book_late,
    Act.DECLINE_LATE: Payments._act_decline_late,
    Act.CLOSE: Payments._act_close,
    Act.NOTE: Payments._act_note,
    Act.CALL: Payments._act_call,
    Act.CLOSE_BY_PEOPLE: Payments._act_close_by_people,
}
