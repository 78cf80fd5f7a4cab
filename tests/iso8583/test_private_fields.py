"""The typed values of fields 48, 53, 54, 59, 60, 61 and 62."""

from collections.abc import Callable

import pytest

from iso8583 import Iso8583Error
from iso8583.security import key_check_value, wrap_key
from iso8583.unionpay import (
    Balance54,
    Block60,
    Data59,
    Detail48,
    Details48,
    Original61,
    TerminalIdentity59,
    Totals,
    Totals48,
    WorkingKeys62,
    security53,
)
from tests.iso8583.vectors import GOLDEN, KEYS, SECURITY


def text_of(name: str, number: int) -> str:
    value = GOLDEN[name].fields[number]
    assert isinstance(value, str)
    return value


def refused(parse: Callable[[str], object], text: str) -> Iso8583Error:
    with pytest.raises(Iso8583Error) as caught:
        parse(text)
    return caught.value


# Field 60 and 61 -----------------------------------------------------------------------------------------------------


def test_golden_blocks() -> None:
    assert Block60.parse(text_of("sale", 60)) == Block60("22", "000001", "000", "6", "0")
    assert Block60.parse(text_of("sign_on", 60)) == Block60("00", "000000", "004")
    for name in GOLDEN:
        assert Block60.parse(text_of(name, 60)).to_text() == text_of(name, 60)


def test_block_with_every_part() -> None:
    block = Block60("22", "000001", "000", "6", "0", "1", "065")
    assert block.to_text() == "22000001000601065"
    assert Block60.parse(block.to_text()) == block


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [
        ("", "60.3", 0),
        ("22000001", "60.3", 8),
        ("2200000100", "60.3", 8),
        ("220000010006010", "60.7", 14),
        ("220000010006010651", "60", 17),
        ("22000001000X", "60.4", 11),
        ("2", "60.1", 0),
    ],
)
def test_blocks_that_are_refused(text: str, field: str, offset: int) -> None:
    error = refused(Block60.parse, text)
    assert (error.field, error.offset) == (field, offset)


def test_a_block_with_a_gap_or_a_wrong_part_cannot_be_written() -> None:
    for block in (Block60("22", "000001", "000", "", "0"), Block60("22", "1", "000"), Block60("22", "00000１", "000")):
        with pytest.raises(Iso8583Error):
            block.to_text()


@pytest.mark.parametrize(
    ("original", "text"),
    [
        (Original61("000001", "000002"), "000001000002"),
        (Original61("000001", "000002", "0115"), "0000010000020115"),
        (Original61("000001", "000002", "0115", "00", "00001020000"), "00000100000201150000001020000"),
    ],
)
def test_originals(original: Original61, text: str) -> None:
    assert original.to_text() == text
    assert Original61.parse(text) == original


@pytest.mark.parametrize("text", ["", "000001", "00000100000", "00000100000201", "0" * 30, "00000100000A"])
def test_originals_that_are_refused(text: str) -> None:
    assert str(refused(Original61.parse, text).field).startswith("61")


# Field 48 ------------------------------------------------------------------------------------------------------------


def test_golden_totals() -> None:
    totals = Totals48.parse(text_of("settle", 48))
    assert totals == Totals48(Totals(debit_amount=2468, debit_count=2))
    assert totals.to_text() == text_of("settle", 48)


def test_totals_with_results() -> None:
    totals = Totals48(Totals(100, 1, 25, 2, "1"), Totals(7, 3, 0, 0, "2"))
    assert totals.to_text() == "000000000100001000000000025002" + "1" + "000000000007003000000000000000" + "2"
    assert Totals48.parse(totals.to_text()) == totals


@pytest.mark.parametrize(
    "totals", [Totals(-1), Totals(10**12), Totals(0, 1000), Totals(result=""), Totals(result="12")]
)
def test_totals_that_cannot_be_written(totals: Totals) -> None:
    with pytest.raises(Iso8583Error):
        Totals48(totals).to_text()


