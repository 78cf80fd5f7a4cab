"""Sign-on, echo, lost links, and the order to sign on again in the host's headers."""

import pytest

from iso8583 import Message
from terminal.events import (
    CodePresented,
    KeysBack,
    KeysLoaded,
    KeysLost,
    LinkLost,
    LinkUp,
    LoadKeys,
    Persist,
    Received,
    Reconnect,
    SaleRequested,
    Send,
)  # fmt: skip
from terminal.records import ReversalDue, SignedOn
from terminal.session import SessionState
from tests.terminal.rig import CODE, KEYS, PROFILE, Till, answer, from_host, ready_till, sign_on_answer


def echo_answer(code: str = "00") -> Received:
    return from_host(Message("0830", {39: code, 41: PROFILE.terminal_id, 42: PROFILE.merchant_id, 60: "00000007301"}),
                     mac="absent")  # fmt: skip


def test_link_up_signs_on_and_asks_for_a_track_key():
    till = Till()
    till.on(LinkUp())
    assert till.sent().mti == "0800" and till.sent().text(60).endswith("004")


def test_sign_on_answer_names_the_batch_and_brings_the_keys():
    till = Till()
    till.on(LinkUp())
    persisted, load = till.on(Received(sign_on_answer("000042"), "absent"))
    assert isinstance(persisted, Persist) and isinstance(persisted.record, SignedOn)
    assert load == LoadKeys(KEYS.to_bytes())
    assert till.counter.book.batch == "000042" and not till.counter.session.ready


def test_keys_that_do_not_check_leave_the_terminal_out_of_service_and_it_tries_again():
    till = Till()
    till.on(LinkUp())
    till.on(Received(sign_on_answer(), "absent"))
    till.on(KeysLoaded(accepted=False, reason="keys_wrong"))
    assert till.counter.session.state is SessionState.REFUSED
    till.on(SaleRequested("a", 100, "01"))
    assert till.said() == "no_link"
    till.wait(3)
    assert till.sent().mti == "0800"


def test_host_that_refuses_the_terminal_is_asked_ever_more_rarely():
    till = Till()
    till.on(LinkUp())
    refused = Message("0810", {39: "97", 41: PROFILE.terminal_id, 42: PROFILE.merchant_id})
    pauses = []
    for _ in range(6):
        till.on(Received(refused, "absent"))
        pauses.append((till.counter.deadline() or 0) - till.now)
        till.wait(pauses[-1])
    assert till.counter.session.refusal == "host_97" and pauses == sorted(pauses) and pauses[-1] == 60


def test_batch_of_the_host_is_not_taken_while_ours_has_payments():
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    sign_on_again(till, batch="000099")
    assert till.counter.session.state == "loading keys"
    assert till.counter.book.batch == "000007"


def test_batch_of_the_host_is_taken_while_nothing_counts_in_ours():
    till = ready_till()
    till.on(from_host(answer(till.sell(), "77")))
    sign_on_again(till, batch="000099")
    assert till.counter.book.batch == "000099"


def sign_on_again(till: Till, batch: str) -> None:
    till.counter.session.ask_for_sign_on()
    till.on(LinkLost())
    till.on(LinkUp())
    till.on(Received(sign_on_answer(batch, till.sent().text(11)), "absent"))


def test_idle_link_is_proven_by_an_echo():
    till = ready_till()
    till.wait(PROFILE.host.echo_interval_s)
    assert till.sent().text(60).endswith("301")
    till.on(echo_answer())
    assert till.counter.session.ready


def test_half_open_link_is_dropped_when_the_echo_stays_unanswered():
    till = ready_till()
    effects = till.wait(PROFILE.host.echo_interval_s + PROFILE.host.reply_timeout_s)
    assert isinstance(effects[-1], Reconnect) and not till.counter.session.ready


def test_reconnected_link_uses_the_old_keys_after_an_echo():
    till = ready_till()
    till.on(LinkLost())
    till.on(LinkUp())
    assert till.sent().text(60).endswith("301") and not till.counter.session.ready
    till.on(echo_answer())
    assert till.counter.session.ready


def test_order_to_sign_on_again_waits_for_the_payment_to_end():
    till = ready_till()
    request = till.sell()
    effects = till.on(from_host(answer(request, "51"), command="3"))
    assert [e.message.mti for e in effects if isinstance(e, Send)] == ["0800"]


