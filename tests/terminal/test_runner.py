"""The terminal's shell: what it does when devices, disk or line change under it. The whole shop has its own tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from iso8583 import Message
from terminal.devices import BeforeFirstByte, DeviceHealth, PrinterStatus
from terminal.devices.supervision import CounterDevices, Supervision
from terminal.download_store import DownloadStore
from terminal.effects import Effect, Persist
from terminal.events import Event, Received, SaleRequested
from terminal.journal import Journal
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore
from terminal.records import Answered, ApprovedOffline, Attention, Key, Printed, Record, Started
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
async def running(
    folder: Path,
    devices: CounterDevices,
    records: Sequence[Record] = (),
    after_effect: Callable[[Effect], None] = lambda _: None,
) -> AsyncIterator[Runner]:
    KeyStore.create(folder / "vault.json", bytes(16))
    journal = Journal(folder / "journal.db")
    journal.append(*records)
    keys = KeyLink(folder / "vault.json")
    keys.begin()
    await keys.opened()
    runner = Runner(PROFILE, journal, keys, Supervision(devices), DownloadStore(folder, keys), after_effect)
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


# --- answers that have come together ----------------------------------------------------------------------------------


def sold_offline(trace: int) -> tuple[Record, ...]:
    key = Key(PROFILE.terminal_id, "000001", f"{trace:06d}")
    return (
        Started(key, "offline_sale", 100, PROFILE.currency, "01", f"r{trace}", 1.0),
        ApprovedOffline(key, "051", "629999******0009", 2.0, "5EA1ED", {}),
        Printed(key, 3.0),
    )


def answer(trace: int, code: str = "00") -> Event:
    fields: dict[int, str | bytes] = {
        3: "000000", 4: "000000000100", 11: f"{trace:06d}", 37: f"{trace:012d}", 39: code, 41: PROFILE.terminal_id,
        42: PROFILE.merchant_id, 60: "36000001000",
    }  # fmt: skip
    return Received(Message("0210", fields), "good", line="courier")


SOLD = tuple(record for trace in (1, 2, 3) for record in sold_offline(trace))


def states(runner: Runner) -> list[str]:
    return [str(payment.state) for payment in runner.counter.book.payments.values()]


@in_a_loop
async def test_answers_that_have_come_together_are_all_durable_before_anything_follows(tmp_path):
    effects: list[tuple[Effect, int]] = []

    def noted(effect: Effect) -> None:
        effects.append((effect, len(list(runner.journal.everything()))))

    async with running(tmp_path, CounterDevices(), SOLD, noted) as runner:
        await until(runner, lambda view: view["session"]["state"] == "down")
        for event in (answer(1), answer(2, "96"), answer(3, "51"), SaleRequested("a", 100, "01")):
            runner.post(event)
        await until(runner, lambda view: view["notice"] is not None and view["notice"]["reason"] == "no_link")
        assert states(runner) == ["approved", "advice due", "declined"]
        persisted = [(type(effect.record), written) for effect, written in effects if isinstance(effect, Persist)]
        assert {written for _, written in persisted} == {len(SOLD) + len(persisted)}
        assert [kind for kind, _ in persisted if kind is not Attention] == [Answered, Answered]


@in_a_loop
async def test_of_answers_that_have_come_together_none_counts_if_the_journal_cannot_be_written(tmp_path):
    effects: list[Effect] = []
    async with running(tmp_path, CounterDevices(), SOLD, effects.append) as runner:
        await until(runner, lambda view: view["session"]["state"] == "down")
        runner.journal._db.execute("PRAGMA query_only = 1")
        runner.post(answer(1))
        runner.post(answer(2))
        await until(runner, lambda view: view["refusal"] == "journal_unwritable")
        assert states(runner) == ["advice due"] * 3 and not effects
        runner.journal._db.execute("PRAGMA query_only = 0")
        await until(runner, lambda view: view["refusal"] == "no_link")
        runner.post(answer(1))
        await until(runner, lambda _: states(runner)[0] == "approved")
