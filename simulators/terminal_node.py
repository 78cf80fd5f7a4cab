"""A terminal in the simulated world: the counter's cores over a durable journal, with the shell's behaviour around.

What `terminal/runner.py`, `host_link.py` and `printing.py` do with asyncio, this does on virtual time: one event at a
time, effects in order, one timer; a journal that cannot be written stops everything until it can. Vault, frames and
MACs are the real ones, so what goes over the line is bytes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error, Message
from iso8583.unionpay import Frame
from simulators.auditor import Auditor
from simulators.broker_node import LATE_S, Acknowledge, BrokerNode, Place, topic_up
from simulators.engine import World
from simulators.lines import HEAD_BYTES, Lines, parsed
from simulators.memory_journal import JournalPort
from terminal import messages
from terminal.book import Payment
from terminal.card_counts import CardCounts
from terminal.counter import Counter
from terminal.downloads import Download
from terminal.effects import (
    AskForMeans,
    CompleteCard,
    Effect,
    KeepDownload,
    LoadBatch,
    LoadKeys,
    Persist,
    Print,
    PrintNow,
    Reconnect,
    ReleaseMeans,
    Send,
    SetClock,
)  # fmt: skip
from terminal.events import (
    BalanceRequested,
    BatchLoaded,
    CardErased,
    ClockSeen,
    CloseByPeople,
    CodeTrustLoaded,
    CourierLost,
    CourierRefused,
    CourierUp,
    DownloadKept,
    DownloadsLoaded,
    Event,
    KeysBack,
    KeysLoaded,
    KeysLost,
    LinkLost,
    LinkUp,
    Received,
    RefundRequested,
    RoomMeasured,
    SaleRequested,
    SettleRequested,
    SlipFailed,
    SlipPrinted,
    SlipReady,
    Tick,
    VoidRequested,
)  # fmt: skip
from terminal.host_time import CLOSE_S
from terminal.journal import JournalUnwritable
from terminal.key_store import KeyStore
from terminal.offline_caps import OfflineCard
from terminal.printing import NOTED_S
from terminal.records import Key, Record, ReversalDue, Sent
from terminal.steady_clock import SteadyClock
from terminal.transitions import State
from terminal.vault import CardLost, PinKey, Vault, VaultError

REQUESTS = (SaleRequested, BalanceRequested, VoidRequested, RefundRequested, SettleRequested, CloseByPeople)
ROOM_INTERVAL_S = 5.0
RECONNECT_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # rarer than a true one tries, to save the world the events
KEY_LOADING_S = 0.3
PRINTER_ANSWERS_S = 0.1
FREE_BYTES = 10**9


class Devices(Protocol):
    """What stands on the counter, with the people in front of it and behind it."""

    def ask(self, wanted: AskForMeans) -> None:
        """Somebody is to present a card or a code."""

    def complete(self, last_word: CompleteCard) -> None:
        """The chip hears the host's answer."""

    def release(self) -> None:
        """The payment needs neither card nor code any more."""

    def load_pin_key(self, key: PinKey) -> None:
        """The PIN pad gets its working key."""

    def printer_trouble(self) -> str:
        """Why the printer takes no slip; empty if it does."""

    def print_slip(self, job: Print, payment: Payment | None) -> tuple[float, SlipPrinted | SlipFailed]:
        """A slip comes out, and the printer says so, or is not heard: after how long."""


