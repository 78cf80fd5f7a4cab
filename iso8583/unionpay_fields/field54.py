"""Field 54: the balance that the answer to a balance inquiry brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from iso8583.parts import Part, Positional
from iso8583.positional import cut, join, padded_number

PARTS54: Final = Positional(
    (
        Part("account type", "n", 2, "show", "账户类型"),
        Part("amount type", "n", 2, "show", "余额类型"),
        Part("currency", "n", 3, "show", "货币代码"),
        Part("sign and amount", "x+n", 13, "hide", "余额符号与金额"),  # hidden, as balances are
    ),
    minimum=4,
)


@dataclass(frozen=True, slots=True)
class Balance54:
    """One balance.

    Attributes:
        account_type: 2 digits, as in field 3: 00 unspecified, 10 savings, 30 credit.
        amount_type: 2 digits: 01 ledger balance, 02 available balance.
        currency: ISO 4217 number.
        amount: minor units, negative if the account owes (sign D).
    """

    account_type: str
    amount_type: str
    currency: str
    amount: int

    @classmethod
    def parse(cls, text: str) -> Balance54:
        """The field taken apart. Raises Iso8583Error unless it is 7 digits, a sign C or D, and 12 digits."""
        account_type, amount_type, currency, amount = cut("54", text, PARTS54)
        fen = int(amount[1:])
        return cls(account_type, amount_type, currency, -fen if amount[0] == "D" else fen)

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        digits = padded_number("54.4", abs(self.amount), PARTS54.parts[-1].length - 1)
        amount = ("D" if self.amount < 0 else "C") + digits
        return join("54", (self.account_type, self.amount_type, self.currency, amount), PARTS54)
