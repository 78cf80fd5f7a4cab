"""A week without the bank: thousands of sales at one terminal, batch after batch, and then all of them brought to it.

One terminal of the simulated world, its journal and the host's store in SQLite, all messages as bytes. The terminal
dies now and then, in the outage and while it catches up. The auditor looks at all books at the end, and in between as
often as so many sales allow.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from firmware_config.profile import HostEndpoint, Limits, Offline
from host_switch.ledger import CLEARING
from host_switch.records import Outcome
from simulators.auditor import Auditor
from simulators.engine import Node
from simulators.observed import Finding, name_of
from simulators.people import Cashier, Habits
from simulators.shop import Shop, world_folder
from terminal.book import Book
from terminal.events import SaleRequested
from terminal.records import ApprovedOffline

WEEK_S = 7 * 86_400.0
SALE_S = 40.0
DEATH_SHARE = 0.001
LOOKS_EVERY = 500
CATCHES_UP_WITHIN_S = 3_600.0
OFFLINE = Offline(
    sale_amount_max=20_000, total_amount_max=10**9, count_max=1_000_000, age_max_s=8 * 86_400,
    card_amount_max=10**9, card_count_max=1_000_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of the sales: how many there were, and how the bank's books differ from what was sold."""

    sales: int
    batches: int
    declined: int
    lost: int
    doubled: int
    out_of_order: int
    deaths: int
    caught_up_s: float
    """Seconds of this machine for terminal, host and issuer together."""
    findings: tuple[Finding, ...]


class _Weather:
    """Nothing goes wrong on any line but that the way to the host is cut; the terminal dies by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.deadly = True

    def crash(self, node: Node, effect: object) -> float | None:  # noqa: ARG002 - it dies anywhere
        """Only the terminal dies."""
        is_terminal = node.name not in {"host", "issuer"}
        return 3.0 if self.deadly and is_terminal and self._random.random() < DEATH_SHARE else None

    def delays(self, source: str, target: str, packet: object) -> Sequence[float]:  # noqa: ARG002 - all alike
        """Packets do not overtake each other."""
        return (0.02,)

    def notice_s(self) -> float:
        """The other end notices soon."""
        return 0.1


class _Auditor(Auditor):
    """Looks at the terminal's book now and then: it compares all that is open, and thousands are."""

    _rests = 0

    def terminal_rests(self, terminal: str, book: Book) -> None:
        self._rests += 1
        if self._rests % LOOKS_EVERY == 0:
            super().terminal_rests(terminal, book)


class Outage:
    """One terminal, cut off for a week, that sells all the time."""

    def __init__(self, sales: int, batch: int, folder: Path, within_s: float) -> None:
        self._within_s = within_s
        random, self._sales, self._pace_s = Random(1), sales, WEEK_S / sales
        habits = Habits(SALE_S / 2, code=0, offline_code=0, poor_card_offline=0.01, nobody=0)
        self._weather = _Weather(random)
        self.shop = Shop(
            self._weather, random, habits, Limits(batch_count_max=batch), folder,
            offline=OFFLINE, true_to_life=True, auditor=_Auditor,
        )  # fmt: skip
        self._terminal = self.shop.add_terminal(HostEndpoint(probe_interval_s=600.0, probe_timeout_s=30.0))
        self._habits, self._random = habits, random
        self._requests = 0

    def run(self) -> Caught:
        """Sign on, sell through the outage, catch up, settle, and compare the books."""
        world, shop = self.shop.world, self.shop
        shop.open()
        self._must(shop.is_resolved)
        for way in ((self._terminal.name, "host"), ("host", self._terminal.name)):
            world.network.cut(*way, 2 * WEEK_S)
        self._terminal.lose_connection()
        self._sell()
        self._must(lambda: world.happened["offline sale"] >= self._sales, 2 * WEEK_S)
        world.network.heal()
        began = time.perf_counter()
        self._terminal.connect_now()
        self._must(shop.is_resolved)
        took_s = time.perf_counter() - began
        self._weather.deadly = False
        Cashier(world, self._terminal, self._habits, self._random, sales_left=0).settle()
        self._must(shop.is_settled)
        shop.close()
        return self._caught(took_s)

    def _must(self, done: Callable[[], bool], within_s: float = 0.0) -> None:
        within_s = within_s or self._within_s
        if not self.shop.world.run(self.shop.world.now + within_s, done):
            self.shop.auditor.complain([Finding("I4", self._terminal.name, f"not over within {within_s:.0f} s")])

    def _sell(self) -> None:
        """One sale after the other, evenly; after a death the cashier begins anew."""
        sold = self.shop.world.happened["offline sale"]
        if sold >= self._sales:
            return
        if self._terminal.up and not self._terminal.counter.busy:
            self._requests += 1
            self._terminal.handle(SaleRequested(f"sale-{self._requests}", 100 + sold % 900, "01", offline=True))
        self.shop.world.after(max(SALE_S, self._pace_s), None, self._sell)

    def _caught(self, took_s: float) -> Caught:
        books, observed = self.shop.host.store.books(), self.shop.auditor.observed
        rows = {name_of(row.key): row for row in books.transactions}
        posted = Counter[tuple[str, str, str]]()
        for record in books.records:
            posted[name_of(record.key)] += record.amount if record.account == CLEARING else 0
        records = observed.records[self._terminal.name]
        names = [name_of(record.key) for record in records if isinstance(record, ApprovedOffline)]
        sold = {name: observed.payments[name].amount for name in names}
        declined = {name for name in sold if name in rows and rows[name].outcome is Outcome.DECLINED}
        came = [name_of(row.key) for row in sorted(books.transactions, key=lambda row: row.number)]
        came = [name for name in came if name in sold]
        happened = self.shop.world.happened
        return Caught(
            sales=len(sold), batches=happened["parked batch settled"], declined=len(declined),
            lost=sum(posted[name] < amount for name, amount in sold.items() if name not in declined),
            doubled=sum(posted[name] > amount for name, amount in sold.items()),
            out_of_order=sum(one > other for one, other in pairwise(came)),
            deaths=happened["crashes"], caught_up_s=took_s, findings=tuple(self.shop.auditor.findings),
        )  # fmt: skip


def outage(sales: int, batch: int = 900, within_s: float = CATCHES_UP_WITHIN_S) -> Caught:
    """Sell so many times without the bank, in batches of so many, and catch up within so much virtual time."""
    with world_folder() as folder:
        return Outage(sales, batch, folder, within_s).run()
