"""Processes that are kept alive: ready when they answer, back when they die, gone when told to."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.tour.processes import KeptProcess, Part, ProcessFailed, Restarted
from tests.in_a_loop import in_a_loop

WAIT_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[tuple[KeptProcess, asyncio.Queue[Restarted]]]:
    """A web server of the standard library, kept alive."""
    port = free_port()
    news: asyncio.Queue[Restarted] = asyncio.Queue()
    part = Part("server", ("http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)), port)
    process = KeptProcess(part, folder, news.put_nowait)
    try:
        assert await process.start() > 0
        yield process, news
    finally:
        await process.stop()


@in_a_loop
async def test_a_process_that_dies_is_started_again_and_told_of(tmp_path):
    async with kept(tmp_path) as (process, news):
        for _ in range(2):
            before = process.pid
            os.kill(before, signal.SIGKILL)
            told = await asyncio.wait_for(news.get(), WAIT_S)
            assert (told.name, told.cause, told.process) == ("server", "SIGKILL", process.pid)
            assert process.pid != before


PARENT = """
import asyncio, pathlib, sys
from simulators.tour.processes import KeptProcess, Part

async def main():
    port = int(sys.argv[1])
    part = Part("server", ("http.server", str(port), "--bind", "127.0.0.1"), port)
    process = KeptProcess(part, pathlib.Path(sys.argv[2]), print)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_no_process_outlives_its_parent_however_that_dies(tmp_path):
    arguments = [sys.executable, "-c", PARENT, str(free_port()), str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([child], [], [], WAIT_S)[0], "the child still runs"
        os.close(child)


@in_a_loop
async def test_a_process_is_in_a_session_of_its_own_so_that_ctrl_c_is_ours_alone(tmp_path):
    async with kept(tmp_path) as (process, _):
        assert os.getsid(process.pid) == process.pid


@in_a_loop
async def test_a_stopped_process_stays_stopped(tmp_path):
    async with kept(tmp_path) as (process, news):
        await process.stop()
        assert news.empty()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        await process.stop()


@in_a_loop
async def test_a_process_that_cannot_start_is_named_with_its_last_words(tmp_path):
    process = KeptProcess(Part("nothing", ("no_such_module",), free_port()), tmp_path, lambda _: None)
    with pytest.raises(ProcessFailed, match=r"nothing ended at once: .*No module named no_such_module"):
        await process.start()
    await process.stop()
