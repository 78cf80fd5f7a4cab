"""A small part of the thousand jobs: whatever fails, each slip is on paper once or says DUPLICATE."""

from pathlib import Path

import pytest

from simulators.mutants import BUGS, planted
from simulators.printer_days import FAULTS, bad_day, hand_over_times_s
from tests.in_a_loop import in_a_loop


@pytest.mark.parametrize("seed", [1, 2])
@in_a_loop
async def test_each_slip_is_on_paper_once_or_says_duplicate(seed: int, tmp_path: Path) -> None:
    day = await bad_day(40, seed, tmp_path)
    assert (day.lost, day.doubled) == ([], [])
    assert day.lives > 1 and day.duplicates and len(day.faults) >= len(FAULTS) - 2


@in_a_loop
async def test_a_terminal_that_does_not_note_what_begins_is_found_out(tmp_path: Path) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == "does not note that a slip begins")
    with planted(bug):
        day = await bad_day(20, 1, tmp_path)
    assert day.doubled


@in_a_loop
async def test_slips_are_handed_over(tmp_path: Path) -> None:
    times = await hand_over_times_s(3, tmp_path)
    assert len(times) == 3 and all(time > 0 for time in times)
