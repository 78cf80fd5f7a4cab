"""Sale by a scanned code (二维码消费, customer's code): field 22 is 032, field 59 part A3 the code.

There is no card: no fields 2, 35, 36, 52 or 55. The wallet asks its user for a PIN itself, so the answer may take
longer. Without one it is reversed.
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="qr_sale",
    mti="0200",
    processing_code="000000",
    condition_code="00",
    type_code="22",
    direction="debit",
    recovery="reverse",
    scan=True,
    mandatory=FINANCIAL | {59},
    conditional=frozenset({53}),
)
