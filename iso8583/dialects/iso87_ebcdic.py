"""ISO 8583:1987 for mainframes: digits, text and lengths are EBCDIC (code page 500), bitmaps and binary are raw.

Every row is that of `iso87_ascii`, rewritten by one rule. Of EBCDIC only letters, digits and common punctuation are
the same on every code page; brackets, "!" and "^" differ between 500, 037 and 1047.
"""

from dataclasses import replace

from iso8583.dialects.iso87_ascii import TABLE as ISO87_ASCII
from iso8583.table import Field, Prefix


def ebcdic(row: Field) -> Field:
    """A row of ASCII characters as one of EBCDIC characters, or of hexadecimal as one of raw bytes."""
    prefix = row.prefix and Prefix("ebcdic", row.prefix.digits)
    return replace(row, encoding="raw" if row.content == "b" else "ebcdic", prefix=prefix)


TABLE = ISO87_ASCII.derive(
    "iso87_ebcdic",
    {number: ebcdic(row) for number, row in ISO87_ASCII.fields.items()},
    mti=ebcdic(ISO87_ASCII.mti),
    bitmap=ebcdic(ISO87_ASCII.bitmap),
    title="ISO 8583:1987 in EBCDIC characters, raw bitmaps and binary",
)
