"""Whatever dies and whenever: a slip comes out once, or says DUPLICATE; the journal alone knows what is due."""

import pytest

from terminal.counter import Notice
from terminal.effects import Persist, Print, PrintNow
from terminal.events import Event, ReprintRequested, SettleRequested, SlipFailed, SlipPrinted, SlipReady
from terminal.records import SETTLEMENT_TRACE, Key, PrintBegan, Printed
from terminal.slip_queue import ASKED_MAX, BEGUN_MAX, RETRY_S
from tests.terminal.rig import Till, from_host, ready_till, settle_answer
from tests.terminal.test_payment import approved_sale
from tests.terminal.test_settlement import upload_answer


def handed_out(till: Till) -> list[Print]:
    return [effect for effect in till.effects if isinstance(effect, Print)]


def sold(till: Till | None = None) -> tuple[Till, Key]:
    till = till or ready_till()
    return till, approved_sale(till).key


def test_a_slip_begins_when_the_printer_is_ready_and_that_is_durable_first():
    till, key = sold()
    effects = till.on(SlipReady(key))
    assert effects == [Persist(PrintBegan(key, till.now)), PrintNow(key)]
    assert till.on(SlipPrinted(key, duplicate=False))[0] == Persist(Printed(key, till.now))
    assert not till.counter.book.payments[key].receipt_due and till.counter.slips.at_rest


def test_slips_come_out_one_after_the_other_oldest_first():
    till, first = sold()
    _, second = sold(till)
    assert handed_out(till) == []
    till.on(SlipReady(first))
    till.on(SlipPrinted(first, duplicate=False))
    assert handed_out(till) == [Print(second)]


@pytest.mark.parametrize(
    ("before", "again"),
    [
        ([], Print),
        ([SlipReady], lambda key: Print(key, duplicate=True)),
        ([SlipReady, lambda key: SlipPrinted(key, duplicate=False)], None),
    ],
    ids=["not begun", "begun", "printed"],
)
def test_after_a_crash_it_is_the_original_a_duplicate_or_nothing(before, again):
    till, key = sold()
    for event in before:
        till.on(event(key))
    assert till.restart().counter.slips.in_hand == (again(key) if again else None)


def test_before_it_begins_a_slip_is_tried_again_as_the_original_as_long_as_it_takes():
    till, key = sold()
    for _ in range(2 * BEGUN_MAX):
        assert handed_out(till) == [Print(key)]
        till.on(SlipFailed(key, "paper_out"))
        assert handed_out(till) == []
        till.wait(RETRY_S)


def test_a_slip_that_never_ends_is_begun_only_so_often_then_a_person_is_asked():
    till, key = sold()
    for number in range(BEGUN_MAX):
        assert handed_out(till) == [Print(key, duplicate=number > 0)]
        till.on(SlipReady(key))
        till.on(SlipFailed(key, "not_finished"))
        till.wait(RETRY_S)
    assert handed_out(till) == [] and till.counter.deadline() != till.now + RETRY_S
    assert till.counter.slips.at_rest and till.counter.book.payments[key].receipt_due
    assert till.restart().counter.slips.at_rest
    assert till.on(ReprintRequested(key)) == [Print(key, duplicate=True)]
    till.on(SlipReady(key))
    till.on(SlipFailed(key, "not_finished"))
    till.wait(RETRY_S)
    assert till.counter.slips.at_rest


def test_what_rests_does_not_hold_up_what_comes_after():
    till, key = sold()
    for _ in range(BEGUN_MAX):
        till.on(SlipReady(key))
        till.on(SlipFailed(key, "not_finished"))
        till.wait(RETRY_S)
    _, second = sold(till)
    assert handed_out(till) == [Print(second)]


def test_a_person_need_not_wait_for_the_next_try_and_gets_the_original():
    till, key = sold()
    till.on(SlipFailed(key, "paper_out"))
    assert till.on(ReprintRequested(key)) == [Print(key)]


def test_what_is_asked_for_again_waits_behind_what_is_due():
    till, first = sold()
    till.print_slips()
    _, second = sold(till)
    assert till.on(ReprintRequested(first)) == []
    assert till.print_slips() == [Print(second), Print(first, duplicate=True)]


def test_asked_for_twice_it_comes_once():
    till, key = sold()
    till.print_slips()
    till.on(ReprintRequested(key))
    till.on(ReprintRequested(key))
    assert till.print_slips() == [Print(key, duplicate=True)]


def test_asked_for_while_it_is_being_printed_it_does_not_come_twice():
    till, key = sold()
    till.on(SlipReady(key))
    assert till.on(ReprintRequested(key)) == []
    till.on(SlipPrinted(key, duplicate=False))
    assert till.counter.slips.at_rest


@pytest.mark.parametrize("begun", [False, True])
def test_a_wish_is_tried_again_unless_it_may_be_fulfilled(begun):
    till, key = sold()
    till.print_slips()
    till.on(ReprintRequested(key))
    if begun:
        till.on(SlipReady(key))
    till.on(SlipFailed(key, "connection_lost"))
    till.wait(RETRY_S)
    assert handed_out(till) == ([] if begun else [Print(key, duplicate=True)])


def test_wishes_are_bounded_and_refused_in_words():
    till, key = sold()
    for number in range(ASKED_MAX):
        till.on(ReprintRequested(Key(key.terminal, "000001", f"{number:06d}")))
    till.on(ReprintRequested(Key(key.terminal, "000001", "999999")))
    assert till.said() == "printer_queue_full"


@pytest.mark.parametrize("reason", ["no_printer", "no_slip"])
def test_what_is_hopeless_rests_until_a_person_asks(reason):
    till, key = sold()
    till.on(SlipFailed(key, reason))
    till.wait(RETRY_S)
    assert handed_out(till) == []
    assert till.on(ReprintRequested(key)) == [Print(key)]


def test_without_a_printer_a_restart_says_so_once():
    till, first = sold()
    sold(till)
    again = till.restart()
    again.on(SlipFailed(first, "no_printer"))
    assert again.said() == "printer_no_printer"
    again.wait(10 * RETRY_S)
    assert again.counter.slips.at_rest


def test_people_are_told_once_of_a_trouble_that_lasts_and_again_when_they_ask():
    till, key = sold()

    def told(event: Event) -> Notice | None:
        till.counter.notice = None
        till.on(event)
        return till.counter.notice

    assert told(SlipFailed(key, "paper_out")) == Notice("printer_paper_out", key)
    till.wait(RETRY_S)
    assert told(SlipFailed(key, "paper_out")) is None
    till.wait(RETRY_S)
    assert told(SlipFailed(key, "cover_open")) == Notice("printer_cover_open", key)
    till.on(ReprintRequested(key))
    assert told(SlipFailed(key, "cover_open")) == Notice("printer_cover_open", key)


def test_only_the_slip_in_hand_may_begin():
    till, key = sold()
    _, second = sold(till)
    assert till.on(SlipReady(second)) == []
    till.on(SlipFailed(key, "paper_out"))
    assert till.on(SlipReady(key)) == []


def test_a_settlement_has_a_slip_that_is_due_like_any_other():

    till, key = sold()
    till.on(SlipFailed(key, "paper_out"))
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    till.on(upload_answer(till.sent()))
    settlement = Key(key.terminal, key.batch, SETTLEMENT_TRACE)
    again = till.restart()
    assert again.counter.slips.in_hand == Print(settlement)
    again.on(SlipReady(settlement))
    last = again.restart()
    assert last.counter.slips.in_hand == Print(settlement, duplicate=True)
    last.print_slips()
    assert last.restart().counter.slips.at_rest
