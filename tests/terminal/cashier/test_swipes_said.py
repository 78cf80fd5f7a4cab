"""What page and display say of cards that are swiped: where, instead of what, and why not."""

import pytest

from terminal.cashier.display import screen
from terminal.cashier.sale import Progress, panel
from terminal.devices import DeviceHealth
from terminal.events import Progress as Stage
from terminal.events import SaleRequested, SwipeRefused
from tests.terminal.cashier.test_panels import EN, READY, moment, progress, view
from tests.terminal.rig import ready_till


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ((), "Insert or swipe the card, or scan the customer's code"),
        (("scanner",), "Insert or swipe the card"),
        (("card_reader",), "Swipe the card, or scan the customer's code"),
        (("card_reader", "scanner"), "Swipe the card"),
    ],
)
def test_a_swipe_is_asked_for_where_it_can_be_read(missing: tuple[str, ...], said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    devices = READY | {"stripe_reader": DeviceHealth("ready")}
    devices |= dict.fromkeys(missing, DeviceHealth("attention", "not_configured"))
    found = panel(view(till, devices), moment(till), EN, str)
    assert isinstance(found, Progress) and found.headline.word == said
    assert said.partition(" the ")[0] in str(screen(view(till, devices), "", till.now).lines)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("insert_chip", "This card has a chip: insert it"),
        ("insert_again", "The chip does not answer: take the card out and insert it again"),
        ("use_stripe", "The chip can't be used: take the card out and swipe it"),
    ],
)
def test_chip_or_stripe_is_said_in_words(stage: str, said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(Stage(stage))
    assert progress(till).headline.word == said
    assert [step.state for step in progress(till).steps].index("now") == 0
    assert screen(view(till), "", till.now).says == stage


def test_a_swipe_that_is_not_taken_is_said_where_the_cashier_looks_until_the_card_is_read() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(SwipeRefused("swipe_unreadable"))
    assert progress(till).message.startswith("The stripe could not be read.")
    till.on(Stage("card"))
    assert progress(till).message == ""
