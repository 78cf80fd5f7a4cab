"""A scanner that types: to the machine it is a keyboard, and the cashier's page hands over what it typed.

The page tells it from a hand by its speed (`static/scanner.js`). Nobody can ask a keyboard how it is: until something
was scanned, nothing is known of it.
"""

import asyncio
from collections.abc import Sequence

from terminal.devices import DeviceHealth, Scan, ScanIgnored, Scanner
from terminal.devices.scanner_readings import REPEAT_WINDOW_S, Repeats, WaitingScans, judged
from terminal.devices.scanner_several import SeveralScanners


class KeyboardScanner:
    """A `Scanner` behind the page. Needs a running loop.

    Args:
        prefixes: what the scanner types before a code: one of them, before every code.
        repeat_window_s: how long the same code again is ignored.
    """

    def __init__(self, prefixes: Sequence[str] = (), repeat_window_s: float = REPEAT_WINDOW_S) -> None:
        self._prefixes = tuple(prefixes)
        self._repeats = Repeats(repeat_window_s)
        self._scans = WaitingScans()
        self._loop = asyncio.get_running_loop()
        self._health = DeviceHealth("unknown", "not_used")

    def typed(self, text: str, *, ended: bool) -> None:
        """Take what was typed faster than a hand can; `ended`: with Enter or Tab at its end, as a whole code has."""
        self._health = DeviceHealth("ready")
        scan = judged(text, self._prefixes) if ended else ScanIgnored("scan_without_end")
        told = scan and self._repeats.told(scan, self._loop.time())
        if told:
            self._scans.put(told)

    async def next_scan(self) -> Scan:
        """Return the next scan."""
        return await self._scans.next()

    def health(self) -> DeviceHealth:
        """Say whether it has been heard of."""
        return self._health

    async def close(self) -> None:
        """Take no notice any more."""
        self._health = DeviceHealth("attention", "closed")


def keyboard_of(scanner: Scanner | None) -> KeyboardScanner | None:
    """Return the one that types, if a counter's scanner is it, or it is among them."""
    among = scanner.scanners if isinstance(scanner, SeveralScanners) else (scanner,)
    return next((one for one in among if isinstance(one, KeyboardScanner)), None)
