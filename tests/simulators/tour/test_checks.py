"""The proofs can fail: each is shown what it is there to find."""

import io

import pytest
from rich.console import Console

from simulators.cards import load_card
from simulators.tour.checks import Books, Check, clear_card_numbers, three_books_agree
from simulators.tour.guide import Guide

PAN = load_card("golden").pan
SOLD = 1660


def test_books_that_agree():
    assert three_books_agree(Books(100_000, 50), Books(98_340, 1710), SOLD).holds


@pytest.mark.parametrize("after", [Books(98_341, 1710), Books(98_340, 1711), Books(98_341, 1709)])
def test_a_single_fen_is_found(after):
    assert not three_books_agree(Books(100_000, 50), after, SOLD).holds


@pytest.mark.parametrize("written", [PAN.encode(), bytes.fromhex(PAN), f"<{PAN}>".encode()])
def test_a_card_number_in_clear_is_found_wherever_it_lies(tmp_path, written):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "host.log").write_bytes(b"x" + written + b"y")
    (tmp_path / "clean.txt").write_text("629999******0009")
    assert clear_card_numbers(tmp_path) == ["logs/host.log"]


def test_the_issuer_knows_its_own_cards(tmp_path):
    (tmp_path / "issuer").mkdir()
    (tmp_path / "issuer" / "issuer.db").write_bytes(PAN.encode())
    assert clear_card_numbers(tmp_path) == []


@pytest.mark.parametrize(("holds", "ok"), [(True, True), (False, False)])
def test_one_broken_check_fails_the_whole_demo_in_words(holds, ok):
    said = io.StringIO()
    guide = Guide(Console(file=said))
    guide.checked([Check("a", "甲", "first", True, ""), Check("b", "乙", "second", holds, "3 = 4")])
    assert guide.ok is ok
    assert ("not so: second" in said.getvalue()) is not ok


def test_a_demo_that_proved_nothing_is_not_well():
    assert not Guide(Console(quiet=True)).ok
