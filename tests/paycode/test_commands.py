"""`tillgate paycode …` as a person and as a machine types it."""

import json
import tomllib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tillgate
from paycode import Reason
from tests.paycode.issuing import NOW
from tests.paycode.transit_codes import CODE, root_record

Run = Callable[..., tuple[int, str, str]]
TEXTS = Path(__file__).parents[2] / "paycode" / "texts"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def typed(*words: str, at: int = NOW) -> tuple[int, str, str]:
        code = tillgate.main(["paycode", *words, "--data", str(tmp_path / "trial"), "--at", str(at)])
        written = capsys.readouterr()
        return code, written.out.strip(), written.err.strip()

    assert typed("new")[0] == 0
    return typed


def told(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_signed_code_pays_once(run: Run) -> None:
    code = run("issue", "--amount", "2500", "--merchant", "898110053110001")[1]
    words = ("verify", code, "--amount", "2500", "--merchant", "898110053110001")
    assert run(*words, at=NOW + 5)[0] == 0
    again = run(*words, "--json", at=NOW + 6)
    assert again[0] == 1
    assert told(again[1])["reason"] == "replayed"
    assert run("verify", run("issue")[1])[0] == 0


def test_digits_pay_once(run: Run) -> None:
    code = told(run("issue", "--kind", "digits", "--json")[1])["code"]
    done = run("verify", code, "--json")
    assert (done[0], told(done[1])) == (0, {"accepted": True, "kind": "digits", "user": "******0001"})
    exit_code, out, error = run("verify", code)
    assert (exit_code, out) == (1, "")
    assert "这个码已经付过款" in error and "has paid already" in error and "(slot_used)" in error
    assert run("verify", run("issue", "--kind", "digits")[1])[0] == 0


def test_wrong_passwords_are_counted_from_one_call_to_the_next(run: Run) -> None:
    code = run("issue", "--kind", "digits")[1]
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    reasons = [told(run("verify", wrong, "--json")[1])["reason"] for _ in range(6)]
    assert reasons == ["password_wrong"] * 5 + ["user_locked"]


def test_failures_of_a_terminal_are_counted_from_one_call_to_the_next(run: Run) -> None:
    reasons = [told(run("verify", "7710" + "0" * 20, "--json")[1])["reason"] for _ in range(31)]
    assert reasons == ["user_unknown"] * 30 + ["terminal_locked"]


def test_a_transit_code_is_taken_where_its_root_is_known(run: Run, tmp_path: Path) -> None:
    shown = b64encode(CODE).decode()
    assert told(run("verify", shown, "--json")[1])["reason"] == "not_taken"
    file = tmp_path / "trial" / "trust.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "roots": [root_record().hex()]}))
    done = run("verify", shown, "--json")
    assert told(done[1]) == {"accepted": True, "kind": "transit", "account": "************0001", "ride_max": 100_000}
    again = told(run("verify", shown, "--json", at=NOW + 30)[1])
    assert (again["reason"], again["number"]) == ("replayed", -115)


def test_a_wallet_moves_on_before_its_code_is_shown(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "trial" / "wallet.json"
    before = json.loads(file.read_text())
    code = run("issue", "--kind", "digits")[1]
    run("issue")
    after = json.loads(file.read_text())
    assert before["digits"]["handles"][1:] == after["digits"]["handles"]
    assert before["digits"]["handles"][0] in code
    assert after["signed"]["counter"] == before["signed"]["counter"] + 1


def test_files_with_keys_are_for_their_owner_alone(run: Run, tmp_path: Path) -> None:
    run("issue")
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "trial").iterdir()} == {0o600}
    assert {file.name for file in (tmp_path / "trial").iterdir()} == {"wallet.json", "trust.json"}


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("new",), 1, "holds a trial already"),
        (("issue", "--kind", "digits", "--amount", "1"), 2, "no room for --amount"),
        (("issue", "--merchant", "x" * 99), 1, "300 bytes"),
        (("issue", "--kind", "cash"), 2, "--help"),
        (("verify",), 2, "--help"),
        (("verify", "0000"), 1, "form_unknown"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(run: Run, words: tuple[str, ...], exit_code: int, said: str) -> None:
    code, out, error = run(*words)
    assert (code, out) == (exit_code, "")
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"user": 1}', '{"digits": 1, "signed": {"key": "zz"}}'])
def test_a_damaged_folder_is_told_in_a_sentence(run: Run, tmp_path: Path, damage: str) -> None:
    for name in ("wallet.json", "trust.json"):
        (tmp_path / "trial" / name).write_text(damage)
    for words in (("issue",), ("issue", "--kind", "digits"), ("verify", "0")):
        code, _, error = run(*words)
        assert code == 1
        assert "is damaged" in error


def test_a_folder_that_is_none_is_told_in_a_sentence(run: Run, tmp_path: Path) -> None:
    for file in (tmp_path / "trial").iterdir():
        file.unlink()
    assert "tillgate paycode new" in run("issue")[2]


def test_no_output_shows_a_key(run: Run, tmp_path: Path) -> None:
    shown = [run("issue", "--kind", "digits"), run("verify", "771000000000000000000000"), run("issue")]
    kept = json.loads((tmp_path / "trial" / "wallet.json").read_text())
    for secret in (kept["digits"]["seed"], kept["signed"]["key"], kept["digits"]["handles"][1]):
        assert secret not in str(shown)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_reason_has_its_sentence(language: str) -> None:
    texts = tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))
    assert list(texts) == [reason.value for reason in Reason]
    assert all(text.endswith("。" if language == "zh" else ".") for text in texts.values())
