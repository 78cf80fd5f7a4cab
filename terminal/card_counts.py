"""Shell code: tells the counter what a card has taken in batches that only the journal knows, when it must be known."""

from collections.abc import Iterable
from typing import Protocol

from paycode.signed import claimed
from terminal.book import Payment
from terminal.counter import Counter
from terminal.events import CardPresented, CodePresented, Event
from terminal.offline_caps import OfflineCard, counted


class Sales(Protocol):
    """What the journal tells of a card."""

    def sold_offline_to(self, token: str) -> Iterable[Payment]:
        """What was sold offline to a card, or to a customer's key, newest first."""


def refusal_of(card: OfflineCard, counter: Counter, sales: Sales) -> str:
    """Why this card may not pay without the host, all that it has taken being counted."""
    _tell(card.token, counter, sales)
    return counter.refusal_of_offline_card(card)


def tell_before(event: Event, counter: Counter, sales: Sales) -> None:
    """Tell the counter what it must know of the card or code that it is about to be handed."""
    if not counter.payments.sells_offline:
        return
    if isinstance(event, CardPresented) and event.approved_offline:
        _tell(event.token, counter, sales)
    elif isinstance(event, CodePresented) and (claim := claimed(event.code)):
        _tell(claim.key.hex(), counter, sales)


def _tell(token: str, counter: Counter, sales: Sales) -> None:
    told = sales.sold_offline_to(token) if counter.book.parked else ()
    counter.handle(counted(token, told, counter.book), counter.now)
