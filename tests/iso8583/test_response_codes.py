"""Response codes: every code of the specification, in two languages, with one action."""

import re

import pytest

from iso8583.response_codes import RESPONSE_CODES, REVERSAL_DONE, UPLOAD_DONE, Action, meaning

ACTIONS = {
    "approve": "00",
    "accept": "10 11 A2 A4 A5 A6",
    "capture": "04 07 34 35 36 37 41 43 67",
    "reverse": "68",
    "sign_on": "77 79 99 A0",
    "retry_later": "90 91 92 96 98",
    "retry_pin": "55",
    "stop": "03 97",
    "decline": "01 02 05 12 13 14 15 21 22 25 30 33 38 40 51 54 57 58 59 61 62 64 65 75 94 A1 A3 A7 "
    "B1 P0 P1 P2 P3 P4 P5 P6 P7 P8 P9 PA",
}


def test_every_code_has_its_action() -> None:
    assert {code: row.action for code, row in RESPONSE_CODES.items()} == {
        code: Action(action) for action, codes in ACTIONS.items() for code in codes.split()
    }


@pytest.mark.parametrize("code", RESPONSE_CODES)
def test_both_languages_say_something_and_fit_a_screen(code: str) -> None:
    row = RESPONSE_CODES[code]
    assert row.code == code
    assert re.search("[\u4e00-\u9fff]", row.zh)
    assert not re.search("[A-Za-z]", row.zh)
    assert row.en.isascii()
    assert 4 <= len(row.zh) <= 24
    assert 8 <= len(row.en) <= 60


@pytest.mark.parametrize(
    "code", [code for code, row in RESPONSE_CODES.items() if row.action not in {"approve", "accept"}]
)
def test_whoever_is_not_paid_is_told_what_to_do(code: str) -> None:
    assert re.search("请|正在", RESPONSE_CODES[code].zh)


def test_an_unknown_code_is_a_decline_that_shows_it() -> None:
    row = meaning("Z9")
    assert (row.code, row.action) == ("Z9", Action.DECLINE)
    assert "Z9" in row.zh
    assert "Z9" in row.en
    assert "\x1b" not in meaning("\x1b[").en
    assert meaning("00") is RESPONSE_CODES["00"]


def test_codes_that_end_a_reversal_or_an_upload() -> None:
    assert {"00", "12", "25"} == REVERSAL_DONE
    assert {"00", "94"} == UPLOAD_DONE
    assert RESPONSE_CODES.keys() >= REVERSAL_DONE | UPLOAD_DONE
