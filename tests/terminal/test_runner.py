"""The terminal's shell: what it does when devices, disk or line change under it. The whole shop has its own tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from terminal.devices import BeforeFirstByte, DeviceHealth, PrinterStatus
from terminal.devices.supervision import CounterDevices, Supervision
from terminal.download_store import DownloadStore
from terminal.events import SaleRequested
from terminal.journal import Journal
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore
from terminal.runner import Runner
from tests.in_a_loop import in_a_loop
from tests.terminal.rig import PROFILE

WAIT_S = 10.0


class PrinterWithMoods:
    """A printer of which only the health matters here."""

    def __init__(self) -> None:
        self.state = DeviceHealth("ready")

    async def print(self, job: bytes, begin: BeforeFirstByte | None = None) -> None:
        raise AssertionError("nothing is printed here")

    async def status(self) -> PrinterStatus:
        return PrinterStatus(self.state.state, self.state.reason)

    def health(self) -> DeviceHealth:
        return self.state

    async def close(self) -> None:
        """Nothing to let go of."""


@asynccontextmanager
async def running(folder: Path, devices: CounterDevices) -> AsyncIterator[Runner]:
    KeyStore.create(folder / "vault.json", bytes(16))
    journal = Journal(folder / "journal.db")
    keys = KeyLink(folder / "vault.json")
    keys.begin()
    await keys.opened()
    runner = Runner(PROFILE, journal, keys, Supervision(devices), DownloadStore(folder, keys))
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.wait([task])
        keys.close()
        journal.close()


async def until(runner: Runner, fits: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        async for view in runner.changes():
            if fits(view):
                return


@in_a_loop
async def test_paper_that_runs_out_is_shown_before_the_next_customer_finds_it(tmp_path):
    printer = PrinterWithMoods()
    async with running(tmp_path, CounterDevices(printer=printer)) as runner:
        await until(runner, lambda view: view["devices"]["printer"]["state"] == "ready")
        printer.state = DeviceHealth("attention", "paper_out")
        await until(runner, lambda view: view["devices"]["printer"]["reason"] == "paper_out")


@in_a_loop
async def test_counter_without_a_line_refuses_in_words(tmp_path):
    async with running(tmp_path, CounterDevices()) as runner:
        runner.post(SaleRequested("a", 100, "01"))
        await until(runner, lambda view: view["notice"] is not None and view["notice"]["reason"] == "no_link")


@in_a_loop
async def test_journal_that_cannot_be_written_is_refused_in_words_and_recovers(tmp_path):
    """Nothing is persisted: the sale never started, and the counter says so at once."""
    async with running(tmp_path, CounterDevices()) as runner:
        await until(runner, lambda view: view["refusal"] == "no_link")
        runner.journal._db.execute("PRAGMA query_only = ON")
        runner._carry_out(runner.counter.payments.start("sale", "a", 100, "01", 0.0))
        assert runner.view()["refusal"] == "journal_unwritable" and not runner.view()["payments"]
        runner.journal._db.execute("PRAGMA query_only = OFF")
        await until(runner, lambda view: view["refusal"] == "no_link")
        assert list(runner.journal.everything()) == []
