"""Keys, MACs, PIN blocks and tracks: known answers, independent programs, and refusals that tell nothing."""

from collections.abc import Callable
from typing import Any

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso8583 import security
from tests.iso8583.vectors import GOLDEN, SECURITY

KEY_8 = bytes.fromhex("0123456789ABCDEF")
KEY_16 = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
OTHER_16 = bytes.fromhex("89ABCDEF0123456776543210FEDCBA98")
PAN = "6299990000000009"

# psec takes DES from the place that cryptography is about to close.
SECOND_OPINION = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def vectors(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", SECURITY[name])


def data_of(vector: dict[str, Any]) -> bytes:
    if "text" in vector:
        return str(vector["text"]).encode("ascii")
    if "message" in vector:
        return GOLDEN[vector["message"]].message[:-8]
    return bytes.fromhex(vector["data"])


# MACs ----------------------------------------------------------------------------------------------------------------


@vectors("unionpay_mac")
def test_unionpay_mac(vector: dict[str, Any]) -> None:
    assert security.unionpay_mac(bytes.fromhex(vector["key"]), data_of(vector)) == vector["mac"].encode()


def test_unionpay_mac_folds_blocks_and_pads_with_zeros() -> None:
    whole = security.unionpay_mac(KEY_8, b"12345678" + b"ABCD\0\0\0\0")
    assert security.unionpay_mac(KEY_8, b"12345678ABCD") == whole
    assert security.unionpay_mac(KEY_8, b"ABCD\0\0\0\0" + b"12345678") == whole  # XOR has no order: a known weakness


def test_unionpay_mac_with_a_double_length_key() -> None:
    assert security.unionpay_mac(KEY_8 + KEY_8, b"message") == security.unionpay_mac(KEY_8, b"message")
    assert security.unionpay_mac(KEY_16, b"message") != security.unionpay_mac(KEY_8, b"message")


@vectors("sm4_mac")
def test_sm4_mac(vector: dict[str, Any]) -> None:
    assert security.sm4_mac(bytes.fromhex(vector["key"]), data_of(vector)) == vector["mac"].encode()


@vectors("retail_mac")
def test_retail_mac(vector: dict[str, Any]) -> None:
    mac = security.retail_mac(bytes.fromhex(vector["key"]), data_of(vector), padding=vector["padding"])
    assert mac.hex().upper() == vector["mac"]


@SECOND_OPINION
@pytest.mark.parametrize("padding", [1, 2])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 40])
def test_retail_mac_agrees_with_psec(length: int, padding: Any) -> None:
    data = bytes(range(length))
    expected = psec.mac.generate_retail_mac(KEY_16[:8], KEY_16[8:], data, padding)
    assert security.retail_mac(KEY_16, data, padding) == expected


def test_retail_mac_of_nothing_is_the_mac_of_one_block_of_padding() -> None:
    assert security.retail_mac(KEY_16, b"") == security.retail_mac(KEY_16, bytes(8))


def test_equal_macs() -> None:
    assert security.equal_macs(b"66C303E8", b"66C303E8")
    assert not security.equal_macs(b"66C303E8", b"66C303E9")
    assert not security.equal_macs(b"66C303E8", b"66C303E")


# PIN blocks ----------------------------------------------------------------------------------------------------------


@vectors("pin_block_iso0")
def test_pin_block_iso0(vector: dict[str, Any]) -> None:
    pin = bytearray(vector["pin"].encode())
    block = security.pin_block_iso0(pin, vector["pan"])
    assert block.hex().upper() == vector["block"]
    assert security.pin_from_block(block, vector["pan"]) == pin


@vectors("pin_block_sm4")
def test_pin_block_sm4(vector: dict[str, Any]) -> None:
    pin = bytearray(vector["pin"].encode())
    block = security.pin_block_sm4(pin, vector["pan"])
    assert block.hex().upper() == vector["block"]
    assert security.pin_from_block(block, vector["pan"]) == pin


