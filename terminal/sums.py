"""What the payments of a batch come to, and what of it may be lost. Amounts in minor units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """What field 48 of a settlement says: sales on the debit side, voids and refunds on the credit side."""

    debit_amount: int = 0
    debit_count: int = 0
    credit_amount: int = 0
    credit_count: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """Offline sales that the bank has not answered: how many, what they come to, and when the oldest was made."""

    count: int = 0
    amount: int = 0
    since: float | None = None

    def __add__(self, other: "Owed") -> "Owed":
        times = [since for since in (self.since, other.since) if since is not None]
        return Owed(self.count + other.count, self.amount + other.amount, min(times, default=None))


@dataclass(frozen=True, slots=True)
class Lost:
    """Offline sales that the bank has declined: goods and money are gone. Amounts in minor units."""

    count: int = 0
    amount: int = 0
