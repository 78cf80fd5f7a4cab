"""Positional fields: parts by place, absent only at the end."""

import pytest

from iso8583.positional import check_digits, cut, join, padded_number
from tests.iso8583.refusals import refused

LENGTHS = (2, 3, 1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", ["", "", ""]), ("12", ["12", "", ""]), ("12345", ["12", "345", ""]), ("123456", ["12", "345", "6"])],
)
def test_both_ways(text: str, parts: list[str]) -> None:
    assert list(cut(60, text, LENGTHS)) == parts
    assert join(60, parts, LENGTHS) == text


@pytest.mark.parametrize(
    ("text", "field", "offset"), [("1", "60.1", 0), ("1234", "60.2", 2), ("12x45", "60.2", 2), ("1234567", "60", 6)]
)
def test_cut_names_the_part(text: str, field: str, offset: int) -> None:
    error = refused(lambda: list(cut(60, text, LENGTHS)))
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize(
    ("parts", "field"), [(["", "345", ""], "60.1"), (["12", "34", ""], "60.2"), (["12", "345", "x"], "60.3")]
)
def test_join_names_the_part(parts: list[str], field: str) -> None:
    assert refused(join, 60, parts, LENGTHS).field == field


@pytest.mark.parametrize("text", ["１２", "1 ", "-1", "1", "123", ""])
def test_digits_are_ascii_digits(text: str) -> None:
    assert refused(check_digits, "48", text, 2, 7).offset == 7
    assert check_digits("48", "12", 2) == "12"


@pytest.mark.parametrize("value", [-1, 1000])
def test_numbers_fit_or_are_refused(value: int) -> None:
    assert refused(padded_number, "48.1", value, 3).field == "48.1"
    assert (padded_number("48.1", 0, 3), padded_number("48.1", 999, 3)) == ("000", "999")
