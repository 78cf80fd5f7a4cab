"""Decoding and encoding: what is refused, where the error points, and what is saved for the answer."""

from collections.abc import Callable
from typing import Any

import pytest

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN

POS = load_dialect("unionpay_pos")
ASCII = load_dialect("iso87_ascii")
SALE = GOLDEN["sale"].message


def decode_refused(dialect: Dialect, data: bytes) -> Iso8583Error:
    return refused(dialect.decode, data)


def encode_refused(fields: dict[int, str | bytes], mti: str = "0200", dialect: Dialect = POS) -> Iso8583Error:
    return refused(dialect.encode, Message(mti, fields))


def put(data: bytes, at: int, byte: int) -> bytes:
    return data[:at] + bytes([byte]) + data[at + 1 :]


def offset_of(dialect: Dialect, message: Message, number: int) -> int:
    """Where field `number` starts on the wire: the length of all before it (both in one bitmap width)."""
    before = {other: value for other, value in message.items() if other < number}
    return len(dialect.encode(Message(message.mti, before)))


POS_AT = {number: offset_of(POS, POS.decode(SALE), number) for number in GOLDEN["sale"].fields}


# What must be refused, beside what test_corruptions.py has for every dialect -----------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "offset", "reason"),
    [
        (lambda data: put(data, 0, 0x0A), 0, 0, "needed digits, nibble 2 of 4 is a letter A to F"),
        (lambda data: put(data, 0, 0x12), 0, 0, "needed an MTI of version 0, there is another version"),
        (lambda data: data[:1], 0, 0, "needed 2 bytes, 1 are left"),
        (lambda data: data[:9], 1, 2, "needed 8 bytes, 7 are left"),
        (lambda data: put(data, 2, data[2] | 0x80), 1, 10, "unionpay_pos does not define field 1"),
        (lambda data: put(data, 2, data[2] | 0x08), 5, POS_AT[11], "unionpay_pos does not define field 5"),
        (lambda data: put(data, POS_AT[2], 0x1A), 2, POS_AT[2], "the prefix is not a number"),
        (lambda data: put(data, POS_AT[2], 0x00), 2, POS_AT[2], "needed a length of 1 to 19 digits, the prefix says 0"),
        (
            lambda data: put(data, POS_AT[2], 0x20),
            2,
            POS_AT[2],
            "needed a length of 1 to 19 digits, the prefix says 20",
        ),
        (lambda data: put(data, POS_AT[22] + 1, 0x11), 22, POS_AT[22] + 1, "right pad nibble must be 0"),
        (lambda data: put(data, POS_AT[22] + 1, 0x1F), 22, POS_AT[22] + 1, "right pad nibble must be 0"),
        (lambda data: data[: POS_AT[35] + 5], 35, POS_AT[35] + 1, "needed 17 bytes, 4 are left"),
        (lambda data: data[: POS_AT[60] + 1], 60, POS_AT[60], "needed 2 bytes, 1 are left"),
        (lambda _: b"", 0, 0, "needed 2 bytes, 0 are left"),
    ],
)
def test_other_faults(change: Callable[[bytes], bytes], field: int, offset: int, reason: str) -> None:
    error = decode_refused(POS, change(SALE))
    assert (error.field, error.offset) == (field, offset)
    assert reason in error.reason


def test_pad_nibbles_on_both_sides_must_be_zero() -> None:
    message = Message("0200", {2: "629999000000000", 22: "021", 23: "001", 60: "00000001003"})
    wire = POS.encode(message)
    assert POS.decode(wire) == message
    pads = [10 + 1 + 7, 10 + 9 + 1, 10 + 9 + 2, len(wire) - 1]
    for at in pads:
        for nibble in range(1, 16):
            shifted = nibble << 4 if at == pads[2] else nibble
            assert isinstance(decode_refused(POS, put(wire, at, wire[at] | shifted)), Iso8583Error)


