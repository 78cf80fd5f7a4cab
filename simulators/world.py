"""A seeded world: a shop of three to five terminals, a host, an issuer, and all that can go wrong between them.

A seed draws first which faults there are and how bad each is (many are off: a world with all of them is only noise),
then everything else. The shop trades until every cashier has sold what there was to sell; then the faults stop, and
within a bound all that is open must be resolved, and every batch must balance. The auditor watches throughout.

To add a fault, write a function that arranges it and put it into `FAULTS`. To add a node, see `engine.py`.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from firmware_config.profile import HostEndpoint, Limits
from host_switch.events import CommandGiven, DownloadGiven, Order, ParametersGiven
from host_switch.records import Download
from iso8583.unionpay import Frame
from iso8583.unionpay_fields.field62 import Parameters62
from simulators.engine import START, Node, Trace
from simulators.issuer import Mood
from simulators.lines import HEAD_BYTES, parsed
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
    return node if node in {"host", "issuer"} else "terminal"


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
        offline = EACH_CARD_ONCE if seed % EACH_CARD_ONCE_EVERY == 0 else OFFLINE
        self.shop = Shop(
            self.weather, self.random, self.habits, limits, folder,
            offline=offline, true_to_life=true_to_life, trace=trace,
            phones=Phones(Random(f"phones {seed}"), PHONES_SHARE, PHOTOGRAPHS_SHARE),
        )  # fmt: skip
        self.world, self.lines, self.auditor = self.shop.world, self.shop.lines, self.shop.auditor
        self.host, self.issuer, self.terminals = self.shop.host, self.shop.issuer, self.shop.terminals
        self.cashiers = [self._cashier() for _ in range(self.random.randrange(3, 6))]
        self.office = Office(self.world, self.terminals, self.random, self._statement)
        self.day_is_over = False
        self.faults = [name for name in FAULTS if self.random.random() < SHARES.get(name, SHARE)]

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
            FAULTS[fault](self)
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
        self.world.after(FLIGHT_MAX_S, None, self._end_the_day)

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

    def some_terminal(self) -> TerminalNode:
        """Any terminal."""
        return self.random.choice(self.terminals)


# --- faults -----------------------------------------------------------------------------------------------------------


def _loss(it: SeededWorld) -> None:
    it.weather.loss = it.random.uniform(0, 0.3)


def _duplicates(it: SeededWorld) -> None:
    it.weather.duplicates = it.random.uniform(0, 0.5)


def _late(it: SeededWorld) -> None:
    it.weather.late, it.weather.late_max_s = it.random.uniform(0, 0.6), it.random.uniform(1, 40)


def _terminals_crash(it: SeededWorld) -> None:
    it.weather.crashes["terminal"] = it.random.uniform(0, 0.08)


def _host_crashes(it: SeededWorld) -> None:
    it.weather.crashes["host"] = it.random.uniform(0, 0.08)


def _issuer_crashes(it: SeededWorld) -> None:
    it.weather.crashes["issuer"] = it.random.uniform(0, 0.08)


def _cuts(it: SeededWorld) -> None:
    """Partitions of seconds to hours between one terminal and the host, one-way or both ways, noticed or not."""

    def cut() -> None:
        terminal = it.some_terminal()
        seconds = math.exp(it.random.uniform(math.log(5), math.log(2 * 3600)))
        ways = [(terminal.name, "host"), ("host", terminal.name)]
        for way in it.random.choice((ways, ways, ways[:1], ways[1:])):
            it.world.network.cut(*way, seconds)
        if it.random.random() < 0.5 and terminal.up:
            terminal.lose_connection()

    it.now_and_then(it.random.uniform(60, 900), cut)


def _outage_of_days(it: SeededWorld) -> None:
    """The whole shop is cut off for one to three days, once."""

    def cut() -> None:
        days = it.random.uniform(1, 3)
        it.world.happened["outage of days"] += 1
        for terminal in it.terminals:
            it.world.network.cut(terminal.name, "host", days * 86_400)
            it.world.network.cut("host", terminal.name, days * 86_400)
            if terminal.up:
                terminal.lose_connection()

    it.once(240, cut)


def _issuer_cuts(it: SeededWorld) -> None:
    def cut() -> None:
        seconds = math.exp(it.random.uniform(math.log(5), math.log(3600)))
        ways = [("host", "issuer"), ("issuer", "host")]
        for way in it.random.choice((ways, ways[:1], ways[1:])):
            it.world.network.cut(*way, seconds)
        if it.random.random() < 0.5:
            it.host.channel_lost()

    it.now_and_then(it.random.uniform(120, 900), cut)


def _clogs(it: SeededWorld) -> None:
    def clog() -> None:
        ways = (("host", "issuer"), ("issuer", "host"), (it.some_terminal().name, "host"))
        it.world.network.clog(*it.random.choice(ways), it.random.uniform(0, 5))

    it.now_and_then(10.0, clog)


def _lost_connections(it: SeededWorld) -> None:
    def lose() -> None:
        terminal = it.some_terminal()
        if terminal.up:
            terminal.lose_connection()

    it.now_and_then(it.random.uniform(10, 120), lose)


def _keys_erased(it: SeededWorld) -> None:
    """Somebody tampers with terminals, once with each: keys are gone, and with them the card numbers that they sealed.

    Mostly while a refund waits for its answer, because then it hurts.
    """
    whole = list(it.terminals)

    def tamper() -> None:
        for terminal in list(whole):
            waits = any(payment.rules.recovery == "repeat" for payment in terminal.counter.book.unresolved())
            if it.random.random() < (0.9 if waits else 0.05):
                whole.remove(terminal)
                it.world.happened["keys erased"] += 1
                terminal.keys_erased(it.shop.vault_after_tampering)

    it.now_and_then(10.0, tamper)


def _disk_full(it: SeededWorld) -> None:
    def fill() -> None:
        terminal = it.some_terminal()
        terminal.disk_full = True
        it.world.note(terminal.name, "disk full")
        it.world.after(it.random.uniform(1, 300), None, free, terminal)

    def free(terminal: TerminalNode) -> None:
        terminal.disk_full = False
        terminal.room_changed()

    it.now_and_then(it.random.uniform(20, 300), fill)


def _card_trouble(it: SeededWorld) -> None:
    it.habits.card_trouble = it.random.uniform(0, 0.2)
    it.habits.chip_refuses = it.random.uniform(0, 0.3)
    it.habits.chip_slow = it.random.uniform(0, 0.2)


def _printer_trouble(it: SeededWorld) -> None:
    it.habits.printer_trouble = it.random.uniform(0, 0.5)


def _clock_jumps(it: SeededWorld) -> None:
    """A terminal's wall clock is set: by seconds, a day, to 1970, to five years hence."""

    def jump() -> None:
        terminal = it.some_terminal()
        it.world.happened["clock jump"] += 1
        terminal.clock_ahead_s = it.random.choice((-START, -86_400.0, -3600.0, -1.0, 0.0, 1.0, 3600.0, 86_400.0, 157e6))
        terminal.room_changed()

    it.now_and_then(it.random.uniform(60, 300), jump)


