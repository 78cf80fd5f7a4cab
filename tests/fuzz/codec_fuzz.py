"""`make fuzz`: both paths of the codec compared on damaged messages, and every parser under coverage-guided fuzzing.

    python -m tests.fuzz.codec_fuzz [--cases 240000] [--executions 500000] [--only decode-iso87_bcd,ber-tlv]

A difference is told with the seed that it came from; an input that a parser failed on is kept under build/fuzz. What is
counted beside them keeps the command honest: the share of the cases that were accepted, that were refused inside a
field, and that went through a compiled plan. At last each parser is timed on inputs that take it long, and on such of
16 times the size.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from typing import Final

from bench import figures
from tests.fuzz.both_paths import Tally, compare
from tests.fuzz.targets import Run, Target, targets

CASES: Final = 240_000
CASES_PER_JOB: Final = 2_000
EXECUTIONS: Final = 500_000
AT_ONCE: Final = 2
PROGRESS_S: Final = 5.0
FOLDER: Final = figures.ROOT / "build" / "fuzz"
SHOWN_LINES: Final = 25

SIZE: Final = 4_096
TIMES_LARGER: Final = 16
BEST_OF: Final = 5
NEGLIGIBLE_S: Final = 0.0002  # if 64 KiB take no longer, their cost grows with nothing that matters


# Both paths ----------------------------------------------------------------------------------------------------------


def compare_all(cases: int, began: float) -> Tally:
    """Compare both paths, with progress."""
    total, told = Tally(), began
    with ProcessPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(compare, seed, CASES_PER_JOB) for seed in range(cases // CASES_PER_JOB)]
        for number, job in enumerate(as_completed(jobs), 1):
            shown = len(total.told)
            total.add(job.result())
            for text in total.told[shown:]:
                print(f"DIFFERENCE at {figures.commit()}: {text}", flush=True)
            if time.monotonic() - told > PROGRESS_S or number == len(jobs):
                told = time.monotonic()
                counts = total.counts
                words = f"{counts['cases']:,} cases, {counts['accepted']:,} accepted, {counts['planned']:,} by plans"
                print(f"{told - began:4.0f} s  both paths: {words}; {counts['differences']} differences", flush=True)
    return total


# Targets -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Runs:
    """How many executions each target has done, and which failed."""

    done: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def fuzz_all(names: Sequence[str], executions: int, began: float) -> Runs:
    """Run each target in its process, two at a time, with progress."""
    runs = Runs(dict.fromkeys(names, 0))
    if importlib.util.find_spec("atheris") is None:
        print("SKIPPED: the parsers are not fuzzed, for atheris has no wheel for this machine", flush=True)
        return runs
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {pool.submit(_fuzz, name, executions, runs) for name in names}
        while waiting:
            ended, waiting = wait(waiting, timeout=PROGRESS_S)
            for job in ended:
                job.result()
            words = f"{len(names) - len(waiting)} of {len(names)} done, {sum(runs.done.values()):,} executions"
            print(f"{time.monotonic() - began:4.0f} s  parsers: {words}; {len(runs.failed)} failed", flush=True)
    return runs


def _fuzz(name: str, executions: int, runs: Runs) -> None:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder / "log"
    command = [sys.executable, "-m", "tests.fuzz.one_target", name, str(executions), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with log.open("wb") as errors, subprocess.Popen(
        command, cwd=figures.ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            if line.strip().isdigit():
                runs.done[name] = int(line)
            else:
                said.append(line)
    if process.returncode or runs.done[name] < executions:
        runs.failed.append(name)
        shown = [*log.read_text("utf-8", "replace").splitlines(keepends=True)[-4:], *said[-SHOWN_LINES:]]
        print(f"FAILED at {figures.commit()}: {name}\n{''.join(shown)}", flush=True)


# Time ----------------------------------------------------------------------------------------------------------------


def growth(target: Target) -> float:
    """How much longer a byte takes in inputs that are 16 times as large, at worst: 1 is linear, 16 quadratic."""
    worst = 0.0
    for small, large in zip(target.swollen(SIZE), target.swollen(TIMES_LARGER * SIZE), strict=True):
        larger_s = _best_s(target.run, large)
        if larger_s > NEGLIGIBLE_S:
            worst = max(worst, larger_s / _best_s(target.run, small) * len(small) / len(large))
    return worst


def _best_s(run: Run, data: bytes) -> float:
    """Of some runs, the one that was least disturbed; the first ones may have learned."""
    times = []
    for _ in range(BEST_OF):
        began = time.process_time()
        run(data)
        times.append(time.process_time() - began)
    return min(times)


# The run -------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Run everything with progress; print and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.codec_fuzz", description="Fuzz the ISO 8583 codec.")
    parser.add_argument("--cases", type=int, default=CASES, help="how many to compare both paths on")
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="how many of each parser")
    parser.add_argument("--only", default="", help="parsers by name, with commas between them")
    options = parser.parse_args()
    known = targets()
    chosen = options.only.split(",") if options.only else list(known)
    began = time.monotonic()
    tally = compare_all(options.cases, began)
    runs = fuzz_all(chosen, options.executions, began)
    grown = {name: growth(known[name]) for name in chosen}
    slowest = max(grown, key=lambda name: grown[name])
    print(
        f"{time.monotonic() - began:4.0f} s  time: a byte of 64 KiB takes {grown[slowest]:.2f} x at worst", flush=True
    )
    return figures.report(
        "fuzz", {**_figures(tally.counts, runs), "worst_growth": round(grown[slowest], 2), "grows_most": slowest},
        time.monotonic() - began,
    )  # fmt: skip


def _figures(counts: Mapping[str, int], runs: Runs) -> dict[str, figures.Figure]:
    cases, accepted = max(counts["cases"], 1), max(counts["accepted"], 1)
    return {
        "equivalence_cases": counts["cases"],
        "accepted_share": round(counts["accepted"] / cases, 3),
        "refused_in_a_field_share": round(counts["refused in a field"] / cases, 3),
        "plan_share": round(counts["planned"] / cases, 3),
        "accepted_by_plan_share": round(counts["accepted by a plan"] / accepted, 3),
        "differences": counts["differences"],
        "other_exceptions": counts["other exceptions"],
        "targets": len(runs.done),
        "targets_failed": len(runs.failed),
        "executions_per_target": min(runs.done.values()),
        "executions": sum(runs.done.values()),
    }


if __name__ == "__main__":
    sys.exit(main())
