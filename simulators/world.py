"""A seeded world: a shop of three to five terminals, a host, an issuer, and all that can go wrong between them.

A seed draws first which faults there are and how bad each is (many are off: a world with all of them is only noise),
then everything else. The shop trades until every cashier has sold what there was to sell; then the faults stop, and
within a bound all that is open must be resolved, and every batch must balance. The auditor watches throughout.

Where a seed draws a courier, that has faults of its own. To add a fault, see `faults.py`; to add a node, `engine.py`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from firmware_config.profile import HostEndpoint, Limits
from simulators.broker_node import BrokerNode, Manners
from simulators.engine import START, Node, Trace
from simulators.faults import BROKER_FAULTS, EVERY_FAULT, FAULTS, SHARE, SHARES
from simulators.issuer import Mood
from simulators.observed import Finding, name_of
from simulators.people import Cashier, Habits, Office
from simulators.phones import Phones
from simulators.shop import EACH_CARD_ONCE, ENDURANCE, OFFLINE, Shop
from simulators.terminal_node import TerminalNode
from terminal.records import Key

TRADE_MAX_S = 6 * 86_400.0
RESOLVE_WITHIN_S = 1_500.0  # the longest pause between two tries of a terminal (1,200 s), a restart, one more answer
SETTLE_WITHIN_S = 3_600.0
FLIGHT_MAX_S = 90.0  # after which no packet and no answer of a slow issuer is under way any more
FAULTS_SLOW_DOWN = 1.03
LIVELY_EVERY, LIVELY_S = 25, 4.0  # in one seed of so many a terminal probes its line that often: many events
PHONES_SHARE, PHOTOGRAPHS_SHARE = 0.4, 0.35  # of payments by code; of those, by somebody else's
TRUE_TO_LIFE_EVERY = 20  # one seed of so many runs on SQLite, so that the simulated disk cannot drift from a true one
COURIER_SHARE, EXPIRES_SHARE = 0.5, 0.7  # of worlds with a courier; of those, by MQTT 5, which drops what is stale
EACH_CARD_ONCE_EVERY = 3  # one seed of so many lets each card pay offline once

CORE_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)


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
        if self.calm or not self.crashes:
            return None
        share = self.crashes.get(_kind(node.name))
        if share is None or self.random.random() >= share:
            return None
        return self.random.uniform(0.5, self.down_max_s)

    def delays(self, source: str, target: str, packet: object) -> Sequence[float]:  # noqa: ARG002 - an odometer looks
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
    return node if node in {"host", "issuer", "broker"} else "terminal"


def _manners(seed: int) -> Manners | None:
    """Of a broker, if the seed has one. Its chance has a source of its own: other worlds stay as they were."""
    random = Random(f"broker {seed}")
    return Manners(random, expires=random.random() < EXPIRES_SHARE) if random.random() < COURIER_SHARE else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one world."""

    seed: int
    findings: tuple[Finding, ...]
    happened: Mapping[str, int]
    digest: str


