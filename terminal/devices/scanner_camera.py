"""A camera that reads codes: from a device, a film or a stream, seen as a `Scanner`.

One thread takes frames, another reads codes in them; between the two waits one frame at most, and a newer one takes its
place. A code that stays in view is one scan. Frames with two different codes are ignored: which of them pays?

A camera blocks, hangs and comes back as it likes, so nothing of it runs in the loop. OpenCV is imported in the first
thread only: a terminal whose OpenCV is missing or broken sells on without its camera.

Reasons in `health`: ``starting``, ``camera_missing`` (it cannot be opened, or went away), ``camera_stalled`` (open, but
no frames come), ``software_missing`` (OpenCV is not installed), ``driver_failed``, ``closed``.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from terminal.devices import DeviceHealth, Scan, ScanIgnored
from terminal.devices.scanner_readings import REPEAT_WINDOW_S, Repeats, WaitingScans, judged

if TYPE_CHECKING:
    from terminal.devices.scanner_frames import Frame, FrameSource

HELD_S = 0.5
"""A code that is read again so soon has not left the view: a hand shakes, a decoder misses a frame."""

STALLED_AFTER_S = 2.0
REOPEN_FIRST_S = 0.2
REOPEN_MAX_S = 5.0
CLOSE_WITHIN_S = 2.0
FOUND_MAX = 8
_RATE_OVER_FRAMES = 60

OpenSource = Callable[[], "FrameSource | None"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CameraReading:
    """How the camera runs.

    Attributes:
        frames_per_s: over the last two seconds or so; 0.0 while no frames come.
        frame_age_s: how long ago the last frame came; None before the first.
        stalled: it is open, and no frames come.
        frames: how many have come in all.
        passed_over: how many of them nobody looked at, because a newer one came first.
        decoder: what reads the codes.
    """

    frames_per_s: float
    frame_age_s: float | None
    stalled: bool
    frames: int
    passed_over: int
    decoder: str


class CameraScanner:
    """A `Scanner` that is a camera. Needs a running loop, in which it is made.

    Args:
        source: the number of a camera, the path of a film, or an address.
        repeat_window_s: how long the same code is ignored after it has left the view.
        held_s: how long a code may be out of view and yet be held there.
        open_source: for tests, what opens `source`.
    """

    def __init__(
        self, source: str, *, repeat_window_s: float = REPEAT_WINDOW_S, held_s: float = HELD_S,
        open_source: OpenSource | None = None,
    ) -> None:  # fmt: skip
        self._source = source
        self._open_source = open_source
        self._repeats = Repeats(repeat_window_s, held_s)
        self._scans = WaitingScans()
        self._loop = asyncio.get_running_loop()
        self._found: deque[tuple[list[str], float]] = deque(maxlen=FOUND_MAX)
        self._told = False
        self._slot = _Slot()
        self._closing = threading.Event()
        self._state = "starting"
        self._opened_at = 0.0
        self._decoder = ""
        self._capture: FrameSource | None = None
        self._taker = threading.Thread(target=self._take_frames, name="camera", daemon=True)
        self._taker.start()

    async def next_scan(self) -> Scan:
        """Return the next scan."""
        return await self._scans.next()

    def health(self) -> DeviceHealth:
        """Say whether frames come, or why not."""
        state = self._state  # empty while it is open
        if not state:
            return DeviceHealth("attention", "camera_stalled") if self.reading().stalled else DeviceHealth("ready")
        return DeviceHealth("unknown" if state == "starting" else "attention", state)

    def reading(self) -> CameraReading:
        """Say how the camera runs."""
        times, now = list(self._slot.times), time.monotonic()
        age_s = now - times[-1] if times else None
        silent_s = now - max(self._opened_at, times[-1] if times else 0.0)
        stalled = not self._state and silent_s > STALLED_AFTER_S
        rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        flows = age_s is not None and age_s < STALLED_AFTER_S
        return CameraReading(
            rate if flows else 0.0, age_s, stalled, self._slot.frames, self._slot.passed_over, self._decoder
        )

    async def close(self) -> None:
        """Let go of the camera. A thread that hangs in it is left behind; it ends with the process."""
        self._closing.set()
        self._slot.end()
        if self._capture is not None:
            self._capture.interrupt()
        await asyncio.to_thread(self._taker.join, CLOSE_WITHIN_S)
        self._state = "closed"

    # In the thread that takes frames

    def _take_frames(self) -> None:
        try:
            from terminal.devices.scanner_frames import Capture, CodeReader  # noqa: PLC0415  here and nowhere else
        except ImportError as error:
            log.error("camera_software_missing", missing=error.name)
            self._state = "software_missing"
            return
        reader = CodeReader()
        self._decoder = reader.decoder
        looker = threading.Thread(target=self._look_at_frames, args=(reader.glance,), name="camera-codes", daemon=True)
        looker.start()
        try:
            self._keep_open(self._open_source or (lambda: Capture.opened(self._source)))
        finally:
            if not self._closing.is_set():
                self._state = "driver_failed"
            self._slot.end()
            looker.join()

    def _keep_open(self, open_source: OpenSource) -> None:
        pause_s = REOPEN_FIRST_S
        while not self._closing.is_set():
            self._capture = source = open_source()
            came = source is not None and self._follow(source)
            pause_s = REOPEN_FIRST_S if came else min(2 * pause_s, REOPEN_MAX_S)
            self._state = "camera_missing"
            self._closing.wait(pause_s)

    def _follow(self, source: "FrameSource") -> bool:
        """Take frames until none comes; say whether there was one."""
        before = self._slot.frames
        self._opened_at = time.monotonic()
        self._state = ""
        while not self._closing.is_set() and (frame := source.read()) is not None:
            self._slot.put(frame, time.monotonic(), waits=not source.live)
        source.release()
        return self._slot.frames > before

    # In the thread that looks at frames

    def _look_at_frames(self, read: "Callable[[Frame], list[str]]") -> None:
        try:
            while (taken := self._slot.take()) is not None:
                frame, now = taken
                if codes := read(frame):
                    self._hand_over(codes, now)
        finally:
            if not self._closing.is_set():
                self._state = "driver_failed"

    def _hand_over(self, codes: list[str], now: float) -> None:
        """Give codes to the loop, and wake it once however many wait there."""
        self._found.append((codes, now))
        if not self._told and not self._loop.is_closed():
            self._told = True
            self._loop.call_soon_threadsafe(self._receive)

    # In the loop

    def _receive(self) -> None:
        self._told = False
        while self._found:
            codes, now = self._found.popleft()
            scan = judged(codes[0]) if len(codes) == 1 else ScanIgnored("scan_several")
            told = scan and self._repeats.told(scan, now)
            if told:
                self._scans.put(told)


class _Slot:
    """One frame on its way from one thread to another, and how many have passed."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=_RATE_OVER_FRAMES)
        self.frames = 0
        self.passed_over = 0
        self._frame: tuple[Frame, float] | None = None
        self._ended = False
        self._moved = threading.Condition()

    def put(self, frame: "Frame", now: float, *, waits: bool) -> None:
        """Leave a frame for the other thread, in place of one that is there; with `waits`, only when none is."""
        with self._moved:
            if waits:
                self._moved.wait_for(lambda: self._frame is None or self._ended)
            self.passed_over += self._frame is not None
            self._frame = frame, now
            self.frames += 1
            self.times.append(now)
            self._moved.notify_all()

    def take(self) -> "tuple[Frame, float] | None":
        """Wait for a frame; None when there will be none."""
        with self._moved:
            self._moved.wait_for(lambda: self._frame is not None or self._ended)
            taken, self._frame = self._frame, None
            self._moved.notify_all()
            return None if self._ended else taken

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()
