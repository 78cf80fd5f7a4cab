"""Fields 60 and 61: every layout, and the part that is wrong."""

import pytest

from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field60 import Block60, Original61
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN


def test_golden_blocks() -> None:
    assert Block60.parse(GOLDEN["sale"].text(60)) == Block60("22", "000001", "000", "6", "0")
    assert Block60.parse(GOLDEN["sign_on"].text(60)) == Block60("00", "000000", "004")
    for name in GOLDEN:
        assert Block60.parse(GOLDEN[name].text(60)).to_text() == GOLDEN[name].text(60)


def test_block_with_every_part() -> None:
    block = Block60("22", "000001", "000", "6", "0", "1", "065")
    assert block.to_text() == "22000001000601065"
    assert Block60.parse(block.to_text()) == block


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [
        ("", "60.1", 0),
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
