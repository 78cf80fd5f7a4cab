"""What the host asks for in its headers: done between payments, bounded, and never in the way of a sale."""

from dataclasses import replace
from itertools import pairwise

import pytest

from firmware_config.profile import HostEndpoint
from iso8583 import Message
from iso8583.unionpay_fields.field62 import Parameters62, Status62
from terminal.effects import Effect, Persist, Send
from terminal.errands import REST_AFTER_REFUSAL_S, REST_S
from terminal.events import (
    CancelRequested,
    DevicesSeen,
    LinkLost,
    LinkUp,
    Received,
    RoomMeasured,
    SaleRequested,
    SettleRequested,
)  # fmt: skip
from terminal.records import ParametersTaken
from tests.terminal import rig
from tests.terminal.rig import PROFILE, Till, answer, from_host, ready_till, settle_answer

PARAMETERS = Parameters62(45, "测试商户")


def echo_answer(command: str) -> Received:
    """Any answer with a command in its header."""
    fields = {39: "00", 41: PROFILE.terminal_id, 42: PROFILE.merchant_id, 60: "00000007301"}
    return from_host(Message("0830", fields), mac="absent", command=command)


def reply(request: Message, field62: bytes = b"", code: str = "00", command: str = "0") -> Received:
    """The host's answer to a question of an errand."""
    fields: dict[int, str | bytes] = {number: request[number] for number in (41, 42, 60)}
    brought: dict[int, str | bytes] = {62: field62} if field62 else {}
    return from_host(request.response(fields | {39: code} | brought), mac="absent", command=command)


def asked(till: Till, command: str = "1") -> Till:
    """A till that the host has just asked for something."""
    till.on(echo_answer(command))
    return till


def codes(effects: list[Effect]) -> list[str]:
    """The MTI and 60.3 of what is sent."""
    return [f"{e.message.mti}/{e.message.text(60)[8:11]}" for e in effects if isinstance(e, Send)]


def downloaded(till: Till, *parts: bytes) -> Till:
    """Let a download go through to its end, with these field 62 in the answers."""
    for part in (*parts, b""):
        till.on(reply(till.sent(), part))
    assert codes(till.effects) == ["0800/361"]
    till.on(reply(till.sent()))
    return till


def cancelled(till: Till, after_s: float = 0.0) -> list[Effect]:
    """Give up the payment in hand."""
    assert till.counter.payments.current is not None
    return till.on(CancelRequested(till.counter.payments.current), after_s)


