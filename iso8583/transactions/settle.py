"""Settlement (批结算): the terminal's totals of a batch in field 48, the host's verdict in the answer's field 48.

The answer has no field 39. Reversals and offline advices must have been sent before. No MAC.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="settle",
    mti="0500",
    type_code="00",
    management_codes=("201",),
    recovery="repeat",
    mac=False,
    mandatory=frozenset({11, 41, 42, 48, 49, 60, 63}),
    conditional=frozenset(),
    own_answer=frozenset({11, 48}),
    absent_answer=frozenset({39}),
)
