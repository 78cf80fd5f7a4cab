"""`make bench`: durable approved sales a second beside a bare relay, latency at half of that, the terminal's start.

    python -m bench.host_bench [--seconds 4] [--passes 3]

A sale is a chip sale with a PIN, from the client through the host's listener, MAC check, rules, PIN translation, two
commits (before the issuer is called, before the terminal is answered), the issuer's channel with its MACs both ways,
and two postings. Everything runs on the same two cores: client, host or relay, and issuer. Passes alternate between
host and relay (`bench.relay`), and the medians are compared. Then the host's books are validated, and every sale that
the client was told is approved must be in them. The host is the process that `tillgate host run` runs.

What the ratio says and what not: with the host one core is full of the host; with the relay one core is full of the
issuer (`bench.plain_issuer`), whose work is the same in both. So it compares the host with carrying the same frames
between this client and this issuer. The CPU that each process takes for a sale is among the figures.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bench import figures, fleet, load_client, plain_issuer, relay, terminal_bench
from bench.children import Server, in_a_child, serving
from host_switch import start
from host_switch.invariants import breaches
from host_switch.records import Outcome

CORES = 2
RELAY_FRAMES = 50  # of each terminal, used again and again: to a relay they are all alike
SALES_MAX = 10_000  # a second; more are not framed, so a pass of a faster host would end early
RELAYED_MAX = 50_000


@dataclass(slots=True)
class Row:
    """One of the two rows: its server, and what its passes came to."""

    name: str
    server: Server
    passes: list[load_client.Pass] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    issuer_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median over the passes."""
        return statistics.median(each.rate for each in self.passes)

    def within_ms(self, share: float) -> float:
        """The median over the passes of a latency."""
        return statistics.median(each.within_ms(share) for each in self.passes)

    def client_us(self) -> float:
        """CPU of the client for each sale, in microseconds."""
        return statistics.median(1e6 * each.cpu_s / each.answered for each in self.passes)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the benchmark runs on: the host, the relay, the issuer behind both, and the terminals in front."""

    host: Row
    relay: Row
    issuer: Server
    tills: Sequence[fleet.Till]
    relay_frames: Sequence[Sequence[bytes]]


def main() -> int:
    """Measure, validate, report."""
    options = _options()
    began, load = time.perf_counter(), os.getloadavg()[0]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-") as folder:
        found = measure(Path(folder) / "host", options.seconds, options.passes)
        print("terminal: started a few times, then two sales", flush=True)
        terminal = terminal_bench.measure(Path(folder) / "shop")
    found |= {
        "terminal_ready_s": round(terminal.ready_s, 2), "terminal_memory_mib": round(terminal.memory_mib, 1),
        "key_process_memory_mib": round(terminal.key_process_memory_mib, 1),
        "load_of_others": round(load, 1),  # figures of a busy machine say little
    }  # fmt: skip
    return figures.report("bench", found, time.perf_counter() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.host_bench", description="Measure sales per second.")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long one pass takes")
    parser.add_argument("--passes", type=int, default=3, help="how many passes of host and of relay, in turn")
    return parser.parse_args()


def measure(directory: Path, seconds: float, passes: int) -> dict[str, figures.Figure]:
    """Run all passes on a new host in `directory`, then read its books."""
    ids = fleet.register(directory)
    with ExitStack() as stack:
        shop = _opened(directory, ids, stack)
        for number in range(1, passes + 1):
            print(f"pass {number} of {passes}", flush=True)
            frames = [till.sales(int(seconds * SALES_MAX / len(shop.tills))) for till in shop.tills]
            _run(shop, shop.host, frames, seconds)
            again = int(seconds * RELAYED_MAX / len(shop.tills) / RELAY_FRAMES)
            _run(shop, shop.relay, [list(own) * again for own in shop.relay_frames], seconds)
        half = _at_half_rate(shop, seconds)
    return _figures(shop, half) | _validated(directory, shop, half)


def _opened(directory: Path, ids: list[str], stack: ExitStack) -> Shop:
    local = start.Address("127.0.0.1", 0)
    issuer = stack.enter_context(serving(plain_issuer.serve))
    behind = start.Address("127.0.0.1", issuer.port)
    host = stack.enter_context(serving(lambda ready: start.run(directory, local, behind, on_ready=ready)))
    tills = fleet.sign_on(ids, host.port)
    frames = [till.sales(RELAY_FRAMES) for till in tills]
    routes = relay.routes_for(tills, frames, time.time())
    peer = stack.enter_context(serving(lambda ready: relay.serve(routes, issuer.port, ready)))
    return Shop(Row("host", host), Row("relay", peer), issuer, tills, frames)


def _run(shop: Shop, row: Row, frames: Sequence[Sequence[bytes]], seconds: float) -> None:
    """One pass of one row, told in a line."""
    server_s, issuer_s = row.server.cpu_s(), shop.issuer.cpu_s()
    loop = load_client.ClosedLoop(seconds)
    done = in_a_child(lambda: load_client.measured(loop, row.server.port, shop.tills, frames))
    row.passes.append(done)
    row.server_us.append(1e6 * (row.server.cpu_s() - server_s) / done.answered)
    row.issuer_us.append(1e6 * (shop.issuer.cpu_s() - issuer_s) / done.answered)
    latencies = f"p50 {done.within_ms(0.5):.1f} ms, p99 {done.within_ms(0.99):.1f} ms"
    cpu = f"CPU us: client {row.client_us():.0f}, {row.name} {row.server_us[-1]:.0f}, issuer {row.issuer_us[-1]:.0f}"
    print(f"  {row.name:5}  {done.rate:7.0f}/s  {latencies}  {cpu}", flush=True)


def _at_half_rate(shop: Shop, seconds: float) -> load_client.Pass:
    rate = shop.host.rate / 2
    frames = [till.sales(int(3 * seconds * rate / len(shop.tills)) + 100) for till in shop.tills]
    customers = load_client.AtRate(rate, seconds)
    half = in_a_child(lambda: load_client.measured(customers, shop.host.server.port, shop.tills, frames))
    latencies = f"p50 {half.within_ms(0.5):.1f} ms, p99 {half.within_ms(0.99):.1f} ms"
    print(f"  host at half of its rate, {half.rate:.0f}/s  {latencies}", flush=True)
    return half


def _figures(shop: Shop, half: load_client.Pass) -> dict[str, figures.Figure]:
    host, peer = shop.host, shop.relay
    return {
        "ratio_to_bare_relay": round(host.rate / peer.rate, 3),
        "sales_per_s": round(host.rate), "relayed_per_s": round(peer.rate),
        "p50_ms": round(host.within_ms(0.5), 1), "p99_ms": round(host.within_ms(0.99), 1),
        "p50_ms_at_half_rate": round(half.within_ms(0.5), 2), "p99_ms_at_half_rate": round(half.within_ms(0.99), 2),
        "host_cpu_us": round(statistics.median(host.server_us)),
        "relay_cpu_us": round(statistics.median(peer.server_us)),
        "issuer_cpu_us": round(statistics.median(host.issuer_us)), "client_cpu_us": round(host.client_us()),
    }  # fmt: skip


def _validated(directory: Path, shop: Shop, half: load_client.Pass) -> dict[str, figures.Figure]:
    """Prove the books after the load: every validation, and as many approved sales as the client was told of."""
    told = sum(each.approved for each in shop.host.passes) + half.approved
    with start.opened_store(directory, to_write=False) as store:
        books = store.books()
    kept = sum(row.outcome is Outcome.APPROVED for row in books.transactions)
    return {"sales": told, "sales_missing": told - kept, "breaches": len(breaches(books))}


if __name__ == "__main__":
    sys.exit(main())