@pytest.mark.parametrize("text", ["", "0" * 61, "0" * 63, "0" * 61 + "x"])
def test_totals_that_are_refused(text: str) -> None:
    assert refused(Totals48.parse, text).field == "48"


RECORDS = (Detail48("000002", "6299990000000009", 1234), Detail48("000003", "4012345678909", 1, foreign=True))


def test_details() -> None:
    text = Details48(RECORDS).to_text()
    assert text == "02" + "00000002" + "00006299990000000009" + "000000001234" + "01000003" + "00000004012345678909" + (
        "000000000001"
    )
    assert Details48.parse(text) == Details48(RECORDS)
    assert "6299990000000009" not in repr(Details48(RECORDS))


def test_details_fill_the_field_and_no_more() -> None:
    assert len(Details48(RECORDS[:1] * 8).to_text()) == 322
    for records in ((), RECORDS[:1] * 9):
        with pytest.raises(Iso8583Error):
            Details48(records).to_text()


@pytest.mark.parametrize(
    "text", ["", "1", "00", "09" + "0" * 360, "02" + "0" * 40, "01" + "0" * 41, "01" + "02" + "0" * 38]
)
def test_details_that_are_refused(text: str) -> None:
    assert str(refused(Details48.parse, text).field).startswith("48")


# Field 53 and 54 -----------------------------------------------------------------------------------------------------


def test_security_control() -> None:
    assert security53(pin=True, algorithm="3des", track_encrypted=True) == text_of("sale", 53)
    assert security53(pin=True, algorithm="sm4", track_encrypted=False) == "2300000000000000"
    assert security53(pin=False, algorithm="des", track_encrypted=False) == "0" * 16


@pytest.mark.parametrize(("amount", "text"), [(1234, "1002156C000000001234"), (-1, "1002156D000000000001")])
def test_balance(amount: int, text: str) -> None:
    balance = Balance54("10", "02", "156", amount)
    assert balance.to_text() == text
    assert Balance54.parse(text) == balance


@pytest.mark.parametrize("text", ["", "1002156", "1002156X000000001234", "1002156C00000000123", "10021a6C000000001234"])
def test_balances_that_are_refused(text: str) -> None:
    assert str(refused(Balance54.parse, text).field).startswith("54")


# Field 59 ------------------------------------------------------------------------------------------------------------


def test_golden_code() -> None:
    data = Data59.parse(text_of("qr_sale", 59))
    assert data == Data59(payment_code="6200000000000000000")
    assert data.to_text() == text_of("qr_sale", 59)
    assert "62000" not in repr(data)


def test_every_part() -> None:
    terminal = TerminalIdentity59("04", "SN0000000001", "000009", "1E80F373", "1.0     ")
    data = Data59(bytes(range(0xF0, 0x100)), terminal, "6200000000000000000", "20260115000001", "310000")
    assert Data59.parse(data.to_text()) == data
    assert data.to_text().startswith("A1016ðñò")
    assert repr(data) == "Data59()"


@pytest.mark.parametrize("text", ["A1004abcd", "A6001x", "A2007" + "06002ab", "A3002a"])
def test_data_that_is_refused(text: str) -> None:
    assert str(refused(Data59.parse, text).field).startswith("59")


# Field 62 ------------------------------------------------------------------------------------------------------------


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
    with pytest.raises(Iso8583Error) as caught:
        WorkingKeys62.parse(damaged).unwrap(KEYS["TMK"])
    assert caught.value.field == part


@pytest.mark.parametrize("length", [0, 12, 23, 25, 44, 59, 61])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(Iso8583Error):
        WorkingKeys62.parse(bytes(length))


def test_keys_that_fit_no_layout_cannot_be_written() -> None:
    wrapped = wrap_key(KEYS["TMK"], bytes(24))
    with pytest.raises(Iso8583Error):
        WorkingKeys62(wrapped, key_check_value(bytes(24)), b"", b"").to_bytes()