def test_order_during_a_payment_does_not_disturb_it():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    effects = till.on(Received(echo_answer().message, "absent", command="3"))
    assert not any(isinstance(e, Send) for e in effects) and till.counter.busy


def test_mac_that_is_not_good_brings_fresh_keys():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(), "00"), mac="bad"))
    assert [e.message.mti for e in effects if isinstance(e, Send)][-1] == "0800"


def test_answer_for_another_terminal_changes_nothing():
    till = Till()
    till.on(LinkUp())
    till.on(Received(sign_on_answer().with_({41: "87654321"}), "absent"))
    assert till.counter.session.state is SessionState.SIGNING_ON


def test_host_that_does_not_know_the_merchant_stops_the_counter():
    till = ready_till()
    till.on(from_host(answer(till.sell(), "03")))
    assert till.counter.session.state is SessionState.REFUSED and till.counter.session.refusal == "host_03"
    till.on(SaleRequested("next", 100, "01"))
    assert till.said() == "no_link"


def test_answer_to_an_earlier_sign_on_brings_no_old_keys():
    till = ready_till()
    till.on(from_host(answer(till.sell(), "51")))
    till.counter.session.ask_for_sign_on()
    till.on(LinkLost())
    till.on(LinkUp())
    effects = till.on(Received(sign_on_answer(trace="000001"), "absent"))
    assert effects == [] and till.counter.session.state is SessionState.SIGNING_ON


def test_echo_that_is_answered_late_does_not_end_a_sign_on():
    till = ready_till()
    till.wait(61)
    till.on(Received(echo_answer().message.with_({11: "000009"}), "absent", command="3"))
    assert till.counter.session.state is SessionState.SIGNING_ON
    till.on(echo_answer())
    assert till.counter.session.state is SessionState.SIGNING_ON


@pytest.mark.parametrize("reason", ["keys_erased", "key_process"])
def test_without_a_key_process_the_terminal_is_out_of_service_and_no_time_mends_it(reason):
    till = ready_till()
    assert till.on(KeysLost(reason)) == []
    assert (till.counter.session.state, till.counter.session.refusal) == (SessionState.REFUSED, reason)
    till.on(SaleRequested("a", 100, "01"))
    assert till.said() == "no_link"
    assert till.wait(3600) == []


def test_a_line_that_comes_up_without_a_key_process_signs_nobody_on():
    till = Till()
    till.on(KeysLost("no_keys"))
    assert till.on(LinkUp()) == []
    assert till.counter.session.refusal == "no_keys"
    till.on(LinkLost())
    assert till.on(KeysBack()) == []
    till.on(LinkUp())
    assert till.sent().mti == "0800"


def test_a_key_process_that_is_back_gets_its_keys_by_a_new_sign_on():
    till = ready_till()
    till.on(KeysLost("key_process"))
    till.on(KeysBack())
    assert till.sent().mti == "0800"
    till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
    till.on(KeysLoaded(accepted=True))
    assert till.counter.session.ready


def test_an_echo_that_was_under_way_when_the_keys_went_leads_to_a_sign_on():
    """The line was new and the keys were being proved; the answer had made the session ready without any key."""
    till = ready_till()
    till.on(LinkLost())
    till.on(LinkUp())
    assert till.sent().text(60).endswith("301")
    till.on(KeysLost("key_process"))
    till.on(KeysBack())
    till.on(echo_answer())
    assert not till.counter.session.ready and till.sent().mti == "0800"


def test_keys_that_were_on_their_way_to_a_process_that_died_are_not_believed():
    till = Till()
    till.on(LinkUp())
    till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
    till.on(KeysLost("key_process"))
    till.on(KeysLoaded(accepted=True))
    assert not till.counter.session.ready


def test_what_awaits_an_answer_when_the_keys_go_is_reversed_when_they_are_back():
    till = ready_till()
    till.sell()
    assert [type(record) for record in till.on(KeysLost("key_process")) and till.persisted()] == [ReversalDue]
    till.on(KeysBack())
    till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
    till.on(KeysLoaded(accepted=True))
    assert till.sent().mti == "0400"
