"""The shipped font has every character that a slip can show, and its licence."""

import gzip
import re
from pathlib import Path

import pytest

from simulators.bitmap_font import glyph, has_glyph
from simulators.fonts.cut import OUTPUT, cut, wanted
from terminal.slip_layout import plain_text
from tests.terminal.test_receipts import PRINTED


def gb2312() -> list[str]:
    pairs = (bytes([row, cell]) for row in range(0xA1, 0xF8) for cell in range(0xA1, 0xFF))
    return [character for pair in pairs for character in pair.decode("gb2312", "ignore")]


def test_it_has_all_of_gb2312_and_ascii() -> None:
    characters = gb2312()
    assert len(characters) == 7445
    assert not [character for character in characters if not has_glyph(character)]
    assert all(has_glyph(chr(code)) for code in range(0x20, 0x7F))


@pytest.mark.parametrize("name", PRINTED)
def test_it_has_what_our_slips_say(name: str) -> None:
    assert not [character for character in plain_text(PRINTED[name], 32).replace("\n", "") if not has_glyph(character)]


def test_a_chinese_glyph_is_twice_as_wide_as_a_latin_one() -> None:
    assert (glyph("中").size, glyph("A").size) == ((16, 16), (8, 16))


def test_the_file_is_what_the_cut_makes_and_small() -> None:
    lines = gzip.decompress(OUTPUT.read_bytes()).decode("ascii").splitlines()
    assert list(cut(lines)) == lines
    assert all(re.fullmatch(r"[0-9A-F]{4,6}:([0-9A-F]{32}|[0-9A-F]{64})", line) for line in lines)
    assert OUTPUT.stat().st_size < 200_000
    assert not wanted("龘")


def test_the_licence_is_beside_it() -> None:
    licence = (Path(OUTPUT).parent / "OFL.txt").read_text(encoding="utf-8")
    assert "Roman Czyborra, Paul Hardy" in licence
    assert "SIL OPEN FONT LICENSE" in licence
