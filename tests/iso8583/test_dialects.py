"""The tables themselves: each row makes sense, and each dialect is what its name says."""

import pytest

from iso8583 import load_dialect
from iso8583.dialects import NAMES
from iso8583.table import Field

ROWS = [(name, number, field) for name in NAMES for number, field in sorted(load_dialect(name).table.fields.items())]

# A class of contents and the encodings that can carry it.
FITTING = {
    "n": {"bcd", "ascii", "ebcdic"},
    "z": {"bcd", "ascii", "ebcdic"},
    "an": {"ascii", "ebcdic"},
    "x+n": {"bcd", "ascii", "ebcdic"},
    "ans": {"ascii", "ebcdic", "latin1", "gb18030"},
    "b": {"raw", "hex"},
}


@pytest.mark.parametrize(("name", "number", "field"), ROWS, ids=lambda part: str(getattr(part, "name", part)))
def test_row_is_sound(name: str, number: int, field: Field) -> None:
    assert 2 <= number <= load_dialect(name).table.bits
    assert number != 65  # bit 65 would announce a third bitmap
    assert field.encoding in FITTING[field.content]
    assert field.name
    if field.prefix:
        assert field.minimum < field.length < 10**field.prefix.digits
    else:
        assert field.minimum == 0  # it has one length only


def test_unionpay_pos_has_the_fields_of_the_specification() -> None:
    numbers = [2, 3, 4, 11, 12, 13, 14, 15, 22, 23, 25, 26, 32, 35, 36, 37, 38, 39, 41, 42, 44, 48, 49]
    numbers += [52, 53, 54, 55, 58, 59, 60, 61, 62, 63, 64]
    assert sorted(load_dialect("unionpay_pos").table.fields) == numbers


def test_iso87_ascii_has_all_fields_but_the_bitmaps() -> None:
    assert sorted(load_dialect("iso87_ascii").table.fields) == [*range(2, 65), *range(66, 129)]


@pytest.mark.parametrize(("name", "bits"), [("iso87_bcd", 128), ("iso87_ebcdic", 128), ("iso93_bcd", 128)])
def test_iso_tables_have_all_fields_but_the_bitmaps(name: str, bits: int) -> None:
    assert sorted(load_dialect(name).table.fields) == [*range(2, 65), *range(66, bits + 1)]


def test_iso2003_ascii_has_three_bitmaps() -> None:
    assert sorted(load_dialect("iso2003_ascii").table.fields) == [*range(2, 65), *range(66, 193)]


def test_a_dialect_is_loaded_once() -> None:
    assert load_dialect("unionpay_pos") is load_dialect("unionpay_pos")


def test_an_unknown_dialect_is_named_with_those_there_are() -> None:
    with pytest.raises(LookupError, match="no dialect 'x'; there are: iso87_ascii, iso87_bcd, "):
        load_dialect("x")


def test_a_derived_table_forgets_the_messages_whose_rows_are_gone() -> None:
    table = load_dialect("iso87_ascii").table
    assert table.derive("ours", {}).messages == table.messages
    assert all(64 not in numbers for _, numbers in table.derive("ours", {64: None}).messages)
    assert table.derive("ours", {64: None}, messages=()).messages == ()
