"""Parameter download (参数传递): the answer's field 62 brings the terminal's parameters. No MAC.

60.3 = 360 asks, again and again until an answer brings nothing new; 361 says that all has been taken.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="parameter_download",
    mti="0800",
    type_code="00",
    management_codes=("360", "361"),
    mac=False,
    mandatory=frozenset({41, 42, 60}),
    conditional=frozenset({11}),
)
