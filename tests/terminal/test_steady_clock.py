"""The cores' time goes on evenly, whatever happens to the wall clock."""

from terminal.steady_clock import STEP_S, SteadyClock


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
    assert clock.wall_was_set and clock.wall_is_off_s == -86_405.0


def test_follows_the_wall_clock_when_told():
    times, clock = steady()
    times.wall += 3_600
    clock.follow()
    assert clock.now() == times.wall
    assert not clock.wall_was_set


def test_a_slewed_clock_is_not_worth_a_start_over():
    times, clock = steady()
    times.wall += 11.5
    times.count += 10
    assert not clock.wall_was_set


def test_goes_on_from_the_time_that_the_host_vouches_for_and_says_so():
    times, clock = steady()
    assert not clock.is_vouched
    clock.vouch(-3600.0)
    times.count += 5
    assert clock.now() == 1_700_000_005.0 - 3600.0 and clock.is_vouched
    clock.follow()
    assert not clock.is_vouched


def test_counts_what_it_slept_through():
    """The wall clock is right after a night asleep, and so is this one."""
    clock = SteadyClock()
    assert abs(clock.wall_is_off_s) < STEP_S
