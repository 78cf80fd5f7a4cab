"""Echo test (回响测试): is the host there? No MAC."""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="echo",
    mti="0820",
    type_code="00",
    management_codes=("301",),
    mac=False,
    mandatory=frozenset({41, 42, 60}),
    conditional=frozenset({11, 63}),
)
