"""Offline sales by signed codes at the host: verified again, paid once, and what came twice is kept as evidence."""

import pytest

from host_switch.events import Due
from host_switch.records import Leg, Outcome, SignedUse
from iso8583 import Message
from iso8583.unionpay_fields.field59 import SIGNED_CODE_MAX
from paycode import base45
from paycode.signed import TEXT_MAX, SignedWallet
from simulators.issuer import Mood
from simulators.signed_phones import CodeIssuer, SignedPhone
from tests.host_switch.room import Room, refuse_everything
from tests.host_switch.signed_phone import ISSUER, know_issuer, know_key, signed_phone
from tests.host_switch.till import MERCHANT, PAN, Till, repeated


@pytest.fixture
def phone(room: Room) -> SignedPhone:
    return signed_phone(room)


def untaken(room: Room, till: Till, sale: Message) -> list[str]:
    """Hand in a sale that is not taken: nobody is told no, and nothing is kept; what the operator hears."""
    decision = room.frame(till, sale)
    assert room.sent(decision) == [] and room.take_calls() == []
    assert room.books().transactions == () and room.books().signed_uses == ()
    return [f"{report.kind}: {report.code}" for report in room.reports]


def only(said: list[str]) -> str:
    (reason,) = said
    return reason.removeprefix("offline sale not taken: ")


# --- paid -------------------------------------------------------------------------------------------------------------


def test_the_account_of_the_keys_user_pays(room: Room, till: Till, phone: SignedPhone) -> None:
    sale = till.offline_code_sale(phone.show(room.now))
    answer = room.talk(till, sale)
    assert (answer[39], answer.mti) == ("00", "0210") and answer.text(37)
    assert room.owed_to_merchant() == 1234
    assert room.issuer.balance(PAN) == 1_000_000 - 1234
    assert room.row(sale).masked.startswith("TG1:") and len(room.row(sale).masked) == 12


def test_an_outage_lasts_as_long_as_it_lasts(room: Room, till: Till, phone: SignedPhone) -> None:
    code = phone.show(room.now)
    room.now += 30 * 86_400
    assert room.talk(till, till.offline_code_sale(code))[39] == "00"


def test_a_code_for_this_amount_and_merchant_pays(room: Room, till: Till, phone: SignedPhone) -> None:
    assert room.talk(till, till.offline_code_sale(phone.show(room.now, 1234, MERCHANT)))[39] == "00"


def test_the_issuers_no_declines_it(room: Room, till: Till, phone: SignedPhone) -> None:
    refuse_everything(room, PAN, "51")
    sale = till.offline_code_sale(phone.show(room.now))
    assert room.talk(till, sale)[39] == "51"
    assert room.row(sale).outcome is Outcome.DECLINED and room.owed_to_merchant() == 0


@pytest.mark.parametrize("first", ["0200", "0201"])
def test_the_same_sale_again_gets_the_same_answer(room: Room, till: Till, phone: SignedPhone, first: str) -> None:
    sale = till.offline_code_sale(phone.show(room.now))
    answer = room.talk(till, sale if first == "0200" else repeated(sale))
    again = room.sent(room.frame(till, repeated(sale)))
    assert [till.read(data) for data in again] == [answer]
    assert room.owed_to_merchant() == 1234 and room.events() == []


def test_another_code_under_the_same_name_is_reported(room: Room, till: Till, phone: SignedPhone) -> None:
    sale = till.offline_code_sale(phone.show(room.now))
    room.talk(till, sale)
    other = till.offline_code_sale(phone.show(room.now)).with_({11: sale.text(11)})
    assert room.talk(till, other)[39] == "94"
    assert [event.kind for event in room.events()] == ["same key, other content"]


def test_while_the_issuer_is_silent_it_is_asked_again_by_account(room: Room, till: Till, phone: SignedPhone) -> None:
    room.issuer.mood = Mood("lose")
    room.frame(till, till.offline_code_sale(phone.show(room.now)))
    (first,) = room.take_calls()
    assert room.pass_time(600) == [], "no silence declines it"
    calls = room.take_calls()
    assert len(calls) > 2 and all(call.repeat for call in calls)
    assert {(c.pan, c.code, c.chip_data, c.reference) for c in (first, *calls)} == {(PAN, "", b"", first.reference)}


def test_the_account_goes_with_the_answer(room: Room, till: Till, phone: SignedPhone) -> None:
    room.frame(till, till.offline_code_sale(phone.show(room.now)))
    assert _kept(room) == PAN
    room.issue()
    assert _kept(room) == ""


