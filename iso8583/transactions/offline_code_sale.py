"""Sale by a signed code while neither side was online (离线码消费): the terminal has verified the code, and reports it.

As an offline sale (离线消费) it is an advice: the goods are gone, so without an answer it is not reversed but repeated
as 0201. Field 22 is 032; field 59 part A6 has the whole code, which the host verifies again. There is no card: the
payer's account is the one that the host has for the key in the code. It cannot be voided.
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="offline_code_sale",
    mti="0200",
    processing_code="000000",
    condition_code="00",
    type_code="36",
    direction="debit",
    recovery="repeat",
    scan=True,
    mandatory=FINANCIAL | {59},
    conditional=frozenset(),
)
