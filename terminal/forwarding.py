"""What is owed to the host: which of it goes next, when, and over which line. A core: times in, turns out.

The journal is the queue (`terminal.book` says what is due); this is only its timetable, and may be lost at any moment.
`payment.py` words what is sent, and judges the answers. The rules, each with its test:

- Reversals first, and always: they wait for nobody, and nobody waits for them, so one that is refused for ever stops no
  advice. Then advices, oldest first. A card has at most one of them unanswered, and in its order, and all behind wait
  with it; but one that was refused, or three times sent in vain, lets the others pass.
- How many advices are unanswered at once is learned per line: one more for each answer until there is silence or *not
  now* for the first time, then one more for each round that is answered; half as many after each of those. A line that
  was silent is the second choice for a while.
- Advices prefer the courier, reversals the line to the host. Where only one is there, everything goes over that.
- Advices of an older batch go before these (`holds_advices`); reversals wait for no batch.
- A line that refuses to carry something (a broker at which no host is) is closed for a second, then for longer. What it
  has refused is not tried more rarely for that; but it says that it may have been sent, for a broker may be wrong.
- Silence, or *not now*: again after `RETRY_S`, ever rarer, for ever. A refusal calls a person, and the next try waits
  for a minute at least. A line that comes up, or a person who presses *send now*, makes all of it due.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from math import inf
from typing import Literal

from terminal.events import Line
from terminal.records import Key

# Seconds until what is not answered is sent again: soon at first, then ever rarer, but for ever.
RETRY_S = (5, 10, 20, 40, 80, 160, 320, 640, 1200)
REFUSED_S = 60.0
ANSWER_WITHIN_S = 30.0
"""After which a try counts as not answered, however long the next one waits."""

WINDOW_FIRST, WINDOW_MIN, WINDOW_MAX = 4.0, 1.0, 256.0
DOUBTED_S = 300.0
CLOSED_FIRST_S, CLOSED_MAX_S = 1.0, 64.0
PASSED_AFTER = 3


Word = Literal["end", "not now", "no"]
"""What an answer means for what is owed: that was all; ask again; a person is called, and it is asked again."""


class Urgency(IntEnum):
    """What goes before what. Uploads come after both by themselves: no batch is closed while anything is owed."""

    REVERSAL = 0
    ADVICE = 1


_PREFERRED: dict[Urgency, tuple[Line, Line]] = {
    Urgency.REVERSAL: ("host", "courier"),
    Urgency.ADVICE: ("courier", "host"),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """It is this payment's turn, over this line.

    `again`: it may have been sent before. `next_in_s`: if no answer ends it, it has its next turn then.
    """

    key: Key
    line: Line
    again: bool
    next_in_s: int


@dataclass(slots=True)
class _Debt:
    key: Key
    urgency: Urgency
    card: str
    tries: int
    at: float
    over: Line | None = None
    pace: int = 0
    silent_at: float = 0.0
    in_vain: int = 0
    is_refused: bool = False
    is_stuck: bool = False

    @property
    def lets_others_pass(self) -> bool:
        return self.is_refused or self.is_stuck or self.in_vain >= PASSED_AFTER


@dataclass(slots=True)
class _Road:
    """A line that is up: how many advices it may hold unanswered, until when it is doubted, and until when closed."""

    window: float = WINDOW_FIRST
    doubted_until: float = 0.0
    slowed_down: int = 0
    closed_until: float = -inf
    closed_s: float = 0.0

    def slow_down(self, pace: int) -> None:
        """It takes half as many from now on. What was sent at an earlier pace slows it down no further."""
        if pace == self.slowed_down:
            self.window, self.slowed_down = max(WINDOW_MIN, self.window / 2), pace + 1

    def close(self, now: float) -> None:
        """It carries nothing now; what it was given before it was closed says so again, and that is no news."""
        if self.closed_until <= now:
            self.closed_s = min(CLOSED_MAX_S, max(CLOSED_FIRST_S, 2 * self.closed_s))
            self.closed_until = now + self.closed_s

    def widen(self) -> None:
        """An answer has come: twice as many go in the next round, but one more if it was ever slowed down."""
        self.window = min(WINDOW_MAX, self.window + (1 / self.window if self.slowed_down else 1))


class _UnderWay:
    """Debts that wait for an answer. Of the advices among them: how many over each line, and of which cards."""

    def __init__(self) -> None:
        self.debts: dict[Key, _Debt] = {}
        self.advices: Counter[Line] = Counter()
        self.cards: Counter[str] = Counter()
        self.silent_from = inf
        """Before this time none of them has been silent for too long."""

    def add(self, debt: _Debt) -> None:
        self.debts[debt.key] = debt
        self.silent_from = min(self.silent_from, debt.silent_at)
        self._count(debt, 1)

    def remove(self, debt: _Debt) -> None:
        """Take one out, if it is there."""
        if self.debts.pop(debt.key, None) is not None:
            self._count(debt, -1)

    def silent(self, now: float) -> list[_Debt]:
        """Those that have been silent for too long."""
        if now < self.silent_from:
            return []
        self.silent_from = min((debt.silent_at for debt in self.debts.values() if debt.silent_at > now), default=inf)
        return [debt for debt in self.debts.values() if debt.silent_at <= now]

    def _count(self, debt: _Debt, by: int) -> None:
        if debt.urgency is Urgency.ADVICE and debt.over is not None:
            self.advices[debt.over] += by
            if debt.card:
                self.cards[debt.card] += by
                if not self.cards[debt.card]:
                    del self.cards[debt.card]


class Forwarding:
    """The timetable of everything that is owed. Each debt is named by its payment's key.

    A day offline leaves many debts, and each answer asks whose turn it is: so what is asked then looks at those under
    way, which are few, at the first of those that wait, and at no other.
    """

    def __init__(self) -> None:
        self.holds_advices = False
        """Older advices than these wait elsewhere: of these only reversals go."""
        self._debts: dict[Key, _Debt] = {}
        self._queues: dict[Urgency, dict[Key, _Debt]] = {urgency: {} for urgency in Urgency}
        self._under_way = _UnderWay()
        self._times: list[tuple[float, Key]] = []
        """A heap: when those that wait are due. Also times that hold no longer, found out when they are met."""
        self._roads: dict[Line, _Road] = {}
        self._looked_at = -inf

    def __contains__(self, key: Key) -> bool:
        return key in self._debts

    def __len__(self) -> int:
        return len(self._debts)

    @property
    def lines(self) -> frozenset[Line]:
        """The lines over which something can go now."""
        return frozenset(self._roads)

    @property
    def waiting(self) -> int:
        """How many wait for their next turn, and could be sent."""
        waiting = (debt for debt in self._debts.values() if debt.over is None and not debt.is_stuck)
        return sum(not (self.holds_advices and debt.urgency is Urgency.ADVICE) for debt in waiting)

    @property
    def under_way(self) -> int:
        """How many have been sent, and may yet be answered in time."""
        return len(self._under_way.debts)

    # --- what is owed -------------------------------------------------------------------------------------------------

    def owe(self, key: Key, urgency: Urgency, card: str, now: float, *, tries: int = 0) -> None:
        """From now on this is owed. What is owed already keeps its time.

        Args:
            key: of the payment.
            urgency: of the debt.
            card: any text that is the same for the same card; empty where none is known, or order does not matter.
            now: when it is due.
            tries: how often it may have been sent already.
        """
        if key not in self._debts:
            self._debts[key] = self._queues[urgency][key] = debt = _Debt(key, urgency, card, tries, now)
            self._waits(debt)

    def forget(self, key: Key) -> None:
        """It is not owed (any more)."""
        debt = self._debts.pop(key, None)
        if debt is not None:
            del self._queues[debt.urgency][key]
            self._under_way.remove(debt)

    def forget_all(self) -> None:
        """What was owed here is owed elsewhere."""
        for key in list(self._debts):
            self.forget(key)

    def answered(self, key: Key, line: Line, word: Word, now: float) -> None:
        """The host has answered, over this line; if that was the end, `forget` follows."""
        debt = self._debts.get(key)
        if debt is None:
            return
        if (road := self._roads.get(line)) is not None:
            road.doubted_until = road.closed_s = 0.0
            if debt.over == line and word == "not now":
                road.slow_down(debt.pace)
            elif debt.over == line:
                road.widen()
        debt.is_refused |= word == "no"
        debt.in_vain += word == "not now"
        self._waits(debt, max(debt.at, now + REFUSED_S) if word == "no" else debt.at)

    def not_carried(self, key: Key, line: Line, now: float) -> None:
        """The line itself has refused to carry it: it goes over another one at once, if there is one."""
        debt, road = self._debts.get(key), self._roads.get(line)
        if debt is not None and debt.over == line and road is not None:
            road.close(now)
            debt.tries = max(1, debt.tries - 1)
            self._waits(debt, now)

    def cannot_be_sent(self, key: Key) -> None:
        """Nothing has gone out: what it would need is gone. It keeps its turns, and stands in nobody's way."""
        if (debt := self._debts.get(key)) is not None:
            debt.is_stuck = True
            self._waits(debt)

    # --- lines and time -----------------------------------------------------------------------------------------------

    def lines_are(self, lines: frozenset[Line], now: float) -> None:
        """All of what has changed about the lines, at once: nothing may go over one that is gone with another."""
        for line in sorted(self.lines - lines):
            self.line_down(line, now)
        for line in sorted(lines - self.lines):
            self.line_up(line, now)

    def line_up(self, line: Line, now: float) -> None:
        """There is a line (again): all that waits is due."""
        self._roads[line] = _Road()
        self.send_now(now)

    def line_down(self, line: Line, now: float) -> None:
        """The line is gone: what was under way over it is due over another."""
        self._roads.pop(line, None)
        for debt in [debt for debt in self._under_way.debts.values() if debt.over == line]:
            self._waits(debt, now)

    def send_now(self, now: float) -> None:
        """Everything is due, but for what has just been sent, and every line is tried."""
        for road in self._roads.values():
            road.closed_until = -inf
        for debt in self._debts.values():
            if debt.over is None:
                self._waits(debt, now)

    def turns(self, now: float) -> list[Turn]:
        """Whose turn it is; each that is named counts as sent."""
        self._looked_at = now
        for debt in self._under_way.silent(now):
            self._missed(debt, now)
        return [*self._reversals(now), *self._advices(now)]

    def _reversals(self, now: float) -> Iterator[Turn]:
        line = self._line_for(Urgency.REVERSAL, now)
        for debt in self._queues[Urgency.REVERSAL].values():
            if line is not None and debt.over is None and debt.at <= now:
                yield self._sent(debt, line, now)

    def _advices(self, now: float) -> Iterator[Turn]:
        """In their order, as they came; no more when the line is full, or one that is due waits for its card."""
        line = self._line_for(Urgency.ADVICE, now)
        if line is None or self.holds_advices:
            return
        room, passed = int(self._roads[line].window), set[str]()
        for debt in self._queues[Urgency.ADVICE].values():
            if self._under_way.advices[line] >= room:
                return
            if debt.over is not None:
                continue
            if debt.at <= now:
                if debt.card in passed or debt.card in self._under_way.cards:
                    return
                yield self._sent(debt, line, now)
            elif debt.card and not debt.lets_others_pass:
                passed.add(debt.card)

    def _line_for(self, urgency: Urgency, now: float) -> Line | None:
        """The preferred line of those that are there and open, or the other while that is doubted."""
        there = [line for line in _PREFERRED[urgency] if line in self._roads and self._roads[line].closed_until <= now]
        return min(there, key=lambda line: self._roads[line].doubted_until > now, default=None)

    def deadline(self) -> float | None:
        """When turns() wants to be called next. What is due and waits for another wants nothing by itself."""
        times = [debt.silent_at for debt in self._under_way.debts.values()]
        if self._roads and (next_at := self._next_at()) is not None:
            times.append(next_at)
        if len(self._debts) > len(self._under_way.debts):
            times += [road.closed_until for road in self._roads.values() if road.closed_until > self._looked_at]
        return min(times, default=None)

    def _next_at(self) -> float | None:
        """When the next of those that wait is due; those that were, at the last look, are not meant."""
        while self._times:
            at, key = self._times[0]
            debt = self._debts.get(key)
            if debt is not None and debt.over is None and debt.at == at and at > self._looked_at:
                return at
            heappop(self._times)
        return None

    def _waits(self, debt: _Debt, at: float | None = None) -> None:
        """It is not under way (any more), and is due at this time, or when it was anyway."""
        self._under_way.remove(debt)
        debt.at = debt.at if at is None else at
        debt.over = None
        if debt.at > self._looked_at:
            heappush(self._times, (debt.at, debt.key))

    def _sent(self, debt: _Debt, line: Line, now: float) -> Turn:
        pause_s = RETRY_S[min(debt.tries, len(RETRY_S) - 1)]
        turn = Turn(debt.key, line, debt.tries > 0, pause_s)
        debt.tries += 1
        debt.over, debt.pace, debt.at = line, self._roads[line].slowed_down, now + pause_s
        debt.silent_at = now + min(pause_s, ANSWER_WITHIN_S)
        self._under_way.add(debt)
        return turn

    def _missed(self, debt: _Debt, now: float) -> None:
        """No answer in time."""
        if debt.over is not None and (road := self._roads.get(debt.over)) is not None:
            road.doubted_until = now + DOUBTED_S
            road.slow_down(debt.pace)
        debt.in_vain += 1
        self._waits(debt)
