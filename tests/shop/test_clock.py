"""A terminal whose wall clock is wrong, with a real host that tells it the time."""

import time
from pathlib import Path

import pytest

from terminal.records import HostTime
from terminal.steady_clock import SteadyClock
from tests.in_a_loop import in_a_loop
from tests.shop.rig import Refused, Shop, shop

SETTINGS = "[offline]\nsale_amount_max = 5000\ntotal_amount_max = 9000\n"
CLOSE_S = 60.0


class Wall:
    """A wall clock that is so many seconds ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


async def start_again(s: Shop, ahead_s: float = 0.0, *, ready: bool = True) -> Wall:
    """The terminal once more, on a machine whose clock is wrong."""
    wall = Wall()
    wall.ahead_s = ahead_s
    await s.stop_terminal()
    s.clock = SteadyClock(wall)
    await s.restart_terminal(ready=ready)
    return wall


def is_right(s: Shop) -> bool:
    return abs(s.runner.now() - time.time()) < CLOSE_S


async def told(s: Shop) -> None:
    """Wait until the terminal has its time from the host."""
    await s.until(lambda view: view["session"]["state"] == "ready" and s.runner.counter.book.host_time and is_right(s))


@in_a_loop
async def test_the_host_sets_a_clock_that_is_two_hours_wrong_and_selling_goes_on(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await told(s)
        await start_again(s, -7200.0)
        await told(s)
        await s.until(lambda view: view["clock"]["trouble"] == "wall_is_off")
        await s.sell_by_card(1000)
        assert (await s.settle())["balanced"]
        await s.prove()
        assert any(isinstance(record, HostTime) for record in s.runner.journal.everything())


@in_a_loop
async def test_a_start_in_1970_sells_nothing_offline_until_the_host_has_told_the_time(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await told(s)
        await s.sell_by_card(1000)
        await s.stop_host()
        await start_again(s, -time.time(), ready=False)
        await s.until(lambda view: view["clock"]["trouble"] == "unknown")
        await s.until(lambda view: view["session"]["state"] == "down")
        with pytest.raises(Refused, match="offline_time_unknown"):
            await s.charge(2500, offline=True)
        await s.start_host()
        await told(s)
        await s.until(lambda view: view["clock"]["trouble"] == "wall_is_off")
        await s.sell_by_card(1500)
        await s.prove()


@in_a_loop
async def test_a_wall_clock_that_is_set_while_the_terminal_runs_changes_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        wall = await start_again(s)
        await told(s)
        counter = s.runner.counter
        wall.ahead_s = 10 * 365 * 86_400.0
        await s.until(lambda view: view["clock"]["trouble"] == "wall_is_off")
        await s.sell_by_card(1000)
        assert s.runner.counter is counter and is_right(s)
        wall.ahead_s = 0.0
        await s.until(lambda view: not view["clock"]["trouble"])
        await s.prove()
