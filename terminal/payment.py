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
- A sale that the chip approved offline is owed to the host until that has booked or declined it; only its word ends it.
- A chip that refuses after the host approved: the sale is reversed.
- What cannot be asked for any more is closed by two people, by the acquirer's statement. An answer that contradicts
  them after all changes nothing; it is kept as evidence, and calls a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from firmware_config.profile import TerminalProfile
from iso8583 import Message
from iso8583.masking import mask_code
from iso8583.message import response_mti
from iso8583.response_codes import REVERSAL_DONE, Action, meaning
from terminal import host_parameters, messages
from terminal.answers import APPROVING, amount_fits, balance_in, judge_advice
from terminal.book import Book, Payment
from terminal.events import (
    AskForMeans,
    CardCompleted,
    CardPresented,
    CloseByPeople,
    CodePresented,
    CompleteCard,
    Effect,
    Means,
    Original,
    Persist,
    Received,
    ReleaseMeans,
    Send,
)  # fmt: skip
from terminal.records import (
    CARD_ERASED,
    Answered,
    ApprovedOffline,
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

# Seconds until an unanswered reversal or repeat is sent again: soon at first, then ever rarer, but for ever.
RETRY_S = (5, 10, 20, 40, 80, 160, 320, 640, 1200)


@dataclass(slots=True)
class _Retry:
    attempts: int
    at: float


class Payments:
    """All payments of the open batch. One of them may be in the customer's hands: the *current* one."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._answer_due: dict[Key, float] = {}
        self._retries: dict[Key, _Retry] = {}
        self.current: Key | None = None
        self.link_ready = False

    @property
    def sells_offline(self) -> bool:
        """The current payment waits for a chip that approves without the host."""
        payment = self._current()
        return payment is not None and payment.rules.is_offline

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
        name = "qr_refund" if sale.type == "qr_sale" else "refund"
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

    def presented(self, means: CardPresented | CodePresented, now: float) -> list[Effect]:
        """The customer presented a card or a code. If the line has died meanwhile, nothing is sent.

        Only a sale that was asked for as one is sold offline, even if the chip would approve any.
        """
        payment = self._current()
        if payment is None:
            return []
        by_chip = isinstance(means, CardPresented) and means.approved_offline
        if by_chip != payment.rules.is_offline:
            return self.cancel("card_approved_offline" if by_chip else "card_host_unreachable", now)
        if by_chip:
            return self._happen(payment, Happening.APPROVED_OFFLINE, now, _Facts(means=means))
        if not self.link_ready:
            return self.cancel("no_link", now)
        return self._happen(payment, Happening.PRESENTED, now, _Facts(means=means))

    def card_erased(self, key: Key, now: float) -> list[Effect]:
        """A refund that must be repeated and cannot be: only a person can find out what became of it."""
        payment = self._book.payments[key]
        return [] if payment.attention else [self._persist(Attention(key, CARD_ERASED, now))]

    def card_completed(self, event: CardCompleted, now: float) -> list[Effect]:
        """The chip had its last word."""
        payment = self._current()
        if payment is None or payment.state is not State.COMPLETING:
            return []
        happening = Happening.CHIP_AGREED if event.agreed else Happening.CHIP_REFUSED
        return self._happen(payment, happening, now, _Facts(chip=event.chip, reason=CARD_REFUSED))

    # --- the host's answers -------------------------------------------------------------------------------------------

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer (0210, 0230, 0410). One that fits no payment, or not exactly, is ignored."""
        payment = self._payment_of(event.message)
        if payment is None or not self._fits(payment, event.message):
            return []
        if event.message.mti == "0410":
            return self._reversal_answered(payment, event, now)
        reason = NO_ANSWER if event.mac == "good" else BAD_MAC
        return self._happen(payment, self._judge(payment, event), now, _Facts(answer=event.message, reason=reason))

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

    def _reversal_answered(self, payment: Payment, event: Received, now: float) -> list[Effect]:
        done = event.mac == "good" and event.message.get(39) in REVERSAL_DONE
        happening = Happening.REVERSAL_DONE if done else Happening.REVERSAL_REFUSED
        return self._happen(payment, happening, now, _Facts(answer=event.message))

    # --- the link and the clock ---------------------------------------------------------------------------------------

    def link_up(self, now: float) -> list[Effect]:
        """The host is reachable and signed on: what is due goes out at once, oldest first."""
        self.link_ready = True
        for retry in self._retries.values():
            retry.at = now
        return self.tick(now)

    def link_down(self, now: float) -> list[Effect]:
        """The line is dead: what was sent on it has no answer any more."""
        self.link_ready = False
        waiting = [p for p in self._book.unresolved() if p.state is State.SENT and p.key in self._answer_due]
        return [effect for payment in waiting for effect in self._doubt(payment, now)]

    def resume(self, now: float) -> list[Effect]:
        """After a start: nothing is known of what was under way, so it is cancelled, reversed or repeated."""
        effects: list[Effect] = []
        for payment in self._book.unresolved():
            if payment.state is State.STARTED:
                effects += self._happen(payment, Happening.GIVEN_UP, now, _Facts(reason="restarted"))
            elif payment.state in (State.REVERSAL_DUE, State.ADVICE_DUE):
                self._retries[payment.key] = _Retry(1, now)
            else:
                effects += self._doubt(payment, now)
        return effects

    def tick(self, now: float) -> list[Effect]:
        """Do what time asks for: give up waiting, and try again what is due."""
        effects: list[Effect] = []
        for key in [key for key, at in self._answer_due.items() if at <= now]:
            payment = self._book.payments[key]
            if payment.state is State.STARTED:
                effects += self._happen(payment, Happening.GIVEN_UP, now, _Facts(reason="no_means"))
            else:
                effects += self._doubt(payment, now)
        if self.link_ready:
            due = [key for key, retry in self._retries.items() if retry.at <= now]
            for key in sorted(due, key=self._comes_after_reversals):
                effects += self._happen(self._book.payments[key], Happening.RETRY, now, _Facts())
        return effects

    def _comes_after_reversals(self, key: Key) -> bool:
        """What was sold offline waits until the host has been told what does not stand."""
        return self._book.payments[key].state is State.ADVICE_DUE

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        times = list(self._answer_due.values())
        if self.link_ready:
            times += [retry.at for retry in self._retries.values()]
        return min(times, default=None)

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
        )  # fmt: skip
        in_force = host_parameters.in_force(self._profile, self._book.parameters)
        self._answer_due[payment.key] = now + in_force.host.reply_timeout_s
        return [self._persist(sent), Send(request, () if event or not card else (card,))]

    def _act_send(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        if isinstance(facts.means, CodePresented):
            payment = replace(payment, type="qr_sale")
            request = messages.code_request(payment, facts.means, self._profile)
            return [*self._send(payment, request, mask_code(facts.means.code), "", now), ReleaseMeans()]
        assert facts.means is not None, "the table presents only with means"
        request = messages.card_request(payment, facts.means, self._profile)
        return self._send(payment, request, facts.means.masked, facts.means.sealed, now, facts.means)

    def _act_sell_offline(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        card = facts.means
        assert isinstance(card, CardPresented), "only a chip approves offline"
        kept = messages.recovery_fields(messages.offline_sale(payment, card, self._profile), payment.rules.recovery)
        approved = ApprovedOffline(
            payment.key, card.entry_mode, card.masked, now, card.sealed, kept, card.chip, card.signature
        )
        self._let_go(payment.key)
        return [self._persist(approved), ReleaseMeans(), *self._advise(payment.key, now, again=False)]

    def _act_cancel(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        reason = facts.reason if payment.state is State.STARTED else "no_answer"
        return [self._persist(Cancelled(payment.key, reason, now)), ReleaseMeans()]

    def _act_finish(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(_answered(payment, facts, True, now)), ReleaseMeans()]

    def _act_ask_chip(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._answer_due[payment.key] = now + self._profile.limits.card_completion_timeout_s
        return [self._persist(_answered(payment, facts, True, now, card_waits=True)), _complete(facts, approved=True)]

    def _act_decline(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        answered = self._persist(_answered(payment, facts, False, now))
        return [answered, _complete(facts, approved=False), ReleaseMeans()]

    def _act_certify(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(Completed(payment.key, now, facts.chip)), ReleaseMeans()]

    def _act_reverse(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        due = self._persist(ReversalDue(payment.key, facts.reason, now))
        return [due, ReleaseMeans(), *self._try_again(payment, self._reversal(payment.key, again=False), now)]

    def _act_reverse_again(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        sent_before = self._retries[payment.key].attempts > 0
        return self._try_again(payment, self._reversal(payment.key, again=sent_before), now)

    def _act_repeat(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key, keep_retry=True)
        return self._advise(payment.key, now, again=True)

    def _act_advise(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        return self._advise(payment.key, now, again=self._retries[payment.key].attempts > 0)

    def _act_book_late(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(_answered(payment, facts, True, now))]

    def _act_decline_late(self, payment: Payment, facts: "_Facts", now: float) -> list[Effect]:
        self._let_go(payment.key)
        return [self._persist(_answered(payment, facts, False, now))]

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

    def _reversal(self, key: Key, again: bool) -> Send:
        payment = self._book.payments[key]
        return Send(messages.reversal(payment.recovery_fields, payment.reason, payment.authorisation, again))

    def _advise(self, key: Key, now: float, *, again: bool) -> list[Effect]:
        payment = self._book.payments[key]
        request = messages.advice(payment.recovery_fields, payment.rules.mti, again)
        return self._try_again(payment, Send(request, (payment.card,) if payment.card else ()), now)

    def _try_again(self, payment: Payment, send: Send, now: float) -> list[Effect]:
        """Send what is due and plan the next try; without a link only plan it."""
        retry = self._retries.setdefault(payment.key, _Retry(0, now))
        retry.at = now + RETRY_S[min(retry.attempts, len(RETRY_S) - 1)]
        if not self.link_ready:
            return []
        retry.attempts += 1
        return [send]

    def _current(self) -> Payment | None:
        return self._book.payments[self.current] if self.current else None

    def _let_go(self, key: Key, keep_retry: bool = False) -> None:
        """The payment no longer holds the counter up."""
        self._answer_due.pop(key, None)
        if not keep_retry:
            self._retries.pop(key, None)
        if self.current == key:
            self.current = None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What came with a happening."""

    means: CardPresented | CodePresented | None = None
    answer: Message | None = None
    chip: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    people: CloseByPeople | None = None

    @property
    def response_code(self) -> str:
        return self.answer.text(39, "") if self.answer else ""


def _answered(payment: Payment, facts: _Facts, approved: bool, now: float, card_waits: bool = False) -> Answered:
    answer = facts.answer
    assert answer is not None, "the table answers only with an answer"
    return Answered(
        payment.key, approved, facts.response_code, now,
        amount=int(answer.get(4, f"{payment.amount:012d}")) if approved else payment.amount,
        reference=answer.text(37, ""), authorisation=answer.text(38, ""),
        host_time=answer.text(12, ""), host_date=answer.text(13, ""),
        issuer=answer.text(44, ""), text=answer.text(63, ""), balance=balance_in(answer),
        card_waits=card_waits,
    )  # fmt: skip


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
    Act.REVERSE_AGAIN: Payments._act_reverse_again,
    Act.REPEAT: Payments._act_repeat,
    Act.ADVISE: Payments._act_advise,
    Act.BOOK_LATE: Payments._act_book_late,
    Act.DECLINE_LATE: Payments._act_decline_late,
    Act.CLOSE: Payments._act_close,
    Act.NOTE: Payments._act_note,
    Act.CALL: Payments._act_call,
    Act.CLOSE_BY_PEOPLE: Payments._act_close_by_people,
}
