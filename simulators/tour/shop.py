"""A running shop: its processes, the line between terminal and host, and the people in it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from host_switch.envelopes import ROOT
from host_switch.records import Transaction
from host_switch.start import opened_store
from host_switch.store import Books
from simulators.bad_line import BadLine
from simulators.tour.people import Banker, Cashier, Customer
from simulators.tour.processes import KeptProcess, Restarted
from simulators.tour.setting_up import Shop
from simulators.tour.steps import Outages, Tour


@dataclass(frozen=True, slots=True)
class RunningShop:
    """A shop whose processes are kept alive, and its line to the host, if that can be cut."""

    shop: Shop
    processes: dict[str, KeptProcess]
    line: BadLine | None = None

    @property
    def numbers(self) -> dict[str, int]:
        """The process ids, by name."""
        return {name: process.pid for name, process in self.processes.items()}

    def tour(self) -> Tour:
        """People who have not done anything yet."""
        ports, broker = self.shop.ports, self.processes.get("broker")
        return Tour(
            Cashier(ports.page), Customer(ports.counter), Banker(ports.issuer_control),
            Outages(self.processes["host"].kill, self.cut, broker.switch if broker else None, self.carried),
        )  # fmt: skip

    async def cut(self, dead: bool) -> None:
        """Let the line swallow everything, every connection open; or carry again."""
        assert self.line is not None, "set up with a line"
        if dead:
            await self.line.go_bad("swallows")
        else:
            await self.line.mend(self.shop.ports.line)

    async def carried(self) -> int:
        """How many transactions have come to the host through the broker."""
        return len(carried_by_broker(await asyncio.to_thread(host_books, self.shop)))


@asynccontextmanager
async def open_shop(
    shop: Shop, started: Callable[[str, float], None], restarted: Callable[[Restarted], None]
) -> AsyncIterator[RunningShop]:
    """Start everything, in order; stop everything at the end, in the other order.

    `started` is told each process's name and the seconds until it was ready. Raises ProcessFailed.
    """
    processes = {part.name: KeptProcess(part, shop.logs, restarted) for part in shop.parts}
    line = BadLine(shop.ports.host) if shop.with_line else None
    if line is not None:
        await line.open(shop.ports.line)
    try:
        for name, process in processes.items():
            started(name, await process.start())
        yield RunningShop(shop, processes, line)
    finally:
        for process in reversed(processes.values()):
            await process.stop()
        if line is not None:
            await line.close()


async def until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    """Do `work`; Ctrl-C and SIGTERM cancel it, and it may still tidy up."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def host_books(shop: Shop) -> Books:
    """Everything that the host has, as it is now; it may be running."""
    with opened_store(shop.host, to_write=False) as store:
        return store.books()


def carried_by_broker(books: Books) -> list[Transaction]:
    """The transactions whose last request came through the broker."""
    return [row for row in books.transactions if row.connection.startswith(ROOT)]
