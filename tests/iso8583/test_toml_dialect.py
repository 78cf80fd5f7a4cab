"""Dialects from TOML files: what they may say, and that every fault is named."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso8583 import Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.table import Field, Prefix
from iso8583.table_check import DialectError
from iso8583.toml_dialect import FILE_BYTES_MAX, load_dialect_file, table_from_toml

OURS = """
name = "our_host"
title = "Our host"
inherits = "iso87_ascii"
remove = [43, 64]

[fields.41]
length = 16
mask = "hide"

[fields.48]
prefix = "LLLL"
prefix_encoding = "bcd"

[fields.62]
name = "loyalty points"
name_zh = "积分"
content = "n"
encoding = "bcd"
length = 10
prefix = "LL"
prefix_encoding = "bcd"
prefix_counts = "bytes"
pad = "left"
pad_nibble = "F"
minimum = 1
mask = "show"

[[messages]]
mti = "0200"
fields = [3, 4, 11, 41, 62]
"""

WHOLE = """
name = "tiny"
version = "1"
bits = 64
mti = { encoding = "bcd" }
bitmap = { encoding = "raw" }

[fields]
2 = { name = "card", content = "n", encoding = "bcd", length = 19, prefix = "LL", prefix_encoding = "binary" }
11 = { name = "trace", content = "n", encoding = "bcd", length = 6 }
39 = { name = "answer", content = "an", encoding = "ebcdic", length = 2 }
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(DialectError) as caught:
        table_from_toml(text, "x.toml")
    assert str(caught.value).startswith("x.toml is no sound dialect:\n  ")
    return [str(fault) for fault in caught.value.faults]


def test_a_file_that_inherits_says_what_differs() -> None:
    base, table = load_dialect("iso87_ascii").table, table_from_toml(OURS)
    assert (table.name, table.title, table.version, table.bits) == ("our_host", "Our host", "0", 128)
    assert base.fields.keys() - table.fields.keys() == {43, 64}
    assert table.fields[41].clause == "ans16 ascii"
    assert table.fields[41].name == base.fields[41].name
    assert table.fields[48].prefix == Prefix("bcd", 4)
    assert table.fields[62] == Field(
        "loyalty points", "n", "bcd", 10, Prefix("bcd", 2, "bytes"), "left", "F", 1, "show", None, "积分"
    )
    assert table.fields[3] == base.fields[3]
    assert table.messages == (("0200", (3, 4, 11, 41, 62)),)


def test_inherited_messages_stay_if_their_rows_do() -> None:
    base = load_dialect("iso87_ascii").table
    table = table_from_toml('name = "x"\ninherits = "iso87_ascii"\nremove = [64]')
    assert table.messages == tuple(known for known in base.messages if 64 not in known[1])
    assert table.messages


def test_a_file_that_inherits_nothing_says_everything() -> None:
    dialect = Dialect(table_from_toml(WHOLE))
    message = Message("1210", {2: "6299990000000009", 11: "000017", 39: "00"})
    wire = bytes.fromhex("1210 4020000002000000 10 6299990000000009 000017 F0F0")
    assert dialect.encode(message) == wire
    assert dialect.decode(wire) == message


def test_parts_of_an_inherited_row_stay() -> None:
    table = table_from_toml('name = "x"\ninherits = "unionpay_pos"\nfields.60.mask = "hide"')
    row = load_dialect("unionpay_pos").table.fields[60]
    assert (table.fields[60].mask, table.fields[60].parts) == ("hide", row.parts)


PARTS = """
name = "our_host"
inherits = "unionpay_pos"

[fields.62]
parts = "emv"

[fields.60]
parts = "none"

[fields.61]
parts_minimum = 1
parts = [
    { name = "original batch", content = "n", length = 6, mask = "show", name_zh = "原始批次号" },
    { name = "original trace", content = "n", length = 6, mask = "show" },
]

[fields.63.parts.A1]
name = "shop"
content = "n"
length = 4

[fields.63.parts.A2]
name = "note"
content = "ans"
length = 40
minimum = 0
parts = { B1 = { name = "of the note", content = "an", length = 3 } }
"""


