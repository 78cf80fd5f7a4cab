"""The payment machine: one event, then its effects. Each rule of `terminal.payment` and each lesson has its test."""

import itertools
from dataclasses import replace

import pytest

from iso8583.transactions import missing_fields, type_of
from terminal.effects import AskForMeans, CompleteCard, Effect, Persist, Print, ReleaseMeans, Send
from terminal.events import (
    BalanceRequested,
    CancelRequested,
    CardCompleted,
    CardPresented,
    CodePresented,
    LinkLost,
    MeansFailed,
    Progress,
    RefundRequested,
    SaleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.events import Original as Sale
from terminal.forwarding import RETRY_S
from terminal.payment import _ACTS, _Facts
from terminal.records import Answered, LateAnswer, ReversalDue, Reversed, Sent, Started
from terminal.transitions import FINAL, TABLE, Act, Happening, State
from tests.terminal.rig import CARD, CODE, PAN, Till, answer, from_host, ready_till

SCAN = CodePresented(CODE)


def the_payment(till: Till):
    return list(till.counter.book.payments.values())[-1]


def approved_sale(till: Till, amount: int = 2500, means=SCAN):
    till.on(from_host(answer(till.sell(amount, means), f38="A1B2C3")))
    if means is CARD:
        till.on(CardCompleted(agreed=True))
    return the_payment(till)


def unanswered_sale(till: Till):
    till.sell(means=SCAN)
    till.wait(31)
    return the_payment(till)


# --- a sale that goes well --------------------------------------------------------------------------------------------


def test_key_is_persisted_before_the_card_is_asked_for():
    till = ready_till()
    persisted, asked = till.on(SaleRequested("a", 2500, "01"))
    assert isinstance(persisted, Persist) and isinstance(persisted.record, Started)
    assert isinstance(asked, AskForMeans) and asked.means == ("card", "code")


def test_request_is_persisted_with_its_reversal_before_it_is_sent():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    persisted, sent = till.on(CARD)
    assert isinstance(persisted, Persist) and isinstance(persisted.record, Sent)
    assert isinstance(sent, Send) and sent.message.mti == "0200"
    assert persisted.record.recovery_fields["4"] == "000000002500"


@pytest.mark.parametrize("means", [CARD, SCAN], ids=["card", "code"])
def test_request_has_the_fields_of_its_type(means):
    request = ready_till().sell(means=means).with_({64: bytes(8)})
    kind = type_of(request)
    assert kind is not None and not missing_fields(request, kind)


def test_chip_sale_is_approved_only_when_the_chip_agrees():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell())))
    assert [type(e) for e in effects] == [Persist, CompleteCard]
    assert the_payment(till).state is State.COMPLETING
    effects = till.on(CardCompleted(agreed=True, chip={"TC": "C71ECC17AD90CB46"}))
    assert [type(e) for e in effects] == [Persist, ReleaseMeans, Print]
    assert the_payment(till).state is State.APPROVED


def test_code_sale_prints_once_the_answer_is_persisted():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(means=SCAN))))
    assert [type(e) for e in effects] == [Persist, ReleaseMeans, Print]
    assert the_payment(till).type == "qr_sale"


def test_decline_is_final_and_tells_the_chip():
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(), "51")))
    assert [type(e) for e in effects] == [Persist, CompleteCard, ReleaseMeans]
    assert the_payment(till).state is State.DECLINED and the_payment(till).response_code == "51"


def test_partial_approval_stands_with_the_amount_of_the_answer():
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), "10", f4="000000001000")))
    assert the_payment(till).state is State.APPROVED and the_payment(till).amount == 1000


# --- unknown is a state -----------------------------------------------------------------------------------------------


def test_no_answer_is_reversed_never_failed():
    till = ready_till()
    payment = unanswered_sale(till)
    assert payment.state is State.REVERSAL_DUE
    assert isinstance(till.effects[0], Persist) and till.sent().mti == "0400"
    assert till.sent()[11] == payment.key.trace and till.sent()[39] == "98"


def test_timer_never_closes_unknown():
    till = ready_till()
    unanswered_sale(till)
    till.wait(90 * 24 * 3600)
    assert the_payment(till).state is State.REVERSAL_DUE


