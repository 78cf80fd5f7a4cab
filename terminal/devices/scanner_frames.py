"""Pictures and what is to be read in them: all that needs OpenCV, imported only where there is a camera.

Wanted are QR codes at any angle and Code-128 up to 30 degrees from level, dark on light or light on dark. Frames are
two-dimensional arrays of grey values (`uint8`).

How a frame is looked at was measured on 1280x720: a QR code is found at half the size in a fifth of the time and with
less noise. Of Code-128 only lines across the bars matter: rows are averaged eight by eight, which takes the noise away,
and stretched and sharpened, which gives blurred bars back their edges; frames turned by 20 degrees either way follow.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # else OpenCV and FFmpeg write to standard error
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from numpy.typing import NDArray

try:
    import zxingcpp
except ImportError:  # OpenCV's own detector serves instead
    zxingcpp = None  # type: ignore[assignment, unused-ignore]

Frame = NDArray[np.uint8]
Image = NDArray[Any]
Look = Callable[[Image], list[str]]

WIDTH, HEIGHT = 1280, 720
SMALLEST = 16
"""Height or width in which no code has room."""

OPEN_TIMEOUT_MS = 2_000
READ_TIMEOUT_MS = 1_500
FILM_FRAMES_PER_S = 30.0

_FAULTS = (cv2.error, ValueError, TypeError, RuntimeError, MemoryError)
"""What a decoder may throw at a picture: OpenCV's fails an assertion in the dark, ZXing's on what it cannot convert."""

_TIMEOUTS = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS)

cv2.setNumThreads(1)  # a camera takes one core at most; the rest is for payments


class FrameSource(Protocol):
    """Where frames come from. All but `interrupt` is called from one thread."""

    live: bool
    """Whether frames come when they come: then one that nobody has looked at gives way to the next."""

    def read(self) -> Frame | None:
        """Wait for the next frame; None when there are no more."""

    def interrupt(self) -> None:
        """Make a `read` that waits return soon; may be called from another thread."""

    def release(self) -> None:
        """Let go of the camera."""


class Capture:
    """A camera by number, a film by path, or a stream by address. `opened` makes one."""

    def __init__(self, capture: cv2.VideoCapture, film: bool) -> None:
        self._capture = capture
        self.live = not film
        self._frame_s = 1 / (capture.get(cv2.CAP_PROP_FPS) or FILM_FRAMES_PER_S) if film else 0.0
        self._next_at = time.monotonic()

    @classmethod
    def opened(cls, source: str) -> "Capture | None":
        """Open `source`; None if there is none. A stream that does not answer is given up after `OPEN_TIMEOUT_MS`."""
        try:
            if source.isdecimal():
                capture = cv2.VideoCapture(int(source))
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, WIDTH)
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT)
            else:
                capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, _TIMEOUTS)
            if capture.isOpened():
                return cls(capture, film=Path(source).is_file())
            capture.release()
        except (*_FAULTS, OSError):
            pass
        return None

    def read(self) -> Frame | None:
        """Wait for the next frame, grey and at most `WIDTH` wide; a film runs at its own speed and begins again."""
        try:
            taken, picture = self._capture.read()
            if not taken and not self.live and self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0):
                taken, picture = self._capture.read()
            if not taken:
                return None
            frame = grey(picture)
        except _FAULTS:
            return None
        self._next_at = max(self._next_at + self._frame_s, time.monotonic())
        time.sleep(self._next_at - time.monotonic() if self._next_at > time.monotonic() else 0)
        return frame

    def interrupt(self) -> None:
        """A read ends by itself, in time."""

    def release(self) -> None:
        """Let go of the camera."""
        try:
            self._capture.release()
        except _FAULTS:
            return


def grey(picture: Image) -> Frame:
    """Make a frame of a picture of any size, grey or coloured. Raises ValueError for what is none, or cv2.error."""
    if picture.ndim not in (2, 3) or not picture.size or picture.dtype != np.uint8:
        raise ValueError("not a picture")
    flat = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    if flat.shape[1] > WIDTH:
        size = (WIDTH, max(1, flat.shape[0] * WIDTH // flat.shape[1]))
        flat = cv2.resize(flat, size, interpolation=cv2.INTER_AREA)
    return np.asarray(flat, dtype=np.uint8)


class CodeReader:
    """Reads codes in frames; never raises. Keeps in mind only what it will try on the next frame without a code."""

    def __init__(self, *, zxing: bool = True) -> None:
        """With `zxing` false, or without zxing-cpp, only OpenCV's detector reads, and only QR codes."""
        self.decoder = "zxing-cpp" if zxing and zxingcpp is not None else "OpenCV"
        self._first, self._others = _zxing_looks() if self.decoder == "zxing-cpp" else _opencv_looks()
        self._turn = 0

    def read(self, frame: Frame) -> list[str]:
        """Return the distinct texts of what can be read, with every effort."""
        return _looked(frame, (*self._first, *self._others))

    def glance(self, frame: Frame) -> list[str]:
        """The same for one frame of many: of the costlier looks only the one whose turn it is."""
        self._turn = (self._turn + 1) % len(self._others)
        return _looked(frame, (*self._first, self._others[self._turn]))


