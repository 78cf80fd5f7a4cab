"""`tillgate host …` as a person and as a machine types it."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

import tillgate
from host_switch import start
from host_switch.events import Decision, Persist
from host_switch.records import Presence, Telemetry
from iso8583.security import key_check_value
from terminal import certificates
from tests.host_switch.room import Room
from tests.host_switch.till import MASTER_KEY, MERCHANT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A host's folder after a small day: a sale, a conflict, a settled batch."""
    with start.opened_store(tmp_path / "host", to_write=True) as store:
        room = Room(store)
        till = room.till()
        sale, _ = room.sold(till)
        room.frame(till, sale.with_({4: "000000000001"}))
        room.talk(till, till.upload("0001", "207"))
    return tmp_path / "host"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], folder: Path) -> Run:
    def typed(*words: str) -> tuple[int, str, str]:
        code = tillgate.main(["host", *words, "--data", str(folder)])
        written = capsys.readouterr()
        return code, written.out, written.err

    return typed


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_ledger_shows_balances(run: Run) -> None:
    code, out, _ = run("ledger", "--json")
    assert code == 0
    assert lines(out) == [
        {"account": "clearing:issuer", "currency": "156", "balance": 1234},
        {"account": f"merchant:{MERCHANT}", "currency": "156", "balance": -1234},
    ]
    assert "balance=1234" in run("ledger")[1]


def test_reconcile_proves_the_books(run: Run) -> None:
    code, out, _ = run("reconcile", "--json")
    (facts,) = lines(out)
    assert (code, facts["breaches"], facts["transactions"], facts["records"]) == (0, 0, 1, 2)


def test_reconcile_finds_a_changed_ledger_and_fails(run: Run, folder: Path) -> None:
    import sqlite3

    with sqlite3.connect(folder / "host.db") as intruder:
        intruder.execute("DROP TRIGGER postings_stay")
        intruder.execute("UPDATE postings SET amount = 1 WHERE sequence = 1")
    intruder.close()
    code, out, err = run("reconcile", "--json")
    assert code == 1
    assert {line.get("validation") for line in lines(out)} >= {"entries balance", "chain is intact"}
    assert "breaches" in err
    assert err.count("\n") == 1


def test_settle_and_events_list_what_a_person_should_see(run: Run) -> None:
    (batch,) = lines(run("settle", "--json")[1])
    assert (batch["batch"], batch["balanced"], batch["closed"]) == ("000001", True, True)
    assert [event["kind"] for event in lines(run("events", "--json")[1])] == [
        "same key, other content", "approved but not uploaded",
    ]  # fmt: skip


def test_routes_say_whether_the_channel_has_keys(run: Run, tmp_path: Path) -> None:
    assert lines(run("routes", "--json")[1])[0]["zone_keys"] == "missing"
    (tmp_path / "zone.json").write_text(json.dumps({"pin_key": "01" * 16, "mac_key": "02" * 16}))
    assert run("zone-keys", "--file", str(tmp_path / "zone.json"))[0] == 0
    assert lines(run("routes", "--json")[1])[0]["zone_keys"] == "loaded"


