"""`tillgate sim`: thin, and plain about what is missing."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import tillgate


def test_a_world_is_the_same_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for _ in range(2):
        assert tillgate.main(["sim", "world", "--seed", "7", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert told[0]["complaints"] == []


def test_a_counter_without_the_pads_key_says_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tillgate.main(["sim", "counter", "--data", str(tmp_path)]) == 1
    assert "write 32 hexadecimal digits" in capsys.readouterr().err


def test_a_counter_whose_port_is_taken_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], taken_port: int
) -> None:
    (tmp_path / "pin_pad_master.hex").write_text("00" * 16)
    arguments = ["sim", "counter", "--data", str(tmp_path), "--page-port", str(taken_port)]
    assert tillgate.main(arguments) == 1
    assert "cannot be plugged in" in capsys.readouterr().err


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens already."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]
