"""Real processes that cost little: forked from one that has everything imported, killed by SIGKILL, forked again.

The process that forks must have no event loop and no thread. Each child runs one coroutine in a loop of its own, says
what it has to say in lines of JSON, and is sent words. When the process that forked it is gone, so is the child.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import mmap
import os
import select
import signal
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

_READ_BYTES = 65536
LAST_WORDS = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

Word = dict[str, Any]


class Stuck(Exception):
    """Something that must happen did not happen in time; the text says what was waited for."""


class Trigger:
    """Counts effects of each side in memory that all processes share, and kills after one of them.

    The key process has no effects: it is killed after one of the terminal's. Nothing is counted before `arm`, which any
    process may call.
    """

    SIDES = ("terminal", "host", "keys")
    _FORM = struct.Struct("=?xxx6I")  # armed, counts of the sides, after which of each to kill (0: none)

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._FORM.size)

    def reset(self, side: str = "", after: int = 0, *, armed: bool = False) -> None:
        """Begin to count anew; `side` is to be killed after that effect."""
        kills = [after if name == side else 0 for name in self.SIDES]
        self._FORM.pack_into(self._memory, 0, armed, *(0 for _ in self.SIDES), *kills)

    def arm(self) -> None:
        """From now on effects count."""
        self._memory[0:1] = b"\x01"

    @property
    def counts(self) -> dict[str, int]:
        """How many effects each side has carried out since `arm`."""
        return dict(zip(self.SIDES, self._FORM.unpack_from(self._memory)[1 : 1 + len(self.SIDES)], strict=True))

    def effect(self, side: str) -> None:
        """Count one effect of this process; if it is the one, the process does not return from here."""
        if self._is_the_one(side):
            os.kill(os.getpid(), signal.SIGKILL)

    def effect_for(self, side: str, victim: int) -> bool:
        """Count one effect on behalf of another process, and kill that if it is the one; return whether it was."""
        if not self._is_the_one(side):
            return False
        os.kill(victim, signal.SIGKILL)
        return True

    def _is_the_one(self, side: str) -> bool:
        armed, *values = self._FORM.unpack_from(self._memory)
        if not armed:
            return False
        place = self.SIDES.index(side)
        values[place] += 1
        struct.pack_into("=I", self._memory, 4 + 4 * place, values[place])
        return bool(values[place] == values[len(self.SIDES) + place])


class Ear:
    """A child's way to hear and to be heard."""

    def __init__(self, heard: int, said: int) -> None:
        self._said = said
        self._rest = b""
        self.words: asyncio.Queue[str] = asyncio.Queue()
        os.set_blocking(heard, False)
        asyncio.get_running_loop().add_reader(heard, self._hear, heard)

    def say(self, **word: Any) -> None:
        """Say something, in one piece."""
        os.write(self._said, json.dumps(word).encode() + b"\n")

    def _hear(self, heard: int) -> None:
        data = os.read(heard, _READ_BYTES)
        if not data:
            os._exit(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.words.put_nowait(line.decode())


Main = Callable[[Ear], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Said:
    """A child said something."""

    name: str
    word: Word


@dataclass(frozen=True, slots=True)
class Died:
    """A child is dead: by a signal (negative), or by itself."""

    name: str
    code: int


@dataclass(slots=True)
class _Life:
    name: str
    pid: int
    death: int
    hears: int
    says: int
    rest: bytes = b""


class Lives:
    """The children of this process, by name. `log_folder` gets what they log, and how they failed."""

    def __init__(self, log_folder: Path, patience_s: float) -> None:
        self._log_folder = log_folder
        self._patience_s = patience_s
        self._lives: dict[str, _Life] = {}
        self._news: deque[Said | Died] = deque()
        self._poll = select.poll()
        self._by_descriptor: dict[int, _Life] = {}

    def begin(self, name: str, main: Main) -> None:
        """Fork a child that runs `main`."""
        assert name not in self._lives, "one life at a time"
        heard, hears = os.pipe()
        says, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._close_all()
            os.close(hears)
            os.close(says)
            _live(main, heard, said, self._log_folder / f"{name}.log")
        os.close(heard)
        os.close(said)
        life = _Life(name, pid, os.pidfd_open(pid), hears, says)
        self._lives[name] = life
        for descriptor in (life.death, life.says):
            self._by_descriptor[descriptor] = life
            self._poll.register(descriptor, select.POLLIN)

    def tell(self, name: str, word: str) -> None:
        """Send a word to a child; one that is dead does not hear it."""
        with contextlib.suppress(KeyError, BrokenPipeError):
            os.write(self._lives[name].hears, word.encode() + b"\n")

    def kill(self, name: str) -> None:
        """SIGKILL a child; `next` tells of its death. Harmless if it is dead."""
        if name in self._lives:
            os.kill(self._lives[name].pid, signal.SIGKILL)

    def next(self, within_s: float) -> Said | Died | None:
        """What happens next, or None if nothing does in that time."""
        deadline = time.monotonic() + within_s
        while not self._news and (left_s := deadline - time.monotonic()) > 0:
            ready = {self._by_descriptor[descriptor].name for descriptor, _ in self._poll.poll(1000 * left_s)}
            for name in sorted(ready):
                self._listen(self._lives[name])
        return self._news.popleft() if self._news else None

    def until(self, name: str, key: str) -> Any:
        """Wait until a child says `key`, and return what it says; what others say meanwhile is heard later.

        Raises Stuck if it dies, or does not say so in time.
        """
        others: list[Said | Died] = []
        deadline = time.monotonic() + self._patience_s
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                match self.next(left_s):
                    case Said(said_by, word) if said_by == name and key in word:
                        return word[key]
                    case Died(died, code) if died == name:
                        raise Stuck(f"{name} ended with {code} before it was {key}: {self._last_words(name)}")
                    case Said() | Died() as other:
                        others.append(other)
        finally:
            self._news.extendleft(reversed(others))
        raise Stuck(f"{name} was not {key} in {self._patience_s:g} s: {self._last_words(name)}")

    def end(self) -> None:
        """Kill all children and forget them."""
        for life in self._lives.values():
            os.kill(life.pid, signal.SIGKILL)
        for life in list(self._lives.values()):
            os.waitpid(life.pid, 0)
            self._forget(life)
        self._news.clear()

    def _listen(self, life: _Life) -> None:
        """Take what a child has said, and then its death, if it is dead: nothing is said after that."""
        os.set_blocking(life.says, False)
        dead = bool(select.select([life.death], [], [], 0)[0])
        try:
            data = os.read(life.says, _READ_BYTES)
        except BlockingIOError:
            data = b""
        *lines, life.rest = (life.rest + data).split(b"\n")
        self._news.extend(Said(life.name, json.loads(line)) for line in lines)
        if dead:
            _, status = os.waitpid(life.pid, 0)
            self._forget(life)
            self._news.append(Died(life.name, os.waitstatus_to_exitcode(status)))

    def _forget(self, life: _Life) -> None:
        del self._lives[life.name]
        for descriptor in (life.death, life.says):
            self._poll.unregister(descriptor)
            del self._by_descriptor[descriptor]
        for descriptor in (life.death, life.says, life.hears):
            os.close(descriptor)

    def _close_all(self) -> None:
        for life in self._lives.values():
            for descriptor in (life.death, life.says, life.hears):
                os.close(descriptor)

    def _last_words(self, name: str) -> str:
        log = self._log_folder / f"{name}.log"
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return " | ".join(lines[-LAST_WORDS:]) or "it said nothing"


def _live(main: Main, heard: int, said: int, log: Path) -> None:
    """Be a child: never returns."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    gc.freeze()  # collecting would copy every page that is shared with the parent
    with log.open("a", encoding="utf-8", buffering=1) as file:
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
            logger_factory=structlog.PrintLoggerFactory(file),
        )

        async def run() -> None:
            await main(Ear(heard, said))

        code = 1
        try:
            asyncio.run(run())
            code = 0
        finally:  # whatever it was ends here: above is the code of the parent
            if code:
                traceback.print_exc(file=file)
            os._exit(code)
