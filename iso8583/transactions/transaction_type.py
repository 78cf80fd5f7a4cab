"""What the protocol says about one kind of transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Direction = Literal["debit", "credit", "none"]
Recovery = Literal["reverse", "repeat", "none"]

CARD: Final = frozenset({2, 35, 36})  # where a card number may stand
# A field on the left is of no use without those on the right.
TOGETHER: Final[Mapping[int, frozenset[int]]] = {26: frozenset({52}), 52: frozenset({26, 53})}


@dataclass(frozen=True, slots=True)
class TransactionType:
    """One row of the table of transactions: how to recognise it, which fields it has, what follows if no answer comes.

    Attributes:
        name: our name for it.
        mti: the request's message type.
        processing_code: field 3; empty if there is none or (reversal) it is that of the original.
        condition_code: field 25, likewise.
        type_code: 60.1, likewise.
        management_codes: 60.3, every value that means this type; the first is the usual one.
        direction: what a settlement counts it as.
        recovery: without an answer: "reverse" it, "repeat" it until answered, or do nothing ("none").
        scan: the payer is known by a scanned code, not by a card (field 22 starts with 03).
        mac: request and approval carry a MAC.
        answer_may_have_mac: the approval may carry one although the request has none.
        mandatory: fields that must be there.
        conditional: fields that may be there.
        one_of: at least one of these must be there (none if empty).
        own_answer: fields that an approval must have beside those of every approval of a financial or a management
            request, as 62 with the keys of a sign-on.
        absent_answer: fields that it lacks, although the others have them.
    """

    name: str
    mti: str
    mandatory: frozenset[int]
    conditional: frozenset[int]
    processing_code: str = ""
    condition_code: str = ""
    type_code: str = ""
    management_codes: tuple[str, ...] = ("000",)
    direction: Direction = "none"
    recovery: Recovery = "none"
    scan: bool = False
    mac: bool = True
    answer_may_have_mac: bool = False
    one_of: frozenset[int] = field(default=frozenset())
    own_answer: frozenset[int] = field(default=frozenset())
    absent_answer: frozenset[int] = field(default=frozenset())

    @property
    def is_offline(self) -> bool:
        """Sold before anybody was asked: the goods are gone, whatever the answer will be."""
        return self.direction == "debit" and self.recovery == "repeat"

    @property
    def management_code(self) -> str:
        """60.3, the usual value."""
        return self.management_codes[0]

    @property
    def answer_mandatory(self) -> frozenset[int]:
        """Fields that an approval must have."""
        return (FINANCIAL_ANSWER if self.mac else MANAGEMENT_ANSWER) - self.absent_answer | self.own_answer

    @property
    def refusal_mandatory(self) -> frozenset[int]:
        """Fields that a refusal must have: the code, and what it is matched with its request by."""
        return frozenset({39}) | REFUSAL & self.mandatory

    @property
    def answer_conditional(self) -> frozenset[int]:
        """Fields that an answer may have."""
        common = FINANCIAL_ANSWER | FINANCIAL_ANSWER_DATA if self.mac else MANAGEMENT_ANSWER | MANAGEMENT_ANSWER_DATA
        return common - self.answer_mandatory | frozenset({64} if self.answer_may_have_mac else ())


# Fields of every financial request, and those that any card payment may add.
FINANCIAL: Final = frozenset({3, 4, 11, 22, 25, 41, 42, 49, 60, 64})
CARD_DATA: Final = frozenset({2, 14, 23, 26, 35, 36, 52, 53, 55, 59})

# Fields of the answers. The issuer's and the acquirer's names (44) are counted among those of every approval by the
# specification; hosts leave them out where no issuer was asked, as in a reversal.
FINANCIAL_ANSWER: Final = frozenset({3, 4, 11, 12, 13, 15, 25, 32, 37, 39, 41, 42, 49, 60, 64})
FINANCIAL_ANSWER_DATA: Final = frozenset({2, 14, 22, 23, 26, 38, 44, 53, 54, 55, 59, 62, 63})
MANAGEMENT_ANSWER: Final = frozenset({39, 41, 42, 60})
MANAGEMENT_ANSWER_DATA: Final = frozenset({11, 12, 13, 15, 32, 37, 48, 49, 55, 59, 62, 63})
REFUSAL: Final = frozenset({3, 11, 41, 42})
