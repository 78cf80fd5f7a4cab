"""Printable lines, and how they fall into a printer's columns.

A slip is a list of `Line` values that know nothing of paper width. `lay_out` turns them into `Placed` values, in
which every `Text` fits one row: long values wrap, nothing is ever cut. Widths are counted as a Chinese receipt
printer counts them: an ASCII character takes one column (12 dots), every other character two (24 dots).
Paper of 58 mm has 32 columns, paper of 80 mm has 48.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

COLUMNS_58MM = 32
COLUMNS_80MM = 48

Align = Literal["left", "center", "right"]
Size = Literal["normal", "tall", "large"]

SCALES: dict[Size, tuple[int, int]] = {"normal": (1, 1), "tall": (1, 2), "large": (2, 2)}
"""Width and height of each size, as multiples of the normal cell."""

_DOUBLE = frozenset("WF")
_WIDE = _DOUBLE | {"A"}  # ambiguous characters come from the printer's Chinese font, hence 24 dots wide
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Mn", "Me"})
_REPLACEMENTS = str.maketrans({"\u00a5": "￥", "\u00a3": "￡", "\u2022": "·"} | dict.fromkeys("\u00a0\t\r\n", " "))
_MISSING_NARROW, _MISSING_WIDE = "?", "〓"
_WORDS = re.compile(r" +|[!-~]+|[^ -~][，。、；：！？）》」』”’]*")


@dataclass(frozen=True, slots=True)
class Text:
    """Words on lines of their own. `size` is the largest wanted: what does not fit is printed narrower, or wraps."""

    text: str
    align: Align = "left"
    size: Size = "normal"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A label at the left edge and its value at the right; a value too long for the line goes below its label."""

    left: str
    right: str
    size: Size = "normal"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """A table row: a name, a count ending at the middle of the paper, an amount ending at its right edge."""

    name: str
    count: str
    amount: str
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """Short items one after the other, as many on a line as fit; an item breaks only when it is longer than a line."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the paper."""

    character: str = "-"


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR code in the middle of the paper; the printer draws it."""

    payload: str


@dataclass(frozen=True, slots=True)
class Feed:
    """Empty lines."""

    lines: int = 1


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of one piece of paper."""


@dataclass(frozen=True, slots=True)
class DrawerKick:
    """Open the cash drawer that hangs on the printer."""


Line = Text | Pair | Figures | Flow | Rule | Qr | Feed | Cut | DrawerKick
Placed = Text | Qr | Feed | Cut | DrawerKick


def printable(text: str) -> str:
    """Return `text` in characters that a GB18030 printer has in its font.

    Latin letters lose their accents, which the Chinese font has only in double width; anything else unknown becomes
    ``?`` or ``〓``. Control characters disappear, so that no text from outside can ever become a printer command.
    """
    return "".join(map(_printable_character, unicodedata.normalize("NFC", text.translate(_REPLACEMENTS))))


