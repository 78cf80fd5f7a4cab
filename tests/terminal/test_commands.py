"""`tillgate terminal …` as a technician types it."""

import io
import json
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from host_switch import certificates as of_host
from terminal.journal import Journal
from terminal.key_store import KeyStore
from terminal.records import Key, Sent, Started
from tests.terminal.test_journal import BY_CODE
from tillgate import main

ROOT = Path(__file__).resolve().parents[2]

KEY = Key("12345678", "000001", "000001")


@pytest.fixture
def folder(tmp_path):
    journal = Journal(tmp_path / "journal.db")
    journal.append(Started(KEY, "sale", 2500, "156", "01", "r1", 1.0))
    journal.append(Sent(KEY, "sale", "051", "629999******0009", 2.0, card="5EA1ED"))
    journal.close()
    return tmp_path


def test_intact_journal_verifies(folder, capsys):
    assert main(["terminal", "journal", "verify", "--data", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2


def test_broken_journal_is_told_with_its_place(folder, capsys):
    with sqlite3.connect(folder / "journal.db") as db:
        db.executescript("DROP TRIGGER records_stay; UPDATE records SET entry = '{}' WHERE sequence = 2")
    db.close()
    assert main(["terminal", "journal", "verify", "--data", str(folder)]) == 1
    assert "broken at record 2" in capsys.readouterr().err


def test_queue_shows_what_is_owed(folder, capsys):
    assert main(["terminal", "queue", "list", "--data", str(folder), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["state"] == "sent"


def test_journal_is_shown_without_the_sealed_card(folder, capsys):
    assert main(["terminal", "journal", "show", "--data", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "629999******0009" in out and "5EA1ED" not in out


def test_journal_is_shown_without_the_codes_that_have_paid(tmp_path, capsys):
    journal = Journal(tmp_path / "journal.db")
    for record in BY_CODE:
        journal.append(record)
    journal.close()
    for more in ([], ["--json"]):
        assert main(["terminal", "journal", "show", "--data", str(tmp_path), *more]) == 0
        out = capsys.readouterr().out
        assert "TG1:0a1b2c3d" in out and "TG1:6BF" not in out and "TG1:6BG" not in out


def test_a_certificate_is_asked_for_and_taken(tmp_path, capsys):
    (tmp_path / "profile.toml").write_text(
        'terminal_id = "12345678"\nmerchant_id = "898110053110001"\nmerchant_name_zh = "a"\nmerchant_name_en = "a"\n'
        '[host]\naddress = "10.0.0.5"\ntls = true\n'
    )
    here, asked, issued = ["--data", str(tmp_path)], tmp_path / "asked.csr", tmp_path / "issued.pem"
    assert main(["terminal", "run", *here]) == 1
    assert "tillgate terminal certificate request" in capsys.readouterr().err
    assert main(["terminal", "certificate", "request", "--out", str(asked), *here]) == 0
    assert "tillgate host terminal certificate 12345678" in capsys.readouterr().out
    assert main(["terminal", "certificate", "install", str(asked), *here]) == 1
    assert "no certificate" in capsys.readouterr().err
    of_host.found(tmp_path / "host", ["10.0.0.5"])
    issued.write_bytes(of_host.certify_terminal(tmp_path / "host", "12345678", asked.read_bytes()))
    assert main(["terminal", "certificate", "install", str(issued), *here, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"terminal": "12345678", "installed": True}


def test_keys_are_given_once(tmp_path, capsys):
    (tmp_path / "tmk.hex").write_text("11111111111111112222222222222222")
    command = ["terminal", "keys", "--data", str(tmp_path), "--master-key-file", str(tmp_path / "tmk.hex")]
    assert main(command) == 0
    assert "check value" in capsys.readouterr().out
    assert main(command) == 1
    assert "has keys already" in capsys.readouterr().err


def test_tampered_keys_are_erased_and_new_ones_are_taken(tmp_path, capsys):
    (tmp_path / "tmk.hex").write_text("11111111111111112222222222222222")
    give = ["terminal", "keys", "--data", str(tmp_path), "--master-key-file", str(tmp_path / "tmk.hex")]
    erase = ["terminal", "tamper", "--data", str(tmp_path), "--yes"]
    assert main(give) == 0
    assert main(erase) == 0
    assert "erased" in capsys.readouterr().out and not (tmp_path / "vault.json").exists()
    assert main([*erase, "--json"]) == 0  # there is nothing left to erase
    assert json.loads(capsys.readouterr().out) == {"erased": True}
    assert main(give) == 0


def test_nothing_is_erased_before_somebody_has_said_yes(tmp_path, capsys, monkeypatch):
    KeyStore.create(tmp_path / "vault.json", bytes(16))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(["terminal", "tamper", "--data", str(tmp_path)]) == 1
    assert (tmp_path / "vault.json").exists()


def test_no_keys_of_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["terminal", "tamper", "--data", str(tmp_path / "typo"), "--yes"]) == 1
    assert "no folder" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "zz" * 16, "11" * 8])
def test_what_is_no_master_key_is_refused_in_words(tmp_path, capsys, content):
    (tmp_path / "tmk.hex").write_text(content)
    assert main(["terminal", "keys", "--data", str(tmp_path), "--master-key-file", str(tmp_path / "tmk.hex")]) == 1
    error = capsys.readouterr().err
    assert "hexadecimal digits" in error and "Traceback" not in error


def test_operator_is_added_without_showing_the_pin(tmp_path, capsys):
    folder = str(tmp_path)
    arguments = ["terminal", "operator", "add", "00", "--data", folder, "--role", "supervisor", "--pin", "123456"]
    assert main(arguments) == 0
    assert "123456" not in capsys.readouterr().out + (tmp_path / "operators.json").read_text()


@pytest.mark.parametrize("command", ["verify", "show"])
def test_folder_without_a_journal_is_told_in_words(tmp_path, capsys, command):
    assert main(["terminal", "journal", command, "--data", str(tmp_path)]) == 1
    assert "no journal" in capsys.readouterr().err


def test_terminal_that_was_never_set_up_is_told_what_is_missing(tmp_path, capsys):
    assert main(["terminal", "run", "--data", str(tmp_path)]) == 1
    assert "cannot read the profile" in capsys.readouterr().err


def test_a_log_that_nobody_reads_does_not_stop_the_terminal(tmp_path):
    KeyStore.create(tmp_path / "vault.json", bytes(range(16)))
    with socket.create_server(("127.0.0.1", 0)) as host, socket.create_server(("127.0.0.1", 0)) as page:
        ports = [server.getsockname()[1] for server in (host, page)]
        page.close()
        (tmp_path / "profile.toml").write_text(
            'terminal_id = "12345678"\nmerchant_id = "898110053110001"\n'
            'merchant_name_zh = "x"\nmerchant_name_en = "x"\n'
            f"page_port = {ports[1]}\n[host]\nport = {ports[0]}\n"
        )
        command = [sys.executable, "tillgate.py", "terminal", "run", "--data", str(tmp_path), "--json"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as terminal:
            try:
                assert terminal.stdout is not None and terminal.stderr is not None
                assert json.loads(terminal.stdout.readline())["page"].endswith(f":{ports[1]}/")
                terminal.stdout.close()
                terminal.stderr.close()
                host.settimeout(20)
                for _ in range(3):  # each time it has something to log, and comes back
                    connection, _ = host.accept()
                    connection.sendall(b"\x00\x00")
                    while connection.recv(4096):
                        pass
                    connection.close()
            finally:
                terminal.kill()
