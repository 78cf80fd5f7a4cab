"""Sales, voids, refunds, inquiries: is it authentic, have we had it, may it be, and what the issuer is asked."""

from collections.abc import Callable

import pytest

from host_switch.checks import batches_ahead
from host_switch.events import CallChannel, ChannelAnswered, Persist, Send, TerminalRegistered
from host_switch.records import Leg, Outcome
from iso8583 import Message
from iso8583.unionpay import Balance54
from simulators.issuer import Mood
from tests.host_switch.room import Room, command_of, key_of
from tests.host_switch.till import MASTER_KEY, PAN, Till, damaged, repeated

CODE = "6200000000000000000"


def test_a_sale_is_approved_and_booked(room: Room, till: Till) -> None:
    answer = room.talk(till, till.sale(1234))
    assert answer.mti == "0210"
    assert (answer[39], answer[4], answer[37]) == ("00", "000000001234", "000000000001")
    assert answer[64]
    assert room.owed_to_merchant() == 1234


def test_an_answer_has_the_fields_of_the_specification(room: Room, till: Till) -> None:
    request = till.sale()
    answer = room.talk(till, request)
    assert list(answer) == [3, 4, 11, 12, 13, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 60, 63, 64]
    assert all(answer[number] == request[number] for number in (3, 4, 11, 25, 41, 42, 49, 60))
    assert (answer[12], answer[13]) == ("160000", "0115")
    assert answer[44] == "01020000   01030000   "


def test_a_decline_says_why_in_chinese(room: Room, till: Till) -> None:
    answer = room.talk(till, till.sale(99_999_999, f2=PAN, f4="000002000000"))
    assert answer[39] == "51"
    assert answer.text(63).strip().endswith("余额不足,请换卡")
    assert len(answer.text(63).encode("gbk")) == 63


def test_the_pin_reaches_the_issuer_under_the_zone_key(room: Room, till: Till) -> None:
    assert room.talk(till, till.sale(pin=b"123456"))[39] == "00"
    assert room.talk(till, till.sale(pin=b"654321"))[39] == "55"


def test_the_issuer_gets_the_track_in_clear(room: Room, till: Till) -> None:
    room.frame(till, till.sale())
    assert room.calls[0].track2 == "6299990000000009D30122011234567890"


def test_an_inquiry_brings_the_balance_and_moves_nothing(room: Room, till: Till) -> None:
    answer = room.talk(till, till.balance())
    assert Balance54.parse(answer.text(54)).amount == 1_000_000
    assert 4 not in answer
    assert room.books().records == ()


# --- the same again ---------------------------------------------------------------------------------------------------


def test_a_repeat_gets_the_stored_answer_byte_for_byte(room: Room, till: Till) -> None:
    request = till.sale()
    room.frame(till, request)
    first = room.issue()
    room.now += 3600
    again = room.frame(till, request)
    assert room.sent(again) == first
    assert room.calls == []
    assert room.owed_to_merchant() == 1234


def test_a_repeat_of_a_pending_sale_does_not_ask_the_issuer_again_and_is_answered_where_it_came_from(
    room: Room, till: Till
) -> None:
    request = till.sale()
    room.frame(till, request, "old line")
    again = room.frame(till, request, "new line")
    assert [type(effect) for effect in again.effects] == [Persist]
    assert len(room.calls) == 1
    (answer,) = room.asked(room.take_calls()[0])
    decision = room.decide(ChannelAnswered(answer))
    assert [effect.connection for effect in decision.effects if isinstance(effect, Send)] == ["new line"]


def test_a_repeat_after_a_new_sign_on_is_signed_with_the_new_key(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 500)
    first = room.talk(till, refund)
    room.now += 3600
    till.signed_on(room.sent(room.frame(till, till.sign_on()))[0])
    again = room.talk(till, repeated(refund))  # reading it checks the MAC
    assert again.without(64) == first.without(64)
    assert again[64] != first[64]


def test_same_key_other_content_is_refused_and_reported(room: Room, till: Till) -> None:
    request = till.sale(1234)
    room.talk(till, request)
    answer = room.talk(till, request.with_({4: "000000009999"}))
    assert answer[39] == "94"
    assert [(event.severity, event.kind) for event in room.events()] == [("security", "same key, other content")]
    assert room.owed_to_merchant() == 1234


