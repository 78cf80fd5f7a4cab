"""A terminal's cores in the hand: signed on, with answers worded as a host would word them. No I/O, no clock."""

from collections.abc import Iterable
from dataclasses import replace

from firmware_config.profile import HostEndpoint, TerminalProfile
from iso8583 import Message
from iso8583.unionpay import Block60, Totals, Totals48, WorkingKeys62
from simulators.memory_journal import MemoryJournal
from terminal.book import Payment
from terminal.card_counts import CardCounts
from terminal.counter import Counter
from terminal.effects import Effect, LoadBatch, Persist, Print, Send
from terminal.events import (
    BatchLoaded,
    CardPresented,
    CodePresented,
    Event,
    KeysLoaded,
    LinkUp,
    MacState,
    Received,
    RoomMeasured,
    SaleRequested,
    SlipPrinted,
    SlipReady,
    Tick,
)  # fmt: skip
from terminal.records import Record

PROFILE = TerminalProfile(
    terminal_id="12345678", merchant_id="898110053110001", merchant_name_zh="测试商户",
    merchant_name_en="TEST MERCHANT", host=HostEndpoint(probe_interval_s=3600, probe_timeout_s=30),
)  # fmt: skip
"""Its probes are so rare that a test which is about something else need not answer them."""
CODE = "6212345678901234567"
PAN = "6299990000000009"
CARD = CardPresented(
    pan=PAN, sealed="5EA1ED", masked="629999******0009", expiry="3012", sequence="001",
    track2="6299990000000009D30122011234567890", chip_data=bytes.fromhex("9F2608E59D6F475599E75D"),
    entry_mode="051", pin_block=bytes(8), reversal_chip_data=bytes.fromhex("9F36020007"),
)  # fmt: skip
STRIPE = CardPresented(
    pan=PAN, sealed="5EA1ED", masked="629999******0009", expiry="3012", track2="6299990000000009D30122011234567890",
    entry_mode="021", pin_block=bytes.fromhex("02635C2F1B247C28"),
)
CERTIFICATE = bytes.fromhex("9F2608E59D6F475599E75D9F2701408A025933")  # of a chip that approved by itself (Y3)
OFFLINE_CARD = replace(
    CARD, chip_data=CERTIFICATE, pin_block=None, entry_mode="052", approved_offline=True,
    token="0f1e2d3c4b5a69788796a5b4c3d2e1f0", scheme="unionpay",
)  # fmt: skip
KEYS = WorkingKeys62.wrap(bytes.fromhex("11111111111111112222222222222222"), bytes(range(16)), bytes(range(8)))


