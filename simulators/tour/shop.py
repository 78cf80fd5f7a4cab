"""A running shop: its processes, and the people in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from simulators.tour.people import Banker, Cashier, Customer
from simulators.tour.processes import KeptProcess, Restarted
from simulators.tour.setting_up import Shop
from simulators.tour.steps import Tour


@dataclass(frozen=True, slots=True)
class RunningShop:
    """A shop whose processes are kept alive."""

    shop: Shop
    processes: dict[str, KeptProcess]

    @property
    def numbers(self) -> dict[str, int]:
        """The process ids, by name."""
        return {name: process.pid for name, process in self.processes.items()}

    def tour(self) -> Tour:
        """People who have not done anything yet."""
        ports, host = self.shop.ports, self.processes["host"]
        return Tour(
            Cashier(ports.page), Customer(ports.counter), Banker(ports.issuer_control), host.kill, host.switch
        )


@asynccontextmanager
async def open_shop(
    shop: Shop, started: Callable[[str, float], None], restarted: Callable[[Restarted], None]
) -> AsyncIterator[RunningShop]:
    """Start everything, in order; stop everything at the end, in the other order.

    `started` is told each process's name and the seconds until it was ready. Raises ProcessFailed.
    """
    processes = {part.name: KeptProcess(part, shop.logs, restarted) for part in shop.parts}
    try:
        for name, process in processes.items():
            started(name, await process.start())
        yield RunningShop(shop, processes)
    finally:
        for process in reversed(processes.values()):
            await process.stop()
