"""Terminal to acquirer, the "direct POS" messages of China UnionPay: packed BCD, one bitmap of 64 bits.

LL is one BCD byte and LLL two; both count digits in n and z fields and bytes in all others.
"""

from iso8583.table import Field, Prefix, Table

LL = Prefix("bcd", 2)
LLL = Prefix("bcd", 3)

TABLE = Table(
    name="unionpay_pos",
    version="0",
    mti=Field("message type", "n", "bcd", 4),
    bitmap=Field("bitmap", "b", "raw", 8),
    bits=64,
    fields={
        2: Field("primary account number", "n", "bcd", 19, LL, minimum=1, mask="pan"),
        3: Field("processing code", "n", "bcd", 6, mask="show"),
        4: Field("amount", "n", "bcd", 12, mask="show"),
        11: Field("POS trace number", "n", "bcd", 6, mask="show"),
        12: Field("local time", "n", "bcd", 6, mask="show"),
        13: Field("local date", "n", "bcd", 4, mask="show"),
        14: Field("expiry date", "n", "bcd", 4),
        15: Field("settlement date", "n", "bcd", 4, mask="show"),
        22: Field("entry mode", "n", "bcd", 3, mask="show"),
        23: Field("card sequence number", "n", "bcd", 3, pad="left", mask="show"),
        25: Field("service point condition", "n", "bcd", 2, mask="show"),
        26: Field("PIN capture length", "n", "bcd", 2, mask="show"),
        32: Field("acquirer identification", "n", "bcd", 11, LL, minimum=1, mask="show"),
        35: Field("track 2", "z", "bcd", 37, LL, minimum=1),
        36: Field("track 3", "z", "bcd", 104, LLL, minimum=1),
        37: Field("retrieval reference number", "an", "ascii", 12, mask="show"),
        38: Field("authorisation code", "an", "ascii", 6, mask="show"),
        39: Field("response code", "an", "ascii", 2, mask="show"),
        41: Field("terminal identification", "ans", "ascii", 8, mask="show"),
        42: Field("merchant identification", "ans", "ascii", 15, mask="show"),
        44: Field("issuer and acquirer", "an", "ascii", 25, LL),
        48: Field("additional data", "n", "bcd", 322, LLL, minimum=1),
        # The table of the specification says an3, but only the numeric codes of ISO 4217 are in use.
        49: Field("currency", "n", "ascii", 3, mask="show"),
        52: Field("PIN block", "b", "raw", 8),
        53: Field("security control", "n", "bcd", 16),
        54: Field("balances", "an", "ascii", 20, LLL),
        55: Field("IC card data", "b", "raw", 255, LLL),
        58: Field("electronic wallet data", "ans", "ascii", 100, LLL),
        59: Field("terminal and code data", "ans", "latin1", 600, LLL),  # A1 holds 16 raw bytes
        60: Field("batch and type", "n", "bcd", 17, LLL, minimum=1, mask="show"),
        61: Field("original transaction", "n", "bcd", 29, LLL, minimum=1, mask="show"),
        62: Field("keys and parameters", "b", "raw", 512, LLL),
        63: Field("private text", "ans", "gb18030", 163, LLL),
        64: Field("message authentication code", "b", "raw", 8),
    },
)
