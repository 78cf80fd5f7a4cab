"""The camera as a scanner: what is held up to it is scanned once, and whatever happens to it stays with it."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from simulators.camera import HandFed, StreamCamera, showing, write_film
from simulators.camera_frames import Frame, draw_qr
from terminal.devices import DeviceHealth, ScanIgnored, Scanned
from terminal.devices.scanner_camera import STALLED_AFTER_S, CameraScanner, _Slot
from terminal.devices.scanner_frames import FrameSource

ROOT = Path(__file__).resolve().parents[3]
CODE, OTHER = "6212345678901234567", "134567890123456789"
PATIENCE_S = 20.0
BLANK = showing("")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a thread of the camera brings about; it tells nobody."""
    while not holds():
        await asyncio.to_thread(threading.Event().wait, 0.005)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def on_stage() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(on_stage())


def test_a_code_that_stays_in_view_is_one_scan_and_one_that_comes_back_is_said() -> None:
    async def scene() -> None:
        camera = HandFed()
        scanner = CameraScanner("", repeat_window_s=60.0, held_s=30.0, open_source=lambda: camera)
        camera.see(*[showing(CODE), BLANK] * 5, showing(OTHER))
        assert [await scanner.next_scan() for _ in range(2)] == [Scanned(CODE), Scanned(OTHER)]
        assert scanner.reading().passed_over == 0 and scanner.reading().frames == 11
        await scanner.close()
        scanner = CameraScanner("", repeat_window_s=60.0, held_s=0.0, open_source=lambda: camera)
        await until(lambda: scanner.health().state == "ready")
        camera.see(showing(CODE), BLANK, showing(CODE))
        assert [await scanner.next_scan() for _ in range(2)] == [Scanned(CODE), ScanIgnored("scan_repeated")]
        await scanner.close()

    play(scene)


def test_two_codes_in_view_pay_for_nothing() -> None:
    async def scene() -> None:
        camera, both = HandFed(), BLANK.copy()
        both[100:390, 100:390], both[100:390, 700:990] = draw_qr(CODE), draw_qr(OTHER)
        scanner = CameraScanner("", open_source=lambda: camera)
        camera.see(both)
        scan = await scanner.next_scan()
        await scanner.close()
        assert scan == ScanIgnored("scan_several")

    play(scene)


def test_unplugged_and_put_back() -> None:
    async def scene() -> None:
        cameras: list[FrameSource] = [HandFed()]
        scanner = CameraScanner("", open_source=lambda: cameras[0] if cameras else None)
        await until(lambda: scanner.health() == DeviceHealth("ready"))
        gone = cameras.pop()
        assert isinstance(gone, HandFed)
        gone.unplug()
        await until(lambda: scanner.health() == DeviceHealth("attention", "camera_missing"))
        back = HandFed()
        cameras.append(back)
        back.see(showing(CODE))
        assert await scanner.next_scan() == Scanned(CODE)
        await scanner.close()
        assert scanner.health() == DeviceHealth("attention", "closed")

    play(scene)


def test_a_camera_that_takes_its_time_to_open_is_starting() -> None:
    async def scene() -> None:
        opened = threading.Event()
        camera = HandFed()
        scanner = CameraScanner("", open_source=lambda: camera if opened.wait(PATIENCE_S) else None)
        assert scanner.health() == DeviceHealth("unknown", "starting") and scanner.reading().frame_age_s is None
        opened.set()
        await until(lambda: scanner.health() == DeviceHealth("ready"))
        await scanner.close()

    play(scene)


def test_a_film_is_read_and_its_speed_told(tmp_path: Path) -> None:
    write_film(tmp_path / "film.avi", [showing(CODE)] * 3 + [BLANK], frames_per_s=25)

    async def scene() -> None:
        scanner = CameraScanner(str(tmp_path / "film.avi"))
        assert await scanner.next_scan() == Scanned(CODE)
        await until(lambda: scanner.reading().frames > 10)
        reading = scanner.reading()
        await scanner.close()
        assert 0 < reading.frames_per_s < 30 and not reading.stalled and reading.decoder == "zxing-cpp"
        assert reading.frame_age_s is not None and reading.frame_age_s < STALLED_AFTER_S

    play(scene)


