"""The serial scanner: codes out of bytes (pure), and a real pseudo-terminal that is unplugged and put back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.scanner import VirtualScanner
from terminal.devices.scanner_serial import CODE_LENGTH_MAX, CODES_WAITING_MAX, ScanLines, SerialScanner
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

CODE = "6212345678901234567"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends(end: str) -> None:
    lines = ScanLines()
    assert lines.feed((CODE + end + "134" + end).encode(), 1.0) == [CODE, "134"]


def test_code_in_pieces() -> None:
    lines = ScanLines()
    found = [lines.feed(byte.to_bytes(1, "big"), 1.0 + at / 1000) for at, byte in enumerate(CODE.encode() + b"\r")]
    assert found == [[]] * len(CODE) + [[CODE]]


def test_control_characters_and_spaces_around_are_stripped() -> None:
    assert ScanLines().feed(b"\x02 62\x0012\x7f34 \x03\r", 1.0) == ["621234"]


@pytest.mark.parametrize("noise", [b"\r\n\r\n", b"\x02\x03\r", b"   \r", b"62\xff12\r", "62券\r".encode()])
def test_noise_is_no_code(noise: bytes) -> None:
    assert ScanLines().feed(noise, 1.0) == []


def test_longest_code_and_one_too_long() -> None:
    lines = ScanLines()
    assert lines.feed(b"1" * CODE_LENGTH_MAX + b"\r", 1.0) == ["1" * CODE_LENGTH_MAX]
    assert lines.feed(b"2" * (CODE_LENGTH_MAX + 1) + b"\r62\r", 1.0) == ["62"]


def test_repeats_within_the_window_are_one_scan() -> None:
    lines = ScanLines(repeat_window_s=1.0)
    assert [len(lines.feed(b"62\r", now)) for now in (10.0, 10.9, 11.8, 12.8)] == [1, 0, 0, 1]


def test_another_code_is_never_a_repeat() -> None:
    lines = ScanLines(repeat_window_s=1.0)
    assert [lines.feed(code, 10.0) for code in (b"62\r", b"63\r", b"62\r")] == [["62"], ["63"], ["62"]]


def test_half_a_code_is_not_glued_to_the_next() -> None:
    lines = ScanLines()
    assert lines.feed(b"6299", 10.0) == []
    assert lines.feed(b"1234\r", 11.0) == ["1234"]


@given(st.lists(st.binary(max_size=700), max_size=6))
def test_any_bytes_give_clean_bounded_codes(pieces: list[bytes]) -> None:
    lines = ScanLines()
    for at, piece in enumerate(pieces):
        for code in lines.feed(piece, 10.0 + at / 10):
            assert code
            assert code.isascii()
            assert code.isprintable()
            assert len(code) <= CODE_LENGTH_MAX


Scene = Callable[[VirtualScanner, SerialScanner, HealthLog], Awaitable[None]]


def play(path: Path, scene: Scene, *, plugged: bool = True) -> None:
    async def on_stage() -> None:
        health = HealthLog()
        device = VirtualScanner(path / "scanner")
        if not plugged:
            device.unplug()
        scanner = SerialScanner(str(device.path), repeat_window_s=0.0, health_changed=health)
        assert scanner.health().reason == "starting"
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(device, scanner, health)
        finally:
            await scanner.close()
            device.close()

    asyncio.run(on_stage())


def test_scans_arrive(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("ready")
        device.scan(CODE)
        device.scan("134")
        assert [await scanner.next_code(), await scanner.next_code()] == [CODE, "134"]

    play(tmp_path, scene)


def test_unplugged_and_put_back(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("ready")
        device.send(b"6299")
        device.unplug()
        await health.until("attention", "unplugged")
        assert scanner.health() == health.seen[-1]
        device.replug()
        await health.until("ready")
        device.scan(CODE)
        assert await scanner.next_code() == CODE

    play(tmp_path, scene)


def test_scanner_that_comes_later(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("attention", "unplugged")
        device.replug()
        await health.until("ready")
        device.scan(CODE)
        assert await scanner.next_code() == CODE

    play(tmp_path, scene, plugged=False)


def test_line_that_another_program_has(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("ready")
        second_health = HealthLog()
        second = SerialScanner(str(device.path), health_changed=second_health)
        await second_health.until("attention", "port_refused")
        await second.close()
        await second_health.until("attention", "closed")

    play(tmp_path, scene)


def test_of_too_many_codes_the_oldest_go(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("ready")
        device.scan("first")
        assert await scanner.next_code() == "first"
        scanner._receive(b"".join(b"%d\r" % number for number in range(CODES_WAITING_MAX + 2)), 1.0)
        assert await scanner.next_code() == "2"

    play(tmp_path, scene)
