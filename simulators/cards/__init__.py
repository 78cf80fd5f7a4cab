"""Virtual chip cards: a pure card (command in, answer out), personalised from a small file, and its way into a reader.

The deck's cards all bear numbers of the fictional BIN 629999. What becomes of a sale with one of them, the issuer
decides by its number; the exceptions, which the card itself decides, stand in its file.
"""

from simulators.cards.card import Card, PulledOutError, SilentError
from simulators.cards.personalisation import CA_KEYS_FILE, DECK, DOWNLOADS, Personalisation, load_card, read_card
from simulators.cards.tapped import TappedCard
from simulators.cards.vpcd import InsertedCard

__all__ = [
    "CA_KEYS_FILE", "DECK", "DOWNLOADS", "Card", "InsertedCard", "Personalisation", "PulledOutError", "SilentError",
    "TappedCard", "load_card", "read_card",
]  # fmt: skip
