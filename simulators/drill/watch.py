"""Somebody who looks at the cashier's page all the time, and notes when it says what."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from simulators.tour.browser import Browser, PageError

LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Sight:
    """What the page said at a moment (seconds of a clock that only counts).

    online: the line to the host. owed: what was sold that the bank has not answered, in fen.
    """

    at: float
    online: bool
    owed_count: int
    owed_amount: int


class Watch:
    """Looks at the page on a port; `sights` holds each change, oldest first."""

    def __init__(self, page_port: int) -> None:
        self.sights: list[Sight] = []
        self._browser = Browser(page_port)

    async def look(self) -> None:
        """Look until cancelled."""
        version = ""
        while True:
            with suppress(PageError):
                shown = await self._browser.json(f"/state?after={version}")
                version, view = shown["version"], shown["view"]
                offline = view["offline"]
                seen = Sight(
                    time.monotonic(), view["session"]["state"] == "ready", offline["owed_count"], offline["owed_amount"]
                )
                if not self.sights or _facts(self.sights[-1]) != _facts(seen):
                    self.sights.append(seen)
                continue
            await asyncio.sleep(LOOK_AGAIN_S)


def _facts(sight: Sight) -> tuple[bool, int, int]:
    return sight.online, sight.owed_count, sight.owed_amount


def noticed(sights: Sequence[Sight], at: float, until: float, *, online: bool) -> float | None:
    """How many seconds after `at` the page first said so; None if it said so already, or not by `until`."""
    before = [sight for sight in sights if sight.at < at]
    if not before or before[-1].online is online:
        return None
    return next((sight.at - at for sight in sights if at <= sight.at < until and sight.online is online), None)


def drained(sights: Sequence[Sight], at: float) -> float | None:
    """How many seconds after `at` the bank had everything; None if it had all of it then, or never."""
    before = [sight for sight in sights if sight.at < at]
    if not before or not before[-1].owed_count:
        return None
    return next((sight.at - at for sight in sights if sight.at >= at and not sight.owed_count), None)


def worst(sights: Sequence[Sight]) -> Sight | None:
    """When the most money was at risk."""
    return max(sights, key=lambda sight: sight.owed_amount, default=None)
