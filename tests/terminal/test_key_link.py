"""The terminal's end of the line to its key process: deaths are noticed at once, nobody waits for one that hangs."""

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager

import pytest

from iso8583.security import unionpay_mac
from terminal import key_link
from terminal.events import Event, KeysBack, KeysLost
from terminal.key_frames import DATA_MAX, KeysDiffer, KeysGone, NoWorkingKey, VaultError
from terminal.key_process import erase_keys
from terminal.key_store import KeyStore
from tests.in_a_loop import in_a_loop
from tests.terminal.key_rig import KEYS, MAC_KEY, MASTER, key_process, new_vault

WAIT_S = 20.0


@asynccontextmanager
async def kept(link):
    """The link being kept; gives the queue of what it reports."""
    reports: asyncio.Queue[Event] = asyncio.Queue()
    task = asyncio.create_task(link.keep(reports.put_nowait))
    try:
        async with asyncio.timeout(WAIT_S):
            yield reports
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
@in_a_loop
async def test_a_death_is_told_at_once_and_the_process_comes_back_without_working_keys(tmp_path, number):
    async with key_process(new_vault(tmp_path)) as link, kept(link) as reports:
        link.load_working_keys(KEYS.to_bytes())
        sealed, pid = link.seal("6299990000000009"), link.pid
        os.kill(pid, number)
        assert await reports.get() == KeysLost("key_process")
        assert await reports.get() == KeysBack()
        assert link.pid != pid and link.unseal_each([sealed]) == ["6299990000000009"]
        assert isinstance(link.macs([b""])[0], NoWorkingKey)


@in_a_loop
async def test_a_request_finds_out_first_if_it_is_quicker_than_the_loop(tmp_path):
    async with key_process(new_vault(tmp_path)) as link, kept(link) as reports:
        os.kill(link.pid, signal.SIGKILL)
        with pytest.raises(KeysGone, match="starts it again"):
            link.seal("6299990000000009")
        assert link.check_macs([(b"", bytes(8))] * 2) == [False] * 2
        assert [type(each) for each in link.macs([b"", b""])] == [KeysGone] * 2
        assert [await reports.get(), await reports.get()] == [KeysLost("key_process"), KeysBack()]


@in_a_loop
async def test_one_that_hangs_is_killed_and_started_again(tmp_path):
    async with key_process(new_vault(tmp_path), answer_within_s=0.05) as link, kept(link) as reports:
        os.kill(link.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(KeysGone):
            link.seal("6299990000000009")
        assert time.monotonic() - began < 1.0
        assert [await reports.get(), await reports.get()] == [KeysLost("key_process"), KeysBack()]


@in_a_loop
async def test_one_that_cannot_be_started_is_tried_again(tmp_path, monkeypatch):
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    async with key_process(new_vault(tmp_path)) as link, kept(link) as reports:
        assert await reports.get() == KeysLost("key_process")
        monkeypatch.setattr(sys, "executable", python)
        assert await reports.get() == KeysBack()


@in_a_loop
async def test_keys_that_are_given_while_the_terminal_runs_are_taken_up(tmp_path, monkeypatch):
    monkeypatch.setattr(key_link, "LOOK_AGAIN_S", 0.01)
    async with key_process(tmp_path / "vault.json") as link, kept(link) as reports:
        assert await reports.get() == KeysLost("no_keys")
        with pytest.raises(KeysGone, match="tillgate terminal keys"):
            link.seal("1")
        KeyStore.create(tmp_path / "vault.json", MASTER)
        assert await reports.get() == KeysBack()
        link.load_working_keys(KEYS.to_bytes())


@in_a_loop
async def test_erased_keys_are_told_of_and_new_ones_are_taken_up(tmp_path, monkeypatch):
    monkeypatch.setattr(key_link, "LOOK_AGAIN_S", 0.01)
    vault = new_vault(tmp_path)
    async with key_process(vault) as link, kept(link) as reports:
        link.erase()
        assert await reports.get() == KeysLost("keys_erased")
        assert not vault.exists()
        link.erase()
        KeyStore.create(vault, MASTER)
        assert await reports.get() == KeysBack()
        erase_keys(vault)
        assert await reports.get() == KeysLost("keys_erased")


@in_a_loop
async def test_a_vault_that_others_may_read_is_used_when_that_is_mended(tmp_path, monkeypatch):
    monkeypatch.setattr(key_link, "LOOK_AGAIN_S", 0.01)
    vault = new_vault(tmp_path)
    vault.chmod(0o644)
    async with key_process(vault) as link, kept(link) as reports:
        assert await reports.get() == KeysLost("keys_exposed")
        vault.chmod(0o600)
        assert await reports.get() == KeysBack()


@in_a_loop
async def test_no_process_is_left_behind(tmp_path):
    async with key_process(new_vault(tmp_path)) as link:
        pid = link.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@in_a_loop
async def test_a_mac_costs_less_than_a_third_of_a_millisecond(tmp_path):
    """The median, so that what else the machine does has no say."""
    async with key_process(new_vault(tmp_path)) as link:
        link.load_working_keys(KEYS.to_bytes())
        times = []
        for _ in range(500):
            began = time.perf_counter()
            link.macs([bytes(300)])
            times.append(time.perf_counter() - began)
        assert sorted(times)[250] < 0.0003


@in_a_loop
async def test_many_are_asked_for_at_once_and_each_has_its_own_answer(tmp_path):
    """More than one packet holds."""
    async with key_process(new_vault(tmp_path)) as link:
        link.load_working_keys(KEYS.to_bytes())
        data = [bytes([number]) * 1000 for number in range(1, 101)]
        assert link.macs(data) == [unionpay_mac(MAC_KEY, each) for each in data]
        signed = [(each, unionpay_mac(MAC_KEY, each if number % 3 else b"")) for number, each in enumerate(data)]
        assert link.check_macs(signed) == [number % 3 != 0 for number in range(100)]
        cards = [f"62999900000{number:05d}" for number in range(100)]
        sealed = [link.seal(card) for card in cards]
        sealed[7] = bytes(40)
        opened = link.unseal_each(sealed)
        assert isinstance(opened[7], KeysDiffer) and opened[:7] + opened[8:] == cards[:7] + cards[8:]
        assert link.macs([]) == []


@in_a_loop
async def test_what_is_too_long_for_it_spoils_only_itself(tmp_path):
    async with key_process(new_vault(tmp_path)) as link:
        link.load_working_keys(KEYS.to_bytes())
        first, broken, last = link.macs([b"1", bytes(DATA_MAX + 1), b"2"])
        assert (first, last) == (unionpay_mac(MAC_KEY, b"1"), unionpay_mac(MAC_KEY, b"2"))
        assert isinstance(broken, VaultError)
