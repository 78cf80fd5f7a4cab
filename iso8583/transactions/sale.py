"""Sale (消费): the card pays for goods.

Without an answer it is reversed. The card number comes from field 2, track 2 or track 3. With a PIN, fields 26, 52 and
53 go together; a chip adds 23 and 55.
"""

from iso8583.transactions.transaction_type import CARD, CARD_DATA, FINANCIAL, TransactionType

TYPE = TransactionType(
    name="sale",
    mti="0200",
    processing_code="000000",
    condition_code="00",
    type_code="22",
    direction="debit",
    recovery="reverse",
    mandatory=FINANCIAL,
    conditional=CARD_DATA,
    one_of=CARD,
)
