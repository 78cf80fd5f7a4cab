"""Parked batches in the journal, and what people are told of them, on the page and by commands."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from simulators.memory_journal import MemoryJournal
from terminal.book import Book
from terminal.cashier.sale import Moment
from terminal.cashier.strip import alerts
from terminal.cashier.texts import Texts, texts_in
from terminal.events import CardErased, LinkLost, SettleRequested
from terminal.journal import Journal
from terminal.records import ParametersTaken, Record
from terminal.view import view_of
from tests.terminal.rig import Till
from tests.terminal.test_parked import DAY, SMALL, Host, back_online, ended, finish, open_batch_sent, parked, sell
from tillgate import main

# --- the journal ------------------------------------------------------------------------------------------------------


def settled_day() -> list[Record]:
    """The day; then people settle; another outage, two more batches, a slip that is due, and one batch is sent."""
    till, host = Till(DAY, SMALL), Host()
    finish(till, host)
    till.on(SettleRequested("01"))
    host.answer_all(till, till.effects)
    till.on(LinkLost())
    for number in range(4):
        sell(till, 200 + number)
        till.print_slips()
    sell(till, 204)
    host.answer_all(till, open_batch_sent(till), at_most=len(till.records) + 6)
    return till.records


def state_of(records: Iterable[Record]) -> tuple[object, ...]:
    book = Book()
    for record in records:
        book.apply(record)
    return (
        book.batch, book.next_trace, book.payments, book.requests, book.settling, book.settle_answer,
        book.last_settled, book.last_closed, book.parked, book.slips_due, book.lost, book.parameters,
        book.unbalanced,
    )  # fmt: skip


def test_what_a_start_reads_says_the_same_as_the_whole_journal_after_every_record(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        for number, record in enumerate(settled_day(), 1):
            journal.append(record)
            if number == 12:
                journal.append(ParametersTaken(1.0, 20, "店"))
            assert state_of(journal.replay()) == state_of(journal.everything()), number


def test_what_a_start_reads_does_not_grow_with_what_is_parked_or_was_drained(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        for record in parked(7).records:
            journal.append(record)
        few = len(list(journal.replay()))
        assert few < len(list(journal.everything()))
        longer = parked(15).records
    with closing(Journal(tmp_path / "longer.db")) as journal:
        for record in longer:
            journal.append(record)
        assert len(list(journal.replay())) == few + 4, "one line for each batch more"


def test_the_journal_gives_back_a_batch_and_the_settlement_under_way(tmp_path: Path) -> None:
    till, records = parked(3), list[Record]()
    Host().answer_all(till, open_batch_sent(till))
    with closing(Journal(tmp_path / "journal.db")) as journal:
        for record in till.records:
            journal.append(record)
            records.append(record)
            memory = MemoryJournal(records)
            for batch in ("000007", "000008"):
                closed_by_now = batch in ended(records)
                if not closed_by_now:
                    assert list(journal.batch("12345678", batch)) == list(memory.batch("12345678", batch))


def test_no_question_of_a_start_reads_the_journal_from_end_to_end(tmp_path: Path) -> None:
    asked: list[str] = []
    with closing(Journal(tmp_path / "journal.db")) as journal:
        for record in settled_day():
            journal.append(record)
        journal._db.set_trace_callback(asked.append)
        list(journal.replay())
        list(journal.batch("12345678", "000010"))
        journal._db.set_trace_callback(None)
        plans = {sql: [row[3] for row in journal._db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked}
    assert plans
    for sql, plan in plans.items():
        found = [step for step in plan if "SCAN" in step or "rowid>" in step or "rowid<" in step]
        assert not [step for step in found if "INDEX parkings" not in step], (sql, plan)


# --- what people are told ---------------------------------------------------------------------------------------------


def kept(records: Iterable[Record], folder: Path) -> Path:
    with closing(Journal(folder / "journal.db")) as journal:
        for record in records:
            journal.append(record)
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["terminal", "queue", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_queue_lists_each_parked_batch_and_the_payments_of_the_first(tmp_path, capsys):
    lines = told(capsys, "list", "--data", str(kept(parked(5).records, tmp_path)))
    batches = [(line["parked_batch"], line["owed_amount"]) for line in lines if "parked_batch" in line]
    assert batches == [("000007", 201), ("000008", 205)]
    assert [line["amount"] for line in lines if "key" in line] == [100, 101, 104]


def test_what_was_lost_is_listed_payment_by_payment(tmp_path, capsys):
    till = parked(5)
    back_online(till, Host({100: "51", 103: "51", 104: "51"}))
    lines = told(capsys, "lost", "--data", str(kept(till.records, tmp_path)))
    assert [(line["amount"], line["attention"]) for line in lines] == [(100, "declined_later"), (103, "declined_later")]


def test_after_a_settlement_by_people_nothing_is_listed_as_lost(tmp_path, capsys):
    till, host = parked(5), Host({100: "51"})
    back_online(till, host)
    till.on(SettleRequested("01"))
    host.answer_all(till, till.effects)
    assert told(capsys, "lost", "--data", str(kept(till.records, tmp_path))) == []


@pytest.mark.parametrize(
    ("language", "waits", "lost"),
    [
        ("en", "wait to be settled: 2", "declined: 1, ¥1.00"),
        ("zh", "2 个已满批次", "1 笔离线交易被银行拒绝，共 ¥1.00"),
    ],
)
def test_the_page_says_what_is_parked_and_what_was_lost(language, waits, lost):
    till, texts = parked(5), texts_in(language)
    assert waits in said_on_the_page(till, texts)
    back_online(till, Host({100: "51"}))
    assert lost in said_on_the_page(till, texts) and waits not in said_on_the_page(till, texts)


def test_the_page_says_that_a_parked_batch_did_not_balance():
    till = parked(3)
    back_online(till, Host(balances=False))
    assert "did not balance: 1" in said_on_the_page(till, texts_in("en"))


def said_on_the_page(till: Till, texts: Texts) -> str:
    return "\n".join(alert.text for alert in alerts(view_of(till.counter, {}), Moment("01", "", till.now), texts))


def test_the_page_shows_what_needs_people_in_the_batch_that_is_loaded():
    till = parked(3)
    open_batch_sent(till)
    sale = next(iter(till.counter.book.draining.payments))  # type: ignore[union-attr]
    till.on(CardErased(sale))
    (shown,) = [payment for payment in view_of(till.counter, {})["open"] if payment["key"] == str(sale)]
    assert shown["needs_people"] and not shown["voidable"]
