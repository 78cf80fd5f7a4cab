"""Sign-on, echo, lost links, and the order to sign on again in the host's headers."""

from collections.abc import Callable

import pytest

from firmware_config.profile import HostEndpoint, Offline
from iso8583 import Message
from terminal.effects import LoadKeys, Persist, Reconnect, Send
from terminal.events import CodePresented, KeysBack, KeysLoaded, KeysLost, LinkLost, LinkUp, Received, SaleRequested
from terminal.records import ReversalDue, SignedOn
from terminal.session import SessionState
from tests.terminal.rig import (
    CARD,
    CODE,
    KEYS,
    OFFLINE_CARD,
    PROFILE,
    Till,
    answer,
    echo_answer,
    from_host,
    probes,
    ready_till,
    sign_on_answer,
)  # fmt: skip


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
    till.counter.session.ask_for_sign_on(till.now)
    till.on(LinkLost())
    till.on(LinkUp())
    till.on(Received(sign_on_answer(batch, till.sent().text(11)), "absent"))


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
    till.counter.session.ask_for_sign_on(till.now)
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


# --- whoever asks for it for ever -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "mac", "command"), [("77", "good", "0"), ("00", "bad", "0"), ("A0", "absent", "0"), ("96", "good", "3")]
)
def test_a_host_that_gives_an_advice_the_same_answer_for_ever_is_not_signed_on_to_in_a_tight_loop(code, mac, command):
    """A sign-on makes all that is owed due at once: the answer to it asked for the next sign-on."""
    till = owing_till()
    asked = conversation(till, 1800.0, lambda request: from_host(answer(request, code), mac, command))
    assert 3 < asked.count("0800") < 20, "it is not given up either"
    assert till.counter.book.unresolved()


def test_between_two_such_sign_ons_the_counter_sells():
    till = owing_till()
    conversation(till, 600.0, lambda request: from_host(answer(request, "77")))
    assert till.counter.session.ready and not till.counter.session.wants_sign_on
    till.on(from_host(answer(till.sell())))
    assert till.counter.session.ready


def owing_till() -> Till:
    """One sale was sold offline, and the line is up again."""
    offline = Offline(sale_amount_max=3000, total_amount_max=6000, count_max=3, age_max_s=10**6)
    till = Till(profile=PROFILE.model_copy(update={"offline": offline})).sign_on()
    till.on(LinkLost())
    till.on(SaleRequested("offline", 2500, "01", offline=True))
    till.on(OFFLINE_CARD)
    till.on(LinkUp())
    return till


def conversation(till: Till, for_s: float, answered: Callable[[Message], Received]) -> list[str]:
    """Let the host answer everything at once, advices as is said; what it was asked."""
    heard: list[str] = []
    end, effects = till.now + for_s, till.effects
    while till.now < end and len(heard) < 1000:
        requests = [effect.message for effect in effects if isinstance(effect, Send)]
        effects = [] if requests else till.wait(1.0)
        for request in requests:
            heard.append(request.mti)
            if request.mti == "0800":
                effects += till.on(Received(sign_on_answer(trace=request.text(11)), "absent"))
                effects += till.on(KeysLoaded(accepted=True))
            else:
                is_probe = request.mti == "0820"
                effects += till.on(echo_answer(request.text(11)) if is_probe else answered(request))
    return heard


# --- probes: whether the host is there --------------------------------------------------------------------------------


LIVELY = HostEndpoint()
"""As it is shipped."""


def lively_till(**host: object) -> Till:
    """A till with the times of a profile that says nothing about them, signed on and just proven."""
    till = Till(profile=PROFILE.model_copy(update={"host": HostEndpoint.model_validate(host)})).sign_on()
    till.wait(LIVELY.probe_interval_s)
    assert till.counter.session.ready
    return till


def test_a_probe_asks_under_a_mac_with_a_number_of_its_own():
    till = lively_till()
    first = till.wait(LIVELY.probe_interval_s)
    second = till.wait(LIVELY.probe_interval_s)
    asked, again = (next(e.message for e in effects if isinstance(e, Send)) for effects in (first, second))
    assert 64 in asked and asked.text(60).endswith("301")
    assert (asked[11], again[11]) == ("000002", "000003")


def test_a_silent_host_is_noticed_within_three_seconds_and_only_after_two_probes():
    till = lively_till()
    proven_at, till.host_is_there = till.now, False
    effects = till.wait(3.0)
    assert not till.counter.session.ready and effects.count(Reconnect()) == 1
    assert len(probes(effects)) >= 2
    assert till.counter.session.trouble == "no_answer"
    assert till.counter.session.down_since == pytest.approx(proven_at + LIVELY.probe_interval_s)


def test_a_host_that_stalls_for_a_moment_stays_in_session():
    till = lively_till()
    till.host_is_there = False
    effects = till.wait(LIVELY.probe_interval_s + LIVELY.probe_timeout_s - 0.1)
    till.on(echo_answer(probes(effects)[0]))
    assert till.counter.session.ready
    till.on(echo_answer(probes(effects)[1]))
    till.host_is_there = True
    till.wait(60)
    assert till.counter.session.ready


@pytest.mark.parametrize("forged", [
    echo_answer("000001"),  # a recording of the last answer
    echo_answer("999999"),
    from_host(Message("0830", {39: "00", 41: PROFILE.terminal_id, 60: "00000007301"})),
    from_host(Message("0810", {11: "000002", 39: "00", 41: PROFILE.terminal_id, 60: "00000007301"}), mac="absent"),
])
def test_nothing_but_the_answer_to_this_very_probe_keeps_the_session_up(forged):
    till = lively_till()
    till.host_is_there = False
    for _ in range(30):
        till.wait(0.1)
        till.on(forged)
    assert not till.counter.session.ready


