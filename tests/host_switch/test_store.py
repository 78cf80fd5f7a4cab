"""The contract of a store, the same for the one in memory and the durable one."""

from dataclasses import replace

from host_switch.events import Decision, Due, Input, Persist
from host_switch.frames import decoded
from host_switch.records import Leg, Outcome, Terminal
from host_switch.store import Store
from iso8583.unionpay import Totals
from tests.host_switch.room import Room
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till


def test_what_is_committed_is_there(store: Store) -> None:
    terminal = Terminal("12345678", MERCHANT, MASTER_KEY, batch="000007", commands="3")
    store.commit([Decision((Persist((terminal,)),))])
    assert store.books().terminals == (terminal,)


def test_a_transaction_comes_back_as_it_was_put(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 5)
    room.frame(till, refund)
    for message in (sale, refund):
        (facts,) = room.store.facts_for([decoded("line", till.frame(message))])
        assert facts.stored is not None
        assert replace(facts.stored, pan="") == room.row(message)


def test_facts_of_a_whole_batch_come_in_order(room: Room, till: Till) -> None:
    other = room.till("87654321")
    first, _ = room.sold(till)
    second, reference = room.sold(other)
    events: list[Input] = [
        decoded("a", till.frame(till.sale())), decoded("b", other.frame(second)), Due(1),
        decoded("c", other.frame(other.refund(second, reference, 1))), decoded("d", till.frame(first)), Due(999),
    ]  # fmt: skip
    facts = room.store.facts_for(events)
    assert [known.terminal.id if known.terminal else "" for known in facts] == [
        "12345678", "87654321", "12345678", "87654321", "12345678", "",
    ]  # fmt: skip
    assert [known.stored.number if known.stored else 0 for known in facts] == [0, 2, 1, 0, 1, 0]
    assert facts[3].original is not None
    assert facts[3].original.number == 2


def test_free_numbers_are_never_given_twice(room: Room, till: Till) -> None:
    frames = [decoded("line", till.frame(till.sale())) for _ in range(4)]
    numbers = [facts.number for facts in room.store.facts_for(frames) + room.store.facts_for(frames)]
    assert len(set(numbers)) == 8


def test_the_card_number_is_at_hand_only_while_a_refund_may_be_repeated(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    refund = till.refund(sale, reference, 5)
    room.frame(till, refund)
    (facts,) = room.store.facts_for([Due(room.row(refund).number)])
    assert facts.stored is not None
    assert facts.stored.pan == "6299990000000009"
    room.issue()
    (facts,) = room.store.facts_for([Due(room.row(refund).number)])
    assert facts.stored is not None
    assert facts.stored.pan == ""


def test_dependants_are_the_voids_and_refunds_of_a_sale(room: Room, till: Till) -> None:
    sale, reference = room.sold(till)
    for amount in (1, 2, 5000):
        room.talk(till, till.refund(sale, reference, amount))
    (facts,) = room.store.facts_for([decoded("line", till.frame(till.reversal(sale)))])
    assert [row.amount for row in facts.dependants] == [1, 2, 5000]
    assert [row.outcome for row in facts.dependants] == [Outcome.APPROVED, Outcome.APPROVED, Outcome.DECLINED]


def test_the_batch_and_its_lines_are_loaded_for_settlement(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.talk(till, till.settle(Totals(1234, 1)))
    room.talk(till, till.upload(f"0100{sale.text(11)}{'0' * 20}000000001234"))
    (facts,) = room.store.facts_for([decoded("line", till.frame(till.settle(Totals())))])
    assert facts.batch is not None
    assert (facts.batch.balanced, [row.amount for row in facts.batch_rows]) == (True, [1234])
    assert dict(facts.details) == {sale[11]: 1234}


def test_due_times_ring_in_order_and_only_when_they_have_come(room: Room, till: Till) -> None:
    for _ in range(3):
        room.frame(till, till.sale())
        room.now += 1
    start = room.now - 3
    assert room.store.next_due() == start + 20
    assert room.store.due(start + 19, 64) == []
    assert room.store.due(start + 21, 64) == [Due(1), Due(2)]
    assert room.store.due(start + 99, 2) == [Due(1), Due(2)]


def test_debts_are_found_whether_due_or_not(room: Room, till: Till) -> None:
    sales = [room.sold(till)[0] for _ in range(3)]
    for sale in sales:
        room.frame(till, till.reversal(sale))
    room.frame(till, till.sale())
    assert [due.number for due in room.store.owed(0, 2)] == [1, 2]
    assert [due.number for due in room.store.owed(2, 2)] == [3]
    assert all(due.early for due in room.store.owed(0, 9))
    room.issue()
    assert room.store.owed(0, 9) == []
    assert room.store.next_due() is None


def test_a_row_that_is_closed_rings_no_more(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    assert room.store.next_due() is None
    assert room.row(sale).leg is Leg.ANSWERED
