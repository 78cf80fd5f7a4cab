"""The cash drawer without a sale: who, when and why is durable before it opens; never in the middle of a payment."""

from dataclasses import replace

import pytest

from terminal.effects import OpenDrawer, Persist
from terminal.events import DrawerRequested, DrawerStuck, RoomMeasured, SaleRequested
from terminal.records import DRAWER_REASONS, DrawerOpened
from tests.terminal.rig import PROFILE, Till, ready_till
from tests.terminal.test_stripe_sale import with_devices

ASKED = DrawerRequested("01", "change")


def till_with_drawer() -> Till:
    return with_devices(cash_drawer=True)


@pytest.mark.parametrize("reason", DRAWER_REASONS)
def test_who_opens_it_when_and_why_is_durable_before_it_opens(reason: str) -> None:
    till = till_with_drawer()
    opened = DrawerOpened("01", reason, till.now)
    assert till.on(DrawerRequested("01", reason)) == [Persist(opened), OpenDrawer()]
    assert till.counter.book.drawer_opened == opened
    assert till.counter.notice is None


def refused(till: Till, asked: DrawerRequested = ASKED) -> str:
    before = till.counter.book.drawer_opened
    assert till.on(asked) == []
    assert till.counter.book.drawer_opened is before
    return till.said()


def test_it_stays_shut_while_a_payment_is_in_hand_and_opens_after_it() -> None:
    till = till_with_drawer()
    till.on(SaleRequested("a", 2500, "01"))
    assert refused(till) == "busy"
    till.wait(61)
    assert OpenDrawer() in till.on(ASKED)


def test_it_stays_shut_where_that_cannot_be_written() -> None:
    till = till_with_drawer()
    till.on(RoomMeasured(10**9, writable=False))
    assert refused(till) == "drawer_not_written"


@pytest.mark.parametrize("reason", ["", "lunch", "change "])
def test_it_stays_shut_without_a_reason(reason: str) -> None:
    assert refused(till_with_drawer(), replace(ASKED, reason=reason)) == "drawer_no_reason"


def test_where_there_is_none_that_is_said() -> None:
    assert not PROFILE.devices.cash_drawer
    assert refused(ready_till()) == "drawer_none"


def test_one_that_may_not_have_opened_is_said_to() -> None:
    till = till_with_drawer()
    till.on(ASKED)
    assert till.on(DrawerStuck()) == []
    assert till.said() == "drawer_stuck"


def test_a_restart_opens_nothing_and_knows_who_was_last() -> None:
    till = till_with_drawer()
    till.on(ASKED)
    again = till.restart()
    assert again.counter.book.drawer_opened == DrawerOpened("01", "change", till.now)
    assert OpenDrawer() not in again.effects + again.counter.resume(again.now)
