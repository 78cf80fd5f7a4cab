"""A code scanner on a serial line: each scan is a line of ASCII that ends with CR, LF or both.

`ScanLines` is the pure part. A code is handed over once, even if the scanner, or a hand that held still, sent it again
and again within the repeat window. A line that is too long, or holds anything but ASCII, is noise and is dropped whole:
half a payment code may be another's.
"""

import asyncio

from terminal.devices import DeviceHealth
from terminal.devices.serial_line import HealthChanged, SerialLine

CODE_LENGTH_MAX = 512
"""More than a QR code of version 11 holds; payment codes have 16 to 24 digits."""

GAP_MAX_S = 0.5
"""A scanner sends a code in one go (512 characters at 9600 baud take 0.54 s, without a pause)."""

REPEAT_WINDOW_S = 1.0
CODES_WAITING_MAX = 8
_ENDS = b"\r\n"
_CONTROLS = bytes(range(0x20)) + b"\x7f"


class ScanLines:
    """Cuts what a scanner sends into codes. Pure: time comes in as `now`, in seconds."""

    def __init__(self, repeat_window_s: float = REPEAT_WINDOW_S) -> None:
        self._repeat_window_s = repeat_window_s
        self._line = bytearray()
        self._too_long = False
        self._heard_at = 0.0
        self._last = ""
        self._last_at = float("-inf")

    def feed(self, data: bytes, now: float) -> list[str]:
        """Take bytes as they come; return the codes that are complete."""
        if now - self._heard_at > GAP_MAX_S:
            self._start_line()
        self._heard_at = now
        codes: list[str] = []
        for byte in data:
            if byte in _ENDS:
                codes += self._finish_line(now)
            elif len(self._line) < CODE_LENGTH_MAX:
                self._line.append(byte)
            else:
                self._too_long = True
        return codes

    def _start_line(self) -> None:
        self._line.clear()
        self._too_long = False

    def _finish_line(self, now: float) -> list[str]:
        line = bytes(self._line).translate(None, _CONTROLS).strip()
        usable = line and line.isascii() and not self._too_long
        self._start_line()
        return self._once(line.decode("ascii"), now) if usable else []

    def _once(self, code: str, now: float) -> list[str]:
        again = code == self._last and now - self._last_at < self._repeat_window_s
        self._last, self._last_at = code, now
        return [] if again else [code]


class SerialScanner:
    """A `Scanner` on a serial line. Needs a running loop.

    A code waits until it is asked for; of more than a few that nobody asked for, the oldest are dropped.
    """

    def __init__(
        self,
        path: str,
        *,
        baud: int = 9600,
        repeat_window_s: float = REPEAT_WINDOW_S,
        health_changed: HealthChanged | None = None,
    ) -> None:
        self._repeat_window_s = repeat_window_s
        self._lines = ScanLines(repeat_window_s)
        self._codes: asyncio.Queue[str] = asyncio.Queue(CODES_WAITING_MAX)
        self._health_changed = health_changed
        self._line = SerialLine(path, self._receive, self._changed, baud=baud)

    async def next_code(self) -> str:
        """Return the next code that is scanned."""
        return await self._codes.get()

    def health(self) -> DeviceHealth:
        """Say whether the scanner is plugged in."""
        return self._line.health()

    async def close(self) -> None:
        """Let go of the line."""
        self._line.close()

    def _receive(self, data: bytes, now: float) -> None:
        for code in self._lines.feed(data, now):
            if self._codes.full():
                self._codes.get_nowait()
            self._codes.put_nowait(code)

    def _changed(self, health: DeviceHealth) -> None:
        self._lines = ScanLines(self._repeat_window_s)  # what was heard before a plug was pulled is no part of a code
        if self._health_changed is not None:
            self._health_changed(health)
