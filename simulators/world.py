"""A seeded world: a shop of three to five terminals, one host, one issuer, and everything that can go wrong between them.

A seed draws first which faults there are and how bad each is (many are off: a world with all of them is only noise),
then everything else. The shop trades until every cashier has sold what there was to sell; then the faults stop, and
within a bound all that is open must be resolved, and every batch must balance. The auditor watches throughout.

To add a fault, write a function that arranges it and put it into `FAULTS`. To add a node, see `engine.py`; it is built
in `Shop.__init__`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, mkdtemp

from firmware_config.profile import HostEndpoint, Limits, TerminalProfile
from host_switch.events import CommandGiven, FrameReceived, TerminalRegistered
from host_switch.facts import Policy
from host_switch.keys import KeyRoom, ZoneKeys
from host_switch.sqlite_store import SqliteStore
from host_switch.store import MemoryStore, Store
from host_switch.switch import decide
from iso8583.unionpay import Frame
from simulators.auditor import Auditor, Finding
from simulators.engine import START, Node, Trace, World
from simulators.host_node import HostNode
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Mood
from simulators.issuer_node import IssuerNode
from simulators.lines import Lines, parsed
from simulators.people import MASTER_KEY, Cashier, Habits, Hands, accounts
from simulators.terminal_node import JournalPort, MemoryJournal, TerminalNode
from terminal.journal import Journal
from terminal.vault import Vault

MERCHANT = "898110053110001"
TRADE_MAX_S = 6 * 86_400.0
RESOLVE_WITHIN_S = 1_500.0  # the longest pause between two tries of a terminal (1,200 s), a restart, one more answer
SETTLE_WITHIN_S = 3_600.0
FLIGHT_MAX_S = 90.0  # after which no packet and no answer of a slow issuer is under way any more
FAULTS_SLOW_DOWN = 1.03
VAULT = "vault.json"
DURABLE_STORES_EVERY = 20  # one seed of so many runs on SQLite, so that the simulated disk cannot drift from the true one

_CORE_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(slots=True)
class Weather:
    """What goes wrong by chance: shares from 0 to 1, times in seconds. When it is `calm`, nothing does."""

    random: Random
    calm: bool = False
    loss: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    late_max_s: float = 0.0
    crashes: dict[str, float] = field(default_factory=dict)
    down_max_s: float = 30.0

    def crash(self, node: Node, effect: object) -> float | None:  # noqa: ARG002 - an odometer looks at the effect
        """Whether the node dies here."""
        share = self.crashes.get(_kind(node.name), 0.0)
        if self.calm or not share or self.random.random() >= share:
            return None
        return self.random.uniform(0.5, self.down_max_s)

    def delays(self, source: str, target: str) -> Sequence[float]:  # noqa: ARG002 - an odometer looks at the way
        """After how many seconds each copy arrives."""
        draw = self.random.random
        if self.calm:
            return (draw() * 0.1,)
        if draw() < self.loss:
            return ()
        first = draw() * (self.late_max_s if draw() < self.late else 0.1)
        return (first, draw() * max(self.late_max_s, 1.0)) if draw() < self.duplicates else (first,)

    def notice_s(self) -> float:
        """After how many seconds the other end notices that a connection is over."""
        return 0.1 if self.calm else self.random.uniform(0.0, 5.0)


def _kind(node: str) -> str:
    return node if node in {"host", "issuer"} else "terminal"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one world."""

    seed: int
    findings: tuple[Finding, ...]
    happened: Mapping[str, int]
    digest: str


