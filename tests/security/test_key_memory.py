"""After a sale with PIN the terminal's memory holds no key and no PIN, read as only root could: all of it.

The key process is read in the same way, to show that this would find a key where one is.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_switch.start import opened_store
from iso8583.security import pin_block_iso0
from simulators.cards import load_card
from simulators.counter.devices import PIN
from simulators.tour.processes import KeptProcess
from simulators.tour.setting_up import Shop, reserved_ports, set_up
from simulators.tour.shop import RunningShop
from simulators.tour.steps import CHIP_CARD, chip_sale, sign_on
from tests.in_a_loop import in_a_loop
from tests.security.scanner import Find, Scanner

CHUNK_BYTES = 16 * 1024 * 1024
OVERLAP_BYTES = 256
_READABLE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)")


def memory_of(pid: int) -> Iterator[bytes]:
    """All that a process has in its memory and may read itself, piece by piece."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for row in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = _READABLE.match(row)
            if found is None or found[3] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            for at in range(start, end, CHUNK_BYTES):
                try:
                    yield os.pread(memory.fileno(), min(CHUNK_BYTES + OVERLAP_BYTES, end - at), at)
                except OSError:  # reserved, and nothing there
                    continue


def finds_in(pid: int, scanner: Scanner) -> set[str]:
    """The names of what the scanner knows that stand in a process's memory."""
    found: list[Find] = []
    for piece in memory_of(pid):
        found += scanner.scan("memory", piece)
    return {find.canary for find in found}


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _knows_all_of(shop: Shop) -> Scanner:
    scanner = Scanner()
    with opened_store(shop.host, to_write=False) as store:
        (terminal,) = store.books().terminals
    keys = terminal.keys
    assert keys is not None, "signed on"
    master_key = bytes.fromhex(shop.pad_key_file.read_text())
    for name, key in (("master", master_key), ("PIN", keys.pin_key), ("MAC", keys.mac_key), ("track", keys.track_key)):
        scanner.know_bytes(f"{name} key", key)
    pan = load_card(CHIP_CARD).pan
    scanner.know_bytes("clear PIN block", bytes(pin_block_iso0(bytearray(PIN.encode()), pan)))
    scanner.know_bytes("PIN block without card number", bytes.fromhex(f"06{PIN}FFFFFFFF"))
    return scanner


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read another process's memory")
@in_a_loop
async def test_a_terminal_has_no_key_and_no_pin_in_its_memory(tmp_path):
    with reserved_ports() as ports:
        shop = set_up(tmp_path, ports)
        processes = {part.name: KeptProcess(part, shop.logs, lambda _: None) for part in shop.parts}
        try:
            for process in processes.values():
                await process.start()
            tour = RunningShop(shop, processes).tour()
            for step in (sign_on, chip_sale):
                await step(tour)
            scanner = _knows_all_of(shop)
            terminal = processes["terminal"].pid
            (keys,) = children_of(terminal)
            assert finds_in(keys, scanner) >= {"master key", "MAC key", "track key"}
            assert finds_in(terminal, scanner) == set()
        finally:
            for process in reversed(processes.values()):
                await process.stop()