def _forged_answers(it: SeededWorld) -> None:
    """Somebody on the line turns approvals into declines and declines into approvals; he has no MAC key."""
    share = it.random.uniform(0, 0.3)

    def tamper(target: str, frame: bytes) -> bytes:
        if target == "host" or it.weather.calm or it.random.random() >= share:
            return frame
        answer = parsed(frame)
        if answer.message.mti not in {"0210", "0230", "0410"}:
            return frame
        it.world.happened["forged answer"] += 1
        code = "51" if answer.message.get(39) == "00" else "00"
        return Frame(answer.tpdu, answer.header, answer.message.with_({39: code})).to_bytes()

    it.lines.tamper = tamper


def _replays(it: SeededWorld) -> None:
    """Somebody on the line records frames, and sends them again later, on whatever connection there is then."""
    recorded: list[tuple[str, str, bytes]] = []

    def listen(source: str, target: str, frame: bytes) -> None:
        recorded.append((source, target, frame))

    def replay() -> None:
        if recorded:
            it.world.happened["replayed frame"] += 1
            it.lines.inject(*it.random.choice(recorded[-it.random.choice((8, len(recorded))) :]))

    it.lines.listeners.append(listen)
    it.now_and_then(it.random.uniform(10, 60), replay)


def _old_sign_ons(it: SeededWorld) -> None:
    """Somebody on the line answers a sign-on with the answer to an earlier one: it bears no MAC."""
    answers: dict[str, list[bytes]] = {}

    def listen(source: str, target: str, frame: bytes) -> None:
        mti = frame[HEAD_BYTES : HEAD_BYTES + 2]
        if mti == b"\x08\x10":
            answers.setdefault(target, []).append(frame)
        elif mti == b"\x08\x00" and source in answers and it.random.random() < 0.4:
            it.world.happened["old answer to a sign-on"] += 1
            it.lines.inject("host", source, answers[source][0])  # of the batch that was closed first

    it.lines.listeners.append(listen)


