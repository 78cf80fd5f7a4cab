"""Runs crash cases in a fresh process: the one that forks must have no thread, and pytest's workers have some."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simulators.crash.kills import Case, Cases, Outcome
from terminal import start
from terminal.journal import Journal
from terminal.records import Record, Sent


class _ForgetfulJournal(Journal):
    def append(self, *records: Record) -> None:
        super().append(*(record for record in records if not isinstance(record, Sent)))


def outcomes(folder: Path, cases: Sequence[Case], of_a_forgetful_terminal: Sequence[Case]) -> list[Outcome]:
    """Run the cases, the last ones with a planted bug: the journal says that a request is on disk, and it is not."""
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        return apart.submit(_run, folder, cases, of_a_forgetful_terminal).result()


def _run(folder: Path, cases: Sequence[Case], of_a_forgetful_terminal: Sequence[Case]) -> list[Outcome]:
    runner = Cases(folder)
    found = [runner.run(case) for case in cases]
    runner.patience_s = 3.0
    start.Journal = _ForgetfulJournal  # type: ignore[attr-defined]
    return found + [runner.run(case) for case in of_a_forgetful_terminal]
