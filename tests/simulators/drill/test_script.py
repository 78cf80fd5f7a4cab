"""The script of a drill: what was cut is mended, in order, and nothing is done to what is not there."""

from simulators.drill.script import script

ALL = frozenset({"issuer", "broker", "host", "counter", "terminal"})


def test_every_act_comes_after_the_one_before_it_and_leaves_time_to_notice():
    acts = script(ALL, paper_runs_out=True)
    assert [act.at for act in acts] == sorted({act.at for act in acts})
    assert acts[0].at > 0 and acts[-1].at < 1


def test_whatever_dies_is_back_before_the_end():
    names = [act.name for act in script(ALL, paper_runs_out=True)]
    for dies, back in (("line_dies", "line_back"), ("broker_dies", "broker_back"), ("host_dies", "host_back")):
        assert names.index(dies) < names.index(back)
    assert names.index("paper_out") < names.index("paper_in")
    ways = [act.line for act in script(ALL, paper_runs_out=True) if act.line]
    assert ways == ["cut", "back"] * (len(ways) // 2)


def test_the_broker_is_back_before_the_line_so_that_the_courier_is_seen_at_work():
    names = [act.name for act in script(ALL, paper_runs_out=False)]
    assert names.index("broker_back") < names.index("line_back")
    assert not {"paper_out", "paper_in"} & set(names)


def test_without_a_broker_its_acts_are_left_out():
    assert not [act for act in script(ALL - {"broker"}, paper_runs_out=False) if act.needs]
