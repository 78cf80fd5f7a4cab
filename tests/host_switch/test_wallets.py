"""`tillgate host wallet …`: what a phone is given pays, what was lost does not, and nobody sees an account."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import paycode
import tillgate
from host_switch import start
from tests.host_switch.room import Room
from tests.host_switch.till import PAN

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    (tmp_path / "card.txt").write_text(f"{PAN}\n")

    def typed(*words: str) -> tuple[int, str, str]:
        code = tillgate.main(["host", "wallet", *words, "--data", str(tmp_path / "host")])
        written = capsys.readouterr()
        return code, written.out, written.err

    return typed


def added(run: Run, folder: Path) -> paycode.DigitWallet:
    out = folder / "phone.json"
    words = ("add", "7", "--name", "王芳", "--account-file", str(folder / "card.txt"), "--out", str(out))
    assert run(*words)[0] == 0
    return wallet_in(out)


def wallet_in(path: Path) -> paycode.DigitWallet:
    kept = json.loads(path.read_text())
    return paycode.DigitWallet(kept["prefix"], bytes.fromhex(kept["seed"]), tuple(kept["handles"]), kept["step_s"])


def sold(folder: Path, *wallets: paycode.DigitWallet) -> list[str]:
    """What sales with each wallet's next code are answered."""
    with start.opened_store(folder / "host", to_write=True) as store:
        room = Room(store, now=time.time())
        till = room.till()
        codes = [paycode.issue(wallet, int(room.now))[0] for wallet in wallets]
        return [room.talk(till, till.qr_sale(code)).text(39) for code in codes]


def test_a_phone_that_was_given_a_wallet_pays(run: Run, tmp_path: Path) -> None:
    assert sold(tmp_path, added(run, tmp_path)) == ["00"]
    assert (tmp_path / "phone.json").stat().st_mode & 0o777 == 0o600


def test_a_refreshed_wallet_takes_the_place_of_the_one_before(run: Run, tmp_path: Path) -> None:
    before = added(run, tmp_path)
    code, out, _ = run("refresh", "7", "--out", str(tmp_path / "phone.json"), "--json")
    assert (code, json.loads(out)["handles"]) == (0, 64)
    after = wallet_in(tmp_path / "phone.json")
    assert not set(before.handles) & set(after.handles) and before.seed != after.seed
    assert sold(tmp_path, before, after) == ["P3", "00"]


def test_a_phone_that_is_lost_pays_nothing(run: Run, tmp_path: Path) -> None:
    wallet = added(run, tmp_path)
    assert run("lost", "7")[0] == 0
    assert sold(tmp_path, wallet) == ["P3"]


def test_the_list_shows_what_an_operator_may_see(run: Run, tmp_path: Path) -> None:
    wallet = added(run, tmp_path)
    assert sold(tmp_path, wallet) == ["00"]
    _, out, _ = run("list", "--json")
    assert json.loads(out) == {
        "number": 7, "name": "王芳", "account": "629999******0009", "prefix": "7710", "handles": 64, "paid": 1,
        "hours_since_online": 0.0, "failed_tries": 0, "locked": False,
    }  # fmt: skip
    _, out, _ = run("list")
    assert "629999******0009" in out and PAN not in out and wallet.seed.hex() not in out


@pytest.mark.parametrize("words", [("refresh", "8", "--out", "phone.json"), ("lost", "8")])
def test_a_user_who_is_not_known_is_refused_in_one_sentence(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    added(run, tmp_path)
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no user 8" in err and "wallet add" in err


@pytest.mark.parametrize("content", ["", "not a number", "1" * 12, "1" * 20, "６２９９９９００００００９"])
def test_a_file_that_holds_no_card_number_is_refused_and_not_shown(content: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(content, "utf-8")
    words = ("add", "7", "--name", "王芳", "--account-file", str(tmp_path / "other.txt"), "--out", "phone.json")
    code, _, err = run(*words)
    assert code == 1 and "13 to 19 digits" in err
    assert not content or content not in err


def test_a_wallet_that_cannot_be_written_says_what_to_do(run: Run, tmp_path: Path) -> None:
    added(run, tmp_path)
    (tmp_path / "folder").mkdir()
    code, _, err = run("refresh", "7", "--out", str(tmp_path / "folder"))
    assert code == 1 and "refresh this wallet again" in err
