"""Field 62: working keys, their layouts and their check values."""

import pytest

from iso8583 import Iso8583Error
from iso8583.field62 import WorkingKeys62
from iso8583.security import key_check_value, wrap_key
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import KEYS, SECURITY


def test_golden_keys() -> None:
    keys = WorkingKeys62.parse(KEYS["F62"])
    assert keys.unwrap(KEYS["TMK"]) == (KEYS["PIK"], KEYS["MAK"], KEYS["TDK"])
    assert keys.to_bytes() == KEYS["F62"]
    assert WorkingKeys62.wrap(KEYS["TMK"], KEYS["PIK"], KEYS["MAK"], KEYS["TDK"]) == keys
    assert keys.pin_key.hex() not in repr(keys)


def test_published_keys() -> None:
    vector = SECURITY["sign_on_field_62"]
    pin_key, mac_key, track_key = WorkingKeys62.parse(bytes.fromhex(vector["field"])).unwrap(
        bytes.fromhex(vector["master_key"])
    )
    assert (pin_key.hex().upper(), mac_key.hex().upper()) == ("807A23AD32B36D457AE91FDF927570EA", "5BB5C72CD00B7338")
    assert track_key == b""


@pytest.mark.parametrize(("pin", "mac", "track"), [(8, 8, 0), (16, 8, 0), (16, 16, 0), (16, 8, 16), (16, 16, 16)])
def test_every_layout(pin: int, mac: int, track: int) -> None:
    clear = (bytes(range(pin)), bytes(range(20, 20 + mac)), bytes(range(40, 40 + track)))
    field = WorkingKeys62.wrap(KEYS["TMK"], *clear)
    assert WorkingKeys62.parse(field.to_bytes()) == field
    assert field.unwrap(KEYS["TMK"]) == clear


def test_hosts_that_leave_out_the_zero_bytes() -> None:
    with_zeros = KEYS["F62"]
    short = with_zeros[:28] + with_zeros[36:]
    assert len(short) == 52
    assert WorkingKeys62.parse(short) == WorkingKeys62.parse(with_zeros)
    assert WorkingKeys62.parse(short[:32]) == WorkingKeys62.parse(with_zeros[:40])


@pytest.mark.parametrize(("at", "part"), [(16, "62.1"), (36, "62.2"), (56, "62.3")])
def test_a_wrong_check_value_names_its_key(at: int, part: str) -> None:
    damaged = KEYS["F62"][:at] + bytes([KEYS["F62"][at] ^ 1]) + KEYS["F62"][at + 1 :]
    assert refused(WorkingKeys62.parse(damaged).unwrap, KEYS["TMK"]).field == part


@pytest.mark.parametrize("length", [0, 12, 23, 25, 44, 59, 61])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(Iso8583Error):
        WorkingKeys62.parse(bytes(length))


def test_keys_that_fit_no_layout_cannot_be_written() -> None:
    wrapped = wrap_key(KEYS["TMK"], bytes(24))
    with pytest.raises(Iso8583Error):
        WorkingKeys62(wrapped, key_check_value(bytes(24)), b"", b"").to_bytes()
