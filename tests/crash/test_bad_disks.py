"""A disk that refuses, in small; and that a store which does not ask the disk is found out."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from simulators.crash.audit import Fault
from simulators.crash.bad_disks import failing_syncs, full_disk
from simulators.crash.stores import CutHostStore, CutJournal, CutStore
from terminal.journal import Journal


class CarelessJournal(CutJournal):
    """It believes that what was written is kept."""

    def open(self, path: Path):
        opened = super().open(path)
        opened._journal._db.execute("PRAGMA synchronous = OFF")
        return opened


STORES: dict[str, Callable[[], CutStore[Any]]] = {
    "journal": CutJournal, "host store": CutHostStore, "careless": CarelessJournal,
}  # fmt: skip


def failing(store: str, folder: Path) -> tuple[int, list[Fault]]:
    return failing_syncs(STORES[store](), folder, 3)


def apart(store: str, folder: Path) -> tuple[int, list[Fault]]:
    """Fork in a process that has no threads."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(failing, store, folder).result()


@pytest.mark.parametrize("store", ["journal", "host store"])
def test_a_full_disk_refuses_and_spoils_nothing(store: str, tmp_path: Path) -> None:
    count, faults = full_disk(STORES[store](), tmp_path, 3)
    assert count > 30
    assert faults == []


@pytest.mark.parametrize("store", ["journal", "host store"])
def test_a_disk_that_does_not_confirm_refuses_the_commit(store: str, tmp_path: Path) -> None:
    assert apart(store, tmp_path) == (3, [])


def test_a_store_that_does_not_ask_the_disk_is_found_out(tmp_path: Path) -> None:
    _, faults = apart("careless", tmp_path)
    assert [fault.kind for fault in faults] == ["lost"] * 3


def test_a_journal_still_opens_after_its_disk_was_full(tmp_path: Path) -> None:
    full_disk(CutJournal(), tmp_path, 3)
    assert Journal(tmp_path / "full.db").verify().rows == 3
