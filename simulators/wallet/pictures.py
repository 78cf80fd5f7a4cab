"""How codes look on the phone: a QR code, and for digits a Code-128 as well; as SVG paths and as one PNG.

Code-128 follows ISO/IEC 15417 in its code set C, two digits to a symbol. It is drawn here because the demo runs without
the camera's library, which could draw it too.
"""

from io import BytesIO
from itertools import accumulate

from PIL import Image, ImageDraw

from simulators.bitmap_font import GLYPH_PIXELS, glyph
from simulators.paper_roll import qr_modules

# Widths of bars and gaps of the symbols 0 to 105, six to a symbol, a bar first; the stop has one bar more.
_WIDTHS = (
    "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222123122123221"
    "223211221132221231213212223112312131311222321122321221312212322112322211212123212321232121111323131123131321"
    "112313132113132311211313231113231311112133112331132131113123113321133121313121211331231131213113213311213131"
    "311123311321331121312113312311332111314111221411431111111224111422121124121421141122141221112214112412122114"
    "122411142112142211241211221114413111241112134111111242121142121241114212124112124211411212421112421211212141"
    "214121412121111143111341131141114113114311411113411311113141114131311141411131211412211214211232"
)
_START_C, _STOP = 105, "2331112"
QUIET_MODULES = 10

_LEVEL_M = 1
_MODULE_PIXELS = 6
_BAR_PIXELS, _BARS_HIGH = 3, 110
_MARGIN = 36


def code128_modules(digits: str) -> list[bool]:
    """The modules of a Code-128 of an even number of digits, dark being true, without quiet zone."""
    if len(digits) % 2 or not (digits.isascii() and digits.isdigit()):
        raise ValueError("code set C has an even number of digits")
    values = [_START_C, *(int(digits[at : at + 2]) for at in range(0, len(digits), 2))]
    check = (values[0] + sum(at * value for at, value in enumerate(values[1:], start=1))) % 103
    widths = "".join(_WIDTHS[6 * value : 6 * value + 6] for value in (*values, check)) + _STOP
    return [at % 2 == 0 for at, width in enumerate(widths) for _ in range(int(width))]


def qr_path(code: str) -> str:
    """The code as a QR code: grid's size and SVG path, as ``29|M0 0h1v1h-1z…``; "" without a code."""
    if not code:
        return ""
    rows = qr_modules(code.encode("ascii"), _LEVEL_M)
    dark = ((x, y) for y, row in enumerate(rows) for x, module in enumerate(row) if module)
    return f"{len(rows)}|" + "".join(f"M{x} {y}h1v1h-1z" for x, y in dark)


def code128_path(digits: str) -> str:
    """The digits as a Code-128 of height 1: its width in modules and an SVG path, as ``167|M0 0h2v1h-2z…``."""
    modules = code128_modules(digits)
    return f"{len(modules)}|" + "".join(f"M{at} 0h1v1h-1z" for at, dark in enumerate(modules) if dark)


def grouped(digits: str) -> str:
    """Digits in fours, as a person reads them out."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def png(code: str, caption: str) -> bytes:
    """One picture: the QR code; of digits also the Code-128 and the digits themselves; a caption below."""
    rows = qr_modules(code.encode("ascii"), _LEVEL_M)
    side = len(rows) * _MODULE_PIXELS
    lines = [grouped(code), caption] if code.isdigit() else [caption]
    bars = code128_modules(code) if code.isdigit() else []
    width = max(side, len(bars) * _BAR_PIXELS, *map(_text_width, lines)) + 2 * _MARGIN
    height = side + (_BARS_HIGH + _MARGIN if bars else 0) + len(lines) * 2 * GLYPH_PIXELS + 2 * _MARGIN
    picture = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(picture)
    for y, row in enumerate(rows):
        _draw_modules(pen, row, ((width - side) // 2, _MARGIN + y * _MODULE_PIXELS), (_MODULE_PIXELS, _MODULE_PIXELS))
    top = _MARGIN + side + _MARGIN // 2
    if bars:
        _draw_modules(pen, bars, ((width - len(bars) * _BAR_PIXELS) // 2, top), (_BAR_PIXELS, _BARS_HIGH))
        top += _BARS_HIGH + _MARGIN // 2
    for at, line in enumerate(lines):
        _draw_text(picture, line, top + at * 2 * GLYPH_PIXELS)
    written = BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def _draw_modules(pen: ImageDraw.ImageDraw, row: list[bool], corner: tuple[int, int], module: tuple[int, int]) -> None:
    (left, top), (width, height) = corner, module
    for at, dark in enumerate(row):
        if dark:
            x = left + at * width
            pen.rectangle((x, top, x + width - 1, top + height - 1), fill=0)


def _text_width(line: str) -> int:
    return sum(glyph(character).width for character in line)


def _draw_text(picture: Image.Image, line: str, top: int) -> None:
    glyphs = [glyph(character) for character in line]
    left = (picture.width - _text_width(line)) // 2
    for image, right in zip(glyphs, accumulate(image.width for image in glyphs), strict=True):
        picture.paste(0, (left + right - image.width, top), image)
