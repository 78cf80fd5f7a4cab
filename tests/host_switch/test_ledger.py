"""The ledger: balanced, chained, derived."""

from typing import Any

import pytest

from host_switch.ledger import CLEARING, Head, Record, balances, chain, first_break
from host_switch.records import Entry, Key, Posting

KEY = Key("12345678", "000001", "000001")


def entry(amount: int, *more: Posting) -> Entry:
    return Entry(KEY, "sale", 1.0, (Posting(CLEARING, amount, "156"), Posting("merchant:m", -amount, "156"), *more))


def records(*entries: Entry) -> list[Record]:
    written: list[Record] = []
    head = Head()
    for each in entries:
        written += chain(head, each)
        head = Head(written[-1].sequence, written[-1].entry, written[-1].digest)
    return written


def test_balances_are_the_sums_of_all_records() -> None:
    assert balances(records(entry(100), entry(-30))) == {(CLEARING, "156"): 70, ("merchant:m", "156"): -70}


@pytest.mark.parametrize(
    "wrong",
    [
        entry(100, Posting("fees", 1, "156")),
        Entry(KEY, "sale", 1.0, ()),
        Entry(KEY, "sale", 1.0, (Posting(CLEARING, 1, "156"), Posting("merchant:m", -1, "840"))),
    ],
    ids=["does not sum to zero", "is empty", "mixes currencies"],
)
def test_an_entry_that_is_wrong_is_never_written(wrong: Entry) -> None:
    with pytest.raises(AssertionError):
        list(chain(Head(), wrong))


def test_the_chain_holds() -> None:
    assert first_break(records(entry(1), entry(2), entry(3))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 7}, {"account": "merchant:other"}, {"currency": "840"}, {"at": 2.0}, {"reason": "refund"},
        {"key": Key("12345678", "000001", "000002")}, {"digest": bytes(32)}, {"entry": 9},
    ],
)  # fmt: skip
def test_a_changed_record_breaks_the_chain(change: dict[str, Any]) -> None:
    written = records(entry(1), entry(2), entry(3))
    written[2] = written[2]._replace(**change)
    assert first_break(written) == 3


def test_a_missing_record_breaks_the_chain() -> None:
    written = records(entry(1), entry(2))
    assert first_break([*written[:1], *written[2:]]) == 3


def test_an_exchanged_record_breaks_the_chain() -> None:
    written = records(entry(1), entry(2))
    assert first_break([written[0], written[1], written[3], written[2]]) == 4
