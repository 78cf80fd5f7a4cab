"""Planted bugs: each breaks one rule on purpose, and the simulated world must notice.

A world in which nothing is ever found proves nothing. Here are the mistakes that systems of this kind are known for,
made from outside while `planted` lasts (`planting.py`). Those about the courier stand in `courier_mutants.py`.

To add one: a row in `BUGS`.
"""

from dataclasses import replace
from typing import Any

from host_switch import events as host
from host_switch import lifecycle
from host_switch.records import CodeSpent, Entry, Leg, Outcome, PhoneUser, Transaction
from simulators.courier_mutants import ABOUT_THE_COURIER
from simulators.planting import Bug, Change, Make, always, planted
from terminal.effects import Print, PrintNow
from terminal.events import DownloadKept
from terminal.records import Answered, ApprovedOffline, Reversed, SignedOn, Started
from terminal.settlement import Step
from terminal.sums import Lost
from terminal.transitions import Act, Happening, Move, State

__all__ = ["BUGS", "planted"]


# --- the terminal's ---------------------------------------------------------------------------------------------------


def _last_first(before: Any) -> Any:
    return lambda *values, **named: list(reversed(before(*values, **named)))


def _print_first(before: Any) -> Any:
    return lambda *values: sorted(before(*values), key=lambda effect: not isinstance(effect, Print))


def _begin_unnoted(before: Any) -> Any:
    def ready(self: Any, key: Any, now: float) -> Any:
        effects = before(self, key, now)
        if key in self._book.slips_due:
            self._book.slips_due[key] = 0
        return [effect for effect in effects if isinstance(effect, PrintNow)]

    return ready


def _resume_all_but(skipped: State) -> Make:
    def make(before: Any) -> Any:
        def resume(self: Any, now: float) -> Any:
            unresolved = self._book.unresolved
            self._book.unresolved = lambda: [p for p in unresolved() if p.state is not skipped]
            effects = before(self, now)
            del self._book.unresolved
            return effects

        return resume

    return make


def _believe(approvals: bool) -> Make:
    def make(before: Any) -> Any:
        def judge(self: Any, payment: Any, event: Any) -> Any:
            believed = (event.message.get(39) == "00") is approvals
            return before(self, payment, replace(event, mac="good") if believed else event)

        return judge

    return make


def _trace_again(before: Any) -> Any:
    def started(book: Any, record: Started) -> None:
        before(book, record)
        book.next_trace = 1 + int(record.key.trace) % 3

    return started


def _any_answer(before: Any) -> Any:
    def payment_of(self: Any, answer: Any) -> Any:
        return self._current() or before(self, answer)

    return payment_of


def _three_tries(before: Any) -> Any:
    def tick(self: Any, now: float) -> Any:
        tired = [key for key, debt in self.forwarding._debts.items() if debt.tries >= 3]
        given_up = [key for key in tired if self._book.payments[key].state is State.REVERSAL_DUE]
        for key in given_up:
            self._let_go(key)
        return [self._persist(Reversed(key, "", now)) for key in given_up] + before(self, now)

    return tick


def _dropped_when_back(before: Any) -> Any:
    def lines_are(self: Any, lines: Any, now: float) -> Any:
        for payment in self._book.unresolved():
            if payment.state is State.ADVICE_DUE and "host" in lines - self.forwarding.lines:
                self.forwarding.forget(payment.key)
        return before(self, lines, now)

    return lines_are


def _silence_is_yes(before: Any) -> Any:
    def tick(self: Any, now: float) -> Any:
        owed = [payment for payment in self._book.unresolved() if payment.state is State.ADVICE_DUE]
        debts = self.forwarding._debts
        tired = [p for p in owed if p.key in debts and debts[p.key].tries >= 2]
        believed = [Answered(p.key, approved=True, response_code="00", at=now, amount=p.amount) for p in tired]
        effects = [self._persist(record) for record in believed]
        for payment in tired:
            self._let_go(payment.key)
        return effects + before(self, now)

    return tick


def _without_its_card(before: Any) -> Any:
    return lambda book, record: before(book, replace(record, card_token=""))


