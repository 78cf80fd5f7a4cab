"""One place that opens the counter's devices, looks after them, and opens them again: none of them stops the others.

Each device has a task of its own. One that cannot be opened, or whose driver ends with a fault, is opened again with
growing pauses, while the counter works on without it. Inside an open driver, a plug that is pulled and put back is the
driver's own affair: it tells of it in `health`.

Reasons beside those of the drivers: ``not_configured``, ``opening``, ``not_opened`` (missing, or in use),
``software_missing`` (what the driver needs is not installed), ``driver_failed``.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from terminal.devices import (
    CardReader,
    DeviceError,
    DeviceHealth,
    PinPad,
    Printer,
    Scan,
    Scanner,
    Speaker,
    StripeReader,
    Trouble,
)  # fmt: skip
from terminal.events import DevicesSeen
from terminal.magnetic_stripe import Swipe

NAMES = ("card_reader", "contactless_reader", "stripe_reader", "pin_pad", "scanner", "printer", "speaker")
NOT_MISSED = ("contactless_reader", "speaker")
"""Of these nothing is said where there is none: a counter is complete without."""
LOOK_EVERY_S = 1.0
OPEN_WITHIN_S = 5.0
REOPEN_FIRST_S = 0.5
REOPEN_MAX_S = 30.0

Opener = Callable[[], Awaitable[Any]]
Read = TypeVar("Read")

log = structlog.get_logger()


@dataclass(slots=True)
class CounterDevices:
    """What stands on the counter; None where nothing does, or where it is not open. `openers` open it again."""

    card_reader: CardReader | None = None
    contactless_reader: CardReader | None = None
    stripe_reader: StripeReader | None = None
    pin_pad: PinPad | None = None
    scanner: Scanner | None = None
    printer: Printer | None = None
    speaker: Speaker | None = None
    openers: Mapping[str, Opener] = field(default_factory=dict)
    closed_because: dict[str, DeviceHealth] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether there is such a device, or should be: one that cannot be opened now counts."""
        return name in self.openers or getattr(self, name) is not None

    def health(self) -> dict[str, DeviceHealth]:
        """How each device is. A driver that cannot even say so is said to have failed."""
        shown = (name for name in NAMES if name not in NOT_MISSED or self.has(name))
        return {name: self._health_of(name) for name in shown}

    def _health_of(self, name: str) -> DeviceHealth:
        device = getattr(self, name)
        if device is None:
            untried = DeviceHealth("unknown", "opening") if name in self.openers else None
            return self.closed_because.get(name) or untried or DeviceHealth("attention", "not_configured")
        try:
            health: DeviceHealth = device.health()
        except Exception as error:
            log.error("device_failed", device=name, error=type(error).__name__)
            return DeviceHealth("attention", "driver_failed")
        return health


class Supervision:
    """Looks after the devices of one counter; `wall_clock` gives UTC seconds."""

    def __init__(self, devices: CounterDevices, wall_clock: Callable[[], float] = time.time) -> None:
        self.devices = devices
        self.troubles: dict[str, Trouble] = {}
        self._wall_clock = wall_clock
        self._opened = {name: asyncio.Event() for name in NAMES}
        self._failed = {name: asyncio.Event() for name in NAMES}

    async def open(self) -> None:
        """Try every device once, all at the same time. Raises nothing: who is missing is opened later, by `run`."""
        await asyncio.gather(*(self._open(name) for name in self.devices.openers))

    async def run(self) -> None:
        """Look after every device until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                if self.devices.has(name):
                    group.create_task(self._keep(name))

    async def close(self) -> None:
        """Let go of all of them, also when one cannot let go well."""
        for name in NAMES:
            await self._close(name)

    async def next_scan(self) -> Scan:
        """Return the next scan; wait for a scanner while there is none, or while it is being opened again."""
        return await self._next("scanner", lambda scanner: scanner.next_scan())

    async def next_swipe(self) -> Swipe:
        """Return the next swipe from now on; wait for a reader as for a scanner."""
        return await self._next("stripe_reader", lambda reader: reader.next_swipe())

    async def _next(self, name: str, read: Callable[[Any], Awaitable[Read]]) -> Read:
        while True:
            device = getattr(self.devices, name)
            if device is None:
                self._opened[name].clear()
                await self._opened[name].wait()
                continue
            try:
                return await read(device)
            except Exception as error:
                self.failed(name, error)
            await self._opened[name].wait()

    def failed(self, name: str, error: Exception) -> None:
        """Somebody who used a device found its driver at fault: it is closed and opened again."""
        log.error("device_failed", device=name, error=type(error).__name__)
        self._opened[name].clear()
        self._failed[name].set()

    def seen(self) -> DevicesSeen:
        """Which devices work, for the cores; what is not there, or not known, is left out."""
        known = {name: how for name, how in self.devices.health().items() if _is_known(how)}
        return DevicesSeen({name: how.state == "ready" for name, how in known.items()})

    async def _keep(self, name: str) -> None:
        pause_s = REOPEN_FIRST_S
        while True:
            if getattr(self.devices, name) is None:
                self._note(name)
                await asyncio.sleep(pause_s)
                pause_s = REOPEN_FIRST_S if await self._open(name) else min(2 * pause_s, REOPEN_MAX_S)
                continue
            await self._look(name)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._failed[name].wait()
            if self._failed[name].is_set():
                await self._give_up(name)

    async def _give_up(self, name: str) -> None:
        """Close a driver that failed; one that nobody can open again is kept, and so is a printer: its slips wait."""
        self._failed[name].clear()
        if name in self.devices.openers and name != "printer":
            await self._close(name)
            self.devices.closed_because[name] = DeviceHealth("attention", "driver_failed")

    async def _look(self, name: str) -> None:
        """Ask a printer how it is, which it does not say by itself; remember what is wrong."""
        if name == "printer" and self.devices.printer:
            try:
                await self.devices.printer.status()
            except Exception as error:
                log.error("device_failed", device=name, error=type(error).__name__)
        self._note(name)

    def _note(self, name: str) -> None:
        health = self.devices.health()[name]
        if health.state == "attention":
            self.troubles[name] = Trouble(health.reason, self._wall_clock())
        if health.reason == "driver_failed":
            self._failed[name].set()

    async def _open(self, name: str) -> bool:
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                device = await self.devices.openers[name]()
        except Exception as error:
            reason = "software_missing" if isinstance(error, ImportError) else "not_opened"
            reason = error.reason if isinstance(error, DeviceError) else reason
            log.warning("device_not_opened", device=name, reason=reason, error=type(error).__name__)
            self.devices.closed_because[name] = DeviceHealth("attention", reason)
            return False
        setattr(self.devices, name, device)
        self.devices.closed_because.pop(name, None)
        self._failed[name].clear()
        self._opened[name].set()
        return True

    async def _close(self, name: str) -> None:
        device = getattr(self.devices, name)
        if device is None:
            return
        setattr(self.devices, name, None)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await device.close()
        except Exception as error:
            log.warning("device_not_closed", device=name, error=type(error).__name__)


def _is_known(health: DeviceHealth) -> bool:
    return health.state != "unknown" and health.reason != "not_configured"
