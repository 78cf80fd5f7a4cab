"""Putting a host together: locks, keys, files; and the process, killed and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host_switch import start
from host_switch.events import CommandGiven, TerminalRegistered
from host_switch.store import StoreError
from tests.host_switch.till import MASTER_KEY, MERCHANT

ROOT = Path(__file__).resolve().parents[2]
ZONE = {"pin_key": "0123456789ABCDEFFEDCBA9876543210", "mac_key": "1032547698BADCFE0123456789ABCDEF"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A host's folder with zone keys and one terminal."""
    with start.opened_store(tmp_path / "host", to_write=True) as store:
        store.put_secret(start.ZONE_KEYS, bytes(range(32)))
    start.carry_out(tmp_path / "host", TerminalRegistered("12345678", MERCHANT, MASTER_KEY))
    return tmp_path / "host"


@contextmanager
def running(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "tillgate.py", "host", "run", "--data", str(folder), "--issuer", "127.0.0.1:1"]
    command += ["--port", "0", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        yield process
        process.kill()


def terminal_command(folder: Path) -> str:
    with start.opened_store(folder, to_write=False) as store:
        return store.books().terminals[0].command


def test_addresses() -> None:
    assert start.Address.parse("127.0.0.1:9800") == start.Address("127.0.0.1", 9800)
    assert start.Address.parse("::1:9800") == start.Address("::1", 9800)


@pytest.mark.parametrize("text", ["", "9800", "localhost", "localhost:", "localhost:http", "localhost:65536"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(start.HostError, match=r"127\.0\.0\.1:9800"):
        start.Address.parse(text)


def test_two_processes_never_write_one_store(folder: Path) -> None:
    with (
        start.opened_store(folder, to_write=True),
        pytest.raises(start.HostError, match="another process"),
        start.opened_store(folder, to_write=True),
    ):
        pass


def test_reading_needs_no_lock_but_a_store(folder: Path, tmp_path: Path) -> None:
    with start.opened_store(folder, to_write=True), start.opened_store(folder, to_write=False) as reader:
        assert len(reader.books().terminals) == 1
    with pytest.raises(StoreError), start.opened_store(tmp_path / "nowhere", to_write=False):
        pass


def test_an_order_is_carried_out_without_a_running_host(folder: Path) -> None:
    start.carry_out(folder, CommandGiven("12345678", "3"))
    assert terminal_command(folder) == "3"


def test_an_order_reaches_the_running_host_and_a_second_host_is_refused(folder: Path) -> None:
    with running(folder) as process:
        start.carry_out(folder, CommandGiven("12345678", "3"))
        assert terminal_command(folder) == "3"
        with pytest.raises(start.HostError), start.opened_store(folder, to_write=True):
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not (folder / "host.sock").exists()


def test_a_killed_host_leaves_nothing_that_stops_the_next_one(folder: Path) -> None:
    with running(folder) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    start.carry_out(folder, CommandGiven("12345678", "3"))
    with running(folder):
        assert terminal_command(folder) == "3"


def test_a_host_is_ready_soon(folder: Path) -> None:
    began = time.monotonic()
    with running(folder):
        assert time.monotonic() - began < 10


def test_zone_keys_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "zone.json"
    path.write_text(json.dumps(ZONE))
    assert start.read_zone_keys(path) == bytes.fromhex(ZONE["pin_key"] + ZONE["mac_key"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pin_key": "00", "mac_key": "00"}', '{"pin_key": 1, "mac_key": 2}'])
def test_a_file_without_zone_keys_is_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "zone.json"
    path.write_text(text)
    with pytest.raises(start.HostError, match=r"zone\.json"):
        start.read_zone_keys(path)


def test_without_zone_keys_the_command_to_give_them_is_named(tmp_path: Path) -> None:
    with (
        start.opened_store(tmp_path, to_write=True) as store,
        pytest.raises(start.HostError, match="tillgate host zone-keys"),
    ):
        start.zone_keys(store)


def test_a_master_key_file_is_read_or_made(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text(MASTER_KEY.hex())
    assert start.master_key_in(given) == MASTER_KEY
    made = start.master_key_in(tmp_path / "made")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert start.master_key_in(tmp_path / "made") == made


@pytest.mark.parametrize("text", ["", "zz", "00" * 15])
def test_a_file_without_a_master_key_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(start.HostError, match="32 hexadecimal digits"):
        start.master_key_in(tmp_path / "key")
