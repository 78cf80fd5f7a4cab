"""A part of `make bench-offline`: what a sale takes while a million of them wait for the bank.

The sales of a long outage are written into a journal as a terminal writes them, in parked batches of 900. Then a
process of its own, the terminal's cores over that journal, starts and sells on, every record with full
synchronisation; and another one in the same way over a journal in which a thousand wait. Compared are the times of one
sale (from the key that begins it until the chip's approval is on disk), of the start, and the most memory that either
process has held. There is no printer, so that all slips stay due, which takes the most memory.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import figures
from firmware_config.profile import OFFLINE_COUNT_MAX, Limits, Offline, TerminalProfile
from terminal.card_counts import CardCounts
from terminal.counter import Counter
from terminal.effects import Effect, LoadBatch, Persist
from terminal.events import BatchLoaded, CardPresented, Event, RoomMeasured, SaleRequested, SlipFailed
from terminal.journal import Journal
from terminal.records import ApprovedOffline, BatchParked, Key, Record, SignedOn, Started
from terminal.slip_queue import NO_PRINTER
from terminal.transitions import State

TERMINAL: Final = "12345678"
BATCH_COUNT: Final = 900
ROUNDS: Final = 3
FEW: Final = 1_000
AMOUNT: Final = 100
BEGAN: Final = 1_700_000_000.0
PACE_S: Final = 0.5
KIB_PER_MIB: Final = 1024
PROFILE: Final = TerminalProfile(
    terminal_id=TERMINAL, merchant_id="898110053110001", merchant_name_zh="测试商户", merchant_name_en="TEST MERCHANT",
    limits=Limits(batch_count_max=BATCH_COUNT),
    offline=Offline(
        sale_amount_max=AMOUNT, total_amount_max=999_999_999_999, count_max=OFFLINE_COUNT_MAX, age_max_s=30 * 86_400
    ),
)  # fmt: skip
CARD: Final = CardPresented(
    pan="6299990000000009", sealed="5EA1ED" * 14, masked="629999******0009", expiry="3012", sequence="001",
    track2="6299990000000009D30122011234567890", chip_data=bytes(120), entry_mode="052", approved_offline=True,
    chip={"AID": "A000000333010101", "TC": "0123456789ABCDEF"},
)  # fmt: skip


def measure(records: int, sold: int) -> dict[str, figures.Figure]:
    """Let `records` sales wait, the last of them measured, `sold` at a time; the figures, beside those of a thousand.

    In turns, so that both have the same weather, and the best round of each, for other programs disturb.
    """
    with TemporaryDirectory(prefix="tillgate-queue-") as folder:
        few_at, many_at = Path(folder) / "few.db", Path(folder) / "many.db"
        _fill(few_at, FEW)
        _fill(many_at, records - ROUNDS * sold)
        rounds = [(_measured(few_at, sold), _measured(many_at, sold)) for _ in range(ROUNDS)]
    few, many = ({name: min(each[name] for each in side) for name in side[0]} for side in zip(*rounds, strict=True))
    return {
        "queue_records": max(round(many["waiting"]) for _, many in rounds),
        "queue_journal_mib": round(many["journal_mib"]),
        "enqueue_p50_ms": round(many["p50_ms"], 3),
        "enqueue_p99_ms": round(many["p99_ms"], 3),
        "enqueue_p50_ms_few": round(few["p50_ms"], 3),
        "enqueue_p99_ms_few": round(few["p99_ms"], 3),
        "enqueue_growth": round(many["p50_ms"] / few["p50_ms"], 3),
        "queue_start_ms": round(many["start_ms"]),
        "queue_start_ms_few": round(few["start_ms"]),
        "queue_memory_mib": round(max(0.0, *(many["memory_mib"] - few["memory_mib"] for few, many in rounds)), 1),
    }


def _measured(path: Path, sold: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.offline_queue", str(path), str(sold)]
    done = subprocess.run(command, cwd=figures.ROOT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


# --- a journal after a long outage ------------------------------------------------------------------------------------


def _fill(path: Path, count: int) -> None:
    """Write what a terminal has written when so many sales wait; not synchronised, for nobody measures that."""
    with closing(Journal(path)) as journal:
        database = journal._db
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -64000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        for number, record in enumerate(_outage(count)):
            journal.append(record)
            if number % 100_000 == 99_999:
                database.execute("COMMIT")
                database.execute("BEGIN")
        database.execute("COMMIT")
    with path.open("rb") as written:  # else the first sales wait for what was written here
        os.fsync(written.fileno())


def _outage(count: int) -> Iterator[Record]:
    yield SignedOn("000001", BEGAN)
    for number in range(count):
        batch, place = divmod(number, BATCH_COUNT)
        if batch and not place:
            yield _parking(batch, number)
        yield from _sale(Key(TERMINAL, f"{batch + 1:06d}", f"{number % 999_999 + 1:06d}"), BEGAN + number * PACE_S)


def _sale(key: Key, at: float) -> Iterator[Record]:
    fields = {
        "3": "000000", "4": f"{AMOUNT:012d}", "11": key.trace, "22": "052", "23": "001", "25": "00", "41": TERMINAL,
        "42": PROFILE.merchant_id, "49": "156", "55": CARD.chip_data.hex(), "60": f"36{key.batch}00050", "63": "CUP",
    }  # fmt: skip
    yield Started(key, "offline_sale", AMOUNT, "156", "01", f"{key.batch}-{key.trace:0>16}", at)
    token = f"{key.batch}{key.trace}"
    yield ApprovedOffline(key, "052", CARD.masked, at, CARD.sealed, fields, CARD.chip, card_token=token)


def _parking(batch: int, number: int) -> BatchParked:
    first = BEGAN + (batch - 1) * BATCH_COUNT * PACE_S
    return BatchParked(
        f"{batch:06d}", f"{batch + 1:06d}", f"{number % 999_999 + 1:06d}", TERMINAL, batch, "01",
        BEGAN + number * PACE_S, BATCH_COUNT, BATCH_COUNT * AMOUNT, first,
    )  # fmt: skip


# --- in a process of its own: the terminal ----------------------------------------------------------------------------


class _Terminal:
    """The cores over a journal, without a line and without a printer."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.counter = Counter(PROFILE, self.journal.replay())
        self.now = self.counter.book.newest_at + PACE_S
        self.counter.handle(RoomMeasured(10**12, writable=True), self.now)
        self._cards = CardCounts(self.journal)
        self._carry_out(self.counter.resume(self.now))

    def sell(self) -> float:
        """Sell offline; the seconds for both records, until the chip's approval is durable."""
        began = time.perf_counter()
        self._handle(SaleRequested(f"measured-{self.counter.book.next_trace}", AMOUNT, "01", offline=True))
        key = self.counter.payments.current
        assert key is not None, self.counter.notice
        self._handle(replace(CARD, token=f"measured-{key.trace}"))
        took_s = time.perf_counter() - began
        assert self.counter.book.payments[key].state is State.ADVICE_DUE
        self._handle(SlipFailed(key, NO_PRINTER))
        return took_s

    def _handle(self, event: Event) -> None:
        self.now += PACE_S
        self._cards.tell_before(event, self.counter)
        self._carry_out(self.counter.handle(event, self.now))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(record):
                    self.journal.append(record)
                case LoadBatch(batch):
                    self._handle(BatchLoaded(batch, tuple(self.journal.batch(TERMINAL, batch))))


def _main(path: Path, sold: int) -> None:
    began = time.perf_counter()
    terminal = _Terminal(path)
    started = time.perf_counter()
    times_s = sorted(terminal.sell() for _ in range(sold))
    told = {
        "waiting": terminal.counter.book.offline().count,
        "start_ms": 1e3 * (started - began),
        "p50_ms": 1e3 * statistics.median(times_s),
        "p99_ms": 1e3 * times_s[int(0.99 * len(times_s))],
        "memory_mib": _memory_mib(),
        "journal_mib": path.stat().st_size / KIB_PER_MIB**2,
    }
    print(json.dumps(told))


def _memory_mib() -> float:
    """The most that this process has held. What `getrusage` says may be its parent's."""
    status = Path("/proc/self/status").read_text("ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / KIB_PER_MIB


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