def test_a_file_says_what_a_field_is_cut_into() -> None:
    dialect = Dialect(table_from_toml(PARTS))
    message = Message("0200", {60: "00000001301", 61: "000001000002", 62: bytes.fromhex("9F36020007"), 63: "A10040815"})
    assert dialect.decode(dialect.encode(message)) == message
    original = dialect.open(message, 61)
    assert original.leaves == {"61.1": "000001", "61.2": "000002"}
    assert original["61.1"].name_zh == "原始批次号"
    assert dialect.open(message, 62)["62/9F36"].value == b"\x00\x07"
    assert dialect.open(message, 63)["63/A1"].value == "0815"
    assert dialect.open(message, 60).value == "00000001301"
    assert dialect.build(61, {"61.1": "000009"}) == "000009"
    assert dialect.build(63, {"63/A2/B1": "xyz"}) == "A2008B1003xyz"


def test_parts_of_a_row_that_is_not_inherited() -> None:
    parts = '[{ name = "a", content = "n", length = 1 }, { name = "b", content = "n", length = 3 }]'
    row = f'48 = {{ name = "two", content = "n", encoding = "bcd", length = 4, parts = {parts} }}\n'
    table = table_from_toml(WHOLE + row)
    assert Dialect(table).open(Message("1200", {48: "1234"}), 48)["48.2"].value == "234"


