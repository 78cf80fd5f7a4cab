"""Sign-on, sign-off, echo, and what operators order."""

import pytest

from host_switch.events import CommandGiven, ParametersGiven, Report, Send, TerminalRegistered
from iso8583.unionpay import WorkingKeys62
from iso8583.unionpay_fields.field62 import Parameters62, Status62
from tests.host_switch.room import Room, command_of
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till, damaged


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


def test_an_echo_under_a_mac_is_answered_under_one_with_its_number_and_the_time(room: Room, till: Till) -> None:
    decision = room.frame(till, till.echo("000007"), frame=till.frame(till.echo("000007"), protected=True))
    answer = till.read(room.sent(decision)[0])
    assert (answer[39], answer[11], answer[12], answer[13], 64 in answer) == ("00", "000007", "160000", "0115", True)


def test_an_echo_is_no_write_to_the_store(room: Room, till: Till) -> None:
    decision = room.frame(till, till.echo("000007"), frame=till.frame(till.echo("000007"), protected=True))
    assert [type(effect) for effect in decision.effects] == [Send]


def test_an_echo_under_a_wrong_mac_is_told_to_sign_on_again(room: Room, till: Till) -> None:
    (data,) = room.sent(room.frame(till, till.echo(), frame=damaged(till.frame(till.echo(), protected=True))))
    answer = till.read(data)
    assert (answer[39], command_of(data), 64 in answer, 12 in answer) == ("A0", "3", False, False)


def test_an_echo_under_the_mac_of_a_terminal_that_signed_off_is_told_to_sign_on_again(room: Room, till: Till) -> None:
    room.talk(till, till.sign_off())
    (data,) = room.sent(room.frame(till, till.echo(), frame=till.frame(till.echo(), protected=True)))
    assert (till.read(data)[39], command_of(data)) == ("A0", "3")


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
    assert room.decide(ParametersGiven("99999999", Parameters62(45))).effects == ()


def test_parameters_are_served_until_the_terminal_says_that_it_has_them(room: Room, till: Till) -> None:
    given = Parameters62(45, "测试商户")
    room.decide(ParametersGiven(till.id, given))
    for _ in range(2):
        (served,) = room.sent(room.frame(till, till.parameters()))
        assert Parameters62.parse(till.read(served).binary(62)) == given
        assert (till.read(served).mti, till.read(served)[39], command_of(served)) == ("0810", "00", "1")
    (ended,) = room.sent(room.frame(till, till.parameters("361")))
    assert (till.read(ended)[39], command_of(ended), 62 in till.read(ended)) == ("00", "0", False)
    terminal = room.books().terminals[0]
    assert (terminal.command, terminal.parameters) == ("0", given)


def test_a_terminal_without_parameters_of_its_own_gets_none(room: Room, till: Till) -> None:
    room.decide(CommandGiven(till.id, "1"))
    assert 62 not in room.talk(till, till.parameters())


def test_the_end_of_a_download_that_comes_again_does_not_take_back_another_command(room: Room, till: Till) -> None:
    room.decide(CommandGiven(till.id, "3"))
    (ended,) = room.sent(room.frame(till, till.parameters("361")))
    assert (command_of(ended), room.books().terminals[0].command) == ("3", "3")


def test_a_status_that_was_asked_for_is_kept_once(room: Room, till: Till) -> None:
    sent = till.status(Status62(pin_pad=True, printer=False, reply_timeout_s=30).to_bytes())
    room.decide(CommandGiven(till.id, "2"))
    for _ in range(2):
        (answer,) = room.sent(room.frame(till, sent))
        assert (till.read(answer).mti, till.read(answer)[39], command_of(answer)) == ("0830", "00", "0")
    (event,) = room.books().events
    assert (event.kind, event.text) == ("terminal status", "PIN pad works, printer does not work, waits 30 s")
    assert room.books().terminals[0].command == "0"


def test_a_status_that_nobody_asked_for_leaves_no_trace(room: Room, till: Till) -> None:
    assert room.talk(till, till.status(b"041"))[39] == "00"
    assert room.books().events == ()


@pytest.mark.parametrize("field62", [b"nonsense", b"042"])
def test_a_status_that_is_nonsense_is_refused_and_the_command_stays(field62: bytes, room: Room, till: Till) -> None:
    room.decide(CommandGiven(till.id, "2"))
    decision = room.frame(till, till.status(field62))
    assert till.read(room.sent(decision)[0])[39] == "30"
    assert any(isinstance(effect, Report) for effect in decision.effects)
    assert room.books().terminals[0].command == "2"


def test_registering_again_keeps_the_batch_and_asks_for_a_sign_on_under_the_new_key(room: Room, till: Till) -> None:
    room.talk(till, till.upload("0000", "207"))
    room.decide(TerminalRegistered(till.id, MERCHANT, bytes(range(16))))
    (answer,) = room.sent(room.frame(till, till.sign_on()))
    message = till.read(answer)
    assert message.text(60)[2:8] == "000002"
    assert WorkingKeys62.parse(message.binary(62)).unwrap(bytes(range(16)))
    with pytest.raises(ValueError, match="check value"):
        WorkingKeys62.parse(message.binary(62)).unwrap(MASTER_KEY)
