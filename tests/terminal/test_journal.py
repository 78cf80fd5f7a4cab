"""The journal: durable, append-only, and able to prove it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from terminal import journal as journals
from terminal.book import Book
from terminal.journal import SCHEMA_VERSION, Journal, JournalError, JournalUnwritable
from terminal.records import (
    Answered,
    ApprovedByCode,
    BatchClosed,
    BatchParked,
    Key,
    ParametersTaken,
    PrintBegan,
    Printed,
    Sent,
    SettleStarted,
    SpentTwice,
    Started,
    from_entry,
    to_entry,
)

KEY = Key("12345678", "000001", "000001")
SALE = (
    Started(KEY, "sale", 2500, "156", "01", "r1", 1.0),
    Sent(KEY, "sale", "051", "629999******0009", 2.0, card="5EA1ED", recovery_fields={"3": "000000"}),
    Answered(KEY, True, "00", 3.0, 2500, reference="260115000002"),
    Printed(KEY, 4.0),
)
CLOSING = (
    SettleStarted("000001", 2500, 1, 0, 0, "01", 5.0),
    BatchClosed("000001", "000002", "000002", balanced=True, at=6.0),
)
PARAMETERS = ParametersTaken(4.5, 45, "测试商户")
BY_CODE = (
    Started(KEY, "offline_sale", 2500, "156", "01", "r1", 1.0),
    ApprovedByCode(KEY, "TG1:6BF", "0A" * 32, 7, 82, "TG1:0a1b2c3d", 2.0, {"3": "000000", "22": "032"}, 5),
    SpentTwice(KEY, "TG1:6BG", 2.5),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        yield journal


def filled(journal: Journal) -> Journal:
    for record in SALE:
        journal.append(record)
    return journal


def edit(journal: Journal, statement: str) -> None:
    """Change the file as an attacker with an editor would: triggers taken away first."""
    with sqlite3.connect(journal.path) as db:
        db.executescript(f"DROP TRIGGER records_stay; DROP TRIGGER records_remain; {statement}")
    db.close()


@pytest.mark.parametrize("record", [*SALE, *CLOSING, PARAMETERS, *BY_CODE], ids=lambda r: type(r).__name__)
def test_record_survives_its_entry(record):
    assert from_entry(*to_entry(record)) == record


def test_what_was_appended_is_read_back_in_order(journal):
    filled(journal)
    with closing(Journal(journal.path)) as reopened:
        assert list(reopened.replay()) == list(SALE)


def test_replay_begins_at_the_last_settlement(journal):
    for record in SALE + CLOSING:
        journal.append(record)
    book = Book()
    for record in journal.replay():
        book.apply(record)
    assert book.batch == "000002" and not book.payments and book.last_settled == CLOSING[0]


def test_replay_has_what_the_host_has_set_however_long_ago(journal):
    older = ParametersTaken(0.5, 20, "旧店名")
    for record in (older, *SALE, PARAMETERS, *CLOSING):
        journal.append(record)
    assert list(journal.replay()) == [PARAMETERS, *CLOSING] and journal.parameters() == PARAMETERS


def test_replay_gives_every_record_once(journal):
    for record in (*SALE, *CLOSING, PARAMETERS):
        journal.append(record)
    assert list(journal.replay()) == [*CLOSING, PARAMETERS]


def test_journal_to_which_the_host_has_set_nothing(journal):
    assert filled(journal).parameters() is None


def test_what_the_host_has_set_is_found_without_reading_the_journal(journal):
    query = "SELECT MAX(sequence) FROM records WHERE type = 'ParametersTaken'"
    (plan,) = journal._db.execute(f"EXPLAIN QUERY PLAN {query}")
    assert "INDEX parameters" in plan[3]


def test_codes_that_have_paid_are_read_again_whatever_batch_they_paid_in(journal, monkeypatch):
    for record in (*BY_CODE, *CLOSING):
        journal.append(record)
    assert list(journal.replay()) == [BY_CODE[1], *CLOSING]
    monkeypatch.setattr(journals, "CODES_REMEMBERED", 0)
    assert list(journal.replay()) == [*CLOSING]


def test_of_too_many_codes_the_newest_are_read_in_their_order(journal, monkeypatch):
    codes = [replace(BY_CODE[1], key=replace(KEY, trace=f"{number:06d}"), counter=number) for number in range(4)]
    for record in (*codes, *CLOSING):
        journal.append(record)
    monkeypatch.setattr(journals, "CODES_REMEMBERED", 3)
    assert list(journal.replay()) == [*codes[1:], *CLOSING]


def test_codes_that_have_paid_are_read_again_when_their_batch_is_parked(journal):
    parked = (
        BatchParked("000001", "000002", "000001", KEY.terminal, 1, "01", 6.0, owed_count=1),
        BatchParked("000002", "000003", "000001", KEY.terminal, 2, "01", 7.0, owed_count=1),
        BatchParked("000003", "000004", "000001", KEY.terminal, 3, "01", 8.0, owed_count=1),
    )
    for record in (*BY_CODE, *parked):
        journal.append(record)
    replayed = list(journal.replay())
    assert replayed == [BY_CODE[1], *parked]
    book = Book()
    for record in replayed:
        book.apply(record)
    assert len(book.codes) == 1 and not book.payments


def test_codes_that_have_paid_are_found_without_reading_the_journal(journal):
    query = f"EXPLAIN QUERY PLAN SELECT sequence FROM records WHERE {journals._CODES_NEWEST}"
    assert any("INDEX codes" in plan[3] for plan in journal._db.execute(query, (1, 1)))


@pytest.mark.parametrize("version", [2, 3, 4])
def test_journal_of_before_there_were_codes_finds_them_as_fast(journal, version):
    filled(journal)
    journal._db.executescript(f"DROP INDEX codes; PRAGMA user_version = {version};")
    with closing(Journal(journal.path)) as reopened:
        test_codes_that_have_paid_are_found_without_reading_the_journal(reopened)
        assert list(reopened.replay()) == list(SALE) and reopened.verify().intact


def test_journal_of_the_first_version_is_brought_up_to_date(journal):
    filled(journal)
    journal._db.executescript("DROP INDEX parameters; DROP INDEX parkings; PRAGMA user_version = 1;")
    with closing(Journal(journal.path)) as reopened:
        assert list(reopened.replay()) == list(SALE) and reopened.verify().intact
        assert reopened._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION


@pytest.mark.parametrize("version", [3, 4])
def test_journal_is_raised_to_what_its_newest_records_need(journal, version):
    """An older program that met a record of a type that it does not know would stop in the midst of a day."""
    filled(journal)
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"
    before = journal._db.execute(indexes).fetchall()
    journal._db.executescript(
        f"DROP INDEX codes; DROP INDEX parkings; DROP INDEX records_of_no_payment; PRAGMA user_version = {version};"
    )
    with closing(Journal(journal.path)) as reopened:
        assert reopened._db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        assert reopened._db.execute(indexes).fetchall() == before and list(reopened.replay()) == list(SALE)


def test_slip_due_in_a_journal_that_did_not_note_prints_may_be_on_paper(journal):
    """Else an upgrade in the middle of a print would print the receipt a second time, as the original."""
    unprinted = [record for record in SALE if not isinstance(record, Printed)]
    for record in unprinted:
        journal.append(record)
    journal._db.executescript("PRAGMA user_version = 2;")
    for _ in range(2):
        with closing(Journal(journal.path)) as reopened:
            assert list(reopened.replay()) == [*unprinted, PrintBegan(KEY, 1.0)] and reopened.verify().intact


def test_payment_of_a_closed_batch_is_found(journal):
    for record in SALE + CLOSING:
        journal.append(record)
    payment = journal.payment(KEY)
    assert payment is not None and payment.reference == "260115000002" and payment.printed
    assert journal.settlement_of("000001") == CLOSING


def test_intact_chain_verifies(journal):
    assert filled(journal).verify().intact


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE records SET entry = replace(entry, '2500', '2600') WHERE sequence = 3", 3),
        ("UPDATE records SET type = 'Attention' WHERE sequence = 2", 2),
        ("DELETE FROM records WHERE sequence = 2", 2),
        ("DELETE FROM records WHERE sequence = 1", 1),
        ("UPDATE records SET hash = zeroblob(32) WHERE sequence = 4", 4),
    ],
)
def test_any_change_is_found_where_it_is(journal, statement, at):
    edit(filled(journal), statement)
    with closing(Journal(journal.path)) as reopened:
        verdict = reopened.verify()
    assert not verdict.intact and verdict.broken_at == at


@pytest.mark.parametrize("statement", ["UPDATE records SET type = 'X'", "DELETE FROM records"])
def test_database_itself_refuses_change(journal, statement):
    filled(journal)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        journal._db.execute(statement)


def test_full_disk_is_told_and_nothing_is_half_written(journal):
    filled(journal)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    keys = [Key("12345678", "000001", f"{trace:06d}") for trace in range(2, 2000)]
    with pytest.raises(JournalUnwritable):
        any(journal.append(Started(key, "sale", 1, "156", "01", str(key), 1.0)) for key in keys)
    journal._db.execute("PRAGMA max_page_count = 1000000")
    written = len(list(journal.everything()))
    journal.append(Printed(KEY, 9.0))
    assert journal.verify().intact and journal.verify().rows == written + 1


def test_records_that_are_appended_together_are_links_of_the_same_chain(journal):
    journal.append(*SALE)
    journal.append(CLOSING[0])
    assert list(journal.everything()) == [*SALE, CLOSING[0]] and journal.verify().intact


def test_records_that_are_appended_together_are_all_there_or_none(journal):
    filled(journal)
    keys = [Key("12345678", "000001", f"{trace:06d}") for trace in range(2, 2000)]
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalUnwritable):
        journal.append(*(Started(key, "sale", 1, "156", "01", str(key), 1.0) for key in keys))
    journal._db.execute("PRAGMA max_page_count = 1000000")
    assert list(journal.everything()) == list(SALE)
    journal.append(Printed(KEY, 9.0))
    assert journal.verify().intact and journal.verify().rows == len(SALE) + 1


def test_journal_of_another_version_is_refused_in_words(tmp_path):
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="version 99"):
        Journal(tmp_path / "journal.db")


def test_file_that_is_no_database_is_refused_in_words(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "journal.db")


def test_every_append_is_synced(journal):
    assert journal._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert journal._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
