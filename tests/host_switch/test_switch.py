"""The gate: who may speak at all, and what becomes of what cannot be read."""

import pytest

from host_switch.events import Close
from host_switch.frames import decoded
from iso8583 import Iso8583Error, Message
from tests.host_switch.room import Room, command_of
from tests.host_switch.till import Till


def test_an_unknown_terminal_is_told_97(room: Room) -> None:
    stranger = Till("00000000", mac_key=bytes(8))
    (answer,) = room.sent(room.frame(stranger, stranger.sale()))
    message = stranger.read(answer)
    assert (message[39], 64 in message) == ("97", False)
    assert room.reports[-1].kind == "unknown terminal"


def test_another_merchant_is_told_03(room: Room, till: Till) -> None:
    till.merchant = "898110053110002"
    assert till.read(room.sent(room.frame(till, till.echo()))[0])[39] == "03"


def test_an_unknown_transaction_is_told_12(room: Room, till: Till) -> None:
    message = till.sale().with_({3: "030000", 60: "1000000100060"})
    assert till.read(room.sent(room.frame(till, message))[0])[39] == "12"


def test_a_message_broken_in_a_field_is_told_30(room: Room, till: Till) -> None:
    data = bytearray(till.frame(till.sale()))
    at = data.index(b"898110053110001") + 15
    data[at : at + 3] = b"ABC"  # the currency, which must be digits
    answer = till.read(room.sent(room.frame(till, till.sale(), frame=bytes(data)))[0])
    assert (answer[39], answer[41]) == ("30", till.id)


def test_a_message_that_names_no_terminal_cannot_be_answered(till: Till) -> None:
    with pytest.raises(Iso8583Error):
        decoded("line", till.frame(till.sale())[:30])


def test_an_answer_sent_to_us_closes_the_connection(room: Room, till: Till) -> None:
    answer = Message("0210", {11: "000001", 39: "00", 41: till.id})
    decision = room.frame(till, answer, frame=till.frame(answer, protected=False))
    assert decision.effects == (Close("line", "neither a request nor from a terminal"),)


def test_answers_swap_the_addresses_and_keep_the_header(room: Room, till: Till) -> None:
    (data,) = room.sent(room.frame(till, till.echo()))
    assert data[:11].hex() == "6000000003" + "603100310006"
    assert command_of(data) == "0"
