"""The key process by itself: what it answers, how it ends, and what Linux is told to keep from others."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from terminal import key_process as process
from terminal.key_frames import (
    DATA_MAX,
    DONE,
    NO_KEY,
    NOT_UNDERSTOOD,
    PACKET_MAX,
    REFUSED,
    SEVERAL,
    SEVERAL_MAX,
    Ending,
    KeysGone,
    joined,
    parted,
)  # fmt: skip
from terminal.key_store import KeyStore, erased_mark
from tests.in_a_loop import in_a_loop
from tests.terminal.key_rig import KEYS, key_process, new_vault

ROOT = Path(__file__).resolve().parents[2]
MEMORY_KIB_MAX = 40 * 1024


@pytest.fixture
def vault(tmp_path):
    return new_vault(tmp_path)


@pytest.mark.parametrize(
    ("packet", "status"),
    [
        *((packet, NOT_UNDERSTOOD) for packet in (b"?", b"m", b"\x00" * 40, b"S\xff", b"M" + bytes(DATA_MAX + 1))),
        *((packet, REFUSED) for packet in (b"L", b"L" + bytes(60), b"U", b"U" + bytes(44), b"C", b"C" + bytes(40))),
        *((packet, REFUSED) for packet in (b"V", b"V" + bytes(64))),
        *((packet, NO_KEY) for packet in (b"M", b"M" + bytes(DATA_MAX), b"T12", b"T6299990000000009D3012")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_answered_with_a_status_and_nothing_else(vault, packet, status):
    assert process.answer(KeyStore(vault), packet) == status


@pytest.mark.parametrize("operation", [b"L", b"M", b"C", b"T", b"S", b"U", b"G", b"V", b"F"])
def test_no_data_of_any_length_breaks_it(vault, operation):
    store = KeyStore(vault)
    store.load_working_keys(KEYS.to_bytes())
    for length in (0, 1, 7, 8, 9, 12, 24, 33, 60, 400, DATA_MAX):
        for byte in (b"\x00", b"0", b"D", b"\xff"):
            answer = process.answer(store, operation + byte * length)
            assert answer[:1] in (DONE, NO_KEY, REFUSED, NOT_UNDERSTOOD) and len(answer) <= PACKET_MAX + 60


def test_signatures_and_fingerprints_are_made_without_the_host_and_by_this_vault_alone(vault, tmp_path):
    (tmp_path / "other").mkdir()
    ours, others = KeyStore(vault), KeyStore(new_vault(tmp_path / "other"))
    signature = process.answer(ours, b"Gwhat was downloaded")[1:]
    assert process.answer(ours, b"V" + signature + b"what was downloaded") == DONE
    assert process.answer(ours, b"V" + signature + b"what was not") == REFUSED
    assert process.answer(others, b"V" + signature + b"what was downloaded") == REFUSED
    fingerprints = {process.answer(store, b"F6299990000000009") for store in (ours, ours, others)}
    assert len(fingerprints) == 2 and b"G" + signature[1:] not in fingerprints
    assert process.answer(ours, b"G6299990000000009") not in fingerprints


@in_a_loop
async def test_the_link_signs_and_checks_and_without_a_process_cannot_tell(tmp_path):
    async with key_process(new_vault(tmp_path)) as link:
        signature = link.sign(b"set")
        assert link.check_signature(b"set", signature) and not link.check_signature(b"sets", signature)
        assert link.fingerprint("6299990000000009") == link.fingerprint("6299990000000009") != signature
    with pytest.raises(KeysGone):
        link.check_signature(b"set", signature)


@in_a_loop
async def test_a_packet_that_is_too_long_is_refused_and_the_next_is_served(tmp_path):
    async with key_process(new_vault(tmp_path)) as link:
        line = link._socket
        assert line is not None
        for packet in (b"S" * 20_000, b"S" * (SEVERAL_MAX + 1), SEVERAL + bytes(SEVERAL_MAX), SEVERAL + b"\x00\x02S"):
            line.sendall(packet)
            assert line.recv(PACKET_MAX) == NOT_UNDERSTOOD
        assert link.unseal_each([link.seal("6299990000000009")]) == ["6299990000000009"]


def test_several_requests_are_answered_in_their_order_whatever_each_is(vault):
    store = KeyStore(vault)
    sealed = store.seal("6299990000000009")
    requests = [b"U" + sealed, b"?", b"U" + bytes(44), SEVERAL + joined([b"M"]), b"", b"M"]
    wanted = [DONE + b"6299990000000009", NOT_UNDERSTOOD, REFUSED, NOT_UNDERSTOOD, NOT_UNDERSTOOD, NO_KEY]
    answer = process.answers(store, SEVERAL + joined(requests))
    assert answer[:1] == DONE and parted(answer[1:]) == wanted
    assert process.answers(store, SEVERAL) == DONE


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x01", b"\x00\x03ab", b"\x00\x01ab", b"\x00\x00\x05"])
def test_a_packet_that_is_not_whole_is_not_taken_apart(vault, data):
    with pytest.raises(ValueError, match="whole"):
        parted(data)
    assert process.answers(KeyStore(vault), SEVERAL + data) == NOT_UNDERSTOOD


def _started(vault: Path) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = "from terminal.key_process import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(theirs.fileno()), str(vault)], pass_fds=[theirs.fileno()], cwd=ROOT
    )
    theirs.close()
    return child, ours


@pytest.mark.parametrize("end", ["stop", "terminal_gone"])
def test_it_ends_when_told_or_left_alone_and_its_file_stays(vault, end):
    child, line = _started(vault)
    assert line.recv(8) == DONE
    if end == "stop":
        child.send_signal(signal.SIGTERM)
    line.close()
    assert child.wait(20) == Ending.STOPPED
    assert vault.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_ends_the_terminal_by_keyboard_does_not_end_it_before_the_terminal(vault, number):
    child, line = _started(vault)
    assert line.recv(8) == DONE
    child.send_signal(number)
    line.sendall(b"S1")
    assert line.recv(PACKET_MAX)[:1] == DONE
    line.close()
    assert child.wait(20) == Ending.STOPPED


def test_tampering_erases_the_file_and_ends_it_with_a_code_of_its_own(vault):
    child, line = _started(vault)
    assert line.recv(8) == DONE
    child.send_signal(process.ERASE_SIGNAL)
    assert line.recv(8) == b""
    assert child.wait(20) == Ending.ERASED
    assert not vault.exists() and erased_mark(vault).exists()
    line.close()


@pytest.mark.parametrize(
    ("spoil", "ending"),
    [
        (lambda vault: vault.unlink(), Ending.NO_KEYS),
        (lambda vault: vault.write_bytes(b"{"), Ending.DAMAGED),
        (lambda vault: vault.chmod(0o644), Ending.EXPOSED),
        (process.erase_keys, Ending.ERASED),
    ],
)
def test_without_good_keys_it_ends_with_a_code_that_says_why(vault, spoil, ending):
    spoil(vault)
    child, line = _started(vault)
    assert line.recv(8) == b""
    assert child.wait(20) == ending
    line.close()


@in_a_loop
async def test_keys_are_erased_by_whoever_holds_them(tmp_path):
    vault = new_vault(tmp_path)
    async with key_process(vault) as link:
        assert process.holder(vault) == link.pid
        process.erase_keys(vault)
        assert not vault.exists() and process.holder(vault) == 0
        with pytest.raises(KeysGone) as told:
            link.seal("1")
        assert told.value.reason == link.trouble == "keys_erased"


@in_a_loop
async def test_no_two_terminals_use_one_vault(tmp_path, monkeypatch):
    vault = new_vault(tmp_path)
    async with key_process(vault):
        monkeypatch.setattr(process, "LOCK_WITHIN_S", 0.0)
        with pytest.raises(KeysGone) as told:
            process._locked(vault)
        assert told.value.reason == "keys_in_use"


def test_it_has_nothing_open_but_its_line_and_its_file(vault):
    child, line = _started(vault)
    assert line.recv(8) == DONE
    places = [str(place.readlink()) for place in Path(f"/proc/{child.pid}/fd").iterdir() if int(place.name) > 2]
    assert sorted(place.partition(":")[0] for place in places) == [str(vault), "socket"]
    line.close()
    assert child.wait(20) == Ending.STOPPED


def test_it_is_small_locked_in_memory_and_gains_no_privileges(vault):
    child, line = _started(vault)
    assert line.recv(8) == DONE
    status = dict(row.split(":\t") for row in Path(f"/proc/{child.pid}/status").read_text().splitlines())
    assert status["NoNewPrivs"] == "1" and int(status["VmLck"].split()[0]) > 0
    assert int(status["VmHWM"].split()[0]) < MEMORY_KIB_MAX
    line.close()
    assert child.wait(20) == Ending.STOPPED


def test_its_memory_is_closed_to_others_and_leaves_no_core_file():
    look = (
        "import ctypes, json, os, resource; from terminal import key_process as p; p.harden();"
        "umask = os.umask(0);"
        "print(json.dumps([ctypes.CDLL(None).prctl(3), resource.getrlimit(resource.RLIMIT_CORE), umask]))"
    )
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=True, capture_output=True).stdout
    assert json.loads(told) == [0, [0, 0], 0o077]


def test_it_imports_nothing_of_the_terminal_but_its_keys():
    look = "import json, sys; from terminal import key_process; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {look}"],
                          check=True, capture_output=True).stdout  # fmt: skip
    modules = set(json.loads(told))
    assert {name for name in modules if name.startswith("terminal.")} == {
        "terminal.key_frames", "terminal.key_process", "terminal.key_store",
    }  # fmt: skip
    assert modules.isdisjoint({"asyncio", "starlette", "pydantic", "structlog", "logging", "http", "ssl"})
