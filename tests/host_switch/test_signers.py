"""`tillgate host code-issuer …` and `code-user …`: who is made known pays, who is revoked is told of."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tillgate
from host_switch import start
from host_switch.events import PhoneGiven
from simulators.signed_phones import CodeIssuer, SignedPhone
from tests.host_switch.room import Room
from tests.host_switch.till import PAN

Run = Callable[..., tuple[int, str, str]]
ISSUER = CodeIssuer()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    (tmp_path / "issuers.json").write_text(ISSUER.issuer_file(), "utf-8")
    start.carry_out(tmp_path / "host", PhoneGiven(7, bytes(32), int(time.time()), PAN, "王芳"))

    def typed(*words: str) -> tuple[int, str, str]:
        code = tillgate.main(["host", *words, "--data", str(tmp_path / "host")])
        written = capsys.readouterr()
        return code, written.out, written.err

    return typed


def known_phone(run: Run, folder: Path) -> SignedPhone:
    phone = ISSUER.phone("Li", time.time())
    assert run("code-issuer", "add", str(folder / "issuers.json"))[0] == 0
    assert run("code-user", "add", phone.key.hex(), "--user", "7")[0] == 0
    return phone


def sold(folder: Path, *codes: str) -> list[str]:
    """What offline sales by these codes are answered."""
    with start.opened_store(folder / "host", to_write=True) as store:
        room = Room(store, now=time.time())
        till = room.till()
        return [room.talk(till, till.offline_code_sale(code)).text(39) for code in codes]


def test_who_is_made_known_pays(run: Run, tmp_path: Path) -> None:
    phone = known_phone(run, tmp_path)
    assert sold(tmp_path, phone.show(time.time())) == ["00"]


def test_issuers_and_keys_are_listed(run: Run, tmp_path: Path) -> None:
    phone = known_phone(run, tmp_path)
    _, out, _ = run("code-issuer", "list", "--json")
    key = ISSUER.public_key.data.hex()
    assert json.loads(out) == {"key_id": ISSUER.key_id.hex(), "name": "bank", "algorithm": "Ed25519", "key": key}
    _, out, _ = run("code-user", "list", "--json")
    (listed,) = map(json.loads, out.splitlines())
    assert (listed["user"], listed["key"], listed["revoked_at"]) == (7, phone.key.hex(), None)


def test_a_revoked_key_stays_so_and_a_person_hears_of_its_codes(run: Run, tmp_path: Path) -> None:
    phone = known_phone(run, tmp_path)
    for _ in range(2):
        code, out, _ = run("code-user", "revoke", phone.key.hex(), "--json")
        assert code == 0
    first = json.loads(out)["revoked_at"]
    assert first <= time.time()
    assert sold(tmp_path, phone.show(time.time() + 5)) == ["00"]
    _, out, _ = run("events", "--json")
    assert json.loads(out)["kind"] == "signed code of a revoked key"


def test_a_key_that_is_revoked_or_anothers_is_not_added_again(run: Run, tmp_path: Path) -> None:
    phone = known_phone(run, tmp_path)
    start.carry_out(tmp_path / "host", PhoneGiven(8, bytes(32), int(time.time()), PAN, "李雷"))
    again = ("code-user", "add", phone.key.hex(), "--user")
    assert run(*again, "7")[0] == 0, "the same again changes nothing"
    assert run(*again, "8")[0] == 1
    run("code-user", "revoke", phone.key.hex())
    code, _, err = run(*again, "7")
    assert code == 1 and "revoked" in err
    assert json.loads(run("code-user", "list", "--json")[1])["revoked_at"] is not None


def test_who_loses_the_phone_loses_its_keys(run: Run, tmp_path: Path) -> None:
    known_phone(run, tmp_path)
    _, out, _ = run("wallet", "lost", "7", "--json")
    assert json.loads(out) == {"number": 7, "handles": 0, "revoked": 1}
    _, out, _ = run("code-user", "list", "--json")
    assert json.loads(out)["revoked_at"] is not None


def test_the_evidence_is_shown_when_it_is_asked_for_and_nowhere_else(run: Run, tmp_path: Path) -> None:
    phone = known_phone(run, tmp_path)
    phone.spends_twice = True
    codes = [phone.show(time.time()), phone.show(time.time() + 1)]
    assert sold(tmp_path, *codes) == ["00", "B1"]
    _, out, _ = run("code-user", "evidence", "000000000002", "--json")
    uses = [json.loads(line) for line in out.splitlines()]
    assert [(use["paid"], use["code"]) for use in uses] == [(True, codes[0]), (False, codes[1])]
    for words in (("events", "--json"), ("code-user", "list"), ("ledger",), ("reconcile",)):
        status, out, _ = run(*words)
        assert status == 0 and not any(code[4:40] in out for code in codes)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("code-issuer", "add", "nowhere.json"), "cannot read"),
        (("code-user", "add", "00" * 32, "--user", "8"), "no user 8"),
        (("code-user", "add", "00", "--user", "7"), "64 hexadecimal digits"),
        (("code-user", "add", "zz" * 32, "--user", "7"), "64 hexadecimal digits"),
        (("code-user", "revoke", "11" * 32), "no such key"),
        (("code-user", "evidence", "000000000042"), "no signed code"),
        (("code-user", "evidence", "x"), "no signed code"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(words: tuple[str, ...], says: str, run: Run) -> None:
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert says in err


def test_a_file_that_is_none_of_issuers_makes_nobody_known(run: Run, tmp_path: Path) -> None:
    (tmp_path / "issuers.json").write_text("{}")
    code, _, err = run("code-issuer", "add", str(tmp_path / "issuers.json"))
    assert code == 1 and "issuers.json cannot be used" in err
    assert run("code-issuer", "list")[1] == ""