def lived(till: Till, seconds: int, command: str) -> list[float]:
    """Let time pass, with an answer every ten seconds that has `command` in its header; when something was asked."""
    times = []
    for _ in range(seconds // 10):
        effects = till.wait(10) + till.on(echo_answer(command))
        times += [till.now] * len([code for code in codes(effects) if code != "0820/301"])
    return times


# --- parameters -------------------------------------------------------------------------------------------------------


def test_download_is_asked_for_without_trace_and_mac():
    till = asked(ready_till())
    assert codes(till.effects) == ["0800/360"]
    assert set(till.sent()) == {41, 42, 60}


def test_download_is_repeated_until_nothing_new_comes_and_taken_before_the_host_is_told():
    till = asked(ready_till())
    till.on(reply(till.sent(), PARAMETERS.to_bytes(), command="1"))
    assert codes(till.effects) == ["0800/360"]
    persisted, told = till.on(reply(till.sent(), PARAMETERS.to_bytes(), command="1"))
    assert persisted == Persist(ParametersTaken(till.now, 45, "测试商户"))
    assert codes([told]) == ["0800/361"]
    assert till.on(reply(till.sent())) == []
    assert till.counter.book.parameters == ParametersTaken(till.now, 45, "测试商户")


def test_parts_of_a_download_come_together():
    till = downloaded(asked(ready_till()), Parameters62(45).to_bytes(), Parameters62(None, "店").to_bytes())
    assert till.counter.book.parameters == ParametersTaken(till.now, 45, "店")


def test_what_a_download_does_not_name_stays_as_it_was():
    till = downloaded(asked(Till([ParametersTaken(1.0, 20, "旧店名")]).sign_on()), Parameters62(45).to_bytes())
    assert till.counter.book.parameters == ParametersTaken(till.now, 45, "旧店名")


@pytest.mark.parametrize("parts", [(), (PARAMETERS.to_bytes(),)])
def test_download_that_changes_nothing_writes_nothing(parts):
    till = Till([ParametersTaken(1.0, 45, "测试商户")]).sign_on()
    before = len(till.records)
    downloaded(asked(till), *parts)
    assert len(till.records) == before


def test_time_to_wait_is_that_of_the_host_and_survives_a_restart():
    till = downloaded(asked(ready_till()), PARAMETERS.to_bytes()).restart().sign_on()
    till.sell()
    assert codes(till.wait(44)) == []
    assert [e.message.mti for e in till.wait(2) if isinstance(e, Send)] == ["0400"]


@pytest.mark.parametrize(
    "field62",
    [b"1200", b"1299", b"1209", b"1261", b"12", b"nonsense", b"22" + b"A\x1b@".ljust(40), b"22" + b"\xff" * 40,
     PARAMETERS.to_bytes() + b"99"],
)  # fmt: skip
def test_parameters_that_are_nonsense_or_out_of_bounds_are_not_taken_at_all(field62):
    till = asked(ready_till())
    till.on(reply(till.sent(), Parameters62(None, "店").to_bytes()))
    effects = till.on(reply(till.sent(), field62))
    effects += till.on(reply(till.sent(), field62)) if codes(effects) else []
    assert not any(isinstance(effect, Persist) for effect in effects)
    assert till.counter.book.parameters is None and "0800/361" not in codes(effects)
    assert till.counter.errands.orders == ("download_parameters",)


def test_download_without_end_is_given_up():
    till = asked(ready_till())
    questions = 1
    while codes(till.on(reply(till.sent(), Parameters62(10 + questions).to_bytes()))):
        questions += 1
    assert questions == 8 and till.effects == []
    assert till.counter.book.parameters is None and not any(isinstance(r, ParametersTaken) for r in till.records)


def test_end_of_the_download_at_its_bound_leaves_nothing_half_done():
    till = asked(ready_till())
    for number in range(7):
        till.on(reply(till.sent(), Parameters62(10 + number).to_bytes()))
    assert till.on(reply(till.sent())) == []
    assert till.counter.book.parameters is None


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_says_what_is_known_of_the_devices_and_what_is_in_force():
    till = Till([ParametersTaken(1.0, 45)]).sign_on()
    till.on(DevicesSeen({"printer": False, "pin_pad": True, "scanner": True}))
    asked(till, "2")
    assert codes(till.effects) == ["0820/362"]
    told = Status62.parse(till.sent().binary(62))
    assert told == Status62(pin_pad=True, printer=False, application="60", reply_timeout_s=45)
    assert till.on(reply(till.sent())) == [] and till.counter.errands.orders == ()


@pytest.mark.parametrize(("seconds", "told"), [(120.0, 99), (0.3, 1)])
def test_status_of_a_terminal_that_waits_longer_or_shorter_than_the_field_can_say(seconds, told):
    till = Till(profile=PROFILE.model_copy(update={"host": HostEndpoint(reply_timeout_s=seconds)})).sign_on()
    assert Status62.parse(asked(till, "2").sent().binary(62)).reply_timeout_s == told


# --- between payments -------------------------------------------------------------------------------------------------


def test_errand_waits_for_the_payment_to_end():
    till = ready_till()
    request = till.sell()
    assert till.on(echo_answer("1")) == []
    effects = till.on(from_host(answer(request, "51")))
    assert codes(effects) == ["0800/360"] and isinstance(effects[-1], Send)


def test_command_in_the_answer_to_a_payment_is_obeyed_after_it():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(), "51"), command="2"))
    assert codes(effects) == ["0820/362"]


def test_sale_does_not_wait_for_an_errand_which_begins_anew_afterwards():
    till = asked(ready_till())
    late = reply(till.sent(), PARAMETERS.to_bytes())
    till.on(SaleRequested("a", 2500, "01"))
    assert till.counter.busy
    assert till.on(late) == []
    cancelled(till, after_s=6)
    assert codes(till.effects) == ["0800/360"]


def test_busy_counter_does_not_ask_at_every_pause():
    till = asked(ready_till())
    questions = 0
    for number in range(100):
        till.on(SaleRequested(f"a{number}", 2500, "01"), after_s=5)
        questions += len(codes(cancelled(till, after_s=5)))
    assert 0 < questions < 8


def test_errand_waits_while_the_batch_is_being_settled():
    till = ready_till()
    till.on(SettleRequested("01"))
    settle = till.sent()
    assert till.on(echo_answer("1")) == []
    till.on(from_host(settle_answer(settle, "1"), mac="absent"))
    end = till.sent()
    effects = till.on(reply(end))
    assert codes(effects) == ["0800/360"]


@pytest.mark.parametrize("first", ["1", "3"])
def test_sign_on_comes_before_an_errand(first):
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    for command in (first, {"1": "3", "3": "1"}[first]):
        till.on(echo_answer(command))
    effects = cancelled(till)
    assert codes(effects) == ["0800/004"]


def test_errand_is_taken_up_when_the_session_is_ready_again():
    till = asked(ready_till())
    till.on(LinkLost())
    assert codes(till.on(LinkUp(), after_s=10)) == ["0820/301"]
    assert codes(till.on(rig.echo_answer())) == ["0800/360"]


