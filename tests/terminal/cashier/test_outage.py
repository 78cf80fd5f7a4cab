"""A dead line as the page tells it: what may still be sold, what may be lost, how long it can go on, and why not."""

from dataclasses import replace

import pytest

from firmware_config.profile import Offline
from terminal.cashier.outage import Figure, Outage, outage
from terminal.cashier.texts import texts_in
from terminal.devices import DeviceHealth
from terminal.events import DownloadsLoaded, LinkLost, SaleRequested
from terminal.view import view_of
from tests.terminal.rig import OFFLINE_CARD, Till, answer, from_host
from tests.terminal.test_offline import LIMITS, back_online, cut_off, sell

EN, ZH = texts_in("en"), texts_in("zh")
READY = {name: DeviceHealth("ready") for name in ("card_reader", "pin_pad", "scanner", "printer")}
HOUR_S, DAY_S = 3600, 86_400
CAPS = Offline(
    sale_amount_max=20_000, total_amount_max=200_000, count_max=20, age_max_s=DAY_S, card_amount_max=200_000,
    card_count_max=20,
)  # fmt: skip


def told(till: Till, operator: str = "01") -> Outage:
    """What the page says now."""
    found = outage(view_of(till.counter, READY), operator, till.now, EN)
    assert found is not None
    return found


def figures(till: Till, operator: str = "01") -> list[str]:
    return [figure.sign + figure.figures for figure in told(till, operator).figures]


def notes(till: Till) -> list[str]:
    return [figure.note for figure in told(till).figures]


def after(till: Till, seconds: float) -> Till:
    till.now += seconds
    return till


def changed(**caps: int) -> Offline:
    return CAPS.model_copy(update=caps)


# --- the figures ------------------------------------------------------------------------------------------------------


def test_before_the_first_sale_all_of_it_is_left_and_nothing_is_at_risk():
    till = cut_off(CAPS)
    assert figures(till) == ["¥2,000.00", "¥0.00", "24 h"]
    assert notes(till) == ["20 left, up to ¥200.00 each", "Nothing sold yet", "From the first sale on"]
    assert told(till).sells and "the shop bears" in told(till).terms and told(till).since == "Since just now"


def test_what_was_sold_is_at_risk_and_no_longer_allowed():
    till = cut_off(CAPS)
    sell(till, 15_000)
    assert figures(till)[:2] == ["¥1,850.00", "¥150.00"]
    assert notes(till)[:2] == ["19 left, up to ¥200.00 each", "1 sold, first just now"]


def test_since_when_the_line_is_dead_is_said_in_shop_time_and_for_how_long():
    till = after(cut_off(CAPS), 2 * HOUR_S + 7 * 60)
    assert told(till).since == "Since 06:13, for 2 h 5 min"


def test_it_is_not_since_the_last_attempt_to_connect():
    till = cut_off(CAPS)
    after(till, HOUR_S).on(LinkLost())
    assert told(till).since == "Since 06:13, for 1 h"


def test_after_a_restart_it_is_since_the_oldest_sale_that_the_bank_does_not_have():
    till = cut_off(CAPS)
    sell(after(till, HOUR_S), 100)
    again = Till(till.records, till.counter.profile)
    after(again, 3 * HOUR_S).on(LinkLost())
    assert told(again).since == "Since 07:13, for 2 h"


# --- how long it can go on --------------------------------------------------------------------------------------------


def test_the_oldest_sale_may_wait_no_longer_than_so():
    till = cut_off(CAPS)
    sell(till, 100)
    assert figures(after(till, 20 * HOUR_S))[2] == "4 h" and notes(till)[2] == "The first may wait no longer"


def test_at_the_pace_of_the_outage_the_amount_is_spent_sooner():
    till = cut_off(CAPS)
    for _ in range(4):
        sell(after(till, HOUR_S / 4), 10_000)
    assert figures(till)[2] == "≈ 4 h" and notes(till)[2] == "At the pace of this outage"


def test_at_that_pace_the_count_may_be_spent_first():
    till = cut_off(changed(count_max=6))
    for _ in range(4):
        sell(after(till, HOUR_S / 4), 100)
    assert figures(till)[2] == "≈ 30 min"


