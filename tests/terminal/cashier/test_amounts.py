"""Amounts as typed: exact, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.cashier.amounts import parse_amount


@pytest.mark.parametrize(
    ("typed", "minor"),
    [("25.00", 2500), ("25", 2500), ("25.5", 2550), ("0.05", 5), ("25.", 2500), (" 1.00 ", 100), ("0", 0)],
)
def test_amount(typed: str, minor: int) -> None:
    assert parse_amount(typed, "156") == minor


@pytest.mark.parametrize("typed", ["", ".", "-1", "1,000.00", "1.234", "1e3", "٢٥", "12345678901", "1 0", "¥5", "0x10"])
def test_what_is_no_amount(typed: str) -> None:
    assert parse_amount(typed, "156") is None


def test_currency_without_minor_digits() -> None:
    assert parse_amount("25", "392") == 25
    assert parse_amount("25.5", "392") is None


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_what_the_page_writes_is_read_back(minor: int) -> None:
    assert parse_amount(f"{minor // 100}.{minor % 100:02d}", "156") == minor


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_none(text: str) -> None:
    amount = parse_amount(text, "156")
    assert amount is None or amount >= 0
