"""What the counter refuses, and that it says so before the card is read."""

import pytest

from firmware_config.profile import Limits
from terminal import risk
from terminal.effects import AskForMeans
from terminal.events import RoomMeasured, SaleRequested
from tests.terminal.rig import PROFILE, Till, answer, from_host, ready_till


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
