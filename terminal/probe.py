"""Probes of the line: echoes that nobody but the host can answer, so that an open line to nobody is noticed.

Each has a number, and its answer bears that number under a MAC: neither a captive portal nor a recording of the host
can make one. They are asked at an even pace, also while earlier ones are unanswered. The line is dead when the oldest
of those is too old; with the times of the profile a later one is unanswered then, too: one hiccup of a host that writes
to its disk is not taken for the end of the line.
"""

ASKED_MAX = 8
"""How many questions are remembered: while a sale waits for its answer, they go on unanswered."""

NUMBER_MAX = 999_999  # field 11 has six digits


class Probe:
    """The questions to one host, all in seconds: one every `interval_s`, each to be answered within `timeout_s`."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._number = 0
        self._asked: dict[str, float] = {}
        self._next_at: float | None = None
        self.silent_since: float | None = None
        """When the oldest question was asked that has no answer yet."""

    def ask(self, now: float) -> str:
        """Note that a question is asked; return its number."""
        self._number = self._number % NUMBER_MAX + 1
        number = f"{self._number:06d}"
        if len(self._asked) == ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[number] = now
        self._next_at = now + self._interval_s
        if self.silent_since is None:
            self.silent_since = now
        return number

    def wait(self, now: float) -> None:
        """Ask next when an interval has passed."""
        self._next_at = now + self._interval_s

    @property
    def oldest(self) -> str:
        """The number of the oldest question without an answer, empty if there is none."""
        return next(iter(self._asked), "")

    def awaits(self, number: str) -> bool:
        """Whether this is the number of a question without an answer."""
        return number in self._asked

    def answered(self, number: str) -> None:
        """The host was there when it had heard this question; what was asked before need not be answered any more."""
        asked_at = self._asked[number]
        self._asked = {later: at for later, at in self._asked.items() if at > asked_at}
        self.silent_since = min(self._asked.values(), default=None)

    def stop(self) -> None:
        """Ask nothing more, and await nothing: the line is gone."""
        self._asked.clear()
        self._next_at = self.silent_since = None

    def is_due(self, now: float) -> bool:
        """Whether it is time to ask."""
        return self._next_at is not None and self._next_at <= now

    def is_overdue(self, now: float) -> bool:
        """Whether the host has been silent for too long."""
        return self.silent_since is not None and self.silent_since + self._timeout_s <= now

    def deadline(self, *, patient: bool) -> float | None:
        """When is_due or is_overdue turn true next; `patient`: nobody asks the latter."""
        if self.silent_since is None or patient:
            return self._next_at
        overdue_at = self.silent_since + self._timeout_s
        return overdue_at if self._next_at is None else min(self._next_at, overdue_at)
