"""What every scanner does with what it has read: clean it, hand a code over once, and keep a few that wait.

Pure but for the queue: time comes in as `now`, in seconds of any clock that only goes forward.
"""

import asyncio
from collections.abc import Sequence

from terminal.devices import Scan, ScanIgnored, Scanned

CODE_LENGTH_MAX = 512
"""More than a QR code of version 11 holds; payment codes have 16 to 24 digits."""

REPEAT_WINDOW_S = 1.0
WAITING_MAX = 8
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])


def judged(text: str, prefixes: Sequence[str] = ()) -> Scan | None:
    """Strip control characters, spaces around, and the scanner's prefix; None if nothing is left.

    What is too long, or holds anything but ASCII, is dropped whole: half a payment code may be another's. Of
    `prefixes`, such as ``]Q1`` and ``]C0`` (how a scanner names the kind of code), the longest that fits is taken off;
    where there are any, what begins with none of them did not come from a whole scan.
    """
    code = text.translate(_CONTROLS).strip()
    if code and prefixes:
        prefix = max(filter(code.startswith, prefixes), key=len, default="")
        if not prefix:
            return ScanIgnored("scan_without_prefix")
        code = code.removeprefix(prefix).strip()
    if len(code) > CODE_LENGTH_MAX:
        return ScanIgnored("scan_too_long")
    if not code:
        return None
    return Scanned(code) if code.isascii() else ScanIgnored("scan_unreadable")


class Repeats:
    """Tells the same code again from another one.

    The same code within `window_s` of when it was last read is a repeat: by the scanner, or by a hand that held still.
    Every repeat begins the window anew. Where a code in view is read again and again, a reading within `held_s` of the
    last one is no repeat at all, but the code is still there: of that nothing is said.
    """

    def __init__(self, window_s: float = REPEAT_WINDOW_S, held_s: float = 0.0) -> None:
        self._window_s = window_s
        self._held_s = held_s
        self._last = ""
        self._last_at = float("-inf")

    def told(self, scan: Scan, now: float) -> Scan | None:
        """Return what is to be told of a reading; None if nothing is."""
        if isinstance(scan, ScanIgnored):
            return scan
        same, since_s = scan.code == self._last, now - self._last_at
        self._last, self._last_at = scan.code, now
        if same and since_s < self._held_s:
            return None
        return ScanIgnored("scan_repeated") if same and since_s < self._window_s else scan


class WaitingScans:
    """Scans that nobody has asked for yet, a few of them. Belongs to one loop.

    Of too many codes the oldest goes; what was ignored never takes the place of a code.
    """

    def __init__(self) -> None:
        self._scans: asyncio.Queue[Scan] = asyncio.Queue(WAITING_MAX)

    def put(self, scan: Scan) -> None:
        """Let a scan wait."""
        if self._scans.full():
            if isinstance(scan, ScanIgnored):
                return
            self._scans.get_nowait()
        self._scans.put_nowait(scan)

    async def next(self) -> Scan:
        """Return the oldest, or the first that comes."""
        return await self._scans.get()
