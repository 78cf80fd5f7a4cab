"""What the tests of serial devices have in common."""

import asyncio

from terminal.devices import DeviceHealth

PATIENCE_S = 20.0
"""How long a test waits for what must happen; it goes on as soon as it has happened."""


class HealthLog:
    """Gets every change of a device's health, and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: list[DeviceHealth] = []
        self._changed = asyncio.Event()

    def __call__(self, health: DeviceHealth) -> None:
        self.seen.append(health)
        self._changed.set()

    async def until(self, state: str, reason: str = "") -> None:
        """Wait until the last health is this one."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.seen or self.seen[-1] != DeviceHealth(state, reason):  # type: ignore[arg-type]
                self._changed.clear()
                await self._changed.wait()
