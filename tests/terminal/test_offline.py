"""Selling while no host can be reached: what the chip approves is owed to the host until it has answered."""

from dataclasses import replace

import pytest

from firmware_config.profile import Offline
from iso8583 import Message
from terminal.book import Payment
from terminal.effects import AskForMeans, Persist, Print, Send
from terminal.events import (
    CancelRequested,
    CardErased,
    CloseByPeople,
    CodePresented,
    KeysLost,
    LinkLost,
    LinkUp,
    Original,
    RefundRequested,
    SaleRequested,
    SettleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.records import Answered, ApprovedOffline, LateAnswer
from terminal.transitions import State
from tests.terminal.rig import CARD, CERTIFICATE, CODE, OFFLINE_CARD, PAN, PROFILE, Till, answer, echo_answer, from_host

LIMITS = Offline(sale_amount_max=3000, total_amount_max=6000, count_max=3, age_max_s=3600)
SELLS_OFFLINE = PROFILE.model_copy(update={"offline": LIMITS})


def cut_off(offline: Offline = LIMITS) -> Till:
    """A till that was signed on, and whose line has died."""
    till = Till(profile=PROFILE.model_copy(update={"offline": offline})).sign_on()
    till.on(LinkLost())
    return till


def charge(till: Till, amount: int = 2500) -> None:
    till.on(SaleRequested(f"offline-{len(till.records)}", amount, "01", offline=True))


def sell(till: Till, amount: int = 2500) -> Payment:
    """Sell offline to another card than before, and print the slip."""
    charge(till, amount)
    till.on(replace(OFFLINE_CARD, masked=f"629999******{len(till.counter.book.payments):04d}"))
    sold = newest(till)
    till.print_slips()
    return sold


def sold(amount: int = 2500) -> Till:
    till = cut_off()
    sell(till, amount)
    return till


def newest(till: Till) -> Payment:
    return list(till.counter.book.payments.values())[-1]


def state(till: Till) -> State:
    return newest(till).state


def back_online(till: Till) -> list[Message]:
    """The line comes back; return what is sent of payments."""
    till.on(LinkUp())
    till.on(echo_answer())
    return payments_sent(till)


def payments_sent(till: Till) -> list[Message]:
    messages = [effect.message for effect in till.effects if isinstance(effect, Send)]
    return [message for message in messages if message.mti.startswith(("02", "04"))]


# --- the sale ---------------------------------------------------------------------------------------------------------


def test_the_chip_is_asked_to_approve_without_the_host_and_no_code_is_wanted():
    till = cut_off()
    charge(till)
    (asked,) = (effect for effect in till.effects if isinstance(effect, AskForMeans))
    assert asked.offline and asked.means == ("card",)


def test_what_the_chip_approved_is_durable_before_its_slip_and_nothing_is_sent():
    till = cut_off()
    charge(till)
    effects = till.on(OFFLINE_CARD)
    assert isinstance(effects[0], Persist) and isinstance(effects[0].record, ApprovedOffline)
    assert any(isinstance(effect, Print) for effect in effects) and not payments_sent(till)
    assert state(till) is State.ADVICE_DUE and newest(till).receipt_due and not till.counter.busy


def test_the_journal_holds_what_the_advice_needs_and_no_card_data():
    till = cut_off()
    charge(till)
    till.on(OFFLINE_CARD)
    (record,) = (record for record in till.persisted() if isinstance(record, ApprovedOffline))
    assert set(record.recovery_fields) == {"3", "4", "11", "22", "23", "25", "41", "42", "49", "55", "60", "63"}
    assert record.recovery_fields["55"] == CERTIFICATE.hex()
    assert PAN not in str(record) and CARD.track2 not in str(record)


def test_without_the_key_that_says_so_nothing_is_sold_offline():
    till = cut_off()
    till.on(SaleRequested("a", 2500, "01"))
    assert till.said() == "no_link" and not till.counter.busy


def test_if_the_line_is_back_it_is_an_ordinary_sale():
    till = Till(profile=SELLS_OFFLINE).sign_on()
    charge(till)
    assert newest(till).type == "sale"
    till.on(CARD)
    assert till.sent().text(60)[:2] == "22"


def test_a_sale_that_began_online_never_goes_offline():
    till = Till(profile=SELLS_OFFLINE).sign_on()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(LinkLost())
    till.on(OFFLINE_CARD)
    assert (state(till), newest(till).reason) == (State.CANCELLED, "card_approved_offline")


def test_a_sale_that_began_offline_takes_no_card_that_wants_its_bank():
    till = cut_off()
    charge(till)
    till.on(CARD)
    assert (state(till), newest(till).reason) == (State.CANCELLED, "card_host_unreachable")


def test_a_code_is_not_taken_and_the_sale_goes_on():
    till = cut_off()
    charge(till)
    till.on(CodePresented(CODE))
    assert till.said() == "offline_no_code" and state(till) is State.STARTED
    till.on(OFFLINE_CARD)
    assert state(till) is State.ADVICE_DUE


def test_it_can_be_cancelled_and_times_out_like_any_other():
    till = cut_off()
    charge(till)
    till.on(CancelRequested(newest(till).key))
    assert state(till) is State.CANCELLED
    charge(till)
    till.wait(61)
    assert (state(till), newest(till).reason) == (State.CANCELLED, "no_means")


def test_a_sale_approved_while_the_line_came_back_is_sent_at_once():
    till = cut_off()
    charge(till)
    back_online(till)
    till.on(OFFLINE_CARD)
    (advice,) = payments_sent(till)
    assert advice.mti == "0200" and isinstance(till.effects[0], Persist)


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offline", "before", "amount", "reason"),
    [
        (Offline(), (), 2500, "offline_not_allowed"),
        (LIMITS, (), 0, "amount_zero"),
        (LIMITS, (), 3001, "offline_amount"),
        (LIMITS, (3000, 2000), 1001, "offline_total"),
        (LIMITS, (100, 100, 100), 100, "offline_count"),
    ],
)
def test_a_limit_refuses_before_the_card_is_read(offline, before, amount, reason):
    till = cut_off(offline)
    for earlier in before:
        sell(till, earlier)
    charge(till, amount)
    assert till.said() == reason and not till.counter.busy and not till.persisted()