def _key_lost_on_the_way(before: Any) -> Any:
    """A repeat under a fresh trace number: to the host it is another sale."""

    def advice(request: Any, mti: str, again: bool) -> Any:
        fresh = {**request, "11": f"{(int(request['11']) + 500_000) % 1_000_000:06d}"}
        return before(fresh if again else request, mti, again)

    return advice


def _close_at_once(before: Any) -> Any:
    def received(self: Any, event: Any, now: float) -> Any:
        effects = before(self, event, now)
        return effects + (self._close(now) if self.step is Step.END else [])

    return received


def _credits_forgotten(before: Any) -> Any:
    return lambda book: replace(before(book), credit_amount=0, credit_count=0)


def _no_duplicate(before: Any) -> Any:
    def next_job(self: Any) -> Any:
        job = before(self)
        is_wish = job is not None and job.key not in self._book.slips_due
        return replace(job, duplicate=False) if is_wish else job

    return next_job


def _any_sign_on(before: Any) -> Any:
    def signed_on(self: Any, event: Any, now: float) -> Any:
        self._sign_on_trace = event.message.get(11)
        return before(self, event, now)

    return signed_on


def _any_batch(_before: Any) -> Any:
    def signed_on(book: Any, record: SignedOn) -> None:
        if not book.payments and book.settling is None:
            book.batch = record.batch

    return signed_on


def _parked_forgotten(before: Any) -> Any:
    def resume(self: Any, now: float) -> Any:
        self.book.parked.clear()
        return before(self, now)

    return resume


def _newest_parked(_before: Any) -> Any:
    return lambda self: next(reversed(self._book.parked), "")


def _settle_at_once(before: Any) -> Any:
    def settle(self: Any, operator: str, now: float) -> Any:
        self.book.unresolved = list
        effects = before(self, operator, now)
        del self.book.unresolved
        return effects

    return settle


def _while_ready(_before: Any) -> Any:
    return lambda self: self.session.ready


def _but_for(reason: str) -> Make:
    """A refusal that overlooks one reason."""

    def make(before: Any) -> Any:
        def refusal(*facts: Any) -> str:
            found: str = before(*facts)
            return "" if found == reason else found

        return refusal

    return make


def _told_unkept(before: Any) -> Any:
    def go_on(self: Any, current: Any, answer: Any, now: float) -> Any:
        effects = before(self, current, answer, now)
        if not current.keeping:
            return effects
        return [*self.kept(DownloadKept(effects[-1].download.kind), now), *effects]

    return go_on


def _disk_never_full(before: Any) -> Any:
    def persist(self: Any, record: Any) -> None:
        if not self.disk_full:
            before(self, record)

    return persist


_allowed = always(lambda *_facts: "")
_PAYMENT_TABLE, _PAYMENT_ACTS = "terminal.transitions:TABLE", "terminal.payment:_ACTS"
_CLOSING = "terminal.risk:refusal_of_closing"
_RESUME, _JUDGE = "terminal.payment:Payments.resume", "terminal.payment:Payments._judge"

