"""What of a message may be seen: the masking of its dialect, and behind it the guard against misplaced card numbers."""

from __future__ import annotations

from dataclasses import dataclass

from iso8583.card_number_guard import Pieces, held_by, pieces_of_card_numbers
from iso8583.masking import hidden, mask_value
from iso8583.parts import Part
from iso8583.table import Field
from iso8583.text_columns import visible


@dataclass(frozen=True, slots=True)
class Display:
    """How the values of one message are shown.

    Attributes:
        everything: the user asked for card data.
        numbers: pieces of the card numbers that seem to be in the message.
    """

    everything: bool
    numbers: Pieces = frozenset()

    @classmethod
    def of(cls, *wires: bytes, everything: bool) -> Display:
        """The display for messages with these bytes."""
        if everything:
            return cls(everything=True)
        return cls(False, frozenset().union(*map(pieces_of_card_numbers, wires)))

    def is_open(self, row: Field | Part | None, value: str | bytes) -> bool:
        """Whether a value is shown as it is."""
        if self.everything:
            return True
        if row is None or row.mask != "show" or len(value) > row.length:
            return False
        return not self.has_card_number(value)

    def has_card_number(self, value: str | bytes) -> bool:
        """Whether a piece of a card number of this message is in the value."""
        return held_by(value if isinstance(value, str) else f"{value.hex()} {value.decode('latin-1')}", self.numbers)

    def text(self, row: Field | Part | None, value: str | bytes) -> str:
        """The value as it may be shown, in printable characters."""
        if self.is_open(row, value):
            return visible(value) if isinstance(value, str) else value.hex().upper()
        masked = row is not None and isinstance(value, str) and row.mask in {"pan", "code"}
        return mask_value(row.mask, str(value)) if row is not None and masked else hidden(value)

    def words(self, row: Field | Part | None, value: str | bytes, language: int) -> str:
        """The same, with what stands for a hidden value in the language."""
        shown = self.text(row, value)
        if language == 0 and shown == hidden(value):
            return f"<{len(value)} {'字节' if isinstance(value, bytes) else '个字符'}>"
        return shown
