"""Amounts as a person types them."""

import re

from terminal.slips import currency_of

_WHOLE_DIGITS_MAX = 10


def parse_amount(text: str, currency: str) -> int | None:
    """Read what was typed in major units, such as ``25`` or ``25.00``, as minor units; None if it is no amount.

    >>> parse_amount("25.5", "156")
    2550
    """
    digits = currency_of(currency)[1]
    found = re.fullmatch(rf"(\d{{1,{_WHOLE_DIGITS_MAX}}})(?:\.(\d{{0,{digits}}}))?", text.strip(), re.ASCII)
    if found is None:
        return None
    whole, minor = found[1], found[2] or ""
    return int(whole + minor.ljust(digits, "0"))
