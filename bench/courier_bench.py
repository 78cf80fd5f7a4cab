"""The courier's part of `make bench-offline`: how a queue drains through Mosquitto, and what a killed broker loses.

    python -m bench.courier_bench [--quick]

A real Mosquitto, as `tillgate host broker-config` sets it up; a real host process before an issuer that approves; and
mutual TLS everywhere. Three runs:

- one terminal, the real one, drains the journal of an outage through the broker: each sale is unsealed, worded, MACed,
  published, decided by the host (two commits, and the issuer between them), answered, checked, and written as booked;
- many terminals at once (`bench.courier_client`), for what the host can take;
- one terminal again, while the broker is killed over and over. It keeps nothing on its disk, so all it had is gone.

Beside the first two, on the same broker over the same TLS, stands what bare paho publishes a second with as many under
way: the mean of before and after. At the end the books of host and terminals are compared, sale by sale.
"""

import argparse
import asyncio
import json
import socket
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from bench import courier_client, courier_terminal, figures, fleet, plain_issuer
from bench.children import Server, in_a_child, serving
from bench.courier_broker import Broker, running
from bench.courier_terminal import AMOUNT, LOOPBACK, Disturber, Drained
from host_switch import certificates, start
from host_switch.invariants import breaches
from host_switch.records import Key, Outcome
from simulators import broker as broker_program
from terminal import courier

READY_WITHIN_S: Final = 15.0
BARE_WITHIN_S: Final = 60.0
MANY: Final = 16
UNDER_WAY_OF_EACH: Final = 16
ADVICES_MAX: Final = 600  # a second, of each of many terminals; more are not framed
NOBODY_LISTENS: Final = 0x10

Figures = dict[str, figures.Figure]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything: advices of one terminal, seconds of many, bare messages, kills and advices meanwhile."""

    one: int
    many_s: float
    bare: int
    kills: int
    advices: int


FULL: Final = Extent(one=4_000, many_s=5.0, bare=15_000, kills=10, advices=2_000)
QUICK: Final = Extent(one=40, many_s=0.3, bare=200, kills=1, advices=40)


def main() -> int:
    """Measure, and tell; `bench.offline_bench` judges."""
    parser = argparse.ArgumentParser(prog="python -m bench.courier_bench", description="Measure the courier.")
    parser.add_argument("--quick", action="store_true", help="a small part of everything")
    extent = QUICK if parser.parse_args().quick else FULL
    print(json.dumps(measured(extent)))
    return 0


def measured(extent: Extent) -> Figures:
    """Measure everything in a folder of its own; nothing where there is no Mosquitto."""
    if broker_program.mosquitto() is None:
        _tell("no mosquitto here: tests/system_packages.sh mosquitto installs it")
        return {}
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-") as folder:
        return _run(_set_up(Path(folder), extent), extent)


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


# The place -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with everything in it. `tls` is what each terminal that is not a real one shows to broker and host."""

    folder: Path
    broker: Broker
    one: str
    killed: str
    bare: str
    many: Sequence[str]
    tls: Mapping[str, ssl.SSLContext]
    lines: Mapping[str, int]
    """The ports where the real terminals look for the host."""

    @property
    def host(self) -> Path:
        """The host's folder."""
        return self.folder / "host"

    @contextmanager
    def opened(self) -> Iterator[tuple[Server, Server]]:
        """The host, once it listens at the broker, and its issuer."""
        local, broker = start.Address(LOOPBACK, 0), start.Address(LOOPBACK, self.broker.port)
        with serving(plain_issuer.serve) as issuer:
            behind = start.Address(LOOPBACK, issuer.port)
            run = partial(start.run, self.host, local, behind, broker=broker)
            with serving(lambda ready: run(on_ready=ready)) as host:
                in_a_child(partial(_until_the_host_listens, self))
                yield host, issuer


