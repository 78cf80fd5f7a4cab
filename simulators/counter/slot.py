"""A place for cards at a reader, slot or field: cards of the deck come and go, and stay when the terminal restarts."""

import asyncio
import contextlib
from collections.abc import Callable

from iso8583.masking import mask_pan
from simulators.cards import DECK, Card, InsertedCard, Personalisation, TappedCard, load_card

LOOK_AGAIN_S = 0.2
"""How often a card that is in the slot tries whether the reader has power again."""


class CardSlot:
    """The slot of the reader that listens on `reader_port`; of `TappedCard`, its field. Needs a running loop."""

    def __init__(
        self, reader_port: int, changed: Callable[[], None], make: type[Card] | type[TappedCard] = Card
    ) -> None:
        self._reader_port = reader_port
        self._changed = changed
        self._cards = {name: make(load_card(name)) for name in DECK}  # a chip counts its sales: one object a card
        self._inside = ""
        self._staying: asyncio.Task[None] | None = None

    @property
    def inside(self) -> str:
        """The name of the card in the slot, or an empty text."""
        return self._inside

    def card(self, name: str) -> Personalisation:
        """What makes a card what it is. Raises KeyError if it is not in the deck."""
        return self._cards[name].personalisation

    def masked(self, name: str) -> str:
        """A card's number as it may be shown."""
        return mask_pan(self.card(name).pan)

    async def insert(self, name: str) -> None:
        """Put a card in, in exchange for one that is there. Raises KeyError if it is not in the deck."""
        card = self._cards[name]
        await self.remove()
        self._inside = name
        self._staying = asyncio.create_task(self._stay(card))
        self._changed()

    async def remove(self) -> None:
        """Pull the card out, whatever it is doing; harmless if there is none."""
        if self._staying is not None:
            self._staying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._staying
        self._leave()

    def _leave(self) -> None:
        self._inside, self._staying = "", None
        self._changed()

    async def _stay(self, card: Card | TappedCard) -> None:
        """Be in the slot: in contact while the reader has power, until somebody pulls the card out."""
        while not await self._contact(card):  # noqa: ASYNC110 - another process begins to listen: no event of ours
            await asyncio.sleep(LOOK_AGAIN_S)
        self._leave()

    async def _contact(self, card: Card | TappedCard) -> bool:
        """Serve the reader as long as it holds the card; return whether the card is one that was then pulled out."""
        try:
            inserted = await InsertedCard.insert(card, self._reader_port)
        except OSError:
            return False
        try:
            await inserted.wait_until_out()
        except asyncio.CancelledError:
            await inserted.remove()
            raise
        return card.personalisation.pulled_out_at is not None
