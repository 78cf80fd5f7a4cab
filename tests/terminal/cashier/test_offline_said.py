"""Selling offline, as the page says it: what is still allowed, who bears the risk, and what has become of it."""

from dataclasses import replace

import pytest

from firmware_config.profile import Offline
from terminal.cashier.display import screen
from terminal.cashier.sale import Entry, Moment, Progress, Result, panel
from terminal.cashier.sales import sales
from terminal.cashier.strip import Alert, alerts, strip
from terminal.cashier.texts import texts_in
from terminal.devices import DeviceHealth
from terminal.effects import Send
from terminal.events import CourierUp, LinkLost, MeansFailed, SaleRequested, SendNow
from terminal.printing import slip_of
from terminal.view import view_of
from tests.terminal.rig import CARD, PROFILE, Till, answer, from_host, ready_till
from tests.terminal.test_offline import LIMITS, back_online, charge, cut_off, newest, sell, sold

EN = texts_in("en")
READY = {name: DeviceHealth("ready") for name in ("card_reader", "pin_pad", "scanner", "printer")}


def shown(till: Till, seen: str = "") -> Entry | Progress | Result:
    found = panel(view_of(till.counter, READY), Moment("01", seen, till.now), EN, lambda key: f"slip of {key}")
    assert isinstance(found, Entry | Progress | Result)
    return found


def entry(till: Till) -> Entry:
    """What the page offers after the last result was gone on from."""
    payments = list(till.counter.book.payments)
    found = shown(till, str(payments[-1]) if payments else "")
    assert isinstance(found, Entry)
    return found


def test_while_the_line_is_dead_a_key_of_its_own_sells_and_charging_waits():
    found = entry(cut_off())
    assert (found.offline, found.bank, found.blocked) == (True, False, "")


def test_while_the_bank_can_be_asked_nothing_is_offered():
    till = cut_off()
    back_online(till)
    assert (entry(till).offline, entry(till).bank, entry(till).blocked) == (False, True, "")


def cut_off_in_mid_sale(offline: Offline = LIMITS) -> Till:
    till = Till(profile=PROFILE.model_copy(update={"offline": offline})).sign_on()
    till.sell(means=CARD)
    till.on(LinkLost())
    return till


def test_a_sale_that_the_dead_line_has_cut_off_does_not_hold_the_counter_for_the_whole_outage():
    till = cut_off_in_mid_sale()
    found = shown(till)
    assert isinstance(found, Result) and found.headline.word == "Result unknown" and not found.waits
    assert "Don't charge this customer again; other customers can pay" in found.story[-1]
    assert entry(till).offline
    alarm = alerts(view_of(till.counter, READY), Moment("01", str(newest(till).key), till.now), EN)[0]
    assert "¥25.00" in alarm.text


def test_such_a_sale_is_waited_for_where_nothing_could_be_sold_meanwhile_or_the_line_is_back():
    till = cut_off_in_mid_sale(Offline())
    found = shown(till, seen=str(newest(till).key))
    assert isinstance(found, Result) and found.waits
    till = cut_off_in_mid_sale()
    back_online(till)
    found = shown(till, seen=str(newest(till).key))
    assert isinstance(found, Result) and found.waits


def test_a_shop_that_may_not_sell_offline_is_told_that_it_cannot_sell():
    found = entry(cut_off(Offline()))
    assert not found.offline and "No sale is possible now" in found.blocked


def test_when_nothing_is_left_the_key_is_gone():
    till = sold(3000)
    sell(till, 3000)
    assert not entry(till).offline and not entry(till).bank


def test_the_customer_and_the_cashier_are_asked_for_a_card_alone():
    till = cut_off()
    till.on(SaleRequested("a", 2500, "01", offline=True))
    found = shown(till)
    assert isinstance(found, Progress) and found.headline.word == "Insert the card: offline sale"
    assert "payment codes can't be taken" in found.headline.detail
    assert dict(screen(view_of(till.counter, READY), "", till.now).lines)["en"] == "Insert your card"


def test_a_card_that_has_taken_its_part_is_told_how_much_that_was():
    till = sold()
    charge(till)
    till.on(MeansFailed("offline_card_used_1_2500"))
    found = shown(till)
    assert isinstance(found, Result) and not found.slip
    assert "used for 1 offline sales already, ¥25.00 in all" in found.story[0]
    assert "not been charged" in found.story[1]