@pytest.mark.parametrize(
    "vector", [row for row in SECURITY["pin_block_iso0"] if "key" in row] + SECURITY["pin_block_sm4"]
)
def test_pin_block_under_its_key(vector: dict[str, Any]) -> None:
    key, block = bytes.fromhex(vector["key"]), bytearray.fromhex(vector["block"])
    encrypted = security.encrypt_pin_block(key, block)
    assert encrypted.hex().upper() == vector["encrypted"]
    assert not any(block)  # the clear block is gone
    assert security.decrypt_pin_block(key, encrypted).hex().upper() == vector["block"]


@pytest.mark.parametrize("pin", ["1234", "12345", "123456", "1234567890", "123456789012"])
def test_pins_of_every_length_agree_with_psec(pin: str) -> None:
    block = security.pin_block_iso0(bytearray(pin.encode()), PAN)
    assert bytes(block) == psec.pinblock.encode_pinblock_iso_0(pin, PAN)
    for make in (security.pin_block_iso0, security.pin_block_sm4):
        assert security.pin_from_block(make(bytearray(pin.encode()), PAN), PAN) == pin.encode()


@pytest.mark.parametrize("make", [security.pin_block_iso0, security.pin_block_sm4])
@pytest.mark.parametrize(
    ("pin", "pan"),
    [
        ("123", PAN),
        ("1234567890123", PAN),
        ("12a4", PAN),
        ("", PAN),
        ("1234", "629999000000"),
        ("1234", "62999900000000D9"),
    ],
)
def test_pin_block_refuses_without_telling(make: Callable[[bytearray, str], bytearray], pin: str, pan: str) -> None:
    with pytest.raises(ValueError, match=r"^a PIN") as caught:
        make(bytearray(pin.encode()), pan)
    assert pin not in str(caught.value) or not pin
    assert pan not in str(caught.value)


def test_a_block_of_another_pan_or_key_is_no_pin_block() -> None:
    block = security.pin_block_iso0(bytearray(b"123456"), PAN)
    for other in (block[::-1], bytearray(8), bytearray(b"\xff" * 8), bytearray.fromhex("1612ADC6FFFFFFFF")):
        with pytest.raises(ValueError, match="no PIN block"):
            security.pin_from_block(other, PAN)
    with pytest.raises(ValueError, match="no PIN block"):
        security.pin_from_block(block, "6299991234567894")


def test_translation_moves_a_block_from_key_to_key() -> None:
    encrypted = security.encrypt_pin_block(KEY_16, security.pin_block_iso0(bytearray(b"123456"), PAN))
    moved = security.translate_pin_block(encrypted, KEY_16, OTHER_16)
    assert moved != encrypted
    assert security.pin_from_block(security.decrypt_pin_block(OTHER_16, moved), PAN) == b"123456"


def test_a_pin_block_has_8_or_16_bytes() -> None:
    for length in (0, 7, 9, 24):
        with pytest.raises(ValueError, match="8 or 16 bytes"):
            security.encrypt_pin_block(KEY_16, bytearray(length))
        with pytest.raises(ValueError, match="8 or 16 bytes"):
            security.decrypt_pin_block(KEY_16, bytes(length))


# Keys ----------------------------------------------------------------------------------------------------------------


@vectors("working_keys")
def test_working_key(vector: dict[str, Any]) -> None:
    master, key, wrapped = (bytes.fromhex(vector[name]) for name in ("master_key", "key", "wrapped"))
    check, algorithm = bytes.fromhex(vector["check_value"]), vector["algorithm"]
    assert security.wrap_key(master, key, algorithm) == wrapped
    assert security.key_check_value(key, algorithm) == check
    assert security.unwrap_key(master, wrapped, check, algorithm) == key
    with pytest.raises(ValueError, match="check value"):
        security.unwrap_key(master, wrapped, bytes(4), algorithm)


@vectors("wrapped_without_check_value")
def test_wrapped_key(vector: dict[str, Any]) -> None:
    master, key, wrapped = (bytes.fromhex(vector[name]) for name in ("master_key", "key", "wrapped"))
    assert security.wrap_key(master, key) == wrapped
    assert security.unwrap_key(master, wrapped, security.key_check_value(key)) == key


