"""What the printer gets next: one slip at a time, until it is on paper. The queue is the journal and nothing beside it.

A slip is due from the approval (or the end of a batch) until the printer itself has said that it is out. Before its
first byte is sent, that it begins is made durable. So after any crash, power cut or broken line one of three is known:
it is out; it surely is not, and is printed as the original; or it may be, and is printed again, marked DUPLICATE.

A slip that fails before it begins is tried again as long as it takes. One that fails in the midst is printed again only
so often: a printer that swallows slips and never says so must not use up the roll. Then it rests until a person asks.
Slips that a person wants to see again are a wish, not a debt: they are kept in memory, behind those that are due.
"""

from collections import deque

from terminal.book import Book
from terminal.effects import Effect, Persist, Print, PrintNow
from terminal.records import Key, PrintBegan, Printed

RETRY_S = 2.0
"""How soon a slip that failed is tried again. A try costs one connection and three questions."""
BEGUN_MAX = 3
ASKED_MAX = 50
NO_PRINTER, NO_SLIP = "no_printer", "no_slip"
_HOPELESS = frozenset({NO_PRINTER, NO_SLIP})


class SlipQueue:
    """The slips of one terminal before its printer: the one `in_hand` of it, and those that wait.

    `failed` holds those due that did not come out when last tried.
    """

    def __init__(self, book: Book) -> None:
        self.in_hand: Print | None = None
        self.failed: set[Key] = set()
        self._book = book
        self._begun = False
        self._asked: deque[Print] = deque()
        self._pressed: set[Key] = set()
        self._resting: set[Key] = set()
        self._retry_at: float | None = None
        self._told: tuple[Key, str] | None = None

    def follow(self, now: float) -> list[Effect]:
        """Hand the next slip to the printer, if it has none and it is time."""
        job = self._next()
        if job is None or self.in_hand or (self._retry_at is not None and now < self._retry_at):
            return []
        self.in_hand, self._begun, self._retry_at = job, False, None
        return [job]

    @property
    def at_rest(self) -> bool:
        """Nothing is being printed, and nothing waits for it without a person's asking."""
        return self.in_hand is None and self._next() is None

    def deadline(self) -> float | None:
        """When Tick is to be handled next."""
        return None if self.in_hand or self._next() is None else self._retry_at

    def ask(self, key: Key) -> bool:
        """A person wants a slip, now; False if too many are waiting. One that is due and has not begun is no copy."""
        self._retry_at = self._told = None
        self._resting.discard(key)
        if key in self._book.slips_due:
            self._pressed.add(key)
        elif not any(job.key == key for job in self._asked):
            if len(self._asked) >= ASKED_MAX:
                return False
            self._asked.append(Print(key, duplicate=True))
        return True

    def ready(self, key: Key, now: float) -> list[Effect]:
        """The printer is ready for the slip, and nothing of it has been sent: note that it begins, then let it go."""
        if self.in_hand is None or self.in_hand.key != key:
            return []
        self._begun = True
        record = PrintBegan(key, now, self.in_hand.duplicate)
        self._book.apply(record)
        return [Persist(record), PrintNow(key)]

    def printed(self, key: Key, duplicate: bool, now: float) -> list[Effect]:
        """The slip is on paper."""
        self._let_go(key)
        self._forget(key)
        self.failed.discard(key)
        self._told = None
        record = Printed(key, now, duplicate)
        self._book.apply(record)
        return [Persist(record)]

    def has_failed(self, key: Key, reason: str, now: float) -> bool:
        """The slip did not come out; True if that is news to people."""
        if self._let_go(key):
            self._retry_at = now + RETRY_S
            if self._begun or reason in _HOPELESS:
                self._forget(key)
            if reason in _HOPELESS:
                self._resting.update(self._book.slips_due if reason == NO_PRINTER else (key,))
        if key in self._book.slips_due:
            self.failed.add(key)
        self.failed &= self._book.slips_due.keys()
        self._resting &= self._book.slips_due.keys()
        told, self._told = self._told, (key, reason)
        return told != self._told

    def _next(self) -> Print | None:
        for key, begun in self._book.slips_due.items():
            if key not in self._resting and (begun < BEGUN_MAX or key in self._pressed):
                return Print(key, duplicate=begun > 0)
        return self._asked[0] if self._asked else None

    def _let_go(self, key: Key) -> bool:
        """The printer has the slip no more, if it was this one."""
        if self.in_hand is None or self.in_hand.key != key:
            return False
        self.in_hand = None
        return True

    def _forget(self, key: Key) -> None:
        """The wish is fulfilled, or was tried and may be."""
        self._pressed.discard(key)
        if self._asked and self._asked[0].key == key:
            self._asked.popleft()
