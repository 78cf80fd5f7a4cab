"""The page's words: one catalogue for each language, and how amounts and times are written.

A key is a section and a name, such as ``reason.no_link``. Reasons, stages and states come from the cores; one that
has no sentence yet is said as the section's ``other``, with the reason for service, so that a page never breaks on it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from iso8583.response_codes import meaning
from terminal.slips import currency_of, money

LANGUAGES = ("zh", "en")
_CURRENCY_SIGNS = {"156": "¥", "344": "HK$", "446": "MOP$", "702": "S$", "826": "£", "840": "$", "978": "€"}
_FRESH_S = 600
_HOUR_MIN, _STEP_MIN, _HOURS_MAX = 60, 5, 48


@dataclass(frozen=True, slots=True)
class Money:
    """An amount ready to be shown: the page writes the sign small."""

    sign: str
    figures: str

    def __str__(self) -> str:
        return self.sign + self.figures


class Texts:
    """One language."""

    def __init__(self, language: str, entries: Mapping[str, str]) -> None:
        self.language = language
        self.keys = frozenset(entries)
        self._entries = entries

    def __call__(self, key: str, **facts: object) -> str:
        """Say `key` with `facts` put in. Raises KeyError for a key or a fact that is missing."""
        return self._entries[key].format_map(facts)

    def either(self, section: str, name: str, **facts: object) -> str:
        """Say what came from elsewhere: its own sentence if there is one, else the section's ``other``."""
        key = f"{section}.{name}"
        return self(key if key in self.keys else f"{section}.other", reason=name, **facts)

    def meaning(self, response_code: str) -> str:
        """What a response code means, as a part of a sentence."""
        row = meaning(response_code)
        return row.zh if self.language == "zh" else row.en

    def sentence(self, response_code: str) -> str:
        """What a response code means, as a sentence."""
        return self.meaning(response_code) + ("。" if self.language == "zh" else ".")

    def join(self, *sentences: str) -> str:
        """Put sentences behind one another."""
        return ("" if self.language == "zh" else " ").join(sentence for sentence in sentences if sentence)

    def money(self, amount: int, currency: str) -> Money:
        """Write an amount in minor units of an ISO 4217 numeric currency."""
        minus = "\N{MINUS SIGN}" if amount < 0 else ""
        sign = _CURRENCY_SIGNS.get(currency) or currency_of(currency)[0] + "\N{NO-BREAK SPACE}"
        return Money(minus + sign, money(abs(amount), currency))

    def when(self, at: float, now: float, utc_offset_minutes: int) -> str:
        """Write a time (UTC seconds): relative while it is fresh, then in shop time."""
        if 0 <= now - at < _FRESH_S:
            minutes = int(now - at) // 60
            return self("time.minutes", minutes=minutes) if minutes else self("time.now")
        return shop_time(at, utc_offset_minutes).strftime("%H:%M")

    def duration(self, seconds: float) -> str:
        """Write how long something takes, in two units at most; from an hour on in steps of five minutes, down."""
        minutes = max(0, int(seconds)) // 60
        if minutes < _HOUR_MIN:
            return self("time.span_minutes", minutes=minutes)
        hours, minutes = divmod(minutes, _HOUR_MIN)
        if hours < _HOURS_MAX:
            minutes -= minutes % _STEP_MIN
            return self("time.span_hours" if minutes else "time.span_full_hours", hours=hours, minutes=minutes)
        days, hours = divmod(hours, 24)
        return self("time.span_days" if hours else "time.span_full_days", days=days, hours=hours)


def shop_time(at: float, utc_offset_minutes: int) -> datetime:
    """UTC seconds as the shop's clock shows them."""
    return datetime.fromtimestamp(at, UTC) + timedelta(minutes=utc_offset_minutes)


@cache
def texts_in(language: str) -> Texts:
    """Load the catalogue of a language; any other than `LANGUAGES` is said in Chinese."""
    known = language if language in LANGUAGES else LANGUAGES[0]
    path = Path(__file__).parent / "texts" / f"{known}.toml"
    return Texts(known, dict(_flatten(tomllib.loads(path.read_text("utf-8")))))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