def _printable_character(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else ""
    if unicodedata.category(character) in _INVISIBLE:
        return ""
    width_class = unicodedata.east_asian_width(character)
    base = unicodedata.normalize("NFD", character)[0]
    if width_class not in _DOUBLE and base.isalpha() and base.isascii():
        return base
    if width_class in _WIDE and character.isprintable() and len(character.encode("gb18030")) == 2:
        return character
    return _MISSING_WIDE if width_class in _WIDE else _MISSING_NARROW


def width(text: str) -> int:
    """Return the columns that `text` takes at normal size: one for an ASCII character, two for any other printable."""
    return sum(2 if unicodedata.east_asian_width(character) in _WIDE else 1 for character in text)


def wrap(text: str, columns: int) -> list[str]:
    """Break `text` into rows of at most `columns` (>= 2) columns: at spaces, between Chinese characters, else anywhere.

    Closing Chinese punctuation stays with the character before it. Only spaces at row ends are dropped.
    """
    rows = [""]
    for word in _WORDS.findall(text):
        if width(rows[-1] + word.rstrip()) <= columns:
            rows[-1] += word
        elif width(word) <= columns:
            rows.append(word.lstrip())
        else:
            rows.extend(_break_word(rows, word, columns))
    return [row.rstrip() for row in rows if row.strip()]


def _break_word(rows: list[str], word: str, columns: int) -> list[str]:
    """Fill the last of `rows` with the start of a word that is longer than a row; return the further rows."""
    pieces = [rows.pop()]
    for character in word:
        if width(pieces[-1] + character) > columns:
            pieces.append("")
        pieces[-1] += character
    return pieces


def in_ascii(lines: list[Line]) -> list[Line]:
    """Return the English half of the lines, for a printer without a Chinese font; what is Chinese only is left out."""
    return [english for line in lines for english in _english(line)]


def _english(line: Line) -> list[Line]:
    match line:
        case Text(text):
            return [replace(line, text=_latin(text))] if _latin(text) else []
        case Pair(left, right):
            return [replace(line, left=_latin(left), right=_latin(right))] if _latin(right) else []
        case Figures(name, count, amount):
            return [replace(line, name=_latin(name), count=_latin(count), amount=_latin(amount))]
        case Flow(items):
            return [Flow(tuple(filter(None, map(_latin, items))))]
        case _:
            return [line]


def _latin(text: str) -> str:
    """Only the ASCII of it, without the signs that joined it to Chinese words; empty if no letter or digit is left."""
    kept = "".join(character for character in printable(text) if character.isascii())
    if kept != text:
        kept = kept.replace("*/", "*").strip(" /()")
    return kept if any(map(str.isalnum, kept)) else ""


def lay_out(lines: list[Line], columns: int) -> list[Placed]:
    """Place lines on paper of `columns` columns: every `Text` returned is printable and fits one row at its size."""
    return [placed for line in lines for placed in _place(line, columns)]


def _place(line: Line, columns: int) -> list[Placed]:
    match line:
        case Text():
            return [*_place_text(line, columns)]
        case Pair(left, right, size, bold):
            rows = _two_sides(printable(left), printable(right), columns // SCALES[size][0])
            return [Text(row, size=size, bold=bold) for row in rows]
        case Figures(name, count, amount, bold):
            return [Text(row, bold=bold) for row in _table_row(*map(printable, (name, count, amount)), columns=columns)]
        case Flow(items):
            return [Text(row) for row in _flow([printable(item) for item in items], columns)]
        case Rule(character):
            return [Text(character * (columns // width(character)))]
        case _:
            return [line]


def _place_text(text: Text, columns: int) -> list[Text]:
    shown = printable(text.text)
    size = "tall" if text.size == "large" and width(shown) * 2 > columns else text.size
    return [replace(text, text=row, size=size) for row in wrap(shown, columns // SCALES[size][0])]


def _two_sides(left: str, right: str, columns: int) -> list[str]:
    gap = columns - width(left) - width(right)
    if gap >= 1:
        return [left + " " * gap + right]
    return wrap(left, columns) + [_right(row, columns) for row in wrap(right, columns)]


def _table_row(name: str, count: str, amount: str, *, columns: int) -> list[str]:
    count_gap = columns // 2 - width(name) - width(count)
    amount_gap = columns - columns // 2 - width(amount)
    if count_gap >= 1 and amount_gap >= 1:
        return [name + " " * count_gap + count + " " * amount_gap + amount]
    return wrap(name, columns) + _two_sides(" " * (columns // 2 - width(count)) + count, amount, columns)


def _flow(items: list[str], columns: int) -> list[str]:
    rows: list[str] = []
    for item in items:
        if rows and width(f"{rows[-1]}  {item}") <= columns:
            rows[-1] += f"  {item}"
        else:
            rows.extend(wrap(item, columns))
    return rows


def _right(row: str, columns: int) -> str:
    return " " * (columns - width(row)) + row


def plain_text(lines: list[Line], columns: int) -> str:
    """Return the slip as text of `columns` columns, for screens and archives: all type is of one size."""
    return "\n".join(row for placed in lay_out(lines, columns) for row in _plain_rows(placed, columns)) + "\n"


def _plain_rows(placed: Placed, columns: int) -> list[str]:
    match placed:
        case Text(text, align):
            spare = columns - width(text)
            indent = {"left": 0, "center": spare // 2, "right": spare}[align]
            return [(" " * indent + text).rstrip()]
        case Qr(payload):
            return [f"[QR {payload}]"]
        case Feed(lines):
            return [""] * lines
        case Cut():
            return ["- " * (columns // 2 - 1) + "8<"]
        case DrawerKick():
            return []
