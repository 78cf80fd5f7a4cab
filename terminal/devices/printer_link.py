"""The way to a printer as an open file: a socket, a serial line, a device of the kernel; non-blocking, one at a time.

Where the kernel reports a device that is gone, OSError is raised. A USB printer sends empty packets when it has nothing
to say, and a read of one looks like the end of a file: `empty_is_end` tells the two apart.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

READ_BYTES_MAX = 256
EMPTY_PAUSE_S = 0.02


class Opened(Protocol):
    """What has a file descriptor and can be closed: a socket, a serial port, a file."""

    def fileno(self) -> int:
        """Return the descriptor, which must be non-blocking."""

    def close(self) -> None:
        """Let go of it."""


class Link:
    """An open way to a printer. Needs a running loop; one task sends and receives, any may close."""

    def __init__(self, opened: Opened, *, empty_is_end: bool = True) -> None:
        self._opened = opened
        self._descriptor = opened.fileno()
        self._empty_is_end = empty_is_end
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False

    def discard(self) -> None:
        """Drop what has come already: answers to somebody before us."""
        with suppress(OSError):
            while os.read(self._descriptor, READ_BYTES_MAX):
                pass

    async def send(self, data: bytes) -> None:
        """Return when the kernel has taken all of it; raise OSError when the printer is gone."""
        left = memoryview(data)
        while left:
            self._require_open()
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                await self._until_ready(self._loop.add_writer)

    async def receive(self) -> bytes:
        """Return the next bytes that come, at least one; raise OSError when the printer is gone."""
        while True:
            self._require_open()
            try:
                data = os.read(self._descriptor, READ_BYTES_MAX)
            except BlockingIOError:
                await self._until_ready(self._loop.add_reader)
                continue
            if data:
                return data
            if self._empty_is_end:
                raise ConnectionResetError("the printer has hung up")
            await asyncio.sleep(EMPTY_PAUSE_S)

    def close(self) -> None:
        """Let go of it; whoever waits on it gets an OSError."""
        if self._closed:
            return
        self._unwatch()
        self._closed = True
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionAbortedError("closed"))
        with suppress(OSError):  # a device that was pulled out cannot be closed well
            self._opened.close()

    def _require_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError("closed")

    async def _until_ready(self, watch: Callable[..., Any]) -> None:
        self._waiting = self._loop.create_future()
        watch(self._descriptor, _resolve, self._waiting)
        try:
            await self._waiting
        finally:
            self._unwatch()

    def _unwatch(self) -> None:
        if not self._closed:  # else the number may be another file's by now
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
