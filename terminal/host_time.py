"""What time it is, as far as that can be known: the host says so under its MAC, and then time only goes on.

What may be sold offline ends by time, and whoever can set this machine's clock must not be able to put that off. So the
cores' time counts on evenly whatever the wall clock does (`terminal.steady_clock`), and each answer to a probe, which
is no recording, brings the host's date and time.

- An answer that fits ours vouches for it. If ours is a minute off or more, and nobody has vouched for it since the
  start, it is set: forward or back, for it was only a guess of the wall clock.
- Once vouched for, time is never set back, nor forward by more than a day: it has been counted since. A host that says
  something else is not believed, and that is shown. Seconds of drift are made up for little by little.
- The journal keeps what the host has vouched for (`HostTime`), within an hour, and anew in each batch. While offline
  sales are owed, no start lets the host go back behind that. When none are, nothing can be stretched, and a host that
  was ahead can be put right.
- A start at which the wall clock lies before the last record finds that no time is known: until the host has vouched
  for one, nothing is sold offline.

The host says neither year nor zone. Its zone is the shop's. The year is the first with which its time does not lie more
than a month before that which it last vouched for, whatever the wall clock says; so a wrong year there sets nothing
wrong, and New Year's Eve is no exception. While ours is vouched for, or if nobody ever has, it is that with which it
comes nearest to ours. A terminal that was off for eleven months takes the year before.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import copysign

from firmware_config.profile import TerminalProfile
from iso8583 import Message
from terminal.book import Book
from terminal.effects import Effect, Persist, SetClock
from terminal.events import ClockSeen
from terminal.records import HostTime

EARLIEST = datetime(2023, 1, 1, tzinfo=UTC).timestamp()
"""No terminal of this kind is older: a clock that says so has lost its time."""

CLOSE_S = 60.0
"""Times that differ by less are the same: the host says seconds, and lines delay."""

DRIFT_S, SLEW_S = 2.0, 0.05
"""No two clocks go alike: by more than the former ours is drawn to the host's, by the latter with each answer."""

KEPT_EVERY_S = 3600.0
FORWARD_MAX_S = 86_400.0
BACK_MAX_S = 31 * 86_400.0


class HostClock:
    """What the host and the journal say of this terminal's time."""

    def __init__(self, book: Book, profile: TerminalProfile, is_busy: Callable[[], bool]) -> None:
        self._book = book
        self._offset = timedelta(minutes=profile.utc_offset_minutes)
        self._is_busy = is_busy
        self._is_vouched = False
        self._host_is_doubted = False
        self._wall_is_off_s = 0.0
        self.is_known = False
        """Whether our time can be that of the sale: the host vouches for it, or nothing speaks against it."""

    @property
    def trouble(self) -> str:
        """What is wrong with the time, as a key of the catalogue; empty if nothing is."""
        if not self.is_known:
            return "unknown"
        if self._host_is_doubted:
            return "host_differs"
        return "wall_is_off" if abs(self._wall_is_off_s) > CLOSE_S else ""

    def look(self, now: float) -> None:
        """Compare our time with what the journal holds."""
        self.is_known = self._is_vouched or now >= max(EARLIEST, self._book.newest_at - CLOSE_S)

    def seen(self, event: ClockSeen) -> None:
        """Take how far the wall clock is off, and whether the host vouches for the steady one."""
        self._wall_is_off_s, self._is_vouched = event.wall_is_off_s, event.is_vouched

    def told(self, answer: Message, now: float) -> list[Effect]:
        """Take the time that stands in the answer to a probe; its MAC is good, and it is no recording."""
        at = self._moment(answer, now)
        if at is None:
            return []
        if not self._may_be(at, now):
            self._host_is_doubted = True
            return []
        self._host_is_doubted = False
        moved = abs(at - now) > CLOSE_S
        if moved and self._is_busy():
            return []  # what is in somebody's hands ends in its own time; the next answer is not far
        kept = self._kept(at if moved else now, moved)
        by_s = at - now if moved else self._drift(at - now) if self._is_vouched else 0.0
        if self._is_vouched and not by_s:
            return kept
        self._is_vouched = self.is_known = True
        return [*kept, SetClock(by_s)]

    def _drift(self, behind_s: float) -> float:
        """What to make up for at once; little enough that time still goes on."""
        return copysign(SLEW_S, behind_s) if abs(behind_s) > DRIFT_S else 0.0

    def _moment(self, answer: Message, now: float) -> float | None:
        """The host's time in UTC seconds; None if the answer holds none, or nobody knows of which year."""
        floor = self._book.host_time
        if not self._is_vouched and floor is None and not self.is_known:
            floor = self._book.newest_at
        if self._is_vouched or floor is None:
            return min(self._moments(answer, now), key=lambda moment: abs(moment - now), default=None)
        if floor < EARLIEST:
            return None
        earliest = floor - BACK_MAX_S
        return min((moment for moment in self._moments(answer, floor) if moment >= earliest), default=None)

    def _moments(self, answer: Message, near: float) -> Iterator[float]:
        """The host's time in each year that comes into question."""
        this_year = datetime.fromtimestamp(near, UTC).year
        for year in (this_year - 1, this_year, this_year + 1):
            text = f"{year}{answer.text(13, '')}{answer.text(12, '')}"
            with suppress(ValueError):  # nonsense, or 29 February in another year
                local = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
                yield (local - self._offset).timestamp()

    def _may_be(self, at: float, now: float) -> bool:
        if self._is_vouched:
            return now - CLOSE_S <= at <= now + FORWARD_MAX_S
        return at >= (self._book.host_time or EARLIEST) - CLOSE_S or not self._book.offline().count

    def _kept(self, at: float, moved: bool) -> list[Effect]:
        """Keep what was vouched for, if what is kept is old, or of an earlier batch, or our time was another."""
        known, batch = self._book.host_time, self._book.host_time_batch
        if not moved and known is not None and at - known < KEPT_EVERY_S and batch == self._book.batch:
            return []
        record = HostTime(at)
        self._book.apply(record)
        return [Persist(record)]