def test_retries_grow_rare_but_never_end():
    till = ready_till()
    unanswered_sale(till)
    payments, end = till.counter.payments, till.now + 24 * 3600
    tries = 0
    while (deadline := payments.deadline() or end) < end:
        tries += len(payments.tick(deadline))
    assert 60 <= tries <= 24 * 3600 / RETRY_S[-1] + len(RETRY_S)


def test_reversal_carries_the_repeat_digit_from_the_second_try():
    till = ready_till()
    unanswered_sale(till)
    till.wait(RETRY_S[0])
    assert till.sent().mti == "0401"


def test_reversal_carries_no_secret_and_no_reference():
    till = ready_till()
    till.sell()
    till.wait(31)
    assert not {2, 26, 35, 36, 37, 52, 53, 59} & set(till.sent())
    assert till.sent()[55] == CARD.reversal_chip_data
    assert PAN not in repr(till.records)


@pytest.mark.parametrize("code", ["00", "12", "25"])
def test_reversal_answered_ends_it(code):
    till = ready_till()
    unanswered_sale(till)
    till.on(from_host(answer(till.sent(), code)))
    assert the_payment(till).state is State.REVERSED
    assert isinstance(till.persisted()[0], Reversed)


def test_reversal_refused_calls_a_person_and_goes_on():
    till = ready_till()
    unanswered_sale(till)
    till.on(from_host(answer(till.sent(), "96")))
    payment = the_payment(till)
    assert payment.state is State.REVERSAL_DUE and payment.attention == "reversal_refused_96"
    assert any(isinstance(e, Send) for e in till.wait(60))


def test_reversal_answer_without_mac_ends_nothing():
    till = ready_till()
    unanswered_sale(till)
    till.on(from_host(answer(till.sent()), mac="absent"))
    assert the_payment(till).state is State.REVERSAL_DUE


def test_late_approval_is_evidence_only():
    till = ready_till()
    request = till.sell(means=SCAN)
    till.wait(31)
    effects = till.on(from_host(answer(request)))
    assert [type(record) for record in till.persisted()] == [LateAnswer]
    assert not any(isinstance(e, Print) for e in effects)
    assert the_payment(till).state is State.REVERSAL_DUE


def test_dead_link_reverses_at_once_and_sends_when_it_is_back():
    till = ready_till()
    till.sell(means=SCAN)
    till.on(LinkLost())
    assert isinstance(till.persisted()[0], ReversalDue)
    assert not any(isinstance(e, Send) for e in till.effects)


def test_restart_after_sending_reverses():
    till = ready_till()
    till.sell(means=SCAN)
    again = till.restart()
    assert the_payment(again).state is State.REVERSAL_DUE
    assert again.sign_on().sent().mti in ("0400", "0401")


def test_restart_while_the_chip_has_not_agreed_reverses():
    till = ready_till()
    till.on(from_host(answer(till.sell())))
    again = till.restart()
    assert the_payment(again).state is State.REVERSAL_DUE and the_payment(again).reason == "06"


def test_restart_before_sending_cancels():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    assert the_payment(till.restart()).state is State.CANCELLED


def test_chip_that_refuses_after_the_approval_is_reversed_with_06():
    till = ready_till()
    till.on(from_host(answer(till.sell(), f38="A1B2C3")))
    till.on(CardCompleted(agreed=False))
    assert till.sent()[39] == "06" and till.sent()[38] == "A1B2C3"


@pytest.mark.parametrize("code", ["00", "51"])
@pytest.mark.parametrize("mac", ["bad", "absent"])
def test_answer_without_good_mac_proves_nothing(code, mac):
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), code), mac=mac))
    payment = the_payment(till)
    assert payment.state is State.REVERSAL_DUE and payment.reason == "A0"


def test_answer_with_another_amount_is_not_ours():
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), f4="000000000001")))
    assert the_payment(till).state is State.SENT


def test_answer_of_another_merchant_is_not_ours():
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), f42="898110053110002")))
    assert the_payment(till).state is State.SENT


def test_host_that_answers_too_late_68_is_reversed():
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), "68")))
    assert the_payment(till).state is State.REVERSAL_DUE


def test_no_new_sale_while_a_reversal_is_open():
    till = ready_till()
    unanswered_sale(till)
    assert till.on(SaleRequested("b", 100, "01")) == []
    assert till.said() == "reversal_open"


# --- before anything is sent ------------------------------------------------------------------------------------------


