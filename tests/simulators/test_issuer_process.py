"""The issuer twin as a process: it answers on its port, obeys on its control port, and remembers after a kill."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from host_switch.channels.iso_issuer import protect, verified
from iso8583 import Message
from iso8583.framing import with_length
from simulators.issuer import ZONE_MAC_KEY, default_accounts
from simulators.issuer_process import IssuerProcess, IssuerStore, opened_issuer
from tests.in_a_loop import in_a_loop

PAN = "6299990000000009"
SALE = Message(
    "0200",
    {2: PAN, 3: "000000", 4: "000000001234", 11: "000001", 37: "000000000001", 41: "12345678", 42: "898110053110001"},
)


@contextmanager
def issuer_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    command = [sys.executable, "-m", "simulators.issuer", "--port", "0", "--control-port", "0", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


def sell(port: int) -> Message:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(with_length(protect(SALE, ZONE_MAC_KEY)))
        stream = line.makefile("rb")
        return verified(stream.read(int.from_bytes(stream.read(2), "big")), ZONE_MAC_KEY)


def order(port: int, **words: Any) -> dict[str, Any]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(json.dumps(words).encode() + b"\n")
        answer: dict[str, Any] = json.loads(line.makefile().readline())
        return answer


def test_what_was_answered_is_remembered_after_a_kill(tmp_path: Path) -> None:
    with issuer_process(tmp_path) as (process, ports):
        first = sell(ports["port"])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with issuer_process(tmp_path) as (_, ports):
        assert sell(ports["port"]) == first
        assert order(ports["control_port"], balance=PAN) == {"ok": True, "balance": 1_000_000 - 1234}


def test_it_stops_when_asked_to(tmp_path: Path) -> None:
    with issuer_process(tmp_path) as (process, _):
        process.terminate()
        assert process.wait(10) == 0


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[IssuerProcess, int, int]]:
    process = IssuerProcess(*opened_issuer(folder, balance=500))
    port, control_port = await process.start(0, 0)
    try:
        yield process, port, control_port
    finally:
        await process.stop()


def test_a_bank_of_an_earlier_version_gets_the_accounts_of_newer_cards(tmp_path: Path) -> None:
    store = IssuerStore(tmp_path / "issuer.db")
    first, *rest = default_accounts(700)
    store.save([replace(first, balance=300), *rest[:-1]])
    issuer, _ = opened_issuer(tmp_path, balance=500)
    assert [issuer.balance(each.number) for each in (first, rest[-1])] == [300, 500]


@in_a_loop
async def test_moods_are_set_on_the_control_port(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, _, control_port):
        answer = await asyncio.to_thread(order, control_port, mood="delay", delay_s=3, times=1)
        assert answer["ok"]
        assert (process.issuer.mood.name, process.issuer.mood.delay_s, process.issuer.mood.times) == ("delay", 3, 1)


@in_a_loop
async def test_what_is_no_order_is_refused_in_words(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, _, _):
        for line in (b"not json\n", b'{"mood": "delay", "colour": 1}\n', b"{}\n", b'{"balance": "nobody"}\n', b"3\n"):
            assert process.controlled(line)["ok"] is False


@in_a_loop
async def test_a_new_bank_has_the_balance_it_was_given(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, _, _):
        assert process.issuer.balance(PAN) == 500


@in_a_loop
async def test_a_request_with_a_wrong_mac_is_logged_and_not_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with capture_logs() as log:
            writer.write(with_length(protect(SALE, bytes(16))) + with_length(protect(SALE, ZONE_MAC_KEY)))
            async with asyncio.timeout(10):
                length = int.from_bytes(await reader.readexactly(2), "big")
                assert verified(await reader.readexactly(length), ZONE_MAC_KEY)[39] == "51"
        assert [entry["event"] for entry in log] == ["request not used"]
        assert len(process.issuer.movements) == 1
        writer.close()
        await writer.wait_closed()


@in_a_loop
async def test_a_length_that_lies_closes_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with capture_logs():
            writer.write(b"\x00\x00")
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
