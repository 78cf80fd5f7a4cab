"""The issuer: late, silent, contradicting, unreachable. The unknown is a state, and debts are paid."""

from dataclasses import replace

import pytest

from host_switch.channels import ChannelAnswer
from host_switch.events import ChannelAnswered, Due
from host_switch.issuer_leg import retry_at
from host_switch.records import Leg, Outcome
from iso8583 import Message
from simulators.issuer import Mood
from tests.host_switch.room import POLICY, Room
from tests.host_switch.till import PAN, Till, repeated


def state(room: Room, message: Message) -> tuple[Outcome, Leg]:
    row = room.row(message)
    return row.outcome, row.leg


# --- silence ----------------------------------------------------------------------------------------------------------


def test_silence_is_told_as_98_and_owes_the_issuer_a_reversal_until_it_is_answered(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("drop", times=1)
    sale = till.sale()
    room.frame(till, sale)
    room.issue()  # the money has moved at the issuer, but its answer is lost
    (answer,) = room.pass_time(20)
    assert till.read(answer)[39] == "98"
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)
    assert room.owed_to_merchant() == 0
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)
    assert room.issuer.balance(PAN) == 1_000_000


def test_before_its_time_silence_means_nothing(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    assert room.pass_time(19.9) == []
    assert room.decide(Due(room.row(sale).number)).effects == ()
    assert room.row(sale).outcome is Outcome.PENDING


def test_a_reversal_is_repeated_with_growing_pauses_and_no_timer_ends_it(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    room.pass_time(20)
    room.take_calls()
    room.pass_time(86_400)
    repeats = room.take_calls()
    assert all(call.reverse and call.repeat for call in repeats)
    assert 280 <= len(repeats) <= 300  # about one every five minutes
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)


def test_pauses_double_up_to_the_cap() -> None:
    assert [retry_at(POLICY, attempts, 0.0) for attempts in (1, 2, 3, 7, 100)] == [5.0, 10.0, 20.0, 300.0, 300.0]


def test_when_the_channel_is_back_a_debt_is_paid_before_its_time(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    room.pass_time(3600)
    room.take_calls()
    for due in room.store.owed(0, 64):
        room.decide(due)
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)


def test_a_silent_inquiry_owes_nothing(room: Room, till: Till) -> None:
    inquiry = till.balance()
    room.frame(till, inquiry)
    room.take_calls()
    (answer,) = room.pass_time(20)
    assert till.read(answer)[39] == "98"
    assert state(room, inquiry) == (Outcome.DECLINED, Leg.NONE)
    assert room.take_calls() == []


# --- too late ---------------------------------------------------------------------------------------------------------


def test_a_late_approval_is_recorded_and_reversed_never_booked(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (request,) = room.take_calls()
    room.pass_time(20)
    reversals = room.take_calls()
    room.calls = [request]
    assert room.issue() == []
    assert [event.kind for event in room.events()] == ["late approval"]
    room.calls = reversals
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)
    assert room.issuer.balance(PAN) == 1_000_000
    assert room.owed_to_merchant() == 0


def test_an_approval_after_the_confirmed_reversal_is_reversed_once_more(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (request,) = room.take_calls()
    (approval,) = room.asked(request)  # on its way, slowly
    room.pass_time(20)
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)
    room.decide(ChannelAnswered(approval))
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)
    assert room.issuer.balance(PAN) == 1_000_000


def test_a_late_decline_changes_nothing(room: Room, till: Till) -> None:
    sale = till.sale(2_000_000)
    room.frame(till, sale)
    request = room.take_calls()[-1]
    room.pass_time(20)
    assert room.decide(ChannelAnswered(room.asked(request)[0])).effects == ()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)


def test_a_late_answer_to_an_inquiry_is_dropped(room: Room, till: Till) -> None:
    room.frame(till, till.balance())
    (request,) = room.take_calls()
    room.pass_time(20)
    assert room.decide(ChannelAnswered(room.asked(request)[0])).effects == ()


# --- contradictions ---------------------------------------------------------------------------------------------------


