"""Run simulated worlds again, as a failure names them.

    python -m simulators --seed 343 --trace
    python -m simulators --schedule sale:approved:0.0.2 --trace
    python -m simulators --seed 0 --worlds 50 --hashes

A seed or a schedule is the whole of a world: the same one leaves the same trace, everywhere.
"""

import argparse
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from simulators.engine import Trace
from simulators.mutants import BUGS, planted
from simulators.observed import Finding
from simulators.schedules import LONGER, STEPS, run_schedule
from simulators.shop import world_folder
from simulators.world import run_world


def main() -> int:
    """Parse the command line and run; 1 if the auditor complained."""
    options = _parser().parse_args()
    bug = next((bug for bug in BUGS if bug.name == options.bug), None)
    with world_folder() as folder, planted(bug) if bug else nullcontext():
        if options.schedule:
            return _tell(_schedule(options.schedule, folder, options.trace))
        return max(_world(options.seed + more, folder, options) for more in range(options.worlds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators", description="Run simulated worlds again.")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the world")
    parser.add_argument("--worlds", type=int, default=1, help="how many seeds from there on")
    parser.add_argument("--schedule", type=_schedule_name, help="type:approved|refused:places of the odometer")
    parser.add_argument("--bug", choices=[bug.name for bug in BUGS], help="plant this bug first")
    parser.add_argument("--trace", action="store_true", help="tell what happens, line by line")
    parser.add_argument("--hashes", action="store_true", help="tell only the hash of each trace")
    return parser


def _schedule_name(text: str) -> tuple[str, bool, tuple[int, ...]]:
    type_name, outcome, places = text.split(":")
    if type_name not in {*STEPS, *LONGER} or outcome not in {"approved", "refused"}:
        raise ValueError
    return type_name, outcome == "approved", tuple(int(place) for place in places.split(".") if place)


def _world(seed: int, folder: Path, options: argparse.Namespace) -> int:
    outcome = run_world(seed, folder, Trace(_say if options.trace else None))
    _say(f"seed {seed}: trace {outcome.digest}")
    return 0 if options.hashes else _tell(outcome.findings)


def _schedule(name: tuple[str, bool, tuple[int, ...]], folder: Path, trace: bool) -> Iterable[Finding]:
    return run_schedule(*name, folder, Trace(_say) if trace else None)


def _tell(findings: Iterable[Finding]) -> int:
    found = list(findings)
    for finding in found:
        _say(str(finding))
    _say(f"{len(found)} complaints" if found else "nothing to complain of")
    return 1 if found else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
