"""Hex dumps: every byte in its place, a caret at the fault, and no card number anywhere."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.hexdump import HEX_AT, dump, explain
from iso8583.masking import mask_field
from tests.iso8583.test_properties import EXAMPLES
from tests.iso8583.vectors import GOLDEN

UNIONPAY = load_dialect("unionpay_pos")
SALE = GOLDEN["sale"].message
# All its runs of seven digits are different from what else stands in these messages.
PAN = "6228480402564890018"
RUNS = {PAN[at : at + 7] for at in range(len(PAN) - 6)}
CARD = {**GOLDEN["sale"].fields, 2: PAN, 35: f"{PAN}D30122011234567890"}


def explained(wire: bytes, dialect: Dialect = UNIONPAY) -> str:
    with pytest.raises(Iso8583Error) as caught:
        dialect.decode(wire)
    return explain(dialect, wire, caught.value)


def cells(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of every byte that is drawn."""
    for line in text.splitlines():
        if re.match("[0-9A-F]{4,} ", line):
            start = int(line.split()[0], 16)
            drawn = line[HEX_AT : HEX_AT + 48].split()
            yield from ((start + place, cell) for place, cell in enumerate(drawn))


def leaks(text: str) -> bool:
    """Whether a piece of the card number is in a line, or in the bytes or characters that are drawn one by another."""
    drawn = [cell for _, cell in cells(text)]
    characters = [chr(int(cell, 16)) if "·" not in cell else "·" for cell in drawn]
    texts = [text, "".join(drawn), "".join(characters)]
    return any(run in each for run in RUNS for each in texts)


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
def test_a_good_message_is_drawn_whole_and_each_byte_as_it_is_or_not_at_all(golden) -> None:
    text = dump(UNIONPAY, golden.message)
    for offset, cell in cells(text):
        byte = f"{golden.message[offset]:02X}"
        assert all(drawn in {"·", digit} for drawn, digit in zip(cell, byte, strict=True))
    message = Message(golden.mti, golden.fields)
    for number in message:
        assert f"{mask_field(UNIONPAY.table.fields[number], message[number])}" in text
        assert f" {UNIONPAY.table.fields[number].name} " in text
    assert "^" not in text


def test_the_golden_sale() -> None:
    lines = dump(UNIONPAY, SALE).splitlines()
    assert [" ".join(line.split()) for line in lines[:5]] == [
        "0000 message type 02 00 0200",
        "0002 bitmap 70 24 04 C0 20 C0 98 11 2 3 4 11 14 22 25 26 35 41 42 49 52 53 60 64",
        "000A 2 primary account number 16 62 99 99 ·· ·· ·· 00 09 629999******0009",
        "0013 3 processing code 00 00 00 000000",
        "0016 4 amount 00 00 00 00 12 34 000000001234",
    ]


