"""The serial scanner: codes out of bytes (pure), and a real pseudo-terminal that is unplugged and put back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.scanner import VirtualScanner
from terminal.devices import ScanIgnored, Scanned
from terminal.devices.scanner_readings import CODE_LENGTH_MAX, WAITING_MAX
from terminal.devices.scanner_serial import ScanLines, SerialScanner
from tests.fuzz import scan_bytes
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

CODE = "6212345678901234567"


def codes(lines: ScanLines, data: bytes, now: float = 1.0) -> list[str]:
    """What a feed gives: codes, or why there was none."""
    return [scan.code if isinstance(scan, Scanned) else scan.reason for scan in lines.feed(data, now)]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends(end: str) -> None:
    assert codes(ScanLines(), (CODE + end + "134" + end).encode()) == [CODE, "134"]


@pytest.mark.parametrize(
    ("suffixes", "sent"),
    [(["\t"], "62\t63\r\n\t"), (["\x03"], "\x0262\x03\x0263\x03"), (["#\r"], "62#\r63#\r"), (["#", "#\r"], "62#\r63#")],
)
def test_suffixes_are_what_the_scanner_is_set_up_to_send(suffixes: list[str], sent: str) -> None:
    lines = ScanLines(suffixes=suffixes)
    assert [code for byte in sent.encode() for code in codes(lines, bytes([byte]))] == ["62", "63"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("]C062", "62"), ("]C62", "62"), ("\x02]Q1 62", "62"), ("]C0]C062", "]C062"), ("]C0", None),
        ("62", "scan_without_prefix"), ("x]C062", "scan_without_prefix"),
    ],
)  # fmt: skip
def test_prefixes_are_taken_off_and_missed(line: str, said: str | None) -> None:
    found = codes(ScanLines(prefixes=["]C", "]Q1", "]C0"]), line.encode() + b"\r")
    assert found == ([] if said is None else [said])


def test_code_in_pieces() -> None:
    lines = ScanLines()
    found = [codes(lines, byte.to_bytes(1, "big"), 1.0 + at / 1000) for at, byte in enumerate(CODE.encode() + b"\r")]
    assert found == [[]] * len(CODE) + [[CODE]]


def test_control_characters_and_spaces_around_are_stripped() -> None:
    assert codes(ScanLines(), b"\x02 62\x0012\x7f34 \x03\r") == ["621234"]


@pytest.mark.parametrize("nothing", [b"\r\n\r\n", b"\x02\x03\r", b"   \r"])
def test_an_empty_line_is_no_scan(nothing: bytes) -> None:
    assert codes(ScanLines(), nothing) == []


@pytest.mark.parametrize("noise", [b"62\xff12\r", "62券\r".encode()])
def test_noise_is_no_code_and_said_so(noise: bytes) -> None:
    assert codes(ScanLines(), noise) == ["scan_unreadable"]


@pytest.mark.parametrize("length", [CODE_LENGTH_MAX + 1, 2 * CODE_LENGTH_MAX, 2 * CODE_LENGTH_MAX + 1, 100_000])
def test_longest_code_and_one_too_long(length: int) -> None:
    lines = ScanLines()
    assert codes(lines, b"1" * CODE_LENGTH_MAX + b"\r") == ["1" * CODE_LENGTH_MAX]
    assert codes(lines, b"2" * length + b"\r62\r") == ["scan_too_long", "62"]


def test_a_line_without_end_is_held_within_bounds() -> None:
    lines = ScanLines()
    for _ in range(100):
        lines.feed(b"1" * 4096, 1.0)
        assert len(lines._line) <= 2 * CODE_LENGTH_MAX + 1


def test_repeats_within_the_window_are_one_scan_and_said_so() -> None:
    lines = ScanLines(repeat_window_s=1.0)
    said = [codes(lines, b"62\r", now) for now in (10.0, 10.9, 11.8, 12.8)]
    assert said == [["62"], ["scan_repeated"], ["scan_repeated"], ["62"]]


def test_another_code_is_never_a_repeat() -> None:
    lines = ScanLines(repeat_window_s=1.0)
    assert [codes(lines, code, 10.0) for code in (b"62\r", b"63\r", b"62\r")] == [["62"], ["63"], ["62"]]


def test_half_a_code_is_not_glued_to_the_next() -> None:
    lines = ScanLines()
    assert codes(lines, b"6299", 10.0) == []
    assert codes(lines, b"1234\r", 11.0) == ["scan_broken_off", "1234"]


@given(st.lists(st.binary(max_size=700), max_size=6))
def test_any_bytes_give_clean_bounded_codes_or_a_reason(pieces: list[bytes]) -> None:
    scan_bytes.run(b"".join(piece + b"\xfe" for piece in pieces))


@pytest.mark.parametrize("data", [*scan_bytes.SEEDS, *scan_bytes.swollen(20_000)])
def test_what_the_fuzzer_begins_with(data: bytes) -> None:
    scan_bytes.run(data)


Scene = Callable[[VirtualScanner, SerialScanner, HealthLog], Awaitable[None]]


def play(path: Path, scene: Scene, *, plugged: bool = True) -> None:
    async def on_stage() -> None:
        health = HealthLog()
        device = VirtualScanner(path / "scanner")
        if not plugged:
            device.unplug()
        scanner = SerialScanner(str(device.path), ScanLines(repeat_window_s=0.0), health_changed=health)
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
        assert [await scanner.next_scan(), await scanner.next_scan()] == [Scanned(CODE), Scanned("134")]

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
        assert await scanner.next_scan() == Scanned(CODE)

    play(tmp_path, scene)


def test_scanner_that_comes_later(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("attention", "unplugged")
        device.replug()
        await health.until("ready")
        device.scan(CODE)
        assert await scanner.next_scan() == Scanned(CODE)

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


def test_of_too_many_codes_the_oldest_go_and_what_was_ignored_displaces_none(tmp_path: Path) -> None:
    async def scene(device: VirtualScanner, scanner: SerialScanner, health: HealthLog) -> None:
        await health.until("ready")
        sent = b"".join(b"%d\r" % number for number in range(WAITING_MAX + 2)) + b"\xff\r" * 100
        scanner._receive(sent, 1.0)
        waiting = [await scanner.next_scan() for _ in range(WAITING_MAX)]
        assert waiting == [Scanned(str(number)) for number in range(2, WAITING_MAX + 2)]
        scanner._receive(b"\xff\r", 1.0)
        assert await scanner.next_scan() == ScanIgnored("scan_unreadable")

    play(tmp_path, scene)
