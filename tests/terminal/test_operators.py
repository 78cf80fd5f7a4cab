"""Operators: PINs as hashes only, roles, and a lock after five wrong tries."""

import stat

import pytest

from terminal.operators import WRONG_PINS_MAX, OperatorError, Operators


@pytest.fixture
def operators(tmp_path):
    operators = Operators(tmp_path / "operators.json")
    operators.add("00", "supervisor", "123456")
    operators.add("01", "cashier", "0000")
    return operators


def test_right_pin_passes(operators):
    assert operators.check("00", "123456", "supervisor") == ""


def test_cashier_is_no_supervisor(operators):
    assert operators.check("01", "0000", "supervisor") == "operator_unknown"


def test_five_wrong_pins_lock_also_across_a_restart(operators, tmp_path):
    for _ in range(WRONG_PINS_MAX):
        assert operators.check("00", "999999") == "operator_pin_wrong"
    again = Operators(tmp_path / "operators.json")
    assert again.check("00", "123456") == "operator_locked"
    again.add("00", "supervisor", "654321")
    assert again.check("00", "654321") == ""


def test_right_pin_forgives_the_wrong_ones_before(operators):
    for _ in range(WRONG_PINS_MAX - 1):
        operators.check("01", "9999")
    assert operators.check("01", "0000") == ""
    assert operators.check("01", "9999") == "operator_pin_wrong"


def test_no_pin_stands_in_the_file(operators, tmp_path):
    file = tmp_path / "operators.json"
    assert "123456" not in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("number", "pin"), [("1", "0000"), ("001", "0000"), ("ab", "0000"), ("02", "12"), ("02", "x")])
def test_what_is_no_number_or_pin_is_refused_in_words(operators, number, pin):
    with pytest.raises(OperatorError):
        operators.add(number, "cashier", pin)
