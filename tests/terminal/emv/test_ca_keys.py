"""The authorities' keys: the shipped ones are the published ones; damaged ones are refused, expired ones not found."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from terminal.emv.ca_keys import CaKey, find_key, parse_ca_keys
from terminal.emv.certificates import RsaKey

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "emv_ca_keys.json").read_text("utf-8"))
SHIPPED = parse_ca_keys(files("terminal.emv").joinpath("data/unionpay_ca_keys.json").read_text("utf-8"))
UNIONPAY = bytes.fromhex("A000000333")
DEBIT = UNIONPAY + b"\x01\x01\x01"


def test_shipped_keys_are_the_published_ones() -> None:
    named = [(key.index, 8 * len(key.key.modulus), key.check_value.hex().upper()) for key in SHIPPED]
    assert named == [(int(entry["index"], 16), entry["bits"], entry["check_value"]) for entry in VECTORS]
    assert [key.key.modulus.hex().upper() for key in SHIPPED] == [entry["modulus"] for entry in VECTORS]
    assert {key.rid for key in SHIPPED} == {UNIONPAY}


def test_no_test_key_is_shipped() -> None:
    assert find_key(SHIPPED, DEBIT, 0xEE, "20261120") is None


@pytest.mark.parametrize("entry", VECTORS, ids=lambda entry: entry["index"])
def test_key_is_found_by_application_and_index(entry: dict[str, str]) -> None:
    key = find_key(SHIPPED, DEBIT, int(entry["index"], 16), "20261120")
    assert key == RsaKey(bytes.fromhex(entry["modulus"]), 3)
    assert find_key(SHIPPED, b"\xa0\x00\x00\x00\x03\x10\x10", int(entry["index"], 16), "20261120") is None


def test_key_is_good_to_its_last_day() -> None:
    keys = (replace(SHIPPED[0], expires="20261120"),)
    assert find_key(keys, DEBIT, SHIPPED[0].index, "20261120")
    assert find_key(keys, DEBIT, SHIPPED[0].index, "20261121") is None


@pytest.mark.parametrize(
    "change",
    [{"check_value": bytes(20)}, {"index": 0xEE}, {"rid": bytes(5)}, {"key": RsaKey(b"\x80" * 128, 3)}],
    ids=lambda change: next(iter(change)),
)
def test_damaged_key_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        replace(SHIPPED[0], **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"rid": bytes(4)}, {"index": 256}, {"expires": "2026"}, {"expires": "2026112A"}])
def test_impossible_key_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a CA key"):
        replace(SHIPPED[0], **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("modulus", [b"", bytes(128), b"\xff" * 249])
def test_impossible_modulus_is_refused(modulus: bytes) -> None:
    with pytest.raises(ValueError, match="modulus"):
        RsaKey(modulus, 3)


def test_impossible_exponent_is_refused() -> None:
    with pytest.raises(ValueError, match="exponent"):
        RsaKey(b"\xff", 2)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[{}]", '[{"rid": "A000000333"}]', json.dumps([VECTORS[0]] * 65)])
def test_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_ca_keys(text)


def test_key_does_not_show_its_modulus() -> None:
    assert SHIPPED[0].key.modulus.hex()[:8] not in repr(SHIPPED[0]).lower()
    assert isinstance(SHIPPED[0], CaKey)