def test_empty_ic_data_is_legal() -> None:
    message = Message("0210", {39: "00", 55: b""})
    assert POS.decode(POS.encode(message)) == message


def test_any_buffer_may_be_decoded() -> None:
    expected = POS.decode(SALE)
    assert POS.decode(bytearray(SALE)) == expected
    assert POS.decode(memoryview(SALE)) == expected


# The secondary bitmap ------------------------------------------------------------------------------------------------


def test_secondary_bitmap_appears_only_when_needed() -> None:
    low, high = Message("0800", {11: "000001"}), Message("0800", {11: "000001", 70: "301"})
    assert ASCII.encode(low) == b"0800" + b"0020000000000000" + b"000001"
    assert ASCII.encode(high) == b"0800" + b"8020000000000000" + b"0400000000000000" + b"000001" + b"301"
    assert ASCII.decode(ASCII.encode(high)) == high


def test_secondary_bitmap_faults() -> None:
    wire = ASCII.encode(Message("0800", {11: "000001", 70: "301"}))
    empty = wire[:20] + b"0" * 16 + b"000001"
    assert (decode_refused(ASCII, empty).field, decode_refused(ASCII, empty).offset) == (1, 20)
    tertiary = wire[:20] + b"8400000000000000" + wire[36:]
    assert decode_refused(ASCII, tertiary).field == 65
    lower_case = wire.replace(b"8020", b"802a", 1)
    assert (decode_refused(ASCII, lower_case).field, decode_refused(ASCII, lower_case).offset) == (1, 7)
    assert decode_refused(ASCII, wire[:30]).field == 1


# What is saved -------------------------------------------------------------------------------------------------------


def test_a_bad_content_costs_only_its_own_field() -> None:
    error = decode_refused(POS, put(SALE, POS_AT[4] + 3, 0x0A))
    assert error.partial == POS.decode(SALE).without(4)


def test_two_bad_contents_name_the_first_and_save_the_rest() -> None:
    error = decode_refused(POS, put(put(SALE, POS_AT[49], 0x41), POS_AT[4] + 3, 0x0A))
    assert error.field == 4
    assert error.partial == POS.decode(SALE).without(4, 49)


def test_fields_behind_a_fault_are_saved_only_if_all_lengths_add_up() -> None:
    error = decode_refused(POS, put(SALE, POS_AT[4] + 3, 0x0A) + b"\0")
    assert error.field == 4
    assert error.partial is not None
    assert list(error.partial) == [2, 3]


def test_a_bad_length_saves_what_comes_before_it() -> None:
    error = decode_refused(POS, put(SALE, POS_AT[35], 0x99))
    assert error.partial is not None
    assert list(error.partial) == [2, 3, 4, 11, 14, 22, 25, 26]


def test_surplus_bytes_save_every_field() -> None:
    assert decode_refused(POS, SALE + b"\0").partial == POS.decode(SALE)


def test_a_bad_bitmap_saves_the_message_type() -> None:
    assert decode_refused(POS, SALE[:5]).partial == Message("0200", {})
    assert decode_refused(POS, SALE[:1]).partial is None


def test_the_partial_message_can_be_answered_with_format_error() -> None:
    partial = decode_refused(POS, put(SALE, POS_AT[4] + 3, 0x0A)).partial
    assert partial is not None
    answer = partial.response({number: partial[number] for number in (11, 41, 42)} | {39: "30"})
    assert POS.decode(POS.encode(answer))[39] == "30"


