"""What of a message may be seen: the masking of its dialect, and behind it the guard against misplaced card numbers."""

from __future__ import annotations

from dataclasses import dataclass

from iso8583.card_number_guard import Pieces, held_by, pieces_of_card_numbers, value_holds
from iso8583.masking import hidden, mask_value
from iso8583.parts import Part
from iso8583.sub_fields import SubField
from iso8583.table import Field
from iso8583.tool.plausibility import is_doubtful
from iso8583.tool.recognition import Found
from iso8583.tool.text_columns import visible


@dataclass(frozen=True, slots=True)
class Display:
    """How the values of one message are shown.

    Attributes:
        everything: the user asked for card data.
        numbers: pieces of the card numbers that seem to be in the message.
        nothing: the message is broken, and its fields may be others than they seem: all of them are hidden.
    """

    everything: bool
    numbers: Pieces = frozenset()
    nothing: bool = False

    @classmethod
    def of(cls, *messages: Found, everything: bool) -> Display:
        """The display for these messages."""
        if everything:
            return cls(everything=True)
        numbers = frozenset[str]().union(*(pieces_of_card_numbers(found.wire) for found in messages))
        return cls(False, numbers, any(_in_doubt(found) for found in messages))

    def is_open(self, row: Field | Part | None, value: str | bytes) -> bool:
        """Whether a value is shown as it is."""
        if self.everything:
            return True
        if self.nothing or row is None or row.mask != "show" or len(value) > row.length:
            return False
        return not self.has_card_number(value)

    def has_card_number(self, value: str | bytes) -> bool:
        """Whether a piece of a card number of this message is in the value."""
        return value_holds(value, self.numbers)

    def text(self, row: Field | Part | None, value: str | bytes) -> str:
        """The value as it may be shown, in printable characters."""
        if self.is_open(row, value):
            return visible(value) if isinstance(value, str) else value.hex().upper()
        masked = row is not None and isinstance(value, str) and row.mask in {"pan", "code"} and not self.nothing
        return mask_value(row.mask, str(value)) if row is not None and masked else hidden(value)

    def part(self, part: SubField, language: int = 1) -> str:
        """A sub-field as it may be shown: text as text, bytes that are no text in hexadecimal."""
        if not self.everything:
            seen = part.shown
            is_seen = not self.nothing and seen != hidden(part.value) and not held_by(seen, self.numbers)
            return visible(seen) if is_seen else self.words(None, part.value, language)
        value = part.value
        return visible(value) if isinstance(value, str) else value.hex().upper()

    def is_open_part(self, part: SubField) -> bool:
        """Whether a sub-field is shown as it is."""
        return self.everything or (
            not self.nothing and part.mask == "show" and self.part(part) not in {"", hidden(part.value)}
        )

    def words(self, row: Field | Part | None, value: str | bytes, language: int) -> str:
        """The same, with what stands for a hidden value in the language."""
        shown = self.text(row, value)
        if language == 0 and shown == hidden(value):
            return f"<{len(value)} {'字节' if isinstance(value, bytes) else '个字符'}>"
        return shown


def _in_doubt(found: Found) -> bool:
    if found.error is None:
        return False
    return found.error.partial is None or is_doubtful(found.error.partial)
