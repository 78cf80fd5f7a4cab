"""The only place that renders card data for people. It fails closed: what it does not recognise, it hides.

A PAN keeps its first six and last four digits, a customer's payment code its first two and last four. Of a message only
the fields whose rows say so appear, and only while they are no longer than their field: all else becomes a count.
"""

from collections.abc import Mapping
from typing import Final

from iso8583.parts import Part
from iso8583.table import Field, Mask

PAN_LENGTHS: Final = range(13, 20)  # ISO/IEC 7812-1 numbers in use; with fewer digits, 6 + 4 would show too much
CODE_LENGTHS: Final = range(16, 25)  # wallets' one-time payment codes

# What a message is shown by that no dialect has decoded: fields that are harmless in every dialect, with the longest
# value that any of them gives the field.
_USUAL: Final = {
    3: 6, 4: 12, 5: 12, 6: 12, 7: 10, 11: 6, 12: 6, 13: 4, 15: 4, 18: 4, 22: 3, 23: 3, 24: 3, 25: 2, 26: 2, 32: 11,
    33: 11, 37: 12, 38: 6, 39: 2, 41: 8, 42: 15, 49: 3, 60: 17, 66: 1, 70: 3, 90: 42,
}  # fmt: skip
USUAL_ROWS: Final[Mapping[int, Field]] = {2: Field("", "n", "ascii", 19, mask="pan")} | {
    number: Field("", "ans", "ascii", length, mask="show") for number, length in _USUAL.items()
}


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


def mask_field(row: Field | None, value: str | bytes) -> str:
    """How a field may be shown: in full, masked, or as a count. Never raises, never shows a field that has no row."""
    if row is not None and isinstance(value, str):
        if row.mask == "show":
            return value if len(value) <= row.length else hidden(value)
        return mask_value(row.mask, value)
    return hidden(value)


def mask_part(row: Field | Part | None, value: str | bytes) -> str:
    """How a sub-field may be shown: text as it is or masked, bytes that may be seen in hexadecimal. Never raises.

    Bytes of a text class are shown as text, and a PAN in them by its digits, whatever pads it.

    >>> from iso8583.emv_tags import EMV
    >>> mask_part(EMV.tags[0x5A], bytes.fromhex("6299990000000009FFFF"))
    '629999******0009'
    """
    if row is None or row.mask == "hide" or len(value) > row.length:
        return hidden(value)
    if isinstance(value, bytes):
        is_text = row.content in {"a", "an", "ans"} and value.isascii() and value.decode("latin-1").isprintable()
        value = value.decode("ascii") if is_text else value.hex().upper()
    return mask_value(row.mask, value.strip("F").lstrip("0") if row.mask == "pan" else value)


def mask_value(mask: Mask, value: str) -> str:
    """`value` under a masking rule: as it is, as a PAN, as a payment code, or as a count."""
    match mask:
        case "show":
            return value
        case "pan":
            return mask_pan(value)
        case "code":
            return mask_code(value)
    return hidden(value)


def hidden(value: str | bytes) -> str:
    """What stands for a value that must not be seen."""
    return f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"
