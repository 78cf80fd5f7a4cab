"""Data object lists: read, and filled with what the terminal knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.emv.dol import DATA_LENGTH_MAX, fill_dol, parse_dol
from terminal.emv.faults import MalformedError
from terminal.emv.tags import Tag


def filled(tag: int, length: int, value: bytes | None) -> str:
    return fill_dol(((tag, length),), lambda asked: value if asked == tag else None).hex().upper()


def test_list_of_short_and_long_tags() -> None:
    assert parse_dol(bytes.fromhex("9F02069A03DF816901"), "") == ((0x9F02, 6), (0x9A, 3), (0xDF8169, 1))


@pytest.mark.parametrize("broken", ["9F", "9F02", "9A", "9A81", "9F0280", "9F8181818181"])
def test_broken_list(broken: str) -> None:
    with pytest.raises(MalformedError):
        parse_dol(bytes.fromhex(broken), "PDOL")


def test_list_that_no_command_can_carry() -> None:
    assert parse_dol(b"\x9a\x7e" * 2, "")
    with pytest.raises(MalformedError):
        parse_dol(b"\x9a\x7f\x9a\x7e", "")


@pytest.mark.parametrize(
    ("tag", "length", "value", "expected"),
    [
        (Tag.AMOUNT, 6, b"\x00\x00\x00\x00\x12\x34", "000000001234"),
        (Tag.AMOUNT, 4, b"\x00\x00\x00\x00\x12\x34", "00001234"),
        (Tag.AMOUNT, 8, b"\x00\x00\x00\x00\x12\x34", "0000000000001234"),
        (Tag.PAN, 10, b"\x62\x99", "6299FFFFFFFFFFFFFFFF"),
        (Tag.PAN, 1, b"\x62\x99", "62"),
        (Tag.MERCHANT_NAME, 3, b"SHOP", "53484F"),
        (Tag.TVR, 6, b"\x80\x00\x00\x00\x00", "800000000000"),
        (Tag.TVR, 2, b"\x80\x01\x00\x00\x00", "8001"),
        (0x9F99, 3, None, "000000"),
        (Tag.AMOUNT, 0, b"\x12", ""),
    ],
)
def test_values_are_fitted_by_format(tag: int, length: int, value: bytes | None, expected: str) -> None:
    assert filled(tag, length, value) == expected


@given(st.binary(max_size=300))
def test_any_list_is_refused_or_filled_to_the_length_it_asks_for(data: bytes) -> None:
    try:
        entries = parse_dol(data, "PDOL")
    except MalformedError:
        return
    made = fill_dol(entries, lambda tag: b"\x12\x34\x56\x78")
    assert len(made) == sum(length for _, length in entries) <= DATA_LENGTH_MAX
