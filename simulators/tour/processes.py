"""Real processes that are kept alive: started, waited for until they answer, and started again when they die.

No process outlives us: the kernel kills each child when its parent dies, however that dies (Linux's PR_SET_PDEATHSIG).
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

READY_WITHIN_S = 20.0
STOPPED_WITHIN_S = 3.0
LOOK_AGAIN_S = 0.02
RESTART_AFTER_S = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Pauses before a restart; the last for all that follow. A process that has lived for a minute begins anew."""

LIVED_WELL_S = 60.0
LOG_LINES_SHOWN = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class ProcessFailed(Exception):
    """A process did not start; the text says which, and the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the shop: its name, the arguments of ``python -m``, and the port that answers when it is ready.

    environment: what it finds in its environment beside what we have in ours.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restarted:
    """A process died, of `cause`, and is back, as another process, after so many seconds."""

    name: str
    cause: str
    seconds: float
    process: int


class KeptProcess:
    """One process, kept alive until `stop`. Make it with `start`. `restarted` is told of every recovery."""

    def __init__(self, part: Part, log_folder: Path, restarted: Callable[[Restarted], None]) -> None:
        self.part = part
        self.ready = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._log = log_folder / f"{part.name}.log"
        self._restarted = restarted
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that is running now."""
        assert self._process is not None, "started"
        return self._process.pid

    async def start(self) -> float:
        """Start, and return after how many seconds it was ready. Raises ProcessFailed."""
        began = time.monotonic()
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep())
        return time.monotonic() - began

    async def kill(self) -> None:
        """SIGKILL it, and return when it is dead; it will be started again."""
        assert self._process is not None, "started"
        self.ready.clear()
        self._process.kill()
        await self._process.wait()

    async def switch(self, on: bool) -> None:
        """Off: SIGKILL it, and keep it dead. On: let it be started again, and return when it is ready."""
        if on:
            self._wanted.set()
            await self.ready.wait()
        else:
            self._wanted.clear()
            await self.kill()

    async def stop(self) -> None:
        """Ask it to end, and make it after a while; harmless if it never started."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError, ProcessFailed):
                await self._keeping
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOPPED_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.part.arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, **self.part.environment}, preexec_fn=_die_with(os.getpid()),
            )  # fmt: skip
        await self._until_ready(self._process)
        self.ready.set()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await _answers(self.part.port):
                    if process.returncode is not None:
                        raise ProcessFailed(f"{self.part.name} ended at once: {self._last_words()}")
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            process.kill()
            raise ProcessFailed(
                f"{self.part.name} does not answer on port {self.part.port}: {self._last_words()}"
            ) from None

    async def _keep(self) -> None:
        deaths = 0
        while True:
            assert self._process is not None, "started"
            began = time.monotonic()
            code = await self._process.wait()
            self.ready.clear()
            died = time.monotonic()
            await self._wanted.wait()
            deaths = 0 if died - began > LIVED_WELL_S else deaths
            while not self.ready.is_set():
                await asyncio.sleep(RESTART_AFTER_S[min(deaths, len(RESTART_AFTER_S) - 1)])
                deaths += 1
                with contextlib.suppress(ProcessFailed):  # its last words are in the log; it is tried again
                    await self._spawn()
            self._restarted(Restarted(self.part.name, _cause(code), time.monotonic() - died, self.pid))

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
        return " | ".join(lines) or "it said nothing"


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _die_with(parent: int) -> Callable[[], None]:
    """What a new process does before it becomes the program: ask the kernel to kill it when its parent is gone."""

    def ask() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before we could ask
            os._exit(1)

    return ask


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
