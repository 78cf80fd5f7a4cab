"""Status upload (状态上送): how the terminal is, in field 62 (`iso8583.unionpay_fields.field62`). No MAC."""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="status_upload",
    mti="0820",
    type_code="00",
    management_codes=("362",),
    mac=False,
    mandatory=frozenset({41, 42, 60, 62}),
    conditional=frozenset({11}),
)
