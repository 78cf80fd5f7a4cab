"""The terminal's shell: reads events, asks the cores, carries the effects out in order, arms one timer.

Answers that have come together are decided one after the other and share a commit: what each of them says is durable
before anything that follows from any of them. After a day offline they come by the thousand, and a commit waits for the
disk.

Crash-only: when a record does not reach the disk, the effects after it are not carried out, the cores are built anew
from the journal, and nothing is taken until a write goes through again. A restart does the same, so both are one path.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from firmware_config.profile import TerminalProfile
from terminal.card_counts import CardCounts
from terminal.code_store import CodeStore
from terminal.counter import PAYMENT_ANSWERS, Counter, Notice
from terminal.devices import DeviceHealth, PinPadFault, Scan, Scanned
from terminal.devices.supervision import Supervision
from terminal.download_store import DownloadStore, shipped
from terminal.downloads import Download
from terminal.effects import (
    AskForMeans,
    CompleteCard,
    Effect,
    KeepDownload,
    LoadBatch,
    LoadKeys,
    OpenDrawer,
    Persist,
    Print,
    PrintNow,
    Reconnect,
    ReleaseMeans,
    Send,
    SetClock,
    Tell,
    TellShop,
)  # fmt: skip
from terminal.events import (
    BalanceRequested,
    BatchLoaded,
    ClockSeen,
    CloseByPeople,
    CodeIgnored,
    CodePresented,
    CourierUp,
    DownloadKept,
    DownloadsLoaded,
    DrawerRequested,
    Event,
    KeysBack,
    KeysLoaded,
    KeysLost,
    Received,
    RefundRequested,
    RoomMeasured,
    SaleRequested,
    SettleRequested,
    Tick,
    VoidRequested,
)  # fmt: skip
from terminal.host_time import CLOSE_S
from terminal.journal import Journal, JournalUnwritable
from terminal.key_frames import KeysGone
from terminal.key_link import KeyLink
from terminal.lines import Lines
from terminal.means import Means
from terminal.payment_codes import SHIPPED, CodeTable
from terminal.printing import Printing
from terminal.selftest import CounterTest
from terminal.steady_clock import SteadyClock
from terminal.vault import Vault, VaultError
from terminal.view import view_of

EVENTS_MAX = 1_000
TOGETHER_MAX = 256
ROOM_INTERVAL_S = 1.0
DEVICES_INTERVAL_S = 1.0

log = structlog.get_logger()

_REQUESTS = (
    SaleRequested, BalanceRequested, VoidRequested, RefundRequested, SettleRequested, CloseByPeople, DrawerRequested
)  # fmt: skip


class Runner:
    """Runs one terminal."""

    def __init__(
        self,
        profile: TerminalProfile,
        journal: Journal,
        keys: KeyLink,
        supervision: Supervision,
        downloads: DownloadStore,
        after_effect: Callable[[Effect], None] = lambda _: None,
        codes: CodeTable = SHIPPED,
        tls: ssl.SSLContext | None = None,
        clock: SteadyClock | None = None,
        code_store: CodeStore | None = None,
    ) -> None:
        self.profile = profile
        self.codes = codes
        self.journal = journal
        self._counts = CardCounts(journal)
        self.supervision = supervision
        self.devices = supervision.devices
        self.emv = shipped()
        self._downloads, self._code_store = downloads, code_store
        self._keys = keys
        self._vault = Vault(keys)
        self._after_effect = after_effect
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)
        self._next: Event | None = None
        """Taken out of the queue, and not decided yet."""
        self._lines = Lines(profile, self._vault, self.post, tls, code_store.offer if code_store else None)
        self.printing = Printing(profile, journal, self.devices.printer, self.post, codes)
        self._means = Means(profile, self._vault, supervision, self.post, self.now, self._in_background)
        self._scan_for_test: asyncio.Future[Scan] | None = None
        self.test = CounterTest(self, self._show_change)
        self._changed = asyncio.Event()
        self._health: dict[str, DeviceHealth] = {}
        self._health_moved = False
        self._writable = True
        self._clock = clock or SteadyClock()
        self._clock_was_set = False
        self._background: set[asyncio.Task[None]] = set()
        self.counter = Counter(profile, journal.replay(), codes)

    def post(self, event: Event) -> None:
        """Hand an event in. A full queue drops it: everything that matters is asked for again by its sender."""
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            log.error("event_dropped", kind=type(event).__name__)

    @property
    def wants_code(self) -> bool:
        """Whether a payment, or the test of the counter, waits for a code."""
        tested = self._scan_for_test is not None and not self._scan_for_test.done()
        return self._means.wants_code or tested

    def now(self) -> float:
        """What time it is for this terminal, in UTC seconds."""
        return self._clock.now()

    def view(self) -> dict[str, Any]:
        """What the page shows now."""
        health = self.devices.health()
        self._health_moved = self._health_moved or health != self._health
        return view_of(self.counter, health, self.supervision.troubles) | {"test": self.test.view()}

    async def changes(self) -> AsyncGenerator[dict[str, Any], None]:
        """The view now, and again whenever it has changed."""
        while True:
            changed = self._changed
            yield self.view()
            await changed.wait()

    def has_lost_card(self, sealed: str) -> bool:
        """Whether the card number of a sale was erased with the keys that had sealed it: it cannot be refunded here."""
        return self._vault.has_lost(sealed)

    def begin_test(self, operator: str) -> bool:
        """Test the counter, unless it has a payment or a test in hand; no payment is taken until that has ended."""
        if self.counter.busy or self.test.running:
            return False
        self.test.begin(operator)
        self._in_background(self.test.run())
        return True

    def choose_application(self, payment: str, number: int, name: str) -> bool:
        """Take which of its card's applications shall pay; False if this payment does not ask that (any more)."""
        return str(self.counter.payments.current) == payment and self._means.choose(number, name)

    async def prove_link(self) -> bool:
        """Ask the host for an echo; whether it came in time."""
        session = self.counter.session
        if not session.ready:
            return False
        self._carry_out(session.prove(self._clock.now()))
        self.post(Tick())  # the deadline is another now
        async for _ in self.changes():
            if self.counter.session is not session or not session.awaits_echo:
                break
        return self.counter.session is session and session.ready

    async def scan_for_test(self) -> Scan:
        """Take the next scan away from payments."""
        self._scan_for_test = asyncio.get_running_loop().create_future()
        return await self._scan_for_test

    async def run(self) -> None:
        """Run until cancelled. Nothing that it began outlives it."""
        try:
            await self._run()
        finally:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lines.run())
            group.create_task(self.printing.run())
            group.create_task(self._keys.keep(self.post))
            group.create_task(self._watch_room())
            group.create_task(self.supervision.run())
            group.create_task(self._watch_devices())
            group.create_task(self._watch_scanner())
            group.create_task(self._decide())

    async def _decide(self) -> None:
        self._measure()
        self._start_over()
        while True:
            event = await self._next_event()
            if isinstance(event, _REQUESTS):
                self._measure()
            if _is_answer(event):
                self._handle_answers([event, *self._answers_waiting()])
            else:
                self._handle(event)

    def _answers_waiting(self) -> Iterator[Event]:
        """Those that stand at the front of the queue, as many as may share a commit with the one before them."""
        for _ in range(TOGETHER_MAX - 1):
            try:
                event = self._events.get_nowait()
            except asyncio.QueueEmpty:
                return
            if not _is_answer(event):
                self._next = event
                return
            yield event

    async def _next_event(self) -> Event:
        """Wait for an event, or for the deadline that the cores asked for."""
        if self._next is not None:
            event, self._next = self._next, None
            return event
        deadline = self.counter.deadline()
        if deadline is None:
            return await self._events.get()
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                return await self._events.get()
        except TimeoutError:
            return Tick()

    def _handle(self, event: Event) -> None:
        if not self._writable and not isinstance(event, (*_REQUESTS, RoomMeasured)):
            return
        if isinstance(event, KeysBack):  # maybe others: what was downloaded is trusted only as far as these can tell
            self.counter.handle(self._load_downloads(), self._clock.now())
            self._load_code_trust()
        if self.test.running and isinstance(event, _REQUESTS):
            self.counter.notice = Notice("testing")
            self._show_change()
            return
        self._counts.tell_before(event, self.counter)
        self._carry_out(self.counter.handle(event, self._clock.now()))

    def _handle_answers(self, answers: Sequence[Event]) -> None:
        """Decide them in their order, write all that they say at once, and only then do the rest."""
        if not self._writable:
            return
        effects = [effect for event in answers for effect in self.counter.handle(event, self._clock.now())]
        records = [effect for effect in effects if isinstance(effect, Persist)]
        sends = [effect for effect in effects if isinstance(effect, Send)]
        others = [effect for effect in effects if not isinstance(effect, Persist | Send)]
        with self._or_start_over():
            self.journal.append(*(effect.record for effect in records))
            self._lines.send(sends)
            done: Sequence[Effect] = [*records, *sends]
            for effect in done:
                self._after_effect(effect)
            for effect in others:
                self._perform(effect)
                self._after_effect(effect)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        with self._or_start_over():
            for effect in effects:
                self._perform(effect)
                self._after_effect(effect)
            if self._clock_was_set:  # deadlines are times, and these were others
                self._clock_was_set = False
                self._start_over()
                self._lines.reconnect()

    @contextmanager
    def _or_start_over(self) -> Iterator[None]:
        """Whatever a record that could not be written was about has not happened, and nothing follows from it."""
        try:
            yield
        except JournalUnwritable as error:
            log.error("journal_unwritable", reason=str(error))
            self._writable = False
            self._rebuild()
            self.counter.notice = Notice("journal_unwritable")
        finally:
            self._show_change()

    def _show_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one match over a closed union
        match effect:
            case Persist(record):
                self.journal.append(record)
            case Send():
                self._lines.send([effect])
            case Tell() | TellShop():
                self._lines.tell(effect)
            case AskForMeans():
                self._means.ask(effect, self.emv, lambda card: self._counts.refusal_of(card, self.counter))
            case ReleaseMeans():
                self._means.release()
            case CompleteCard():
                self._means.answer(effect)
            case LoadKeys(keys):
                self._in_background(self._load_keys(keys))
            case KeepDownload(download):
                self._keep(download)
            case LoadBatch(batch):
                self._load_batch(batch)
            case Print():
                self.printing.enqueue(effect)
            case PrintNow(key):
                self.printing.begin(key)
            case OpenDrawer():
                self._in_background(self.printing.open_drawer())
            case Reconnect():
                self._lines.reconnect()
            case SetClock(by_s):
                self._clock.vouch(by_s)
                self._clock_was_set = self._clock_was_set or abs(by_s) > CLOSE_S

    def _load_batch(self, batch: str) -> None:
        """Read and hand in at once: what is appended in between would be missing."""
        records = tuple(self.journal.batch(self.profile.terminal_id, batch))
        self._carry_out(self.counter.handle(BatchLoaded(batch, records), self._clock.now()))

    def _keep(self, download: Download) -> None:
        """Write what was downloaded, and let it serve from the next payment on."""
        try:
            self._downloads.keep(download, self._clock.now())
        except (OSError, VaultError) as error:
            log.error("download_not_kept", kind=download.kind, reason=type(error).__name__)
            self.post(DownloadKept(download.kind, kept=False))
            return
        self.counter.handle(self._load_downloads(), self._clock.now())
        self.post(DownloadKept(download.kind))

    def _load_downloads(self) -> DownloadsLoaded:
        self.emv, refused = self._downloads.load()
        return DownloadsLoaded(refused, self.emv.downloaded_at)

    def _load_code_trust(self) -> None:
        """Tell the cores whose signed codes count; a technician may install others at any time."""
        if self._code_store is not None:
            self.counter.handle(self._code_store.load(), self._clock.now())

    async def _load_keys(self, keys: bytes) -> None:
        try:
            pin_key = self._vault.load(keys)
            if self.devices.pin_pad:
                await self.devices.pin_pad.load_key("pin", pin_key.encrypted, pin_key.check_value)
        except KeysGone:
            return  # of that the counter hears from the link to the key process
        except (VaultError, PinPadFault) as error:
            log.error("keys_refused", reason=str(error))
            self.post(KeysLoaded(False, "keys_wrong" if isinstance(error, VaultError) else "pin_pad"))
        else:
            self.post(KeysLoaded(True))

    async def _watch_scanner(self) -> None:
        """Take codes only while a payment wants one: a code scanned by accident pays for nothing."""
        while True:
            scan = await self.supervision.next_scan()
            if self._scan_for_test is not None and not self._scan_for_test.done():
                self._scan_for_test.set_result(scan)
            elif self._means.wants_code:
                self.post(CodePresented(scan.code) if isinstance(scan, Scanned) else CodeIgnored(scan.reason))

    async def _watch_room(self) -> None:
        """Measure now and then; start over when writes go through again, or a clock that was wrong has been set."""
        while True:
            await asyncio.sleep(ROOM_INTERVAL_S)
            works_again = not self._writable and self.journal.probe()
            follows = self._clock.wall_was_set and not (self.counter.clock.is_known or self.counter.busy)
            if follows:
                self._clock.follow()
            if works_again or follows:
                self._writable = self._writable or works_again
                self._start_over()
                self._lines.reconnect()
            if self._code_store is not None and not self.counter.busy:
                self._code_store.follow()
            self._measure()

    async def _watch_devices(self) -> None:
        """Show a plug that was pulled, or paper that ran out, before the next customer finds it.

        Also when all is well again as at the last look: somebody may have been shown the trouble in between.
        """
        while True:
            health = self.devices.health()
            if self._health_moved or health != self._health:
                self._health, self._health_moved = health, False
                self._show_change()
            await asyncio.sleep(DEVICES_INTERVAL_S)

    def _measure(self) -> None:
        """Tell the cores how disk and devices are, and what a technician has installed; from that nothing follows."""
        now = self._clock.now()
        self.counter.handle(RoomMeasured(self.journal.free_bytes(), self._writable), now)
        self.counter.handle(ClockSeen(self._clock.wall_is_off_s, self._clock.is_vouched), now)
        self.counter.handle(self.supervision.seen(), now)
        if self._code_store is not None and self._code_store.has_changed():
            self._load_code_trust()

    def _start_over(self) -> None:
        """Take up what was interrupted, from the journal."""
        self._rebuild()
        self._carry_out(self.counter.resume(self._clock.now()))

    def _rebuild(self) -> None:
        """Build the cores from the journal: nobody may see, or go on from, what is not in it."""
        self._means.release()
        self.counter = Counter(self.profile, self.journal.replay(), self.codes)
        self.counter.handle(self._load_downloads(), self._clock.now())
        self._load_code_trust()
        self._measure()
        if self._lines.courier_is_up:
            self.post(CourierUp())
        if self._keys.trouble:
            self.counter.session.keys_lost(KeysLost(self._keys.trouble), self._clock.now())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background_done)
        return task

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_failed", error=type(error).__name__)


def _is_answer(event: Event) -> bool:
    return isinstance(event, Received) and event.message.mti in PAYMENT_ANSWERS