def caret(text: str) -> tuple[int, str, str]:
    """The offset that the caret points at, and the two lines of the fault."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.lstrip().startswith("^"))
    start = int(lines[at - 1].split()[0], 16)
    clause = lines[at + 1].strip() if at + 1 < len(lines) else ""
    return start + (lines[at].index("^") - HEX_AT) // 3, lines[at].strip(" ^"), clause


@pytest.mark.parametrize(
    ("wire", "offset", "reason", "clause"),
    [
        (SALE[:22] + b"\xab" + SALE[23:], 22, "field 4: needed digits", "unionpay_pos field 4: n12 bcd"),
        (SALE[:-3], 106, "field 64: needed 8 bytes, 5 are left", "unionpay_pos field 64: b8 raw"),
        (SALE + b"xx", 114, "end: needed the end here, 2 more bytes follow", ""),
        (SALE[:10], 10, "field 2: needed 1 bytes, 0 are left", "unionpay_pos field 2: n..19 bcd"),
        (b"", 0, "field 0: needed 2 bytes, 0 are left", "unionpay_pos field 0: n4 bcd"),
        (b"\x02", 0, "field 0: needed 2 bytes", "unionpay_pos field 0: n4 bcd"),
        (b"\x12\x00", 0, "field 0: needed an MTI of version 0", "unionpay_pos field 0: n4 bcd"),
        (b"\x02\x00\x70", 2, "field 1: needed 8 bytes, 1 are left", "unionpay_pos field 1: b8 raw"),
        (b"\x02\x00\x01" + bytes(7) + b"\x16", 10, "field 8: unionpay_pos does not define field 8", ""),
    ],
)
def test_the_caret_points_at_the_fault(wire: bytes, offset: int, reason: str, clause: str) -> None:
    found = caret(explained(wire))
    assert found[0] == offset
    assert found[1].startswith(reason)
    assert found[2].startswith(clause)
    assert dump(UNIONPAY, wire) == explained(wire)


def test_a_fault_of_contents_hides_that_field_alone() -> None:
    text = explained(SALE[:22] + b"\xab" + SALE[23:])
    drawn = dict(cells(text))
    assert [drawn[at] for at in range(22, 28)] == ["··"] * 6
    assert drawn[0x14] == "00"
    assert "  11 POS trace number" in text
    assert "000002" in text


def test_nothing_is_shown_behind_a_length_that_may_be_a_lie() -> None:
    text = explained(SALE[:-3])
    assert all(cell == "··" for offset, cell in cells(text) if offset > 10 and offset not in {0x25, 0x61, 0x62})
    reversal = explained(GOLDEN["reversal"].message[:-1])  # fixed fields stand in front of the first length
    assert "000002" in reversal
    assert "2200000100060" not in reversal


def test_a_fault_inside_a_field_is_found_in_the_message() -> None:
    message = Message("0200", {**GOLDEN["chip_sale"].fields, 55: bytes.fromhex("9F36020007 9F02050000000012")})
    wire = UNIONPAY.encode(message)
    with pytest.raises(Iso8583Error) as caught:
        UNIONPAY.open(message, 55)
    at, reason, _ = caret(explain(UNIONPAY, wire, caught.value))
    assert wire[at - 3 : at] == bytes.fromhex("9F0205")
    assert reason == "55/9F02: needed 6 bytes, there are 5"
    block = Iso8583Error("60.4", 11, "wrong")
    at, _, _ = caret(explain(UNIONPAY, SALE, block))
    assert at == SALE.index(bytes.fromhex("0013220000")) + 2 + 11 // 2


def test_long_hidden_parts_are_counted_and_the_line_of_the_fault_is_drawn() -> None:
    wire = UNIONPAY.encode(Message("0200", {55: bytes(200)}))
    assert len(dump(UNIONPAY, wire).splitlines()) == 4
    assert "… 186 bytes" in dump(UNIONPAY, wire)
    text = explain(UNIONPAY, wire, Iso8583Error(55, 100, "there"))
    assert caret(text)[:2] == (100, "field 55: there")
    huge = SALE + bytes(1_000_000)
    assert len(explained(huge)) < 5000


@pytest.mark.parametrize("field", [0, 1, 2, 64, 999, -1, "end", "TPDU", "55/9F26", "60.2", "2.", "..", "", "999999/x"])
@pytest.mark.parametrize("offset", [-(10**30), -1, 0, 7, 113, 114, 115, 10**30])
@pytest.mark.parametrize("wire", [SALE, SALE[:9], SALE[:40], b"", b"\xff" * 300], ids=len)
def test_no_error_makes_it_raise(field: int | str, offset: int, wire: bytes) -> None:
    text = explain(UNIONPAY, wire, Iso8583Error(field, offset, "reason\x1b[2J\n", clause="clause"))
    assert text.count("^") == 1
    assert "\x1b" not in text
    assert PAN[6:-4] not in text


def test_any_buffer_will_do() -> None:
    assert dump(UNIONPAY, bytearray(SALE)) == dump(UNIONPAY, memoryview(SALE)) == dump(UNIONPAY, SALE)


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(noise=st.binary(max_size=200), head=st.sampled_from([b"", SALE[:10], b"0200F02406C020C09A11"]))
def test_noise_is_drawn_and_hidden(name: str, noise: bytes, head: bytes) -> None:
    wire = head + noise
    dialect = load_dialect(name)
    try:
        dialect.decode(wire)
    except Iso8583Error as error:
        text = explain(dialect, wire, error)
        assert text.count("^") >= 1
    else:
        text = dump(dialect, wire)
    drawn = dict(cells(text))
    assert all(cell.replace("·", "") in f"{wire[at]:02X}" for at, cell in drawn.items())


CARRIERS = {
    "PAN and track": Message("0200", CARD),
    "PAN": Message("0200", CARD).without(35),
    "track": Message("0200", CARD).without(2),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", ["unionpay_pos", "iso87_ascii"])
def test_no_changed_byte_brings_a_card_number_to_light(name: str, carrier: str) -> None:
    """Lengths that lie, bits of the bitmap that lie, and every other byte: no seven digits of the number are drawn."""
    dialect = load_dialect(name)
    wire = dialect.encode(CARRIERS[carrier])
    for at, byte in enumerate(wire):
        others = {byte ^ 1 << bit for bit in range(8)} | {0x00, 0x04, 0x13, 0x15, 0x18, 0x30, 0x31, 0x39}
        for other in others - {byte}:
            assert not leaks(dump(dialect, wire[:at] + bytes([other]) + wire[at + 1 :]))


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", ["unionpay_pos", "iso87_ascii"])
def test_no_cut_brings_a_card_number_to_light(name: str, carrier: str) -> None:
    dialect = load_dialect(name)
    wire = dialect.encode(CARRIERS[carrier])
    for at in range(len(wire)):
        assert not leaks(dump(dialect, wire[:at]))
        assert not leaks(dump(dialect, wire + wire[:at]))
    start = wire.index(PAN.encode() if name == "iso87_ascii" else bytes.fromhex(PAN[:18]))
    for at in range(start):  # the head was cut off, or another one is before it
        assert not leaks(dump(dialect, wire[at:]))
        assert not leaks(dump(dialect, bytes(at) + wire))
        assert not leaks(dump(dialect, b"\x02\x00\x30" + bytes(7) + wire[at:]))


@pytest.mark.parametrize("other", NAMES)
@pytest.mark.parametrize("name", ["unionpay_pos", "iso87_ascii"])
def test_the_wrong_dialect_brings_no_card_number_to_light(name: str, other: str) -> None:
    for message in CARRIERS.values():
        assert not leaks(dump(load_dialect(other), load_dialect(name).encode(message)))


def test_a_card_number_in_a_field_that_is_shown_is_hidden_if_another_field_tells_it() -> None:
    wire = UNIONPAY.encode(Message("0200", {2: PAN, 37: PAN[:12]}))
    assert not leaks(dump(UNIONPAY, wire))
    assert "<12 characters>" in dump(UNIONPAY, wire)
