"""The bitmap font that ships with the simulators: GNU Unifont cut to GB2312 (see ``fonts/README.md``)."""

import gzip
from functools import cache
from pathlib import Path

from PIL import Image

GLYPH_PIXELS = 16
"""Height of every glyph, and width of a Chinese one; ASCII is half as wide."""

_FILE = Path(__file__).parent / "fonts" / "unifont-gb2312.hex.gz"
_MISSING = "7FFE" + "4002" * 14 + "7FFE"  # a hollow box: what a printer shows for a character it lacks


@cache
def glyph(character: str) -> Image.Image:
    """Return a character as a 1-bit image, 8 or 16 pixels wide and 16 high, ink being 255."""
    bitmap = bytes.fromhex(_bitmaps().get(f"{ord(character):04X}", _MISSING))
    return Image.frombytes("1", (len(bitmap) // 2, GLYPH_PIXELS), bitmap).convert("L")


def has_glyph(character: str) -> bool:
    """Say whether the font has a character."""
    return f"{ord(character):04X}" in _bitmaps()


@cache
def _bitmaps() -> dict[str, str]:
    """Hexadecimal bitmaps by hexadecimal code point, exactly as in the file; each is parsed when it is first used."""
    lines = gzip.decompress(_FILE.read_bytes()).decode("ascii").split()
    return dict(line.split(":") for line in lines)
