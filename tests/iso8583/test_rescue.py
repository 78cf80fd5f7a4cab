"""What a terminal owed, sealed: a file and its sheets are whole or refused, and only the host can open a message."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso8583 import Iso8583Error
from iso8583.rescue import SEALED_BYTES_MAX, SHEET_BYTES, Rescue, seal, unseal

MASTER, NONCE = bytes(range(16)), bytes(12)
THREE = Rescue("10000001", (b"one" * 300, b"two" * 200, b""))


@given(st.lists(st.binary(max_size=SEALED_BYTES_MAX), max_size=12))
def test_what_was_written_is_read_from_the_file_and_from_its_sheets(sealed: list[bytes]) -> None:
    rescue = Rescue("10000001", tuple(sealed))
    assert Rescue.parse(rescue.to_bytes()) == rescue
    sheets = rescue.sheets()
    random.Random(1).shuffle(sheets)
    scanned = "\r\n".join([*sheets, sheets[0]])
    assert Rescue.parse(scanned.encode()) == rescue


def test_a_sheet_fits_a_code() -> None:
    import qrcode

    (first, *_) = Rescue("10000001", (bytes(SEALED_BYTES_MAX),) * 3).sheets()
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L)
    code.add_data(first)
    code.make(fit=True)
    assert code.version <= 25 and len(first) < 2 * SHEET_BYTES


@pytest.mark.parametrize("at", range(0, len(THREE.to_bytes()), 7))
def test_a_file_that_was_changed_or_cut_is_refused(at: int) -> None:
    whole = THREE.to_bytes()
    changed = whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :]
    for data in (changed, whole[:at], whole + b"x"):
        with pytest.raises(Iso8583Error):
            Rescue.parse(data)


def test_a_missing_sheet_is_named_and_sheets_of_two_files_are_not_mixed() -> None:
    first, second, *rest = THREE.sheets()
    with pytest.raises(Iso8583Error, match="these are missing: 2"):
        Rescue.parse("\n".join([first, *rest]).encode())
    other = Rescue("10000002", THREE.sealed).sheets()[1]
    with pytest.raises(Iso8583Error, match="different files"):
        Rescue.parse("\n".join([first, other, *rest]).encode())
    with pytest.raises(Iso8583Error, match="line 2 is no sheet"):
        Rescue.parse(f"{first}\n{second[:-3]}!\n".encode())


@pytest.mark.parametrize(("key", "terminal"), [(bytes(16), "10000001"), (MASTER, "10000002")])
def test_a_message_opens_under_its_own_terminals_key_alone(key: bytes, terminal: str) -> None:
    sealed = seal(MASTER, "10000001", b"a frame", NONCE)
    assert unseal(MASTER, "10000001", sealed) == b"a frame" and b"a frame" not in sealed
    with pytest.raises(Iso8583Error, match="does not open"):
        unseal(key, terminal, sealed)


@pytest.mark.parametrize("length", range(0, 35, 5))
def test_what_is_too_short_to_be_sealed_does_not_open(length: int) -> None:
    with pytest.raises(Iso8583Error, match="does not open"):
        unseal(MASTER, "10000001", bytes(length))


def test_more_than_fits_is_refused() -> None:
    with pytest.raises(Iso8583Error, match="may have"):
        Rescue("10000001", (bytes(SEALED_BYTES_MAX + 1),)).to_bytes()