@pytest.mark.parametrize(("sales", "seconds"), [(1, 1800), (5, 599)])
def test_one_sale_or_a_few_minutes_tell_nothing_of_a_pace(sales, seconds):
    till = cut_off(CAPS)
    for _ in range(sales):
        sell(till, 20_000)
    assert notes(after(till, seconds))[2] == "The first may wait no longer"


def test_lists_that_grow_too_old_end_it_and_halve_it_before():
    till = cut_off(changed(lists_age_max_s=12 * HOUR_S))
    till.on(DownloadsLoaded(at={"black_list": till.now - 10 * HOUR_S}))
    assert (figures(till)[2], notes(till)[2]) == ("14 h", "Then the card lists are too old")
    after(till, 2 * HOUR_S).on(LinkLost())
    assert figures(till) == ["¥1,000.00", "¥0.00", "12 h"] and "so half is allowed" in told(till).terms
    assert notes(till)[0] == "10 left, up to ¥100.00 each"


# --- when nothing may be sold -----------------------------------------------------------------------------------------


def nothing(till: Till, operator: str = "01") -> str:
    """Why nothing may be sold; nothing is then on offer, and no time is left."""
    found = told(till, operator)
    assert not found.sells and figures(till, operator)[0] == "¥0.00" and found.figures[2].figures == "–"
    return found.terms


def test_when_all_is_spent_that_is_said():
    till = cut_off(changed(count_max=1))
    sell(till, 100)
    assert nothing(till).startswith("Nothing more may be sold offline") and figures(till)[1] == "¥1.00"


def test_when_the_oldest_has_waited_too_long_that_is_said():
    till = cut_off(CAPS)
    sell(till, 100)
    assert nothing(after(till, DAY_S)).startswith("Nothing more may be sold offline")


def test_when_the_hour_is_spent_it_comes_back_by_itself():
    till = cut_off(changed(hour_amount_max=10_000))
    sell(till, 10_000)
    assert nothing(till).startswith("This hour's limit")
    after(till, HOUR_S).on(LinkLost())
    assert figures(till)[0] == "¥100.00"


def test_an_operator_who_has_sold_enough_is_told_and_another_sells():
    till = cut_off(changed(operator_amount_max=10_000))
    sell(till, 10_000)
    assert nothing(till).startswith("You have reached an operator's limit")
    assert told(till, "02").sells and figures(till, "02")[0] == "¥100.00"
    till.on(SaleRequested("b", 10_000, "02", offline=True))
    till.on(OFFLINE_CARD)
    assert nothing(till, "02").startswith("You have reached")


def test_lists_that_are_too_old_stop_it():
    assert nothing(cut_off(changed(lists_age_max_s=DAY_S))).startswith("The list of blocked cards")


@pytest.mark.parametrize("till", [cut_off(Offline()), Till(profile=cut_off(CAPS).counter.profile).sign_on()])
def test_while_the_bank_can_be_asked_or_nothing_is_ever_sold_offline_there_is_nothing_to_say(till):
    assert outage(view_of(till.counter, READY), "01", till.now, EN) is None


def test_when_the_line_is_back_and_dead_again_it_is_a_new_outage():
    till = cut_off(LIMITS)
    sell(till, 100)
    (advice,) = back_online(after(till, HOUR_S))
    till.on(from_host(answer(advice)))
    till.on(LinkLost())
    assert told(till).since == "Since just now" and figures(till)[1] == "¥0.00"


def test_both_languages_show_the_same_figures():
    view, now = view_of(cut_off(CAPS).counter, READY), cut_off(CAPS).now
    en, zh = (outage(view, "01", now, texts) for texts in (EN, ZH))
    assert en and zh
    assert [figure.figures for figure in en.figures[:2]] == [figure.figures for figure in zh.figures[:2]]
    assert replace(zh.figures[2], name="", note="") == Figure("", "24 小时", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 min"), (59 * 60, "59 min"), (3600, "1 h"), (3600 + 299, "1 h"), (3900, "1 h 5 min"), (47 * 3600, "47 h"),
     (48 * 3600, "2 days"), (75 * 3600, "3 days 3 h"), (-5, "0 min")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds, said):
    assert EN.duration(seconds) == said
