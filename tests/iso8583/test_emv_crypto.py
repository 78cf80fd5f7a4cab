"""Application cryptograms: published chip transactions, the golden card, and pyemv as a second opinion."""

from typing import Any

import pyemv
import pytest

from iso8583 import emv_crypto
from tests.iso8583.vectors import EMV

# pyemv takes DES from the place that cryptography is about to close.
SECOND_OPINION = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def hexadecimal(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


@pytest.mark.parametrize("vector", EMV["transactions"])
def test_transaction(vector: dict[str, Any]) -> None:
    card, counter, session = hexadecimal(vector, "card_key", "counter", "session_key")
    data, arqc, arpc = hexadecimal(vector, "data", "arqc", "arpc")
    assert emv_crypto.session_key(card, counter) == session
    assert emv_crypto.application_cryptogram(session, data) == arqc
    assert emv_crypto.arqc_is_good(session, data, arqc)
    assert not emv_crypto.arqc_is_good(session, data, bytes(8))
    assert emv_crypto.arpc(session, arqc, vector["response_code"].encode()) == arpc


@pytest.mark.parametrize("vector", EMV["session_keys"])
def test_session_key(vector: dict[str, Any]) -> None:
    card, counter, session = hexadecimal(vector, "card_key", "counter", "session_key")
    assert emv_crypto.session_key(card, counter) == session


def without_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE for byte in key)


@pytest.mark.parametrize("vector", EMV["card_keys"])
def test_card_key(vector: dict[str, Any]) -> None:
    issuer, card = hexadecimal(vector, "issuer_key", "card_key")
    derived = emv_crypto.card_key(issuer, vector["pan"], vector["sequence_number"])
    assert without_parity(derived) == without_parity(card)


@SECOND_OPINION
@pytest.mark.parametrize("pan", ["6228000100001", "629999000000000", "6299990000000009", "6228480402564890018"])
@pytest.mark.parametrize("sequence", ["", "00", "01", "001", "99"])
def test_card_key_agrees_with_pyemv(pan: str, sequence: str) -> None:
    issuer = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    expected = pyemv.kd.derive_icc_mk_a(issuer, pan, sequence[-2:] or "00")
    assert without_parity(emv_crypto.card_key(issuer, pan, sequence)) == without_parity(expected)


@SECOND_OPINION
def test_cryptogram_and_answer_agree_with_pyemv() -> None:
    key, data = bytes.fromhex("4A43440B2D932ACDC4E2776ED562EE43"), bytes(range(37))
    arqc = emv_crypto.application_cryptogram(key, data)
    assert arqc == pyemv.ac.generate_ac(key, data, pyemv.ac.PaddingType.EMV)
    assert emv_crypto.arpc(key, arqc, b"51") == pyemv.ac.generate_arpc_1(key, arqc, b"51")


@pytest.mark.parametrize("counter", [b"", b"\1", b"\1\2\3"])
def test_a_counter_has_two_bytes(counter: bytes) -> None:
    with pytest.raises(ValueError, match="2 bytes"):
        emv_crypto.session_key(bytes(16), counter)


@pytest.mark.parametrize(("pan", "sequence"), [("62999900000000D9", "01"), ("6299990000000009", "0A")])
def test_a_card_key_is_made_of_digits(pan: str, sequence: str) -> None:
    with pytest.raises(ValueError, match=r"^a card key is derived from digits$"):
        emv_crypto.card_key(bytes(16), pan, sequence)
