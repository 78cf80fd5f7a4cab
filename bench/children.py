"""Processes of a benchmark: forked, so that they have what was made before; each tells its port, and its CPU time."""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

READY_WITHIN_S = 30.0
_fork = multiprocessing.get_context("fork")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Result = TypeVar("Result")
OnReady = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves on a port."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Seconds of CPU that it has used, all threads, user and system."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - not a path, a question
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@contextmanager
def serving(main: Callable[[OnReady], Coroutine[Any, Any, None]]) -> Iterator[Server]:
    """Run `main` in a process of its own; it is given a function to call with its port, and is ended by SIGTERM.

    Raises RuntimeError if it ends before it is ready.
    """
    ours, theirs = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_serve, args=(main, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(READY_WITHIN_S):
            raise RuntimeError("a process of the benchmark does not get ready")
        assert process.pid is not None
        yield Server(process.pid, ours.recv())
    finally:
        process.terminate()
        process.join()


def _serve(main: Callable[[OnReady], Coroutine[Any, Any, None]], ready: Connection) -> None:
    gc.freeze()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(main(ready.send))


def in_a_child(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run `work` in a process of its own and return its result."""
    ours, theirs = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_work, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    finally:
        process.join()
    return result


def _work(work: Callable[[], Coroutine[Any, Any, Result]], result: Connection) -> None:
    gc.freeze()
    result.send(asyncio.run(work()))
