"""Text for people: columns that line up although Chinese characters are wide, and nothing that drives a screen.

What a message holds is shown through `visible`, because a terminal obeys escape sequences wherever they come from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

_WIDE = {"W", "F"}


def width(text: str) -> int:
    """How many cells of a terminal `text` takes.

    >>> width("主账号"), width("PAN")
    (6, 3)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in _WIDE)
        for character in text
    )


def padded(text: str, cells: int) -> str:
    """`text` with blanks on its right, up to `cells` cells."""
    return text + " " * (cells - width(text))


def visible(text: str) -> str:
    r"""`text` with everything that is not printable written as an escape.

    >>> print(visible("a\x1b[2Jb\x9b"))
    a\x1b[2Jb\x9b
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1].replace("\\\\", "\\") for character in text
    )


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """`rows` as lines whose columns begin in the same cells; the last column is as long as it likes."""
    count = max(map(len, rows), default=0)
    widths = [max((width(row[place]) for row in rows if place < len(row) - 1), default=0) for place in range(count)]
    for row in rows:
        cells = [padded(cell, widths[place]) for place, cell in enumerate(row[:-1])]
        yield (indent + "  ".join([*cells, *row[-1:]])).rstrip()
