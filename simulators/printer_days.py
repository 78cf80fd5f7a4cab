"""Bad days of a printer: a thousand slips, power, paper, cover, line and terminal failing at random, from a seed.

The counter's cores, the journal on disk, the way of slips and the driver are the real ones, the printer speaks real
bytes over TCP. Only the clock is not: a pause of the counter's lasts no time. Whenever all has come to rest, somebody
mends the printer, and asks for the slips that the terminal no longer tries by itself.
"""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from firmware_config.profile import TerminalProfile
from simulators.printed_slips import SlipName, name_of, printed_twice
from simulators.printer import PrintedSlip, VirtualPrinter
from terminal.counter import Counter
from terminal.devices.escpos import build
from terminal.devices.printer_protocol import EscPosPrinter, Patience
from terminal.devices.printer_tcp import tcp_printer
from terminal.effects import Effect, Persist, Print, PrintNow
from terminal.events import Event, ReprintRequested, SlipFailed, Tick
from terminal.journal import Journal
from terminal.printing import Printing
from terminal.records import Answered, Key, Record, Sent, Started

PROFILE = TerminalProfile(
    terminal_id="12345678", merchant_id="898110053110001", merchant_name_zh="测试商户", merchant_name_en="TEST MERCHANT"
)
START = 1_800_000_000.0
PATIENCE = Patience(answer_s=5.0, ask_again_s=0.02)
FAULTS = ("power", "power at once", "paper", "paper at once", "cover", "line", "killed by bytes", "killed by effect")
FAULT_PROBABILITY = 0.5
JOB_BYTES, JOB_DOTS = 2_500, 3_500
"""About what the slips of one sale come to: faults fall anywhere within them, or just behind."""
COPIES = 2


@dataclass(slots=True)
class Day:
    """What became of the jobs. `lost` have no whole paper, `doubled` two that do not say DUPLICATE."""

    jobs: int
    papers: list[PrintedSlip] = field(default_factory=list)
    faults: Tally[str] = field(default_factory=Tally)
    lives: int = 0
    seconds: float = 0.0
    lost: list[SlipName] = field(default_factory=list)
    doubled: list[SlipName] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        """How many whole papers say DUPLICATE."""
        names = (name_of(paper.sheet.lines) for paper in self.papers if paper.sheet.complete)
        return sum(name is not None and name.duplicate for name in names)


async def bad_day(jobs: int, seed: int, folder: Path) -> Day:
    """Print so many slips, each in two copies, and judge what is on paper. The journal is made in `folder`."""
    day, began = Day(jobs), time.perf_counter()
    _fill(folder / "journal.db", jobs)
    printer = VirtualPrinter(on_slip=day.papers.append)
    await printer.start()
    mishaps = _Mishaps(Random(seed), printer, day)
    try:
        while await _live(folder / "journal.db", mishaps):
            await mishaps.mend()
    finally:
        await printer.close()
    _judge(day)
    day.seconds = time.perf_counter() - began
    return day


def _judge(day: Day) -> None:
    whole = {name.slip for paper in day.papers if paper.sheet.complete and (name := name_of(paper.sheet.lines))}
    wanted = Tally(slip.voucher for slip in whole)
    day.lost = [SlipName("000001", key.trace, "") for key in _keys(day.jobs) if wanted[key.trace] < COPIES]
    day.doubled = printed_twice(paper.sheet.lines for paper in day.papers)


def _keys(count: int) -> Iterator[Key]:
    return (Key(PROFILE.terminal_id, "000001", f"{trace:06d}") for trace in range(1, count + 1))


def sale(key: Key) -> tuple[Record, ...]:
    """The records of an approved sale by card, whose receipt is due."""
    amount = 100 * int(key.trace)
    return (
        Started(key, "sale", amount, "156", "01", str(key), START),
        Sent(key, "sale", "051", "629999******0009", START),
        Answered(key, True, "00", START, amount, reference=key.trace * 2, authorisation="A1B2C3"),
    )


def _fill(path: Path, count: int) -> None:
    with closing(Journal(path)) as journal:
        for key in _keys(count):
            for record in sale(key):
                journal.append(record)


class _Killed(Exception):
    """The terminal's process is gone."""