def _kept(room: Room) -> str:
    row = room.store.facts_for([Due(1)])[0].stored
    assert row is not None
    return row.pan


def test_it_is_refunded_in_parts_and_neither_voided_nor_reversed(room: Room, till: Till, phone: SignedPhone) -> None:
    sale = till.offline_code_sale(phone.show(room.now))
    reference = room.talk(till, sale).text(37)
    assert room.talk(till, till.void(sale, reference))[39] == "25"
    assert room.talk(till, till.refund(sale, reference, 1000))[39] == "00"
    assert room.talk(till, till.refund(sale, reference, 1000))[39] == "61"
    (refusal,) = room.sent(room.frame(till, till.reversal(sale)))
    assert till.read(refusal)[39] not in {"00", "25"}
    assert room.owed_to_merchant() == 234 and room.issuer.balance(PAN) == 1_000_000 - 234


# --- not taken: the operator hears why, the terminal asks again -------------------------------------------------------


def test_an_unknown_issuer_is_heard_of_and_when_it_is_known_the_sale_is_paid(room: Room, till: Till) -> None:
    stranger = CodeIssuer("strangers", b"\x66").phone("Li", room.now)
    signed_phone(room)
    know_key(room, stranger)
    sale = till.offline_code_sale(stranger.show(room.now))
    assert only(untaken(room, till, sale)) == "issuer_unknown"
    know_issuer(room, CodeIssuer("strangers", b"\x66"))
    assert room.talk(till, repeated(sale))[39] == "00"


def test_a_key_of_nobody_is_heard_of_and_when_it_is_known_the_sale_is_paid(
    room: Room, till: Till, phone: SignedPhone
) -> None:
    nobody = ISSUER.phone("Wang", room.now)
    sale = till.offline_code_sale(nobody.show(room.now))
    assert only(untaken(room, till, sale)) == "user_unknown"
    know_key(room, nobody)
    assert room.talk(till, repeated(sale))[39] == "00"


def test_a_key_of_a_user_who_does_not_exist_is_one_of_nobody(room: Room, till: Till, phone: SignedPhone) -> None:
    wang = ISSUER.phone("Wang", room.now)
    know_key(room, wang, user=5)
    assert only(untaken(room, till, till.offline_code_sale(wang.show(room.now)))) == "user_unknown"


def _wrong(room: Room, phone: SignedPhone) -> dict[str, str]:
    now = room.now
    forger = CodeIssuer("forgers").phone("Li", now)
    thief = SignedPhone(SignedWallet(phone.wallet.certificate, CodeIssuer().phone("a thief", now).wallet.key))
    return {
        "amount_other": phone.show(now, amount=1235), "merchant_other": phone.show(now, merchant="898110053110009"),
        "over_limit": CodeIssuer(amount_max=1233).phone("Li", now).show(now), "future": phone.show(now + 21),
        "certificate_expired": ISSUER.phone("Li", now - 8 * 86_400).show(now),
        "certificate_forged": forger.show(now), "signature_wrong": thief.show(now),
        "text_broken": "TG1:" + base45.encode(b"\x80"),
    }  # fmt: skip


REASONS = (
    "amount_other", "merchant_other", "over_limit", "future", "certificate_expired", "certificate_forged",
    "signature_wrong", "text_broken",
)  # fmt: skip


@pytest.mark.parametrize("reason", REASONS)
def test_a_code_that_is_not_good_is_heard_of_and_nobody_is_told_no(
    room: Room, till: Till, phone: SignedPhone, reason: str
) -> None:
    assert only(untaken(room, till, till.offline_code_sale(_wrong(room, phone)[reason]))) == reason


@pytest.mark.parametrize(("number", "wrong"), [(42, "898110053110009"), (49, "840"), (60, "36000000000500")])
def test_what_holds_for_every_offline_sale_holds_here(
    room: Room, till: Till, phone: SignedPhone, number: int, wrong: str
) -> None:
    sale = till.offline_code_sale(phone.show(room.now)).with_({number: wrong})
    untaken(room, till, sale)


def test_another_kind_of_code_is_no_signed_one(room: Room, till: Till, phone: SignedPhone) -> None:
    digits = till.offline_code_sale("x").with_({59: "A3024771097897899548347425322"})
    assert only(untaken(room, till, digits)) == "30"
    online = till.qr_sale("6200000000000000000").with_({59: till.offline_code_sale(phone.show(room.now)).text(59)})
    assert room.talk(till, online)[39] == "30"


