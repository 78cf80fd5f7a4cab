"""Reversal (冲正): "forget this transaction, whatever became of it".

Fields 3, 4, 11, 22, 25 and 60 are the original's, also the trace number; field 39 is the reason: 98 no answer, A0 the
answer's MAC was wrong, 06 other (such as a card removed after the approval). Field 61 only if the original had it.
Never 26, 35, 36, 37, 52 or 53; field 2 not for a swiped card nor a scanned code. It is repeated until answered; the
answers 00, 12 and 25 all mean that it is over (`iso8583.response_codes.REVERSAL_DONE`).
"""

from iso8583.transactions.transaction_type import FINANCIAL, TransactionType

TYPE = TransactionType(
    name="reversal",
    mti="0400",
    recovery="repeat",
    mandatory=FINANCIAL | {39},
    conditional=frozenset({2, 14, 23, 38, 55, 61}),
)
