"""A small version of `make sim`: some seeds without a complaint, every planted bug caught, the same trace twice."""

from collections import Counter

import pytest

from simulators.engine import Trace
from simulators.faults import BROKER_FAULTS, EVERY_FAULT
from simulators.mutants import BUGS, planted
from simulators.shop import world_folder
from simulators.world import SeededWorld, run_world
from terminal.effects import Print
from terminal.records import Key

SEEDS = 30
SEEDS_PER_BUG = 200


@pytest.fixture(scope="module")
def folder():
    with world_folder() as path:
        yield path


def test_nothing_to_complain_of_in_any_world(folder):
    outcomes = [run_world(seed, folder) for seed in range(SEEDS)]
    assert [(outcome.seed, str(finding)) for outcome in outcomes for finding in outcome.findings] == []
    happened = sum((Counter(outcome.happened) for outcome in outcomes), Counter())
    assert happened["sales"] > 10 * SEEDS and happened["crashes"] > 10 * SEEDS
    assert happened["advice answered by courier"] >= 5 and happened["broker killed"] > SEEDS / 2


def test_worlds_without_a_courier_have_none_of_its_faults(folder):
    worlds = [SeededWorld(seed, folder) for seed in range(SEEDS)]
    assert {world.shop.broker is None for world in worlds} == {True, False}
    assert not any(set(world.faults) & set(BROKER_FAULTS) for world in worlds if world.shop.broker is None)


def test_worlds_on_sqlite_are_no_exception(folder):
    assert [run_world(seed, folder).findings for seed in (19, 39)] == [(), ()]


def test_no_slip_overtakes_another_in_a_printer(folder):
    """A terminal died between the two, and each was printed as long as it took: the copy was on paper first."""
    world = SeededWorld(0, folder)
    hands = world.terminals[0].devices
    jobs = (Print(Key("1", "1", f"{number}"), duplicate=number > 0) for number in range(50))
    ends = [hands.print_slip(job, None)[0] for job in jobs]
    assert ends == sorted(set(ends))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_is_caught(bug, folder):
    with planted(bug):
        assert any(run_world(seed, folder).findings for seed in range(SEEDS_PER_BUG))


def test_bug_is_gone_when_it_is_no_longer_planted(folder):
    for bug in BUGS:
        with planted(bug):
            pass
    assert run_world(0, folder).findings == ()


def test_a_seed_is_the_whole_of_a_world(folder):
    first, second = (run_world(7, folder, Trace()).digest for _ in range(2))
    assert first == second != run_world(8, folder, Trace()).digest


def test_every_fault_is_somewhere_in_the_first_seeds(folder):
    drawn = {fault for seed in range(SEEDS) for fault in SeededWorld(seed, folder).faults}
    assert drawn == set(EVERY_FAULT)