def test_a_prefix_may_be_taken_away() -> None:
    table = table_from_toml('name = "x"\ninherits = "iso87_ascii"\nfields.32 = { prefix = "none", minimum = 0 }')
    assert table.fields[32].clause == "n11 ascii"


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_checked_and_ready(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(OURS, "utf-8")
    for given_path in (path, str(path)):
        dialect = load_dialect_file(given_path)
        message = Message("0200", {3: "000000", 41: "0123456789ABCDEF", 62: "150"})
        assert dialect.decode(dialect.encode(message)) == message


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(OURS.replace("pad_nibble", "pad_nybble"), "utf-8")
    with pytest.raises(DialectError, match=r"ours.toml is no sound dialect:\n  row 62, column pad_nybble: needed name"):
        load_dialect_file(path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(DialectError, match="file, column text: needed UTF-8 text, byte 8 is something else"):
        load_dialect_file(path)


def test_a_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 10))
    with pytest.raises(DialectError, match=f"needed at most {FILE_BYTES_MAX} bytes, there are more"):
        load_dialect_file(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_dialect_file(tmp_path / "none.toml")


# Faults --------------------------------------------------------------------------------------------------------------

HEAD = 'name = "x"\ninherits = "iso87_ascii"\n'
COLUMNS = "needed name, content, encoding, length, pad, pad_nibble, minimum, mask, name_zh, prefix, prefix_encoding, p"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("name = ", ["file, column text: needed TOML: Invalid value (at end of document)"]),
        ("a = 1\nb = = 2", ["file, column text: needed TOML: Invalid value (at line 2, column 5)"]),
        ("a = " + "9" * 5000, ["file, column text: needed TOML: Exceeds the limit"]),
        ("a = " + "[" * 5000, ["file, column text: needed few layers of brackets, there are too many"]),
        ('inherits = "iso87_ascii"', ["dialect, column name: needed 1 to 120 printable characters, there is ''"]),
        ('name = 1\ninherits = "iso87_ascii"', ["dialect, column name: needed 1 to 120 printable characters, there"]),
        (
            'name = "iso87_bcd"\ninherits = "iso87_ascii"',
            ["dialect, column name: needed a name of your own, 'iso87_bcd' is shipped"],
        ),
        ('name = "x"\ninherits = "iso87"', ["dialect, column inherits: needed iso87_ascii, iso87_bcd, iso87_ebcdic, "]),
        ('name = "x"\ninherits = ["iso87_ascii"]', ["dialect, column inherits: needed iso87_ascii, "]),
        (
            'name = "x"\nversion = "0"\nbits = 64\n[mti]\n[fields]',
            ["dialect, column bitmap: needed where nothing is inherited, there is none"],
        ),
        (HEAD + "size = 1", ["dialect, column size: needed name, title, inherits, version, bits, mti, bitmap, fields"]),
        (HEAD + '"a\\nb" = 1', ["dialect, column ?: needed name, title, "]),
        (HEAD + "bits = 100", ["dialect, column bits: needed 64, 128 or 192, there is 100"]),
        (HEAD + "version = 1", ["dialect, column version: needed one digit in quotes"]),
        (HEAD + "mti = 4", ["dialect, column mti: needed columns and their values"]),
        (HEAD + "mti.length = 5", ["mti, column length: needed 4, there is 5"]),
        (HEAD + 'bitmap.encoding = "bcd"', ["bitmap, column encoding: needed raw or hex for class b, there is 'bcd'"]),
        (HEAD + "fields = 1", ["dialect, column fields: needed columns and their values"]),
        (HEAD + "fields.41 = 16", ["row 41, column row: needed columns and their values"]),
        (HEAD + "fields.041.length = 16", ["dialect, column fields: needed field numbers, there is '041'"]),
        (HEAD + "fields.x.length = 16", ["dialect, column fields: needed field numbers, there is 'x'"]),
        (HEAD + "fields.41.size = 16", [f"row 41, column size: {COLUMNS}"]),
        (
            HEAD + 'fields.41.length = "16"',
            ["row 41, column length: needed a whole number of 1 to 9999, there is '16'"],
        ),
        (HEAD + "fields.41.length = 1.5", ["row 41, column length: needed a whole number of 1 to 9999, there is 1.5"]),
        (HEAD + "fields.41.content = []", ["row 41, column content: needed n, a, an, ans, z, x+n or b, there is []"]),
        (
            HEAD + 'fields.41.prefix = "LL"',
            ["row 41, column prefix_encoding: needed with a prefix that is not inherited, there is none"],
        ),
        (
            HEAD + 'fields.41.prefix_encoding = "bcd"',
            ["row 41, column prefix: needed L, LL, LLL, LLLL or none, there is N"],
        ),
        (
            HEAD + 'fields.48.prefix = "LLLLL"',
            ["row 48, column prefix: needed L, LL, LLL, LLLL or none, there is 'LLLLL'"],
        ),
        (HEAD + "fields.48.prefix = [3]", ["row 48, column prefix: needed L, LL, LLL, LLLL or none, there is [3]"]),
        (HEAD + 'fields.48.prefix = "inherited"', ["row 48, column prefix: needed L, LL, LLL, LLLL or none, there is"]),
        (
            HEAD + 'fields.48 = { prefix = "none", prefix_counts = "bytes" }',
            ["row 48, column prefix_counts: needed none, as there is no prefix"],
        ),
        (
            HEAD + "fields.48.prefix_encoding = 5",
            ["row 48, column prefix_encoding: needed bcd, ascii, ebcdic or binary, there is 5"],
        ),
        (HEAD + "remove = 5", ["dialect, column remove: needed a list of field numbers"]),
        (HEAD + "remove = [5, 5]", ["dialect, column remove: needed numbers of inherited rows, each once"]),
        (HEAD + 'remove = ["5"]', ["dialect, column remove: needed numbers of inherited rows, each once"]),
        (HEAD + "remove = [true]", ["dialect, column remove: needed numbers of inherited rows, each once"]),
        (HEAD + "messages = 1", ["dialect, column messages: needed [[messages]] with mti and fields"]),
        (HEAD + "[[messages]]\nmti = '0200'\nfields = [3]\nx = 1", ["message 1, column x: needed mti or fields"]),
        (
            HEAD + "[[messages]]\nfields = [3]",
            ["message 1, column mti: needed four digits in quotes, the first 0, ther"],
        ),
        (HEAD + "[[messages]]\nmti = '0200'", ["message 1, column fields: needed field numbers, there is None"]),
        (
            HEAD + "remove = [3]\n[[messages]]\nmti = '0200'\nfields = [3]",
            ["message 1, column fields: needed numbers of rows that there are, there is 3"],
        ),
        (
            HEAD + "fields.130 = { length = 3 }\nfields.41 = { minimum = 1, mask = 'no' }",
            [
                "row 130, column name: needed in a row that is not inherited, there is none",
                "row 130, column content: needed in a row that is not inherited, there is none",
                "row 130, column encoding: needed in a row that is not inherited, there is none",
                "row 41, column mask: needed show, pan, code or hide, there is 'no'",
            ],
        ),
    ],
)
def test_each_fault_is_named(text: str, faults: list[str]) -> None:
    found = faults_of(text)
    assert len(found) == len(faults)
    assert [there[: len(needed)] for there, needed in zip(found, faults, strict=True)] == faults