class TerminalNode:
    """One terminal. Durable: vault file, journal and what was downloaded. Everything else is lost when it falls."""

    def __init__(
        self, world: World, profile: TerminalProfile, vault: Path, open_journal: Callable[[], JournalPort],
        lines: Lines, auditor: Auditor,
    ) -> None:  # fmt: skip
        self.name = profile.terminal_id
        self.life = 0
        self.up = False
        self.profile = profile
        self.journal: JournalPort
        self.disk_full = False
        self.devices: Devices
        self.clock_ahead_s = 0.0
        self.code_trust = CodeTrustLoaded()
        self.connection: str | None = None
        self.courier: Place | None = None
        self._world = world
        self._lines = lines
        self._auditor = auditor
        self._open_journal = open_journal
        self._vault_file = vault
        self._downloads: dict[str, Path] = {}  # each kind that is kept, and the vault that has signed it
        self._vault: Vault
        self._clock: SteadyClock
        self._clock_was_set = False
        self._writable = True
        self._job: Print | None = None
        self._begun: Print | None = None
        self._unsent = False
        self._failures = 0
        self._attempts = 0
        self._timer_at: float | None = None
        self.counter = Counter(profile)

    # --- a life -------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the journal."""
        self._vault = Vault(KeyStore(self._vault_file))
        self.journal = self._open_journal()
        self._counts = CardCounts(self.journal)
        self._writable, self._timer_at, self._failures, self._unsent = True, None, 0, False
        self._job = self._begun = None
        self._clock = SteadyClock(self._wall, lambda: self._world.now)
        self._clock_was_set = False
        self._start_over()
        if self.up:
            self._connect_in(RECONNECT_S[0])
            self.room_changed()
        if self.up and self.courier:
            self.courier.boot()

    def fall(self) -> None:
        """Lose what is volatile; the connection dies with the process."""
        if self.counter.book.settling is not None:
            self._world.happened["crash during settlement"] += 1
        if self._unsent:
            self._world.happened["crash between persist and send"] += 1
        self.devices.release()
        self.journal.close()
        if self.connection:
            self._lines.hang_up(self.connection)
        self.connection = None
        if self.courier:
            self.courier.fall()

    def keys_erased(self, fresh_vault: Path) -> None:
        """Somebody tampers with the devices: the keys are erased, and new ones given. What was sealed stays sealed."""
        self._vault_file = fresh_vault
        self._auditor.keys_erased(self.name)
        if self.up:
            self._vault = Vault(KeyStore(fresh_vault))
            self.handle(KeysLost("keys_erased"))
            self.handle(KeysBack())
            self.handle(self._loaded())

    def _wall(self) -> float:
        """What the terminal's clock on the wall says: it may be wrong, and it may be set."""
        return self._world.now + self.clock_ahead_s

    def _start_over(self) -> None:
        self._rebuild()
        self._carry_out(self.counter.resume(self._clock.now()))

    def _rebuild(self) -> None:
        self.devices.release()
        self.counter = Counter(self.profile, self.journal.replay())
        self._auditor.terminal_rests(self.name, self.counter.book)
        self.counter.handle(self._loaded(), self._clock.now())
        self.counter.handle(self.code_trust, self._clock.now())
        self._measure_room()
        if self.courier and self.courier.connection:
            self._world.after(0.0, self, self._courier_changed, True)

    def _loaded(self) -> DownloadsLoaded:
        return DownloadsLoaded(tuple(kind for kind, by in self._downloads.items() if by != self._vault_file))

    # --- events and effects -------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Take one event, as the runner does."""
        self._world.note(self.name, "<-", event)
        if isinstance(event, REQUESTS):
            self._measure_room()
        elif not self._writable:
            return
        self._counts.tell_before(event, self.counter)
        self._carry_out(self.counter.handle(event, self._clock.now()))

    def _carry_out(self, effects: list[Effect]) -> None:
        life = self.life
        try:
            self._world.perform(self, effects, self._perform)
        except JournalUnwritable:
            self._journal_failed()
        if life == self.life and self._clock_was_set:
            self._clock_was_set = False
            self._world.happened["clock set by the host"] += 1
            self._start_over()
            self.lose_connection()
        if life == self.life:
            self._auditor.terminal_rests(self.name, self.counter.book)
            self._arm_timer()

    def _perform(self, effect: Effect) -> None:  # noqa: C901 - one match over a closed union
        match effect:
            case Persist(record):
                self._persist(record)
            case Send():
                self._send(effect)
            case AskForMeans():
                self.devices.ask(effect)
            case ReleaseMeans():
                self.devices.release()
            case CompleteCard():
                self._auditor.chip_told(self.counter.payments.current, effect)
                self.devices.complete(effect)
            case LoadKeys(keys):
                self._world.after(KEY_LOADING_S, self, self._load_keys, keys)
            case KeepDownload(download):
                self._keep(download)
            case LoadBatch(batch):
                self._world.after(0.0, self, self._load_batch, batch)
            case Print():
                self._ask_printer(effect)
            case PrintNow(key):
                self._print(key)
            case Reconnect():
                self.lose_connection()
            case SetClock(by_s):
                self._clock.vouch(by_s)
                self._clock_was_set = self._clock_was_set or abs(by_s) > CLOSE_S

    def _persist(self, record: Record) -> None:
        self._world.note(self.name, "persists", type(record).__name__, getattr(record, "key", ""))
        if self.disk_full:
            raise JournalUnwritable("the journal's disk is full")
        self.journal.append(record)
        self._unsent = isinstance(record, Sent | ReversalDue)
        self._auditor.terminal_persisted(self.name, record)

    def _keep(self, download: Download) -> None:
        if not self.disk_full:
            self._downloads[download.kind] = self._vault_file
            self._auditor.download_kept(self.name, download.kind)
        self._world.after(0.0, self, self.handle, DownloadKept(download.kind, kept=not self.disk_full))

    def _load_batch(self, batch: str) -> None:
        self.handle(BatchLoaded(batch, tuple(self.journal.batch(self.name, batch))))

    def _journal_failed(self) -> None:
        self._world.note(self.name, "cannot write its journal")
        if any(payment.state is State.REVERSAL_DUE for payment in self.counter.book.unresolved()):
            self._world.happened["disk full during reversal"] += 1
        self._writable = False
        self.room_changed()
        self._rebuild()

    def _measure_room(self) -> None:
        now = self._clock.now()
        self.counter.handle(RoomMeasured(FREE_BYTES, self._writable), now)
        self.counter.handle(ClockSeen(self._clock.wall_is_off_s, self._clock.is_vouched), now)

    def room_changed(self) -> None:
        """The disk or the clock is not as it was: the terminal sees it when it looks next."""
        self._world.after(ROOM_INTERVAL_S, self, self._watch_room)

    def _watch_room(self) -> None:
        self._measure_room()
        works_again = not self._writable and not self.disk_full
        follows = self._clock.wall_was_set and not self.counter.clock.is_known
        if follows and self.counter.busy:
            self.room_changed()
        elif works_again or follows:
            if follows:
                self._clock.follow()
            self._writable = self._writable or works_again
            self._start_over()
            self.lose_connection()

    def _arm_timer(self) -> None:
        deadline = self.counter.deadline()
        if deadline is None or deadline == self._timer_at:
            return
        self._timer_at = deadline
        self._world.after(max(0.0, deadline - self._clock.now()), self, self._ring, deadline)

    def _ring(self, deadline: float) -> None:
        if deadline == self._timer_at:
            self._timer_at = None
            self.handle(Tick())

    # --- the link -----------------------------------------------------------------------------------------------------

    def _connect_in(self, seconds: float) -> None:
        self._attempts += 1
        self._world.after(seconds, self, self._connect, self._attempts)

    def _connect(self, attempt: int) -> None:
        if attempt != self._attempts:
            return
        self.connection = self._lines.connect(self)
        if self.connection:
            self.handle(LinkUp())
        else:
            self._connect_later()

    def _connect_later(self) -> None:
        """Try again: not before the way is open, as far as the world knows, to save it the attempts."""
        pause_s = RECONNECT_S[min(self._failures, len(RECONNECT_S) - 1)]
        self._failures += 1
        self._connect_in(max(pause_s, self._lines.opens_at(self.name) - self._world.now))

    def connect_now(self) -> None:
        """The way is open, earlier than the world had known."""
        if self.up and not self.connection:
            self._connect_in(RECONNECT_S[-1])

    def lose_connection(self) -> None:
        """The connection is over, and the terminal knows it."""
        if self.connection:
            self._lines.hang_up(self.connection)
            self.connection = None
            self._world.after(0.0, self, self.handle, LinkLost())
            self._connect_later()

    def _send(self, effect: Send) -> None:
        message = effect.message
        self._auditor.terminal_sends(self.name, message, effect.line)
        self._unsent = False
        try:
            pans = self._vault.cards_for(message, effect.cards)
            protected = self._vault.protect(messages.with_cards(message, pans))
        except CardLost:
            self._world.after(0.0, self, self.handle, CardErased(messages.key_in(message)))
            return
        except VaultError:
            self._world.note(self.name, "has no key to send with")
            return
        host = self.profile.host
        if effect.line == "courier":
            self._send_by_courier(effect, Frame(host.tpdu, host.header, protected).to_bytes())
        elif self.connection:
            self._lines.send(self, Frame(host.tpdu, host.header, protected).to_bytes())

    def arrive(self, connection: str, data: bytes) -> None:
        """A frame has come on a connection; on one that is over, nobody is there to read it."""
        if connection != self.connection or not self.up:
            return
        self._failures = 0
        try:
            frame = parsed(data)
        except Iso8583Error:
            self.lose_connection()
        else:
            self.handle(Received(frame.message, self._vault.mac_state(data[HEAD_BYTES:], frame.message), frame.command))

    # --- the courier --------------------------------------------------------------------------------------------------

    def join(self, broker: BrokerNode) -> None:
        """There is a broker, and this terminal has a place at it. Of its telemetry nothing depends: it is not told."""
        self.courier = Place(self._world, broker, self, self._courier_changed, self._courier_brings)

    def _courier_changed(self, up: bool) -> None:
        self.handle(CourierUp() if up else CourierLost())

    def _send_by_courier(self, effect: Send, frame: bytes) -> None:
        if self.courier:
            kind = "reversal" if effect.message.mti.startswith("04") else "advice"
            topic = topic_up(self.profile.merchant_id, self.name, kind)
            told = partial(self._courier_told, messages.key_in(effect.message))
            self.courier.send("host", topic, frame, effect.again_in_s + LATE_S, told)

    def _courier_told(self, key: Key, taken: bool) -> None:
        """The broker has a message, or does not carry it."""
        if self.up and not taken:
            self.handle(CourierRefused(key))

    def _courier_brings(self, _topic: str, data: bytes, acknowledge: Acknowledge) -> None:
        """Something has come that may be an answer: it is acknowledged whatever it is."""
        acknowledge()
        try:
            frame = parsed(data)
        except Iso8583Error:
            return
        mac = self._vault.mac_state(data[HEAD_BYTES:], frame.message)
        self._auditor.courier_brings(frame.message, mac)
        self.handle(Received(frame.message, mac, frame.command, "courier"))

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _load_keys(self, keys: bytes) -> None:
        try:
            self.devices.load_pin_key(self._vault.load(keys))
        except VaultError:
            self.handle(KeysLoaded(accepted=False, reason="keys_wrong"))
        else:
            self.handle(KeysLoaded(accepted=True))

    def has_lost_card(self, sealed: str) -> bool:
        """What the page asks the vault before a refund."""
        return self._vault.has_lost(sealed)

    def refunds_of(self, key: Key) -> list[Payment]:
        """What the page reads in the journal before a refund."""
        return self.journal.refunds_of(key)

    @property
    def is_quiet(self) -> bool:
        """Up and connected, with nothing open."""
        book = self.counter.book
        return self.up and self._writable and self.counter.session.ready and not (book.unresolved() or book.parked)

    def sign(self, message: Message) -> Message | None:
        """Add what the link adds, if there is a key: for whoever sits inside the terminal and means no good."""
        try:
            return self._vault.protect(message)
        except VaultError:
            return None

    def seal(self, pan: str) -> str:
        """Seal a card number for the journal, as the card dialogue does."""
        return self._vault.seal(pan)

    def refusal_of_offline_card(self, pan: str) -> tuple[OfflineCard, str]:
        """What the card dialogue asks before a chip may approve: by what the card counts, and why it may not pay."""
        card = OfflineCard(self._vault.token(pan), "unionpay")
        return card, self._counts.refusal_of(card, self.counter)

    # --- slips --------------------------------------------------------------------------------------------------------

    def _ask_printer(self, job: Print) -> None:
        self._auditor.print_ordered(job.key)
        if self._job and self._job.key == job.key:
            return
        self._job = job
        trouble = self.devices.printer_trouble()
        said = SlipFailed(job.key, trouble) if trouble else SlipReady(job.key)
        self._world.after(PRINTER_ANSWERS_S, self, self._printer_said, job, said)

    def _printer_said(self, job: Print, said: SlipFailed | SlipReady) -> None:
        if isinstance(said, SlipFailed):
            self._job = None
        else:
            self._world.after(NOTED_S, self, self._give_up, job)
        self.handle(said)

    def _give_up(self, job: Print) -> None:
        """That the slip begins was not noted: the journal could not be written."""
        if self._job is job and job is not self._begun:
            self._job = None
            self.handle(SlipFailed(job.key, "not_noted"))

    def _print(self, key: Key) -> None:
        if self._job is None or self._job.key != key or self._job is self._begun:
            return
        self._begun = self._job
        delay_s, said = self.devices.print_slip(self._job, self.journal.payment(key))
        self._world.after(delay_s, self, self._print_ended, said)

    def _print_ended(self, said: SlipPrinted | SlipFailed) -> None:
        self._job = self._begun = None
        self.handle(said)
