"""The only place that renders card data for people. It fails closed: what it does not recognise, it hides.

A PAN keeps its first six and last four digits, a customer's payment code its first two and last four. Of a message only
the fields of `SHOWN` appear, and only while they are no longer than their field: all else becomes a count.
"""

from collections.abc import Mapping
from typing import Final

PAN_LENGTHS: Final = range(13, 20)  # ISO/IEC 7812-1 numbers in use; with fewer digits, 6 + 4 would show too much
CODE_LENGTHS: Final = range(16, 25)  # wallets' one-time payment codes

# Field number -> longest value that may be shown as it is. Everything absent from this table is hidden.
SHOWN: Final[Mapping[int, int]] = {
    3: 6, 4: 12, 5: 12, 6: 12, 7: 10, 11: 6, 12: 6, 13: 4, 15: 4, 18: 4, 22: 3, 23: 3, 24: 3, 25: 2, 26: 2, 32: 11,
    33: 11, 37: 12, 38: 6, 39: 2, 41: 8, 42: 15, 49: 3, 60: 17, 61: 29, 66: 1, 70: 3, 90: 42,
}  # fmt: skip


def mask_pan(pan: str) -> str:
    """First six and last four digits of a PAN, stars between, its length kept.

    >>> mask_pan("6299990000000009")
    '629999******0009'
    >>> mask_pan("62999900")
    '********'
    """
    return _mask(pan, 6, PAN_LENGTHS)


def mask_code(code: str) -> str:
    """First two and last four digits of a customer's payment code, stars between, its length kept.

    >>> mask_code("6200000000000000000")
    '62*************0000'
    """
    return _mask(code, 2, CODE_LENGTHS)


def _mask(digits: str, kept_left: int, lengths: range) -> str:
    if len(digits) not in lengths or not (digits.isascii() and digits.isdigit()):
        return "*" * len(digits)
    return digits[:kept_left] + "*" * (len(digits) - kept_left - 4) + digits[-4:]


def mask_field(number: int, value: str | bytes) -> str:
    """How field `number` may be shown: in full, masked, or as a count. Never raises, never shows an unknown field."""
    if isinstance(value, str):
        if number == 2:
            return mask_pan(value)
        if len(value) <= SHOWN.get(number, -1):
            return value
    return f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"