def test_cancel_works_only_before_sending():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(CancelRequested(the_payment(till).key))
    assert the_payment(till).state is State.CANCELLED
    till.sell(means=SCAN)
    assert till.on(CancelRequested(the_payment(till).key)) == []
    assert the_payment(till).state is State.SENT


def test_cancel_names_its_payment():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(CancelRequested(replace(the_payment(till).key, trace="999999")))
    assert till.counter.busy


def test_card_trouble_cancels_with_its_reason():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(MeansFailed("card_gone"))
    assert the_payment(till).reason == "card_gone"


def test_customer_who_presents_nothing_frees_the_counter():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.wait(61)
    assert the_payment(till).reason == "no_means" and not till.counter.busy


def test_customer_who_chooses_no_account_is_not_said_to_have_presented_nothing():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(Progress("choose", ("PBOC DEBIT", "PBOC CREDIT")))
    till.wait(61)
    assert the_payment(till).reason == "no_choice" and not till.counter.busy
    till.on(SaleRequested("b", 2500, "01"))
    till.wait(61)
    assert [payment.reason for payment in till.counter.book.payments.values()] == ["no_choice", "no_means"]


def test_line_that_died_while_the_card_was_read_sends_nothing():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(LinkLost())
    assert not any(isinstance(e, Send) for e in till.on(CARD))
    assert the_payment(till).state is State.CANCELLED


def test_same_request_twice_is_one_payment():
    till = ready_till()
    till.on(SaleRequested("same", 2500, "01"))
    assert till.on(SaleRequested("same", 2500, "01")) == []
    assert len(till.counter.book.payments) == 1


def test_trace_is_never_used_twice_in_a_batch():
    till = ready_till()
    traces = [till.sell(means=SCAN)[11]]
    till.on(from_host(answer(till.sent(), "51")))
    again = till.restart().sign_on()
    traces.append(again.sell(means=SCAN)[11])
    assert len(set(traces)) == 2


# --- voids and refunds ------------------------------------------------------------------------------------------------


def void_of(payment, authorised_by="00"):
    return VoidRequested("v", payment.key, "01", authorised_by)


def refund_of(payment, amount, request_id="f", refunded=0):
    sale = Sale(
        payment.key, payment.type, payment.amount, refunded, payment.currency, payment.reference,
        payment.authorisation, payment.host_date, payment.means, payment.card,
    )  # fmt: skip
    return RefundRequested(request_id, sale, amount, "01", "00")


@pytest.mark.parametrize("means", [CARD, SCAN], ids=["card", "code"])
def test_void_names_its_sale_and_needs_no_card(means):
    till = ready_till()
    sale = approved_sale(till, means=means)
    till.on(void_of(sale))
    request = till.sent()
    assert request[61] == sale.key.batch + sale.key.trace and request[37] == sale.reference
    wire = request.with_({64: bytes(8), 2: PAN} if means is CARD else {64: bytes(8)})
    kind = type_of(wire)
    assert kind is not None and not missing_fields(wire, kind)
    till.on(from_host(answer(request)))
    assert till.counter.book.payments[sale.key].voided_by == the_payment(till).key


def test_void_needs_a_supervisor():
    till = ready_till()
    assert till.on(void_of(approved_sale(till), authorised_by="")) == []
    assert till.said() == "supervisor_needed"


def test_void_twice_is_refused():
    till = ready_till()
    sale = approved_sale(till)
    till.on(void_of(sale))
    till.on(from_host(answer(till.sent())))
    till.on(VoidRequested("w", sale.key, "01", "00"))
    assert till.said() == "already_voided"


def test_void_without_answer_is_reversed_and_the_sale_stands():
    till = ready_till()
    sale = approved_sale(till)
    till.on(void_of(sale))
    till.wait(31)
    assert till.sent().mti == "0400" and till.sent()[61] == sale.key.batch + sale.key.trace
    till.on(from_host(answer(till.sent())))
    assert till.counter.book.payments[sale.key].voided_by is None


def test_refund_without_answer_is_repeated_not_reversed():
    till = ready_till()
    till.on(refund_of(approved_sale(till), 1000))
    assert till.sent().mti == "0220"
    till.wait(31)
    assert till.sent().mti == "0221" and the_payment(till).state is State.SENT
    till.on(from_host(answer(till.sent())))
    assert the_payment(till).state is State.APPROVED


def test_refund_that_is_being_repeated_does_not_hold_up_the_counter():
    till = ready_till()
    till.on(refund_of(approved_sale(till), 1000))
    till.wait(31)
    assert till.sell(means=SCAN).mti == "0200"


