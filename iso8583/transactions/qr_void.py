"""Void of a scanned sale (二维码消费撤销): takes back one whole sale of the same terminal and batch.

It names the original by fields 37 and 61 and by its voucher in field 59 part A4. Without an answer it is reversed.
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="qr_void",
    mti="0200",
    processing_code="200000",
    condition_code="00",
    type_code="23",
    direction="credit",
    recovery="reverse",
    scan=True,
    mandatory=FINANCIAL | {37, 59, 61},
    conditional=frozenset({38, 53}),
)