class SeededWorld:
    """A shop, the weather over it, and the cashiers' day, all drawn from one seed."""

    def __init__(self, seed: int, folder: Path, trace: Trace | None = None) -> None:
        self.random = Random(seed)
        self.weather = Weather(self.random)
        self.lively = seed % LIVELY_EVERY == 0
        self.habits = Habits(pace_s=self.random.choice((4.0, 20.0)))
        limits = Limits(batch_count_max=self.random.choice((3, 8, 40, 900)), open_payments_max=20)
        offline = self.random.choice((OFFLINE, OFFLINE, ENDURANCE))
        self.sales_of_each = (4, 8) if offline is OFFLINE else (6, 12)
        true_to_life = seed % TRUE_TO_LIFE_EVERY == TRUE_TO_LIFE_EVERY - 1
        if offline is OFFLINE and seed % EACH_CARD_ONCE_EVERY == 0:
            offline = EACH_CARD_ONCE
        self.shop = Shop(
            self.weather, self.random, self.habits, limits, folder,
            offline=offline, true_to_life=true_to_life, trace=trace,
            phones=Phones(Random(f"phones {seed}"), PHONES_SHARE, PHOTOGRAPHS_SHARE), manners=_manners(seed),
        )  # fmt: skip
        self.world, self.lines, self.auditor = self.shop.world, self.shop.lines, self.shop.auditor
        self.host, self.issuer, self.terminals = self.shop.host, self.shop.issuer, self.shop.terminals
        self.cashiers = [self._cashier() for _ in range(self.random.randrange(3, 6))]
        self.office = Office(self.world, self.terminals, self.random, self._statement)
        self.day_is_over = False
        self.faults = [name for name in FAULTS if self.random.random() < SHARES.get(name, SHARE)]
        if self.shop.broker:
            self.faults += [name for name in BROKER_FAULTS if self.shop.broker.manners.happens(SHARE)]

    def _cashier(self) -> Cashier:
        patience_s, probe_s = self.random.choice((12.0, 30.0)), self.random.choice((60.0, 600.0, 600.0))
        host = HostEndpoint(reply_timeout_s=patience_s, probe_interval_s=probe_s, probe_timeout_s=patience_s)
        if self.lively and not self.terminals:
            host = HostEndpoint(reply_timeout_s=patience_s, probe_interval_s=LIVELY_S, probe_timeout_s=LIVELY_S)
        terminal = self.shop.add_terminal(host)
        return Cashier(self.world, terminal, self.habits, self.random, self.random.randrange(*self.sales_of_each))

    def _statement(self, key: Key) -> bool | None:
        """What the acquirer says of a payment: what is not in its books is not booked only when its day is over."""
        name, observed = name_of(key), self.auditor.observed
        if name not in observed.rows:
            return False if self.day_is_over else None
        return observed.booked(name)

    def _end_the_day(self) -> None:
        self.day_is_over = True

    def run(self) -> None:
        """Trade under all faults, let everything resolve, settle, and look at the books."""
        try:
            self._open()
            self.world.run(START + TRADE_MAX_S, lambda: all(cashier.done for cashier in self.cashiers))
            self._calm_down()
            self._must("resolved", self.shop.is_resolved, RESOLVE_WITHIN_S)
            self._settle()
            self._must("settled", self.shop.is_settled, SETTLE_WITHIN_S)
            self.world.run(self.world.now + FLIGHT_MAX_S, lambda: False)
            self.shop.close()
        except CORE_FAULTS as fault:
            self.auditor.complain([Finding("core", type(fault).__name__, str(fault))])

    def _open(self) -> None:
        for fault in self.faults:
            EVERY_FAULT[fault](self)
        self.shop.open()
        for cashier in self.cashiers:
            cashier.start()
        self.office.start()

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
        self._calm_the_broker()
        self.world.after(FLIGHT_MAX_S, None, self._end_the_day)

    def _calm_the_broker(self) -> None:
        if self.shop.broker:
            self.shop.broker.leave_alone()
            for place in (self.host.courier, *(terminal.courier for terminal in self.terminals)):
                if place:
                    place.connect_now()

    def _must(self, what: str, done: Callable[[], bool], within_s: float) -> None:
        if not self.world.run(self.world.now + within_s, done):
            busy = ", ".join(terminal.name for terminal in self.terminals if not terminal.is_quiet)
            self.auditor.complain([Finding("I4", busy or "host", f"not {what} within {within_s:.0f} s")])

    def _settle(self) -> None:
        for cashier in self.cashiers:
            cashier.settle()

    # --- for the faults -----------------------------------------------------------------------------------------------

    def now_and_then(self, mean_s: float, action: Callable[[], None]) -> None:
        """Do something again and again, ever less often (a world may last for days), until the faults stop."""

        def again(pause_s: float) -> None:
            if not self.weather.calm:
                action()
                self.world.after(self.random.expovariate(1 / pause_s), None, again, pause_s * FAULTS_SLOW_DOWN)

        self.world.after(self.random.expovariate(1 / mean_s), None, again, mean_s)

    def once(self, within_s: float, action: Callable[[], None]) -> None:
        """Do something once, unless the faults stop before."""

        def unless_calm() -> None:
            if not self.weather.calm:
                action()

        self.world.after(self.random.uniform(0, within_s), None, unless_calm)

    def cheat(self, terminal: TerminalNode, frame: bytes) -> None:
        """Give the host a known key with other content; unless it dies over it, it must call that an attack."""
        life, noted = self.host.life, self.auditor.notes
        self.host.arrive(terminal.connection or "", frame)
        if self.host.up and self.host.life == life and self.auditor.notes == noted:
            self.auditor.complain([Finding("I11", terminal.name, "the same key with other content goes unnoticed")])

    @property
    def broker(self) -> BrokerNode:
        """The broker, in a world that has one."""
        assert self.shop.broker is not None, "only worlds with a courier have its faults"
        return self.shop.broker

    def some_terminal(self) -> TerminalNode:
        """Any terminal."""
        return self.random.choice(self.terminals)


# --- running ----------------------------------------------------------------------------------------------------------


def run_world(seed: int, folder: Path, trace: Trace | None = None) -> Outcome:
    """Run the world of a seed to its end. `folder` is one of `world_folder`."""
    it = SeededWorld(seed, folder, trace)
    it.run()
    if trace:
        for finding in it.auditor.findings:
            trace.note(it.world.now, "auditor", str(finding))
    happened = it.world.happened + Counter({"crash chances": it.world.crash_chances, "sales": it.auditor.sales})
    return Outcome(seed, tuple(it.auditor.findings), happened, trace.digest if trace else "")
