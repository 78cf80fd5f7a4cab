"""Masking hides whatever it does not recognise."""

import pytest

from iso8583 import load_dialect
from iso8583.masking import USUAL_ROWS, mask_code, mask_field, mask_pan
from iso8583.table import Field


@pytest.mark.parametrize(
    ("pan", "shown"),
    [
        ("6299990000000009", "629999******0009"),
        ("4012345678909", "401234***8909"),
        ("6228480402564890018", "622848*********0018"),
        ("629999000009", "************"),
        ("62999900000000091234", "*" * 20),
        ("6299 9900 0000 0009", "*" * 19),
        ("６２９９990000000009", "*" * 16),
        ("", ""),
    ],
)
def test_pan_keeps_six_and_four_or_nothing(pan: str, shown: str) -> None:
    assert mask_pan(pan) == shown


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("6200000000000000000", "62*************0000"),
        ("134567890123456789", "13************6789"),
        ("134567890123456", "*" * 15),
        ("1" * 25, "*" * 25),
        ("13456789012345678X", "*" * 18),
    ],
)
def test_code_keeps_two_and_four_or_nothing(code: str, shown: str) -> None:
    assert mask_code(code) == shown


TABLES = {"by hand": USUAL_ROWS} | {name: load_dialect(name).table.fields for name in ("unionpay_pos", "iso87_ascii")}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("number", [14, 35, 36, 44, 45, 48, 52, 53, 54, 55, 58, 59, 62, 63, 64, 99, 127])
def test_fields_that_no_row_shows_become_counts(table: str, number: int) -> None:
    row = TABLES[table].get(number)
    assert mask_field(row, "6299990000000009") == "<16 characters>"
    assert mask_field(row, b"6299990000000009") == "<16 bytes>"


def test_a_shown_field_longer_than_its_field_is_hidden() -> None:
    row = Field("", "an", "ascii", 12, mask="show")
    assert mask_field(row, "260115000002") == "260115000002"
    assert mask_field(row, "6299990000000009") == "<16 characters>"
    assert mask_field(row, b"260115000002") == "<12 bytes>"