def _insider(it: SeededWorld) -> None:
    """Something inside a terminal repeats a request that the host has, with another amount, under a good MAC."""
    requests: dict[str, Frame] = {}

    def listen(source: str, target: str, frame: bytes) -> None:
        request = parsed(frame)
        if target == "host" and request.message.mti == "0200" and 4 in request.message:
            requests[source] = request

    def cheat() -> None:
        terminal = it.some_terminal()
        request = requests.get(terminal.name)
        if request is None or not it.auditor.host_knows(request.message):
            return
        amount = f"{int(request.message.text(4)) + 100:012d}"
        message = terminal.sign(request.message.without(35, 52, 26).with_({4: amount}))
        if message is not None:
            it.cheat(terminal, Frame(request.tpdu, request.header, message).to_bytes())

    it.lines.listeners.append(listen)
    it.now_and_then(it.random.uniform(20, 120), cheat)


def _moody_issuer(it: SeededWorld) -> None:
    """The issuer is slow, silent, forgetful, repeats itself, contradicts itself."""
    moods = (
        Mood("delay", delay_s=15), Mood("delay", delay_s=35), Mood("drop"), Mood("lose"), Mood("decline"),
        Mood("duplicate"), Mood("contradict"), Mood(), Mood(), Mood(),
    )  # fmt: skip

    def change() -> None:
        it.issuer.mood = it.random.choice(moods)

    it.now_and_then(20.0, change)


def _host_orders(it: SeededWorld) -> None:
    """The operators make a terminal sign on again, fetch other parameters or a black list, or tell its status."""

    def order() -> None:
        for each in some_orders(it.some_terminal().name):
            if it.host.up:
                it.host.handle(each)

    def some_orders(terminal: str) -> list[Order]:
        # Who keeps answers to sign-ons keeps all of their type, and would spend them on downloads.
        command = it.random.choice("123" if "old sign-ons" in it.faults else "1237")
        if command == "1":
            name = f"第{it.random.randrange(100)}分店"
            return [ParametersGiven(terminal, Parameters62(it.random.choice((None, 15, 30, 60)), name))]
        cards = tuple(b"629998%010d" % number for number in range(it.random.randrange(60)) if command == "7")
        given = [DownloadGiven(Download("black-list", cards))] if cards else []
        return [*given, CommandGiven(terminal, command)]

    it.now_and_then(60.0, order)


FAULTS: Mapping[str, Callable[[SeededWorld], None]] = {
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
    "old sign-ons": _old_sign_ons,
    "insider": _insider,
    "moody issuer": _moody_issuer,
    "host orders": _host_orders,
    "keys erased": _keys_erased,
}

SHARE = 0.4  # of the worlds that have a fault
SHARES = {"outage of days": 0.1}  # dear: the other nodes go on for days


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
