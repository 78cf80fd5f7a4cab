"""Rescue upload: a sealed message of a terminal that cannot send it, carried by another one. A type of our own.

60.3 is 290. Field 62 holds the id of the terminal that has sealed it (8 characters), then the message as
`iso8583.rescue` seals it. The answer is that to the sealed message, for the terminal that sealed it. No MAC.
"""

from iso8583.transactions.transaction_type import TransactionType

TYPE = TransactionType(
    name="rescue_upload",
    mti="0320",
    type_code="00",
    management_codes=("290",),
    recovery="repeat",
    mac=False,
    mandatory=frozenset({11, 41, 42, 60, 62}),
    conditional=frozenset(),
)
