"""Field 54: balances with their sign."""

import pytest

from iso8583.unionpay_fields.field54 import Balance54
from tests.iso8583.refusals import refused


@pytest.mark.parametrize(("amount", "text"), [(1234, "1002156C000000001234"), (-1, "1002156D000000000001")])
def test_balance(amount: int, text: str) -> None:
    balance = Balance54("10", "02", "156", amount)
    assert balance.to_text() == text
    assert Balance54.parse(text) == balance


@pytest.mark.parametrize("text", ["", "1002156", "1002156X000000001234", "1002156C00000000123", "10021a6C000000001234"])
def test_balances_that_are_refused(text: str) -> None:
    assert str(refused(Balance54.parse, text).field).startswith("54")
