"""A handful of what `make crash` does in full: real processes, SIGKILL, and the auditor."""

from simulators.crash.kills import Outcome, after_every_effect, at_random, undisturbed
from simulators.crash.plans import PLANS
from tests.crash.conftest import CASES


def test_whoever_is_killed_nothing_is_lost_or_doubled(found: list[Outcome]) -> None:
    assert [outcome.faults for outcome in found[1:-1]] == [()] * len(CASES)
    assert not any(outcome.missed for outcome in found[1:-1])


def test_an_undisturbed_run_tells_whom_to_kill(found: list[Outcome]) -> None:
    cases = after_every_effect(found[0])
    assert [(case.victim, case.effect) for case in cases] == [
        *(("terminal", effect) for effect in range(1, 13)), *(("host", effect) for effect in range(1, 5)),
        *(("keys", effect) for effect in range(1, 13)),
    ]  # fmt: skip


def test_a_terminal_that_forgets_what_it_sent_is_found_out(found: list[Outcome]) -> None:
    """Killed after the request went out: the customer has paid, and the terminal knows of nothing."""
    assert {"doubled", "broken"} & {fault.kind for fault in found[-1].faults}


def test_every_plan_runs_undisturbed_first() -> None:
    clean = undisturbed()
    assert [case.plan for case in clean] == list(PLANS)
    assert not any(case.kills for case in clean)


def test_random_kills_are_the_same_for_the_same_seed() -> None:
    assert at_random(10, 7) == at_random(10, 7) != at_random(10, 8)
    assert sum(case.kills for case in at_random(10, 7)) == 10
