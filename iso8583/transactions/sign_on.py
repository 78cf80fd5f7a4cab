"""Sign-on (签到): the answer brings the working keys (field 62), the batch number (60.2) and the time (12, 13).

60.3 asks for 003 double-length keys, 004 the same and a track key, 001 single-length keys. Field 63 is the operator.
The terminal has no keys yet, so there is no MAC.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="sign_on",
    mti="0800",
    type_code="00",
    management_codes=("003", "004", "001"),
    mac=False,
    mandatory=frozenset({11, 41, 42, 60, 63}),
    conditional=frozenset({59, 62}),
    own_answer=frozenset({11, 12, 13, 62}),
)