@pytest.mark.parametrize("before", [(3000,), (100, 100)])
def test_at_the_limit_the_last_one_is_sold(before):
    till = cut_off()
    for earlier in before:
        sell(till, earlier)
    assert sell(till, 3000).state is State.ADVICE_DUE


def test_a_sale_that_waits_too_long_stops_the_next():
    till = sold()
    till.wait(LIMITS.age_max_s)
    charge(till)
    assert till.said() == "offline_age"


def test_what_the_bank_has_booked_no_longer_counts():
    till = sold(3000)
    sell(till, 3000)
    first, second = back_online(till)
    for advice in (first, second):
        till.on(from_host(answer(advice)))
    till.on(LinkLost())
    assert sell(till, 3000).state is State.ADVICE_DUE


def test_a_terminal_that_was_never_online_does_not_know_its_batch():
    till = Till(profile=SELLS_OFFLINE)
    charge(till)
    assert till.said() == "offline_batch_unknown"


def test_a_restart_in_the_outage_goes_on_selling():
    till = sold().restart()
    assert sell(till).state is State.ADVICE_DUE


@pytest.mark.parametrize("stopped", [KeysLost("keys_erased"), from_host(Message("0210", {39: "97", 41: "12345678"}))])
def test_keys_or_a_host_that_say_no_are_no_outage(stopped):
    till = Till(profile=SELLS_OFFLINE).sign_on()
    till.on(stopped)
    till.on(LinkLost())
    charge(till)
    assert till.said() == "offline_refused"


def test_a_reversal_that_is_due_does_not_stop_it_nor_does_it_stop_others():
    till = Till(profile=SELLS_OFFLINE.model_copy(update={"limits": PROFILE.limits.model_copy(
        update={"open_payments_max": 1})})).sign_on()  # fmt: skip
    till.sell()
    till.on(LinkLost())
    reversed_sale = newest(till)
    assert reversed_sale.state is State.REVERSAL_DUE
    assert sell(till, 100).state is State.ADVICE_DUE and sell(till, 100).state is State.ADVICE_DUE
    reversal, *advices = back_online(till)
    assert (reversal.mti, [advice.mti for advice in advices]) == ("0400", ["0200", "0200"])
    till.on(from_host(answer(reversal)))
    till.on(SaleRequested("online", 2500, "01"))
    assert newest(till).type == "sale", "advices that wait are in nobody's way"


# --- the advice -------------------------------------------------------------------------------------------------------


def test_the_advice_is_an_offline_sale_with_the_chips_certificate():
    till = sold()
    (advice,) = back_online(till)
    assert (advice.mti, advice.text(3), advice.text(25), advice.text(60)[:2]) == ("0200", "000000", "00", "36")
    assert (advice.binary(55), advice.text(63), advice.text(4)) == (CERTIFICATE, "CUP", "000000002500")
    assert not {35, 36, 52} & set(advice)


def test_without_an_answer_it_is_sent_again_as_a_repeat_ever_more_rarely():
    till = sold()
    back_online(till)
    till.wait(5)
    assert [advice.mti for advice in payments_sent(till)] == ["0201"]
    till.wait(100_000)
    assert state(till) is State.ADVICE_DUE, "no timer ends it"


