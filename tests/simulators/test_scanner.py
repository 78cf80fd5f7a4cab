"""The virtual scanner and the pseudo-terminal under it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.scanner import VirtualScanner


def play(path: Path, scene: Callable[[VirtualScanner], None], suffix: str = "\r") -> None:
    async def on_stage() -> None:
        scanner = VirtualScanner(path / "scanner", suffix=suffix)
        try:
            scene(scanner)
        finally:
            scanner.close()

    asyncio.run(on_stage())


def read(path: Path, count: int) -> bytes:
    line = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    try:
        return os.read(line, count)
    finally:
        os.close(line)


@pytest.mark.parametrize("suffix", ["\r", "\n", "\r\n"])
def test_code_leaves_as_it_is_with_its_suffix(tmp_path: Path, suffix: str) -> None:
    def scene(scanner: VirtualScanner) -> None:
        scanner.scan("6212345678")
        assert read(scanner.path, 100) == b"6212345678" + suffix.encode()

    play(tmp_path, scene, suffix)


def test_path_goes_with_the_plug_and_comes_back(tmp_path: Path) -> None:
    def scene(scanner: VirtualScanner) -> None:
        path = scanner.path
        scanner.unplug()
        scanner.unplug()
        assert not path.is_symlink()
        with pytest.raises(OSError, match="not plugged in"):
            scanner.scan("62")
        scanner.replug()
        assert scanner.path == path
        scanner.scan("62")
        assert read(path, 100) == b"62\r"

    play(tmp_path, scene)


def test_what_the_terminal_sends_is_ignored(tmp_path: Path) -> None:
    async def on_stage() -> None:
        scanner = VirtualScanner(tmp_path / "scanner")
        line = os.open(scanner.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(line, b"are you there?")
        taken = asyncio.Event()
        asyncio.get_running_loop().call_soon(taken.set)
        await taken.wait()
        scanner.scan("62")
        assert os.read(line, 100) == b"62\r"
        os.close(line)
        scanner.close()

    asyncio.run(on_stage())


def test_stale_path_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "scanner").symlink_to("/dev/pts/nowhere")

    def scene(scanner: VirtualScanner) -> None:
        scanner.scan("62")
        assert read(scanner.path, 100) == b"62\r"

    play(tmp_path, scene)
