"""Paper under a print head: rows of text, pictures and gaps, in dots of 1/8 mm.

A column is 12 dots, a row of text 24; characters of the Chinese font are two columns wide. Only sizes and words are
kept here, no pixels: `simulators.slip_image` draws them, tests read them as text.
"""

from dataclasses import dataclass, field
from typing import Literal

import qrcode
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q

DOTS_PER_COLUMN = 12
CELL_HEIGHT_DOTS = 24
LINE_SPACING_DOTS = 30

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Style:
    """How characters look: scales are multiples of the normal cell."""

    scale_x: int = 1
    scale_y: int = 1
    bold: bool = False
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class TextRow:
    """One printed line: runs of text in one style each, side by side; `pitch_dots` is how far the paper moved."""

    runs: tuple[tuple[str, Style], ...]
    align: Align
    pitch_dots: int

    @property
    def width_dots(self) -> int:
        """How wide the runs are, side by side."""
        return DOTS_PER_COLUMN * sum(columns_of(words) * style.scale_x for words, style in self.runs)


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A picture of black (1) and white (0) dots, eight to a byte from the left; `caption` says what it is."""

    width_dots: int
    pitch_dots: int
    bits: bytes
    align: Align
    caption: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Paper that moved without printing, by so many `lines` or by dots only."""

    lines: int
    pitch_dots: int


Row = TextRow | ImageRow | Gap


@dataclass(frozen=True, slots=True)
class Sheet:
    """A piece of paper that left the printer: `complete` if the knife cut it, not if it was torn off half printed."""

    rows: tuple[Row, ...]
    columns: int
    complete: bool

    @property
    def lines(self) -> list[str]:
        """What stands on the paper, all type of one size; a picture is its caption in brackets."""
        return [line for row in self.rows for line in _lines_of(row, self.columns)]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines) + "\n"


def columns_of(text: str) -> int:
    """Return the columns of a run at scale 1."""
    return sum(1 if character.isascii() else 2 for character in text)


def _lines_of(row: Row, columns: int) -> list[str]:
    match row:
        case TextRow(runs, align):
            text = "".join(words for words, _ in runs)
            spare = columns - columns_of(text)
            return [(" " * {"left": 0, "center": spare // 2, "right": spare}[align] + text).rstrip()]
        case ImageRow():
            return [f"[{row.caption}]"]
        case Gap(lines):
            return [""] * lines


@dataclass(slots=True)
class Roll:
    """The paper in a printer and the line under its head. `dots_left` is None for a roll without end."""

    columns: int
    dots_left: int | None = None
    _line: list[tuple[str, Style]] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether the sensor sees no paper."""
        return self.dots_left is not None and self.dots_left <= 0

    def put(self, character: str, style: Style, align: Align, spacing_dots: int) -> None:
        """Set a character; one that does not fit prints the line first, as printers do."""
        used = sum(columns_of(words) * run.scale_x for words, run in self._line)
        if used + columns_of(character) * style.scale_x > self.columns:
            self.end_line(align, spacing_dots)
        if self._line and self._line[-1][1] == style:
            character = self._line.pop()[0] + character
        self._line.append((character, style))

    def end_line(self, align: Align, spacing_dots: int) -> None:
        """Print the line, or move on by one line if nothing is set."""
        if not self._line:
            self._add(Gap(1, spacing_dots))
            return
        height_dots = CELL_HEIGHT_DOTS * max(style.scale_y for _, style in self._line)
        self._add(TextRow(tuple(self._line), align, max(spacing_dots, height_dots)))
        self._line.clear()

    def flush(self, align: Align, spacing_dots: int) -> None:
        """Print the line if anything is set."""
        if self._line:
            self.end_line(align, spacing_dots)

    def feed(self, lines: int, pitch_dots: int) -> None:
        """Move the paper."""
        if pitch_dots:
            self._add(Gap(lines, pitch_dots))

    def draw(self, image: ImageRow) -> None:
        """Print a picture."""
        self._add(image)

    def forget_line(self) -> None:
        """Drop what is set but not printed."""
        self._line.clear()

    def take(self, *, complete: bool) -> Sheet | None:
        """Take off what is printed; None if nothing is."""
        rows, self._rows = tuple(self._rows), []
        return Sheet(rows, self.columns, complete) if rows else None

    def _add(self, row: Row) -> None:
        self._rows.append(row)
        if self.dots_left is not None:
            self.dots_left -= row.pitch_dots


QR_BYTES_MAX = (2953, 2331, 1663, 1273)
"""What a QR code of version 40 holds at level L, M, Q and H."""

_LEVELS = (ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q, ERROR_CORRECT_H)


def qr_modules(payload: bytes, level: int) -> list[list[bool]]:
    """Return a QR code's modules, dark being true, without margin; `level` counts L, M, Q, H from 0."""
    code = qrcode.QRCode(error_correction=_LEVELS[level], border=0)
    code.add_data(payload)
    code.make(fit=True)
    return code.get_matrix()


def qr_image(payload: bytes, level: int, module_dots: int, align: Align) -> ImageRow:
    """Return a QR code as a picture with `module_dots` dots to a module."""
    modules = qr_modules(payload, level)
    size = len(modules) * module_dots
    bits = b"".join(_enlarge(row, module_dots) for row in modules)
    return ImageRow(size, size, bits, align, f"QR {payload.decode('utf-8', 'replace')}")


def _enlarge(modules: list[bool], dots: int) -> bytes:
    """Return a row of modules as `dots` equal rows of bits, each padded to a whole byte."""
    bits = "".join(("1" if module else "0") * dots for module in modules)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8) * dots
