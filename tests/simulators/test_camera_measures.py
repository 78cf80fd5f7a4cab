"""The measures of the camera and of scans: they repeat, they count what is wrong, and small runs reach the goals."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from simulators.camera_frames import DEGRADATIONS, HEIGHT, KINDS, WIDTH, degraded, without_code
from simulators.camera_measures import decoding, false_numbers, scan_latency
from terminal.devices.scanner_frames import CodeReader


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_the_same_seed_draws_the_same_frame(degradation: str) -> None:
    one, again, other = (degraded("qr", degradation, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one[0] == again[0] and np.array_equal(one[1], again[1])
    assert not np.array_equal(one[1], other[1])
    assert one[1].shape == (HEIGHT, WIDTH) and one[1].dtype == np.uint8


def test_what_a_code_says_is_what_is_asked_for() -> None:
    contents = {kind: degraded(kind, "blur 1.5", np.random.default_rng(1))[0] for kind in KINDS}
    assert len(contents["payload"].encode()) == 300
    assert contents["qr"].isdecimal() and contents["code128"].isdecimal()


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_read(kind: str) -> None:
    measured = decoding(kind, frames_each=1)
    assert measured.wrong == 0 and measured.rate >= 0.9 and measured.rates.keys() == DEGRADATIONS.keys()


def test_a_reader_that_errs_is_found_out() -> None:
    class Erring(CodeReader):
        def read(self, frame: object) -> list[str]:
            return ["1"]

    measured = decoding("qr", frames_each=1, reader=Erring())
    assert (measured.wrong, measured.rate) == (len(DEGRADATIONS), 0.0)


def test_no_number_is_read_where_none_is() -> None:
    assert false_numbers(frames=20).found == 0
    assert not np.array_equal(without_code(np.random.default_rng(1)), without_code(np.random.default_rng(2)))


def test_scans_over_a_line_are_timed(tmp_path: Path) -> None:
    measured = asyncio.run(scan_latency(tmp_path, scans=50))
    assert 0 < measured.ms_p50 <= measured.ms_p99 <= measured.ms_worst