HERE = 'name = "x"\ninherits = "unionpay_pos"\nfields.61.'
NESTED = "[{ name = 'a', content = 'n', length = 1, parts = " * 6 + "'emv'" + " }]" * 6


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("parts = 7", "needed parts by place, parts by tag, emv or none"),
        ('parts = "chip"', "needed parts by place, parts by tag, emv or none"),
        ("parts = []", "needed parts, and a whole number of them up to 0"),
        ("parts = [7]", "part 1: needed columns and their values"),
        ("parts_minimum = 1", "needed parts beside it"),
        ('parts = "emv"\nfields.61.parts_minimum = 1', "needed parts by place beside it"),
        ("parts = [{ name = 'a', content = 'n' }]", "part 1: needed the column length"),
        ("parts = [{ name = 'a', content = 'n', length = 1, colour = 1 }]", "part 1: needed none of colour"),
        ("parts = [{ name = 'a', content = 'q', length = 1 }]", "needed content, length and mask as in a row"),
        ("parts = [{ name = 'a', content = 'n', length = '1' }]", "needed content, length and mask as in a row"),
        ("parts = [{ name = 7, content = 'n', length = 1 }]", "needed 1 to"),
        ("parts = [{ name = 'a', content = 'n', length = 1, minimum = 2 }]", "needed a minimum no longer"),
        ("parts = [{ name = 'a', content = 'n', length = 1, encoding = 'utf' }]", "needed bcd"),
        ("parts = [{ name = 'a', content = 'n', length = 30 }]", "needed at most 29 for all parts together"),
        ("parts = { ABC = { name = 'a', content = 'n', length = 1 } }", "needed tags of two letters or figures"),
        (f"parts = {NESTED}", "needed at most 4 layers"),
    ],
)
def test_what_is_wrong_with_parts_is_named(text: str, needed: str) -> None:
    assert any(needed in fault and "row 61, column parts" in fault for fault in faults_of(HERE + text))


VALUES = st.recursive(
    st.one_of(st.none().map(lambda _: ""), st.booleans(), st.integers(-5, 200), st.floats(allow_nan=False), st.text()),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return repr(value)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(["name", "title", "inherits", "version", "bits", "mti", "bitmap", "fields", "remove", "messages"]),
    st.sampled_from(
        ["", ".41", ".41.content", ".60.prefix", ".48.prefix_encoding", ".48.prefix_counts", ".22.length", ".60.parts",
         ".60.parts_minimum", ".59.parts.A1", ".59.parts.A1.content"]
    ),
    VALUES,
)
def test_a_value_of_any_type_gives_one_kind_of_error(key: str, rest: str, value: object) -> None:
    lines = {"name": '"x"', "inherits": '"unionpay_pos"', key + (rest if key == "fields" else ""): toml(value)}
    with suppress(DialectError):
        table_from_toml("\n".join(f"{name} = {text}" for name, text in lines.items()))
