"""Each validation finds what it is there to find; a healthy book has nothing to find."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from host_switch.invariants import VALIDATIONS, Validation, breaches, nothing_is_owed, signed_codes_pay_once
from host_switch.ledger import Head, chain
from host_switch.records import CodeSpent, Entry, Key, Leg, Outcome, Posting, SignedUse
from host_switch.store import Books, MemoryStore
from tests.host_switch.room import POLICY, Room
from tests.host_switch.till import PAN


@pytest.fixture
def books() -> Books:
    """A day with something of everything."""
    from host_switch.keys import KeyRoom

    room = Room(MemoryStore(POLICY, KeyRoom(bytes(32)).fresh_keys))
    till = room.till()
    room.talk(till, till.sale(5_000_001))
    sale, reference = room.sold(till, 1000)
    room.talk(till, till.refund(sale, reference, 400))
    reversed_sale, _ = room.sold(till, 500)
    room.talk(till, till.reversal(reversed_sale))
    room.talk(till, till.reversal(till.sale()))
    return room.books()


def first(books: Books, **changed: object) -> Books:
    """The books with the first approved sale changed."""
    at = next(at for at, row in enumerate(books.transactions) if row.outcome is Outcome.APPROVED)
    rows = list(books.transactions)
    rows[at] = replace(rows[at], **changed)  # type: ignore[arg-type]
    return replace(books, transactions=tuple(rows))


def with_entry(books: Books, key: Key, reason: str, amount: int) -> Books:
    last = books.records[-1]
    postings = (Posting("clearing:issuer", amount, "156"), Posting("merchant:m", -amount, "156"))
    more = chain(Head(last.sequence, last.entry, last.digest), Entry(key, reason, 1.0, postings))
    return replace(books, records=(*books.records, *more))


def sale_key(books: Books) -> Key:
    return next(row.key for row in books.transactions if row.outcome is Outcome.APPROVED)


PLANTED: dict[str, Callable[[Books], Books]] = {
    "entries_balance": lambda b: replace(b, records=b.records[:-1]),
    "chain_is_intact": lambda b: replace(b, records=b.records[2:]),
    "every_key_is_booked_once": lambda b: with_entry(b, sale_key(b), "sale", 1000),
    "bookings_follow_outcomes": lambda b: first(b, outcome=Outcome.DECLINED),
    "nothing_is_given_back_twice": lambda b: first(b, amount=399),
    "debts_have_a_time": lambda b: first(b, due_at=1.0),
    "answers_are_kept": lambda b: first(b, reply=b""),
    "keys_are_unique": lambda b: replace(b, transactions=(*b.transactions, b.transactions[0])),
    "no_card_data_is_kept": lambda b: first(b, masked=PAN),
    "debts_are_of_this_host": lambda b: replace(
        b, transactions=(*b.transactions[:-1], replace(b.transactions[-1], leg=Leg.REVERSED))
    ),
    "codes_pay_once": lambda b: replace(b, codes_spent=(*b.codes_spent, CodeSpent(b"a handle", 3))),
    "signed_codes_pay_once": lambda b: replace(b, signed_uses=(SignedUse(2, bytes(32), 0, paid=True),)),
}


def test_a_healthy_book_has_no_breach(books: Books) -> None:
    assert breaches(books) == []
    assert len(books.transactions) == 5


@pytest.mark.parametrize("validation", VALIDATIONS, ids=lambda validation: validation.__name__)
def test_a_planted_fault_is_found(validation: Validation, books: Books) -> None:
    assert list(validation(books)) == []
    assert list(validation(PLANTED[validation.__name__](books)))


def test_a_counter_that_has_paid_twice_and_a_refused_code_that_was_paid_are_found(books: Books) -> None:
    sold = first(books, kind="offline_code_sale")
    row = next(row for row in sold.transactions if row.kind == "offline_code_sale")
    use = SignedUse(row.number, bytes(32), 7, paid=True)
    for uses, found in (((use,), 0), ((use, use), 2), ((replace(use, paid=False),), 1)):
        assert len(list(signed_codes_pay_once(replace(sold, signed_uses=uses)))) == found


def test_an_orphan_posting_is_found(books: Books) -> None:
    orphaned = with_entry(books, Key("12345678", "000001", "999999"), "sale", 1)
    assert [breach.validation for breach in breaches(orphaned)] == ["bookings follow outcomes"]


def test_a_stored_answer_with_a_card_number_is_found(books: Books) -> None:
    from iso8583 import Message, load_dialect

    leaking = load_dialect("unionpay_pos").encode(Message("0210", {2: PAN, 39: "00", 64: bytes(8)}))[:-8]
    assert [breach.validation for breach in breaches(first(books, reply=leaking))] == ["no card data is kept"]


def test_an_open_transaction_is_no_breach_of_a_busy_host_but_of_a_quiet_one() -> None:
    from host_switch.keys import KeyRoom

    room = Room(MemoryStore(POLICY, KeyRoom(bytes(32)).fresh_keys))
    till = room.till()
    room.frame(till, till.sale())
    assert breaches(room.books()) == []
    assert len(list(nothing_is_owed(room.books()))) == 1
