"""Shell code: tells the counter what a card has taken in batches that only the journal knows, when it must be known.

Of such a batch nothing changes. So what was counted of a card is remembered, and only what was parked since is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from paycode.signed import claimed
from terminal.book import Book, Payment
from terminal.counter import Counter
from terminal.events import CardCounted, CardPresented, CodePresented, Event
from terminal.offline_caps import OfflineCard, counted

REMEMBERED_MAX: Final = 1_000
"""Cards: a card that is not among the last of them is counted anew."""


class Sales(Protocol):
    """What the journal tells of a card."""

    def sold_offline_to(self, token: str) -> Iterable[Payment]:
        """What was sold offline to a card, or to a customer's key, newest first."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was counted, and in which batches: from the one that was loaded on to the one that was parked last."""

    loaded: str
    newest: str
    counted: CardCounted


class CardCounts:
    """Counts cards for one counter after the other, from one journal."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales
        self._known: dict[str, _Known] = {}

    def refusal_of(self, card: OfflineCard, counter: Counter) -> str:
        """Why this card may not pay without the host, all that it has taken being counted."""
        self._tell(card.token, counter)
        return counter.refusal_of_offline_card(card)

    def tell_before(self, event: Event, counter: Counter) -> None:
        """Tell the counter what it must know of the card or code that it is about to be handed."""
        if not counter.payments.sells_offline:
            return
        if isinstance(event, CardPresented) and event.approved_offline:
            self._tell(event.token, counter)
        elif isinstance(event, CodePresented) and (claim := claimed(event.code)):
            self._tell(claim.key.hex(), counter)

    def _tell(self, token: str, counter: Counter) -> None:
        counter.handle(self._count(token, counter.book), counter.now)

    def _count(self, token: str, book: Book) -> CardCounted:
        if not book.parked:
            return CardCounted(token)
        known, loaded = self._known.pop(token, None), book.draining.batch if book.draining else ""
        if known is None or known.loaded != loaded:
            known = _Known(loaded, "", CardCounted(token))
        fresh, before = counted(token, self._sales.sold_offline_to(token), book, known.newest), known.counted
        both = CardCounted(token, before.count + fresh.count, before.amount + fresh.amount)
        if len(self._known) >= REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[token] = _Known(loaded, next(reversed(book.parked)), both)
        return both
