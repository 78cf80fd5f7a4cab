"""A payment that cannot be asked for any more: two people close it by the acquirer's statement, and never one alone."""

from dataclasses import replace

import pytest

from iso8583 import Message
from terminal.effects import Print, Send
from terminal.events import (
    CardCompleted,
    CardErased,
    CloseByPeople,
    Original,
    RefundRequested,
    RoomMeasured,
    SettleRequested,
)  # fmt: skip
from terminal.printing import slip_of
from terminal.records import Attention, ClosedByPeople, LateAnswer
from terminal.risk import refusal_of_refund
from terminal.transitions import State
from tests.terminal.rig import CARD, PROFILE, Till, answer, from_host, ready_till, settle_answer

STATEMENT = "ACQ-2026-0117/3"


def asked_in_vain() -> tuple[Till, Message]:
    """A refund of 7.00 that got no answer, and whose card number has been erased since; and its request."""
    till = ready_till()
    till.on(from_host(answer(till.sell(2500, CARD))))
    till.on(CardCompleted(agreed=True))
    till.print_slips()
    (sale,) = till.counter.book.payments.values()
    original = Original(sale.key, "sale", 2500, 0, "156", sale.reference, "", sale.host_date, sale.means, sale.card)
    till.on(RefundRequested("refund", original, 700, "01", "00"))
    request = till.sent()
    till.wait(31)
    till.on(CardErased(the_refund(till).key))
    return till, request


def the_refund(till: Till):
    return list(till.counter.book.payments.values())[-1]


def closing(till: Till, booked: bool = True) -> CloseByPeople:
    return CloseByPeople(the_refund(till).key, booked, STATEMENT, "01", "00")


def test_two_people_close_it_by_the_statement_in_one_record():
    till, _ = asked_in_vain()
    till.on(closing(till))
    key = the_refund(till).key
    assert till.persisted() == [ClosedByPeople(key, True, STATEMENT, "01", "00", till.now)]
    assert the_refund(till).state is State.APPROVED and not the_refund(till).attention
    assert the_refund(Till(till.records)) == the_refund(till)


def test_what_was_booked_counts_is_printed_and_is_settled():
    till, _ = asked_in_vain()
    effects = till.on(closing(till))
    assert [effect.key for effect in effects if isinstance(effect, Print)] == [the_refund(till).key]
    till.print_slips()
    assert till.counter.book.totals().credit_amount == 700
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1")))
    assert till.sent().mti == "0320" and till.sent()[48] == "0002"


def test_what_was_not_booked_counts_for_nothing_and_can_be_refunded_again():
    till, _ = asked_in_vain()
    till.on(closing(till, booked=False))
    assert the_refund(till).state is State.DECLINED and not the_refund(till).receipt_due
    assert till.counter.book.totals().credit_count == 0
    sale = next(iter(till.counter.book.payments.values()))
    assert sale.refunded == 0 and not refusal_of_refund(2500, sale.amount, sale.refunded)


def test_what_was_booked_is_refunded_no_second_time():
    till, _ = asked_in_vain()
    till.on(closing(till))
    sale = next(iter(till.counter.book.payments.values()))
    assert sale.refunded == 700 and refusal_of_refund(2000, sale.amount, sale.refunded) == "refund_exceeds_sale"


def test_until_then_the_batch_cannot_be_settled():
    till, _ = asked_in_vain()
    till.wait(90 * 24 * 3600)
    assert till.on(SettleRequested("01")) == []
    assert till.said() == "payments_open" and the_refund(till).needs_people


def test_it_is_not_asked_for_again_once_it_is_closed():
    till, _ = asked_in_vain()
    till.on(closing(till, booked=False))
    assert not any(isinstance(effect, Send) and effect.message.mti == "0221" for effect in till.wait(24 * 3600))


def test_the_slip_says_that_it_was_the_statement_and_which():
    till, _ = asked_in_vain()
    till.on(closing(till))
    slip = slip_of(PROFILE, the_refund(till), None, "merchant", duplicate=False)
    assert slip.response_texts == ("凭收单对账单入账", "BOOKED BY STATEMENT", STATEMENT)


# --- who may not, and what may not be closed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"supervisor": "01"}, "two_people_needed"),
        ({"supervisor": ""}, "two_people_needed"),
        ({"operator": ""}, "two_people_needed"),
        ({"statement": ""}, "statement_missing"),
        ({"statement": "no"}, "statement_missing"),
        ({"statement": "对账单第三行"}, "statement_missing"),
        ({"statement": "x" * 41}, "statement_missing"),
        ({"statement": "ref 6299990000000009"}, "statement_is_card"),
        ({"statement": "6299-9900-0000-0009"}, "statement_is_card"),
    ],
)
def test_neither_one_person_alone_nor_without_a_statement(said, reason):
    till, _ = asked_in_vain()
    assert till.on(replace(closing(till), **said)) == []
    assert till.said() == reason and the_refund(till).needs_people


def test_what_an_answer_may_still_close_is_not_for_people():
    till = ready_till()
    till.on(from_host(answer(till.sell(2500, CARD))))
    till.on(CardCompleted(agreed=True))
    till.sell(1200, CARD)
    waiting = the_refund(till)
    assert waiting.state is State.SENT
    till.on(closing(till))
    assert till.said() == "needs_no_people" and the_refund(till) == waiting
    till.wait(31)
    till.on(from_host(answer(till.sent(), "96")))  # a person is called; but the terminal goes on trying
    assert the_refund(till).attention and till.on(closing(till)) == []


def test_a_payment_that_has_ended_is_closed_no_second_time():
    till, _ = asked_in_vain()
    till.on(closing(till))
    assert till.on(closing(till, booked=False)) == [] and till.said() == "needs_no_people"
    assert the_refund(till).state is State.APPROVED


def test_nothing_is_closed_that_cannot_be_written_down():
    till, _ = asked_in_vain()
    till.on(RoomMeasured(free_bytes=10**9, writable=False))
    assert till.on(closing(till)) == [] and till.said() == "closing_not_written"


# --- an answer that comes after all -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("booked", "code", "reason"), [(True, "51", "answer_not_booked"), (False, "00", "answer_booked")]
)
def test_an_answer_that_contradicts_people_is_noted_and_calls_a_person_and_changes_nothing(booked, code, reason):
    till, request = asked_in_vain()
    till.on(closing(till, booked))
    till.print_slips()
    totals, state = till.counter.book.totals(), the_refund(till).state
    till.on(from_host(answer(request, code)))
    assert [type(record) for record in till.persisted()] == [LateAnswer, Attention]
    assert the_refund(till).attention == reason
    assert till.counter.book.totals() == totals and the_refund(till).state is state
    till.on(from_host(answer(request, code)))
    assert [type(record) for record in till.persisted()] == [LateAnswer]  # a person is called once


@pytest.mark.parametrize(("booked", "code"), [(True, "00"), (False, "51")])
def test_an_answer_that_agrees_with_people_changes_nothing(booked, code):
    till, request = asked_in_vain()
    till.on(closing(till, booked))
    till.print_slips()
    assert till.on(from_host(answer(request, code))) == []
    assert till.counter.book.totals().credit_amount == (700 if booked else 0)


def test_before_they_have_spoken_the_answer_itself_closes_it():
    till, request = asked_in_vain()
    till.on(from_host(answer(request)))
    assert the_refund(till).state is State.APPROVED and not the_refund(till).attention
    assert till.on(closing(till, booked=False)) == []
