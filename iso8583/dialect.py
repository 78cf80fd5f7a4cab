"""A loaded dialect: `decode` and `encode`, by a compiled plan where there is one, by the reference codec where not.

There is one meaning and two paths to it. A plan is straight-line code for one MTI and bitmap (`iso8583.compiled`). It
either gives exactly what the reference codec gives, or gives up, and then the reference codec says what is wrong.
Plans are made at load for the messages that the table declares; others are learned from messages that the reference
codec has accepted. Making one costs as much as decoding some hundred messages, so they are capped and never replaced:
a peer that varies its bitmaps cannot buy more than the cap, and what lies beyond it is only slower.
"""

from __future__ import annotations

from typing import Final

from iso8583.message import Message
from iso8583.reference import ReferenceCodec
from iso8583.table import Table

PLANS_MAX: Final = 512  # in each direction; a fleet of terminals uses some dozens


class Dialect:
    """`decode` and `encode` for one table. Threads may share it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._reference = ReferenceCodec(table)

    @property
    def name(self) -> str:
        """The dialect's name."""
        return self.table.name

    def decode(self, data: bytes | bytearray | memoryview) -> Message:
        """The message in `data`, which starts with the MTI and ends with the last field.

        Raises:
            Iso8583Error: anything at all is not as the dialect says. Its `partial` holds the fields before the fault,
                and those behind it too if only contents were wrong and all lengths still add up.
        """
        return self._reference.decode(bytes(data))

    def encode(self, message: Message) -> bytes:
        """`message` on the wire, checked as strictly as `decode` does.

        Raises:
            Iso8583Error: a field that the dialect lacks, of the wrong type, of the wrong length, or with characters
                outside its class. Its offset is where the field would begin, its `partial` holds all good fields.
        """
        return self._reference.encode(message)