def test_refunds_of_a_sale_never_exceed_it_also_by_parts_and_while_one_is_open():
    till = ready_till()
    sale = approved_sale(till, 2500)
    till.on(refund_of(sale, 2000))
    till.wait(31)
    till.on(refund_of(sale, 501, "g"))
    assert till.said() == "refund_exceeds_sale"


def test_sale_that_was_voided_cannot_be_refunded_also_in_a_later_batch():
    till = ready_till()
    sale = approved_sale(till)
    till.on(void_of(sale))
    till.on(from_host(answer(till.sent())))
    assert till.on(refund_of(sale, 100)) == []
    assert till.said() == "already_voided"
    later = refund_of(sale, 100)
    ready = ready_till()
    assert ready.on(replace(later, original=replace(later.original, voided=True))) == []
    assert ready.said() == "already_voided"


def test_sale_that_was_partly_refunded_cannot_be_voided():
    till = ready_till()
    sale = approved_sale(till)
    till.on(refund_of(sale, 100))
    till.on(from_host(answer(till.sent())))
    till.on(void_of(sale))
    assert till.said() == "already_refunded"


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_act_has_its_function():
    assert set(_ACTS) == set(Act) == {move.act for move in TABLE.values()}


def test_final_states_are_left_by_nothing():
    assert all(move.to is state for (state, _), move in TABLE.items() if state in FINAL)


def test_only_the_host_or_two_people_end_a_payment_that_was_sent():
    ends = {
        happening
        for (state, happening), move in TABLE.items()
        if state not in FINAL | {State.STARTED} and move.to in FINAL
    }
    H = Happening  # noqa: N806
    people = {H.PEOPLE_SAY_BOOKED, H.PEOPLE_SAY_NOT_BOOKED}
    assert ends - people == {H.APPROVED, H.DECLINED, H.CHIP_AGREED, H.REVERSAL_DONE, H.DOUBTFUL_HARMLESS}
    assert {state for state, happening in TABLE if happening in people} == {State.SENT, State.ADVICE_DUE}


@pytest.mark.parametrize(("state", "happening"), sorted(set(itertools.product(State, Happening)) - set(TABLE)))
def test_pair_that_is_not_in_the_table_changes_nothing(state, happening):
    till = ready_till()
    till.sell(means=SCAN)
    payment = replace(the_payment(till), state=state)
    till.counter.book.payments[payment.key] = payment
    assert till.counter.payments._happen(payment, happening, till.now, _Facts()) == []
    assert the_payment(till) == payment


def test_effect_law_persist_stands_first_in_every_decision():
    """Whatever happens in a long day: no Send, Print, CompleteCard before the record they follow from."""
    till = ready_till()
    decisions: list[list[Effect]] = []
    ways: list[CardPresented | CodePresented] = [CARD, SCAN]
    for means, code in itertools.product(ways, ("00", "51", "68")):
        decisions.append(till.on(SaleRequested(f"{means!r}{code}", 2500, "01")))
        decisions.append(till.on(means))
        decisions.append(till.on(from_host(answer(till.sent(), code, f38="A1B2C3"))))
        decisions.append(till.on(CardCompleted(agreed=code == "00")))
        if the_payment(till).state is State.REVERSAL_DUE:
            sent = [e for d in decisions for e in d if isinstance(e, Send)][-1].message
            decisions.append(till.on(from_host(answer(sent))))
    acted = [d for d in decisions if any(isinstance(e, Send | Print | CompleteCard) for e in d)]
    assert len(acted) >= 12
    assert all(isinstance(decision[0], Persist) for decision in acted)
    assert any(isinstance(record, Answered) for record in till.records)


# --- inquiries and codes ----------------------------------------------------------------------------------------------


def test_balance_is_told_and_nothing_is_printed():
    till = ready_till()
    till.on(BalanceRequested("b", "01"))
    till.on(CARD)
    effects = till.on(from_host(answer(till.sent(), f54="1002156C000000123456")))
    assert the_payment(till).balance == 123456 and not any(isinstance(e, Print) for e in effects)


def test_inquiry_without_answer_simply_ends():
    till = ready_till()
    till.on(BalanceRequested("b", "01"))
    till.on(CARD)
    till.wait(31)
    assert the_payment(till).state is State.CANCELLED and the_payment(till).reason == "no_answer"
