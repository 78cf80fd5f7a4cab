"""A serial line at its edges: writing into the void, a path that is no line, growing pauses."""

import asyncio
import os
import tty
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from terminal.devices import DeviceHealth
from terminal.devices.serial_line import REOPEN_FIRST_S, REOPEN_MAX_S, SerialLine
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """The device's end of a line, which nobody reads, and the path of the other end."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    path = os.ttyname(theirs)
    os.close(theirs)
    yield ours, path
    os.close(ours)


def play(path: str, scene: Callable[[SerialLine, HealthLog], Awaitable[None]]) -> None:
    async def on_stage() -> None:
        health = HealthLog()
        line = SerialLine(path, lambda data, now: None, health)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(line, health)
        finally:
            line.close()

    asyncio.run(on_stage())


def test_line_is_not_open_at_once(ends: tuple[int, str]) -> None:
    async def scene(line: SerialLine, health: HealthLog) -> None:
        assert line.health() == DeviceHealth("unknown", "starting")
        assert not line.write(b"lost")
        await health.until("ready")
        assert line.write(b"sent")
        assert os.read(ends[0], 100) == b"sent"

    play(ends[1], scene)


def test_writing_to_an_end_that_does_not_read_never_blocks(ends: tuple[int, str]) -> None:
    async def scene(line: SerialLine, health: HealthLog) -> None:
        await health.until("ready")
        assert [line.write(bytes(4096)) for _ in range(100)][-1] is False
        assert line.health() == DeviceHealth("ready")

    play(ends[1], scene)


def test_writing_to_a_line_that_has_just_gone(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)

    async def scene(line: SerialLine, health: HealthLog) -> None:
        await health.until("ready")
        os.close(theirs)
        os.close(ours)
        assert not line.write(b"lost")
        assert line.health() == DeviceHealth("attention", "unplugged")

    play(path, scene)


def test_path_that_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")

    async def scene(line: SerialLine, health: HealthLog) -> None:
        await health.until("attention", "unplugged")

    play(str(path), scene)


def test_closed_before_it_was_opened(ends: tuple[int, str]) -> None:
    async def scene(line: SerialLine, health: HealthLog) -> None:
        line.close()
        await health.until("attention", "closed")

    play(ends[1], scene)


def test_pauses_grow_to_a_limit(tmp_path: Path) -> None:
    async def scene(line: SerialLine, health: HealthLog) -> None:
        await health.until("attention", "unplugged")
        pauses = []
        for _ in range(8):
            pauses.append(line._reopen_after_s)
            line._opening.cancel()
            line._open()
        assert pauses == [2 * REOPEN_FIRST_S, 0.8, 1.6, 3.2, REOPEN_MAX_S, REOPEN_MAX_S, REOPEN_MAX_S, REOPEN_MAX_S]

    play(str(tmp_path / "nothing"), scene)