def test_a_stream_that_stalls_is_noticed_and_taken_up_again() -> None:
    async def scene() -> None:
        camera = StreamCamera(frames_per_s=50)
        camera.show(CODE)
        scanner = CameraScanner(await camera.start())
        assert await scanner.next_scan() == Scanned(CODE)
        camera.stall()
        camera.show(OTHER)
        await until(lambda: scanner.health().state == "attention")
        assert scanner.health().reason in ("camera_missing", "camera_stalled")
        camera.resume()
        assert await scanner.next_scan() == Scanned(OTHER)
        await scanner.close()
        await camera.stop()

    play(scene)


def test_a_camera_that_is_open_and_silent_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal.devices.scanner_camera.STALLED_AFTER_S", 0.05)

    async def scene() -> None:
        camera = HandFed()
        scanner = CameraScanner("", open_source=lambda: camera)
        await until(lambda: scanner.health() == DeviceHealth("attention", "camera_stalled"))
        assert scanner.reading().stalled and scanner.reading().frames_per_s == 0.0
        camera.see(BLANK)
        await until(lambda: scanner.health() == DeviceHealth("ready"))
        await scanner.close()

    play(scene)


def test_a_thread_that_hangs_does_not_hold_the_terminal_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminal.devices.scanner_camera.CLOSE_WITHIN_S", 0.05)

    class Hanging(HandFed):
        def interrupt(self) -> None:
            """Nothing can."""

    async def scene() -> None:
        camera = Hanging()
        scanner = CameraScanner("", open_source=lambda: camera)
        await until(lambda: scanner.health().state == "ready")
        await scanner.close()
        assert scanner.health().reason == "closed"
        camera.unplug()

    play(scene)


def test_a_newer_frame_takes_the_place_of_one_that_nobody_has_looked_at() -> None:
    slot, frames = _Slot(), [showing(""), showing(CODE)]
    for number, frame in enumerate(frames):
        slot.put(frame, float(number), waits=False)
    taken = slot.take()
    assert taken is not None and taken[0] is frames[1] and (slot.frames, slot.passed_over) == (2, 1)
    slot.end()
    slot.put(BLANK, 3.0, waits=True)
    assert slot.take() is None


def test_however_many_codes_come_a_loop_that_is_busy_holds_few() -> None:
    async def scene() -> None:
        scanner = CameraScanner("", open_source=lambda: None)
        for number in range(1000):
            scanner._hand_over([str(number)], float(number))
        assert len(scanner._found) == scanner._found.maxlen
        assert await scanner.next_scan() == Scanned("992")
        await scanner.close()

    play(scene)


def test_frames_are_held_nowhere() -> None:
    async def scene() -> None:
        camera = HandFed()
        scanner = CameraScanner("", open_source=lambda: camera)
        frames: list[Frame] = [BLANK.copy() for _ in range(50)]
        camera.see(*frames)
        await until(lambda: scanner.reading().frames == len(frames))
        await scanner.close()
        assert scanner._slot._frame is None

    play(scene)


# --- a terminal without a camera --------------------------------------------------------------------------------------

OPEN_AND_TELL = """
import asyncio, json, sys, threading
if {broken}: sys.modules["cv2"] = None
from firmware_config.profile import Devices
from terminal.start import open_scanners

async def opened():
    scanner = open_scanners(Devices(scanner_path={line!r}, camera={camera!r}))
    while scanner.health().reason == "starting":
        await asyncio.to_thread(threading.Event().wait, 0.005)
    reason = scanner.health().reason
    await scanner.close()
    return reason

reason = asyncio.run(opened())
print(json.dumps([reason, [name for name in ("cv2", "numpy", "zxingcpp") if sys.modules.get(name)]]))
"""


def in_a_fresh_process(line: str, camera: str, *, broken: bool) -> tuple[str, list[str]]:
    program = OPEN_AND_TELL.format(line=line, camera=camera, broken=broken)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    reason, imported = json.loads(done.stdout.splitlines()[-1])
    return reason, imported


def test_a_terminal_without_a_camera_never_imports_opencv() -> None:
    assert in_a_fresh_process("/dev/none", "", broken=False) == ("unplugged", [])


def test_a_terminal_whose_opencv_is_missing_says_so_and_sells_on() -> None:
    reason, imported = in_a_fresh_process("", "0", broken=True)
    assert reason == "software_missing" and "cv2" not in imported
