"""The contract of scanners, run on every driver: what is shown to one arrives once, in order, cleaned, and bounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
from numpy.random import default_rng

from simulators.camera import HandFed
from simulators.camera_frames import View, draw_qr, seen
from simulators.scanner import VirtualScanner
from terminal.devices import ScanIgnored, Scanned, Scanner
from terminal.devices.scanner_camera import CameraScanner
from terminal.devices.scanner_keyboard import KeyboardScanner
from terminal.devices.scanner_serial import SerialScanner
from terminal.devices.scanner_several import SeveralScanners
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

UNIONPAY, WECHAT, ALIPAY = "6212345678901234567", "134567890123456789", "28763443825664394"


@dataclass(frozen=True)
class Stage:
    """A scanner, and how a code is held before it."""

    scanner: Scanner
    show: Callable[[str], Awaitable[None]]


@asynccontextmanager
async def serial(folder: Path) -> AsyncIterator[Stage]:
    device = VirtualScanner(folder / "scanner")
    health = HealthLog()
    scanner = SerialScanner(str(device.path), health_changed=health)

    async def show(code: str) -> None:
        device.scan(code)

    await health.until("ready")
    yield Stage(scanner, show)
    await scanner.close()
    device.close()


@asynccontextmanager
async def several(folder: Path) -> AsyncIterator[Stage]:
    (folder / "other").mkdir()
    async with serial(folder) as one, serial(folder / "other") as other:
        both = SeveralScanners([one.scanner, other.scanner])
        yield Stage(both, other.show)
        await both.close()


@asynccontextmanager
async def keyboard(_: Path) -> AsyncIterator[Stage]:
    scanner = KeyboardScanner()

    async def show(code: str) -> None:
        scanner.typed(code, ended=True)

    yield Stage(scanner, show)
    await scanner.close()


@asynccontextmanager
async def camera(folder: Path) -> AsyncIterator[Stage]:
    device = HandFed()
    scanner = CameraScanner("", held_s=0.0, repeat_window_s=60.0, open_source=lambda: device)

    async def show(code: str) -> None:
        device.see(seen(draw_qr(code), View(side=680), default_rng(1)))

    while scanner.health().state != "ready":
        await asyncio.to_thread(Event().wait, 0.005)
    yield Stage(scanner, show)
    await scanner.close()


Driver = Callable[[Path], AbstractAsyncContextManager[Stage]]
DRIVERS: dict[str, Driver] = {"serial": serial, "several": several, "camera": camera, "keyboard": keyboard}
Scene = Callable[[Stage], Awaitable[None]]


@pytest.fixture(params=DRIVERS.values(), ids=list(DRIVERS))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    async def on_stage(scene: Scene) -> None:
        async with asyncio.timeout(PATIENCE_S), request.param(tmp_path) as stage:
            await scene(stage)

    return lambda scene: asyncio.run(on_stage(scene))


def test_codes_arrive_in_order(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        for code in (UNIONPAY, WECHAT, ALIPAY):
            await stage.show(code)
            assert await stage.scanner.next_scan() == Scanned(code)
        assert stage.scanner.health().state == "ready"

    play(scene)


def test_a_code_waits_until_it_is_asked_for(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        asked = asyncio.ensure_future(stage.scanner.next_scan())
        await stage.show(UNIONPAY)
        assert await asked == Scanned(UNIONPAY)
        await stage.show(WECHAT)
        await stage.show(ALIPAY)
        assert [await stage.scanner.next_scan() for _ in range(2)] == [Scanned(WECHAT), Scanned(ALIPAY)]

    play(scene)


def test_whoever_stopped_asking_loses_no_code(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        asked = asyncio.ensure_future(stage.scanner.next_scan())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        await stage.show(UNIONPAY)
        assert await stage.scanner.next_scan() == Scanned(UNIONPAY)

    play(scene)


def test_the_same_code_again_is_ignored_and_said_so(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.show(UNIONPAY)
        await stage.show(UNIONPAY)
        await stage.show(WECHAT)
        scans = [await stage.scanner.next_scan() for _ in range(3)]
        assert scans == [Scanned(UNIONPAY), ScanIgnored("scan_repeated"), Scanned(WECHAT)]

    play(scene)


def test_a_long_code_is_taken_and_one_too_long_is_said(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        for length, told in ((300, Scanned("1" * 300)), (600, ScanIgnored("scan_too_long"))):
            await stage.show("1" * length)
            assert await stage.scanner.next_scan() == told

    play(scene)


def test_a_code_is_not_for_logs(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.show(UNIONPAY)
        assert UNIONPAY not in repr(await stage.scanner.next_scan())

    play(scene)


def test_closed_twice_is_closed(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.scanner.close()
        await stage.scanner.close()
        assert stage.scanner.health().reason == "closed"

    play(scene)
