"""The switch's header: its widths, both lengths, and where each fault is found."""

from dataclasses import replace

import pytest

from iso8583 import Message
from iso8583.fields import wire_width
from iso8583.unionpay_switch import HEADER, HEADER_BYTES, SwitchFrame, split_frame
from tests.iso8583.refusals import refused

ECHO = Message("0820", {7: "0115115301", 11: "000001", 33: "12345678", 70: "301"})
FRAME = SwitchFrame("00010344   ", "12345678   ", ECHO)
# By hand: 46, version 1, 95 bytes in all, two institutions, three reserved bytes, batch 0, "00000000", 0, "00000";
# then 0820, bits 1 7 11 33, bit 70, and the four fields.
WIRE = bytes.fromhex(
    "2E 01 30303935 3030303130333434202020 3132333435363738202020 000000 00 3030303030303030 00 3030303030"
    "30383230 8220000080000000 0400000000000000"
    "30313135313135333031 303030303031 30383132333435363738 333031"
)


def test_the_widths_of_the_header() -> None:
    widths = [wire_width(row, row.length) for row in HEADER]
    assert widths == [1, 1, 4, 11, 11, 3, 1, 8, 1, 5]
    assert sum(widths) == HEADER_BYTES


def test_both_ways() -> None:
    assert FRAME.to_bytes() == WIRE
    assert SwitchFrame.parse(WIRE) == FRAME
    assert SwitchFrame.parse(memoryview(WIRE)) == FRAME
    assert len(WIRE) == 95


def test_every_part_of_the_header_is_kept() -> None:
    frame = replace(FRAME, version=130, reserved=b"\x01\x02\xff", batch=7, transaction_info="ABCD 123", user_info=255)
    frame = replace(frame, reject_code="10001")
    assert SwitchFrame.parse(frame.to_bytes()) == frame


def test_reply_swaps_the_institutions() -> None:
    answer = ECHO.response({**ECHO.fields, 39: "00"})
    reply = replace(FRAME, reject_code="10001", batch=3).reply(answer)
    assert (reply.destination, reply.source) == (FRAME.source, FRAME.destination)
    assert (reply.reject_code, reply.batch, reply.message) == ("00000", 3, answer)


def put(at: int, data: bytes) -> bytes:
    return WIRE[:at] + data + WIRE[at + len(data) :]


@pytest.mark.parametrize(
    ("data", "field", "offset", "reason"),
    [
        (b"", "header length", 0, "needed 1 bytes, 0 are left"),
        (put(0, b"\x2f"), "header length", 0, "needed 46, there is 47"),
        (WIRE[:1], "version", 1, "needed 1 bytes, 0 are left"),
        (put(2, b"009A"), "total length", 5, "character 4 of 4 is a letter"),
        (put(2, b"0094"), "total length", 2, "needed 95, there is 94"),
        (WIRE + b"0", "total length", 2, "needed 96, there is 95"),
        (WIRE[:-1], "total length", 2, "needed 94, there is 95"),
        (put(8, b"\0"), "destination", 8, "is a control character"),
        (put(17, b"\xe9"), "source", 17, "is not ASCII"),
        (put(32, b"\0"), "transaction info", 32, "is a control character"),
        (put(45, b"x"), "reject code", 45, "character 5 of 5 is a letter"),
        (WIRE[:45], "reject code", 41, "needed 5 bytes, 4 are left"),
        (put(46, b"1"), 0, 46, "needed an MTI of version 0"),
        (put(66, b"A"), 7, 66, "character 1 of 10 is a letter"),
    ],
)
def test_what_is_refused(data: bytes, field: int | str, offset: int, reason: str) -> None:
    error = refused(SwitchFrame.parse, data)
    assert (error.field, error.offset) == (field, offset)
    assert reason in error.reason


def test_a_broken_message_leaves_the_header_and_what_is_good_of_it() -> None:
    broken = put(66, b"A")
    parts, message = split_frame(broken)
    assert parts["source"] == FRAME.source
    assert message == broken[46:]
    assert refused(SwitchFrame.parse, broken).partial == ECHO.without(7)


@pytest.mark.parametrize(
    ("frame", "field", "offset"),
    [
        (replace(FRAME, version=256), "version", 1),
        (replace(FRAME, destination="00010344"), "destination", 6),
        (replace(FRAME, source="银联"), "source", 17),
        (replace(FRAME, reserved=b"\0"), "reserved", 28),
        (replace(FRAME, batch=-1), "batch", 31),
        (replace(FRAME, transaction_info=""), "transaction info", 32),
        (replace(FRAME, user_info=1000), "user info", 40),
        (replace(FRAME, reject_code="1"), "reject code", 41),
        (replace(FRAME, message=Message("0820", {7: "0115"})), 7, 12),
    ],
)
def test_what_cannot_be_written(frame: SwitchFrame, field: int | str, offset: int) -> None:
    error = refused(frame.to_bytes)
    assert (error.field, error.offset) == (field, offset)


def test_an_error_of_the_header_names_its_clause() -> None:
    error = refused(SwitchFrame.parse, put(8, b"\0"))
    assert error.clause == "unionpay_switch header, destination: ans11 ascii"
    assert str(error).startswith("destination at byte 8: needed ans")


def test_repr_masks_the_card() -> None:
    frame = replace(FRAME, message=Message("0200", {2: "6299990000000009"}))
    assert "6299990000000009" not in repr(SwitchFrame.parse(frame.to_bytes()))
