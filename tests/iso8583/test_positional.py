"""Positional fields: parts by place, absent only at the end."""

import pytest

from iso8583.parts import Part, Positional, Records
from iso8583.positional import cut, join, padded_number, records
from tests.iso8583.refusals import refused

ROWS = Positional(tuple(Part("", "n", length) for length in (2, 3, 1)))


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", ["", "", ""]), ("12", ["12", "", ""]), ("12345", ["12", "345", ""]), ("123456", ["12", "345", "6"])],
)
def test_both_ways(text: str, parts: list[str]) -> None:
    assert cut("60", text, ROWS) == parts
    assert join("60", parts, ROWS) == text


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [
        ("1", "60.1", 0),
        ("1234", "60.2", 2),
        ("12x45", "60.2", 2),
        ("12é45", "60.2", 2),
        ("123４5", "60.2", 3),
        ("1234567", "60", 6),
    ],
)
def test_cut_names_the_part(text: str, field: str, offset: int) -> None:
    error = refused(cut, "60", text, ROWS)
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize(
    ("parts", "field"), [(["", "345", ""], "60.1"), (["12", "34", ""], "60.2"), (["12", "345", "x"], "60.3")]
)
def test_join_names_the_part(parts: list[str], field: str) -> None:
    assert refused(join, "60", parts, ROWS).field == field


@pytest.mark.parametrize(
    ("text", "field", "offset"), [("", "60.1", 0), ("12", "60.2", 2), ("12345", "", 0), ("1234", "60.2", 2)]
)
def test_parts_that_must_be_there(text: str, field: str, offset: int) -> None:
    rows = Positional(ROWS.parts, minimum=2)
    if not field:
        assert cut("60", text, rows) == ["12", "345", ""]
        return
    error = refused(cut, "60", text, rows)
    assert (error.field, error.offset) == (field, offset)
    assert refused(join, "60", [text[:2], "", ""], rows).field in {"60.1", "60.2"}


RECORDS = Records(Part("", "n", 3), 2, 4)


def test_records() -> None:
    found = records("48", b"02123456", RECORDS)
    assert [(path, at, piece) for path, at, _, piece in found] == [("48.1", 2, b"123"), ("48.2", 5, b"456")]


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        (b"", "48.count", 0),
        (b"0", "48.count", 0),
        (b"0x123", "48.count", 1),
        (b"00", "48.count", 0),
        (b"05" + b"1" * 15, "48.count", 0),
        (b"0212345", "48", 2),
        (b"021234567", "48", 2),
    ],
)
def test_records_that_are_refused(data: bytes, field: str, offset: int) -> None:
    error = refused(lambda: list(records("48", data, RECORDS)))
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize("value", [-1, 1000])
def test_numbers_fit_or_are_refused(value: int) -> None:
    assert refused(padded_number, "48.1", value, 3).field == "48.1"
    assert (padded_number("48.1", 0, 3), padded_number("48.1", 999, 3)) == ("000", "999")
