"""Refund (退货): gives money back for a sale of this or an earlier day, in whole or in part.

It is an advice: without an answer it is not reversed but repeated as 0221. Field 61 names the original with its date,
field 63 the card organisation (000 if unknown).
"""

from iso8583.transactions.transaction_type import CARD, CARD_DATA, FINANCIAL, TransactionType

TYPE = TransactionType(
    name="refund",
    mti="0220",
    processing_code="200000",
    condition_code="00",
    type_code="25",
    direction="credit",
    recovery="repeat",
    mandatory=FINANCIAL | {37, 61, 63},
    conditional=CARD_DATA | {38},
    one_of=CARD,
)