def test_a_terminal_is_added_with_the_check_value_of_its_key(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key.hex"
    key.write_text(MASTER_KEY.hex())
    code, out, _ = run("terminal", "add", "87654321", "--merchant", MERCHANT, "--master-key-file", str(key), "--json")
    assert code == 0
    assert lines(out)[0]["master_key_check_value"] == key_check_value(MASTER_KEY).hex().upper()
    assert MASTER_KEY.hex() not in out
    assert [line["terminal"] for line in lines(run("terminal", "list", "--json")[1])] == ["12345678", "87654321"]


def test_a_command_waits_for_its_terminal(run: Run) -> None:
    assert run("terminal", "command", "12345678", "sign-on")[0] == 0
    (terminal,) = lines(run("terminal", "list", "--json")[1])
    assert (terminal["command"], terminal["signed_on"], terminal["batch"]) == ("sign-on", True, "000002")
    run("terminal", "command", "12345678", "none")
    assert lines(run("terminal", "list", "--json")[1])[0]["command"] == "none"


def test_what_a_terminal_has_told_stands_in_the_list(run: Run, folder: Path) -> None:
    assert "at_broker" not in lines(run("terminal", "list", "--json")[1])[0]
    with start.opened_store(folder, to_write=True) as store:
        told = Presence("12345678", online=True, since=5.0), Telemetry("12345678", "000001", 3, 4500, "printer", 6.0)
        store.commit([Decision((Persist(told),))])
    (terminal,) = lines(run("terminal", "list", "--json")[1])
    assert (terminal["at_broker"], terminal["since"]) == (True, 5.0)
    assert (terminal["owed_count"], terminal["owed_amount"], terminal["told_at"]) == (3, 4500, 6.0)
    assert terminal["broken"] == "printer"
    assert "owed_amount=4500" in run("terminal", "list")[1]


def test_a_terminal_gets_its_certificate(run: Run, tmp_path: Path) -> None:
    (tmp_path / "terminal").mkdir()
    (tmp_path / "asked").write_bytes(certificates.request(tmp_path / "terminal", "12345678"))
    order = ("terminal", "certificate", "12345678", "--request", str(tmp_path / "asked"), "--out", str(tmp_path / "t"))
    assert "tillgate host certificates" in run(*order)[2]
    assert run("certificates", "--name", "127.0.0.1")[0] == 0
    code, out, _ = run(*order, "--json")
    assert (code, lines(out)[0]["terminal"]) == (0, "12345678")
    certificates.install(tmp_path / "terminal", "12345678", (tmp_path / "t").read_bytes())


def test_parameters_wait_for_their_terminal(run: Run) -> None:
    assert run("terminal", "parameters", "12345678", "--merchant-name", "新店名", "--reply-timeout-s", "45")[0] == 0
    (terminal,) = lines(run("terminal", "list", "--json")[1])
    assert (terminal["command"], terminal["merchant_name"], terminal["reply_timeout_s"]) == ("parameters", "新店名", 45)


CA_KEYS = (Path(__file__).parents[1] / "vectors" / "emv_ca_keys.json").read_text("utf-8")


def test_downloads_are_laid_down_and_counted_and_no_card_number_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(CA_KEYS)
    (tmp_path / "cards.txt").write_text("# lost\n6299990000000009\n\n6299990000000017  # stolen\n")
    keys = ("downloads", "ca-keys", "--file", str(tmp_path / "keys.json"), "--json")
    assert lines(run(*keys)[1]) == [{"kind": "ca-keys", "count": len(json.loads(CA_KEYS))}]
    code, out, err = run("downloads", "black-list", "--file", str(tmp_path / "cards.txt"))
    assert (code, out, err) == (0, "kind=black-list  count=2\n", "")
    assert lines(run("downloads", "black-list", "--json")[1]) == [{"kind": "black-list", "count": 2}]
    assert lines(run("downloads", "applications", "--json")[1]) == [{"kind": "applications", "count": 0}]


def test_commands_wait_one_behind_the_other(run: Run) -> None:
    for command in ("ca-keys", "black-list", "ca-keys"):
        run("terminal", "command", "12345678", command)
    assert lines(run("terminal", "list", "--json")[1])[0]["command"] == "ca-keys, black-list"


APPLICATION = {
    "aid": "A000000333010101", "partial_match": True, "version": "0030", "tac_default": "D84000A800",
    "tac_online": "D84004F800", "tac_denial": "0010000000", "floor_limit": 0, "random_threshold": 0,
    "random_max_percent": 99, "random_target_percent": 99, "default_ddol": "9F3704",
}  # fmt: skip
KEY = json.loads(CA_KEYS)[0]
BROKEN = {
    "no JSON": ("ca-keys", "{", "not JSON"),
    "no list": ("ca-keys", "{}", "a JSON list"),
    "no key": ("ca-keys", "[]", "at least one"),
    "a key without modulus": ("ca-keys", json.dumps([KEY | {"modulus": ""}]), "entry 1, DF02"),
    "a key without check value": ("ca-keys", json.dumps([{"rid": "A000000333", "index": "01"}]), "lacks 'modulus'"),
    "a damaged key": ("ca-keys", json.dumps([KEY, KEY | {"index": "77"}]), "entry 2, DF03"),
    "a key twice": ("ca-keys", json.dumps([KEY, KEY]), "number 2 is there twice"),
    "a number for a key": ("ca-keys", "[7]", "entry 1"),
    "too many": ("ca-keys", json.dumps([KEY] * 65), "a terminal takes 64"),
    "a short action code": ("applications", json.dumps([APPLICATION | {"tac_online": "D84004F8"}]), "entry 1, DF12"),
    "a limit in words": ("applications", json.dumps([APPLICATION | {"floor_limit": "none"}]), "amounts are numbers"),
    "an unknown entry": ("applications", json.dumps([APPLICATION | {"flor_limit": 1}]), "flor_limit is nothing"),
    "an application without its name": ("applications", json.dumps([{}]), "lacks 'aid'"),
    "a typing error in a card": ("black-list", "6299990000000009\n62999900O0000017\n", "line 2 must be a card number"),
    "a card twice": ("black-list", "6299990000000009\n" * 2, "number 2 is there twice"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_where(case: str, run: Run, tmp_path: Path) -> None:
    kind, text, hint = BROKEN[case]
    (tmp_path / "file").write_text(text)
    code, _, err = run("downloads", kind, "--file", str(tmp_path / "file"))
    assert (code, err.count("\n")) == (2, 1)
    assert hint in err and "629999" not in err
    assert lines(run("downloads", kind, "--json")[1]) == [{"kind": kind, "count": 0}]


def test_an_application_is_taken_from_its_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(json.dumps([APPLICATION | {"contactless_limit": 100_000}]))
    assert run("downloads", "applications", "--file", str(tmp_path / "file"), "--json")[0] == 0
    assert lines(run("downloads", "applications", "--json")[1]) == [{"kind": "applications", "count": 1}]


def test_a_brokers_files_are_written_and_its_list_is_kept_current(run: Run, tmp_path: Path) -> None:
    run("certificates", "--name", "127.0.0.1")
    out = tmp_path / "broker"
    code, said, _ = run("broker-config", "--out", str(out), "--port", "18883", "--json")
    assert (code, lines(said)) == (0, [{"broker": str(out / "mosquitto.conf"), "port": 18883}])
    assert "listener 18883\n" in (out / "mosquitto.conf").read_text()
    before = (out / "withdrawn.pem").read_bytes()
    (tmp_path / "tmk.hex").write_text("11" * 16)
    add = ("terminal", "add", "22223333", "--merchant", "898110053110001")
    assert run(*add, "--master-key-file", str(tmp_path / "tmk.hex"))[0] == 0
    assert "user 22223333" not in (out / "acl").read_text()
    assert run("broker-withdrawn", "--out", str(out))[0] == 0
    assert (out / "withdrawn.pem").read_bytes() != before
    assert "user 22223333\ntopic write tg/898110053110001/shop/seen/22223333\n" in (out / "acl").read_text()


REFUSED = {
    "nothing to download": (("downloads", "music"), 2, "black-list"),
    "a missing download": (("downloads", "ca-keys", "--file", "/nowhere.json"), 2, "nowhere.json"),
    "parameters of nobody": (("terminal", "parameters", "99999999"), 1, "tillgate host terminal add"),
    "a name too long": (("terminal", "parameters", "12345678", "--merchant-name", "商" * 21), 2, "40 bytes"),
    "a wait too long": (("terminal", "parameters", "12345678", "--reply-timeout-s", "99"), 2, "60"),
    "unknown terminal": (("terminal", "command", "99999999", "sign-on"), 1, "tillgate host terminal add"),
    "unknown command": (("terminal", "command", "12345678", "dance"), 2, "sign-on"),
    "short id": (("terminal", "add", "1", "--merchant", MERCHANT, "--master-key-file", "k"), 1, "8 characters"),
    "missing zone file": (("zone-keys", "--file", "/nowhere.json"), 1, "nowhere.json"),
    "no address": (("run", "--issuer", "there"), 1, "127.0.0.1:9800"),
    "no zone keys": (("run", "--issuer", "127.0.0.1:1"), 1, "zone-keys"),
    "in clear for all": (("run", "--issuer", "127.0.0.1:1", "--listen", "0.0.0.0"), 1, "tillgate host certificates"),
    "no such request": (("terminal", "certificate", "12345678", "--request", __file__, "--out", "o"), 1, "no PEM"),
    "no request": (("terminal", "certificate", "12345678", "--request", "gone.csr", "--out", "o"), 1, "gone.csr"),
    "no address of a broker": (("run", "--issuer", "127.0.0.1:1", "--broker", "there"), 1, "127.0.0.1:9800"),
    "a broker without an authority": (("broker-config", "--out", "o"), 1, "tillgate host certificates"),
    "no broker's folder": (("broker-withdrawn", "--out", "o"), 1, "tillgate host broker-config"),
    "no account for the broker": (("broker-config", "--out", "o", "--user", "nobody-such"), 1, "install mosquitto"),
    "no host's name": (("certificates", "--name", "größe.example"), 1, "no host name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_sentence_that_says_what_to_do(case: str, run: Run) -> None:
    words, code, hint = REFUSED[case]
    got, _, err = run(*words)
    assert (got, err.count("\n")) == (code, 1)
    assert hint in err


def test_a_log_that_nobody_reads_does_not_stop_the_host(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tillgate host run 2>&1 | head` closes the pipe behind it."""
    run("run", "--issuer", "127.0.0.1:1")
    with StringIO() as closed:
        monkeypatch.setattr("sys.stderr", closed)
    structlog.get_logger().warning("nobody hears this")
