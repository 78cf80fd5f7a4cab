"""Download of the black list (黑名单下载): 60.3 = 390 asks for the next cards, 391 says that all have been taken.

The request bears no MAC; the answer may.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="black_list_download",
    mti="0800",
    type_code="00",
    management_codes=("390", "391"),
    mac=False,
    answer_may_have_mac=True,
    mandatory=frozenset({41, 42, 60}),
    conditional=frozenset({11, 62}),
)
