"""Tables that are no dialects: everything wrong is named, all at once; and what passes is sound."""

import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso8583 import load_dialect
from iso8583.dialects import NAMES
from iso8583.encodings import ALPHABETS, FieldError
from iso8583.fields import count_of, reader, wire_width, writer
from iso8583.parts import Part, Positional, TextTlv
from iso8583.table import Field, Prefix, Table
from iso8583.table_check import ENCODINGS_OF, DialectError, DialectFault, check_table

BASE = load_dialect("iso87_bcd").table
LL, LLL = Prefix("bcd", 2), Prefix("bcd", 3)
LL_BYTES = Prefix("bcd", 2, counts="bytes")


def faults_of(table: Table) -> list[str]:
    with pytest.raises(DialectError) as caught:
        check_table(table)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_table_is_sound(name: str) -> None:
    check_table(load_dialect(name).table)


# One fault at a time -------------------------------------------------------------------------------------------------

ROWS: dict[str, tuple[Any, str]] = {
    "no row": ("n6", "row 48, column row: needed a Field, there is 'n6'"),
    "class": (
        Field("x", "ns", "ascii", 6),  # type: ignore[arg-type]
        "row 48, column content: needed n, a, an, ans, z, x+n or b, there is 'ns'",
    ),
    "encoding": (
        Field("x", "n", "utf-8", 6),  # type: ignore[arg-type]
        "row 48, column encoding: needed bcd, ascii, ebcdic, latin1, gb18030, hex or raw, there is 'utf-8'",
    ),
    "text in BCD": (
        Field("x", "an", "bcd", 6),
        "row 48, column encoding: needed ascii or ebcdic for class an, there is 'bcd'",
    ),
    "bytes in ASCII": (Field("x", "b", "ascii", 6), "row 48, column encoding: needed raw or hex for class b, there is"),
    "digits in hex": (Field("x", "n", "hex", 6), "row 48, column encoding: needed bcd, ascii or ebcdic for class n"),
    "no length": (Field("x", "n", "bcd", 0), "row 48, column length: needed a whole number of 1 to 9999, there is 0"),
    "too long": (Field("x", "n", "bcd", 10000), "row 48, column length: needed a whole number of 1 to 9999, there is"),
    "length in words": (
        Field("x", "n", "bcd", "six"),  # type: ignore[arg-type]
        "row 48, column length: needed a whole number of 1 to 9999, there is 'six'",
    ),
    "length is true": (Field("x", "n", "bcd", True), "row 48, column length: needed a whole number of 1 to 9999, ther"),
    "more than LL": (
        Field("x", "an", "ascii", 100, LL),
        "row 48, column length: needed at most 99, which LL bcd can say, there is 100",
    ),
    "more than LL of digits": (
        Field("x", "n", "bcd", 100, LL),
        "row 48, column length: needed at most 99, which LL bcd can say, there is 100",
    ),
    "more than LL of packed bytes": (
        Field("x", "n", "bcd", 199, LL_BYTES),
        "row 48, column length: needed at most 198, which LL bcd can say, there is 199",
    ),
    "more than LLL of hex digits": (
        Field("x", "b", "hex", 500, Prefix("ascii", 3)),
        "row 48, column length: needed at most 499, which LLL ascii can say, there is 500",
    ),
    "more than a byte": (
        Field("x", "b", "raw", 256, Prefix("binary", 2)),
        "row 48, column length: needed at most 255, which LL binary can say, there is 256",
    ),
    "minimum above length": (
        Field("x", "an", "ascii", 10, LL, minimum=11),
        "row 48, column minimum: needed at most 10, the length, there is 11",
    ),
    "minimum below zero": (
        Field("x", "an", "ascii", 10, LL, minimum=-1),
        "row 48, column minimum: needed a whole number of 0 to 9999, there is -1",
    ),
    "fixed with minimum": (
        Field("x", "an", "ascii", 10, minimum=1),
        "row 48, column minimum: needed none: a field without a prefix has one length, there is 1",
    ),
    "signed and variable": (
        Field("x", "x+n", "bcd", 9, LL),
        "row 48, column prefix: needed none: an amount with a sign has a fixed length, there is 'one'",
    ),
    "sign alone": (Field("x", "x+n", "bcd", 1), "row 48, column length: needed at least 2, a sign and a digit, there"),
    "prefix as text": (
        Field("x", "an", "ascii", 10, "LL"),  # type: ignore[arg-type]
        "row 48, column prefix: needed a Prefix or None, there is 'LL'",
    ),
    "prefix of one digit": (
        Field("x", "an", "ascii", 9, Prefix("ascii", 5)),
        "row 48, column prefix: needed 1, 2, 3 or 4 digits, there is 5",
    ),
    "prefix encoding": (
        Field("x", "an", "ascii", 9, Prefix("hex", 2)),  # type: ignore[arg-type]
        "row 48, column prefix_encoding: needed bcd, ascii, ebcdic or binary, there is 'hex'",
    ),
    "prefix unit": (
        Field("x", "an", "ascii", 9, Prefix("bcd", 2, "nibbles")),  # type: ignore[arg-type]
        "row 48, column prefix_counts: needed digits or bytes, there is 'nibbles'",
    ),
    "pad side": (
        Field("x", "n", "bcd", 9, pad="middle"),  # type: ignore[arg-type]
        "row 48, column pad: needed left or right, there is 'middle'",
    ),
    "pad nibble": (
        Field("x", "n", "bcd", 9, pad_nibble="f"),
        "row 48, column pad_nibble: needed one of 0 to 9 and A to F, in quotes, there is 'f'",
    ),
    "pad nibble as number": (
        Field("x", "n", "bcd", 9, pad_nibble=0),  # type: ignore[arg-type]
        "row 48, column pad_nibble: needed one of 0 to 9 and A to F, in quotes, there is 0",
    ),
    "pad nibble like a digit": (
        Field("x", "n", "bcd", 9, LL_BYTES, pad_nibble="5"),
        "row 48, column pad_nibble: needed 0, A, B, C, D, E or F where the prefix counts the bytes of class n, there",
    ),
    "pad nibble like a separator": (
        Field("x", "z", "bcd", 37, LL_BYTES, pad_nibble="D"),
        "row 48, column pad_nibble: needed 0 or F where the prefix counts the bytes of class z, there is 'D'",
    ),
    "mask": (
        Field("x", "n", "bcd", 6, mask="hidden"),  # type: ignore[arg-type]
        "row 48, column mask: needed show, pan, code or hide, there is 'hidden'",
    ),
    "no name": (Field("", "n", "bcd", 6), "row 48, column name: needed 1 to 120 printable characters, there is ''"),
    "name with a line": (Field("a\nb", "n", "bcd", 6), "row 48, column name: needed 1 to 120 printable characters, th"),
    "name is a number": (
        Field(7, "n", "bcd", 6),  # type: ignore[arg-type]
        "row 48, column name: needed 1 to 120 printable characters, there is 7",
    ),
    "Chinese name": (
        Field("x", "n", "bcd", 6, name_zh=None),  # type: ignore[arg-type]
        "row 48, column name_zh: needed text, there is None",
    ),
    "parts of another kind": (
        Field("x", "n", "bcd", 6, parts=[6]),  # type: ignore[arg-type]
        "row 48, column parts: needed a layout of iso8583.parts or None, there is [6]",
    ),
    "parts too long": (
        Field("x", "n", "bcd", 6, parts=Positional((Part("a", "n", 4), Part("b", "n", 3)))),
        "row 48, column parts: needed at most 6 for all parts together, there are 7",
    ),
    "part without a class": (
        Field("x", "ans", "ascii", 6, LL, parts=TextTlv({"A1": Part("a", "ns", 4)})),  # type: ignore[arg-type]
        "row 48, column parts: needed content, length and mask as in a row, there is 'a'",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_is_wrong(name: str) -> None:
    row, text = ROWS[name]
    table = replace(BASE, fields={**BASE.fields, 48: row})
    (fault,) = faults_of(table)
    assert fault.startswith(text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": ""}, "dialect, column name: needed 1 to 120 printable characters, there is ''"),
        ({"title": None}, "dialect, column title: needed text, there is None"),
        ({"version": 0}, "dialect, column version: needed one digit in quotes, the first of every MTI, there is 0"),
        ({"version": "01"}, "dialect, column version: needed one digit in quotes, the first of every MTI, there is"),
        ({"bits": 100}, "dialect, column bits: needed 64, 128 or 192, there is 100"),
        ({"bits": True}, "dialect, column bits: needed 64, 128 or 192, there is True"),
        ({"fields": []}, "dialect, column fields: needed a mapping from number to row, there is []"),
        ({"fields": {"2": BASE.fields[2]}}, "dialect, column fields: needed field numbers, there is '2'"),
        ({"fields": dict.fromkeys(range(2, 195), None)}, "dialect, column fields: needed at most 192 rows, there are"),
        ({"fields": {1: BASE.fields[3]}}, "row 1, column number: needed another number: this bit announces a bitmap"),
        ({"fields": {0: BASE.fields[3]}}, "row 0, column number: needed 2 to 128, there is 0"),
        ({"fields": {129: BASE.fields[3]}}, "row 129, column number: needed 2 to 128, there is 129"),
        ({"bits": 64, "fields": {1: BASE.fields[3]}}, "row 1, column number: needed 2 to 64, there is 1"),
        ({"bits": 192, "fields": {65: BASE.fields[3]}}, "row 65, column number: needed another number: this bit anno"),
        ({"mti": None}, "mti, column row: needed a Field, there is None"),
        ({"mti": replace(BASE.mti, length=5)}, "mti, column length: needed 4, there is 5"),
        ({"mti": Field("mti", "an", "ascii", 4)}, "mti, column content: needed n, there is 'an'"),
        ({"mti": replace(BASE.mti, prefix=LL)}, "mti, column prefix: needed none, there is 'one'"),
        ({"bitmap": replace(BASE.bitmap, length=16)}, "bitmap, column length: needed 8, there is 16"),
        ({"bitmap": Field("bitmap", "n", "bcd", 8)}, "bitmap, column content: needed b, there is 'n'"),
        ({"bitmap": Field("bitmap", "b", "bcd", 8)}, "bitmap, column encoding: needed raw or hex for class b, there"),
        ({"messages": 1}, "dialect, column messages: needed pairs of MTI and field numbers, there is 1"),
        ({"messages": ("0200",)}, "message 1, column mti: needed a pair of MTI and field numbers, there is '0200'"),
        ({"messages": (("1200", (2,)),)}, "message 1, column mti: needed four digits in quotes, the first 0, there is"),
        (
            {"messages": ((200, (2,)),)},
            "message 1, column mti: needed four digits in quotes, the first 0, there is 200",
        ),
        ({"messages": (("0200", 2),)}, "message 1, column fields: needed field numbers, there is 2"),
        (
            {"messages": (("0200", (2, 65)),)},
            "message 1, column fields: needed numbers of rows that there are, there i",
        ),
        ({"messages": (("0200", ([],)),)}, "message 1, column fields: needed numbers of rows that there are, there is"),
        ({"messages": (("0200", (2, 2)),)}, "message 1, column fields: needed each number once, there is one twice"),
        ({"messages": (("0200", (2,)),) * 65}, "dialect, column messages: needed at most 64, there are 65"),
    ],
)
def test_a_table_that_is_wrong(change: dict[str, Any], text: str) -> None:
    if "fields" in change:
        change = {"messages": (), **change}
    (fault,) = faults_of(replace(BASE, **change))
    assert fault.startswith(text)


def test_layers_of_parts_are_bounded() -> None:
    part = Part("deep", "ans", 1)
    for _ in range(5):
        part = Part("deep", "ans", 1, parts=Positional((part,)))
    row = Field("x", "ans", "ascii", 6, LL, parts=Positional((part,)))
    assert faults_of(BASE.derive("ours", {48: row})) == [
        "row 48, column parts: needed at most 4 layers, there are more"
    ]


# All at once ---------------------------------------------------------------------------------------------------------


def test_all_faults_are_named_at_once_in_order() -> None:
    table = BASE.derive(
        "ours", {3: {"length": "6", "mask": "no"}, 41: {"encoding": "bcd"}, 52: {"minimum": 1}}, bits=127, version="x"
    )
    assert faults_of(table) == [
        "dialect, column version: needed one digit in quotes, the first of every MTI, there is 'x'",
        "dialect, column bits: needed 64, 128 or 192, there is 127",
        "row 3, column mask: needed show, pan, code or hide, there is 'no'",
        "row 3, column length: needed a whole number of 1 to 9999, there is '6'",
        "row 41, column encoding: needed ascii, ebcdic, latin1 or gb18030 for class ans, there is 'bcd'",
        "row 52, column minimum: needed none: a field without a prefix has one length, there is 1",
    ]


def test_the_error_says_whose_it_is_and_lists_every_fault() -> None:
    with pytest.raises(DialectError) as caught:
        check_table(BASE.derive("ours", {41: {"encoding": "bcd"}, 52: {"minimum": 1}}))
    assert caught.value.name == "ours"
    assert caught.value.faults[1] == DialectFault(52, "minimum", caught.value.faults[1].reason)
    assert str(caught.value).splitlines()[0] == "ours is no sound dialect:"
    assert len(str(caught.value).splitlines()) == 3
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_value_of_any_length_is_not_repeated_whole() -> None:
    (fault,) = faults_of(BASE.derive("ours", {41: {"encoding": "x" * 1000}}))
    assert fault.endswith("there is str")


# What passes is sound ------------------------------------------------------------------------------------------------

NIBBLE = st.sampled_from("0123456789ABCDEF")
PREFIXES = st.one_of(
    st.none(),
    st.builds(
        Prefix,
        st.sampled_from(["bcd", "ascii", "ebcdic", "binary"]),
        st.sampled_from([2, 3, 4]),
        st.sampled_from(["digits", "bytes"]),
    ),
)


@st.composite
def rows(draw: st.DrawFn) -> Field:
    content = draw(st.sampled_from(sorted(ENCODINGS_OF)))
    length = draw(st.integers(1, 24))
    prefix = draw(PREFIXES)
    return Field(
        "any",
        content,
        draw(st.sampled_from(ENCODINGS_OF[content])),
        length,
        prefix,
        pad=draw(st.sampled_from(["left", "right"])),
        pad_nibble=draw(NIBBLE),
        minimum=draw(st.integers(0, length)) if prefix else 0,
    )


def passes(row: Field) -> bool:
    try:
        check_table(BASE.derive("ours", {48: row}))
    except DialectError:
        return False
    return True


@settings(max_examples=600, deadline=None, derandomize=True)
@given(row=rows(), data=st.data())
def test_whatever_a_sound_row_reads_it_writes_the_same(row: Field, data: st.DataObject) -> None:
    if not passes(row):
        return
    length = data.draw(st.integers(row.shortest, row.length))
    prefix = row.prefix.text(count_of(row, length)) if row.prefix else b""
    width = wire_width(row, length)
    nibbles = st.text(st.sampled_from("019" + row.pad_nibble), min_size=2 * width, max_size=2 * width)
    body = data.draw(nibbles.map(bytes.fromhex) if row.encoding == "bcd" else st.binary(min_size=width, max_size=width))
    if row.content == "x+n" and row.encoding == "bcd":
        body = b"C" + body[1:]
    try:
        value, end = reader(row)(prefix + body, 0)
    except FieldError:
        return
    assert writer(row)(value) == prefix + body
    assert end == len(prefix + body)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(row=rows(), data=st.data())
def test_whatever_a_sound_row_writes_it_reads_the_same(row: Field, data: st.DataObject) -> None:
    if not passes(row):
        return
    alphabet = [chr(byte) for byte in ALPHABETS[row.content]]
    value: Any = data.draw(st.text(st.sampled_from(alphabet), min_size=row.shortest, max_size=row.length))
    value = value.encode("latin-1") if row.content == "b" else value
    try:
        wire = writer(row)(value)
    except FieldError:
        return
    assert reader(row)(wire, 0) == (value, len(wire))
