"""Codes read in frames: what every look is for, what no look may see, and pictures that are none."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from simulators.camera import showing, write_film
from simulators.camera_frames import DEGRADATIONS, HEIGHT, KINDS, WIDTH, View, degraded, draw_code128, draw_qr, seen
from terminal.devices.scanner_frames import Capture, CodeReader, grey

CODE = "6212345678901234567"


def chance(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_code_is_read_in_every_degradation(kind: str, degradation: str) -> None:
    source, reader = chance(2, len(degradation)), CodeReader()
    frames = [degraded(kind, degradation, source) for _ in range(3)]
    read = [reader.read(frame) for _, frame in frames]
    assert all(codes in ([], [content]) for codes, (content, _) in zip(read, frames, strict=True))
    assert sum(map(bool, read)) >= 2  # the rates are measured in simulators.camera_measures


@pytest.mark.parametrize("angle", [-30, -20, -11, 0, 11, 20, 30, 90, -90])
@pytest.mark.parametrize("inverted", [False, True])
def test_bars_are_read_up_to_thirty_degrees_from_level_and_upright(angle: int, inverted: bool) -> None:
    frame = seen(draw_code128(CODE), View(side=600, angle=angle, inverted=inverted), chance(3))
    assert CodeReader().read(frame) == [CODE]


@pytest.mark.parametrize("inverted", [False, True])
def test_a_small_code_is_read_at_full_size(inverted: bool) -> None:
    frame = seen(draw_qr(CODE), View(side=75, angle=30, inverted=inverted), chance(4))
    assert CodeReader().read(frame) == [CODE]


def test_a_stream_gets_every_look_in_turn() -> None:
    reader, frame = CodeReader(), seen(draw_code128(CODE), View(side=700, angle=-25), chance(5))
    read = [reader.glance(frame) for _ in range(4)]
    assert [CODE] in read and all(codes in ([], [CODE]) for codes in read)


def test_two_codes_in_view_are_told_apart() -> None:
    left, right = (cv2.resize(draw_qr(code), (400, 400)) for code in (CODE, "134567890123456789"))
    frame = np.full((HEIGHT, WIDTH), 200, np.uint8)
    frame[100:500, 100:500], frame[100:500, 700:1100] = left, right
    assert sorted(CodeReader().read(frame)) == ["134567890123456789", CODE]


def test_the_same_code_twice_in_view_is_one() -> None:
    frame = np.full((HEIGHT, WIDTH), 200, np.uint8)
    code = cv2.resize(draw_qr(CODE), (400, 400))
    frame[100:500, 100:500] = frame[100:500, 700:1100] = code
    assert CodeReader().read(frame) == [CODE]


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((1, 1), np.uint8), np.zeros((0, 0), np.uint8), np.zeros((720, 1), np.uint8),
        np.zeros((1, 1280), np.uint8), np.full((9, 9), 255, np.uint8), np.zeros((720, 1280), np.float64),
        np.zeros((2, 2, 2, 2), np.uint8), np.arange(256, dtype=np.uint8).repeat(3600).reshape(720, 1280),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zxing", [True, False])
def test_no_picture_makes_a_reader_raise(frame: np.ndarray, zxing: bool) -> None:
    reader = CodeReader(zxing=zxing)
    assert reader.read(frame) == [] and [reader.glance(frame) for _ in range(4)] == [[]] * 4


def test_without_zxing_opencv_reads_qr_codes_also_inverted_and_in_the_dark() -> None:
    reader = CodeReader(zxing=False)
    assert reader.decoder == "OpenCV" and CodeReader().decoder == "zxing-cpp"
    assert reader.read(showing(CODE)) == [CODE] == reader.read(showing(CODE, inverted=True))
    for seed in range(10):
        content, frame = degraded("qr", "low light", chance(6, seed))
        assert reader.read(frame) in ([content], [])


@pytest.mark.parametrize("shape", [(2160, 3840, 3), (720, 1280, 3), (720, 1280), (480, 640, 3), (1, 5000, 3)])
def test_a_picture_of_any_size_becomes_a_frame(shape: tuple[int, ...]) -> None:
    frame = grey(np.zeros(shape, np.uint8))
    assert frame.ndim == 2 and frame.dtype == np.uint8 and frame.shape[1] == min(shape[1], WIDTH)


def test_a_film_runs_and_begins_again(tmp_path: Path) -> None:
    write_film(tmp_path / "film.avi", [showing(CODE), showing("")], frames_per_s=1000)
    capture = Capture.opened(str(tmp_path / "film.avi"))
    assert capture is not None and not capture.live
    frames = [capture.read() for _ in range(5)]
    reader = CodeReader()
    assert [reader.read(frame) for frame in frames if frame is not None] == [[CODE], [], [CODE], [], [CODE]]
    capture.interrupt()
    capture.release()
    assert capture.read() is None


@pytest.mark.parametrize("source", ["99", "no such film.avi", "http://127.0.0.1:1/camera", "", "\0"])
def test_what_is_no_camera_is_not_opened(source: str) -> None:
    assert Capture.opened(source) is None


def test_a_file_that_is_no_film_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "film.avi").write_bytes(b"RIFF" + bytes(range(256)) * 16)
    assert Capture.opened(str(tmp_path / "film.avi")) is None
