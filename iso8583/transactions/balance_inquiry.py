"""Balance inquiry (余额查询): the answer brings field 54. No amount, no money moves, nothing to recover."""

from iso8583.transactions.transaction_type import CARD, CARD_DATA, FINANCIAL, TransactionType

TYPE = TransactionType(
    name="balance_inquiry",
    mti="0200",
    processing_code="310000",
    condition_code="00",
    type_code="01",
    mandatory=FINANCIAL - {4},
    conditional=CARD_DATA,
    one_of=CARD,
    own_answer=frozenset({54}),
    absent_answer=frozenset({4}),
)
