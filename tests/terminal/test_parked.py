"""A full batch that cannot be settled is parked; parked batches are brought to the host one by one, in order."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import pytest

from firmware_config.profile import Limits, Offline, TerminalProfile
from iso8583 import Message
from simulators.memory_journal import MemoryJournal
from terminal.effects import Effect, ReleaseMeans, Send
from terminal.events import (
    CardErased,
    CloseByPeople,
    Event,
    KeysLoaded,
    LinkLost,
    LinkUp,
    Received,
    SaleRequested,
    SettleRequested,
    SlipFailed,
    VoidRequested,
)  # fmt: skip
from terminal.records import (
    DECLINED_LATER,
    Answered,
    BatchClosed,
    BatchParked,
    Key,
    Printed,
    Record,
    Started,
)  # fmt: skip
from terminal.slip_queue import NO_PRINTER
from terminal.sums import Lost, Owed
from terminal.transitions import State
from tests.terminal.rig import (
    CARD,
    OFFLINE_CARD,
    PROFILE,
    Till,
    answer,
    echo_answer,
    from_host,
    settle_answer,
    sign_on_answer,
)
from tests.terminal.test_settlement import upload_answer

OFFLINE = Offline(
    sale_amount_max=3000, total_amount_max=10**6, count_max=1000, age_max_s=7 * 86_400, card_count_max=1000,
    card_amount_max=10**6,
)  # fmt: skip
SMALL = PROFILE.model_copy(update={"offline": OFFLINE, "limits": Limits(batch_count_max=2, open_payments_max=3)})
FIRST = "000007"


def cut_off(profile: TerminalProfile = SMALL) -> Till:
    till = Till(profile=profile).sign_on()
    till.on(LinkLost())
    return till


def sell(till: Till, amount: int = 100) -> Key:
    """Sell offline, each time to another card; the printer takes its time."""
    number = len(till.records)
    till.on(SaleRequested(f"offline-{number}", amount, "01", offline=True))
    till.on(replace(OFFLINE_CARD, masked=f"629999******{number:04d}", token=str(number)))
    return list(till.counter.book.payments)[-1]


def parked(sales: int = 5, profile: TerminalProfile = SMALL) -> Till:
    """So many sales in an outage, two in a batch, over 100, 101, …"""
    till = cut_off(profile)
    for number in range(sales):
        sell(till, 100 + number)
        till.print_slips()
    return till


class Host:
    """Answers what a till sends, in order, and keeps who asked for what; `says` are answers to advices by amount."""

    def __init__(self, says: dict[int, str] | None = None, *, balances: bool = True) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self._says = says or {}
        self._verdict = "1" if balances else "2"

    def answer_all(self, till: Till, effects: Iterable[Effect], at_most: int = 10_000) -> None:
        """Go on until the till has nothing to say."""
        waiting = deque(effects)
        while waiting and len(till.records) < at_most:
            effect = waiting.popleft()
            if isinstance(effect, Send):
                waiting += till.on(self._answer(effect.message))

    def _answer(self, request: Message) -> Event:
        self.heard.append((request.mti, request.text(60)[2:8], int(request.text(4, "0"))))
        match request.mti:
            case "0200" | "0201":
                return from_host(answer(request, self._says.get(int(request.text(4)), "00")))
            case "0400" | "0401":
                return from_host(answer(request))
            case "0500":
                return from_host(settle_answer(request, self._verdict), mac="absent")
            case "0320":
                return upload_answer(request)
            case "0820":
                return echo_answer()
        return Received(sign_on_answer(FIRST, request.text(11)), "absent")


def back_online(till: Till, host: Host) -> None:
    till.on(LinkUp())
    host.answer_all(till, till.on(echo_answer(till.sent().text(11))))
    host.answer_all(till, till.wait(0))


def ended(records: Iterable[Record]) -> list[str]:
    return [record.batch for record in records if isinstance(record, BatchClosed)]


# --- parking ----------------------------------------------------------------------------------------------------------


def test_selling_goes_on_in_the_next_batch_and_trace_numbers_go_on():
    till = parked(5)
    book = till.counter.book
    assert list(book.parked) == ["000007", "000008"]
    assert [(key.batch, key.trace) for key in book.payments] == [("000009", "000005")]


def test_the_parking_is_durable_before_the_sale_that_it_makes_room_for():
    till = parked(2)
    till.on(SaleRequested("third", 100, "01", offline=True))
    assert [type(record).__name__ for record in till.persisted()] == ["BatchParked", "Started"]


def test_the_same_request_again_is_the_same_sale_though_its_batch_is_another():
    till = parked(2)
    till.on(SaleRequested("third", 100, "01", offline=True))
    assert till.on(SaleRequested("third", 100, "01", offline=True)) == []


def test_what_the_shop_may_lose_is_the_sum_over_all_batches():
    till = parked(5)
    first = till.counter.book.parked["000007"].owed_since
    for each in (till, till.restart()):
        assert each.counter.book.offline() == Owed(5, 510, first)


@pytest.mark.parametrize("limits", [{"count_max": 5}, {"total_amount_max": 510}, {"age_max_s": 3600}])
def test_the_limits_hold_over_all_batches(limits):
    till = parked(5, SMALL.model_copy(update={"offline": OFFLINE.model_copy(update=limits)}))
    till.wait(3600 if "age_max_s" in limits else 0)
    till.on(SaleRequested("one more", 100, "01", offline=True))
    assert till.said().startswith("offline_")


def test_a_batch_that_can_be_settled_is_not_parked():
    till = Till(profile=SMALL).sign_on()
    for _ in range(2):
        till.on(from_host(answer(till.sell(means=CARD), "51")))
    till.on(SaleRequested("third", 100, "01"))
    assert till.said() == "batch_full"


def test_without_the_line_nobody_is_told_to_settle_a_full_batch():
    till = parked(2)
    till.on(SaleRequested("online", 100, "01"))
    assert till.said() == "no_link"


def test_only_so_many_batches_are_parked():
    limits = SMALL.limits.model_copy(update={"parked_batches_max": 1})
    till = parked(4, SMALL.model_copy(update={"limits": limits}))
    till.on(SaleRequested("fifth", 100, "01", offline=True))
    assert till.said() == "batch_full" and not till.counter.busy


def test_only_two_batches_are_in_memory():
    till = parked(9)
    book = till.counter.book
    assert len(book.payments) == 1 and book.draining is not None and len(book.draining.payments) == 2


def test_a_slip_that_is_due_survives_the_parking_of_its_batch_and_a_restart():
    till = parked(1)
    due = sell(till)
    till.on(SaleRequested("third", 100, "01", offline=True))
    for each in (till, till.restart()):
        assert due in each.counter.book.slips_due


def test_a_slip_that_has_not_come_out_for_a_whole_batch_is_let_go():
    till = cut_off()
    first = sell(till)
    till.on(SlipFailed(first, NO_PRINTER))
    for _ in range(4):
        till.on(SlipFailed(sell(till), NO_PRINTER))
    assert first not in till.counter.book.slips_due and not till.counter.slips.failed - set(till.counter.book.slips_due)


def test_a_sale_of_a_parked_batch_is_not_voided():
    till = parked(2)
    sale = next(iter(till.counter.book.payments))
    sell(till)
    back_online(till, Host())
    till.on(VoidRequested("void", sale, "01", "00"))
    assert till.said() == "not_in_this_batch"


# --- draining ---------------------------------------------------------------------------------------------------------


def test_parked_batches_are_sent_and_settled_one_after_the_other_the_oldest_first():
    till, host = parked(5), Host()
    back_online(till, host)
    assert host.heard == [
        ("0201", "000007", 100), ("0201", "000007", 101), ("0500", "000007", 0), ("0320", "000007", 0),
        ("0201", "000008", 102), ("0201", "000008", 103), ("0500", "000008", 0), ("0320", "000008", 0),
        ("0200", "000009", 104),
    ]  # fmt: skip
    book = till.counter.book
    assert not book.parked and book.batch == "000009" and ended(till.records) == ["000007", "000008"]
    assert book.offline() == Owed() and book.last_settled is not None and book.last_settled.debit_amount == 205
    till.on(SettleRequested("01"))
    host.answer_all(till, till.effects)
    assert till.counter.book.batch == "000010"


def test_what_was_sold_after_them_waits_for_them_and_nobody_is_asked_in_vain():
    till = parked(3)
    open_batch_sent(till)
    assert not any(isinstance(e, Send) and e.message.text(60)[2:8] == "000008" for e in till.wait(4))


def test_a_sale_approved_offline_while_the_line_came_back_waits_for_them_too():
    till = parked(2)
    till.on(SaleRequested("third", 100, "01", offline=True))
    effects = open_batch_sent(till)
    assert not any(isinstance(e, Send) for e in till.on(OFFLINE_CARD))
    host = Host()
    host.answer_all(till, effects)
    host.answer_all(till, till.wait(0))
    assert host.heard[-1] == ("0200", "000008", 100) and till.counter.book.offline() == Owed()


def test_the_next_is_not_loaded_before_the_one_before_is_closed():
    till = parked(5)
    till.on(LinkUp())
    till.on(echo_answer())
    advices = [e.message.text(60)[2:8] for e in till.effects if isinstance(e, Send) and e.message.mti == "0201"]
    assert advices == ["000007", "000007"]


def test_new_sales_go_on_meanwhile_and_are_not_settled_before():
    till = parked(3)
    till.on(LinkUp())
    till.on(echo_answer())
    sale = till.sell(2500)
    assert sale.text(60)[2:8] == "000008"
    till.on(from_host(answer(sale, "51")))
    till.on(SettleRequested("01"))
    assert till.said() == "batches_parked"


def test_advices_of_the_open_batch_wait_for_those_that_are_parked_but_not_for_people():
    till = parked(3).restart()
    till.on(LinkUp())
    till.sign_on()
    advices = [e.message for e in till.effects if isinstance(e, Send) and e.message.mti.startswith("020")]
    assert {advice.text(60)[2:8] for advice in advices} == {"000007"}
    assert not till.on(CardErased(Key(PROFILE.terminal_id, "000007", advices[0].text(11))))[1:]
    effects = till.on(CardErased(Key(PROFILE.terminal_id, "000007", advices[1].text(11))))
    assert [e.message.text(60)[2:8] for e in effects if isinstance(e, Send)] == ["000008"]


def test_the_open_batch_is_settled_after_those_that_are_parked():
    till = parked(3)
    for effect in open_batch_sent(till):
        if isinstance(effect, Send) and effect.message.mti == "0201":
            till.on(CardErased(Key(PROFILE.terminal_id, "000007", effect.message.text(11))))
    (advice,) = (e.message for e in till.effects if isinstance(e, Send) and e.message.mti == "0200")
    till.on(from_host(answer(advice)))
    till.on(SettleRequested("01"))
    assert till.said() == "batches_parked"


def open_batch_sent(till: Till) -> list[Effect]:
    till.on(LinkUp())
    return till.on(echo_answer())


def test_a_full_batch_is_parked_while_others_wait_though_the_line_is_back():
    till = parked(4)
    open_batch_sent(till)
    till.on(SaleRequested("online", 2500, "01"))
    assert list(till.counter.book.parked) == ["000007", "000008"] and till.counter.busy
    assert till.persisted()[0] == till.counter.book.parked["000008"]


def test_an_answer_about_a_parked_batch_takes_nothing_out_of_the_next_customers_hands():
    till = parked(3)
    effects = open_batch_sent(till)
    till.on(SaleRequested("online", 2500, "01"))
    for effect in effects:
        if isinstance(effect, Send) and effect.message.mti == "0201":
            assert not any(isinstance(e, ReleaseMeans) for e in till.on(from_host(answer(effect.message, "51"))))
    assert till.counter.busy


def test_a_reversal_in_a_parked_batch_goes_first_and_stops_new_sales_until_it_is_answered():
    till = Till(profile=SMALL).sign_on()
    till.sell()
    till.on(LinkLost())
    for _ in range(4):
        sell(till)
        till.print_slips()
    for each in (till, till.restart()):
        assert each.counter.book.asked() == (1, 1)
    effects = open_batch_sent(till)
    till.on(SaleRequested("online", 2500, "01"))
    assert till.said() == "reversal_open"
    Host().answer_all(till, effects)
    assert till.counter.book.asked() == (0, 0) and not till.counter.book.parked


def test_a_sign_on_does_not_lead_back_into_a_parked_batch():
    till = parked(3).restart()
    till.on(LinkUp())
    till.on(Received(sign_on_answer(FIRST, till.sent().text(11)), "absent"))
    assert till.counter.book.batch == "000008"


def test_a_host_that_did_not_close_a_parked_batch_is_told_again_that_it_has_ended():
    till = parked(5)
    back_online(till, Host())
    till = till.restart()
    till.on(LinkUp())
    till.on(Received(sign_on_answer("000008", till.sent().text(11)), "absent"))
    ended = [e.message for e in till.on(KeysLoaded(accepted=True)) if isinstance(e, Send) and e.message.mti == "0320"]
    assert [message.text(60)[2:] for message in ended] == ["000008207"]
    assert till.counter.book.batch == "000009"


def test_an_unanswered_settlement_of_a_parked_batch_is_sent_again():
    till = parked(3)
    for effect in open_batch_sent(till):
        if isinstance(effect, Send):
            till.on(from_host(answer(effect.message)))
    assert till.sent().mti == "0500"
    till.wait(6)
    assert [e.message.mti for e in till.effects if isinstance(e, Send)] == ["0500"]
    till.on(LinkLost())
    assert not [e for e in till.wait(3600) if isinstance(e, Send)]


def test_a_host_that_books_all_and_settles_nothing_still_hears_of_what_was_sold_later():
    till = parked(3)
    for effect in open_batch_sent(till):
        if isinstance(effect, Send):
            till.on(from_host(answer(effect.message)))
    assert till.sent().mti == "0500"
    later = [e.message for e in till.wait(5 + 10 + 20 + 1) if isinstance(e, Send)]
    assert [m.text(60)[2:8] for m in later if m.mti == "0200"] == ["000008"]
    till.on(from_host(answer(next(m for m in later if m.mti == "0200"))))
    assert not till.counter.book.offline().count


def test_nor_does_it_hear_of_it_before_what_was_sold_in_between():
    till = parked(5)
    for effect in open_batch_sent(till):
        if isinstance(effect, Send):
            till.on(from_host(answer(effect.message)))
    assert not [e for e in till.wait(3600) if isinstance(e, Send) and e.message.mti == "0200"]


# --- what is lost -----------------------------------------------------------------------------------------------------


def test_what_the_bank_declines_of_parked_batches_is_told_until_people_settle():
    till, host = parked(5), Host({100: "51", 103: "51"})
    back_online(till, host)
    assert ended(till.records) == ["000007", "000008"]
    till = till.restart()
    assert till.counter.book.lost == Lost(2, 203)
    till.sign_on()
    host.answer_all(till, till.effects)
    till.on(SettleRequested("01"))
    host.answer_all(till, till.effects)
    assert till.counter.book.lost == Lost()


def test_what_was_lost_before_a_parking_is_not_forgotten_by_it():
    till = parked(3)
    back_online(till, Host({100: "51"}))
    till.on(LinkLost())
    for number in range(2):
        sell(till, 200 + number)
    for each in (till, till.restart()):
        assert list(each.counter.book.parked) == ["000008"] and each.counter.book.lost == Lost(1, 100)


def test_that_a_parked_batch_did_not_balance_is_told_until_people_settle():
    till = parked(5)
    back_online(till, Host(balances=False))
    till.on(LinkLost())
    for _ in range(2):
        sell(till)
    for each in (till, till.restart()):
        assert each.counter.book.unbalanced == 2 and list(each.counter.book.parked) == ["000009"]
    host = Host()
    back_online(till, host)
    till.on(SettleRequested("01"))
    host.answer_all(till, till.effects)
    assert till.counter.book.unbalanced == 0


def test_two_people_close_what_cannot_be_asked_for_in_a_parked_batch_and_the_rest_goes_on():
    till = parked(3)
    sale = next(iter(till.counter.book.draining.payments))  # type: ignore[union-attr]
    till.on(CardErased(sale))
    till.on(CloseByPeople(sale, True, "ACQ-0117/3", "01", "00"))
    payment = till.counter.book.find(sale)
    assert payment is not None and payment.state is State.APPROVED
    back_online(till, Host())
    assert ended(till.records) == [FIRST]


# --- deaths -----------------------------------------------------------------------------------------------------------


def finish(till: Till, host: Host) -> Till:
    """Sign on, and answer until all is quiet."""
    till.on(LinkUp())
    till.on(Received(sign_on_answer(FIRST, till.sent().text(11)), "absent"))
    host.answer_all(till, till.on(KeysLoaded(accepted=True)))
    host.answer_all(till, till.wait(0))
    till.print_slips()
    return till


def whole_day() -> list[Record]:
    """A sale without an answer, seven sales in an outage, and the line is back."""
    till = Till(profile=SMALL).sign_on()
    till.sell(2500)
    till.on(LinkLost())
    for number in range(7):
        sell(till, 100 + number)
        till.print_slips()
    return finish(till.restart(), Host({103: "51"})).records


DAY = whole_day()


@pytest.mark.parametrize("death", range(1, len(DAY)))
def test_a_death_after_any_record_ends_in_the_same_place(death: int) -> None:
    till = finish(Till(DAY[:death], SMALL), Host({103: "51"}))
    for each in (till, till.restart()):
        book = each.counter.book
        assert not book.parked and book.draining is None and book.offline() == Owed() and not book.slips_due
        assert ended(till.records) == [record.batch for record in till.records if isinstance(record, BatchParked)]
        payments = {r.key: MemoryJournal(till.records).payment(r.key) for r in till.records if isinstance(r, Started)}
        assert all(payment is not None and payment.is_final for payment in payments.values())
        declined = [p for p in payments.values() if p and p.attention == DECLINED_LATER]
        lost = [p.amount for p in declined if p.key.batch in ended(till.records)]
        assert book.lost == Lost(len(lost), sum(lost))
        assert all(p.key in book.payments for p in declined if p.key.batch not in ended(till.records))
    answered = [record.key for record in till.records if isinstance(record, Answered)]
    assert len(answered) == len(set(answered))
    originals = [record.key for record in till.records if isinstance(record, Printed) and not record.duplicate]
    assert len(originals) == len(set(originals))
