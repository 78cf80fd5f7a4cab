"""The cores' time goes on evenly, whatever happens to the wall clock."""

from terminal.steady_clock import SteadyClock


class Times:
    def __init__(self):
        self.wall, self.count = 1_700_000_000.0, 50.0


def steady():
    times = Times()
    return times, SteadyClock(lambda: times.wall, lambda: times.count)


def test_goes_on_evenly_when_the_wall_clock_is_put_back_a_day():
    times, clock = steady()
    times.wall -= 86_400
    times.count += 5
    assert clock.now() == 1_700_000_005.0
    assert clock.is_off


def test_follows_the_wall_clock_when_told():
    times, clock = steady()
    times.wall += 3_600
    clock.follow()
    assert clock.now() == times.wall
    assert not clock.is_off


def test_a_slewed_clock_is_not_worth_a_start_over():
    times, clock = steady()
    times.wall += 11.5
    times.count += 10
    assert not clock.is_off
