"""Draws a printed sheet as it lies on the counter: off-white thermal paper with the knife's teeth at both ends.

A printer dot is 2 x 2 pixels. The font's 16-pixel glyphs stand for 24 dots, so that each glyph pixel becomes exactly
3 x 3 pixels (6 x 6 in large type) and stays crisp.
"""

from PIL import Image, ImageDraw

from simulators.bitmap_font import GLYPH_PIXELS, glyph
from simulators.paper_roll import (
    CELL_HEIGHT_DOTS,
    DOTS_PER_COLUMN,
    Gap,
    ImageRow,
    Row,
    Sheet,
    Style,
    TextRow,
    columns_of,
)

PIXELS_PER_DOT = 2
SIDE_DOTS = 36
END_DOTS = 30

_GLYPH_SCALE = CELL_HEIGHT_DOTS * PIXELS_PER_DOT // GLYPH_PIXELS
PAPER = (252, 250, 244)
_EDGE = (214, 209, 196)
INK = (38, 36, 42)
_TOOTH_PIXELS = 16


def render(sheet: Sheet) -> Image.Image:
    """Return a sheet as an RGBA picture, transparent around the paper."""
    ink = _ink(sheet)
    size = (ink.width + 2 * SIDE_DOTS * PIXELS_PER_DOT, ink.height + 2 * END_DOTS * PIXELS_PER_DOT)
    paper = Image.new("RGB", size, PAPER)
    paper.paste(INK, (SIDE_DOTS * PIXELS_PER_DOT, END_DOTS * PIXELS_PER_DOT), ink)
    return _tear(paper)


def _ink(sheet: Sheet) -> Image.Image:
    """Return the printed area, 255 where there is ink."""
    dots = sum(row.pitch_dots for row in sheet.rows)
    width = sheet.columns * DOTS_PER_COLUMN * PIXELS_PER_DOT
    ink = Image.new("L", (width, dots * PIXELS_PER_DOT), 0)
    top = 0
    for row in sheet.rows:
        _draw(ink, row, top)
        top += row.pitch_dots * PIXELS_PER_DOT
    return ink


def _draw(ink: Image.Image, row: Row, top: int) -> None:
    match row:
        case TextRow():
            _draw_text(ink, row, top)
        case ImageRow(width_dots, height_dots, bits) if width_dots and height_dots:
            image = Image.frombytes("1", (width_dots, height_dots), bits).convert("L")
            ink.paste(
                image.resize((width_dots * PIXELS_PER_DOT, height_dots * PIXELS_PER_DOT), Image.Resampling.NEAREST),
                (_left(ink, row), top),
            )
        case ImageRow() | Gap():
            pass


def _left(ink: Image.Image, row: TextRow | ImageRow) -> int:
    spare = ink.width - row.width_dots * PIXELS_PER_DOT
    return {"left": 0, "center": spare // 2, "right": spare}[row.align]


def _draw_text(ink: Image.Image, row: TextRow, top: int) -> None:
    """Draw the runs in the middle of the row's pitch, so that a band of inverse type is even above and below."""
    left = _left(ink, row)
    for words, style in row.runs:
        above = (row.pitch_dots - CELL_HEIGHT_DOTS * style.scale_y) * PIXELS_PER_DOT // 2
        for character in words:
            width = columns_of(character) * DOTS_PER_COLUMN * PIXELS_PER_DOT * style.scale_x
            ink.paste(_cell(character, style, width), (left, top + above))
            left += width


def _cell(character: str, style: Style, width: int) -> Image.Image:
    small = glyph(character)
    scale_x, scale_y = _GLYPH_SCALE * style.scale_x, _GLYPH_SCALE * style.scale_y
    large = small.resize((small.width * scale_x, GLYPH_PIXELS * scale_y), Image.Resampling.NEAREST)
    cell = Image.new("L", (width, large.height), 0)
    left = (width - large.width) // 2  # narrow glyphs of the Chinese font stand in the middle
    cell.paste(large, (left, 0))
    if style.bold:
        cell.paste(255, (left + PIXELS_PER_DOT, 0), large)
    return cell.point(lambda value: 255 - value) if style.inverse else cell


def _tear(paper: Image.Image) -> Image.Image:
    """Cut the teeth of the knife into both ends, and give the paper a thin edge to be seen on white."""
    width, height = paper.size
    tooth = _TOOTH_PIXELS
    steps = range(0, width + tooth, tooth)
    outline = [(x, tooth // 2 * (at % 2)) for at, x in enumerate(steps)]
    outline += [(x, height - 1 - tooth // 2 * (at % 2)) for at, x in reversed(list(enumerate(steps)))]
    shape = Image.new("L", paper.size, 0)
    ImageDraw.Draw(shape).polygon(outline, fill=255)
    ImageDraw.Draw(paper).polygon(outline, outline=_EDGE, width=2)
    paper.putalpha(shape)
    return paper
