"""Frame, reply and MAC."""

import pytest

from iso8583 import Message
from iso8583.security import sm4_mac
from iso8583.unionpay import Frame, mac_state, split_frame, with_mac
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN, KEYS

SALE = GOLDEN["sale"]
FRAME = Frame.parse(SALE.frame)
SM4_KEY = bytes.fromhex("112233445566778899AABBCCDDEEFF00")


def test_reply_swaps_the_addresses_as_the_golden_answers_do() -> None:
    for request, answer in (("sign_on", "sign_on_answer"), ("sale", "sale_answer")):
        message = Message(GOLDEN[answer].mti, GOLDEN[answer].fields)
        assert Frame.parse(GOLDEN[request].frame).reply(message).to_bytes() == GOLDEN[answer].frame


def test_reply_carries_the_command_and_keeps_the_rest_of_the_header() -> None:
    reply = FRAME.reply(Message("0210", {39: "99"}), command="3")
    assert reply.command == "3"
    assert reply.header == "603103310001"
    assert Frame.parse(reply.to_bytes()) == reply
    assert FRAME.command == "0"


def test_offsets_of_faults_inside_the_message_count_from_the_tpdu() -> None:
    error = refused(Frame.parse, SALE.frame[:-1])
    assert (error.field, error.offset) == (64, len(SALE.frame) - 8)
    assert error.partial == FRAME.message.without(64)


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        (b"", "TPDU", 0),
        (SALE.frame[:4], "TPDU", 0),
        (b"\x61" + SALE.frame[1:], "TPDU", 0),
        (b"\x60\xa0" + SALE.frame[2:], "TPDU", 0),
        (SALE.frame[:9], "header", 5),
        (SALE.frame[:6] + b"\x3f" + SALE.frame[7:], "header", 5),
        (SALE.frame[:11], 0, 11),
    ],
)
def test_heads_that_are_refused(data: bytes, field: int | str, offset: int) -> None:
    error = refused(Frame.parse, data)
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize(
    ("tpdu", "header", "field"),
    [
        ("600003000", "603100310001", "TPDU"),
        ("6100030000", "603100310001", "TPDU"),
        ("60000300OO", "603100310001", "TPDU"),
        ("6000030000", "60310031000", "header"),
        ("6000030000", "60310031000x", "header"),
    ],
)
def test_heads_that_cannot_be_written(tpdu: str, header: str, field: str) -> None:
    assert refused(Frame(tpdu, header, Message("0800", {})).to_bytes).field == field


def test_split_frame_gives_a_host_what_it_needs_to_answer_a_broken_message() -> None:
    tpdu, header, message = split_frame(SALE.frame[:-1])
    assert (tpdu, header, message) == (SALE.tpdu, SALE.header, SALE.message[:-1])


def test_repr_masks_the_card() -> None:
    assert "6299990000000009" not in repr(FRAME)
    assert "629999******0009" in repr(FRAME)


# MAC -----------------------------------------------------------------------------------------------------------------


def test_mac_in_passing_is_the_mac_of_with_mac() -> None:
    bare = Frame(FRAME.tpdu, FRAME.header, FRAME.message.without(64))
    assert bare.to_bytes(KEYS["MAK"]) == SALE.frame
    assert bare.to_bytes(KEYS["MAK"]) == Frame(FRAME.tpdu, FRAME.header, with_mac(bare.message, KEYS["MAK"])).to_bytes()


def test_an_old_mac_is_replaced() -> None:
    assert with_mac(FRAME.message.with_({64: b"00000000"}), KEYS["MAK"]) == FRAME.message


def test_mac_states() -> None:
    key = KEYS["MAK"]
    assert mac_state(SALE.message, FRAME.message, key) == "good"
    assert mac_state(SALE.message, FRAME.message, bytes(8)) == "bad"
    settle = GOLDEN["settle"]
    assert mac_state(settle.message, Message(settle.mti, settle.fields), key) == "absent"


def test_any_changed_bit_makes_the_mac_bad() -> None:
    for at in range(len(SALE.message)):
        changed = SALE.message[:at] + bytes([SALE.message[at] ^ 1]) + SALE.message[at + 1 :]
        assert mac_state(changed, FRAME.message, KEYS["MAK"]) == "bad"


def test_sm4_terminals_have_their_own_mac() -> None:
    message = with_mac(FRAME.message, SM4_KEY, sm4_mac)
    assert message[64] == b"23D69936"
    data = Frame(FRAME.tpdu, FRAME.header, message).to_bytes()[11:]
    assert mac_state(data, message, SM4_KEY, sm4_mac) == "good"
    assert mac_state(data, message, SM4_KEY) == "bad"
