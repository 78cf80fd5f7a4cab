"""`tillgate sim card`: the deck, a card of one's own that the real kernel takes, and traces that show no card data."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import tillgate
from simulators.cards import DECK, read_card

PAN = "6299990000000207"
NEW = ("new", "--pan", PAN, "--expiry", "3012", "--seed", "7")
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `tillgate sim card` in an empty folder; what it says, or what is wrong."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        assert tillgate.main(["sim", "card", *arguments]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def test_the_list_names_every_card_and_shows_no_number(run: Run) -> None:
    cards = [json.loads(line) for line in run("list", "--json").splitlines()]
    assert tuple(card["name"] for card in cards) == DECK
    assert all("******" in card["number"] and card["zh"] and card["en"] for card in cards)


@pytest.mark.parametrize("options", [(), ("--sda",), ("--contactless", "--pin", "123456")])
def test_a_new_card_is_authenticated_and_sold_to_with_its_own_ca(run: Run, options: tuple[str, ...]) -> None:
    assert PAN not in run(*NEW, "--out", "card.toml", *options)
    traced = json.loads(run("trace", "card.toml", "--ca-keys", "authority/ca_keys.json", "--json"))
    assert (traced["outcome"], traced["reason"]) == ("approved", "approved_online")
    first = next(one["command"] for one in traced["exchanges"] if one["command"].startswith("80AE"))
    assert first[38:48] == ("0200048000" if "--sda" in options else "0000048000"), "the terminal's findings"


def test_a_new_card_taps(run: Run) -> None:
    run(*NEW, "--out", "card.toml", "--contactless")
    said = run("trace", "card.toml", "--tap", "--ca-keys", "authority/ca_keys.json")
    assert said.splitlines()[-1] == "approved: approved_offline"
    assert PAN not in said


def test_the_same_seed_makes_the_same_card_for_its_owner_alone(run: Run) -> None:
    run(*NEW, "--out", "one.toml")
    run(*NEW, "--out", "two.toml")
    assert Path("one.toml").read_text() == Path("two.toml").read_text()
    assert stat.S_IMODE(Path("one.toml").stat().st_mode) == 0o600
    assert read_card(Path("one.toml")).expiry == "301231"


@pytest.mark.parametrize("card", ["golden", "silent", "pulled_out", "foreign", "card_blocked"])
def test_a_trace_in_clear_is_replayed_to_the_same_end(run: Run, card: str) -> None:
    recorded = run("trace", card, "--out", "trace.json", "--show-card-data")
    assert run("trace", "--replay", "trace.json") == recorded


def test_what_is_printed_and_saved_is_masked_unless_it_is_said(run: Run) -> None:
    printed = run("trace", "golden", "--out", "masked.json")
    clear = run("trace", "golden", "--out", "clear.json", "--show-card-data")
    for text in (printed, clear, Path("masked.json").read_text()):
        assert "6299990000000009" not in text
        assert b"TEST/CARD".hex().upper() not in text
    assert "6299990000000009" in Path("clear.json").read_text()
    assert stat.S_IMODE(Path("clear.json").stat().st_mode) == 0o600
    assert "cannot be replayed" in run("trace", "--replay", "masked.json", code=1)


def test_a_trace_that_the_terminal_does_not_follow_is_told(run: Run) -> None:
    run("trace", "golden", "--out", "trace.json", "--show-card-data")
    saved = json.loads(Path("trace.json").read_text())
    saved["exchanges"][1]["command"] = "00B2010400"
    Path("other.json").write_text(json.dumps(saved))
    assert "command 2 is not the recorded one" in run("trace", "--replay", "other.json", code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("trace", "platinum"), 1, "no card platinum"),
        (("trace",), 2, "one of the two"),
        (("trace", "good", "--tap"), 1, "no antenna"),
        (("trace", "--replay", "junk"), 1, "no trace of a card"),
        (("trace", "junk"), 1, "no card's file"),
        (("new", "--pan", "6299990000000208", "--expiry", "3012", "--out", "c"), 2, "check digit"),
        (("new", "--pan", PAN, "--expiry", "3013", "--out", "c"), 2, "YYMM"),
        ((*NEW, "--out", "c", "--sequence", "1"), 2, "two digits"),
        ((*NEW, "--out", "c", "--pin", "12"), 2, "4 to 12 digits"),
        ((*NEW, "--out", "junk"), 1, "another name"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    Path("junk").write_text("[]")
    assert said in run(*arguments, code=code)
