"""Rows of a table: the reader and the writer made from each kind."""

import pytest

from iso8583.encodings import FieldError
from iso8583.fields import reader, undefined, writer
from iso8583.table import Field, Prefix

LL_ASCII = Field("text", "ans", "ascii", 20, Prefix("ascii", 2), minimum=2)
LLL_BCD = Field("digits", "n", "bcd", 17, Prefix("bcd", 3), minimum=1)
HEX = Field("block", "b", "hex", 8)


@pytest.mark.parametrize(
    ("field", "value", "wire"),
    [
        (LL_ASCII, "ab", b"02ab"),
        (LL_ASCII, "x" * 20, b"20" + b"x" * 20),
        (LLL_BCD, "123", bytes.fromhex("0003 1230")),
        (LLL_BCD, "12345678901234567", bytes.fromhex("0017 123456789012345670")),
        (HEX, bytes(range(8)), b"0001020304050607"),
        (Field("amount", "n", "bcd", 12), "000000001234", bytes.fromhex("000000001234")),
        (Field("sequence", "n", "bcd", 3, pad="left"), "001", bytes.fromhex("0001")),
        (Field("text", "ans", "ascii", 9, Prefix("ascii", 1)), "A1", b"2A1"),
        (Field("digits", "n", "bcd", 9, Prefix("bcd", 1)), "123", bytes.fromhex("031230")),
        (Field("chip", "b", "raw", 300, Prefix("bcd", 3)), bytes(255), bytes.fromhex("0255") + bytes(255)),
    ],
)
def test_both_ways_in_the_middle_of_other_bytes(field: Field, value: str | bytes, wire: bytes) -> None:
    assert writer(field)(value) == wire
    assert reader(field)(b"***" + wire + b"***", 3) == (value, 3 + len(wire))


@pytest.mark.parametrize(
    ("field", "wire", "at", "resume", "reason"),
    [
        (LL_ASCII, b"01a", 1, None, "needed a length of 2 to 20 bytes, the prefix says 1"),
        (LL_ASCII, b"21" + b"x" * 21, 1, None, "the prefix says 21"),
        (LL_ASCII, b"0\xb2ab", 1, None, "the prefix is not a number"),
        (LL_ASCII, b" 2ab", 1, None, "the prefix is not a number"),
        (LL_ASCII, b"0", 1, None, "needed 2 bytes, 1 are left"),
        (LL_ASCII, b"", 1, None, "needed 2 bytes, 0 are left"),
        (LL_ASCII, b"04abc", 3, None, "needed 4 bytes, 3 are left"),
        (LL_ASCII, b"04ab\nd", 5, 7, "needed ans, character 3 of 4 is a control character"),
        (LLL_BCD, bytes.fromhex("1003 1230"), 1, None, "the prefix says 1003"),
        (LLL_BCD, bytes.fromhex("000A 1230"), 1, None, "the prefix is not a number"),
        (LLL_BCD, bytes.fromhex("0003 1231"), 4, 5, "pad nibble"),
        (HEX, b"000102030405060", 1, None, "needed 16 bytes, 15 are left"),
        (HEX, b"000102030405060g", 16, 17, "needed z, character 16 of 16 is a letter"),
    ],
)
def test_faults_say_where_and_whether_the_next_field_is_known(
    field: Field, wire: bytes, at: int, resume: int | None, reason: str
) -> None:
    with pytest.raises(FieldError) as caught:
        reader(field)(b"*" + wire, 1)
    assert (caught.value.at, caught.value.resume) == (at, resume)
    assert reason in caught.value.reason


def test_an_undefined_field_only_refuses() -> None:
    read, write = undefined(5, "some_dialect")
    for call in (lambda: read(b"123", 1), lambda: write("x")):
        with pytest.raises(FieldError, match="some_dialect does not define field 5"):
            call()
