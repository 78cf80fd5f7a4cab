"""A serial line that may be unplugged at any time: opened, read, written and reopened with growing pauses.

Works on whatever pyserial opens by path: a USB converter, a real port, one end of a pseudo-terminal. Bytes are handed
over as they come, with the loop's time. Modem lines are left alone: a pseudo-terminal has none.

Reasons in `health`: ``starting``, ``unplugged`` (there is no such path, or the device went away), ``port_refused`` (no
permission, or another program has it), ``closed``.
"""

import asyncio
import errno
import os
import termios
from collections.abc import Callable

import serial

from terminal.devices import DeviceHealth

READ_SIZE = 4096
REOPEN_FIRST_S = 0.2
REOPEN_MAX_S = 5.0
_REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.EAGAIN})

Receive = Callable[[bytes, float], None]
HealthChanged = Callable[[DeviceHealth], None]


class SerialLine:
    """The line at `path`. Needs a running loop, in which it is opened; `changed` gets every new health."""

    def __init__(self, path: str, receive: Receive, changed: HealthChanged | None = None, *, baud: int = 9600) -> None:
        self._path = path
        self._baud = baud
        self._receive = receive
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._port: serial.Serial | None = None
        self._reopen_after_s = REOPEN_FIRST_S
        self._health = DeviceHealth("unknown", "starting")
        self._opening: asyncio.Handle = self._loop.call_soon(self._open)

    def health(self) -> DeviceHealth:
        """Say whether the line is open, or why not."""
        return self._health

    def write(self, data: bytes) -> bool:
        """Send a few bytes; False if the line is not open, or does not take them all at once."""
        if self._port is None:
            return False
        try:  # not the port's own write, which never returns while the other end does not read
            return os.write(self._port.fileno(), data) == len(data)
        except BlockingIOError:
            return False
        except OSError:
            self._lose()
            return False

    def close(self) -> None:
        """Let go of the line for good."""
        self._opening.cancel()
        self._release()
        self._set_health(DeviceHealth("attention", "closed"))

    def _open(self) -> None:
        try:
            self._port = serial.Serial(self._path, self._baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, termios.error) as error:  # a serial.SerialException is an OSError
            self._try_again("port_refused" if getattr(error, "errno", None) in _REFUSALS else "unplugged")
            return
        self._reopen_after_s = REOPEN_FIRST_S
        self._loop.add_reader(self._port.fileno(), self._readable)
        self._set_health(DeviceHealth("ready"))

    def _readable(self) -> None:
        assert self._port is not None, "only an open port is watched"
        try:
            data = self._port.read(READ_SIZE)
        except OSError:
            self._lose()
            return
        if data:
            self._receive(data, self._loop.time())

    def _lose(self) -> None:
        self._release()
        self._try_again("unplugged")

    def _release(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            self._loop.remove_reader(port.fileno())
            port.close()

    def _try_again(self, reason: str) -> None:
        self._opening = self._loop.call_later(self._reopen_after_s, self._open)
        self._reopen_after_s = min(2 * self._reopen_after_s, REOPEN_MAX_S)
        self._set_health(DeviceHealth("attention", reason))

    def _set_health(self, health: DeviceHealth) -> None:
        if health != self._health:
            self._health = health
            if self._changed is not None:
                self._changed(health)
