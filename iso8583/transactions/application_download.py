"""Download of the parameters of one chip application (应用参数下载), 380 and 381: as that of a public key."""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="application_download",
    mti="0800",
    type_code="00",
    management_codes=("380", "381"),
    mac=False,
    answer_may_have_mac=True,
    mandatory=frozenset({41, 42, 60}),
    conditional=frozenset({11, 62}),
)
