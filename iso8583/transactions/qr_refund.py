"""Refund of a scanned sale (二维码退货): an advice, repeated as 0221 until answered.

It names the original by fields 37 and 61 and by its voucher in field 59 part A4.
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="qr_refund",
    mti="0220",
    processing_code="200000",
    condition_code="00",
    type_code="25",
    direction="credit",
    recovery="repeat",
    scan=True,
    mandatory=FINANCIAL | {37, 59, 61, 63},
    conditional=frozenset({38, 53}),
)