_AT_THE_TERMINAL = (
    Bug("sends before it persists", Change("terminal.payment:Payments._send", _last_first)),
    Bug(
        "takes silence for a decline",
        Change("terminal.payment:_DOUBTS", always(Happening.DOUBTFUL_HARMLESS), "reverse"),
    ),
    Bug(
        "lets a late approval stand",
        Change(_PAYMENT_TABLE, always(Move(State.APPROVED, Act.FINISH)), (State.REVERSAL_DUE, Happening.APPROVED)),
        Change(
            _PAYMENT_TABLE, always(Move(State.COMPLETING, Act.ASK_CHIP)),
            (State.REVERSAL_DUE, Happening.APPROVED_CHIP_WAITS),
        ),
    ),
    Bug("believes a decline without a good MAC", Change(_JUDGE, _believe(approvals=False))),
    Bug("believes an approval without a good MAC", Change(_JUDGE, _believe(approvals=True))),
    Bug("uses a trace number twice", Change("terminal.book:_APPLY", _trace_again, Started)),
    Bug("forgets a reversal at a restart", Change(_RESUME, _resume_all_but(State.REVERSAL_DUE))),
    Bug("forgets a sent payment at a restart", Change(_RESUME, _resume_all_but(State.SENT))),
    Bug("forgets an offline sale at a restart", Change(_RESUME, _resume_all_but(State.ADVICE_DUE))),
    Bug("drops offline sales when the line is back", Change("terminal.payment:Payments.lines_are", _dropped_when_back)),
    Bug("takes silence for the bank's yes", Change("terminal.payment:Payments.tick", _silence_is_yes)),
    Bug("tells nobody what the bank declined later", Change("terminal.book:DECLINED_LATER", always(""))),
    Bug("sells offline without an end", Change("terminal.offline_caps:refusal_of_sale", _allowed)),
    Bug(
        "forgets what a card has already taken offline",
        Change("terminal.book:_APPLY", _without_its_card, ApprovedOffline),
    ),
    Bug("sends an offline sale before it persists", Change(_PAYMENT_ACTS, _last_first, Act.SELL_OFFLINE)),
    Bug("sends an offline sale again under another name", Change("terminal.messages:advice", _key_lost_on_the_way)),
    Bug("prints before it persists", Change("terminal.counter:Counter.handle", _print_first)),
    Bug("does not note that a slip begins", Change("terminal.slip_queue:SlipQueue.ready", _begin_unnoted)),
    Bug(
        "lets a sale stand that the chip refused",
        Change(_PAYMENT_TABLE, always(Move(State.APPROVED, Act.CERTIFY)), (State.COMPLETING, Happening.CHIP_REFUSED)),
    ),
    Bug("gives a reversal up after three tries", Change("terminal.payment:Payments.tick", _three_tries)),
    Bug("takes any answer for the one it waits for", Change("terminal.payment:Payments._payment_of", _any_answer)),
    Bug("settles with open payments", Change("terminal.risk:refusal_of_settlement", _allowed)),
    Bug("closes the batch before the host does", Change("terminal.settlement:Settlement.received", _close_at_once)),
    Bug("forgets parked batches at a restart", Change("terminal.counter:Counter.resume", _parked_forgotten)),
    Bug("drains the newest parked batch first", Change("terminal.parked:ParkedBatches._next", _newest_parked)),
    Bug("settles a parked batch with open payments", Change("terminal.parked:_Desk.settle", _settle_at_once)),
    Bug(
        "tells nobody what parked batches have lost",
        Change("terminal.book:Book.declined_later", always(lambda _book: Lost())),
    ),
    Bug("forgets voids and refunds in its totals", Change("terminal.book:Book.totals", _credits_forgotten)),
    Bug(
        "believes any answer to a sign-on",
        Change("terminal.session:Session._signed_on", _any_sign_on),
        Change("terminal.book:_APPLY", _any_batch, SignedOn),
    ),
    Bug("runs an errand in the middle of a payment", Change("terminal.counter:Counter._is_free", _while_ready)),
    Bug("tells the host before its parameters are durable", Change("terminal.errands:Errands._go_on", _last_first)),
    Bug("tells the host before a download is durable", Change("terminal.errands:Errands._go_on", _told_unkept)),
    Bug("prints a second original", Change("terminal.slip_queue:SlipQueue._next", _no_duplicate)),
    Bug(
        "writes the card number down",
        Change("terminal.vault:Vault.seal", always(lambda _self, pan: pan)),
        Change("terminal.vault:Vault.unseal", always(lambda _self, sealed: sealed)),
    ),
    Bug("lets one person alone close a payment", Change(_CLOSING, _but_for("two_people_needed"))),
    Bug("lets people close what is still asked for", Change(_CLOSING, _but_for("needs_no_people"))),
    Bug("goes on when the disk is full", Change("simulators.terminal_node:TerminalNode._persist", _disk_never_full)),
)


# --- the host's -------------------------------------------------------------------------------------------------------


def _without(kind: type) -> Make:
    """A decision that forgets to persist one kind of change."""

    def make(before: Any) -> Any:
        def decide(*values: Any) -> Any:
            return tuple(
                host.Persist(tuple(change for change in effect.changes if not isinstance(change, kind)))
                if isinstance(effect, host.Persist) else effect
                for effect in before(*values)
            )  # fmt: skip

        return decide

    return make


