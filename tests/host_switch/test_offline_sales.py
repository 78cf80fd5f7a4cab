"""Offline sales at the host: the goods are gone, so only the issuer declines, and nothing is booked twice."""

import pytest

from host_switch.events import Due
from host_switch.records import Leg, Outcome
from simulators.issuer import Mood
from tests.host_switch.room import Room, refuse_everything
from tests.host_switch.till import PAN, Till, repeated


def test_the_issuers_yes_books_it(room: Room, till: Till) -> None:
    answer = room.talk(till, till.offline_sale())
    assert (answer[39], answer.mti) == ("00", "0210") and answer.text(37)
    assert room.owed_to_merchant() == 1234


def test_the_issuers_no_declines_it(room: Room, till: Till) -> None:
    refuse_everything(room, PAN, "51")
    sale = till.offline_sale()
    assert room.talk(till, sale)[39] == "51"
    assert room.row(sale).outcome is Outcome.DECLINED and room.owed_to_merchant() == 0


@pytest.mark.parametrize("first", ["0200", "0201"])
def test_the_same_again_gets_the_same_answer_and_is_booked_once(room: Room, till: Till, first: str) -> None:
    sale = till.offline_sale()
    answer = room.talk(till, sale if first == "0200" else repeated(sale))
    again = room.sent(room.frame(till, repeated(sale)))
    assert [till.read(data) for data in again] == [answer]
    assert room.owed_to_merchant() == 1234


def test_while_the_issuer_is_silent_it_is_asked_again_with_the_chips_certificate(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("lose")
    sale = till.offline_sale()
    room.frame(till, sale)
    (first,) = room.take_calls()
    assert room.pass_time(600) == [], "no silence declines it"
    calls = room.take_calls()
    assert len(calls) > 2 and all(call.repeat for call in calls)
    assert {(c.pan, c.sequence, c.chip_data, c.reference) for c in (first, *calls)} == {
        (PAN, "001", sale.binary(55), first.reference)
    }


def test_what_is_kept_of_the_card_goes_with_the_answer(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    room.frame(till, sale)
    assert _kept(room) == (PAN, "001", sale.binary(55))
    room.issue()
    assert _kept(room) == ("", "", b"")


def _kept(room: Room) -> tuple[str, str, bytes]:
    row = room.store.facts_for([Due(1)])[0].stored
    assert row is not None
    return row.pan, row.sequence, row.chip_data


@pytest.mark.parametrize("code", ["91", "96", "90"])
def test_an_issuer_that_says_not_now_is_asked_again(room: Room, till: Till, code: str) -> None:
    room.issuer.mood = Mood("decline", times=1, code=code)
    sale = till.offline_sale()
    room.frame(till, sale)
    room.issue()
    assert (room.row(sale).outcome, room.row(sale).leg) == (Outcome.PENDING, Leg.ADVICE_DUE)
    assert [event.kind for event in room.events()] == ["issuer refuses what must be"]


@pytest.mark.parametrize("amount", [1, 99_000_000])
def test_no_limit_of_ours_declines_it(room: Room, till: Till, amount: int) -> None:
    sale = till.offline_sale(amount)
    room.frame(till, sale)
    assert room.row(sale).leg is Leg.ADVICE_DUE


@pytest.mark.parametrize(("number", "wrong"), [(42, "898110053110009"), (49, "840"), (60, "36002002000500")])
def test_what_we_have_against_it_the_operator_hears_and_nobody_is_told_no(
    room: Room, till: Till, number: int, wrong: str
) -> None:
    decision = room.frame(till, till.offline_sale().with_({number: wrong}))
    assert room.sent(decision) == [] and room.books().transactions == ()
    assert [report.kind for report in room.reports] == ["offline sale not taken"]


def test_it_needs_its_certificate_and_has_no_pin(room: Room, till: Till) -> None:
    for wrong in (till.offline_sale().without(55), till.offline_sale().with_({52: bytes(8)})):
        (refusal,) = room.sent(room.frame(till, wrong))
        assert till.read(refusal)[39] == "30"


def test_an_online_cryptogram_is_no_certificate(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    asks = sale.binary(55).replace(bytes.fromhex("9F270140"), bytes.fromhex("9F270180"))
    assert room.talk(till, sale.with_({55: asks}))[39] == "59"


def test_it_can_be_refunded_in_parts_and_never_voided(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    reference = room.talk(till, sale).text(37)
    assert room.talk(till, till.void(sale, reference))[39] == "25"
    assert room.talk(till, till.refund(sale, reference, 1000))[39] == "00"
    assert room.talk(till, till.refund(sale, reference, 1000))[39] == "61"
    assert room.owed_to_merchant() == 234


def test_it_is_not_reversed(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    room.talk(till, sale)
    (refusal,) = room.sent(room.frame(till, till.reversal(sale)))
    assert till.read(refusal)[39] not in {"00", "25"} and room.owed_to_merchant() == 1234