class Till:
    """A counter, every record it persisted, and the effects of the last event."""

    def __init__(self, records: Iterable[Record] = (), profile: TerminalProfile = PROFILE) -> None:
        self.records = list(records)
        self.counts = CardCounts(self)
        self.counter = Counter(profile, self.records)
        self.now = 1_700_000_000.0
        self.host_is_there = True
        self.effects = self._keep(self.counter.resume(self.now))
        self.on(RoomMeasured(free_bytes=10**9, writable=True))

    def on(self, event: Event, after_s: float = 0.0) -> list[Effect]:
        """Handle one event, so many seconds later."""
        self.now += after_s
        self.counts.tell_before(event, self.counter)
        self.effects = self._keep(self.counter.handle(event, self.now))
        return self.effects

    def sold_offline_to(self, token: str) -> Iterable[Payment]:
        """What its journal tells of a card."""
        return MemoryJournal(self.records).sold_offline_to(token)

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass; Tick comes at every deadline, as from the shell. A host that is there answers probes."""
        end, seen = self.now + seconds, list[Effect]()
        while (deadline := self.counter.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            effects = self._keep(self.counter.handle(Tick(), self.now))
            seen += effects
            for number in probes(effects) if self.host_is_there else ():
                seen += self._keep(self.counter.handle(echo_answer(number), self.now))
        self.now = end
        self.effects = seen
        return seen

    def print_slips(self) -> list[Print]:
        """The printer prints what it is handed, until nothing is due; return that."""
        jobs: list[Print] = []
        while job := self.counter.slips.in_hand:
            self.on(SlipReady(job.key))
            self.on(SlipPrinted(job.key, job.duplicate))
            jobs.append(job)
        return jobs

    def restart(self) -> "Till":
        """The process dies and comes back; only the records survive."""
        return Till(self.records, self.counter.profile)

    def sign_on(self) -> "Till":
        """Bring the session up."""
        self.on(LinkUp())
        self.on(Received(sign_on_answer(trace=self.sent().text(11)), "absent"))
        self.on(KeysLoaded(accepted=True))
        assert self.counter.session.ready
        return self

    def sell(self, amount: int = 2500, means: CardPresented | CodePresented = CARD) -> Message:
        """Charge and present; return the request that went out."""
        self.on(SaleRequested(f"r{len(self.records)}", amount, "01"))
        self.on(means)
        return self.sent()

    def sent(self) -> Message:
        """The one message among the last effects."""
        (message,) = (effect.message for effect in self.effects if isinstance(effect, Send))
        return message

    def said(self) -> str:
        """What the counter last had to say."""
        assert self.counter.notice is not None, "it said nothing"
        return self.counter.notice.reason

    def persisted(self) -> list[Record]:
        """The records among the last effects."""
        return [effect.record for effect in self.effects if isinstance(effect, Persist)]

    def _keep(self, effects: list[Effect]) -> list[Effect]:
        self.records += [effect.record for effect in effects if isinstance(effect, Persist)]
        for wanted in [effect for effect in effects if isinstance(effect, LoadBatch)]:
            records = tuple(MemoryJournal(self.records).batch(self.counter.profile.terminal_id, wanted.batch))
            effects += self._keep(self.counter.handle(BatchLoaded(wanted.batch, records), self.now))
        return effects


def ready_till() -> Till:
    """A till that may sell."""
    return Till().sign_on()


def sign_on_answer(batch: str = "000007", trace: str = "000001") -> Message:
    """A sign-on answer with working keys."""
    return Message("0810", {
        11: trace, 12: "103000", 13: "0115", 37: "260115000001", 39: "00", 41: PROFILE.terminal_id,
        42: PROFILE.merchant_id, 60: Block60("00", batch, "003").to_text(), 62: KEYS.to_bytes(),
    })  # fmt: skip


def probes(effects: Iterable[Effect]) -> list[str]:
    """The numbers of the probes that are sent."""
    sent = [effect.message for effect in effects if isinstance(effect, Send)]
    return [message.text(11) for message in sent if message.text(60, "").endswith("301")]


def echo_answer(number: str = "000001", code: str = "00", mac: MacState = "good") -> Received:
    """The answer to a probe with this number: the first since the line came up, if it is not said. It tells no time."""
    return Received(Message("0830", {
        11: number, 39: code, 41: PROFILE.terminal_id, 42: PROFILE.merchant_id, 60: "00000007301",
    }), mac)  # fmt: skip


def answer(request: Message, code: str = "00", **fields: str | bytes) -> Message:
    """Answer a request: its own fields echoed, response code and reference added; `f38="A1B2C3"` adds field 38."""
    echoed = {number: request[number] for number in (3, 4, 11, 25, 41, 42, 49, 60) if number in request}
    extra = {int(name[1:]): value for name, value in fields.items()}
    return request.response(echoed | {12: "103045", 13: "0115", 37: "260115000002", 39: code} | extra)


def from_host(message: Message, mac: MacState = "good", command: str = "0") -> Received:
    """A message as the link reports it."""
    return Received(message, mac, command)


def settle_answer(request: Message, result: str) -> Message:
    """The answer to a settlement: the same totals with the host's verdict."""
    ours = Totals48.parse(request.text(48)).domestic
    judged = Totals(ours.debit_amount, ours.debit_count, ours.credit_amount, ours.credit_count, result)
    echoed = {number: request[number] for number in (11, 41, 42, 49, 60)}
    return request.response(echoed | {48: Totals48(judged).to_text()})