def test_a_refusal_is_kept_so_that_the_same_request_is_not_accepted_later(room: Room, till: Till) -> None:
    """The sale that a void names may be approved a moment after the void was refused: the void stays refused."""
    sale = till.sale()
    room.frame(till, sale)
    void = till.void(sale, "000000000001")
    assert till.read(room.sent(room.frame(till, void))[0])[39] == "25"
    room.issue()
    assert room.row(sale).outcome is Outcome.APPROVED
    assert till.read(room.sent(room.frame(till, void))[0])[39] == "25"
    assert room.owed_to_merchant() == 1234


# --- refused before anybody is asked ----------------------------------------------------------------------------------


def test_a_wrong_mac_is_refused_unsigned_and_asks_for_a_sign_on(room: Room, till: Till) -> None:
    message = till.sale()
    decision = room.frame(till, message, frame=damaged(till.frame(message)))
    (data,) = room.sent(decision)
    answer = till.read(data)
    assert (answer[39], 64 in answer, command_of(data)) == ("A0", False, "3")
    assert room.calls == []
    assert room.books().transactions == ()
    assert room.reports[-1].kind == "MAC bad"


def test_a_missing_mac_is_refused_like_a_wrong_one(room: Room, till: Till) -> None:
    message = till.sale()
    (data,) = room.sent(room.frame(till, message, frame=till.frame(message, protected=False)))
    assert (till.read(data)[39], command_of(data)) == ("A0", "3")


def test_the_mac_of_another_terminal_is_refused(room: Room, till: Till) -> None:
    other = room.till("87654321")
    message = till.sale()
    other.id = till.id
    (data,) = room.sent(room.frame(till, message, frame=other.frame(message)))
    assert till.read(data)[39] == "A0"


def test_a_terminal_that_is_not_signed_on_is_asked_to(room: Room) -> None:
    till = room.till(signed_on=False)
    till.mac_key = bytes(8)
    (data,) = room.sent(room.frame(till, till.sale()))
    assert (till.read(data)[39], command_of(data)) == ("A0", "3")


Wording = Callable[[Till], Message]