class Shop:
    """All nodes of one world, and the people in it."""

    def __init__(self, seed: int, folder: Path, trace: Trace | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.weather = Weather(self.random)
        self.world = World(self.weather, trace)
        self.habits = Habits(pace_s=self.random.choice((4.0, 20.0)))
        self.limits = Limits(batch_count_max=self.random.choice((8, 40, 900)), open_payments_max=20)
        self.auditor = Auditor(self.limits, self._count)
        self.lines = Lines(self.world)
        durable = seed % DURABLE_STORES_EVERY == DURABLE_STORES_EVERY - 1
        self.folder = Path(mkdtemp(dir=folder)) if durable else None
        zone_keys = ZoneKeys(ZONE_PIN_KEY, ZONE_MAC_KEY)
        self.host = HostNode(self.world, self._store_opener(), zone_keys, self.lines, self.auditor)
        self.issuer = IssuerNode(self.world, accounts(), ZONE_MAC_KEY)
        self.lines.lead_to(self.host)
        self._join_host_and_issuer()
        vault = folder / VAULT
        self.terminals = [self._terminal(number, vault) for number in range(self.random.randrange(3, 6))]
        self.cashiers = [
            Cashier(self.world, terminal, self.habits, self.random, self.random.randrange(3, 9))
            for terminal in self.terminals
        ]
        self.faults = [name for name in FAULTS if self.random.random() < SHARES.get(name, SHARE)]

    def _count(self, what: str) -> None:
        self.world.happened[what] += 1

    def _store_opener(self) -> Callable[[], Store]:
        """How the host opens its store at every start: the same dictionaries again, or the same file."""
        room = KeyRoom(self.random.randbytes(32), self.random.randbytes)
        policy = Policy(room.content_key, ZONE_PIN_KEY)
        if self.folder:
            path = self.folder / "host.db"
            return lambda: SqliteStore.open(path, room, policy)
        store = MemoryStore(policy, room.fresh_keys)
        return lambda: store

    def _journal_opener(self, terminal: str) -> Callable[[], JournalPort]:
        if self.folder:
            path = self.folder / f"{terminal}.db"
            return lambda: Journal(path)
        journal = MemoryJournal()
        return lambda: journal

    def _join_host_and_issuer(self) -> None:
        network = self.world.network
        self.host.call_issuer = lambda data: network.send("host", "issuer", self.issuer.arrive, data)
        self.host.issuer_is_up = lambda: self.issuer.up
        self.issuer.answer_host = lambda data: network.send("issuer", "host", self.host.answered, data)
        self.issuer.tell_host_lost = self.host.channel_lost

    def _terminal(self, number: int, vault: Path) -> TerminalNode:
        profile = TerminalProfile(
            terminal_id=f"1000000{number + 1}", merchant_id=MERCHANT, merchant_name_zh="测试商户",
            merchant_name_en="TEST MERCHANT", limits=self.limits,
            host=HostEndpoint(echo_interval_s=self.random.choice((60.0, 300.0))),
        )  # fmt: skip
        registered = TerminalRegistered(profile.terminal_id, MERCHANT, MASTER_KEY)
        (facts,) = self.host.store.facts_for([registered])
        self.host.store.commit([decide(registered, facts, self.world.now)])
        journal = self._journal_opener(profile.terminal_id)
        terminal = TerminalNode(self.world, profile, vault, journal, self.lines, self.auditor)
        terminal.devices = Hands(self.world, terminal, self.habits, self.random, self.auditor)
        return terminal

    # --- a day at the shop --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Trade under all faults, let everything resolve, settle, and look at the books."""
        try:
            self._open()
            self.world.run(START + TRADE_MAX_S, lambda: all(cashier.done for cashier in self.cashiers))
            self._calm_down()
            self._must("resolved", self._is_resolved, RESOLVE_WITHIN_S)
            self._settle()
            self._must("settled", self._is_settled, SETTLE_WITHIN_S)
            self.world.run(self.world.now + FLIGHT_MAX_S, lambda: False)
            self._close()
        except _CORE_FAULTS as fault:
            self.auditor.complain([Finding("core", type(fault).__name__, str(fault))])

    def _open(self) -> None:
        for fault in self.faults:
            FAULTS[fault](self)
        for node in (self.issuer, self.host, *self.terminals):
            self.world.start(node)
        for cashier in self.cashiers:
            cashier.start()

    def _calm_down(self) -> None:
        self.world.note("world", "the faults stop")
        self.weather.calm = True
        self.world.network.heal()
        self.lines.leave_alone()
        self.habits.calm_down()
        self.issuer.mood = Mood()
        for terminal in self.terminals:
            terminal.disk_full = False
            terminal.room_changed()
            terminal.connect_now()
        self.host.connect_now()

    def _must(self, what: str, done: Callable[[], bool], within_s: float) -> None:
        if not self.world.run(self.world.now + within_s, done):
            busy = ", ".join(node.name for node in (self.host, *self.terminals) if not node.is_quiet)
            self.auditor.complain([Finding("I4", busy, f"not {what} within {within_s:.0f} s")])

    def _is_resolved(self) -> bool:
        return all(terminal.is_quiet for terminal in self.terminals) and self.host.is_quiet and self.issuer.up

    def _settle(self) -> None:
        for cashier in self.cashiers:
            cashier.settle()

    def _is_settled(self) -> bool:
        books = [terminal.counter.book for terminal in self.terminals]
        return all(book.settling is None and not book.payments for book in books)

    def _close(self) -> None:
        if not all(node.up for node in (self.host, self.issuer, *self.terminals)):
            return  # which has been complained of
        journals = {terminal.name: terminal.journal.everything() for terminal in self.terminals}
        self.auditor.close(self.host.store.books(), self.issuer.bank.movements, journals)

    # --- for the faults -----------------------------------------------------------------------------------------------

    def now_and_then(self, mean_s: float, action: Callable[[], None]) -> None:
        """Do something again and again, ever less often (a world may last for days), until the faults stop."""

        def again(pause_s: float) -> None:
            if not self.weather.calm:
                action()
                self.world.after(self.random.expovariate(1 / pause_s), None, again, pause_s * FAULTS_SLOW_DOWN)

        self.world.after(self.random.expovariate(1 / mean_s), None, again, mean_s)

    def cheat(self, terminal: TerminalNode, frame: bytes) -> None:
        """Give the host a known key with other content; unless it dies over it, it must call that an attack."""
        life, noted = self.host.life, self.auditor.notes
        self.host.arrive(terminal.connection or "", frame)
        if self.host.up and self.host.life == life and self.auditor.notes == noted:
            self.auditor.complain([Finding("I11", terminal.name, "the same key with other content goes unnoticed")])

    def some_terminal(self) -> TerminalNode:
        """Any terminal."""
        return self.random.choice(self.terminals)


# --- faults -----------------------------------------------------------------------------------------------------------


def _loss(shop: Shop) -> None:
    shop.weather.loss = shop.random.uniform(0, 0.3)


def _duplicates(shop: Shop) -> None:
    shop.weather.duplicates = shop.random.uniform(0, 0.5)


def _late(shop: Shop) -> None:
    shop.weather.late, shop.weather.late_max_s = shop.random.uniform(0, 0.6), shop.random.uniform(1, 40)


def _terminals_crash(shop: Shop) -> None:
    shop.weather.crashes["terminal"] = shop.random.uniform(0, 0.08)


def _host_crashes(shop: Shop) -> None:
    shop.weather.crashes["host"] = shop.random.uniform(0, 0.08)


def _issuer_crashes(shop: Shop) -> None:
    shop.weather.crashes["issuer"] = shop.random.uniform(0, 0.08)


def _cuts(shop: Shop) -> None:
    """Partitions of seconds to hours between one terminal and the host, one-way or both ways, noticed or not."""

    def cut() -> None:
        terminal = shop.some_terminal()
        seconds = math.exp(shop.random.uniform(math.log(5), math.log(2 * 3600)))
        ways = [(terminal.name, "host"), ("host", terminal.name)]
        for way in shop.random.choice((ways, ways, ways[:1], ways[1:])):
            shop.world.network.cut(*way, seconds)
        if shop.random.random() < 0.5 and terminal.up:
            terminal.lose_connection()

    shop.now_and_then(shop.random.uniform(60, 900), cut)


def _outage_of_days(shop: Shop) -> None:
    """The whole shop is cut off for one to three days, once."""

    def cut() -> None:
        days = shop.random.uniform(1, 3)
        shop.world.happened["outage of days"] += 1
        for terminal in shop.terminals:
            shop.world.network.cut(terminal.name, "host", days * 86_400)
            shop.world.network.cut("host", terminal.name, days * 86_400)
            if terminal.up:
                terminal.lose_connection()

    shop.world.after(shop.random.uniform(10, 240), None, cut)


def _issuer_cuts(shop: Shop) -> None:
    def cut() -> None:
        seconds = math.exp(shop.random.uniform(math.log(5), math.log(3600)))
        ways = [("host", "issuer"), ("issuer", "host")]
        for way in shop.random.choice((ways, ways[:1], ways[1:])):
            shop.world.network.cut(*way, seconds)
        if shop.random.random() < 0.5:
            shop.host.channel_lost()

    shop.now_and_then(shop.random.uniform(120, 900), cut)


def _clogs(shop: Shop) -> None:
    def clog() -> None:
        ways = (("host", "issuer"), ("issuer", "host"), (shop.some_terminal().name, "host"))
        shop.world.network.clog(*shop.random.choice(ways), shop.random.uniform(0, 5))

    shop.now_and_then(10.0, clog)


def _lost_connections(shop: Shop) -> None:
    def lose() -> None:
        terminal = shop.some_terminal()
        if terminal.up:
            terminal.lose_connection()

    shop.now_and_then(shop.random.uniform(10, 120), lose)


def _disk_full(shop: Shop) -> None:
    def fill() -> None:
        terminal = shop.some_terminal()
        terminal.disk_full = True
        shop.world.note(terminal.name, "disk full")
        shop.world.after(shop.random.uniform(1, 300), None, free, terminal)

    def free(terminal: TerminalNode) -> None:
        terminal.disk_full = False
        terminal.room_changed()

    shop.now_and_then(shop.random.uniform(20, 300), fill)


def _card_trouble(shop: Shop) -> None:
    shop.habits.card_trouble = shop.random.uniform(0, 0.2)
    shop.habits.chip_refuses = shop.random.uniform(0, 0.3)
    shop.habits.chip_slow = shop.random.uniform(0, 0.2)


def _printer_trouble(shop: Shop) -> None:
    shop.habits.printer_trouble = shop.random.uniform(0, 0.5)


def _clock_jumps(shop: Shop) -> None:
    """A terminal's wall clock is set: by seconds, a day, to 1970, to five years hence."""

    def jump() -> None:
        terminal = shop.some_terminal()
        shop.world.happened["clock jump"] += 1
        terminal.clock_ahead_s = shop.random.choice((-START, -86_400.0, -3600.0, -1.0, 0.0, 1.0, 3600.0, 86_400.0, 157e6))
        terminal.room_changed()

    shop.now_and_then(shop.random.uniform(60, 300), jump)


def _forged_answers(shop: Shop) -> None:
    """Somebody on the line turns approvals into declines and declines into approvals; he has no MAC key."""
    share = shop.random.uniform(0, 0.3)

    def tamper(target: str, frame: bytes) -> bytes:
        if target == "host" or shop.weather.calm or shop.random.random() >= share:
            return frame
        answer = parsed(frame)
        if answer.message.mti not in {"0210", "0230", "0410"}:
            return frame
        shop.world.happened["forged answer"] += 1
        code = "51" if answer.message.get(39) == "00" else "00"
        return Frame(answer.tpdu, answer.header, answer.message.with_({39: code})).to_bytes()

    shop.lines.tamper = tamper


def _replays(shop: Shop) -> None:
    """Somebody on the line records frames, and sends them again later, on whatever connection there is then."""
    recorded: list[tuple[str, str, bytes]] = []

    def listen(source: str, target: str, frame: bytes) -> None:
        recorded.append((source, target, frame))

    def replay() -> None:
        if recorded:
            shop.world.happened["replayed frame"] += 1
            shop.lines.inject(*shop.random.choice(recorded))

    shop.lines.listeners.append(listen)
    shop.now_and_then(shop.random.uniform(10, 60), replay)


def _insider(shop: Shop) -> None:
    """Something inside a terminal repeats a request that the host has, with another amount, under a good MAC."""
    requests: dict[str, Frame] = {}

    def listen(source: str, target: str, frame: bytes) -> None:
        request = parsed(frame)
        if target == "host" and request.message.mti == "0200" and 4 in request.message:
            requests[source] = request

    def cheat() -> None:
        terminal = shop.some_terminal()
        request = requests.get(terminal.name)
        if request is None or not shop.auditor.host_knows(request.message):
            return
        amount = f"{int(request.message.text(4)) + 100:012d}"
        message = terminal.sign(request.message.without(35, 52, 26).with_({4: amount}))
        if message is not None:
            shop.cheat(terminal, Frame(request.tpdu, request.header, message).to_bytes())

    shop.lines.listeners.append(listen)
    shop.now_and_then(shop.random.uniform(20, 120), cheat)


def _moody_issuer(shop: Shop) -> None:
    """The issuer is slow, silent, forgetful, repeats itself, contradicts itself."""
    moods = (
        Mood("delay", delay_s=15), Mood("delay", delay_s=35), Mood("drop"), Mood("lose"), Mood("decline"),
        Mood("duplicate"), Mood("contradict"), Mood(), Mood(), Mood(),
    )  # fmt: skip

    def change() -> None:
        shop.issuer.mood = shop.random.choice(moods)

    shop.now_and_then(20.0, change)


def _host_orders(shop: Shop) -> None:
    """The operators make a terminal sign on again."""

    def order() -> None:
        if shop.host.up:
            shop.host.handle(CommandGiven(shop.some_terminal().name, "3"))

    shop.now_and_then(60.0, order)


FAULTS: Mapping[str, Callable[[Shop], None]] = {
    "loss": _loss,
    "duplicates": _duplicates,
    "late": _late,
    "terminals crash": _terminals_crash,
    "host crashes": _host_crashes,
    "issuer crashes": _issuer_crashes,
    "cuts": _cuts,
    "outage of days": _outage_of_days,
    "issuer cuts": _issuer_cuts,
    "clogs": _clogs,
    "lost connections": _lost_connections,
    "disk full": _disk_full,
    "card trouble": _card_trouble,
    "printer trouble": _printer_trouble,
    "clock jumps": _clock_jumps,
    "forged answers": _forged_answers,
    "replays": _replays,
    "insider": _insider,
    "moody issuer": _moody_issuer,
    "host orders": _host_orders,
}

SHARE = 0.4  # of the worlds that have a fault
SHARES = {"outage of days": 0.1}  # dear: the other nodes go on for days


# --- running ----------------------------------------------------------------------------------------------------------


@contextmanager
def world_folder() -> Iterator[Path]:
    """A folder for what worlds keep in files: the vault of every terminal, and the stores of one seed in twenty."""
    memory = Path("/dev/shm")  # noqa: S108 - a file system whose fsync costs nothing: the disk is not what is tried here
    with TemporaryDirectory(prefix="tillgate-world-", dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        Vault.create(folder / VAULT, MASTER_KEY)
        yield folder


def run_world(seed: int, folder: Path, trace: Trace | None = None) -> Outcome:
    """Run the world of a seed to its end."""
    shop = Shop(seed, folder, trace)
    shop.run()
    happened = shop.world.happened + Counter({"crash chances": shop.world.crash_chances, "sales": shop.auditor.sales})
    if trace:
        for finding in shop.auditor.findings:
            trace.note(shop.world.now, "auditor", str(finding))
    return Outcome(seed, tuple(shop.auditor.findings), happened, trace.digest if trace else "")
