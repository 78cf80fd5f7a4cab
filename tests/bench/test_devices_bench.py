"""`make bench-devices` measures what it says: every figure is there, missed ones are marked, absent ones say why."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import pytest

from bench import devices_bench, figures
from bench.devices_bench import COMMAND, FULL, TOLD, for_people, opencv_files
from bench.taps import LOOKS_EVERY_S

BOUNDS = tomllib.loads(figures.THRESHOLDS.read_text("utf-8"))[COMMAND]
ROOT = figures.ROOT
LATE_S = 5.0  # a busy machine


@pytest.fixture(scope="module")
def quick_run() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.devices_bench", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def found(quick_run: subprocess.CompletedProcess[str]) -> dict[str, figures.Figure]:
    told: dict[str, figures.Figure] = json.loads(quick_run.stdout.splitlines()[-1])
    return told


def test_a_quick_run_measures_everything_and_is_not_judged(
    quick_run: subprocess.CompletedProcess[str], found: dict[str, figures.Figure]
) -> None:
    assert found.keys() == {*TOLD, "load_of_others", "load_at_the_end"}
    assert "falls_short" not in quick_run.stdout
    times = {name: figure for name, figure in found.items() if name.endswith("_ms") and not isinstance(figure, str)}
    assert len(times) >= 13
    assert all(isinstance(time, float) and time > 0 for time in times.values())


def test_what_is_counted_is_what_was_asked_for(found: dict[str, figures.Figure]) -> None:
    extent = devices_bench.QUICK
    assert found["camera_frames_without_code"] == extent.shares_without_code * extent.frames_in_a_share
    assert found["printer_jobs"] == extent.printer_jobs
    assert found["printer_faults"]
    nothing = ("camera_misread", "camera_false_numbers", "printer_slips_lost", "printer_slips_doubled")
    assert [found[name] for name in nothing] == [0] * len(nothing)


def test_a_full_run_is_as_long_as_its_thresholds_want() -> None:
    assert FULL.shares_without_code * FULL.frames_in_a_share >= BOUNDS["camera_frames_without_code"]["min"]
    assert FULL.printer_jobs >= BOUNDS["printer_jobs"]["min"]


def test_a_terminal_without_a_camera_has_no_opencv_and_the_search_would_see_it(
    found: dict[str, figures.Figure],
) -> None:
    assert cv2.__file__
    assert opencv_files(os.getpid())
    assert found["opencv_files_without_camera"] == 0


def test_every_threshold_is_of_a_figure_in_the_table() -> None:
    assert set(BOUNDS) <= set(TOLD)


def reached() -> dict[str, figures.Figure]:
    """Figures that all lie on their bounds."""
    return {name: next(iter(BOUNDS[name].values())) if name in BOUNDS else 1 for name in TOLD}


def test_figures_on_their_bounds_are_enough() -> None:
    assert not any("MISSED" in line for line in for_people(reached(), BOUNDS))


def test_a_missed_figure_is_marked_and_no_other() -> None:
    (line,) = (line for line in for_people(reached() | {"slip_p99_ms": 20.5}, BOUNDS) if "MISSED" in line)
    assert "20.5 ms  <= 20" in line


def test_what_is_not_measured_says_why_and_falls_short(tmp_path: Path) -> None:
    absent = reached() | devices_bench.tapped(3, tmp_path, "pcscd is missing. Type: x")
    assert sum("pcscd" in line and line.endswith("not measured: pcscd is missing. Type: x")
               for line in for_people(absent, BOUNDS)) == 2  # fmt: skip
    assert list(figures.shortfalls(absent, BOUNDS)) == ["tap_to_decision_ms was not measured"]


def test_taps_are_decided_and_what_lies_before_them_is_told(
    found: dict[str, figures.Figure],
) -> None:
    decided, noticed = found["tap_to_decision_ms"], found["tap_noticed_ms"]
    assert isinstance(decided, float)
    assert isinstance(noticed, float)
    assert decided > 1
    assert noticed < 1e3 * (LOOKS_EVERY_S + LATE_S)


@pytest.mark.parametrize(("count", "p50", "p99"), [(1, 1, 1), (2, 1, 2), (100, 50, 99), (1000, 500, 990)])
def test_percentiles_are_times_that_were_taken(count: int, p50: float, p99: float) -> None:
    times_s = [number / 1000 for number in range(count, 0, -1)]
    assert devices_bench.percentiles("x", times_s) == {"x_p50_ms": p50, "x_p99_ms": p99}


def test_jobs_are_judged_in_a_folder_of_their_own(tmp_path: Path) -> None:
    told = devices_bench.printed(5, tmp_path)
    assert (told["printer_jobs"], told["printer_slips_lost"], told["printer_slips_doubled"]) == (5, 0, 0)
