"""Field 48: the totals of a settlement, and the records of a batch upload. Amounts are in fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.parts import Form, Forms, Part, Positional, Records
from iso8583.positional import check_count, cut, join, padded_number, records

RECORDS_MAX: Final = 8  # in one message
PAN_DIGITS: Final = 20  # of a record, zeros on the left
ORIGINS: Final = ("00", "01")


def _half(origin: str, zh: str) -> tuple[Part, ...]:
    return (
        Part(f"{origin}, debit amount", "n", 12, "show", f"{zh}借记金额"),
        Part(f"{origin}, debit count", "n", 3, "show", f"{zh}借记笔数"),
        Part(f"{origin}, credit amount", "n", 12, "show", f"{zh}贷记金额"),
        Part(f"{origin}, credit count", "n", 3, "show", f"{zh}贷记笔数"),
        Part(f"{origin}, result", "n", 1, "show", f"{zh}对账结果"),
    )


_HALF_PARTS: Final = 5
TOTALS: Final = Positional(_half("domestic cards", "内卡") + _half("foreign cards", "外卡"), minimum=2 * _HALF_PARTS)

RECORD: Final = Positional(
    (
        Part("origin", "n", 2, "show", "卡片归属"),  # 00 domestic, 01 foreign
        Part("trace number", "n", 6, "show", "流水号"),
        Part("card number", "n", PAN_DIGITS, "pan", "卡号"),
        Part("amount", "n", 12, "show", "金额"),
    ),
    minimum=4,
)
DETAILS: Final = Records(Part("transaction", "n", RECORD.length, name_zh="交易明细", parts=RECORD), 2, RECORDS_MAX)
COUNT: Final = Positional((Part("transactions sent", "n", 4, "show", "总笔数"),), minimum=1)

PARTS48: Final = Forms(
    (
        Form(TOTALS, frozenset({"0500", "0501", "0510"})),
        Form(DETAILS, frozenset({"0320", "0321", "0330"}), "60.3", frozenset({"201"})),
        Form(COUNT, frozenset({"0320", "0321", "0330"}), "60.3", frozenset({"202", "207"})),
    )
)


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
    def _parse(cls, values: list[str]) -> Totals:
        debit_amount, debit_count, credit_amount, credit_count = map(int, values[:-1])
        return cls(debit_amount, debit_count, credit_amount, credit_count, values[-1])

    def _values(self, first: int) -> list[str]:
        numbers = (self.debit_amount, self.debit_count, self.credit_amount, self.credit_count)
        rows = enumerate(zip(numbers, TOTALS.parts, strict=False), first)
        return [*(padded_number(f"48.{part}", number, row.length) for part, (number, row) in rows), self.result]


@dataclass(frozen=True, slots=True)
class Totals48:
    """Field 48 of a settlement (0500 and 0510), 62 digits."""

    domestic: Totals = Totals()
    foreign: Totals = Totals()

    @classmethod
    def parse(cls, text: str) -> Totals48:
        """The field taken apart. Raises Iso8583Error unless it is 62 digits."""
        values = cut("48", text, TOTALS)
        return cls(Totals._parse(values[:_HALF_PARTS]), Totals._parse(values[_HALF_PARTS:]))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a number does not fit its part."""
        return join("48", self.domestic._values(1) + self.foreign._values(1 + _HALF_PARTS), TOTALS)


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
    def _parse(cls, text: str, path: str, at: int) -> Detail48:
        origin, trace, pan, amount = cut(path, text, RECORD, at)
        if origin not in ORIGINS:
            raise Iso8583Error(f"{path}.1", at, "needed 00 (domestic) or 01 (foreign), there is something else")
        return cls(trace, pan.lstrip("0"), int(amount), foreign=origin == ORIGINS[True])

    def _text(self, path: str) -> str:
        amount = padded_number(f"{path}.4", self.amount, RECORD.parts[3].length)
        return join(path, (ORIGINS[self.foreign], self.trace, self.pan.rjust(PAN_DIGITS, "0"), amount), RECORD)


@dataclass(frozen=True, slots=True)
class Details48:
    """Field 48 of a batch upload (0320, 60.3 = 201): a count of 2 digits, then one to eight records of 40 digits."""

    records: tuple[Detail48, ...]

    @classmethod
    def parse(cls, text: str) -> Details48:
        """The field taken apart. Raises Iso8583Error if the count is not that of the records, or above eight."""
        rows = records("48", text.encode("ascii", errors="replace"), DETAILS)
        return cls(tuple(Detail48._parse(record.decode("ascii"), path, at) for path, at, _, record in rows))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if there is no record, or more than eight."""
        count = len(self.records)
        check_count("48", count, DETAILS)
        texts = [record._text(f"48.{number}") for number, record in enumerate(self.records, 1)]
        return padded_number("48.count", count, DETAILS.count_digits) + "".join(texts)
