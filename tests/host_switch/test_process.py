"""Open files and the loop's complaints, in processes of their own."""

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from host_switch import start
from host_switch.connections import Limits
from host_switch.listener import BACKLOG
from host_switch.process import OUR_FILES, ProcessError, limits_within_open_files, one_line

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 20


@pytest.fixture
def open_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The process's limits, soft and hard, in the test's hands."""
    held = {"limits": (1024, 1 << 20)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: held["limits"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: held.update(limits=limits))
    return held


def test_the_soft_limit_is_raised_as_far_as_needed(open_files: dict[str, tuple[int, int]]) -> None:
    assert limits_within_open_files(Limits(connections_max=4096)) == Limits(connections_max=4096)
    assert open_files["limits"] == (4096 + BACKLOG + OUR_FILES, 1 << 20)


@pytest.mark.parametrize("limits", [(1 << 16, 1 << 20), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)])
def test_a_limit_that_is_high_enough_is_left_alone(
    open_files: dict[str, tuple[int, int]], limits: tuple[int, int]
) -> None:
    open_files["limits"] = limits
    assert limits_within_open_files(Limits()) == Limits()
    assert open_files["limits"] == limits


def test_with_fewer_files_there_are_fewer_connections(open_files: dict[str, tuple[int, int]]) -> None:
    open_files["limits"] = (256, 1024)
    assert limits_within_open_files(Limits()).connections_max == 1024 - BACKLOG - OUR_FILES
    assert open_files["limits"] == (1024, 1024)


def test_too_few_files_are_refused_in_a_sentence(open_files: dict[str, tuple[int, int]]) -> None:
    open_files["limits"] = (256, 256)
    with pytest.raises(ProcessError, match="256 open files: raise the limit, as in ulimit -n"):
        limits_within_open_files(Limits())


def test_the_loops_complaints_are_one_line_a_second() -> None:
    clock = [0.0]
    handle = one_line(lambda: clock[0])
    with capture_logs() as log:
        for at in (0.0, 0.1, 0.9, 1.5):
            clock[0] = at
            handle(None, {"message": "accept failed", "exception": OSError(24, "secret text")})  # type: ignore[arg-type]
    complaint = {"event": "loop", "log_level": "error", "trouble": "accept failed", "error": "OSError"}
    assert log == [complaint, complaint]


def test_a_host_that_is_overrun_refuses_in_its_own_words(tmp_path: Path) -> None:
    with start.opened_store(tmp_path / "host", to_write=True) as store:
        store.put_secret(start.ZONE_KEYS, bytes(range(32)))
    files = BACKLOG + OUR_FILES + CONNECTIONS
    command = f"ulimit -n {files} && exec {sys.executable} tillgate.py host run --data {tmp_path / 'host'}"
    command += " --issuer 127.0.0.1:1 --port 0 --json"
    pipe = subprocess.PIPE
    with subprocess.Popen(["bash", "-c", command], cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as host:
        assert host.stdout is not None
        port = json.loads(host.stdout.readline())["port"]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(10 * CONNECTIONS)]
        refused = sum(client.recv(1) == b"" for client in clients[CONNECTIONS:])
        host.terminate()
        for client in clients:
            client.close()
        _, errors = host.communicate(timeout=10)
    assert refused == 9 * CONNECTIONS
    assert errors.count("too many connections") == refused
    assert "Traceback" not in errors
