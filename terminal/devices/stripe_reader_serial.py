"""A reader of magnetic stripes on a serial line: each swipe is a line of ASCII that ends with CR, LF or both.

`SwipeLines` is the pure part: it cuts what comes into swipes, and overwrites what it has cut. How a swipe is read
stands in `terminal.magnetic_stripe`. The reader must be set up to send all tracks of a swipe as one line.
"""

import asyncio

from iso8583.security import wipe
from terminal.devices import DeviceHealth
from terminal.devices.serial_line import HealthChanged, SerialLine
from terminal.magnetic_stripe import SWIPE_LENGTH_MAX, Swipe, SwipeFailed, read_swipe

GAP_MAX_S = 0.5
"""A reader sends a swipe in one go (three full tracks at 9600 baud take 0.24 s, without a pause)."""

BAUD = 9600
_ENDS = b"\r\n"


class SwipeLines:
    """Cuts what a reader sends into swipes. Pure: time comes in as `now`, in seconds.

    `with_lrc`: the reader hands out the check characters.
    """

    def __init__(self, *, with_lrc: bool = False) -> None:
        self._with_lrc = with_lrc
        self._line = bytearray()
        self._heard_at = float("-inf")

    def feed(self, data: bytes, now: float) -> list[Swipe]:
        """Take bytes as they come; return the swipes that are complete."""
        swipes: list[Swipe] = []
        if self._line and now - self._heard_at > GAP_MAX_S:
            swipes.append(SwipeFailed("swipe_broken_off"))
            self.start_line()
        self._heard_at = now
        for byte in data:
            if byte in _ENDS:
                swipes += self._finish_line()
            elif len(self._line) <= SWIPE_LENGTH_MAX:  # one more than can be tells that it is too long
                self._line.append(byte)
        return swipes

    def start_line(self) -> None:
        """Forget what was heard of a line that has not ended."""
        wipe(self._line)
        self._line.clear()

    def _finish_line(self) -> list[Swipe]:
        if not self._line:
            return []
        swipe = read_swipe(self._line.decode("latin-1"), with_lrc=self._with_lrc)
        self.start_line()
        return [swipe]


class SerialStripeReader:
    """A `StripeReader` on a serial line. Needs a running loop."""

    def __init__(
        self, path: str, *, with_lrc: bool = False, baud: int = BAUD, health_changed: HealthChanged | None = None
    ) -> None:
        self._lines = SwipeLines(with_lrc=with_lrc)
        self._awaited: asyncio.Future[Swipe] | None = None
        self._health_changed = health_changed
        self._line = SerialLine(path, self._receive, self._changed, baud=baud)

    async def next_swipe(self) -> Swipe:
        """Return the next swipe from now on."""
        self._awaited = asyncio.get_running_loop().create_future()
        return await self._awaited

    def health(self) -> DeviceHealth:
        """Say whether the reader is plugged in."""
        return self._line.health()

    async def close(self) -> None:
        """Let go of the line."""
        self._lines.start_line()
        self._line.close()

    def _receive(self, data: bytes, now: float) -> None:
        for swipe in self._lines.feed(data, now):
            if self._awaited is not None and not self._awaited.done():
                self._awaited.set_result(swipe)

    def _changed(self, health: DeviceHealth) -> None:
        self._lines.start_line()  # what was heard before a plug was pulled is no part of a swipe
        if self._health_changed is not None:
            self._health_changed(health)