def test_nothing_is_sent_from_a_measurement():
    till = asked(ready_till())
    till.on(LinkLost())
    till.on(LinkUp())
    till.on(rig.echo_answer())
    till.now += 3600
    assert till.on(RoomMeasured(10**9, writable=True)) == till.on(DevicesSeen({})) == []
    assert codes(till.wait(0)) != []


def test_two_errands_are_run_one_after_the_other():
    till = asked(ready_till())
    question = till.sent()
    assert till.on(echo_answer("2")) == []
    till.on(reply(question))
    assert codes(till.effects) == ["0800/361"]
    assert codes(till.on(reply(till.sent()))) == ["0820/362"]


# --- answers that do not come, or should not --------------------------------------------------------------------------


def test_lost_answer_is_asked_for_ever_more_rarely_and_never_stops_a_sale():
    till = asked(ready_till())
    times = [till.now, *lived(till, 12 * 3600, "1")]
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == sorted(pauses) and 3600 <= pauses[-1] <= 3700
    assert till.counter.errands.orders == ("download_parameters",)
    till.on(SaleRequested("a", 2500, "01"))
    assert till.counter.busy


def test_alert_goes_when_the_errand_is_done_at_last():
    till = asked(ready_till())
    lived(till, 600, "1")
    assert "download_parameters" in till.counter.errands.orders
    assert any("0800/360" in codes(till.wait(10)) + codes(till.on(echo_answer("1"))) for _ in range(1000))
    question = Message("0800", {41: PROFILE.terminal_id, 42: PROFILE.merchant_id, 60: "00000007360"})
    till.on(reply(question, PARAMETERS.to_bytes()))
    downloaded(till)
    assert till.counter.errands.orders == ()


@pytest.mark.parametrize("code", ["12", "30", "97"])
def test_refusal_is_final_for_an_hour(code):
    till = asked(ready_till())
    assert till.on(reply(till.sent(), code=code)) == []
    assert lived(till, REST_AFTER_REFUSAL_S - 10, "1") == []
    assert till.counter.errands.orders == ("download_parameters",) and till.counter.session.ready
    assert lived(till, 20, "1") == [till.now - 10]


@pytest.mark.parametrize(("command", "messages"), [("1", 2), ("2", 1)])
def test_host_that_asks_in_every_answer_for_ever_is_obeyed_now_and_then(command, messages):
    till, sent = asked(ready_till(), command), 0
    for _ in range(1200):
        while codes(till.effects):
            sent += 1
            till.on(reply(till.sent(), command=command))
        till.on(echo_answer(command), after_s=3)
    assert messages <= sent <= messages * (1 + 3600 // REST_S)


def test_answer_that_was_not_asked_for_changes_nothing():
    till = asked(ready_till())
    question = till.sent()
    till = ready_till()
    assert till.on(reply(question, PARAMETERS.to_bytes())) == []
    assert till.counter.session.ready and till.counter.book.parameters is None


def test_answer_to_a_download_is_not_taken_for_that_to_a_sign_on():
    till = Till()
    till.on(LinkUp())
    question = asked(ready_till()).sent()
    assert till.on(reply(question, PARAMETERS.to_bytes())) == []
    assert till.counter.session.state == "signing on"


@pytest.mark.parametrize(
    "strange", [{41: "87654321"}, {60: "00000007362"}, {60: "00000007361"}], ids=["terminal", "status", "end"]
)
def test_answer_to_something_else_changes_nothing(strange):
    till = asked(ready_till())
    right = reply(till.sent(), PARAMETERS.to_bytes())
    assert till.on(replace(right, message=right.message.with_(strange))) == []
    assert codes(till.on(right)) == ["0800/360"]


def test_same_answer_twice_ends_the_loop_no_sooner_than_it_may():
    till = asked(ready_till())
    first = reply(till.sent(), PARAMETERS.to_bytes())
    till.on(first)
    assert codes(till.on(first)) == ["0800/361"]
    assert till.on(first) == []


def test_death_at_any_point_leaves_all_or_nothing_and_the_host_asks_again():
    till = asked(ready_till())
    till.on(reply(till.sent(), PARAMETERS.to_bytes()))
    assert till.restart().counter.book.parameters is None
    till.on(reply(till.sent()))
    again = till.restart().sign_on()
    assert again.counter.book.parameters == till.counter.book.parameters
    assert downloaded(asked(again), PARAMETERS.to_bytes()).counter.errands.orders == ()


def test_what_the_terminal_cannot_do_is_remembered():
    till = ready_till()
    assert [till.on(echo_answer("6")) for _ in range(2)] == [[], []]
    assert till.counter.errands.orders == ("update_program",)


def test_chip_sale_is_not_disturbed_before_the_chip_has_agreed():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell()), command="1"))
    assert codes(effects) == [] and till.counter.busy
