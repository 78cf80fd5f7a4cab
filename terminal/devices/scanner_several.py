"""Several scanners at one counter, as one: whoever reads a code first is heard first."""

import asyncio
from collections.abc import Sequence

from terminal.devices import DeviceHealth, Scan, Scanner

_MATTERS_MOST = ("attention", "ready", "unknown")


class SeveralScanners:
    """A `Scanner` made of others. Needs a running loop."""

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        assert scanners, "at least one"
        self.scanners = tuple(scanners)
        self._reading: dict[int, asyncio.Task[Scan]] = {}

    async def next_scan(self) -> Scan:
        """Return the next scan of any of them."""
        for place, scanner in enumerate(self.scanners):
            if place not in self._reading:
                self._reading[place] = asyncio.ensure_future(_read(scanner))
        await asyncio.wait(self._reading.values(), return_when=asyncio.FIRST_COMPLETED)
        place = next(place for place, reading in self._reading.items() if reading.done())
        return self._reading.pop(place).result()

    def health(self) -> DeviceHealth:
        """Say what is wrong with one of them, if anything is; that nobody has used one yet matters least."""
        return min((scanner.health() for scanner in self.scanners), key=_matters)

    async def close(self) -> None:
        """Release all of them."""
        for reading in self._reading.values():
            reading.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)
        for scanner in self.scanners:
            await scanner.close()


def _matters(health: DeviceHealth) -> tuple[bool, int]:
    """What matters most comes first; before all, a driver that must be opened again."""
    return health.reason != "driver_failed", _MATTERS_MOST.index(health.state)


async def _read(scanner: Scanner) -> Scan:
    return await scanner.next_scan()
