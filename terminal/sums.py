"""What the payments of a batch come to, and what of it may be lost. Amounts in minor units."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HOUR_S = 3600
SLICE_S = 300
"""Of what is parked the time of a sale is kept as one of these: each counts as if it had been made at its end."""


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


@dataclass(frozen=True, slots=True)
class Shares:
    """Of offline sales that the bank has not answered: what each operator sold, what is of each scheme, and when.

    `by_slice` is by the number of the slice of time, and has no sale that was an hour old when it was summed up.
    """

    by_operator: Mapping[str, int] = field(default_factory=dict)
    by_scheme: Mapping[str, int] = field(default_factory=dict)
    count_by_scheme: Mapping[str, int] = field(default_factory=dict)
    by_slice: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sales: Iterable[tuple[str, str, int, float]], now: float) -> "Shares":
        """Sum up sales: operator, scheme, amount, and when it was made."""
        return cls.total(
            cls({operator: amount}, {scheme: amount}, {scheme: 1}, _slice(amount, at) if now - at < HOUR_S else {})
            for operator, scheme, amount, at in sales
        )

    @classmethod
    def total(cls, parts: Iterable["Shares"]) -> "Shares":
        """All of them together."""
        operators, schemes, counts, slices = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for part in parts:
            operators.update(part.by_operator)
            schemes.update(part.by_scheme)
            counts.update(part.count_by_scheme)
            slices.update(part.by_slice)
        return cls(dict(operators), dict(schemes), dict(counts), dict(slices))

    def of_the_hour(self, now: float) -> int:
        """What was sold within the last hour, or within the slice of time before it."""
        return sum(amount for number, amount in self.by_slice.items() if now - (int(number) + 1) * SLICE_S < HOUR_S)


def _slice(amount: int, at: float) -> dict[str, int]:
    return {str(int(at // SLICE_S)): amount}
