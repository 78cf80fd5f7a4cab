"""Sign-off (签退): the working keys are no longer valid afterwards. No MAC."""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="sign_off",
    mti="0820",
    type_code="00",
    management_codes=("002",),
    mac=False,
    mandatory=frozenset({11, 41, 42, 60}),
    conditional=frozenset({63}),
)
