"""Offline sale (离线消费): reported afterwards; the chip approved it while no host could be asked.

The goods are gone, so it is an advice: without an answer it is not reversed but repeated as 0201, until the issuer has
booked or declined it. Field 55 holds the chip's certificate (TC) and tag 8A, Y1 or Y3; field 63 the card organisation.
No PIN, no track. It cannot be voided.
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="offline_sale",
    mti="0200",
    processing_code="000000",
    condition_code="00",
    type_code="36",
    direction="debit",
    recovery="repeat",
    mandatory=FINANCIAL | {2, 23, 55, 63},
    conditional=frozenset({14, 59}),
)
