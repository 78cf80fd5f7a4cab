"""A host room for the tests: the real core over a real store, and the issuer twin behind it, on a clock that is told.

`Room.frame` feeds one frame and returns the decision; `Room.talk` also lets the issuer answer, and reads what the
terminal gets. Every decision is held to the effect law, and every room is left with its books in order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from host_switch.channels import ChannelAnswer, ChannelCall
from host_switch.channels.iso_issuer import answer_of, call_message
from host_switch.events import (
    CallChannel,
    ChannelAnswered,
    ChannelUnavailable,
    Decision,
    Effect,
    Input,
    Persist,
    Report,
    Send,
    TerminalRegistered,
)
from host_switch.facts import Policy
from host_switch.frames import decoded
from host_switch.invariants import breaches
from host_switch.records import Event, Key, Transaction
from host_switch.store import Books, Store
from host_switch.switch import decide
from iso8583 import Message
from iso8583.unionpay import Frame
from simulators.issuer import ZONE_PIN_KEY, Issuer, default_accounts
from tests.host_switch.till import MASTER_KEY, Till

NOON = 1_800_000_000.0
CODE_KEYS = {"7710": bytes(range(16)), "7711": bytes(range(16, 32))}
POLICY = Policy(content_key=b"content key of the tests", zone_pin_key=ZONE_PIN_KEY, code_keys=CODE_KEYS)


@dataclass
class Room:
    """A store, an issuer, a clock."""

    store: Store
    issuer: Issuer = field(default_factory=lambda: Issuer(default_accounts()))
    now: float = NOON
    calls: list[ChannelCall] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    # --- arrange ------------------------------------------------------------------------------------------------------

    def till(self, name: str = "12345678", *, signed_on: bool = True) -> Till:
        """A registered terminal."""
        till = Till(name)
        self.decide(TerminalRegistered(name, till.merchant, MASTER_KEY))
        if signed_on:
            till.signed_on(self.sent(self.frame(till, till.sign_on()))[0])
        return till

    def sold(self, till: Till, amount: int = 1234) -> tuple[Message, str]:
        """An approved sale: the request, and its reference."""
        request = till.sale(amount)
        answer = self.talk(till, request)
        assert answer[39] == "00"
        return request, answer.text(37)

    # --- act ----------------------------------------------------------------------------------------------------------

    def decide(self, event: Input) -> Decision:
        """Decide one input on the store's facts, commit, and hold the decision to the effect law."""
        decision = decide(event, self.store.facts_for([event])[0], self.now)
        keep_the_effect_law(decision.effects)
        self.store.commit([decision])
        self.calls += [effect.call for effect in decision.effects if isinstance(effect, CallChannel)]
        self.reports += [effect for effect in decision.effects if isinstance(effect, Report)]
        return decision

    def frame(self, till: Till, message: Message, connection: str = "line", frame: bytes | None = None) -> Decision:
        """Feed one frame; the issuer is not asked."""
        return self.decide(decoded(connection, frame or till.frame(message)))

    def talk(self, till: Till, message: Message, connection: str = "line") -> Message:
        """Feed a frame, let the issuer answer whatever it is asked, and read the one answer for the terminal."""
        sent = self.sent(self.frame(till, message, connection))
        sent += self.issue()
        assert len(sent) == 1, f"one answer is due, there are {len(sent)}"
        return till.read(sent[0])

    def issue(self) -> list[bytes]:
        """Let the issuer answer all calls that wait; what goes to terminals in consequence."""
        waiting, self.calls = self.calls, []
        sent: list[bytes] = []
        for call in waiting:
            for answer in self.asked(call):
                sent += self.sent(self.decide(ChannelAnswered(answer)))
        return sent

    def asked(self, call: ChannelCall) -> list[ChannelAnswer]:
        """What the issuer answers to a call; the host does not hear it yet."""
        message = call_message(call)
        verdict = self.issuer.decide(message, self.now)
        self.issuer.spend_mood(message)
        self.issuer.apply(verdict.changes)
        return [answer_of(answer.message) for answer in verdict.answers]

    def take_calls(self) -> list[ChannelCall]:
        """The calls that wait; from here on they are the test's business."""
        waiting, self.calls = self.calls, []
        return waiting

    def unreachable(self) -> list[bytes]:
        """Report all calls that wait as never having left."""
        return [data for call in self.take_calls() for data in self.sent(self.decide(ChannelUnavailable(call)))]

    def pass_time(self, seconds: float) -> list[bytes]:
        """Let time pass, ringing each timer when it is due; what goes to terminals in consequence."""
        until, sent = self.now + seconds, []
        while (due_at := self.store.next_due()) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            for due in self.store.due(self.now, 64):
                sent += self.sent(self.decide(due))
        self.now = until
        return sent

    # --- assert -------------------------------------------------------------------------------------------------------

    def sent(self, decision: Decision) -> list[bytes]:
        """The frames that a decision sends."""
        return [effect.data for effect in decision.effects if isinstance(effect, Send)]

    def books(self) -> Books:
        """The books, which must be in order."""
        books = self.store.books()
        assert breaches(books) == []
        return books

    def row(self, message: Message) -> Transaction:
        """The transaction of a request."""
        key = key_of(message)
        return next(row for row in self.books().transactions if row.key == key)

    def events(self) -> list[Event]:
        """Everything for a person."""
        return list(self.books().events)

    def owed_to_merchant(self) -> int:
        """What stands in the ledger for the merchant, in fen."""
        records = self.books().records
        return -sum(record.amount for record in records if record.account.startswith("merchant:"))


def key_of(message: Message) -> Key:
    """The key that a request names."""
    return Key(message.text(41), message.text(60)[2:8], message.text(11))


def keep_the_effect_law(effects: Iterable[Effect]) -> None:
    """Persist stands before Send and CallChannel, once."""
    kinds = [type(effect) for effect in effects if isinstance(effect, Persist | Send | CallChannel)]
    assert kinds.count(Persist) <= 1
    assert Persist not in kinds[1:], "Persist comes first"


def command_of(data: bytes) -> str:
    """The host's command in the header of an answer."""
    return Frame.parse(data).command


def refuse_everything(room: Room, number: str, code: str) -> None:
    """Make the issuer decline an account's requests."""
    room.issuer.apply([replace(account, refuse=code) for account in default_accounts() if account.number == number])
