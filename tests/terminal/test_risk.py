"""What the counter refuses, and that it says so before the card is read."""

from dataclasses import replace

import pytest

from firmware_config.profile import Limits
from terminal import risk
from terminal.book import Book
from terminal.effects import AskForMeans
from terminal.events import CodePresented, RoomMeasured, SaleRequested
from terminal.transitions import State
from tests.terminal.rig import CODE, PROFILE, Till, answer, from_host, ready_till
from tests.terminal.test_payment import refund_of


def refused(till: Till, amount: int = 100) -> str:
    effects = till.on(SaleRequested("x", amount, "01"))
    assert not any(isinstance(e, AskForMeans) for e in effects), "refused after the card was asked for"
    return till.said()


def test_full_disk_refuses_before_the_card_is_read():
    till = ready_till()
    till.on(RoomMeasured(free_bytes=1000, writable=True))
    assert refused(till) == "journal_full"


def test_unwritable_journal_refuses_before_the_card_is_read():
    till = ready_till()
    till.on(RoomMeasured(free_bytes=10**9, writable=False))
    assert refused(till) == "journal_unwritable"


def test_no_link_refuses_before_the_card_is_read():
    assert refused(Till()) == "no_link"


@pytest.mark.parametrize(("amount", "why"), [(0, "amount_zero"), (-1, "amount_zero"), (5_000_001, "amount_too_high")])
def test_amounts_out_of_range(amount, why):
    assert refused(ready_till(), amount) == why


def test_second_sale_while_one_is_in_hand():
    till = ready_till()
    till.on(SaleRequested("a", 100, "01"))
    assert refused(till) == "busy"


def test_batch_that_field_48_could_not_count_is_closed_in_time():
    till = Till(profile=PROFILE.model_copy(update={"limits": Limits(batch_count_max=2)})).sign_on()
    for _ in range(2):
        till.on(from_host(answer(till.sell(), "51")))
    assert refused(till) == "batch_full"


def test_refund_sum():
    assert risk.refusal_of_refund(500, 2500, 2000) == ""
    assert risk.refusal_of_refund(501, 2500, 2000) == "refund_exceeds_sale"
    assert risk.refusal_of_refund(0, 2500, 0) == "amount_zero"


def test_a_refund_in_a_batch_that_only_the_journal_knows_may_yet_be_approved():
    """It lies in a batch that was parked before it was answered, and is not loaded yet."""
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    (sale,) = till.counter.book.payments.values()
    till.on(refund_of(sale, 1000))
    (unanswered,) = till.counter.book.unresolved()
    assert risk.given_back([unanswered], till.counter.book) == 0, "the counter counts it itself"
    assert risk.given_back([unanswered], Book()) == 1000
    till.on(from_host(answer(till.sent())))
    (approved,) = (payment for payment in till.counter.book.payments.values() if payment.type == "qr_refund")
    for book in (till.counter.book, Book()):
        assert risk.given_back([approved], book) == 1000
        assert risk.given_back([replace(approved, state=State.DECLINED)], book) == 0
