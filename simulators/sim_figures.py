"""`make sim`: thousands of seeded worlds, every schedule of up to three faults, every planted bug, and the proof of it.

    python -m simulators.sim_figures [--worlds 5000] [--faults 3]

What is counted beside the violations keeps the command honest: each planted bug must be caught within `SEEDS_PER_BUG`
seeds, each event of `MUST_HAPPEN` must have happened often enough, and the same seeds must leave the same traces in two
processes that hash strings differently. A failure is printed with what repeats it.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from bench import figures
from simulators.mutants import BUGS, planted
from simulators.observed import Finding
from simulators.schedules import CASES, every_schedule
from simulators.shop import world_folder
from simulators.world import run_world

WORLDS = 5_000
WORLDS_PER_JOB = 50
FAULTS = 3
SEEDS_PER_BUG = 200
TRACES = 50
PROGRESS_S = 5.0
SHOWN_MAX = 20

MUST_HAPPEN = (
    "late approval after reversal",
    "reversal before original",
    "host reports: late original refused",
    "duplicate 0200",
    "duplicate 0400",
    "crash between persist and send",
    "crash between commit and reply",
    "crash during settlement",
    "host restarts with a debt",
    "disk full during reversal",
    "chip refuses after approval",
    "offline sale",
    "offline sale by code",
    "offline sale declined later",
    "card refused offline",
    "batch parked",
    "batch parked behind others",
    "parked batch settled",
    "keys erased",
    "closed by people",
    "clock jump",
    "outage of days",
    "advice answered by courier",
    "reversal answered by courier",
    "courier answers after the batch was closed",
    "courier brings no good MAC",
    "courier's forgery",
    "broker delivers again",
    "broker finds nobody listening",
    "broker killed with messages",
    "broker refuses",
    "cut off from the broker",
    "replayed by the broker",
    "forged answer",
    "replayed frame",
    "old answer to a sign-on",
    "phone without network",
    "host notes: payment code used again",
    "host notes: payment code with a wrong password",
    "parameters taken",
    "download kept",
    "host notes: terminal status",
    "host notes: same key, other content",
    "host notes: late approval reversed",
    "host notes: issuer contradicts itself",
)


@dataclass(slots=True)
class Part:
    """What one job has found: counts, violations in words, the planted bug and the seed that caught it."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    caught: dict[str, int | None] = field(default_factory=dict)


# --- jobs, in worker processes ----------------------------------------------------------------------------------------


def worlds(first: int, count: int) -> Part:
    """Run a row of seeds."""
    part = Part()
    with world_folder() as folder:
        for seed in range(first, first + count):
            outcome = run_world(seed, folder)
            part.counts += Counter({"worlds": 1, **outcome.happened})
            part.violations += _worded(f"--seed {seed}", outcome.findings)
    return part


def schedules(type_name: str, approved: bool, faults: int) -> Part:
    """Run one case under every schedule."""
    part = Part()
    case = f"{type_name}:{'approved' if approved else 'refused'}"
    with world_folder() as folder:
        for places, findings in every_schedule(type_name, approved, faults, folder):
            part.counts["schedules"] += 1
            part.violations += _worded(f"--schedule {case}:{'.'.join(map(str, places))}", findings)
    return part


def planted_bug(number: int) -> Part:
    """Plant a bug, and run seeds until the auditor complains."""
    bug = BUGS[number]
    with world_folder() as folder, planted(bug):
        caught_by = (seed for seed in range(SEEDS_PER_BUG) if run_world(seed, folder).findings)
        return Part(caught={bug.name: next(caught_by, None)})


def traces(seeds: int) -> Part:
    """Run the same seeds in two processes that hash strings differently, and compare."""
    first, second = (_hashes(seeds, salt) for salt in ("1", "2"))
    differ = sum(one != other for one, other in zip(first, second, strict=True))
    return Part(Counter({"traces": len(first), "traces that differ": differ}))


def _hashes(seeds: int, salt: str) -> list[str]:
    command = [sys.executable, "-m", "simulators", "--worlds", str(seeds), "--hashes"]
    environment = {**os.environ, "PYTHONHASHSEED": salt}
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=environment, cwd=figures.ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def _worded(again: str, findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"{finding}   again: python -m simulators {again} --trace"


# --- the run ----------------------------------------------------------------------------------------------------------


def main() -> int:
    """Run everything on all cores, with progress; print and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m simulators.sim_figures", description="Simulate, and measure it.")
    parser.add_argument("--worlds", type=int, default=WORLDS, help="how many seeds")
    parser.add_argument("--faults", type=int, default=FAULTS, help="how many faults on a schedule")
    options = parser.parse_args()
    began = time.monotonic()
    total = Part()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        _gather(total, _jobs(pool, options.worlds, options.faults), began)
    return figures.report("sim", _figures(total, options.faults), time.monotonic() - began)


def _jobs(pool: ProcessPoolExecutor, count: int, faults: int) -> list[Future[Part]]:
    """Long jobs first, so that no core is idle at the end."""
    return [
        *(pool.submit(schedules, *case, faults) for case in CASES),
        *(pool.submit(planted_bug, number) for number in range(len(BUGS))),
        pool.submit(traces, min(TRACES, count)),
        *(pool.submit(worlds, first, min(WORLDS_PER_JOB, count - first)) for first in range(0, count, WORLDS_PER_JOB)),
    ]


def _gather(total: Part, jobs: list[Future[Part]], began: float) -> None:
    told = began
    for number, job in enumerate(as_completed(jobs), 1):
        part = job.result()
        for violation in part.violations[: SHOWN_MAX - len(total.violations)]:
            print(f"VIOLATION at {figures.commit()}: {violation}", flush=True)
        total.counts += part.counts
        total.violations += part.violations
        total.caught |= part.caught
        if time.monotonic() - told > PROGRESS_S or number == len(jobs):
            told = time.monotonic()
            print(f"{told - began:4.0f} s  {_progress(total)}  ({number} of {len(jobs)} jobs)", flush=True)


def _progress(total: Part) -> str:
    counts = total.counts
    return (
        f"{counts['worlds']:,} worlds, {counts['sales']:,} sales, {counts['crashes']:,} crashes; "
        f"{counts['schedules']:,} schedules; {len(total.caught)} planted bugs; {len(total.violations)} violations"
    )


def _figures(total: Part, faults: int) -> Mapping[str, figures.Figure]:
    counts = total.counts
    rarest = min(MUST_HAPPEN, key=lambda event: counts[event])
    missed = [name for name, seed in total.caught.items() if seed is None]
    for name in missed:
        print(f"NOT CAUGHT within {SEEDS_PER_BUG} seeds: the bug that {name}", flush=True)
    seeds = [1 + seed for seed in total.caught.values() if seed is not None]
    return {
        "worlds": counts["worlds"],
        "sales": counts["sales"],
        "crash_chances": counts["crash chances"],
        "crashes": counts["crashes"],
        "schedules": counts["schedules"],
        "faults_per_schedule": faults,
        "violations": len(total.violations),
        "planted_bugs": len(total.caught),
        "planted_bugs_missed": len(missed),
        "seeds_to_catch_a_planted_bug": max(seeds, default=0),
        "rarest_event_happened": counts[rarest],
        "rarest_event": rarest,
        "traces_compared": counts["traces"],
        "traces_that_differ": counts["traces that differ"],
    }


if __name__ == "__main__":
    sys.exit(main())