def _forgetful(before: Any) -> Any:
    return lambda event, rules, facts, now: before(event, rules, replace(facts, stored=None), now)


def _reply_first(before: Any) -> Any:
    return lambda decision: reversed(list(before(decision)))


def _worded_anew(before: Any) -> Any:
    def resend(row: Transaction, facts: Any) -> Any:
        return before(replace(row, reply=row.reply[:-1] + bytes([row.reply[-1] ^ 1])), facts)

    return resend


def _three_calls(before: Any) -> Any:
    def act(step: Any) -> Any:
        over = replace(step.row, leg=Leg.REVERSED, due_at=None)
        return before(step) if step.row.attempts < 3 else (host.Persist((over,)),)

    return act


_REQUESTS, _CHECKS, _ISSUER_ACTS = "host_switch.requests", "host_switch.checks", "host_switch.issuer_leg:_ACTS"
_HOST_TABLE = "host_switch.lifecycle:TABLE"
_declined = lifecycle.Move(Outcome.DECLINED, Leg.NONE, lifecycle.Act.ANSWER)
_booked = lifecycle.Move(Outcome.APPROVED, Leg.ANSWERED, lifecycle.Act.BOOK)
_if_approved = always(lambda sale: "" if sale and sale.state is State.APPROVED else "not_an_approved_sale")

_AT_THE_HOST = (
    Bug("does a repeated request again", Change("host_switch.switch:request", _forgetful)),
    Bug("forgets a reversal that came first", Change("host_switch.reversals:_remember", _without(Transaction))),
    Bug("answers before it commits", Change("simulators.host_node:_steps", _reply_first)),
    Bug("words a stored answer anew", Change(f"{_REQUESTS}:_resend", _worded_anew)),
    Bug("does not compare what a key stands for", Change(f"{_REQUESTS}:content_hash", always(lambda *_message: b""))),
    Bug(
        "takes the issuer's silence for a decline",
        Change(_HOST_TABLE, always(_declined), (Outcome.PENDING, Leg.CALLED, lifecycle.Happening.OVERDUE)),
    ),
    Bug(
        "gives a refund up when the issuer is silent",
        Change(_HOST_TABLE, always(_declined), (Outcome.PENDING, Leg.ADVICE_DUE, lifecycle.Happening.OVERDUE)),
    ),
    Bug("gives a reversal up after three calls", Change(_ISSUER_ACTS, _three_calls, lifecycle.Act.CALL_REVERSAL)),
    Bug(
        "forgets that a code has paid",
        Change("host_switch.switch:request", _without(PhoneUser)),
        Change("host_switch.switch:request", _without(CodeSpent)),
    ),
    Bug("approves without booking", Change(_ISSUER_ACTS, _without(Entry), lifecycle.Act.BOOK)),
    Bug("reverses without countering", Change("host_switch.reversals:_ACTS", _without(Entry), lifecycle.Act.COUNTER)),
    Bug(
        "books again when the issuer repeats itself",
        Change(_HOST_TABLE, always(_booked), (Outcome.APPROVED, Leg.ANSWERED, lifecycle.Happening.APPROVED)),
    ),
    Bug(
        "voids twice",
        Change("terminal.risk:refusal_of_void", _if_approved),
        Change(f"{_CHECKS}:_MORE_CHECKS", lambda checks: checks[:1], "sale_void"),
        Change(f"{_CHECKS}:_MORE_CHECKS", lambda checks: checks[:1], "qr_void"),
    ),
    Bug(
        "refunds more than was paid",
        Change("terminal.risk:refusal_of_refund", _allowed),
        Change(f"{_CHECKS}:_MORE_CHECKS", lambda checks: checks[:1], "refund"),
        Change(f"{_CHECKS}:_MORE_CHECKS", lambda checks: checks[:1], "qr_refund"),
    ),
)

BUGS = (*_AT_THE_TERMINAL, *_AT_THE_HOST, *ABOUT_THE_COURIER)
