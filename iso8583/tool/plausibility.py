"""How much sense a decoded message makes: what tells the right dialect from one that only happens to fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from iso8583.dialect import Dialect
from iso8583.masking import PAN_LENGTHS
from iso8583.message import Message
from iso8583.tool.currencies import CURRENCIES

_USUAL_HEADS: Final = {"unionpay_pos": "tpdu+header", "unionpay_switch": "switch"}
_MONTH_DAY: Final = r"(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_CLOCK: Final = r"([01]\d|2[0-3])[0-5]\d[0-5]\d"


_PASSED_MIN: Final = 3


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

    >>> luhn_valid("6299990000000009"), luhn_valid("6299990000000008")
    (True, False)
    """
    doubled = "0246813579"
    total = sum(int(doubled[int(digit)] if place & 1 else digit) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def _is_pan(text: str) -> bool:
    return len(text) in PAN_LENGTHS and luhn_valid(text)


_TESTS: Final[Mapping[int, Callable[[str], bool]]] = {
    2: _is_pan,
    3: _matches(r"\d{6}"),
    7: _matches(_MONTH_DAY + _CLOCK),
    12: _matches(rf"{_CLOCK}|\d\d{_MONTH_DAY}{_CLOCK}|20\d\d{_MONTH_DAY}{_CLOCK}"),
    13: _matches(rf"{_MONTH_DAY}|\d\d{_MONTH_DAY}|20\d\d{_MONTH_DAY}"),
    14: _matches(r"\d\d(0[1-9]|1[0-2])"),
    39: _matches(r"[0-9A-Z]{2,4}"),
    41: _matches(r"[0-9A-Za-z ]+"),
    49: lambda text: text in CURRENCIES,
}


def usual_head(dialect: Dialect) -> str:
    """The kind of head that messages of a dialect have, a key of `iso8583.tool.envelope.HEADS`."""
    return _USUAL_HEADS.get(dialect.name, "none")


def plausibility(message: Message, dialect: Dialect, head: str, length: str) -> int:
    """Points for what makes sense, points off for what does not."""
    points = 2 * (message.mti[1] in "12345678") + (message.mti[2] in "0123456789")
    usual = usual_head(dialect)
    points += 3 * (head == usual) + (length == "2-byte")
    points -= head not in {usual, "none", "tpdu"}
    passed, failed = _tested(message)
    return points + passed - 2 * failed


def is_doubtful(message: Message) -> bool:
    """Whether the fields that could be read of a broken message may have been read from the wrong places.

    One wrong bit in a bitmap shifts all that follows, and then card data may stand where a harmless field should be.
    """
    passed, failed = _tested(message)
    return failed > 0 or passed < _PASSED_MIN


def _tested(message: Message) -> tuple[int, int]:
    """How many fields hold what such a field holds, and how many do not."""
    values = ((fits, message.get(number)) for number, fits in _TESTS.items())
    results = [fits(value) for fits, value in values if isinstance(value, str)]
    return results.count(True), results.count(False)
