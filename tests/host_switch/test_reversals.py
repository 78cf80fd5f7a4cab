"""Reversals from the terminal: of what is approved, pending, declined, unknown; again; and when they make no sense."""

import pytest

from host_switch.records import Leg, Outcome
from simulators.issuer import Mood
from tests.host_switch.room import Room
from tests.host_switch.till import PAN, Till, damaged, repeated


def test_reversing_an_approved_sale_counters_it_here_and_at_the_issuer(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    answer = room.talk(till, till.reversal(sale))
    assert (answer.mti, answer[39], answer[11]) == ("0410", "00", sale[11])
    assert room.owed_to_merchant() == 0
    assert room.issuer.balance(PAN) == 1_000_000
    assert (room.row(sale).outcome, room.row(sale).leg) == (Outcome.REVERSED, Leg.REVERSED)


def test_the_terminal_need_not_wait_for_the_issuer(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    (answer,) = room.sent(room.frame(till, till.reversal(sale)))
    assert till.read(answer)[39] == "00"
    assert room.row(sale).leg is Leg.REVERSAL_DUE


def test_a_repeated_reversal_gets_the_same_answer_and_counters_once(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    first = room.talk(till, till.reversal(sale))
    room.now += 600
    assert room.talk(till, repeated(till.reversal(sale))) == first
    assert room.owed_to_merchant() == 0
    assert len(room.books().records) == 4


def test_reversing_a_pending_sale_answers_at_once_and_the_late_approval_is_not_paid_out(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (request,) = room.take_calls()
    assert room.talk(till, till.reversal(sale))[39] == "00"  # the issuer hears of the reversal before the sale
    room.calls = [request]
    assert room.issue() == []
    assert room.issuer.balance(PAN) == 1_000_000
    assert room.owed_to_merchant() == 0


def test_an_approval_that_overtakes_its_reversal_is_noted_and_reversed(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    room.frame(till, till.reversal(sale))
    request, reversal = room.take_calls()
    room.calls = [request]
    assert room.issue() == []
    assert [event.kind for event in room.events()] == ["late approval"]
    room.calls = [reversal]
    room.issue()
    assert room.issuer.balance(PAN) == 1_000_000
    assert room.row(sale).leg is Leg.REVERSED


def test_a_reversal_of_the_unknown_is_remembered_and_the_late_original_is_refused(room: Room, till: Till) -> None:
    sale = till.sale()
    assert room.talk(till, till.reversal(sale))[39] == "00"
    assert room.talk(till, sale)[39] == "94"
    assert room.take_calls() == []
    assert room.talk(till, repeated(till.reversal(sale)))[39] == "00"


def test_a_late_duplicate_of_a_reversed_sale_is_never_told_approved(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.talk(till, till.reversal(sale))
    assert room.talk(till, sale)[39] == "94"


def test_reversing_what_was_declined_changes_nothing(room: Room, till: Till) -> None:
    sale = till.sale(0)
    room.talk(till, sale)
    assert room.talk(till, till.reversal(sale))[39] == "00"
    assert room.row(sale).outcome is Outcome.DECLINED
    assert room.take_calls() == []


def test_reversing_what_timed_out_leaves_the_debt_to_the_issuer(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("drop", times=1)
    sale = till.sale()
    room.frame(till, sale)
    room.issue()
    room.pass_time(20)
    room.take_calls()
    assert room.sent(room.frame(till, till.reversal(sale)))
    assert room.row(sale).leg is Leg.REVERSAL_DUE
    room.pass_time(600)
    room.issue()
    assert room.row(sale).leg is Leg.REVERSED
    assert room.issuer.balance(PAN) == 1_000_000


def test_a_reversed_void_lets_the_sale_stand_and_be_voided_again(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    void = till.void(sale, reference)
    room.talk(till, void)
    assert room.talk(till, till.reversal(void))[39] == "00"
    assert room.owed_to_merchant() == 1234
    assert room.talk(till, till.void(sale, reference))[39] == "00"
    assert room.owed_to_merchant() == 0


def test_a_refund_is_repeated_and_never_reversed(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 100)
    room.talk(till, refund)
    assert room.talk(till, till.reversal(refund))[39] == "12"
    assert room.owed_to_merchant() == 1134


@pytest.mark.parametrize(("give_back", "code", "owed"), [("void", "00", 0), ("refund", "22", 734)])
def test_a_sale_that_was_given_back_is_not_reversed_on_top(
    give_back: str, code: str, owed: int, room: Room, till: Till
) -> None:
    sale, reference = room.sold(till)
    room.talk(till, till.void(sale, reference) if give_back == "void" else till.refund(sale, reference, 500))
    assert room.talk(till, till.reversal(sale))[39] == code
    assert room.owed_to_merchant() == owed
    assert [event.kind for event in room.events()] == [f"reversal after {give_back}"]


def test_a_reversal_of_another_amount_is_refused_and_reported(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    assert room.talk(till, till.reversal(sale, f4="000000000001"))[39] == "94"
    assert [event.severity for event in room.events()] == ["security"]
    assert room.owed_to_merchant() == 1234


def test_a_reversal_with_a_wrong_mac_reverses_nothing(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    message = till.reversal(sale)
    (answer,) = room.sent(room.frame(till, message, frame=damaged(till.frame(message))))
    assert till.read(answer)[39] == "A0"
    assert room.owed_to_merchant() == 1234


def test_a_reversal_of_an_earlier_batch_still_counts(room: Room, till: Till) -> None:
    """The terminal lost its link, and the batch was closed meanwhile."""
    sale, _ = room.sold(till)
    room.talk(till, till.upload("0001", "207"))
    till.batch = "000002"
    assert room.talk(till, till.reversal(sale))[39] == "00"
    assert room.owed_to_merchant() == 0


def test_a_reversed_inquiry_owes_nothing(room: Room, till: Till) -> None:
    inquiry = till.balance()
    room.talk(till, inquiry)
    assert room.talk(till, till.reversal(inquiry, f4="000000000000"))[39] == "00"
    assert room.take_calls() == []


def test_a_reversal_without_its_reason_is_a_format_error(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    assert room.talk(till, till.reversal(sale).without(39))[39] == "30"
