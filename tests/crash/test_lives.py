"""Forked processes: heard, killed after an effect, and blamed when they end by themselves."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pytest

from simulators.crash.lives import Died, Ear, Lives, Said, Stuck, Trigger

Result = TypeVar("Result")
PATIENCE_S = 5.0


def apart(scenario: Callable[[], Result]) -> Result:
    """Run a scenario in a process that has no threads, because it forks."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(scenario).result()


async def echoing(ear: Ear) -> None:
    ear.say(ready=True)
    while True:
        ear.say(heard=await ear.words.get())


async def counting(trigger: Trigger, ear: Ear) -> None:
    ear.say(ready=True)
    while await ear.words.get():
        trigger.effect("host")
        ear.say(counted=trigger.counts["host"])


async def failing(ear: Ear) -> None:
    raise RuntimeError("of its own")


async def idle(ear: Ear) -> None:
    ear.say(ready=True)
    await asyncio.Event().wait()


def hear_and_kill(folder: Path) -> list[object]:
    lives = Lives(folder, PATIENCE_S)
    lives.begin("echo", echoing)
    lives.until("echo", "ready")
    lives.tell("echo", "hello")
    heard = lives.next(PATIENCE_S)
    lives.kill("echo")
    died = lives.next(PATIENCE_S)
    lives.tell("echo", "too late")
    lives.begin("echo", echoing)
    again = lives.until("echo", "ready")
    lives.end()
    return [heard, died, again]


def kill_after_the_third_effect(folder: Path) -> list[object]:
    lives, trigger = Lives(folder, PATIENCE_S), Trigger()
    trigger.reset("host", 3)
    lives.begin("host", partial(counting, trigger))
    lives.until("host", "ready")
    news: list[object] = []
    for number in range(4):
        if number == 1:
            trigger.arm()
        lives.tell("host", "next")
        news.append(lives.next(PATIENCE_S))
    lives.end()
    return [*news, trigger.counts]


def end_by_itself(folder: Path) -> str:
    lives = Lives(folder, PATIENCE_S)
    lives.begin("bad", failing)
    try:
        lives.until("bad", "ready")
    except Stuck as stuck:
        return str(stuck)
    return ""


def wait_for_what_never_comes(folder: Path) -> list[object]:
    lives = Lives(folder, 0.2)
    lives.begin("idle", idle)
    lives.begin("echo", echoing)
    lives.until("idle", "ready")
    try:
        lives.until("idle", "done")
    except Stuck as stuck:
        return [str(stuck), lives.next(PATIENCE_S)]
    finally:
        lives.end()
    return []


def test_children_are_heard_killed_and_begun_again(tmp_path: Path) -> None:
    assert apart(partial(hear_and_kill, tmp_path)) == [Said("echo", {"heard": "hello"}), Died("echo", -9), True]


def test_nothing_counts_before_it_is_armed_and_the_third_effect_kills(tmp_path: Path) -> None:
    *news, counts = apart(partial(kill_after_the_third_effect, tmp_path))
    said = [Said("host", {"counted": count}) for count in (0, 1, 2)]
    assert news == [*said, Died("host", -9)]
    assert counts == dict.fromkeys(Trigger.SIDES, 0) | {"host": 3}


def test_a_child_that_fails_is_blamed_with_its_last_words(tmp_path: Path) -> None:
    assert "RuntimeError: of its own" in apart(partial(end_by_itself, tmp_path))


def test_waiting_ends_and_what_others_said_is_not_lost(tmp_path: Path) -> None:
    complaint, news = apart(partial(wait_for_what_never_comes, tmp_path))
    assert complaint == "idle was not done in 0.2 s: it said nothing"
    assert news == Said("echo", {"ready": True})


@pytest.mark.parametrize("side", Trigger.SIDES)
def test_each_side_has_its_own_count(side: str) -> None:
    trigger = Trigger()
    trigger.reset(armed=True)
    trigger.effect(side)
    trigger.effect(side)
    assert trigger.counts == dict.fromkeys(Trigger.SIDES, 0) | {side: 2}
