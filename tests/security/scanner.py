"""Looks for canaries: values that only a test knows, in every form in which a program could let one slip.

A digit canary (card number, PIN, payment code) is looked for as text in ASCII and both UTF-16s, grouped by four, as
packed digits at either nibble, with swapped nibbles, and each of those in hexadecimal and base64. A binary canary (key,
PIN block) is looked for raw, as Python and JSON would escape it, in hexadecimal (spaced, too) and in base64.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from simulators.cards.personalisation import Personalisation

_CARD_NUMBER = re.compile(rb"(?<![0-9A-Za-z.])(?:62|4|5[1-5]|35|30)\d{11,17}(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Find:
    """A canary that was found where it must not be."""

    canary: str
    form: str
    place: str


class Scanner:
    """Knows the canaries, by name, and finds them in bytes, texts and files."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._forms: list[tuple[str, str, bytes]] = []

    def know_digits(self, name: str, digits: str) -> None:
        """Look for a string of digits from now on; the shorter, the more of what is harmless looks like it."""
        assert len(digits) >= 10, "shorter ones turn up by chance"
        self._know(name, _digit_forms(digits))

    def know_bytes(self, name: str, value: bytes) -> None:
        """Look for bytes from now on."""
        assert len(value) >= 8, "shorter ones turn up by chance"
        self._know(name, _byte_forms(value))

    def know_card(self, name: str, card: Personalisation, pin: str) -> None:
        """Look for a card's number (any part as long as its middle and check digits hide) and PIN."""
        self.know_digits(f"{name} number", card.pan[3:15])
        self.know_digits(f"{name} PIN", pin)

    def _know(self, name: str, forms: Iterable[tuple[str, bytes]]) -> None:
        if name not in self.names:
            self.names.append(name)
            self._forms += [(name, form, pattern) for form, pattern in forms]

    def scan(self, place: str, data: bytes | str) -> list[Find]:
        """Everything known that stands in some bytes or in a text."""
        haystack = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        lowered = haystack.lower()
        return [
            Find(name, form, place)
            for name, form, pattern in self._forms
            if pattern in (lowered if form.startswith("hex") else haystack)
        ]

    def scan_folder(self, folder: Path, without: Iterable[Path] = ()) -> list[Find]:
        """Everything known that stands in the files of a folder, in their names too."""
        found: list[Find] = []
        for path in files_in(folder, without):
            found += self.scan(str(path), path.read_bytes()) + self.scan(f"name of {path}", path.name)
        return found


def files_in(folder: Path, without: Iterable[Path] = ()) -> list[Path]:
    """All files of a folder, except some and what is in some folders."""
    left_out = set(without)
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and left_out.isdisjoint((path, *path.parents))
    ]


def card_numbers(data: bytes) -> list[bytes]:
    """A second opinion that knows no canary: whatever looks like a card number and passes Luhn's check."""
    return [found.group() for found in _CARD_NUMBER.finditer(data) if _luhn_is_good(found.group().decode())]


def luhn_digit(digits: str) -> str:
    """The check digit to put behind a card number's other digits."""
    return str(-_luhn_sum(digits + "0") % 10)


def _luhn_is_good(digits: str) -> bool:
    return _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(doubled) + sum(int(digit) for digit in digits[-1::-2])


def _digit_forms(digits: str) -> Iterator[tuple[str, bytes]]:
    yield "ASCII", digits.encode()
    yield "UTF-16 little-endian", digits.encode("utf-16-le")
    yield "UTF-16 big-endian", digits.encode("utf-16-be")
    for separator in " -":
        for start in range(4):
            yield "grouped by four", separator.join(_grouped(digits, start)).encode()
    yield "hex of ASCII", digits.encode().hex().encode()
    yield from _base64_forms("ASCII", digits.encode())
    for shift in (0, 1):
        even = digits[shift : shift + (len(digits) - shift) // 2 * 2]
        packed = bytes.fromhex(even)
        yield f"packed digits, nibble {shift}", packed
        yield f"packed digits, nibble {shift}, swapped", bytes.fromhex("".join(_swapped(even)))
        yield from _base64_forms(f"packed digits, nibble {shift}", packed)


def _grouped(digits: str, start: int) -> list[str]:
    """Groups of four, the first of `start` digits; a rest that is shorter is left out: more digits may follow it."""
    first = [digits[:start]] if start else []
    return first + [digits[at : at + 4] for at in range(start, len(digits) - 3, 4)]


def _swapped(digits: str) -> Iterator[str]:
    return (digits[at + 1] + digits[at] for at in range(0, len(digits) - 1, 2))


def _byte_forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", value
    yield "Python's repr", repr(value)[2:-1].encode()
    yield "JSON", json.dumps(value.decode("latin-1"))[1:-1].encode()
    yield "hex", value.hex().encode()
    yield "hex, spaced", value.hex(" ").encode()
    yield "hex, UTF-16", value.hex().encode("utf-16-le")
    yield "list of numbers", ", ".join(map(str, value)).encode()
    yield from _base64_forms("raw", value)


def _base64_forms(name: str, value: bytes) -> Iterator[tuple[str, bytes]]:
    """What the value looks like in base64 wherever it begins, without the characters that its neighbours share."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value)
        first, last = -(-shift * 8 // 6), (shift + len(value)) * 8 // 6
        yield f"base64 of {name}, {shift} in", encoded[first:last]
        yield f"URL-safe base64 of {name}, {shift} in", base64.urlsafe_b64encode(bytes(shift) + value)[first:last]
