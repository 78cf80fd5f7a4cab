"""Field 60, the batch and type block, and field 61, which names the original transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from iso8583.parts import Part, Positional
from iso8583.positional import cut, join

PARTS60: Final = Positional(
    (
        Part("transaction type", "n", 2, "show", "交易类型码"),
        Part("batch number", "n", 6, "show", "批次号"),
        Part("management code", "n", 3, "show", "网络管理信息码"),
        Part("reader capability", "n", 1, "show", "终端读取能力"),
        Part("chip condition", "n", 1, "show", "IC卡条件代码"),
        Part("partial approval", "n", 1, "show", "支持部分扣款标志"),
        Part("account type", "n", 3, "show", "账户类型"),
    ),
    minimum=3,
)
PARTS61: Final = Positional(
    (
        Part("original batch number", "n", 6, "show", "原始交易批次号"),
        Part("original trace number", "n", 6, "show", "原始交易流水号"),
        Part("original date", "n", 4, "show", "原始交易日期"),
        Part("original authorisation mode", "n", 2, "show", "原交易授权方式"),
        Part("original authorisation institution", "n", 11, "show", "原交易授权机构代码"),
    ),
    minimum=2,
)


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
        return cls(*cut("60", text, PARTS60))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        first = (self.type_code, self.batch, self.management_code)
        last = (self.reader_capability, self.chip_condition, self.partial_approval, self.account_type)
        return join("60", first + last, PARTS60)


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
        return cls(*cut("61", text, PARTS61))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        parts = (self.batch, self.trace, self.date, self.auth_mode, self.auth_institution)
        return join("61", parts, PARTS61)
