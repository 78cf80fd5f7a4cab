"""The second lock on card data: card numbers in the bytes of a message, wherever its dialect looks for them.

A dialect says which fields may be shown. Bytes that are read by the wrong dialect, or behind a wrong bitmap, put a card
number where a harmless field should be. So before anything is shown of a message, its bytes are searched for what is
written like a card number, in packed digits, ASCII or EBCDIC, and no value that holds a piece of one is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from iso8583.tool.plausibility import luhn_valid

PIECE: Final = 7  # digits in a row: of a masked number six remain
LONG_PIECE: Final = 10  # of one or two different digits, such as zeros, which stand everywhere
_ALONE: Final = re.compile(r"(?=(1[3-9])([0-9]{13,19}))")  # its length in two digits, then the number, as in field 2
_TAGGED: Final = re.compile(r"(?=5[aA](0[7-9aA])([0-9]{13,19}))")  # as in a chip's data
_TRACK: Final = re.compile(r"([0-9]{13,19})(?=[DdB^=][0-9]{4})")  # before the separator of a track

Pieces = frozenset[str]


def pieces_of_card_numbers(wire: bytes) -> Pieces:
    """All runs of seven digits of the card numbers that seem to be in `wire`.

    >>> wire = bytes.fromhex("0200" "1662999900000000091234")
    >>> held_by("000009123400", pieces_of_card_numbers(wire)), held_by("629999", pieces_of_card_numbers(wire))
    (False, False)
    >>> held_by("166299990000", pieces_of_card_numbers(wire))
    True
    """
    texts = (wire.hex(), wire.decode("latin-1"), wire.decode("cp500"))
    return pieces(number for text in texts for number in _numbers(text))


def pieces(numbers: Iterable[str]) -> Pieces:
    """All runs of seven digits of these numbers that can be told from any others, and all of ten."""
    known = frozenset(numbers)
    return frozenset(
        run
        for size in (PIECE, LONG_PIECE)
        for number in known
        for at in range(len(number) - size + 1)
        if len(set(run := number[at : at + size])) > (2 if size == PIECE else 1)
    )


def _numbers(text: str) -> Iterator[str]:
    for found in _ALONE.finditer(text):
        number = found[2][: int(found[1])]
        if len(number) == int(found[1]) and luhn_valid(number):
            yield number
    yield from (found[2] for found in _TAGGED.finditer(text))
    yield from (found[1] for found in _TRACK.finditer(text))


def held_by(text: str, known: Pieces) -> bool:
    """Whether `text` holds one of the pieces."""
    return any(text[at : at + size] in known for size in (PIECE, LONG_PIECE) for at in range(len(text) - size + 1))


def value_holds(value: str | bytes, known: Pieces) -> bool:
    """Whether a value of a field holds a piece: text, or bytes in packed digits or ASCII.

    Zeros stand everywhere in bytes, so runs of one or two digits are not looked for in them.
    """
    if isinstance(value, str):
        return held_by(value, known)
    telling = frozenset(piece for piece in known if len(set(piece)) > 2)
    return held_by(f"{value.hex()} {value.decode('latin-1')}", telling)
