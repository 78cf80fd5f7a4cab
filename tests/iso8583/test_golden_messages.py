"""Every golden message: its values, its bytes, its MAC."""

import pytest

from iso8583 import Message, load_dialect
from iso8583.security import unionpay_mac
from iso8583.unionpay import Frame, mac_state, with_mac
from tests.iso8583.vectors import GOLDEN, KEYS, Golden

ALL = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
WITH_MAC = [golden for golden in GOLDEN.values() if golden.mac_trace]


@ALL
def test_decodes_to_the_known_values(golden: Golden) -> None:
    message = load_dialect("unionpay_pos").decode(golden.message)
    assert message.mti == golden.mti
    assert dict(message) == golden.fields


@ALL
def test_encodes_to_the_known_bytes(golden: Golden) -> None:
    assert load_dialect("unionpay_pos").encode(Message(golden.mti, golden.fields)) == golden.message


@ALL
def test_frame_goes_both_ways(golden: Golden) -> None:
    frame = Frame.parse(golden.frame)
    assert (frame.tpdu, frame.header) == (golden.tpdu, golden.header)
    assert frame.to_bytes() == golden.frame
    assert int.from_bytes(golden.wire[:2], "big") == len(golden.frame)


@ALL
def test_survives_the_trip_through_the_ascii_dialect(golden: Golden) -> None:
    dialect = load_dialect("iso87_ascii")
    message = Message(golden.mti, golden.fields).without(62)  # binary in one dialect, text in the other
    assert dialect.decode(dialect.encode(message)) == message


@pytest.mark.parametrize("golden", WITH_MAC, ids=lambda golden: golden.name)
def test_mac_is_the_known_one(golden: Golden) -> None:
    assert golden.mac_trace is not None
    mac = golden.mac_trace["mac"].encode()
    assert golden.fields[64] == mac
    assert unionpay_mac(KEYS["MAK"], golden.message[:-8]) == mac
    assert with_mac(Message(golden.mti, golden.fields).without(64), KEYS["MAK"])[64] == mac
    assert mac_state(golden.message, Message(golden.mti, golden.fields), KEYS["MAK"]) == "good"


def test_there_are_eight_messages_and_five_macs() -> None:
    assert len(GOLDEN) == 8
    assert len(WITH_MAC) == 5