def test_the_result_is_amber_and_says_what_it_means_for_the_money():
    found = shown(sold())
    assert isinstance(found, Result)
    assert (found.headline.word, found.headline.tone) == ("Sold offline", "doubt")
    assert "the shop bears the risk" in found.story[0] and found.slip and found.reprintable and not found.waits


def test_todays_sales_say_that_the_bank_does_not_have_it():
    till = sold()
    (row,) = sales(view_of(till.counter, READY), Moment("01", "", till.now), EN).rows
    assert (row.state.word, row.state.tone, row.faded) == ("Offline, not yet at the bank", "doubt", False)


def test_one_line_says_how_much_waits_since_when_however_many_there_are():
    till = sold()
    sell(till, 100)
    moment = Moment("01", str(newest(till).key), till.now)
    assert not alerts(view_of(till.counter, READY), moment, EN), "while the line is dead, the outage says it"
    assert "the shop bears" in strip(view_of(till.counter, READY), moment, EN).link.detail
    back_online(till)
    (alert,) = alerts(view_of(till.counter, READY), moment, EN)
    assert alert.text.startswith("Waiting for the bank since just now: 2 sold offline, ¥26.00 in all.")
    assert alert.icon == "offline"


def test_a_later_decline_is_said_to_people_until_the_batch_is_closed_and_not_to_the_next_customer():
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, "51")))
    view = view_of(till.counter, READY)
    (alert,) = alerts(view, Moment("01", str(newest(till).key), till.now + 700), EN)
    assert alert.tone == "bad" and "the bank does not pay" in alert.text and "Tell the supervisor" in alert.text
    assert "not been charged" not in alert.text
    assert screen(view | {"test": {"running": False}}, "", till.now).says == "welcome"


def test_a_refused_advice_is_said_with_its_meaning():
    till = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, "03")))
    (alert, _) = alerts(view_of(till.counter, READY), Moment("01", str(newest(till).key), till.now), EN)
    assert "not set up at the host" in alert.text and "neither booked nor declined" in alert.text


@pytest.mark.parametrize(("booked", "remarks"), [(False, 3), (True, 1)])
def test_the_slip_says_offline_and_the_time_of_the_sale(booked: bool, remarks: int):
    till = sold()
    if booked:
        (advice,) = back_online(till)
        till.on(from_host(answer(advice)))
    slip = slip_of(till.counter.profile, newest(till), None, "cardholder", duplicate=False)
    assert slip.response_texts[0] == "离线交易/OFFLINE" and len(slip.response_texts) == remarks
    assert (slip.type_en, f"{slip.local_time:%m%d %H%M}") == ("OFFLINE SALE", "1115 0613")
    assert bool(slip.reference_no) == booked


# --- send now ---------------------------------------------------------------------------------------------------------


def test_while_the_line_is_dead_and_the_courier_is_not_that_is_said_with_what_is_left():
    till = sold()
    sell(till)
    till.on(CourierUp())
    advice = next(effect.message for effect in till.effects if isinstance(effect, Send))
    till.on(replace(from_host(answer(advice)), line="courier"))
    (alert,) = seen_alerts(till)
    assert "the courier takes them: 1 sold offline left, ¥25.00 in all" in alert.text


def test_what_waits_for_its_turn_can_be_sent_at_once():
    till = sold()
    assert not any(alert.send_now for alert in seen_alerts(till)), "there is no line"
    back_online(till)
    assert not any(alert.send_now for alert in seen_alerts(till)), "it has just been sent"
    till.wait(70)
    (alert,) = seen_alerts(till)
    assert alert.send_now
    till.on(SendNow())
    assert not any(alert.send_now for alert in seen_alerts(till))


def test_there_is_one_such_button_however_much_waits():
    till = ready_till()
    till.sell()
    till.wait(31)
    till.on(from_host(answer(till.sent(), "96")))
    (alert,) = alerts(view_of(till.counter, READY), Moment("01", "", till.now), EN)
    assert alert.send_now and "Owed to the bank: 1" in alert.text, "the left side tells of the reversal"
    till = sold()
    sell(till)
    back_online(till)
    till.wait(70)
    assert [alert.send_now for alert in seen_alerts(till)].count(True) == 1


def seen_alerts(till: Till) -> tuple[Alert, ...]:
    """What the page says below the strip when the last result was gone on from."""
    return alerts(view_of(till.counter, READY), Moment("01", str(newest(till).key), till.now), EN)