# Encoding ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "value", "reason"),
    [
        (3, "00000", "needed 6 digits, there are 5"),
        (4, "12X400000000", "needed n, character 3 of 12 is a letter"),
        (4, "12 400000000", "character 3 of 12 is a blank or a punctuation mark"),
        (4, "１23456789012", "character 1 of 12 is not ASCII"),
        (4, b"123456789012", "needed str, there is bytes"),
        (2, "", "needed 1 to 19 digits, there are 0"),
        (2, "1" * 20, "needed 1 to 19 digits, there are 20"),
        (35, "6299d", "needed z, character 5 of 5 is a letter"),
        (35, "6299:", "needed z, character 5 of 5"),
        (38, "A1B2C\n", "character 6 of 6 is a control character"),
        (41, "1234567", "needed 8 bytes, there are 7"),
        (41, "1234567é", "not ASCII"),
        (52, b"1234567", "needed 8 bytes, there are 7"),
        (52, "12345678", "needed bytes, there is str"),
        (55, bytes(256), "needed 0 to 255 bytes, there are 256"),
        (59, "€", "needed text that latin-1 can carry"),
        (63, "\ud800", "needed text that gb18030 can carry"),
        (63, "中\x07", "there is a control character"),
        (63, "中" * 82, "needed 0 to 163 bytes, there are 164"),
        (5, "000000000000", "unionpay_pos does not define field 5"),
        (1, b"12345678", "unionpay_pos does not define field 1"),
        (65, "1", "unionpay_pos does not define field 65"),
        (0, "0200", "unionpay_pos does not define field 0"),
        (-1, "1", "unionpay_pos does not define field -1"),
        (1000, "1", "unionpay_pos does not define field 1000"),
    ],
)
def test_encoding_refuses(number: int, value: str | bytes, reason: str) -> None:
    error = encode_refused({number: value, 39: "00"})
    assert error.field == number
    assert reason in error.reason
    assert error.partial == Message("0200", {39: "00"})


def test_encoding_points_at_the_place_of_the_field_and_names_the_first_fault() -> None:
    error = encode_refused({3: "000000", 4: "x", 11: "y", 39: "00"})
    assert (error.field, error.offset) == (4, 2 + 8 + 3)
    assert error.partial == Message("0200", {3: "000000", 39: "00"})


@pytest.mark.parametrize("mti", ["200", "02000", "02O0", "1200", "", "0２00", None, 200, b"0200"])
def test_encoding_refuses_the_message_type(mti: Any) -> None:
    error = encode_refused({39: "00"}, mti)
    assert (error.field, error.offset, error.partial) == (0, 0, None)


@pytest.mark.parametrize("numbers", [(3, "4"), (None, 3)])
def test_encoding_refuses_what_is_no_field_number(numbers: tuple[Any, ...]) -> None:
    assert encode_refused(dict.fromkeys(numbers, "000000")).field == 1


def test_a_broken_message_is_looked_at_once_behind_a_plan() -> None:
    broken = put(SALE, POS_AT[4] + 3, 0x0A)
    POS.decode(SALE)
    error = decode_refused(POS, broken)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_number_that_equals_a_field_number_is_one() -> None:
    odd: Any = {3.0: "000000", 39: "00"}  # as a dict has it
    for _ in range(2):  # plainly, and by the plan that was learned
        assert POS.encode(Message("0299", odd)) == POS.encode(Message("0299", {3: "000000", 39: "00"}))


def test_encoding_refuses_a_sign_that_is_none() -> None:
    for amount in ("X00000001", "000000001", "CC0000001"):
        assert encode_refused({28: amount}, dialect=ASCII).field == 28
    assert ASCII.decode(ASCII.encode(Message("0200", {28: "D00000001"})))[28] == "D00000001"


def test_an_equals_sign_in_a_track_is_the_letter_d() -> None:
    message = Message("0200", {35: "6299990000000009=30122011234567890"})
    assert POS.decode(POS.encode(message))[35] == "6299990000000009D30122011234567890"
    assert b"6299990000000009=3012" in ASCII.encode(message)
    assert ASCII.decode(ASCII.encode(message))[35] == "6299990000000009D30122011234567890"


def test_a_message_without_fields_is_a_message() -> None:
    assert POS.decode(POS.encode(Message("0800", {}))) == Message("0800", {})
