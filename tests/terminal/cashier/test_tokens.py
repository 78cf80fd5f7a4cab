"""Colours: every text reads at 4.5:1 or better on every ground it stands on, in both themes."""

import re
from pathlib import Path

import pytest

from terminal.cashier.app import STATIC

TEXT_RATIO, SHAPE_RATIO = 4.5, 3.0
GROUNDS = ("paper", "surface", "sunken")
BANDS = ("green-ground", "red-ground", "amber-ground", "plain-ground")
ON_GROUNDS = [(ink, ground) for ink in ("ink", "ink-soft", "green", "red", "amber") for ground in GROUNDS]
ON_BANDS = [("ink", band) for band in BANDS] + [
    ("green", "green-ground"), ("red", "red-ground"), ("amber", "amber-ground"), ("ink-soft", "plain-ground"),
    ("accent-ink", "accent"), ("accent-ink", "accent-strong"),
]  # fmt: skip
SHAPES = [("focus", ground) for ground in GROUNDS] + [("edge", "surface"), ("accent", "surface")]

CSS = (STATIC / "tokens.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part)) for part in CSS.split("prefers-color-scheme: dark")
)
THEMES = {"light": LIGHT, "dark": LIGHT | DARK}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read(theme: str) -> None:
    colours = THEMES[theme]
    weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in ON_GROUNDS + ON_BANDS}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < TEXT_RATIO} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_focus_and_edges_can_be_seen(theme: str) -> None:
    colours = THEMES[theme]
    weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in SHAPES}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < SHAPE_RATIO} == {}


def test_both_themes_have_every_colour_of_their_own() -> None:
    assert LIGHT.keys() == DARK.keys()


def test_only_the_tokens_name_colours() -> None:
    named = re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", (STATIC / "cashier.css").read_text("utf-8"))
    assert named == []


def test_every_token_that_is_used_is_there() -> None:
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", (STATIC / "cashier.css").read_text("utf-8")))
    assert used - set(re.findall(r"--([a-z0-9-]+):", CSS)) == set()


@pytest.mark.parametrize("file", [path for path in STATIC.parent.rglob("*") if path.suffix in {".css", ".html", ".js"}])
def test_nothing_comes_from_another_server(file: Path) -> None:
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", file.read_text("utf-8")) == []
