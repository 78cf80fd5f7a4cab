"""List of the card authorities' public keys (公钥列表): field 62 says how many names have come.

The answer brings the next names and says whether more follow. The request bears no MAC; the answer may.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="ca_key_list",
    mti="0820",
    type_code="00",
    management_codes=("372",),
    mac=False,
    answer_may_have_mac=True,
    mandatory=frozenset({41, 42, 60, 62}),
    conditional=frozenset({11}),
)
