"""How well and how fast codes are read: from spoiled frames, from frames without a code, and over a serial line.

    python -m simulators.camera_measures

Measured with OpenCV on one thread, in the processor's time, so that a busy machine tells the same; the way of a scan
through a pseudo-terminal in the clock's time.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from simulators.camera_frames import DEGRADATIONS, KINDS, Frame, degraded, without_code
from simulators.scanner import VirtualScanner
from terminal.devices import Scanned
from terminal.devices.scanner_frames import CodeReader
from terminal.devices.scanner_serial import ScanLines, SerialScanner

FRAMES_EACH = 40
FRAMES_WITHOUT_CODE = 10_000
SCANS = 2_000


@dataclass(frozen=True, slots=True)
class Decoding:
    """What was read of frames with one code each. `rates` by degradation from 0 to 1; `wrong`: frames misread."""

    rate: float
    rates: dict[str, float]
    wrong: int
    ms_mean: float
    ms_worst: float


@dataclass(frozen=True, slots=True)
class FalseNumbers:
    """What was read where no code was; `ms_mean` is with every effort, `ms_glance` as in a stream."""

    frames: int
    found: int
    ms_mean: float
    ms_glance: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From the last byte that a scanner sends to the scan in the terminal, in milliseconds."""

    scans: int
    ms_p50: float
    ms_p99: float
    ms_worst: float


def decoding(kind: str, frames_each: int = FRAMES_EACH, seed: int = 1, reader: CodeReader | None = None) -> Decoding:
    """Read `frames_each` frames of each degradation of a kind in `KINDS`, each by itself and with every effort."""
    cv2.setNumThreads(1)
    reader = reader or CodeReader()
    right, times, wrong = dict.fromkeys(DEGRADATIONS, 0), [], 0
    for place, degradation in enumerate(DEGRADATIONS):
        chance = np.random.default_rng([seed, list(KINDS).index(kind), place])
        for _ in range(frames_each):
            content, frame = degraded(kind, degradation, chance)
            found, took_s = _timed(reader.read, frame)
            times.append(took_s)
            right[degradation] += found == [content]
            wrong += bool(found) and found != [content]
    rates = {degradation: count / frames_each for degradation, count in right.items()}
    return Decoding(sum(rates.values()) / len(rates), rates, wrong, 1e3 * sum(times) / len(times), 1e3 * max(times))


def false_numbers(frames: int = FRAMES_WITHOUT_CODE, seed: int = 1) -> FalseNumbers:
    """Look for codes where there are none."""
    cv2.setNumThreads(1)
    reader, chance = CodeReader(), np.random.default_rng([seed, 99])
    found, reading_s, glancing_s = 0, 0.0, 0.0
    for _ in range(frames):
        frame = without_code(chance)
        codes, took_s = _timed(reader.read, frame)
        found += len(codes)
        reading_s += took_s
        codes, took_s = _timed(reader.glance, frame)
        glancing_s += took_s
    return FalseNumbers(frames, found, 1e3 * reading_s / frames, 1e3 * glancing_s / frames)


async def scan_latency(folder: Path, scans: int = SCANS) -> Latency:
    """Send scans over a pseudo-terminal in `folder`, one after the other, and time each. Needs a running loop."""
    device = VirtualScanner(folder / "scanner")
    plugged_in = asyncio.Event()
    scanner = SerialScanner(
        str(device.path), ScanLines(repeat_window_s=0.0),
        health_changed=lambda health: plugged_in.set() if health.state == "ready" else None,
    )  # fmt: skip
    try:
        await plugged_in.wait()
        times = [await _timed_scan(device, scanner, f"62{number:017d}") for number in range(scans)]
    finally:
        await scanner.close()
        device.close()
    times.sort()
    p50, p99 = (1e3 * times[min(len(times) - 1, len(times) * part // 100)] for part in (50, 99))
    return Latency(scans, p50, p99, 1e3 * times[-1])


async def _timed_scan(device: VirtualScanner, scanner: SerialScanner, code: str) -> float:
    began = time.perf_counter()
    device.scan(code)
    scan = await scanner.next_scan()
    took_s = time.perf_counter() - began
    assert scan == Scanned(code), "another scan came"
    return took_s


def _timed(read: Callable[[Frame], list[str]], frame: Frame) -> tuple[list[str], float]:
    began = time.process_time()
    found = read(frame)
    return found, time.process_time() - began


def main() -> None:
    """Measure everything, and say each figure as a line of JSON as soon as it is known."""
    for kind in KINDS:
        _tell(f"camera {kind}", asdict(decoding(kind)))
    with tempfile.TemporaryDirectory() as folder:
        _tell("scan to event", asdict(asyncio.run(scan_latency(Path(folder)))))
    _tell("camera without code", asdict(false_numbers()))


def _tell(name: str, figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"figure": name} | figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
