"""The time that the cores are told: UTC seconds that go on evenly, whatever happens to the wall clock.

Deadlines are times. Were the wall clock put back by a day while a reversal waits for its next try, it would wait for a
day; were it put forward, answers under way would be given up. So this clock takes the wall's time once and then only
counts. When the wall has gone another way, the runner starts over from the journal, as after a restart, and follows it.
"""

import time
from collections.abc import Callable

STEP_S = 2.0
"""Below this the wall clock is being slewed, or drifts: not worth a start over."""


class SteadyClock:
    """`wall` gives UTC seconds and may jump; `count` gives seconds since whenever and may not."""

    def __init__(self, wall: Callable[[], float] = time.time, count: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._count = count
        self.follow()

    def follow(self) -> None:
        """Take the wall clock's time."""
        self._ahead_s = self._wall() - self._count()

    def now(self) -> float:
        """UTC seconds."""
        return self._count() + self._ahead_s

    @property
    def is_off(self) -> bool:
        """The wall clock has been set since."""
        return abs(self._wall() - self.now()) > STEP_S
