"""`tillgate sim wallet …`: from the host's operator to a code that the host accepts, on the command line."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import tillgate
from host_switch import start
from host_switch.events import PhoneGiven
from paycode.issuer_file import parse_issuers
from paycode.signed import claimed
from tests.host_switch.room import Room
from tests.host_switch.till import PAN

Run = Callable[..., tuple[int, str, str]]
USER = 1_000_000_001


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def typed(*words: str) -> tuple[int, str, str]:
        code = tillgate.main(["sim", "wallet", *words, "--data", str(tmp_path / "phone")])
        written = capsys.readouterr()
        return code, written.out, written.err

    return typed


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host that knows the user."""
    start.carry_out(tmp_path / "host", PhoneGiven(USER, bytes(32), int(time.time()), PAN, "王芳"))
    return tmp_path / "host"


def test_a_phone_that_was_online_shows_a_code_that_the_host_accepts(run: Run, host: Path, tmp_path: Path) -> None:
    assert run("refresh", "--host", str(host), "--number", str(USER))[0] == 0
    code, out, _ = run("show", "--out", str(tmp_path / "code.png"), "--json")
    facts = json.loads(out)
    assert (code, facts["kind"]) == (0, "digits")
    assert 29 <= facts["expires_at"] - time.time() <= 60
    with start.opened_store(host, to_write=True) as store:
        room = Room(store, now=time.time())
        till = room.till()
        assert room.talk(till, till.qr_sale(facts["code"]))[39] == "00"
    with Image.open(tmp_path / "code.png") as picture:
        assert picture.width > 300
    assert json.loads(run("status", "--json")[1]) == {"kinds": ["digits"], "handles": 63, "balance": None}


def test_what_the_operator_has_written_is_loaded(run: Run, host: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.json"
    words = ("host", "wallet", "refresh", str(USER), "--out", str(given), "--data", str(host))
    assert tillgate.main(list(words)) == 0
    assert "64" in run("load", "--file", str(given))[1]
    assert run("show")[1].startswith("7710 ")


def test_a_certified_phone_shows_signed_codes(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "issuers.json"
    words = ("certify", "--issuer-key", str(tmp_path / "issuer.hex"), "--out", str(out), "--json")
    first, again = (json.loads(run(*words)[1]) for _ in range(2))
    assert first == again and len(first["public_key"]) == 64
    (issuer,) = parse_issuers(out.read_bytes()).issuers
    assert (issuer.key_id.hex(), issuer.key.data.hex()) == (first["key_id"], first["public_key"])
    shown = run("show", "--kind", "signed", "--amount", "2500")[1]
    claim = claimed(shown.splitlines()[0])
    assert claim is not None and claim.key.hex() == first["phone_key"]
    assert (tmp_path / "issuer.hex").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("show",), 1, "go online once"),
        (("show", "--amount", "1"), 2, "--amount"),
        (("load", "--file", "/dev/null"), 1, "tillgate host wallet"),
        (("load", "--file", "nowhere.json"), 1, "nowhere.json"),
        (("certify", "--issuer-key", "/dev/null"), 1, "64 hexadecimal digits"),
        (("refresh", "--host", "no host", "--number", "1"), 1, "could not go online"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: tuple[str, ...], code: int, hint: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    left, _, err = run(*words)
    assert (left, err.count("\n")) == (code, 1)
    assert hint in err
