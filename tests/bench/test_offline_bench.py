"""`make bench-offline` measures what it says: every threshold has its figure, and both sides do the same work."""

import json
import subprocess
import sys
import tomllib

import pytest

from bench import figures, offline_bench
from bench.offline_bench import COMMAND, FULL, KEYS, big_list, visits

BOUNDS = tomllib.loads(figures.THRESHOLDS.read_text("utf-8"))[COMMAND]


def test_a_quick_run_measures_everything_and_is_not_judged() -> None:
    command = [sys.executable, "-m", "bench.offline_bench", "--quick"]
    done = subprocess.run(command, cwd=figures.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert BOUNDS.keys() <= told.keys()
    assert (told["list_entries"], told["list_missed"], told["list_false_hits"]) == (10_000, 0, 0)
    assert (told["queue_records"], told["outage_sales"]) == (3_000, 60)
    assert (told["outage_lost"], told["outage_doubled"], told["outage_violations"]) == (0, 0, 0)
    of_processes = {name for name in told if name.startswith("drain_")}  # counted in ticks: a short run has none
    times = {name for name in told if name.endswith(("_ms", "_us", "_per_s", "_to_bare", "_ratio"))}
    assert all(told[name] > 0 for name in times - {each for each in of_processes if each.endswith("_us")})
    assert told["broker_lost"] == told["broker_doubled"] == told["broker_breaches"] == 0


def test_a_full_run_is_as_long_as_its_thresholds_want() -> None:
    assert FULL.entries >= BOUNDS["list_entries"]["min"] and FULL.queued >= BOUNDS["queue_records"]["min"]
    assert FULL.outage_sales >= BOUNDS["outage_sales"]["min"]


@pytest.mark.parametrize("name", KEYS)
def test_the_bare_signatures_are_those_of_the_codes(name: str) -> None:
    shown = visits(KEYS[name], 2)
    assert len(shown.codes) == len(shown.of_codes) == 2 * offline_bench.CODES_OF_A_CUSTOMER
    assert len(shown.of_certificates) == 2
    offline_bench._bare([*shown.of_codes, *shown.of_certificates])


def test_the_big_list_is_sorted_and_has_no_entry_twice() -> None:
    data = bytes(big_list(1_000).fingerprints)
    cut = [data[at : at + 6] for at in range(0, len(data), 6)]
    assert sorted(set(cut)) == cut
    assert len(cut) == 1_000