# --- twice ------------------------------------------------------------------------------------------------------------


def _spent_twice(room: Room, phone: SignedPhone, later_s: int) -> tuple[str, str]:
    phone.spends_twice = True
    return phone.show(room.now), phone.show(room.now + later_s)


@pytest.mark.parametrize(
    ("later_s", "kind"),
    [
        (1, "signed code spent twice: the customer's key has signed both"),
        (0, "signed code handed in twice: at one of the terminals it was a copy"),
    ],
)
def test_of_two_shops_the_first_is_paid_and_both_codes_are_kept(
    room: Room, till: Till, phone: SignedPhone, later_s: int, kind: str
) -> None:
    first, second = _spent_twice(room, phone, later_s)
    other = room.till("87654321")
    paid, declined = till.offline_code_sale(first), other.offline_code_sale(second)
    assert room.talk(till, paid)[39] == "00"
    assert room.talk(other, declined)[39] == "B1"
    assert room.owed_to_merchant() == 1234 and room.issuer.balance(PAN) == 1_000_000 - 1234
    (event,) = room.events()
    assert (event.severity, event.kind) == ("security", kind)
    assert event.text.endswith(f"counter 0: paid with reference {room.row(paid).reference}")
    assert first[4:] not in str(event) and second[4:] not in str(event)
    assert [(use.paid, use.counter) for use in room.books().signed_uses] == [(True, 0), (False, 0)]
    again = room.sent(room.frame(other, repeated(declined)))
    assert other.read(again[0])[39] == "B1" and len(room.events()) == 1, "the same no, and told once"


def test_the_first_counts_while_its_issuer_has_not_answered(room: Room, till: Till, phone: SignedPhone) -> None:
    first, second = _spent_twice(room, phone, 1)
    room.issuer.mood = Mood("lose", times=1)
    sale = till.offline_code_sale(first)
    room.frame(till, sale)
    assert room.issue() == []
    (refusal,) = room.sent(room.frame(till, till.offline_code_sale(second)))
    assert till.read(refusal)[39] == "B1"
    assert room.row(sale).leg is Leg.ADVICE_DUE
    (answer,) = [*room.pass_time(10), *room.issue()]
    assert till.read(answer)[39] == "00"


def test_a_code_whose_payment_was_declined_is_used_up_all_the_same(
    room: Room, till: Till, phone: SignedPhone
) -> None:
    first, second = _spent_twice(room, phone, 1)
    refuse_everything(room, PAN, "51")
    assert room.talk(till, till.offline_code_sale(first))[39] == "51"
    refuse_everything(room, PAN, "")
    assert room.talk(till, till.offline_code_sale(second))[39] == "B1"


def test_codes_come_in_any_order(room: Room, till: Till, phone: SignedPhone) -> None:
    codes = [phone.show(room.now) for _ in range(3)]
    assert [room.talk(till, till.offline_code_sale(code))[39] for code in reversed(codes)] == ["00"] * 3


def test_two_customers_have_counters_of_their_own(room: Room, till: Till, phone: SignedPhone) -> None:
    wang = ISSUER.phone("Wang", room.now)
    know_key(room, wang)
    assert room.talk(till, till.offline_code_sale(phone.show(room.now)))[39] == "00"
    assert room.talk(till, till.offline_code_sale(wang.show(room.now)))[39] == "00"


# --- revoked ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late_s", "told"), [(1, []), (0, ["signed code of a revoked key"])])
def test_what_a_lost_phone_has_signed_the_issuer_decides_and_a_person_hears_of_it(
    room: Room, till: Till, phone: SignedPhone, late_s: int, told: list[str]
) -> None:
    code = phone.show(room.now)
    know_key(room, phone, revoked_at=room.now + late_s)
    assert room.talk(till, till.offline_code_sale(code))[39] == "00"
    assert [event.kind for event in room.events()] == told


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_longest_code_fits_the_wire() -> None:
    assert TEXT_MAX == SIGNED_CODE_MAX


def test_no_repr_shows_a_code(room: Room, till: Till, phone: SignedPhone) -> None:
    code = phone.show(room.now)
    assert code[4:] not in repr(SignedUse(1, phone.key, 0, True, code))
    (facts,) = room.store.facts_for([Due(1)])
    assert code[4:] not in repr(facts)
