"""Batch upload (批上送): the batch's transactions in field 48, up to eight a message, after a settlement.

60.3 is 201 for the records and, in the last message, 207 after a balanced or 202 after an unbalanced settlement; that
one's field 48 is the number of records sent, four digits. The terminal forgets the batch only on its answer. No MAC.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="batch_upload",
    mti="0320",
    type_code="00",
    management_codes=("201", "207", "202"),
    recovery="repeat",
    mac=False,
    mandatory=frozenset({11, 41, 42, 48, 60}),
    conditional=frozenset({49, 63}),
)