@pytest.mark.parametrize(("mac", "code"), [("bad", "00"), ("absent", "00"), ("absent", "A0")])
def test_an_answer_without_proof_leads_to_fresh_keys_at_once(mac, code):
    till = lively_till()
    till.host_is_there = False
    (number,) = probes(till.wait(LIVELY.probe_interval_s))
    till.on(echo_answer(number, code, mac))
    assert till.sent().mti == "0800" and not till.counter.session.ready


@pytest.mark.parametrize(
    ("mac", "code", "reason"), [("bad", "00", "bad_mac"), ("absent", "00", "no_mac"), ("absent", "A0", "host_A0")]
)
def test_keys_that_never_proved_anything_are_asked_for_ever_more_rarely(mac, code, reason):
    """Else whoever answers so would fill the journal with sign-ons."""
    till = lively_till()
    till.host_is_there = False
    pauses = []
    till.counter.session.ask_for_sign_on(till.now)
    till.on(LinkLost())
    till.on(LinkUp())
    for _ in range(6):
        till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
        till.on(KeysLoaded(accepted=True))
        (number,) = probes(till.wait(LIVELY.probe_interval_s))
        till.on(echo_answer(number, code, mac))
        assert (till.counter.session.state, till.counter.session.refusal) == (SessionState.REFUSED, reason)
        pauses.append((till.counter.deadline() or 0) - till.now)
        till.wait(pauses[-1])
    assert pauses == sorted(pauses) and pauses[-1] == 60


def test_an_answer_without_proof_waits_for_the_sale_and_then_brings_fresh_keys():
    till = lively_till()
    request = till.sell()
    till.host_is_there = False
    (number,) = probes(till.wait(LIVELY.probe_interval_s))
    assert not till.on(echo_answer(number, "00", "bad"))
    till.on(from_host(answer(request, "51")))
    assert till.sent().mti == "0800"


def test_a_host_that_knows_no_mac_in_an_echo_is_believed_where_the_profile_says_so():
    till = lively_till(echo_without_mac=True)
    till.host_is_there = False
    effects = till.wait(LIVELY.probe_interval_s)
    assert 64 not in next(effect.message for effect in effects if isinstance(effect, Send))
    till.on(Received(echo_answer().message.without(11), "absent"))
    till.wait(LIVELY.probe_timeout_s)
    assert till.counter.session.ready


def test_a_sale_whose_answer_is_owed_waits_for_it_as_long_as_it_would_have():
    """The line may only have stalled, and the answer can come on no other."""
    till = lively_till()
    request = till.sell()
    till.host_is_there = False
    effects = till.wait(LIVELY.reply_timeout_s - 1)
    assert till.counter.busy and Reconnect() not in effects
    till.on(from_host(answer(request, "51")))
    assert not till.counter.busy


def test_a_sale_without_its_answer_is_reversed_when_its_own_time_is_over_and_then_the_line_is_dead():
    till = lively_till()
    till.sell()
    till.host_is_there = False
    effects = till.wait(LIVELY.reply_timeout_s + LIVELY.probe_interval_s)
    records = [effect.record for effect in effects if isinstance(effect, Persist)]
    assert [type(record) for record in records] == [ReversalDue]
    assert Reconnect() in effects and not till.counter.session.ready
    assert till.counter.session.trouble == "no_answer"


def test_a_sale_that_waits_for_its_card_is_not_sent_on_a_line_that_has_died():
    till = lively_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.host_is_there = False
    till.wait(3.0)
    assert not till.counter.session.ready and till.counter.busy
    till.on(CARD)
    assert not [effect for effect in till.effects if isinstance(effect, Send)]
    assert not till.counter.busy


def test_a_slow_issuer_is_no_dead_line():
    till = lively_till()
    till.sell()
    till.wait(LIVELY.reply_timeout_s - 1)
    assert till.counter.busy and till.counter.session.ready


def test_what_is_wrong_with_the_line_is_known_and_since_when_and_forgotten_when_it_is_back():
    till = lively_till()
    till.on(LinkLost("not_a_host"))
    dead_at = till.now
    assert (till.counter.session.trouble, till.counter.session.down_since) == ("not_a_host", dead_at)
    till.on(LinkLost("unreachable"), after_s=5)
    assert (till.counter.session.trouble, till.counter.session.down_since) == ("unreachable", dead_at)
    till.on(LinkUp(), after_s=5)
    till.on(LinkLost())
    assert till.counter.session.trouble == "unreachable"
    till.on(LinkUp())
    till.on(echo_answer(probes(till.effects)[0]))
    assert till.counter.session.ready
    assert (till.counter.session.trouble, till.counter.session.down_since) == ("", None)


def test_a_terminal_that_never_had_a_line_says_since_when_it_looks_for_one():
    till = Till()
    till.on(LinkLost("refused"), after_s=30)
    assert till.counter.session.down_since == till.now - 30


@pytest.mark.parametrize("keys", [True, False], ids=["to a probe", "to a sign-on"])
def test_a_new_line_on_which_nobody_answers_is_dropped_soon(keys):
    till = lively_till() if keys else Till(profile=PROFILE.model_copy(update={"host": LIVELY}))
    till.host_is_there = False
    till.on(LinkLost())
    till.on(LinkUp())
    assert Reconnect() in till.wait(3.2)