@vectors("des")
def test_des(vector: dict[str, Any]) -> None:
    encrypted = security.ecb_encrypt(bytes.fromhex(vector["key"]), bytes.fromhex(vector["clear"]))
    assert encrypted.hex().upper() == vector["encrypted"]


@pytest.mark.parametrize("length", [0, 7, 12, 15, 17, 32])
def test_keys_of_other_lengths_are_refused(length: int) -> None:
    key = bytes(length)
    for call in (
        lambda: security.unionpay_mac(key, b"x"),
        lambda: security.sm4_mac(key, b"x"),
        lambda: security.retail_mac(key, b"x"),
        lambda: security.key_check_value(key),
        lambda: security.key_check_value(key, "sm4"),
    ):
        with pytest.raises(ValueError, match="bytes"):
            call()


# Tracks --------------------------------------------------------------------------------------------------------------


@vectors("track2")
def test_track2(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["key"])
    assert security.encrypt_track2(key, vector["clear"]) == vector["encrypted"]
    assert security.encrypt_track2(key, vector["clear"].replace("D", "=")) == vector["encrypted"]
    assert security.decrypt_track2(key, vector["encrypted"]) == vector["clear"]


@pytest.mark.parametrize("length", range(17, 38))
def test_tracks_of_every_length_keep_what_is_outside_the_block(length: int) -> None:
    track = ("6299990000000009D30122011234567890123")[:length]
    encrypted = security.encrypt_track2(OTHER_16, track)
    start = length - (17 if length % 2 else 18)
    assert len(encrypted) == length
    assert encrypted[:start] == track[:start]
    assert encrypted[start : start + 16] != track[start : start + 16]
    assert encrypted[start + 16 :] == track[start + 16 :]
    assert security.decrypt_track2(OTHER_16, encrypted) == track


def test_a_track_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 17 digits"):
        security.encrypt_track2(OTHER_16, "6" * 16)


def test_wipe_overwrites_in_place() -> None:
    secret = bytearray(b"123456")
    security.wipe(secret)
    assert secret == bytes(6)


def test_parts_of_a_block_are_refused_rather_than_dropped() -> None:
    for call in (
        lambda: security.wrap_key(KEY_16, bytes(12)),
        lambda: security.wrap_key(KEY_16, bytes(8), "sm4"),
        lambda: security.unwrap_key(KEY_16, bytes(9), bytes(4)),
        lambda: security.unwrap_key(KEY_16, b"", bytes(4)),
        lambda: security.ecb_encrypt(KEY_16, bytes(7)),
    ):
        with pytest.raises(ValueError, match="multiples of"):
            call()


# Keys made ready -----------------------------------------------------------------------------------------------------


@given(st.binary(min_size=16, max_size=16), st.lists(st.binary(max_size=80), max_size=5))
def test_a_key_made_ready_gives_the_same_macs_however_often_it_is_used(key: bytes, messages: list[bytes]) -> None:
    ready = security.DesKey(key)
    for message in messages:
        assert security.retail_mac(ready, message) == security.retail_mac(key, message)
        assert security.retail_mac(ready, message, padding=2) == security.retail_mac(key, message, padding=2)
        assert security.unionpay_mac(ready, message) == security.unionpay_mac(key, message)


def test_a_key_made_ready_translates_pin_blocks_and_tracks() -> None:
    one, other = bytes(range(16)), bytes(range(16, 32))
    block, track = bytes(range(8)), "6299990000000009D30122011234567890"
    ready = security.DesKey(one)
    translated = security.translate_pin_block(block, ready, security.DesKey(other))
    assert translated == security.translate_pin_block(block, one, other)
    assert security.decrypt_track2(ready, security.encrypt_track2(ready, track)) == track
    assert security.encrypt_track2(ready, track) == security.encrypt_track2(one, track)


def test_a_key_made_ready_does_not_show_and_takes_no_sm4_block() -> None:
    key = bytes(range(16))
    assert key.hex() not in repr(security.DesKey(key))
    with pytest.raises(ValueError, match="SM4"):
        security.translate_pin_block(bytes(16), security.DesKey(key), key)
    with pytest.raises(ValueError, match="8, 16 or 24"):
        security.DesKey(bytes(7))
