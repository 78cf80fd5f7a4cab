"""Download of one public key (公钥下载), 60.3 = 370: field 62 names it. 371 says that all have been taken.

The request bears no MAC; the answer may.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="ca_key_download",
    mti="0800",
    type_code="00",
    management_codes=("370", "371"),
    mac=False,
    answer_may_have_mac=True,
    mandatory=frozenset({41, 42, 60}),
    conditional=frozenset({11, 62}),
)
