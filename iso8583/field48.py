"""Field 48: the totals of a settlement, and the records of a batch upload. Amounts are in fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.positional import check_digits, cut, join, padded_number

HALF_LENGTHS: Final = (12, 3, 12, 3, 1)
RECORD_LENGTHS: Final = (2, 6, 20, 12)
RECORD_DIGITS: Final = sum(RECORD_LENGTHS)
RECORDS_MAX: Final = 8  # in one message


@dataclass(frozen=True, slots=True)
class Totals:
    """One half of the settlement totals, for domestic or for foreign cards.

    Attributes:
        debit_amount, debit_count: sales and completions.
        credit_amount, credit_count: voids and refunds.
        result: 0 asked, 1 balanced, 2 unbalanced, 3 error.
    """

    debit_amount: int = 0
    debit_count: int = 0
    credit_amount: int = 0
    credit_count: int = 0
    result: str = "0"

    @classmethod
    def _parse(cls, parts: list[str]) -> Totals:
        debit_amount, debit_count, credit_amount, credit_count = map(int, parts[:4])
        return cls(debit_amount, debit_count, credit_amount, credit_count, parts[4])

    def _parts(self) -> list[str]:
        numbers = (self.debit_amount, self.debit_count, self.credit_amount, self.credit_count)
        pairs = enumerate(zip(numbers, HALF_LENGTHS[:4], strict=True), 1)
        return [*(padded_number(f"48.{part}", number, length) for part, (number, length) in pairs), self.result]


@dataclass(frozen=True, slots=True)
class Totals48:
    """Field 48 of a settlement (0500 and 0510), 62 digits."""

    domestic: Totals = Totals()
    foreign: Totals = Totals()

    @classmethod
    def parse(cls, text: str) -> Totals48:
        """The field taken apart. Raises Iso8583Error unless it is 62 digits."""
        check_digits("48", text, 2 * sum(HALF_LENGTHS))
        parts = list(cut(48, text, HALF_LENGTHS * 2))
        return cls(Totals._parse(parts[:5]), Totals._parse(parts[5:]))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a number does not fit its part."""
        return join(48, self.domestic._parts() + self.foreign._parts(), HALF_LENGTHS * 2)


@dataclass(frozen=True, slots=True)
class Detail48:
    """One transaction of a batch upload.

    Attributes:
        trace: its trace number, 6 digits.
        pan: the card number, not shown by `repr`; on the wire it has zeros to its left, up to 20 digits.
        amount: fen.
        foreign: the card is a foreign one.
    """

    trace: str
    pan: str = field(repr=False)
    amount: int
    foreign: bool = False

    @classmethod
    def _parse(cls, text: str) -> Detail48:
        origin, trace, pan, amount = cut(48, text, RECORD_LENGTHS)
        if origin not in {"00", "01"}:
            raise Iso8583Error("48.1", 0, "needed 00 (domestic) or 01 (foreign), there is something else")
        return cls(trace, pan.lstrip("0"), int(amount), foreign=origin == "01")

    def _text(self) -> str:
        parts = (f"{self.foreign:02d}", self.trace, self.pan.rjust(20, "0"), padded_number("48.4", self.amount, 12))
        return join(48, parts, RECORD_LENGTHS)


@dataclass(frozen=True, slots=True)
class Details48:
    """Field 48 of a batch upload (0320, 60.3 = 201): a count of 2 digits, then one to eight records of 40 digits."""

    records: tuple[Detail48, ...]

    @classmethod
    def parse(cls, text: str) -> Details48:
        """The field taken apart. Raises Iso8583Error if the count is not that of the records, or above eight."""
        count = int(check_digits("48.count", text[:2], 2))
        if not 1 <= count <= RECORDS_MAX:
            raise Iso8583Error("48.count", 0, f"needed 1 to {RECORDS_MAX} records, the count says {count}")
        records = check_digits("48", text[2:], count * RECORD_DIGITS, 2)
        starts = range(0, len(records), RECORD_DIGITS)
        return cls(tuple(Detail48._parse(records[at : at + RECORD_DIGITS]) for at in starts))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if there is no record, or more than eight."""
        if not 1 <= len(self.records) <= RECORDS_MAX:
            raise Iso8583Error("48.count", 0, f"needed 1 to {RECORDS_MAX} records, there are {len(self.records)}")
        return f"{len(self.records):02d}" + "".join(record._text() for record in self.records)
