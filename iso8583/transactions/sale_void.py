"""Void of a sale (消费撤销): takes back one whole sale of the same terminal and batch.

Field 61 names the original by batch and trace, field 37 by the host's reference; the amount is the original's. Without
an answer the void itself is reversed.
"""

from iso8583.transactions.transaction_type import CARD_DATA, FINANCIAL, TransactionType

TYPE = TransactionType(
    name="sale_void",
    mti="0200",
    processing_code="200000",
    condition_code="00",
    type_code="23",
    direction="credit",
    recovery="reverse",
    mandatory=FINANCIAL | {37, 61},
    conditional=CARD_DATA | {38},
)