def test_the_same_answer_twice_is_one_sale(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("duplicate", times=1)
    room.talk(till, till.sale())
    assert room.owed_to_merchant() == 1234
    assert room.events() == []


def test_approved_then_declined_changes_no_money_and_is_told_to_a_person(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("contradict", times=1)
    sale = till.sale()
    assert room.talk(till, sale)[39] == "00"
    assert state(room, sale) == (Outcome.APPROVED, Leg.ANSWERED)
    assert [(event.kind, event.text) for event in room.events()] == [("issuer contradicts itself", "05")]


def test_declined_then_approved_is_reversed(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("contradict", times=1)
    sale = till.sale(2_000_000)
    assert room.talk(till, sale)[39] == "51"
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)
    assert [event.kind for event in room.events()] == ["late approval reversed"]
    room.issue()
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSED)


def test_another_authorisation_code_is_a_contradiction(room: Room, till: Till) -> None:
    room.frame(till, till.sale())
    (answer,) = room.asked(room.take_calls()[0])
    room.decide(ChannelAnswered(answer))
    room.decide(ChannelAnswered(replace(answer, auth_code="ZZZZZZ")))
    assert [event.kind for event in room.events()] == ["issuer contradicts itself"]


@pytest.mark.parametrize("change", [{"code": "10"}, {"code": "68"}, {"code": "Z9"}, {"code": "A0"}, {"amount": 1}])
def test_an_answer_that_cannot_be_used_is_declined_and_reversed(
    change: dict[str, str | int], room: Room, till: Till
) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (answer,) = room.asked(room.take_calls()[0])
    decision = room.decide(ChannelAnswered(replace(answer, **change)))  # type: ignore[arg-type]
    assert till.read(room.sent(decision)[0])[39] == "96"
    assert state(room, sale) == (Outcome.DECLINED, Leg.REVERSAL_DUE)
    room.issue()
    assert room.issuer.balance(PAN) == 1_000_000


def test_an_answer_that_cannot_be_used_leaves_a_refund_pending(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 100)
    room.frame(till, refund)
    (answer,) = room.asked(room.take_calls()[0])
    room.decide(ChannelAnswered(replace(answer, code="68")))
    assert state(room, refund) == (Outcome.PENDING, Leg.ADVICE_DUE)
    room.pass_time(5)
    room.issue()
    assert room.talk(till, repeated(refund))[39] == "00"


def test_a_refused_reversal_is_told_once_and_tried_again(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.frame(till, till.reversal(sale))
    (call,) = room.take_calls()
    refusal = ChannelAnswer(call.reference, till.id, "96", reverse=True)
    room.decide(ChannelAnswered(refusal))
    room.pass_time(60)
    room.decide(ChannelAnswered(refusal))
    assert [event.kind for event in room.events()] == ["issuer refuses what must be"]
    room.issue()
    assert state(room, sale) == (Outcome.REVERSED, Leg.REVERSED)


def test_an_answer_for_another_terminal_is_not_used(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (answer,) = room.asked(room.take_calls()[0])
    room.decide(ChannelAnswered(replace(answer, terminal="87654321")))
    room.decide(ChannelAnswered(replace(answer, reference="000000000999")))
    room.decide(ChannelAnswered(replace(answer, reference="not a number")))
    assert [report.kind for report in room.reports] == ["answer to nothing we asked"] * 3
    assert room.row(sale).outcome is Outcome.PENDING


# --- no way to the issuer ---------------------------------------------------------------------------------------------


def test_a_call_that_never_left_is_declined_91_and_owes_nothing(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (answer,) = room.unreachable()
    assert till.read(answer)[39] == "91"
    assert state(room, sale) == (Outcome.DECLINED, Leg.NONE)
    assert room.pass_time(3600) == []
    assert room.take_calls() == []


def test_a_refund_that_never_left_stays_pending(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 100)
    room.frame(till, refund)
    assert room.unreachable() == []
    assert state(room, refund) == (Outcome.PENDING, Leg.ADVICE_DUE)


def test_a_reversal_that_never_left_stays_due(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.frame(till, till.reversal(sale))
    room.unreachable()
    assert state(room, sale) == (Outcome.REVERSED, Leg.REVERSAL_DUE)
    room.pass_time(5)
    room.issue()
    assert state(room, sale) == (Outcome.REVERSED, Leg.REVERSED)


# --- the terminal meanwhile -------------------------------------------------------------------------------------------


def test_a_terminal_that_signed_off_meanwhile_gets_no_answer_it_could_not_check(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    room.frame(till, till.sign_off())
    assert room.issue() == []
    assert room.row(sale).outcome is Outcome.APPROVED
    till.signed_on(room.sent(room.frame(till, till.sign_on()))[0])
    assert room.talk(till, sale)[39] == "00"

