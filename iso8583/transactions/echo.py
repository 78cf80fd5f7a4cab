"""Echo test (回响测试): is the host there?

The specification knows it without a MAC. Where both sides agree on one, field 64 of the question proves to the host who
asks, and that of the answer, over the number of the question (11) and the host's time (12, 13), that it is the host.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="echo",
    mti="0820",
    type_code="00",
    management_codes=("301",),
    mac=False,
    mandatory=frozenset({41, 42, 60}),
    answer_may_have_mac=True,
    conditional=frozenset({11, 63, 64}),
)
