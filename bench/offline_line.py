"""How soon a terminal notices that its line to the host is dead, and back; and how many echoes a host answers.

Terminal and host are the processes that ``tillgate`` runs, with mutual TLS between them, and their line goes through a
relay that can be told to go bad (`simulators.bad_line`). Noticed is what the cashier's page shows. Each fault comes at
several moments between two probes and lasts for different times.

The echoes are those of a fleet that asks as fast as it is answered, without TLS, like the sales of ``make bench``.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import figures, fleet, load_client
from bench.children import in_a_child, serving
from host_switch import start
from iso8583 import Message
from iso8583.framing import with_length
from iso8583.transactions import TYPES
from iso8583.unionpay import Block60, Frame
from simulators.bad_line import FAULTS, BadLine
from simulators.tour.people import Cashier
from simulators.tour.processes import KeptProcess
from simulators.tour.setting_up import LOOPBACK, reserved_ports, set_up

STEP_S: Final = 0.35
"""Later by so much comes each fault than the one before it, so that it falls elsewhere between two probes."""
LASTS_S: Final = 2.0
_NEEDED: Final = ("host", "counter", "terminal")  # the PIN pad takes keys, too; of an issuer nobody asks anything
ECHOES_A_SECOND_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Noticed:
    """Seconds until the page said so, of every fault."""

    offline_s: Sequence[float]
    online_s: Sequence[float]


def measure(folder: Path, rounds: int, seconds: float, faults: Sequence[str] = FAULTS) -> dict[str, figures.Figure]:
    """Let each of the `faults` come `rounds` times; then ask echoes for so many `seconds`. Works in `folder`."""
    shop = folder / "shop"
    shop.mkdir(parents=True)
    noticed = asyncio.run(_noticed(shop, rounds, faults))
    return {
        "line_faults": len(noticed.offline_s),
        "noticed_offline_s": round(max(noticed.offline_s), 2),
        "noticed_offline_median_s": round(statistics.median(noticed.offline_s), 2),
        "noticed_online_s": round(max(noticed.online_s), 2),
        "noticed_online_median_s": round(statistics.median(noticed.online_s), 2),
    } | _echoes(folder / "host", seconds)


# The line -------------------------------------------------------------------------------------------------------------


async def _noticed(folder: Path, rounds: int, faults: Sequence[str]) -> Noticed:
    with reserved_ports() as ports:
        shop = set_up(folder, ports)
        line = BadLine(ports.host)
        profile = shop.terminal / "profile.toml"
        port = await line.open()
        profile.write_text(profile.read_text("utf-8").replace(f"port = {ports.host}\n", f"port = {port}\n"), "utf-8")
        processes = [KeptProcess(part, shop.logs, lambda _: None) for part in shop.parts if part.name in _NEEDED]
        try:
            for process in processes:
                await process.start()
            return await _suffered(line, port, Cashier(ports.page), list(faults) * rounds)
        finally:
            for process in reversed(processes):
                await process.stop()
            await line.close()


async def _suffered(line: BadLine, port: int, cashier: Cashier, faults: Sequence[str]) -> Noticed:
    offline_s, online_s = list[float](), list[float]()
    await _until(cashier, online=True)
    for number, fault in enumerate(faults):
        await asyncio.sleep(1 + number * STEP_S % 1)
        began = time.perf_counter()
        await line.go_bad(fault)
        await _until(cashier, online=False)
        offline_s.append(time.perf_counter() - began)
        await asyncio.sleep(LASTS_S + number * STEP_S % 3)
        began = time.perf_counter()
        await line.mend(port)
        await _until(cashier, online=True)
        online_s.append(time.perf_counter() - began)
    return Noticed(offline_s, online_s)


async def _until(cashier: Cashier, *, online: bool) -> None:
    word = "online" if online else "offline"
    await cashier.until(f"the terminal is {word}", lambda view: (view["session"]["state"] == "ready") is online)


# Echoes ---------------------------------------------------------------------------------------------------------------


def _echoes(directory: Path, seconds: float) -> dict[str, figures.Figure]:
    """Echoes under a MAC that a host answers in a second, and what one costs it."""
    ids = fleet.register(directory)
    local = start.Address(LOOPBACK, 0)
    nobody = start.Address(LOOPBACK, 1)
    with serving(lambda ready: start.run(directory, local, nobody, on_ready=ready)) as host:
        tills = fleet.sign_on(ids, host.port)
        each = int(seconds * ECHOES_A_SECOND_MAX / len(tills))
        frames = [[_echo(till)] * each for till in tills]
        cpu_s = host.cpu_s()
        loop = load_client.ClosedLoop(seconds)
        done = in_a_child(lambda: load_client.measured(loop, host.port, tills, frames))
        cpu_s = host.cpu_s() - cpu_s
    return {
        "host_echoes_per_s": round(done.rate), "host_echo_us": round(1e6 * cpu_s / done.answered),
        "host_echo_p99_ms": round(done.within_ms(0.99), 1), "host_echoes_unproven": done.answered - done.approved,
    }  # fmt: skip


def _echo(till: fleet.Till) -> bytes:
    rules = TYPES["echo"]
    block = Block60(rules.type_code, till.batch, rules.management_code).to_text()
    asked = Message(rules.mti, {11: "000001", 41: till.id, 42: fleet.MERCHANT, 60: block})
    return with_length(Frame(fleet.TPDU, fleet.HEADER, asked).to_bytes(till.mac_key))
