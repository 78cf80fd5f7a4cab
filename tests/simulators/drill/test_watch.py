"""What the times of a drill mean: from an act until the page said so, and nothing that belongs to another act."""

from simulators.drill.watch import Sight, drained, noticed, worst

SIGHTS = [
    Sight(1.0, True, 0, 0), Sight(12.5, False, 0, 0), Sight(15.0, False, 1, 640), Sight(17.0, False, 2, 1450),
    Sight(21.0, False, 1, 810), Sight(22.0, False, 0, 0), Sight(30.5, True, 0, 0),
]  # fmt: skip


def test_an_outage_is_noticed_when_the_page_first_says_so():
    assert noticed(SIGHTS, 10.0, 25.0, online=False) == 2.5
    assert noticed(SIGHTS, 30.0, 90.0, online=True) == 0.5


def test_what_the_page_said_already_or_only_after_the_next_act_is_not_noticed():
    assert noticed(SIGHTS, 14.0, 25.0, online=False) is None
    assert noticed(SIGHTS, 20.0, 25.0, online=True) is None
    assert noticed([], 20.0, 25.0, online=True) is None


def test_the_queue_is_drained_when_nothing_is_owed_for_the_first_time():
    assert drained(SIGHTS, 20.0) == 2.0
    assert drained(SIGHTS, 25.0) is None
    assert drained(SIGHTS[:4], 20.0) is None


def test_the_worst_moment_is_the_one_with_the_most_money_at_risk():
    assert worst(SIGHTS) == SIGHTS[3]
    assert worst([]) is None
