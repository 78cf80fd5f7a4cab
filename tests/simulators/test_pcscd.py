"""A pcscd of one's own: what it is made of. That it works, the tests of the card reader show."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from simulators import pcscd


def test_ports_follow_one_another_and_are_free_on_every_address() -> None:
    first, second = pcscd.free_ports()
    assert second == first + 1
    for port in (first, second):
        with socket.socket() as taken:
            taken.bind(("", port))


def test_what_is_missing_is_said_in_one_sentence_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert pcscd.missing() == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pcscd.missing().endswith("Type: sudo apt-get install pcscd vsmartcard-vpcd")


def test_two_services_run_beside_one_another_and_nobody_else_may_speak_to_their_cards(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    with pcscd.Pcscd(folders[0]) as _, pcscd.Pcscd(folders[1]) as _:
        found = [readers_of(folder) for folder in folders]
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700, 0o700]
    assert found == [[pcscd.reader_name(0), pcscd.reader_name(1)]] * 2


def readers_of(folder: Path) -> list[str]:
    """Ask the service in `folder`, as soon as it is ready; in a process of its own, for a process can only ask one."""
    program = "import time; from smartcard import scard\n"
    program += "def names():\n"
    program += " code, context = scard.SCardEstablishContext(0)\n"
    program += " return [] if code else scard.SCardListReaders(context, [])[1]\n"
    program += "while len(names()) < 2: time.sleep(0.02)\n"
    program += "print(*sorted(names()), sep='\\n')"
    environment = {**os.environ, **pcscd.environment(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()
