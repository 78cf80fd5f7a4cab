"""List of the chip applications (应用参数列表), as that of the public keys."""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="application_list",
    mti="0820",
    type_code="00",
    management_codes=("382",),
    mac=False,
    answer_may_have_mac=True,
    mandatory=frozenset({41, 42, 60, 62}),
    conditional=frozenset({11}),
)
