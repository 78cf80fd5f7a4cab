"""Settlement and batch upload: sums compared, lines compared, the batch closed once."""

import pytest

from host_switch.settlement import next_batch
from iso8583 import Message
from iso8583.unionpay import Detail48, Details48, Totals, Totals48
from tests.host_switch.room import Room, command_of
from tests.host_switch.till import PAN, Till


def details(*lines: tuple[Message, int]) -> str:
    return Details48(tuple(Detail48(message.text(11), PAN, amount) for message, amount in lines)).to_text()


def results(answer: Message) -> tuple[str, str]:
    totals = Totals48.parse(answer.text(48))
    return totals.domestic.result, totals.foreign.result


def test_equal_sums_balance(room: Room, till: Till) -> None:
    sale, reference = room.sold(till, 1000)
    room.sold(till, 234)
    room.talk(till, till.void(sale, reference, 1000))
    answer = room.talk(till, till.settle(Totals(1234, 2, 1000, 1)))
    assert (answer.mti, 39 in answer, results(answer)) == ("0510", False, ("1", "1"))
    assert room.books().batches[0].balanced


@pytest.mark.parametrize("totals", [Totals(1233, 1), Totals(1234, 2), Totals(1234, 1, 1, 1), Totals()])
def test_other_sums_do_not_balance_and_are_told_to_a_person(totals: Totals, room: Room, till: Till) -> None:
    room.sold(till)
    assert results(room.talk(till, till.settle(totals))) == ("2", "1")
    assert [event.kind for event in room.events()] == ["batch unbalanced"]


def test_reversed_and_declined_and_asked_do_not_count(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.talk(till, till.reversal(sale))
    room.talk(till, till.sale(2_000_000))
    room.talk(till, till.balance())
    assert results(room.talk(till, till.settle(Totals()))) == ("1", "1")


def test_a_repeated_settlement_gets_the_same_verdict(room: Room, till: Till) -> None:
    room.sold(till)
    request = till.settle(Totals(1234, 1))
    assert room.talk(till, request) == room.talk(till, request)
    assert len(room.books().batches) == 1


def test_the_end_of_the_upload_closes_the_batch_and_begins_the_next(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    room.talk(till, till.settle(Totals(1234, 1)))
    assert room.talk(till, till.upload(details((sale, 1234))))[39] == "00"
    assert room.talk(till, till.upload("0001", "207"))[39] == "00"
    (batch,) = room.books().batches
    assert (batch.balanced, batch.closed_at, room.books().terminals[0].batch) == (True, room.now, "000002")
    assert room.events() == []


def test_a_repeated_end_closes_once(room: Room, till: Till) -> None:
    """The answer to the end of the upload was lost: the terminal asks again, with the old batch number."""
    end = till.upload("0000", "207")
    room.talk(till, end)
    closed_at = room.books().batches[0].closed_at
    room.now += 60
    assert room.talk(till, end)[39] == "00"
    assert room.books().batches[0].closed_at == closed_at
    assert room.books().terminals[0].batch == "000002"


def test_batches_are_closed_in_order_though_sales_come_in_those_ahead(room: Room, till: Till) -> None:
    room.sold(till)
    till.batch = "000002"
    room.sold(till)
    ahead = till.settle(Totals(1234, 1))
    assert room.talk(till, ahead)[39] == "77"
    till.batch = "000001"
    assert results(room.talk(till, till.settle(Totals(1234, 1)))) == ("1", "1")
    room.talk(till, till.upload("0001", "207"))
    assert results(room.talk(till, ahead)) == ("1", "1")
    assert room.events() == []


def test_a_late_settlement_of_a_closed_batch_is_answered_and_changes_nothing(room: Room, till: Till) -> None:
    room.sold(till)
    request = till.settle(Totals(1234, 1))
    room.talk(till, request)
    room.talk(till, till.upload("0001", "207"))
    before = room.books().batches
    assert results(room.talk(till, request)) == ("1", "1")
    assert room.books().batches == before


def test_lines_may_come_again(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    request = till.upload(details((sale, 1235)))
    room.talk(till, request)
    room.talk(till, request)
    assert [event.kind for event in room.events()] == ["uploaded but not ours"]


def test_what_was_not_uploaded_is_told_to_a_person(room: Room, till: Till) -> None:
    room.sold(till)
    room.talk(till, till.upload("0000", "202"))
    assert [(event.kind, event.text) for event in room.events()] == [("approved but not uploaded", "1")]
    assert not room.books().batches[0].balanced


def test_a_balanced_batch_needs_no_upload(room: Room, till: Till) -> None:
    room.sold(till)
    room.talk(till, till.settle(Totals(1234, 1)))
    room.talk(till, till.upload("0001", "207"))
    assert room.events() == []
    assert room.books().batches[0].closed_at is not None


def test_a_batch_that_never_was_is_refused(room: Room, till: Till) -> None:
    till.batch = "000009"
    (data,) = room.sent(room.frame(till, till.settle(Totals())))
    assert (till.read(data)[39], command_of(data)) == ("77", "3")


@pytest.mark.parametrize("broken", ["12", "02" + "0" * 40, "00"])
def test_a_broken_list_is_a_format_error(broken: str, room: Room, till: Till) -> None:
    assert room.talk(till, till.upload(broken))[39] == "30"


def test_uploaded_card_numbers_are_not_kept(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    decision = room.frame(till, till.upload(details((sale, 1234))))
    assert PAN not in repr(decision)


def test_batch_numbers_wrap() -> None:
    assert (next_batch("000001"), next_batch("999999")) == ("000002", "000001")


# --- nothing is booked into a closed batch, or taken out of one, without a word ---------------------------------------


def closed(room: Room, till: Till, totals: Totals) -> None:
    room.talk(till, till.settle(totals))
    room.talk(till, till.upload(f"{totals.debit_count:04d}", "207"))
    till.batch = "000002"
    assert room.books().terminals[0].batch == "000002"


def kinds(room: Room) -> list[str]:
    return [event.kind for event in room.events()]


def test_an_advice_for_a_closed_batch_is_not_booked_and_its_terminal_asks_again(room: Room, till: Till) -> None:
    late = till.offline_sale()
    closed(room, till, Totals())
    assert room.sent(room.frame(till, late)) == [] and room.calls == []
    assert (room.reports[-1].kind, room.reports[-1].code) == ("offline sale not taken", "77")
    assert room.owed_to_merchant() == 0


def test_what_the_issuer_books_after_its_batch_was_closed_is_told_to_people(room: Room, till: Till) -> None:
    room.frame(till, till.offline_sale())
    under_way = room.take_calls()
    closed(room, till, Totals())
    assert kinds(room) == []
    room.calls = under_way
    room.issue()
    assert kinds(room) == ["booked after its batch was closed"]
    assert room.owed_to_merchant() == 1234, "the goods are gone, and the issuer has paid"


def test_a_reversal_of_what_was_booked_in_a_closed_batch_is_told_to_people(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    closed(room, till, Totals(1234, 1))
    assert room.talk(till, till.reversal(sale))[39] == "00"
    assert kinds(room) == ["reversed after its batch was closed"]


def test_what_moves_between_equal_sums_and_the_end_of_the_batch_is_told_to_people(room: Room, till: Till) -> None:
    room.sold(till)
    room.talk(till, till.settle(Totals(1234, 1)))
    room.sold(till)
    room.talk(till, till.upload("0001", "207"))
    assert kinds(room) == ["batch changed after the sums"]
