"""EMV's bit fields by name: TVR (tag 95), TSI (tag 9B), AIP (tag 82), and for tapped cards TTQ (9F66) and CTQ (9F6C).

Bit positions after EMV Book 3 annex C; the action codes of issuer and terminal use the layout of the TVR.
"""

from enum import IntFlag

_BYTE1, _BYTE2, _BYTE3, _BYTE4 = 32, 24, 16, 8


class Tvr(IntFlag):
    """Terminal verification results, also the layout of every action code. `to_bytes(5)` is tag 95."""

    NONE = 0
    ODA_NOT_PERFORMED = 0x80 << _BYTE1
    SDA_FAILED = 0x40 << _BYTE1
    CARD_DATA_MISSING = 0x20 << _BYTE1
    ON_EXCEPTION_FILE = 0x10 << _BYTE1
    DDA_FAILED = 0x08 << _BYTE1
    CDA_FAILED = 0x04 << _BYTE1
    SDA_SELECTED = 0x02 << _BYTE1
    VERSION_MISMATCH = 0x80 << _BYTE2
    EXPIRED = 0x40 << _BYTE2
    NOT_YET_EFFECTIVE = 0x20 << _BYTE2
    SERVICE_NOT_ALLOWED = 0x10 << _BYTE2
    NEW_CARD = 0x08 << _BYTE2
    CVM_NOT_SUCCESSFUL = 0x80 << _BYTE3
    CVM_UNKNOWN = 0x40 << _BYTE3
    PIN_TRIES_EXCEEDED = 0x20 << _BYTE3
    PIN_PAD_MISSING = 0x10 << _BYTE3
    PIN_NOT_ENTERED = 0x08 << _BYTE3
    ONLINE_PIN_ENTERED = 0x04 << _BYTE3
    FLOOR_LIMIT_EXCEEDED = 0x80 << _BYTE4
    LOWER_OFFLINE_LIMIT_EXCEEDED = 0x40 << _BYTE4
    UPPER_OFFLINE_LIMIT_EXCEEDED = 0x20 << _BYTE4
    SELECTED_AT_RANDOM = 0x10 << _BYTE4
    MERCHANT_FORCED_ONLINE = 0x08 << _BYTE4
    DEFAULT_TDOL_USED = 0x80
    ISSUER_AUTHENTICATION_FAILED = 0x40
    SCRIPT_FAILED_BEFORE = 0x20
    SCRIPT_FAILED_AFTER = 0x10

    @classmethod
    def parse(cls, data: bytes) -> "Tvr":
        """Read 5 bytes; bits without a name are kept, because an action code may set them."""
        return cls(int.from_bytes(data, "big"))


class Tsi(IntFlag):
    """Transaction status information: which steps were taken. `to_bytes(2)` is tag 9B."""

    NONE = 0
    ODA_PERFORMED = 0x8000
    CVM_PERFORMED = 0x4000
    CARD_RISK_MANAGEMENT_PERFORMED = 0x2000
    ISSUER_AUTHENTICATION_PERFORMED = 0x1000
    TERMINAL_RISK_MANAGEMENT_PERFORMED = 0x0800
    SCRIPT_PERFORMED = 0x0400


class Aip(IntFlag):
    """Application interchange profile: what the card can do (the first of its two bytes, as the high one)."""

    NONE = 0
    SDA = 0x4000
    DDA = 0x2000
    CARDHOLDER_VERIFICATION = 0x1000
    TERMINAL_RISK_MANAGEMENT = 0x0800
    ISSUER_AUTHENTICATION = 0x0400
    CDA = 0x0100
    STRIPE_MODE = 0x0080

    @classmethod
    def parse(cls, data: bytes) -> "Aip":
        """Read 2 bytes."""
        return cls(int.from_bytes(data, "big"))


class Ttq(IntFlag):
    """Terminal transaction qualifiers: what this terminal can do and wants of a tapped card. `to_bytes(4)` is 9F66."""

    FULL_PBOC = 0x40 << 24
    QPBOC = 0x20 << 24
    OFFLINE_ONLY = 0x08 << 24
    ONLINE_PIN = 0x04 << 24
    SIGNATURE = 0x02 << 24
    ONLINE_REQUIRED = 0x80 << 16
    VERIFICATION_REQUIRED = 0x40 << 16
    FDDA_1 = 0x80

    @classmethod
    def parse(cls, data: bytes) -> "Ttq":
        """Read 4 bytes."""
        return cls(int.from_bytes(data, "big"))


class Ctq(IntFlag):
    """Card transaction qualifiers: what a tapped card wants of the terminal."""

    NONE = 0
    ONLINE_PIN = 0x8000
    SIGNATURE = 0x4000
    ONLINE_IF_NOT_AUTHENTIC = 0x2000
    OTHER_INTERFACE_IF_NOT_AUTHENTIC = 0x1000
    ONLINE_IF_EXPIRED = 0x0800
    VERIFIED_ON_DEVICE = 0x0080

    @classmethod
    def parse(cls, data: bytes) -> "Ctq":
        """Read 2 bytes."""
        return cls(int.from_bytes(data, "big"))
