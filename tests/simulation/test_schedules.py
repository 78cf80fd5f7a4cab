"""Every schedule of one fault on each case, and the odometer that turns them out."""

import pytest

from simulators.mutants import BUGS, planted
from simulators.odometer import Odometer
from simulators.schedules import CASES, LONGER, Case, every_schedule, run_schedule
from simulators.shop import world_folder


@pytest.fixture(scope="module")
def folder():
    with world_folder() as path:
        yield path


def turned_out(faults_max, choices):
    odometer, seen = Odometer(faults_max), []
    while True:
        seen.append(tuple(odometer.choose(faults) for faults in choices))
        if not odometer.advance():
            return seen


def test_odometer_turns_out_every_combination_once():
    seen = turned_out(3, (1, 2, 1))
    assert sorted(seen) == [(a, b, c) for a in range(2) for b in range(3) for c in range(2)]


def test_odometer_keeps_to_the_number_of_faults():
    seen = turned_out(1, (1, 2, 1))
    assert sorted(seen) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 2, 0), (1, 0, 0)]


def test_odometer_repeats_the_run_whose_places_it_is_given():
    odometer = Odometer(2, (0, 2, 1))
    assert [odometer.choose(3) for _ in range(4)] == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("type_name", "approved"), [*CASES, *((type_name, approved) for type_name in LONGER for approved in (True, False))]
)
def test_one_fault_anywhere_leaves_nothing_open(type_name, approved, folder):
    found = [(places, findings) for places, findings in every_schedule(type_name, approved, 1, folder) if findings]
    assert found == []


@pytest.mark.parametrize(("approved", "happens"), [(True, ""), (False, "offline sale declined later")])
def test_a_phone_pays_by_a_signed_code_where_it_should(approved, happens, folder):
    case = Case("offline_code_sale", approved, folder, Odometer(0), None, None)
    assert case.run() == []
    assert set(case.shop.world.happened) == {"offline sale by code", happens} - {""}


def test_an_offline_sale_goes_over_the_courier_where_there_is_one(folder):
    case = Case("courier_sale", True, folder, Odometer(0), None, None)
    assert case.run() == []
    assert set(case.shop.world.happened) == {"offline sale", "advice answered by courier"}


@pytest.mark.parametrize(
    "name",
    [
        "sends before it persists", "takes silence for a decline", "lets a late approval stand",
        "forgets a sent payment at a restart", "closes the batch before the host does",
        "does a repeated request again", "forgets a reversal that came first", "answers before it commits",
        "words a stored answer anew", "takes the issuer's silence for a decline",
        "gives a refund up when the issuer is silent", "reverses without countering",
        "forgets an offline sale at a restart", "forgets what it has handed to the courier",
        "forgets what is under way when the courier is lost", "forgets what the courier refuses",
        "acknowledges a message before it commits",
    ],
)  # fmt: skip
def test_bug_about_faults_falls_at_one_of_them(name, folder):
    bug = next(bug for bug in BUGS if bug.name == name)
    with planted(bug):
        assert any(findings for case in CASES for _, findings in every_schedule(*case, 1, folder))


def test_schedule_can_be_run_again_by_its_places(folder):
    places = (0, 1)
    bug = next(bug for bug in BUGS if bug.name == "sends before it persists")
    assert run_schedule("sale", True, places, folder) == []
    with planted(bug):
        assert run_schedule("sale", True, places, folder) != []