class _Mishaps:
    """What happens to whom, and who mends it."""

    def __init__(self, chance: Random, printer: VirtualPrinter, day: Day) -> None:
        self.day = day
        self._chance = chance
        self._printer = printer
        self._effects_left = -1
        self._off = False

    def driver(self) -> EscPosPrinter:
        """A terminal that starts has a driver that knows nothing of the one before."""
        return tcp_printer("127.0.0.1", self._printer.port, PATIENCE)

    def after(self, effect: Effect, life: "asyncio.Task[bool]") -> None:
        """An effect has been carried out. Raises _Killed if that was the last."""
        if isinstance(effect, Print):
            self._befall(life)
        if isinstance(effect, Print | Persist | PrintNow):
            self._effects_left -= 1
            if not self._effects_left:
                raise _Killed

    def _befall(self, life: "asyncio.Task[bool]") -> None:
        self._effects_left = -1
        self._printer.nothing_happens()
        if self._chance.random() >= FAULT_PROBABILITY:
            return
        fault = self._chance.choice(FAULTS)
        self.day.faults[fault] += 1
        count = self._chance.randrange(1, JOB_BYTES)
        match fault:
            case "power":
                self._off = True
                self._printer.lose_power_after(count)
            case "power at once":
                self._off = True
                self._printer.lose_power_after(1)
            case "paper":
                self._printer.run_out_of_paper(self._chance.randrange(1, JOB_DOTS))
            case "paper at once":
                self._printer.run_out_of_paper()
            case "cover":
                self._printer.act_after(count, self._printer.open_cover)
            case "line":
                self._printer.drop_connection_after(count)
            case "killed by bytes":
                self._printer.act_after(count, life.cancel)
            case "killed by effect":
                self._effects_left = self._chance.randrange(1, 5)

    async def mend(self) -> None:
        """Somebody looks after the printer: paper, cover, power."""
        self._printer.nothing_happens()
        if self._off and not self._printer.listens:
            await self._printer.restore_power()
        self._off = False
        await self._printer.load_paper()
        await self._printer.close_cover()


async def _live(journal_path: Path, mishaps: _Mishaps) -> bool:
    """One life of the terminal, until it is killed or a person is wanted; True if there is more to print."""
    mishaps.day.lives += 1
    life = asyncio.create_task(_print_all(journal_path, mishaps))
    await asyncio.wait([life])
    if life.cancelled():
        return True
    with suppress(_Killed):
        return life.result()
    return True


async def _print_all(journal_path: Path, mishaps: _Mishaps) -> bool:
    with closing(Journal(journal_path)) as journal:
        till = _Till(journal, mishaps)
        printing = asyncio.create_task(till.printing.run())
        try:
            return await till.run()
        finally:
            printing.cancel()
            await asyncio.wait([printing])


class _Till:
    """The shell around the counter's cores, as far as slips go. Its time passes only when nothing else happens."""

    def __init__(self, journal: Journal, mishaps: _Mishaps) -> None:
        self._journal = journal
        self._mishaps = mishaps
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._counter = Counter(PROFILE, journal.replay())
        self._now = START
        self.printing = Printing(PROFILE, journal, mishaps.driver(), self._events.put_nowait)

    async def run(self) -> bool:
        """Print what is due; return whether something still is, and a person is wanted."""
        life = asyncio.current_task()
        assert life is not None
        self._carry_out(self._counter.resume(self._now), life)
        for key in list(self._counter.book.slips_due) if self._counter.slips.at_rest else ():
            self._handle(ReprintRequested(key), life)
        while not self._counter.slips.at_rest:
            event = await self._events.get() if self._counter.slips.in_hand else self._tick()
            self._handle(event, life)
            if isinstance(event, SlipFailed):
                await self._mishaps.mend()
        return bool(self._counter.book.slips_due)

    def _tick(self) -> Tick:
        self._now = max(self._now, self._counter.deadline() or self._now)
        return Tick()

    def _handle(self, event: Event, life: "asyncio.Task[bool]") -> None:
        self._carry_out(self._counter.handle(event, self._now), life)

    def _carry_out(self, effects: list[Effect], life: "asyncio.Task[bool]") -> None:
        for effect in effects:
            match effect:
                case Persist(record):
                    self._journal.append(record)
                case Print():
                    self.printing.enqueue(effect)
                case PrintNow(key):
                    self.printing.begin(key)
            self._mishaps.after(effect, life)


async def hand_over_times_s(count: int, folder: Path) -> list[float]:
    """How long it takes from a payment in the journal to its slips, all bytes of them handed to the kernel.

    The slips of a sale by card, both copies, have more than 40 lines; what the printer then takes is not counted.
    """
    _fill(folder / "journal.db", count)
    printer = VirtualPrinter()
    await printer.start()
    times = []
    try:
        with closing(Journal(folder / "journal.db")) as journal:
            printing = Printing(PROFILE, journal, None, lambda _: None)
            for key in _keys(count):
                reader, writer = await asyncio.open_connection("127.0.0.1", printer.port)
                began = time.perf_counter()
                lines = printing.lines(Print(key))
                writer.write(build(lines, PROFILE.devices.paper_columns) + b"\x1dr\x01")
                await writer.drain()
                times.append(time.perf_counter() - began)
                await reader.readexactly(1)
                writer.close()
                await writer.wait_closed()
    finally:
        await printer.close()
    return times
