"""The one error that their data can cause.

`Iso8583Error` is raised for whatever a peer or a caller put into a message. It names the place and says what was needed
and what was there, in words and counts: never a byte of the message, because the bytes may be card data and errors end
up in logs. The readable part of the message travels as the attribute `partial`, outside `args`, text and pickles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iso8583.message import Message


class Iso8583Error(ValueError):
    """A message, frame or sub-field that breaks the rules of its dialect.

    Attributes:
        field: the field's number, with 0 for the MTI and 1 for the bitmap, or a path such as ``"55/9F26"``,
            ``"60.2"``, ``"TPDU"`` or ``"end"`` (bytes after the last field).
        offset: 0-based byte offset of the fault: decoding, in the bytes that were given; encoding, in the bytes made.
        reason: what was needed and what was there.
        partial: the good fields, enough to answer a format error (F39 = 30); None if not even the MTI was readable.
            Its `repr` hides all values that came from a peer, for a wrong bitmap puts card digits anywhere.
        clause: the row of the dialect that was broken, as ``"unionpay_pos field 2: n..19 bcd, LL bcd counting
            digits"``; empty if no row says it.
    """

    def __init__(
        self, field: int | str, offset: int, reason: str, partial: Message | None = None, clause: str = ""
    ) -> None:
        super().__init__(field, offset, reason)
        self.field = field
        self.offset = offset
        self.reason = reason
        self.partial = partial
        self.clause = clause

    def __str__(self) -> str:
        name = f"field {self.field}" if isinstance(self.field, int) else self.field
        return f"{name} at byte {self.offset}: {self.reason}"

    def __reduce__(self) -> tuple[type[Iso8583Error], tuple[int | str, int, str, None, str]]:
        return Iso8583Error, (self.field, self.offset, self.reason, None, self.clause)

    def moved(self, distance: int) -> Iso8583Error:
        """The same error seen from `distance` bytes further out: what a frame says of the message inside it."""
        return Iso8583Error(self.field, self.offset + distance, self.reason, self.partial, self.clause)
