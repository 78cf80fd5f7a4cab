"""The time that the cores are told: UTC seconds that go on evenly, whatever happens to the wall clock.

Deadlines are times. Were the wall clock put back by a day while a reversal waits for its next try, it would wait for a
day; were it put forward, answers under way would be given up, and all that ends by time would have ended. So this clock
takes the wall's time once and then only counts. It is set when the host vouches for another (`terminal.host_time`), and
follows the wall again only as long as nobody knows what time it is.
"""

import time
from collections.abc import Callable

STEP_S = 2.0
"""Below this the wall clock is being slewed, or drifts: not worth a start over."""


def _counted() -> float:
    """Seconds since whenever, those included that the machine has slept through, where it counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SteadyClock:
    """`wall` gives UTC seconds and may jump; `count` gives seconds since whenever and may not."""

    def __init__(self, wall: Callable[[], float] = time.time, count: Callable[[], float] = _counted) -> None:
        self._wall = wall
        self._count = count
        self.follow()

    def follow(self) -> None:
        """Take the wall clock's time, for which nobody vouches."""
        self._ahead_s = self._wall() - self._count()
        self.is_vouched = False

    def vouch(self, by_s: float) -> None:
        """The host vouches for our time, so many seconds later."""
        self._ahead_s += by_s
        self.is_vouched = True

    def now(self) -> float:
        """UTC seconds."""
        return self._count() + self._ahead_s

    @property
    def wall_is_off_s(self) -> float:
        """How far the wall clock is ahead of this one."""
        return self._wall() - self.now()

    @property
    def wall_was_set(self) -> bool:
        """The wall clock tells another time than this one."""
        return abs(self.wall_is_off_s) > STEP_S
