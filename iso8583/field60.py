"""Field 60, the batch and type block, and field 61, which names the original transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.positional import cut, join

BLOCK_LENGTHS: Final = (2, 6, 3, 1, 1, 1, 3)
ORIGINAL_LENGTHS: Final = (6, 6, 4, 2, 11)


@dataclass(frozen=True, slots=True)
class Block60:
    """Field 60. Management messages end after 60.3, financial ones after 60.5 or later; what is absent is empty.

    Attributes:
        type_code: 60.1, transaction type, 2 digits.
        batch: 60.2, the batch number that the host gave at sign-on, 6 digits.
        management_code: 60.3, 3 digits, 000 for financial messages.
        reader_capability: 60.4: 0 unknown, 2 stripe, 5 contact chip, 6 contact and contactless chip.
        chip_condition: 60.5: 0 normal or no chip, 1 last chip was read, 2 last chip could not be read.
        partial_approval: 60.6: 1 if the terminal takes partial approvals.
        account_type: 60.7: 048 issuer's points, 065 alliance's points.
    """

    type_code: str
    batch: str
    management_code: str = "000"
    reader_capability: str = ""
    chip_condition: str = ""
    partial_approval: str = ""
    account_type: str = ""

    @classmethod
    def parse(cls, text: str) -> Block60:
        """The field taken apart. Raises Iso8583Error if a part is cut short, or 60.1 to 60.3 are not all there."""
        block = cls(*cut(60, text, BLOCK_LENGTHS))
        if not block.management_code:
            raise Iso8583Error("60.3", len(text), f"needed at least 11 digits, there are {len(text)}")
        return block

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        first = (self.type_code, self.batch, self.management_code)
        last = (self.reader_capability, self.chip_condition, self.partial_approval, self.account_type)
        return join(60, first + last, BLOCK_LENGTHS)


@dataclass(frozen=True, slots=True)
class Original61:
    """Field 61. A void of a sale ends after the trace; what is absent is empty.

    Attributes:
        batch: 61.1, the original's batch number, 6 digits.
        trace: 61.2, its trace number, 6 digits.
        date: 61.3, its date, MMDD.
        auth_mode: 61.4: 00 POS, 01 telephone, 02 stand-in.
        auth_institution: 61.5, 11 digits.
    """

    batch: str
    trace: str
    date: str = ""
    auth_mode: str = ""
    auth_institution: str = ""

    @classmethod
    def parse(cls, text: str) -> Original61:
        """The field taken apart. Raises Iso8583Error if a part is cut short, or 61.1 and 61.2 are not both there."""
        original = cls(*cut(61, text, ORIGINAL_LENGTHS))
        if not original.trace:
            raise Iso8583Error("61.2", len(text), f"needed at least 12 digits, there are {len(text)}")
        return original

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        parts = (self.batch, self.trace, self.date, self.auth_mode, self.auth_institution)
        return join(61, parts, ORIGINAL_LENGTHS)
