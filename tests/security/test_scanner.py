"""The scanner sees: a leak is planted in every form and kind of place, and must be found; and it does not cry wolf."""

import base64
import json
import sqlite3
from collections.abc import Callable

import pytest

from simulators.cards import load_card
from simulators.cards.personalisation import personalise
from tests.security.scanner import Scanner, card_numbers, luhn_digit

PAN = "6225880137706868"
PIN = "739182640517"
KEY = bytes.fromhex("C1D0F8FB4958670DBA40AB1F3752EF0D")
CARD = personalise({"pan": PAN, "sequence": "01", "expiry": "301231", "issuer_key": KEY.hex()})

Plant = Callable[[str], bytes]


def grouped(separator: str) -> Plant:
    return lambda digits: separator.join(digits[at : at + 4] for at in range(0, len(digits), 4)).encode()


def in_base64(shift: int, form: Callable[[str], bytes]) -> Plant:
    return lambda digits: base64.b64encode(b"x" * shift + form(digits) + b"y")


def swapped(digits: str) -> bytes:
    return bytes.fromhex("".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2)))


DIGIT_LEAKS: dict[str, Plant] = {
    "ASCII": lambda digits: f"pan={digits};".encode(),
    "ASCII in UTF-8 text": lambda digits: f"卡号{digits}元".encode(),
    "UTF-16 little-endian": lambda digits: f"x{digits}".encode("utf-16-le"),
    "UTF-16 big-endian": lambda digits: f"x{digits}".encode("utf-16-be"),
    "grouped by spaces": grouped(" "),
    "grouped by dashes": grouped("-"),
    "packed": lambda digits: b"\x08" + bytes.fromhex(digits) + b"\x30\x12",
    "packed, odd": lambda digits: bytes.fromhex("1" + digits + "D"),
    "packed, swapped": swapped,
    "hex of packed": lambda digits: f"0810{digits}".encode(),
    "hex of ASCII": lambda digits: f"2: {digits.encode().hex()}".encode(),
    "JSON": lambda digits: json.dumps({"2": digits}).encode(),
    **{f"base64 of ASCII, {shift} in": in_base64(shift, str.encode) for shift in range(3)},
    **{f"base64 of packed, {shift} in": in_base64(shift, bytes.fromhex) for shift in range(3)},
}
BYTE_LEAKS: dict[str, Plant] = {
    "raw": lambda key: b"\x10" + bytes.fromhex(key),
    "hex": lambda key: key.lower().encode(),
    "hex in capitals": lambda key: key.upper().encode(),
    "hex, spaced": lambda key: bytes.fromhex(key).hex(" ").upper().encode(),
    "repr": lambda key: repr({"key": bytes.fromhex(key)}).encode(),
    "repr of bytearray": lambda key: repr(bytearray.fromhex(key)).encode(),
    "JSON of latin-1": lambda key: json.dumps({"key": bytes.fromhex(key).decode("latin-1")}).encode(),
    "JSON of numbers": lambda key: json.dumps(list(bytes.fromhex(key))).encode(),
    "URL-safe base64": lambda key: base64.urlsafe_b64encode(bytes.fromhex(key)),
    **{f"base64, {shift} in": in_base64(shift, bytes.fromhex) for shift in range(3)},
}


def scanner() -> Scanner:
    known = Scanner()
    known.know_card("card", CARD, PIN)
    known.know_bytes("key", KEY)
    return known


@pytest.mark.parametrize("form", DIGIT_LEAKS)
@pytest.mark.parametrize(("name", "digits"), [("card number", PAN), ("card PIN", PIN)])
def test_a_number_is_found_in_every_form(form, name, digits):
    planted = b"before " + DIGIT_LEAKS[form](digits) + b" after"
    assert name in {find.canary for find in scanner().scan("planted", planted)}


@pytest.mark.parametrize("form", BYTE_LEAKS)
def test_a_key_is_found_in_every_form(form):
    planted = b"before" + BYTE_LEAKS[form](KEY.hex()) + b"after"
    assert {find.canary for find in scanner().scan("planted", planted)} == {"key"}


def test_a_leak_is_found_in_every_kind_of_file(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.log").write_text(f"declined {PAN}")
    (tmp_path / f"{PIN}.txt").touch()
    database = sqlite3.connect(tmp_path / "a.db")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE kept (value BLOB)")
    database.execute("INSERT INTO kept VALUES (?)", (KEY,))
    database.commit()
    found = {(find.canary, find.place.rsplit("/", 1)[-1]) for find in scanner().scan_folder(tmp_path)}
    database.close()
    assert found == {("card number", "a.log"), ("card PIN", f"{PIN}.txt"), ("key", "a.db-wal")}


def test_a_folder_can_be_left_out(tmp_path):
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "accounts").write_text(PAN)
    assert scanner().scan_folder(tmp_path, without=[tmp_path / "bank"]) == []


def test_what_may_be_shown_is_no_leak():
    shown = "622588******6868 6225 88** **** 6868 73 REF 000000000123 at 1795169428.204 8A1F3C5577D2E410"
    assert scanner().scan("slip", shown) == []
    assert scanner().scan("other card", load_card("golden").pan) == []


def test_the_second_opinion_knows_no_canary():
    assert luhn_digit(PAN[:-1]) == PAN[-1]
    assert card_numbers(f"a {PAN}, b {PAN[:-1]}7 c 6299990000000017".encode()) == [PAN.encode(), b"6299990000000017"]
    assert card_numbers(b"898110053110001 000000000123 1795169428.2040403 a62258801377068680") == []
