"""ISO 8583:1987 packed: two digits a byte, two digits a byte in lengths too, raw bitmaps and binary, ASCII text.

Every row is that of `iso87_ascii`, rewritten by one rule. Numbers of a fixed odd length are padded with 0 on the left,
where they are worth nothing; those with a length in front on the right. Lengths count digits of packed values and bytes
of all others.

This is the layout of jPOS's ISO87BPackager, which packs track 2 as well ("=" is the nibble D) and, like it, leaves the
currency codes 49 to 51 as characters, for the standard allows letters in them. It differs in track 3, which is packed
here like track 2, in fields 93 and 96 (5 characters and 8 bytes, as the standard has them), and in field 55 (IC data).
"""

from dataclasses import replace

from iso8583.dialects.iso87_ascii import TABLE as ISO87_ASCII
from iso8583.table import Field, Prefix

_PACKED = {"n", "x+n", "z"}
_CURRENCIES = {49, 50, 51}


def packed(row: Field) -> Field:
    """A row of characters as one of packed digits, raw binary and packed lengths."""
    prefix = row.prefix and Prefix("bcd", row.prefix.digits)
    if row.content == "b":
        return replace(row, encoding="raw", prefix=prefix)
    if row.content in _PACKED:
        return replace(row, encoding="bcd", prefix=prefix, pad="right" if prefix else "left")
    return replace(row, prefix=prefix)


TABLE = ISO87_ASCII.derive(
    "iso87_bcd",
    {number: packed(row) for number, row in ISO87_ASCII.fields.items() if number not in _CURRENCIES},
    mti=packed(ISO87_ASCII.mti),
    bitmap=packed(ISO87_ASCII.bitmap),
    title="ISO 8583:1987 in packed BCD, raw bitmaps and binary, ASCII text",
)
