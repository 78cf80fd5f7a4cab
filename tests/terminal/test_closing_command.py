"""`tillgate terminal queue close` at a terminal that does not run, and what it says when people may not close."""

import json
from contextlib import closing

import pytest

from terminal.journal import Journal
from terminal.operators import Operators
from terminal.records import CARD_ERASED, Attention, BatchParked, ClosedByPeople, Key, Sent, Started
from tests.shop.rig import free_port
from tillgate import main

KEY = Key("12345678", "000001", "000002")
PINS = ["--operator-pin", "1111", "--supervisor-pin", "2222"]
RIGHT = ["--booked", "--statement", "ACQ-0117/3", "--operator", "01", "--supervisor", "00", *PINS]


@pytest.fixture
def folder(tmp_path):
    journal = Journal(tmp_path / "journal.db")
    for key, attention in ((KEY, CARD_ERASED), (Key("12345678", "000001", "000003"), "")):
        journal.append(Started(key, "refund", 700, "156", "01", f"r{key.trace}", 1.0, "00"))
        journal.append(Sent(key, "refund", "012", "629999******0009", 2.0, card="5EA1ED"))
        if attention:
            journal.append(Attention(key, attention, 3.0))
    journal.close()
    Operators(tmp_path / "operators.json").add("01", "cashier", "1111")
    Operators(tmp_path / "operators.json").add("00", "supervisor", "2222")
    (tmp_path / "profile.toml").write_text(
        'terminal_id = "12345678"\nmerchant_id = "898110053110001"\nmerchant_name_zh = "x"\nmerchant_name_en = "x"\n'
        f"page_port = {free_port()}\n"
    )
    return tmp_path


def closed(folder) -> list[ClosedByPeople]:
    journal = Journal(folder / "journal.db")
    records = [record for record in journal.everything() if isinstance(record, ClosedByPeople)]
    assert journal.verify().intact
    journal.close()
    return records


def close(folder, *arguments: str) -> int:
    return main(["terminal", "queue", "close", "--data", str(folder), "--yes", "--json", *arguments])


@pytest.mark.parametrize(("option", "booked"), [("--booked", True), ("--not-booked", False)])
def test_it_is_closed_in_the_journal_by_one_record(folder, capsys, option, booked):
    assert close(folder, str(KEY), *RIGHT, option) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["booked"] is booked and "¥7.00" in said.err
    (record,) = closed(folder)
    assert (record.key, record.booked, record.statement) == (KEY, booked, "ACQ-0117/3")
    assert (record.operator, record.supervisor) == ("01", "00")
    assert close(folder, str(KEY), *RIGHT) == 1 and len(closed(folder)) == 1


def test_also_in_the_oldest_batch_that_is_parked(folder):
    with closing(Journal(folder / "journal.db")) as journal:
        journal.append(BatchParked("000001", "000002", "000004", "12345678", 1, "01", 4.0, asked=2))
    assert close(folder, str(KEY), *RIGHT) == 0
    (record,) = closed(folder)
    assert record.key == KEY


def test_the_queue_tells_which_needs_people(folder, capsys):
    assert main(["terminal", "queue", "list", "--data", str(folder), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["needs_people"] for line in lines if line["key"] == str(KEY)] == [True]
    assert [line["needs_people"] for line in lines if line["key"] != str(KEY)] == [False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["12345678-000001-000003", *RIGHT], "People close only what"),
        (["12345678-000001-000009", *RIGHT], "see queue list"),
        (["nonsense", *RIGHT], "see queue list"),
        ([str(KEY), *RIGHT, "--operator-pin", "9999"], "Wrong PIN"),
        ([str(KEY), *RIGHT, "--supervisor-pin", "9999"], "Wrong PIN"),
        ([str(KEY), *RIGHT, "--supervisor", "01", "--supervisor-pin", "1111"], "No such operator"),
        ([str(KEY), *RIGHT, "--operator", "00", "--operator-pin", "2222"], "Two different people"),
        ([str(KEY), *RIGHT, "--statement", "6299990000000009"], "may be a card number"),
    ],
)
def test_what_may_not_be_is_told_in_words_and_nothing_is_written(folder, capsys, arguments, said):
    assert close(folder, *arguments) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and "9999" not in error
    assert closed(folder) == []


def test_a_folder_without_a_journal_is_told_in_words(tmp_path, capsys):
    assert close(tmp_path, str(KEY), *RIGHT) == 1
    assert "no journal" in capsys.readouterr().err


def test_what_the_statement_says_must_be_said(folder):
    assert close(folder, str(KEY), *RIGHT[1:]) == 2
