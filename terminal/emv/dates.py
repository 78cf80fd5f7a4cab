"""Dates as cards have them: six digits, two of them for the year."""

from terminal.emv.faults import MalformedError


def full_date(date: str) -> str:
    """Turn YYMMDD into YYYYMMDD, which sorts: years from 50 on are of the last century (EMV Book 4, §6.7.3)."""
    return ("19" if date >= "50" else "20") + date


def read_date(value: bytes, where: str) -> str:
    """Turn a YYMMDD data object into YYYYMMDD; raise MalformedError if these are no plausible digits."""
    digits = value.hex()
    if not digits.isdecimal() or not ("01" <= digits[2:4] <= "12" and "01" <= digits[4:] <= "31"):
        raise MalformedError(where)
    return full_date(digits)