def _looked(frame: Frame, looks: tuple[Look, ...]) -> list[str]:
    if frame.ndim != 2 or min(frame.shape) < SMALLEST:
        return []
    for look in looks:
        try:
            found = list(dict.fromkeys(look(frame)))
        except _FAULTS:
            continue
        if found:
            return found
    return []


# zxing-cpp -----------------------------------------------------------------------------------------------------------


def _zxing_looks() -> tuple[tuple[Look, ...], tuple[Look, ...]]:
    """The looks that every frame gets, and the others."""
    return (_half_qr, _level), (_turned(20), _turned(-20), _qr, _upright)


def _half_qr(frame: Image) -> list[str]:
    return _qr(cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _qr(frame: Image) -> list[str]:
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    return [code.text for code in zxingcpp.read_barcodes(frame, formats=formats, text_mode=zxingcpp.TextMode.Plain)]


def _level(frame: Image) -> list[str]:
    return _bars(cv2.resize(frame, (frame.shape[1], max(1, frame.shape[0] // 8)), interpolation=cv2.INTER_AREA))


def _upright(frame: Image) -> list[str]:
    return _level(cv2.transpose(frame))


def _turned(degrees: float) -> Look:
    def look(frame: Image) -> list[str]:
        height, width = frame.shape
        half = cv2.resize(frame, (width, max(1, height // 2)), interpolation=cv2.INTER_AREA)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turn[:, 1] *= 2  # from the half-height frame ...
        turn[1] /= 2  # ... into one
        turned = cv2.warpAffine(half, turn, (half.shape[1], half.shape[0]), flags=cv2.INTER_LINEAR)
        return _bars(cv2.resize(turned, (width, max(1, height // 8)), interpolation=cv2.INTER_AREA))

    return look


def _bars(rows: Image) -> list[str]:
    """Read every second of these rows, in each of the ways in which they may become clearer."""
    for image in _clearer(np.ascontiguousarray(rows[::2])):
        found = zxingcpp.read_barcodes(
            image, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.Code128), text_mode=zxingcpp.TextMode.Plain,
            try_rotate=False, try_downscale=False, try_invert=False,
        )  # fmt: skip
        if found:
            return [code.text for code in found]
    return []


def _clearer(rows: Image) -> Iterator[Image]:
    """Stretched to twice the width; then inverted; then sharpened against a smear, and more against a blur."""
    size = (2 * rows.shape[1], rows.shape[0])
    smooth = cv2.resize(rows, size, interpolation=cv2.INTER_CUBIC)
    yield smooth
    yield 255 - smooth
    plain = cv2.resize(rows, size, interpolation=cv2.INTER_LINEAR)
    sharp = _sharpened(plain, 2.0)
    yield sharp
    yield 255 - sharp
    yield _sharpened(plain, 3.0)


def _sharpened(image: Image, strength: float) -> Image:
    soft = cv2.GaussianBlur(image, (0, 0), sigmaX=5, sigmaY=0.01)
    return cv2.addWeighted(image, 1 + strength, soft, -strength, 0)


# OpenCV --------------------------------------------------------------------------------------------------------------


def _opencv_looks() -> tuple[tuple[Look, ...], tuple[Look, ...]]:
    detector = cv2.QRCodeDetector()

    def look(frame: Image) -> list[str]:
        text, _, _ = detector.detectAndDecode(frame)
        return [text] if text else []

    def half(frame: Image) -> list[str]:
        return look(cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))

    return (half,), (look, lambda frame: half(255 - frame))
