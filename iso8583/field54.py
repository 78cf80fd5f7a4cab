"""Field 54: the balance that the answer to a balance inquiry brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.positional import check_digits, cut, join, padded_number

KIND_LENGTHS: Final = (2, 2, 3)
SIGN_AT: Final = sum(KIND_LENGTHS)
AMOUNT_DIGITS: Final = 12


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
        sign, amount = text[SIGN_AT : SIGN_AT + 1], text[SIGN_AT + 1 :]
        if sign not in {"C", "D"}:
            raise Iso8583Error("54.4", SIGN_AT, "needed a sign C or D, there is something else")
        fen = int(check_digits("54.5", amount, AMOUNT_DIGITS, SIGN_AT + 1))
        account_type, amount_type, currency = cut(54, text[:SIGN_AT], KIND_LENGTHS)
        return cls(account_type, amount_type, currency, -fen if sign == "D" else fen)

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        kind = join(54, (self.account_type, self.amount_type, self.currency), KIND_LENGTHS)
        return f"{kind}{'D' if self.amount < 0 else 'C'}{padded_number('54.5', abs(self.amount), AMOUNT_DIGITS)}"
