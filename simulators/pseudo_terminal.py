"""The device's end of a serial line that exists only in the kernel: a pseudo-terminal under a stable path.

The terminal opens `path` as it would open /dev/ttyUSB0. Needs a running loop.
"""

import asyncio
import os
import tty
from collections.abc import Callable
from pathlib import Path

READ_SIZE = 4096

Receive = Callable[[bytes, float], None]


class PseudoTerminal:
    """A plugged-in line: `receive` gets what the terminal writes, with the loop's time."""

    def __init__(self, path: Path, receive: Receive) -> None:
        self.path = path
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._ends: tuple[int, int] | None = None
        self.plug()

    def plug(self) -> None:
        """Make the line, as a USB plug does. What was never read of an earlier one is gone."""
        assert self._ends is None, "already plugged in"
        ours, theirs = os.openpty()
        tty.setraw(theirs)  # else the kernel echoes, and turns CR into LF
        os.set_blocking(ours, False)
        # Their end stays open here too, so that ours does not report a hang-up while the terminal has not opened it.
        self._ends = ours, theirs
        self._loop.add_reader(ours, self._readable)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(theirs))

    @property
    def plugged(self) -> bool:
        """Whether the line is there."""
        return self._ends is not None

    def unplug(self) -> None:
        """Take the line away while it is in use; harmless if it is not there."""
        if self._ends is None:
            return
        self._loop.remove_reader(self._ends[0])
        for end in self._ends:
            os.close(end)
        self._ends = None
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Send to the terminal. Raises OSError when not plugged in, or when nobody has read for long."""
        if self._ends is None:
            raise OSError("not plugged in")
        os.write(self._ends[0], data)

    def _readable(self) -> None:
        assert self._ends is not None, "only a plugged line is watched"
        self._receive(os.read(self._ends[0], READ_SIZE), self._loop.time())
