"""The tables themselves: each row makes sense, and each dialect is what its name says."""

import re

import pytest

from iso8583 import load_dialect
from iso8583.dialects import NAMES
from iso8583.table_check import check_table

TABLES = pytest.mark.parametrize("name", NAMES)
SECRET = {14, 34, 35, 36, 45, 52, 55}  # expiry, tracks, PIN and chip data, in every dialect


@TABLES
def test_a_table_is_what_its_file_says(name: str) -> None:
    table = load_dialect(name).table
    assert table.name == name
    assert table.title
    check_table(table)


@TABLES
def test_every_row_has_a_chinese_name(name: str) -> None:
    table = load_dialect(name).table
    rows = [table.mti, table.bitmap, *table.fields.values()]
    assert [row.name for row in rows if not re.search(r"[\u4e00-\u9fff]", row.name_zh)] == []


@TABLES
def test_card_data_is_never_shown_in_full(name: str) -> None:
    fields = load_dialect(name).table.fields
    assert fields[2].mask == "pan"
    assert {fields[number].mask for number in SECRET & fields.keys()} == {"hide"}
    assert {row.mask for row in fields.values()} <= {"pan", "show", "hide"}
    assert not [number for number, row in fields.items() if row.mask == "show" and row.content in {"ans", "b"}
                and number not in {41, 42}]  # fmt: skip


@TABLES
def test_the_usual_messages_are_few_and_differ(name: str) -> None:
    messages = load_dialect(name).table.messages
    assert 0 < len(messages) <= 20
    assert len(set(messages)) == len(messages)
    assert all(list(numbers) == sorted(numbers) for _, numbers in messages)


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