def _set_up(folder: Path, extent: Extent) -> Place:
    """Make everything: also the journals, with all that was sold offline."""
    one, killed, bare, *others = fleet.register(folder / "host")
    certificates.found(folder / "host", [LOOPBACK])
    broker = Broker(folder / "broker", _free_port())
    broker_program.set_up(folder / "broker", folder / "host", broker.port)
    lines = {one: _free_port(), killed: _free_port()}
    for name, count in ((one, extent.one), (killed, extent.advices)):
        _tell(f"{count:,} offline sales of one terminal")
        ports = courier_terminal.Ports(page=_free_port(), line=lines[name], broker=broker.port)
        courier_terminal.set_up(folder / name, folder / "host", name, ports)
        courier_terminal.sell_offline(folder / name, count)
    many = others[:MANY]
    tls = {name: courier_terminal.certify(folder / name, folder / "host", name) for name in (bare, *many)}
    return Place(folder, broker, one, killed, bare, many, tls, lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


# The runs ------------------------------------------------------------------------------------------------------------


def _run(place: Place, extent: Extent) -> Figures:
    of_one, of_many = courier.UNDER_WAY_MAX, MANY * UNDER_WAY_OF_EACH
    bare: dict[int, list[float]] = {of_one: [], of_many: []}
    with running(place.broker):
        _measure_bare(place, bare, extent)
        with place.opened() as (host, issuer):
            one, one_us = _one(place, host, issuer, extent)
            many, many_us = _many(place, host, issuer, extent)
        _measure_bare(place, bare, extent)
    with running(place.broker), place.opened() as (host, _):
        killed = in_a_child(partial(_while_killed, place, host.port, extent))
    _tell(f"{extent.kills} kills: drained {killed.after_s:.1f} s after the last, {killed.seconds:.1f} s in all")
    bare_one, bare_many = statistics.mean(bare[of_one]), statistics.mean(bare[of_many])
    return {
        **one_us, **many_us, "bare_paho_per_s": round(bare_one),
        "drain_one_per_s": round(one, 1), "drain_one_ratio": round(one / bare_one, 3),
        "drain_many_per_s": round(many, 1), "drain_many_ratio": round(many / bare_many, 3),
        "broker_kills": extent.kills, "broker_advices": extent.advices, "broker_drained_s": round(killed.after_s, 1),
        **_compared(place, {place.one: extent.one, place.killed: extent.advices}),
    }  # fmt: skip


def _one(place: Place, host: Server, issuer: Server, extent: Extent) -> tuple[float, Figures]:
    """The real terminal: advices a second, and the CPU time that one of them takes each process."""
    servers = {"host": host, "issuer": issuer, "broker": place.broker.server}
    before = _cpu_s(servers)
    run = partial(_drain, place, place.one, host.port, extent.one)
    done = in_a_child(run)
    used = {name: round(1e6 * (now - before[name]) / done.answered) for name, now in _cpu_s(servers).items()}
    used |= {"terminal": round(1e6 * done.cpu_s / done.answered), "keys": round(1e6 * done.keys_cpu_s / done.answered)}
    rate = done.answered / done.seconds
    _tell(f"one terminal: {rate:,.0f}/s, {done.through_broker} sent through the broker; CPU us {used}")
    return rate, {f"drain_one_{name}_us": each for name, each in used.items()}


async def _drain(place: Place, name: str, host: int, count: int) -> Drained:
    return await courier_terminal.drained(place.folder / name, place.lines[name], host, count, Disturber())


def _many(place: Place, host: Server, issuer: Server, extent: Extent) -> tuple[float, Figures]:
    """As many terminals as it takes to keep the host busy; figures as of one."""
    count = int(extent.many_s * ADVICES_MAX) + UNDER_WAY_OF_EACH
    tills = [_signed_on(place, name, host.port) for name in place.many]
    senders = [courier_client.Sender(till, place.tls[till.id], till.advices(count)) for till in tills]
    servers = {"host": host, "issuer": issuer, "broker": place.broker.server}
    before = _cpu_s(servers)
    send = partial(courier_client.delivered, place.broker.port, senders, UNDER_WAY_OF_EACH, extent.many_s)
    done = in_a_child(send)
    used = {name: round(1e6 * (now - before[name]) / done.answered) for name, now in _cpu_s(servers).items()}
    used["client"] = round(1e6 * done.cpu_s / done.answered)
    _tell(f"{MANY} terminals: {done.rate:,.0f}/s; CPU us {used}")
    return done.rate, {f"drain_many_{name}_us": each for name, each in used.items()}


def _signed_on(place: Place, name: str, host: int) -> fleet.Till:
    with (
        socket.create_connection((LOOPBACK, host)) as line,
        place.tls[name].wrap_socket(line, server_hostname=LOOPBACK) as safe,
    ):
        return fleet.signed_on(name, safe)


def _cpu_s(servers: Mapping[str, Server]) -> dict[str, float]:
    return {name: server.cpu_s() for name, server in servers.items()}


# Bare paho -----------------------------------------------------------------------------------------------------------


def _measure_bare(place: Place, rates: Mapping[int, list[float]], extent: Extent) -> None:
    for under_way, found in rates.items():
        found.append(in_a_child(partial(_bare, place, under_way, extent.bare)))
    _tell("bare paho: " + ", ".join(f"{found[-1]:,.0f}/s with {n} under way" for n, found in rates.items()))


async def _bare(place: Place, under_way: int, count: int) -> float:
    """Messages as long as an advice a second, each acknowledged by the broker, and no more than that."""
    advice = next(iter(fleet.Till(place.bare, courier_terminal.BATCH, bytes(16), bytes(8), bytes(16)).advices(1)))
    client = _client(place, under_way)
    over = threading.Event()
    acknowledged = Counter[str]()

    def published(*_: object) -> None:
        acknowledged["all"] += 1
        if acknowledged["all"] == count:
            over.set()

    client.on_publish = published
    began = time.perf_counter()
    for _ in range(count):
        client.publish(f"tg/{fleet.MERCHANT}/{place.bare}/up/advice", advice, qos=1)
    assert over.wait(BARE_WITHIN_S), "the broker acknowledges everything"
    seconds = time.perf_counter() - began
    _end(client)
    return count / seconds


async def _until_the_host_listens(place: Place) -> None:
    """Say something that nobody minds, until the broker has somebody to give it to."""
    client = _client(place)
    heard = threading.Event()

    def published(_client: Client, _data: Any, _number: int, reason: ReasonCode, _properties: Any) -> None:
        if reason.value != NOBODY_LISTENS:
            heard.set()

    client.on_publish = published
    deadline = time.monotonic() + READY_WITHIN_S
    while not heard.wait(0.1):
        assert time.monotonic() < deadline, "the host comes to the broker"
        client.publish(f"tg/{fleet.MERCHANT}/{place.bare}/up/telemetry", b"{}", qos=1)
    _end(client)


def _client(place: Place, under_way: int = 1) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, place.bare, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(under_way)
    client.tls_set_context(place.tls[place.bare])
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(LOOPBACK, place.broker.port)
    client.loop_start()
    assert connected.wait(READY_WITHIN_S), "the broker lets a terminal in"
    return client


def _end(client: Client) -> None:
    client.disconnect()
    client.loop_stop()


# Kills ---------------------------------------------------------------------------------------------------------------


class Killer(Disturber):
    """Kills the broker so many times, evenly over the advices, and starts it again at once."""

    def __init__(self, broker: Broker, kills: int, advices: int) -> None:
        self._broker = broker
        self._marks = [advices * number // (kills + 1) for number in range(1, kills + 1)]

    async def run(self, answered: Callable[[], int]) -> None:
        """Kill, until cancelled."""
        for mark in self._marks:
            while answered() < mark:  # noqa: ASYNC110 - what is measured has no hook for this, and shall have none
                await asyncio.sleep(0.002)
            self._broker.kill()
            self._broker.start()
            self.at = time.perf_counter()


async def _while_killed(place: Place, host: int, extent: Extent) -> Drained:
    """The broker is killed from here; that it is no child of this process makes no difference to it."""
    killer = Killer(place.broker, extent.kills, extent.advices)
    name = place.killed
    try:
        return await courier_terminal.drained(place.folder / name, place.lines[name], host, extent.advices, killer)
    finally:
        place.broker.kill()


# The books -----------------------------------------------------------------------------------------------------------


def _compared(place: Place, sold: Mapping[str, int]) -> Figures:
    """Every sale of the real terminals is booked once, at the host and in the journal; and every validation holds."""
    with start.opened_store(place.host, to_write=False) as store:
        books = store.books()
    approved = {row.key for row in books.transactions if row.outcome is Outcome.APPROVED}
    bookings = Counter(record.key for record in books.records if record.amount == AMOUNT)
    wanted = {
        Key(name, courier_terminal.BATCH, f"{trace:06d}")
        for name, count in sold.items()
        for trace in range(1, count + 1)
    }
    known = {Key(*key) for name in sold for key in _booked(place, name)}
    return {
        "broker_lost": len(wanted - (approved & known & bookings.keys())),
        "broker_doubled": sum(bookings[key] - 1 for key in wanted & bookings.keys()),
        "broker_breaches": len(breaches(books)),
    }


def _booked(place: Place, name: str) -> Iterable[tuple[str, str, str]]:
    return ((key.terminal, key.batch, key.trace) for key in courier_terminal.booked(place.folder / name))


if __name__ == "__main__":
    sys.exit(main())
