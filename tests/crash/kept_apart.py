"""Runs crash cases in a fresh process: the one that forks must have no thread, and pytest's workers have some."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simulators.crash import lives, shop
from simulators.crash.kills import Case, Cases, Outcome
from terminal.journal import Journal
from terminal.records import Record, Sent


def outcomes(folder: Path, cases: Sequence[Case], of_a_forgetful_terminal: Sequence[Case]) -> list[Outcome]:
    """Run the cases, the last ones with a planted bug: the journal says that a request is on disk, and it is not."""
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        return apart.submit(_run, folder, cases, of_a_forgetful_terminal).result()


def _run(folder: Path, cases: Sequence[Case], of_a_forgetful_terminal: Sequence[Case]) -> list[Outcome]:
    runner = Cases(folder)
    found = [runner.run(case) for case in cases]
    lives.PATIENCE_S = shop.PATIENCE_S = 3.0
    append = Journal.append

    def forgets(journal: Journal, record: Record) -> None:
        if not isinstance(record, Sent):
            append(journal, record)

    Journal.append = forgets  # type: ignore[method-assign]
    return found + [runner.run(case) for case in of_a_forgetful_terminal]
