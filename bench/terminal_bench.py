"""The second half of `make bench`: how soon a terminal is ready, and how much memory it takes.

The terminal is the process that ``tillgate terminal run`` runs, with card reader, PIN pad, scanner and printer plugged
in and a host to sign on to; its key process is measured apart. Ready means that the page answers and shows that the
terminal has signed on: somebody could press the first key. Memory is the most that the process has held (VmHWM), after
it has sold to a card and to a phone.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from simulators.tour.browser import Browser
from simulators.tour.people import Cashier
from simulators.tour.processes import KeptProcess
from simulators.tour.setting_up import Shop, reserved_ports, set_up
from simulators.tour.shop import RunningShop
from simulators.tour.steps import chip_sale, scan_sale, sign_on

STARTS = 3
KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class TerminalFigures:
    """Seconds until ready (median of a few starts), and MiB of the terminal and of its key process."""

    ready_s: float
    memory_mib: float
    key_process_memory_mib: float


def measure(folder: Path) -> TerminalFigures:
    """Open a shop in `folder`, start its terminal a few times, sell twice. Raises what a shop that fails raises."""
    with reserved_ports() as ports:
        return asyncio.run(_measured(set_up(folder, ports)))


async def _measured(shop: Shop) -> TerminalFigures:
    processes = {part.name: KeptProcess(part, shop.logs, lambda _: None) for part in shop.parts}
    terminal = processes["terminal"]
    try:
        for name in ("issuer", "host", "counter"):
            await processes[name].start()
        starts = [await _start(terminal, shop)]
        while len(starts) < STARTS:
            await terminal.stop()
            starts.append(await _start(terminal, shop))
        tour = RunningShop(shop, processes).tour()
        for sell in (sign_on, chip_sale, scan_sale):
            await sell(tour)
        keys = _only_child(terminal.pid)
        return TerminalFigures(statistics.median(starts), _memory_mib(terminal.pid), _memory_mib(keys))
    finally:
        for process in reversed(processes.values()):
            await process.stop()


async def _start(terminal: KeptProcess, shop: Shop) -> float:
    """Start the terminal; return the seconds until it is ready."""
    began = time.perf_counter()
    await terminal.start()
    await Cashier(shop.ports.page).until("signed on", lambda view: view["session"]["state"] == "ready")
    await Browser(shop.ports.page).html("/")
    return time.perf_counter() - began


def _only_child(process: int) -> int:
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    return int(child)


def _memory_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / KIB_PER_MIB
