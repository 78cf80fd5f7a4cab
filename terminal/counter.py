"""The counter: all cores of a terminal behind one door. Events and the time in, effects out.

Built on the book that the journal's records make up. `resume` is called once after that. The shell calls `handle` for
every event, carries the effects out in order, and calls again with Tick when `deadline` has come.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from firmware_config.profile import TerminalProfile
from iso8583.response_codes import Action, meaning
from terminal import messages, risk
from terminal.book import Book
from terminal.effects import Effect, OpenDrawer, Persist, TellShop
from terminal.errands import Errands
from terminal.events import (
    BalanceRequested,
    BatchLoaded,
    CancelRequested,
    CardCompleted,
    CardCounted,
    CardErased,
    CardPresented,
    ClockSeen,
    CloseByPeople,
    CodeIgnored,
    CodePresented,
    CodesSeen,
    CodeTrustLoaded,
    CourierLost,
    CourierRefused,
    CourierUp,
    DevicesSeen,
    DownloadKept,
    DownloadsLoaded,
    DrawerRequested,
    DrawerStuck,
    Event,
    KeysBack,
    KeysLoaded,
    KeysLost,
    Line,
    LinkLost,
    LinkUp,
    MeansFailed,
    Progress,
    Received,
    RefundRequested,
    ReprintRequested,
    RoomMeasured,
    SaleRequested,
    SendNow,
    SettleRequested,
    SlipFailed,
    SlipPrinted,
    SlipReady,
    SwipeRefused,
    Tick,
    VoidRequested,
)  # fmt: skip
from terminal.host_time import HostClock
from terminal.offline_caps import OfflineCard
from terminal.offline_codes import CodeVerified, OfflineCodes, capped, fingerprint
from terminal.parked import ParkedBatches
from terminal.payment import Payments
from terminal.payment_codes import SHIPPED, CodeTable
from terminal.records import DrawerOpened, Key, Record
from terminal.refusals import Refusals
from terminal.session import Session
from terminal.settlement import Settlement
from terminal.slip_queue import SlipQueue
from terminal.telemetry import Telemetry

PAYMENT_ANSWERS = ("0210", "0230", "0410")
MISSED = {"choose": "no_choice"}
"""What did not come in time, by the stage at which the payment waited; at every other it was a card or a code."""

_Measurement = RoomMeasured | ClockSeen | DevicesSeen | DownloadsLoaded | CodeTrustLoaded | CardCounted


@dataclass(frozen=True, slots=True)
class Notice:
    """What the counter last had to say: a key of the catalogue, and the payment it is about."""

    reason: str
    key: Key | None = None


class Counter:
    """One terminal, as decided by its book."""

    def __init__(self, profile: TerminalProfile, records: Iterable[Record] = (), codes: CodeTable = SHIPPED) -> None:
        self.profile = profile
        self.codes = codes
        self.book = Book()
        for record in records:
            self.book.apply(record)
        self.payments = Payments(self.book, profile)
        self.clock = HostClock(self.book, profile, lambda: self.busy)
        self.session = Session(self.book, profile, lambda: self.payments.answer_is_owed, self.clock.told)
        self.offline_codes = OfflineCodes(self.book, profile)
        self.settlement = Settlement(self.book, profile)
        self.parked = ParkedBatches(self.book, profile)
        self.errands = Errands(self.book, profile)
        self.telemetry = Telemetry(self.book, profile)
        self.refusals = Refusals(self.book, profile, self.payments, self.session, self.clock)
        self.courier_connected = False
        self.now = 0.0
        """The time that it was told last. Only for who asks between two events; decisions are told the time."""
        self.notice: Notice | None = None
        self.slips = SlipQueue(self.book)
        self.stage = ""
        self.choices: tuple[str, ...] = ()

    def resume(self, now: float) -> list[Effect]:
        """Take up what a restart has interrupted."""
        self.now = now
        self.clock.look(now)
        self.session.resume(self.book.offline().since or now)
        self.payments.hold_advices(self.parked.come_first, now)
        return self.payments.resume(now) + self.slips.follow(now) + self.parked.follow(self.session.ready, now)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Decide about one event; then let the rest follow, if the line's state has changed or the counter is free.

        From a measurement, or what was read of a file, nothing follows: who brings it need not look for effects.
        """
        was_ready, self.now = self.session.ready, now
        self.clock.look(now)
        effects = self._decide(event, now)
        return effects if isinstance(event, _Measurement) else effects + self._follow(was_ready, now)

    def deadline(self) -> float | None:
        """When Tick is to be handled next."""
        cores = (
            self.payments, self.session, self.settlement, self.parked, self.errands, self.slips, self.telemetry,
        )  # fmt: skip
        times = (core.deadline() for core in cores)
        return min((time for time in times if time is not None), default=None)

    @property
    def busy(self) -> bool:
        """A payment is in the customer's or the host's hands."""
        return self.payments.current is not None

    def refusal_of_offline_card(self, card: OfflineCard) -> str:
        """Why this card may not pay without the host: for the card dialogue, which asks between two events."""
        return self.refusals.of_offline_card(card, self.now)

    def _decide(self, event: Event, now: float) -> list[Effect]:  # noqa: C901, PLR0912 - one match over a closed union
        match event:
            case Received():
                return self._received(event, now)
            case Tick():
                effects = self.payments.tick(now, MISSED.get(self.stage, "no_means")) + self.session.tick(now)
                return effects + self.settlement.tick(now) + self.parked.tick(now) + self.errands.tick(now)
            case SaleRequested() | BalanceRequested() | VoidRequested() | RefundRequested():
                return self._payment_requested(event, now)
            case CodePresented(code) if self.payments.sells_offline:
                return self._code_offline(code, now)
            case CodePresented(code) if refusal := self.codes.refusal_of(code):
                self._say(refusal, self.payments.current)
                return []
            case CodeIgnored() | SwipeRefused():
                self._say_refusal(event)
                return []
            case CardPresented() | CodePresented():
                return self._presented(event, now)
            case CardCompleted():
                return self.payments.card_completed(event, now)
            case MeansFailed(reason):
                self._say(reason, self.payments.current)
                return self.payments.cancel(reason, now)
            case CancelRequested(key):
                return self.payments.cancel("cancelled", now) if key == self.payments.current else []
            case Progress(stage, choices):
                self._forget_refusal()
                self.stage, self.choices = stage, choices
                return []
            case SettleRequested(operator):
                return self._settle(operator, now)
            case CloseByPeople():
                return self._close_by_people(event, now)
            case DrawerRequested() | DrawerStuck():
                return self._open_drawer(event, now)
            case ReprintRequested(key):
                return self._reprint(key)
            case SlipReady() | SlipPrinted() | SlipFailed():
                return self._printer_said(event, now)
            case KeysLoaded():
                return self.session.keys_loaded(event, now)
            case CardErased(key):
                return self._keeper_of(key).card_erased(key, now)
            case BatchLoaded():
                return self.parked.loaded(event, self.payments.forwarding.lines, now)
            case KeysLost():
                return self.session.keys_lost(event, now)
            case KeysBack():
                return self.session.keys_back(now)
            case LinkUp() | LinkLost() | CourierUp() | CourierLost() | CourierRefused():
                return self._line_changed(event, now)
            case SendNow():
                return self.payments.send_now(now) + self.parked.send_now(now)
            case DownloadKept():
                return self.errands.kept(event, now)
            case CodesSeen():
                self.offline_codes.seen_elsewhere(event)
                return []
            case RoomMeasured() | ClockSeen() | DevicesSeen() | DownloadsLoaded() | CodeTrustLoaded() | CardCounted():
                return self._measured(event, now)

    def _measured(self, event: _Measurement, now: float) -> list[Effect]:
        match event:
            case RoomMeasured(free_bytes, writable):
                self.refusals.room = risk.Room(free_bytes, writable)
            case ClockSeen():
                self.clock.seen(event)
                self.clock.look(now)
            case DevicesSeen(works):
                self.errands.devices = works
            case DownloadsLoaded():
                self.refusals.lists_at = event.lists_at
                return self.errands.loaded(event, now)
            case CodeTrustLoaded():
                self.offline_codes.trust = event
            case CardCounted():
                self.refusals.counted = event
        return []

    def _code_offline(self, code: str, now: float) -> list[Effect]:
        """Sell by a code that is verified here; of any other say why, and let the sale go on with other means."""
        key = self.payments.current
        assert key is not None, "a sale waits for means"
        judged = self.offline_codes.judge(code, self.book.payments[key], now)
        if isinstance(judged, CodeVerified) and (refusal := self.refusals.of_offline_card(judged.counts_as, now)):
            judged = capped(refusal)
        if isinstance(judged, CodeVerified):
            self._forget_refusal()
            tell = TellShop((fingerprint(judged.says.key, judged.says.counter),))
            return [*self.payments.presented(judged, now), tell]
        self._say(judged.reason, key)
        if judged.evidence is None:
            return []
        self.book.apply(judged.evidence)
        return [Persist(judged.evidence)]

    def _line_changed(
        self, event: LinkUp | LinkLost | CourierUp | CourierLost | CourierRefused, now: float
    ) -> list[Effect]:
        match event:
            case LinkUp():
                return self.session.link_up(now)
            case LinkLost():
                return self.session.link_down(event, now)
            case CourierRefused(key):
                return self._keeper_of(key).courier_refused(key, now)
            case CourierUp() | CourierLost():
                self.courier_connected = isinstance(event, CourierUp)
                return self.offline_codes.tell_again(now) if self.courier_connected else []

    def _received(self, event: Received, now: float) -> list[Effect]:
        """The host has spoken. What the courier brings may be a day old, or made under keys that are no more.

        So it neither proves that the line stands, nor orders anything, nor says that keys do not fit: of all that, the
        line to the host will tell. It is an answer to what is owed, or nothing.
        """
        if event.line == "courier":
            is_answer = event.message.mti in PAYMENT_ANSWERS
            return self._keeper_of(messages.key_in(event.message)).received(event, now) if is_answer else []
        self.session.heed(event.command, now)
        self.errands.heed(event.command, now)
        key = messages.key_in(event.message)
        match event.message.mti:
            case mti if mti in PAYMENT_ANSWERS:
                self._mind_the_session(event, now)
                return self._keeper_of(key).received(event, now)
            case "0510" | "0330" if self.parked.owns(key.batch):
                return self.parked.received(event, now)
            case "0510" | "0330":
                return self.settlement.received(event, now)
            case "0810" | "0830" if self.errands.owns(event.message):
                if event.mac == "bad":
                    self.session.ask_for_sign_on(now)
                return self.errands.received(event, now)
            case "0810" | "0830":
                return self.session.received(event, now)
            case _:
                return []

    def _keeper_of(self, key: Key) -> Payments | ParkedBatches:
        """Who minds this payment: it lies in the open batch, or in the parked one that is loaded."""
        return self.parked if self.parked.owns(key.batch) else self.payments

    def _mind_the_session(self, event: Received, now: float) -> None:
        """Fresh keys when one side's MAC did not satisfy the other; no more sales when the host does not know us."""
        if event.message.get(41) != self.profile.terminal_id:
            return
        code = event.message.text(39, "")
        action = meaning(code).action
        if event.mac == "good" and action is Action.STOP:
            self.session.stop(code, now)
        elif event.mac != "good" or action is Action.SIGN_ON:
            self.session.ask_for_sign_on(now)

    def _presented(self, event: CardPresented | CodePresented, now: float) -> list[Effect]:
        """Take a card or a code. Of a card that its chip let pay offline, whoever presents it must have asked before.

        If not, what the chip approved beyond the card's caps is not sold all the same.
        """
        self._forget_refusal()
        self.stage = "host"
        if isinstance(event, CardPresented) and event.approved_offline and self.payments.sells_offline:
            refusal = self.refusals.of_offline_card(OfflineCard(event.token, event.scheme), now)
            if refusal:
                return self.payments.cancel(refusal, now)
        return self.payments.presented(event, now)

    def _payment_requested(
        self, event: SaleRequested | BalanceRequested | VoidRequested | RefundRequested, now: float
    ) -> list[Effect]:
        """Refuse in words, or begin. A request seen before begins nothing: its payment is the answer."""
        if event.request_id in self.book.requests:
            return []
        refusal = self.refusals.of_payment(event, now)
        if refusal:
            self._say(refusal)
            return []
        self.notice, self.stage = None, "card_or_code"
        match event:
            case SaleRequested(request_id, amount, operator, offline):
                name = "offline_sale" if offline and not self.session.ready else "sale"
                parking = self._park(operator, now) if risk.must_park(self.book, self.profile.limits) else []
                return parking + self.payments.start(name, request_id, amount, operator, now)
            case BalanceRequested(request_id, operator):
                return self.payments.start("balance_inquiry", request_id, 0, operator, now)
            case VoidRequested(request_id, original, operator, authorised_by):
                self.stage = "host"
                sale = self.book.payments[original]
                return self.payments.void(sale, request_id, operator, authorised_by, now)
            case RefundRequested(request_id, sale, amount, operator, authorised_by):
                self.stage = "host"
                return self.payments.refund(sale, amount, request_id, operator, authorised_by, now)

    def _park(self, operator: str, now: float) -> list[Effect]:
        self.payments.let_all_go()
        return self.parked.park(operator, now)

    def _settle(self, operator: str, now: float) -> list[Effect]:
        refusal = risk.refusal_of_settlement(self.book, self.session.ready, self.busy)
        if refusal:
            self._say(refusal)
            return []
        self.notice = None
        return self.settlement.start(operator, now)

    def _close_by_people(self, said: CloseByPeople, now: float) -> list[Effect]:
        refusal = risk.refusal_of_closing(self.book.find(said.key), said, self.refusals.room)
        if refusal:
            self._say(refusal)
            return []
        self.notice = None
        return self._keeper_of(said.key).close_by_people(said, now)

    def _open_drawer(self, asked: DrawerRequested | DrawerStuck, now: float) -> list[Effect]:
        if isinstance(asked, DrawerStuck):
            self._say("drawer_stuck")
            return []
        refusal = risk.refusal_of_drawer(asked.reason, self.profile.devices.cash_drawer, self.refusals.room, self.busy)
        if refusal:
            self._say(refusal)
            return []
        self.notice = None
        opened = DrawerOpened(asked.operator, asked.reason, now)
        self.book.apply(opened)
        return [Persist(opened), OpenDrawer()]

    def _reprint(self, key: Key) -> list[Effect]:
        """Print again. What is not of this batch the shell looks up in the journal."""
        payment = self.book.find(key)
        if payment is not None and not payment.has_slip:
            self._say("nothing_to_print", key)
        elif not self.slips.ask(key):
            self._say("printer_queue_full", key)
        return []

    def _printer_said(self, event: SlipReady | SlipPrinted | SlipFailed, now: float) -> list[Effect]:
        match event:
            case SlipReady(key):
                return self.slips.ready(key, now)
            case SlipPrinted(key, duplicate):
                return self._slip_printed(key, duplicate, now)
            case SlipFailed(key, reason):
                if self.slips.has_failed(key, reason, now):
                    self._say(f"printer_{reason}", key)
                return []

    def _slip_printed(self, key: Key, duplicate: bool, now: float) -> list[Effect]:
        effects = self.slips.printed(key, duplicate, now)
        if self.notice and self.notice.key == key and self.notice.reason.startswith("printer_"):
            self.notice = None
        return effects

    def _follow(self, was_ready: bool, now: float) -> list[Effect]:
        """Payments and settlement follow the session; a sign-on and errands wait until the counter is free."""
        effects: list[Effect] = []
        if self.session.wants_sign_on and not self.busy:
            effects += self.session.sign_on(now)
        lines = self._lines()
        effects += self.payments.lines_are(lines, now) + self.parked.lines_are(lines, now)
        if self.session.ready and not was_ready:
            self.settlement.link_ready = True
            effects += self.settlement.link_up(now)
        elif was_ready and not self.session.ready:
            effects += self.settlement.link_down()
        effects += self.errands.follow(self._is_free(), now) + self.slips.follow(now)
        effects += self.parked.follow(self.session.ready, now)
        effects += self.payments.hold_advices(self.parked.come_first, now)
        money_waits = bool(self.payments.forwarding.under_way + self.parked.under_way)
        return effects + self.telemetry.follow(self.courier_connected, money_waits, self.errands.devices, now)

    def _lines(self) -> frozenset[Line]:
        """The lines that payments can use. Over the courier only what we can sign: the host believes nothing else."""
        there: dict[Line, bool] = {
            "host": self.session.ready, "courier": self.courier_connected and self.session.trusts_keys,
        }  # fmt: skip
        return frozenset(line for line, usable in there.items() if usable)

    def _is_free(self) -> bool:
        """Nothing is in anybody's hands, and nothing more important waits: an errand may be run."""
        settling = self.book.settling is not None
        return self.session.ready and not (self.session.wants_sign_on or self.busy or settling)

    def _say_refusal(self, event: CodeIgnored | SwipeRefused) -> None:
        """Say why a code or a swipe was not taken; of an ignored code only if nothing else was wrong before."""
        if isinstance(event, SwipeRefused):
            matters = self.payments.current is not None
        else:
            matters = self.notice is None and self.stage == "card_or_code"
        if matters:
            self._say(event.reason, self.payments.current)

    def _forget_refusal(self) -> None:
        """What was wrong with another code or swipe is over."""
        if self.notice is not None and self.notice.key is not None and self.notice.key == self.payments.current:
            self.notice = None

    def _say(self, reason: str, key: Key | None = None) -> None:
        self.notice = Notice(reason, key)