REFUSED: dict[str, tuple[Wording, str]] = {
    "merchant of somebody else": (lambda till: till.sale(f42="898110053110002"), "03"),
    "nothing to pay": (lambda till: till.sale(0), "13"),
    "more than the host allows": (lambda till: till.sale(5_000_001), "61"),
    "currency that is not ours": (lambda till: till.sale(f49="840"), "A1"),
    "batch closed before": (lambda till: till.sale(f60="2299999900060"), "77"),
    "batch too far ahead": (lambda till: till.sale(f60="2200200200060"), "77"),
    "batch that has no number": (lambda till: till.sale(f60="2200000000060"), "77"),
    "code field without a code": (lambda till: till.qr_sale("").with_({59: "A5003abc"}), "30"),
    "card number missing": (lambda till: till.sale().without(2, 35, 53), "30"),
    "amount missing": (lambda till: till.sale().without(4), "30"),
    "field too many": (lambda till: till.sale().with_({38: "123456"}), "30"),
    "field 60 cut short": (lambda till: till.sale(f60="2200000100"), "12"),
    "PIN under a single-length key": (lambda till: till.sale(pin=b"1234").with_({53: "2010000000000000"}), "99"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_not_be_is_refused_without_asking_the_issuer(case: str, room: Room, till: Till) -> None:
    wording, code = REFUSED[case]
    answer = room.talk(till, wording(till))
    assert answer[39] == code
    assert room.owed_to_merchant() == 0


@pytest.mark.parametrize("case", ["amount missing", "field too many", "field 60 cut short"])
def test_a_refusal_of_an_authentic_request_is_authentic(case: str, room: Room, till: Till) -> None:
    """Otherwise the terminal could not believe it, and would reverse."""
    assert 64 in room.talk(till, REFUSED[case][0](till))


def test_after_code_99_the_terminal_is_asked_to_sign_on_again(room: Room, till: Till) -> None:
    (data,) = room.sent(room.frame(till, till.sale(pin=b"1234").with_({53: "2010000000000000"})))
    assert command_of(data) == "3"


# --- batches ahead ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["000002", "002001"])
def test_a_terminal_that_could_not_settle_sells_in_batches_ahead(room: Room, till: Till, batch: str) -> None:
    till.batch = batch
    assert room.talk(till, till.sale())[39] == "00"
    assert room.talk(till, till.offline_sale())[39] == "00"
    assert room.owed_to_merchant() == 2468


def test_the_numbers_of_batches_go_round(room: Room, till: Till) -> None:
    for number, ahead in (("000001", 0), ("000002", 1), ("999999", 999_998)):
        assert batches_ahead("000001", number) == ahead
    assert batches_ahead("999999", "000001") == 1
    assert batches_ahead("000001", "000000") is None


def test_a_void_lies_in_the_batch_of_its_sale_which_may_be_ahead(room: Room, till: Till) -> None:
    till.batch = "000003"
    sale, reference = room.sold(till)
    till.batch = "000004"
    assert room.talk(till, till.void(sale, reference))[39] == "25"
    till.batch = "000003"
    assert room.talk(till, till.void(sale, reference))[39] == "00"


# --- voids ------------------------------------------------------------------------------------------------------------


def test_a_void_takes_the_whole_sale_back(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    assert room.talk(till, till.void(sale, reference))[39] == "00"
    assert room.owed_to_merchant() == 0
    assert room.issuer.balance(PAN) == 1_000_000


VOIDS: dict[str, tuple[Callable[[Till, Message, str], Message], str]] = {
    "other amount": (lambda till, sale, reference: till.void(sale, reference, 1233), "64"),
    "unknown reference": (lambda till, sale, _: till.void(sale, "000000000099"), "25"),
    "reference that is no number": (lambda till, sale, _: till.void(sale, "REFERENCE 01"), "25"),
    "other trace in field 61": (lambda till, sale, reference: till.void(sale, reference, f61="000001999999"), "25"),
    "other card": (lambda till, sale, reference: till.void(sale, reference, f2="6299990000000017"), "14"),
}


@pytest.mark.parametrize("case", VOIDS)
def test_a_void_must_name_its_sale_exactly(case: str, room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    wording, code = VOIDS[case]
    assert room.talk(till, wording(till, sale, reference))[39] == code
    assert room.owed_to_merchant() == 1234


def test_a_sale_is_voided_once(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    room.talk(till, till.void(sale, reference))
    assert room.talk(till, till.void(sale, reference))[39] == "12"
    assert room.owed_to_merchant() == 0


def test_only_the_terminal_that_sold_may_void(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    other = room.till("87654321")
    assert room.talk(other, other.void(sale, reference))[39] == "25"


def test_a_refunded_sale_is_not_voided(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    room.talk(till, till.refund(sale, reference, 1))
    assert room.talk(till, till.void(sale, reference))[39] == "12"


# --- refunds ----------------------------------------------------------------------------------------------------------


def test_a_refund_gives_back_a_part(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    answer = room.talk(till, till.refund(sale, reference, 500))
    assert (answer.mti, answer[39]) == ("0230", "00")
    assert room.owed_to_merchant() == 734


def test_refunds_never_come_to_more_than_was_paid_also_by_parts(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    codes = [room.talk(till, till.refund(sale, reference, 500))[39] for _ in range(3)]
    assert codes == ["00", "00", "61"]
    assert room.owed_to_merchant() == 234


def test_a_refund_under_way_counts_when_the_next_arrives(room: Room, till: Till) -> None:
    """Two refunds made at once, from two terminals of the same merchant."""
    sale, reference = room.sold(till)
    other = room.till("87654321")
    room.frame(till, till.refund(sale, reference, 1000))
    (refused,) = room.sent(room.frame(other, other.refund(sale, reference, 1000)))
    assert other.read(refused)[39] == "61"
    room.issue()
    assert room.owed_to_merchant() == 234


def test_a_voided_sale_is_not_refunded(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    room.talk(till, till.void(sale, reference))
    assert room.talk(till, till.refund(sale, reference, 1))[39] == "12"


def test_another_merchant_does_not_refund(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    other = Till("87654321", merchant="898110053110002")
    room.decide(TerminalRegistered(other.id, other.merchant, MASTER_KEY))
    other.signed_on(room.sent(room.frame(other, other.sign_on()))[0])
    assert room.talk(other, other.refund(sale, reference, 1))[39] == "25"


def test_a_refund_the_issuer_does_not_answer_stays_pending_and_is_repeated(room: Room, till: Till) -> None:
    """A timer never turns "unknown" into "failed"."""
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 500)
    room.frame(till, refund)
    (first,) = room.take_calls()
    assert room.pass_time(3600) == []
    assert room.row(refund).outcome is Outcome.PENDING
    repeats = room.take_calls()
    assert len(repeats) > 10
    assert all(call.repeat and call.reference == first.reference and call.pan == PAN for call in repeats)
    room.calls = repeats[:1]
    room.issue()
    assert room.talk(till, repeated(refund))[39] == "00"
    assert room.owed_to_merchant() == 734


def test_a_refund_repeated_by_the_terminal_waits_for_the_same_answer(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 500)
    room.frame(till, refund)
    assert room.sent(room.frame(till, repeated(refund), "new line")) == []
    (answer,) = room.issue()
    assert till.read(answer)[39] == "00"
    assert len([row for row in room.books().transactions if row.kind == "refund"]) == 1


def test_the_expiry_date_may_be_missing_in_a_repeat(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 500, f14="3012")
    assert room.talk(till, refund)[39] == "00"
    assert room.talk(till, repeated(refund.without(14)))[39] == "00"


# --- scanned codes ----------------------------------------------------------------------------------------------------


def test_a_scanned_code_pays_and_the_answer_names_the_voucher(room: Room, till: Till) -> None:
    answer = room.talk(till, till.qr_sale(CODE))
    assert answer[39] == "00"
    assert answer[59] == "A4013W000000000001"
    assert room.row(till.qr_sale(CODE).with_({11: answer.text(11)})).masked == "62*************0000"


def test_a_code_pays_once(room: Room, till: Till) -> None:
    room.talk(till, till.qr_sale(CODE))
    assert room.talk(till, till.qr_sale(CODE))[39] == "22"


@pytest.mark.parametrize("voucher", ["000000000001", "W000000000001"])
def test_a_scanned_sale_is_voided_by_our_reference_or_the_wallets(voucher: str, room: Room, till: Till) -> None:
    sale = till.qr_sale(CODE)
    room.talk(till, sale)
    void = till.void(sale, "000000000001").with_({59: f"A4{len(voucher):03d}{voucher}"})
    assert room.talk(till, void)[39] == "00"
    assert room.owed_to_merchant() == 0


def test_a_scanned_sale_is_refunded_in_part(room: Room, till: Till) -> None:
    sale = till.qr_sale(CODE)
    reference = room.talk(till, sale).text(37)
    assert room.talk(till, till.refund(sale, reference, 234))[39] == "00"
    assert room.owed_to_merchant() == 1000


def test_another_voucher_is_refused(room: Room, till: Till) -> None:
    sale = till.qr_sale(CODE)
    room.talk(till, sale)
    void = till.void(sale, "000000000001").with_({59: "A4012000000000009"})
    assert room.talk(till, void)[39] == "25"


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_row_keeps_no_card_number_and_the_call_keeps_no_secret_in_its_text(room: Room, till: Till) -> None:
    request = till.sale(pin=b"123456")
    decision = room.frame(till, request)
    (call,) = [effect.call for effect in decision.effects if isinstance(effect, CallChannel)]
    assert PAN not in repr(decision)
    assert call.pin_block.hex() not in repr(decision)
    assert room.row(request).masked == "629999******0009"


def test_the_first_leg_follows_the_recovery_of_the_type(room: Room, till: Till) -> None:
    room.issuer.mood = Mood("lose")
    sale, reference = till.sale(), "000000000001"
    room.frame(till, sale)
    assert room.row(sale).leg is Leg.CALLED
    inquiry = till.balance()
    room.frame(till, inquiry)
    assert room.row(inquiry).leg is Leg.NONE
    assert reference == room.row(sale).reference
    assert key_of(sale) == room.row(sale).key
