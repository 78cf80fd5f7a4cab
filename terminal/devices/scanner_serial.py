"""A code scanner on a serial line: each scan is a line of ASCII that ends as the scanner is set up to end it.

`ScanLines` is the pure part: it cuts what comes into codes. A line that is too long, or holds anything but ASCII, is
noise and is dropped whole, and said so.
"""

from collections.abc import Sequence

from terminal.devices import DeviceHealth, Scan, ScanIgnored
from terminal.devices.scanner_readings import CODE_LENGTH_MAX, REPEAT_WINDOW_S, Repeats, WaitingScans, judged
from terminal.devices.serial_line import HealthChanged, SerialLine

GAP_MAX_S = 0.5
"""A scanner sends a code in one go (512 characters at 9600 baud take 0.54 s, without a pause)."""

SUFFIXES = ("\r", "\n")
BAUD = 9600


class ScanLines:
    """Cuts what a scanner sends into codes. Pure: time comes in as `now`, in seconds.

    Args:
        prefixes: what the scanner puts before a code: one of them, on every code.
        suffixes: each of them ends a code.
        repeat_window_s: how long the same code again is ignored.
    """

    def __init__(
        self,
        prefixes: Sequence[str] = (),
        suffixes: Sequence[str] = SUFFIXES,
        repeat_window_s: float = REPEAT_WINDOW_S,
    ) -> None:
        assert all((*suffixes, suffixes)), "without an end there is no code"
        self._prefixes = tuple(prefixes)
        self._suffixes = tuple(suffix.encode("latin-1") for suffix in suffixes)
        self._suffix_max = max(map(len, self._suffixes))
        self._repeats = Repeats(repeat_window_s)
        self._line = bytearray()
        self._too_long = False
        self._heard_at = float("-inf")

    def feed(self, data: bytes, now: float) -> list[Scan]:
        """Take bytes as they come; return the scans that are complete."""
        scans: list[Scan] = []
        if self._line and now - self._heard_at > GAP_MAX_S:
            scans.append(ScanIgnored("scan_broken_off"))
            self.start_line()
        self._heard_at = now
        for byte in data:
            self._line.append(byte)
            if self._line.endswith(self._suffixes):
                scans += self._finish_line(now)
            elif len(self._line) > 2 * CODE_LENGTH_MAX:
                self._too_long = True
                del self._line[: -self._suffix_max]
        return scans

    def start_line(self) -> None:
        """Forget what was heard of a line that has not ended."""
        self._line.clear()
        self._too_long = False

    def _finish_line(self, now: float) -> list[Scan]:
        suffix = max((suffix for suffix in self._suffixes if self._line.endswith(suffix)), key=len)
        line = bytes(self._line[: -len(suffix)]).decode("latin-1")
        scan = ScanIgnored("scan_too_long") if self._too_long else judged(line, self._prefixes)
        self.start_line()
        told = scan and self._repeats.told(scan, now)
        return [told] if told else []


class SerialScanner:
    """A `Scanner` on a serial line. Needs a running loop.

    A code waits until it is asked for; of more than a few that nobody asked for, the oldest are dropped.
    """

    def __init__(
        self, path: str, lines: ScanLines | None = None, *, baud: int = BAUD,
        health_changed: HealthChanged | None = None,
    ) -> None:  # fmt: skip
        self._lines = lines or ScanLines()
        self._scans = WaitingScans()
        self._health_changed = health_changed
        self._line = SerialLine(path, self._receive, self._changed, baud=baud)

    async def next_scan(self) -> Scan:
        """Return the next scan."""
        return await self._scans.next()

    def health(self) -> DeviceHealth:
        """Say whether the scanner is plugged in."""
        return self._line.health()

    async def close(self) -> None:
        """Let go of the line."""
        self._line.close()

    def _receive(self, data: bytes, now: float) -> None:
        for scan in self._lines.feed(data, now):
            self._scans.put(scan)

    def _changed(self, health: DeviceHealth) -> None:
        self._lines.start_line()  # what was heard before a plug was pulled is no part of a code
        if self._health_changed is not None:
            self._health_changed(health)