def test_after_a_restart_it_may_have_been_sent():
    till = sold().restart()
    till.sign_on()
    assert [advice.mti for advice in payments_sent(till)] == ["0201"]


def test_advices_go_out_oldest_first():
    till = sold(100)
    sell(till, 200)
    sell(till, 300)
    assert [int(advice.text(4)) for advice in back_online(till)] == [100, 200, 300]


@pytest.mark.parametrize("code", ["00", "11", "94"])
def test_the_banks_yes_books_it_without_a_second_slip(code):
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, code)))
    assert (state(till), newest(till).reference) == (State.APPROVED, "260115000002")
    assert not till.print_slips() and till.counter.book.totals().debit_amount == 2500


@pytest.mark.parametrize("code", ["51", "41", "55", "ZZ"])
def test_the_banks_no_is_kept_and_calls_a_person_for_good(code):
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, code)))
    (record,) = till.persisted()
    assert isinstance(record, Answered) and not record.approved
    for after in (till, till.restart()):
        assert (state(after), newest(after).attention) == (State.DECLINED, "declined_later")
    assert till.counter.book.totals().debit_amount == 0


def test_a_slip_that_was_not_printed_before_the_banks_no_is_not_printed_after_it():
    till = cut_off()
    charge(till)
    till.on(OFFLINE_CARD)
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, "51")))
    assert not till.counter.book.slips_due


@pytest.mark.parametrize("code", ["91", "96", "98", "68"])
def test_not_now_is_no_answer(code):
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, code)))
    assert state(till) is State.ADVICE_DUE and not newest(till).attention


def test_an_answer_without_a_good_mac_or_without_its_reference_is_none():
    till = sold()
    (advice,) = back_online(till)
    for mac in ("bad", "absent"):
        till.on(from_host(answer(advice), mac))
        till.on(from_host(answer(advice, "51"), mac))
    till.on(from_host(answer(advice).without(37)))
    assert state(till) is State.ADVICE_DUE


@pytest.mark.parametrize("code", ["03", "77", "10"])
def test_a_refusal_that_is_no_decline_calls_a_person_and_goes_on(code):
    till = sold()
    (advice,) = back_online(till)
    refusal = answer(advice, code, **({"f4": "000000001000"} if code == "10" else {}))
    till.on(from_host(refusal))
    assert (state(till), newest(till).attention) == (State.ADVICE_DUE, f"advice_refused_{code}")
    till.on(from_host(answer(advice)))
    assert (state(till), newest(till).attention) == (State.APPROVED, "")


def test_a_second_answer_that_differs_is_only_kept():
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, "51")))
    till.on(from_host(answer(advice)))
    assert state(till) is State.DECLINED and isinstance(till.persisted()[0], LateAnswer)


def test_an_advice_does_not_take_the_card_from_the_next_customer():
    till = sold()
    (advice,) = back_online(till)
    till.on(SaleRequested("next", 2500, "01"))
    effects = till.on(from_host(answer(advice)))
    assert [type(effect) for effect in effects] == [Persist], "nothing lets go of the reader"
    till.on(CARD)
    assert till.sent().text(60)[:2] == "22"


# --- what follows -----------------------------------------------------------------------------------------------------


def test_settlement_waits_for_it():
    till = sold()
    (advice,) = back_online(till)
    till.on(SettleRequested("01"))
    assert till.said() == "payments_open"
    till.on(from_host(answer(advice)))
    till.on(SettleRequested("01"))
    assert till.counter.book.settling is not None


def test_it_cannot_be_voided():
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice)))
    till.on(VoidRequested("v", newest(till).key, "01", "00"))
    assert till.said() == "offline_no_void"


def test_it_can_be_refunded_once_the_bank_has_booked_it():
    till = sold()
    assert not newest(till).is_booked_sale
    (advice,) = back_online(till)
    till.on(from_host(answer(advice)))
    sale = newest(till)
    assert sale.is_booked_sale
    original = Original(
        sale.key, sale.type, sale.amount, 0, sale.currency, sale.reference, sale.authorisation, sale.host_date,
        sale.means, sale.card,
    )  # fmt: skip
    till.on(RefundRequested("r", original, 1000, "01", "00"))
    assert (till.sent().mti, till.sent().text(37)) == ("0220", sale.reference)


@pytest.mark.parametrize(("booked", "ends"), [(True, State.APPROVED), (False, State.DECLINED)])
def test_when_its_card_number_was_erased_two_people_close_it(booked, ends):
    till = sold()
    back_online(till)
    till.on(CardErased(newest(till).key))
    assert newest(till).needs_people
    till.on(CloseByPeople(newest(till).key, booked, "ACQ-0117/3", "01", "00"))
    assert state(till) is ends and not newest(till).is_booked_sale
    assert replace(newest(till), closed_by_people=None) == replace(newest(till.restart()), closed_by_people=None)
