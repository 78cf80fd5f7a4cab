"""What a terminal tells of itself through the courier: when something is new, last of all, and nothing of cards."""

from terminal.effects import Tell
from terminal.events import CourierLost, CourierUp, DevicesSeen, SaleRequested
from terminal.telemetry import LOOK_S
from terminal.view import view_of
from tests.terminal.rig import OFFLINE_CARD, PAN, PROFILE, Till, answer, ready_till
from tests.terminal.test_parked import FIRST, parked
from tests.terminal.test_two_lines import over_courier, sent, sold_offline


def told(till: Till) -> list[Tell]:
    return [effect for effect in till.effects if isinstance(effect, Tell)]


def connected() -> Till:
    till = ready_till()
    till.on(CourierUp())
    return till


def test_it_is_told_when_the_courier_comes_up_and_every_quarter_of_an_hour() -> None:
    till = connected()
    (first,) = told(till)
    assert first.telemetry["batch"] == "000007" and first.telemetry["owed_count"] == 0
    assert first.again_in_s == PROFILE.courier.telemetry_s == 900
    for _ in range(900 // 60 - 1):
        till.wait(LOOK_S)
        assert not told(till)
    till.wait(LOOK_S)
    assert len(told(till)) == 1


def test_without_a_courier_nobody_is_told_and_no_timer_runs() -> None:
    till = ready_till()
    assert not told(till) and till.counter.telemetry.deadline() is None
    till.on(CourierUp())
    till.on(CourierLost())
    till.wait(3600)
    assert not told(till)


def test_what_has_changed_is_told_within_a_minute() -> None:
    till = connected()
    till.on(DevicesSeen({"printer": False}))
    till.wait(LOOK_S)
    assert [tell.telemetry["devices"] for tell in told(till)] == [{"printer": False}]


def test_nothing_is_told_while_money_waits_for_an_answer_and_then_what_is_left() -> None:
    till = sold_offline(2)
    till.on(CourierUp())
    first, second = sent(till)
    assert not told(till) and till.counter.telemetry.deadline() is None
    till.on(over_courier(answer(first.message)))
    assert not told(till)
    till.on(over_courier(answer(second.message, "91")))
    (tell,) = told(till)
    assert (tell.telemetry["owed_count"], tell.telemetry["owed_amount"]) == (1, 2500)


def test_it_holds_nothing_of_a_card() -> None:
    till = sold_offline()
    till.on(SaleRequested("b", 100, "01", offline=True))
    till.on(OFFLINE_CARD)
    till.on(CourierUp())
    for send in sent(till):
        till.on(over_courier(answer(send.message, "91")))
    said = str(told(till))
    assert said != "[]" and PAN[:6] not in said and OFFLINE_CARD.masked not in said and OFFLINE_CARD.sealed not in said


def test_what_is_owed_of_parked_batches_counts_too_and_waits_first() -> None:
    till = parked(5)
    till.on(CourierUp())
    assert not told(till), "the oldest batch is on its way"
    refused = [send for send in sent(till) if send.message.text(60)[2:8] == FIRST]
    assert len(refused) == 2
    for send in refused:
        till.on(over_courier(answer(send.message, "91")))
    (tell,) = told(till)
    assert (tell.telemetry["parked"], tell.telemetry["owed_count"]) == (2, 5)
    assert tell.telemetry["owed_amount"] == 100 + 101 + 102 + 103 + 104
    assert view_of(till.counter, {})["forwarding"]["waiting"] == 2, "those that are not held back by older ones"
