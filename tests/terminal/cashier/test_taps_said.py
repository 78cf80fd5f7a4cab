"""What page and display say of cards that are tapped: where, what instead, and that they may be put away."""

from dataclasses import replace

import pytest

from terminal.cashier.display import screen
from terminal.cashier.sale import Progress, panel
from terminal.devices import DeviceHealth
from terminal.events import BalanceRequested, SaleRequested
from terminal.events import Progress as Stage
from tests.terminal.cashier.test_panels import EN, READY, moment, progress, view
from tests.terminal.rig import CARD, ready_till
from tests.terminal.test_offline import cut_off

TAPPED = "contactless_reader"


@pytest.mark.parametrize(
    ("there", "missing", "said"),
    [
        ((TAPPED,), (), "Insert or tap the card, or scan the customer's code"),
        ((TAPPED,), ("scanner",), "Insert or tap the card"),
        ((TAPPED, "stripe_reader"), (), "Insert, tap or swipe the card, or scan the customer's code"),
        ((TAPPED, "stripe_reader"), ("scanner",), "Insert, tap or swipe the card"),
        ((), (), "Insert the card, or scan the customer's code"),
    ],
)
def test_a_tap_is_asked_for_where_it_can_be_read(there: tuple[str, ...], missing: tuple[str, ...], said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    devices = READY | dict.fromkeys(there, DeviceHealth("ready"))
    devices |= dict.fromkeys(missing, DeviceHealth("attention", "not_configured"))
    found = panel(view(till, devices), moment(till), EN, str)
    assert isinstance(found, Progress) and found.headline.word == said
    assert said.partition(" the ")[0] in str(screen(view(till, devices), "", till.now).lines)


def test_no_tap_is_asked_for_where_a_balance_is() -> None:
    till = ready_till()
    till.on(BalanceRequested("a", "01"))
    found = panel(view(till, READY | {TAPPED: DeviceHealth("ready")}), moment(till), EN, str)
    assert isinstance(found, Progress) and found.headline.word == "Insert the card"


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("tap", "Reading the tapped card"),
        ("insert_instead", "Tapping won't do this time: insert the card instead"),
    ],
)
def test_reading_and_what_to_do_instead_are_said_in_words(stage: str, said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(Stage(stage))
    assert progress(till).headline.word == said
    assert [step.state for step in progress(till).steps].index("now") == 0
    assert screen(view(till), "", till.now).says == stage


@pytest.mark.parametrize(("entry_mode", "said"), [("072", "The customer may put the card away."), ("051", "Leave the")])
def test_only_an_inserted_card_must_stay_until_the_bank_has_answered(entry_mode: str, said: str) -> None:
    till = ready_till()
    till.sell(2500, replace(CARD, entry_mode=entry_mode))
    assert said in progress(till).headline.detail
    assert "Leave" not in str(screen(view(till), "", till.now).lines)


def test_while_the_line_is_dead_a_tap_is_asked_for_too() -> None:
    till = cut_off()
    till.on(SaleRequested("a", 2500, "01", offline=True))
    devices = READY | {TAPPED: DeviceHealth("ready")}
    found = panel(view(till, devices), moment(till), EN, str)
    assert isinstance(found, Progress) and found.headline.word == "Insert or tap the card: offline sale"
    assert dict(screen(view(till, devices), "", till.now).lines)["en"] == "Insert or tap your card"
