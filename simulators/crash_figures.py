"""`make crash`: SIGKILL after every effect of every transaction type and at random, power cuts, bad disks.

    python -m simulators.crash_figures [--kills 100] [--commits 100] [--workers 2] [--seed 1]

Every plan of `simulators.crash.plans` runs once undisturbed, which tells how many effects terminal and host have in it.
Then it runs once for each of these effects, and the process that carried it out is killed by SIGKILL right after it.
Whoever dies is started again. When all is quiet the batch is settled, and the auditor compares the journal, the ledger,
the issuer's accounts and the paper. Evidence of a fault is left where its report says.

Both stores are cut off by the power in every place of a hundred commits, and written on disks that are full or fail.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random

from bench import figures
from simulators.crash.audit import Fault
from simulators.crash.bad_disks import failing_syncs, full_disk
from simulators.crash.kills import Case, Cases, Outcome, after_every_effect, at_random, undisturbed
from simulators.crash.stores import CutHostStore, CutJournal, CutStore, State, cut_everywhere

FAULTS_SHOWN = 20
TOLD_EVERY = 25
BAD_COMMITS = 12

Spoiled = tuple[int, int, list[Fault]]
"""Images of power cuts, I/O errors, and what was wrong."""


@dataclass(slots=True)
class Findings:
    """What all runs together have found."""

    counted: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a case."""
        kind = "random_kills" if outcome.case.moments else "effects_killed_after"
        self.counted["cycles"] += 1
        self.counted[kind] += outcome.kills
        self.counted["effects_not_killed_after"] += outcome.missed
        self._blame(outcome.case.name, outcome.faults)

    def add_spoiled(self, store: str, images: int, errors: int, faults: Sequence[Fault]) -> None:
        """Count what a store had to stand."""
        self.counted[f"{store}_power_cuts"] += images
        self.counted["io_errors"] += errors
        self.counted["acknowledged_records_lost"] += sum(fault.kind == "lost" for fault in faults)
        self._blame(store, [fault for fault in faults if fault.kind == "broken"])

    def _blame(self, name: str, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.faults.append(fault)
            if len(self.faults) <= FAULTS_SHOWN:
                print(f"  FAULT ({fault.kind}) {name}: {fault.text}", flush=True)

    def figures(self) -> dict[str, figures.Figure]:
        """Everything by the names that the thresholds use."""
        kinds = Counter(fault.kind for fault in self.faults)
        found: dict[str, figures.Figure] = {
            name: self.counted[name]
            for name in (
                "cycles", "effects_killed_after", "effects_not_killed_after", "random_kills", "journal_power_cuts",
                "host_store_power_cuts", "io_errors", "acknowledged_records_lost",
            )
        }  # fmt: skip
        wrong = {"payments_lost": kinds["lost"], "payments_doubled": kinds["doubled"], "books_broken": kinds["broken"]}
        return found | wrong


_cases: Cases  # of one worker process


def main() -> int:
    """Run everything, report."""
    options = _options()
    began = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="tillgate-crash-"))
    findings = Findings()
    with ProcessPoolExecutor(options.workers, get_context("fork"), _open, (folder,)) as pool:
        spoiled = {pool.submit(spoil, options.commits, options.seed): name for name, spoil in STORES.items()}
        disturbed = at_random(options.kills, options.seed)
        for clean in _told(pool, undisturbed(), findings):
            found = " and ".join(f"{count} effects at the {side}" for side, count in clean.counts.items())
            print(f"  {clean.case.plan.name}: {found}", flush=True)
            disturbed += after_every_effect(clean)
        for _ in _told(pool, disturbed, findings):
            pass
        for job in as_completed(spoiled):
            findings.add_spoiled(spoiled[job], *job.result())
            print(f"{spoiled[job]}: {job.result()[0]} power cuts, {job.result()[1]} I/O errors", flush=True)
    if not findings.faults:
        shutil.rmtree(folder)
    return figures.report("crash", findings.figures(), time.perf_counter() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.crash_figures", description="Kill, cut, and audit.")
    parser.add_argument("--kills", type=int, default=100, help="random kills")
    parser.add_argument("--commits", type=int, default=100, help="commits of each store to cut the power in")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the random kills and of the garbage on the disk")
    return parser.parse_args()


def _told(pool: ProcessPoolExecutor, cases: Sequence[Case], findings: Findings) -> Iterator[Outcome]:
    """Run cases, count them, and say now and then how far it is."""
    jobs = [pool.submit(_run, case) for case in cases]
    for done, job in enumerate(as_completed(jobs), 1):
        findings.add(job.result())
        if done % TOLD_EVERY == 0 or done == len(jobs):
            print(f"{done} of {len(jobs)} cycles, {len(findings.faults)} faults", flush=True)
        yield job.result()


# --- in a worker process ----------------------------------------------------------------------------------------------


def _open(folder: Path) -> None:
    global _cases  # noqa: PLW0603 - a worker process has one
    own = folder / f"worker-{os.getpid()}"
    own.mkdir()
    _cases = Cases(own)


def _run(case: Case) -> Outcome:
    return _cases.run(case)


def _spoil(store: CutStore[State], commits: int, seed: int) -> Spoiled:
    """Cut a store and spoil its disk, on memory where there is such a disk: what is not kept stands in the images."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="tillgate-cut-", dir=memory) as name:
        folder = Path(name)
        images, faults = cut_everywhere(store, folder, commits, Random(seed))
        full, faults_of_full = full_disk(store, folder, BAD_COMMITS)
        failing, faults_of_failing = failing_syncs(store, folder, BAD_COMMITS)
    return images, full + failing, [*faults, *faults_of_full, *faults_of_failing]


def _journal(commits: int, seed: int) -> Spoiled:
    return _spoil(CutJournal(), commits, seed)


def _host_store(commits: int, seed: int) -> Spoiled:
    return _spoil(CutHostStore(), commits, seed)


STORES: Mapping[str, Callable[[int, int], Spoiled]] = {"journal": _journal, "host_store": _host_store}


if __name__ == "__main__":
    sys.exit(main())
