"""The EMV data objects that the kernel itself reads or writes, by their tags, and how a short value of each is padded.

Names and formats follow EMV Book 3 annex A and PBOC 3.0 part 5. Tags the kernel only carries need no name here.
"""

from enum import IntEnum


class Tag(IntEnum):
    """A data object's tag, first byte first: 0x9F02 is sent as 9F 02."""

    AID = 0x4F
    LABEL = 0x50
    TRACK2 = 0x57
    PAN = 0x5A
    DIRECTORY_ENTRY = 0x61
    FCI = 0x6F
    RECORD = 0x70
    SCRIPT_BEFORE = 0x71
    SCRIPT_AFTER = 0x72
    RESPONSE_PLAIN = 0x80
    RESPONSE_TLV = 0x77
    AMOUNT_BINARY = 0x81
    AIP = 0x82
    DF_NAME = 0x84
    SCRIPT_COMMAND = 0x86
    PRIORITY = 0x87
    SFI = 0x88
    RESPONSE_CODE = 0x8A
    CDOL1 = 0x8C
    CDOL2 = 0x8D
    CVM_LIST = 0x8E
    ISSUER_AUTHENTICATION = 0x91
    AFL = 0x94
    TVR = 0x95
    DATE = 0x9A
    TSI = 0x9B
    TYPE = 0x9C
    FCI_PROPRIETARY = 0xA5
    EXPIRY = 0x5F24
    EFFECTIVE = 0x5F25
    ISSUER_COUNTRY = 0x5F28
    CURRENCY = 0x5F2A
    PSN = 0x5F34
    CURRENCY_EXPONENT = 0x5F36
    AMOUNT = 0x9F02
    AMOUNT_OTHER = 0x9F03
    TERMINAL_AID = 0x9F06
    USAGE_CONTROL = 0x9F07
    CARD_VERSION = 0x9F08
    TERMINAL_VERSION = 0x9F09
    IAC_DEFAULT = 0x9F0D
    IAC_DENIAL = 0x9F0E
    IAC_ONLINE = 0x9F0F
    ISSUER_DATA = 0x9F10
    CODE_TABLE = 0x9F11
    PREFERRED_NAME = 0x9F12
    LAST_ONLINE_ATC = 0x9F13
    LOWER_OFFLINE_LIMIT = 0x9F14
    MERCHANT_CATEGORY = 0x9F15
    MERCHANT_ID = 0x9F16
    SCRIPT_ID = 0x9F18
    COUNTRY = 0x9F1A
    FLOOR_LIMIT = 0x9F1B
    TERMINAL_ID = 0x9F1C
    IFD_SERIAL = 0x9F1E
    TIME = 0x9F21
    UPPER_OFFLINE_LIMIT = 0x9F23
    CRYPTOGRAM = 0x9F26
    CRYPTOGRAM_INFORMATION = 0x9F27
    CAPABILITIES = 0x9F33
    CVM_RESULTS = 0x9F34
    TERMINAL_TYPE = 0x9F35
    ATC = 0x9F36
    UNPREDICTABLE_NUMBER = 0x9F37
    PDOL = 0x9F38
    ENTRY_MODE = 0x9F39
    ADDITIONAL_CAPABILITIES = 0x9F40
    SEQUENCE = 0x9F41
    APPLICATION_CURRENCY = 0x9F42
    MERCHANT_NAME = 0x9F4E
    PRODUCT_ID = 0x9F63
    CASH_ISSUER_CODE = 0x9F74
    CASH_INDICATOR = 0x9F7A
    SCRIPT_RESULTS = 0xDF31
    SM_SUPPORT = 0xDF69


NUMERIC = frozenset({
    Tag.DATE, Tag.TYPE, Tag.EXPIRY, Tag.EFFECTIVE, Tag.ISSUER_COUNTRY, Tag.CURRENCY, Tag.PSN, Tag.CURRENCY_EXPONENT,
    Tag.AMOUNT, Tag.AMOUNT_OTHER, Tag.MERCHANT_CATEGORY, Tag.COUNTRY, Tag.TIME, Tag.TERMINAL_TYPE, Tag.ENTRY_MODE,
    Tag.SEQUENCE, Tag.APPLICATION_CURRENCY,
})  # fmt: skip
"""Format n: digits stand at the right, so a short value gets zeros, and a long one loses digits, at the left."""

COMPRESSED = frozenset({Tag.PAN, 0x9F20, 0x9F62})
"""Format cn: digits stand at the left, so a short value is filled up with F at the right."""
