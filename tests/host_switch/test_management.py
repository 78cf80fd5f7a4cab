"""Sign-on, sign-off, echo, and what operators order."""

import pytest

from host_switch.events import CommandGiven, TerminalRegistered
from iso8583.unionpay import WorkingKeys62
from tests.host_switch.room import Room, command_of
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till


@pytest.mark.parametrize(("code", "length"), [("003", 40), ("004", 60)])
def test_a_sign_on_brings_fresh_keys_batch_and_time(code: str, length: int, room: Room) -> None:
    till = room.till(signed_on=False)
    answer = till.signed_on(room.sent(room.frame(till, till.sign_on(code)))[0])
    assert answer.mti == "0810"
    assert len(answer.binary(62)) == length
    assert (answer[60], answer[12], answer[13]) == (f"00000001{code}", "160000", "0115")
    assert (len(till.pin_key), len(till.mac_key)) == (16, 8)
    assert room.talk(till, till.sale())[39] == "00"


def test_the_single_length_mac_key_travels_with_eight_zero_bytes(room: Room) -> None:
    till = room.till(signed_on=False)
    answer = till.read(room.sent(room.frame(till, till.sign_on("003")))[0])
    assert answer.binary(62)[28:36] == bytes(8)


def test_single_length_keys_are_refused(room: Room) -> None:
    till = room.till(signed_on=False)
    assert till.read(room.sent(room.frame(till, till.sign_on("001")))[0])[39] == "12"


def test_every_sign_on_brings_other_keys(room: Room, till: Till) -> None:
    old = till.mac_key
    till.signed_on(room.sent(room.frame(till, till.sign_on()))[0])
    assert till.mac_key != old


def test_the_same_sign_on_twice_shortly_after_brings_the_same_keys(room: Room, till: Till) -> None:
    """A frame that the network doubled must not leave terminal and host with different keys."""
    request = till.sign_on()
    first, second = (room.sent(room.frame(till, request))[0] for _ in range(2))
    assert first == second
    till.signed_on(first)
    assert room.talk(till, till.sale())[39] == "00"
    room.now += 61
    assert room.sent(room.frame(till, request))[0] != first


def test_after_a_sign_off_the_keys_are_of_no_use(room: Room, till: Till) -> None:
    assert room.talk(till, till.sign_off())[39] == "00"
    (data,) = room.sent(room.frame(till, till.sale()))
    assert (till.read(data)[39], command_of(data)) == ("A0", "3")
    assert room.books().terminals[0].keys is None


def test_an_echo_is_answered_with_the_time_and_needs_no_trace_number(room: Room, till: Till) -> None:
    answer = room.talk(till, till.echo())
    assert (answer.mti, answer[39], answer[12]) == ("0830", "00", "160000")


def test_an_echo_without_field_60_is_unknown(room: Room, till: Till) -> None:
    assert room.talk(till, till.echo().without(60))[39] == "12"


def test_a_sign_on_without_its_operator_is_a_format_error(room: Room, till: Till) -> None:
    assert room.talk(till, till.sign_on().without(63))[39] == "30"


# --- operators --------------------------------------------------------------------------------------------------------


def test_a_command_stands_in_every_answer_until_the_terminal_obeys(room: Room, till: Till) -> None:
    room.decide(CommandGiven(till.id, "3"))
    (echoed,) = room.sent(room.frame(till, till.echo()))
    room.frame(till, till.sale())
    (sold,) = room.issue()
    assert (command_of(echoed), command_of(sold)) == ("3", "3")
    (signed_on,) = room.sent(room.frame(till, till.sign_on()))
    till.signed_on(signed_on)
    assert command_of(signed_on) == "0"
    assert command_of(room.sent(room.frame(till, till.echo()))[0]) == "0"


def test_a_command_to_nobody_changes_nothing(room: Room) -> None:
    assert room.decide(CommandGiven("99999999", "3")).effects == ()


def test_registering_again_keeps_the_batch_and_asks_for_a_sign_on_under_the_new_key(room: Room, till: Till) -> None:
    room.talk(till, till.upload("0000", "207"))
    room.decide(TerminalRegistered(till.id, MERCHANT, bytes(range(16))))
    (answer,) = room.sent(room.frame(till, till.sign_on()))
    message = till.read(answer)
    assert message.text(60)[2:8] == "000002"
    assert WorkingKeys62.parse(message.binary(62)).unwrap(bytes(range(16)))
    with pytest.raises(ValueError, match="check value"):
        WorkingKeys62.parse(message.binary(62)).unwrap(MASTER_KEY)
