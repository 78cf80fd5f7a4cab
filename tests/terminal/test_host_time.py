"""What time it is: the host says so under its MAC, time only goes on, and no clock that is set stretches a limit."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from firmware_config.profile import HostEndpoint, Offline
from terminal.effects import Effect, Persist, SetClock
from terminal.events import ClockSeen, LinkLost, LinkUp, RoomMeasured, SaleRequested
from terminal.host_time import CLOSE_S, DRIFT_S, EARLIEST, FORWARD_MAX_S, KEPT_EVERY_S, SLEW_S
from terminal.records import BatchClosed, HostTime, Record, SettleStarted, SignedOn
from tests.terminal.rig import OFFLINE_CARD, PROFILE, Till, answer, echo_answer, from_host, probes

DAY_S, YEAR_S = 86_400.0, 365 * 86_400.0
NOW = datetime(2026, 11, 28, 10, 0, tzinfo=UTC).timestamp()
LIMITS = Offline(sale_amount_max=3000, total_amount_max=60_000, count_max=30, age_max_s=int(DAY_S))
SELLS_OFFLINE = PROFILE.model_copy(update={"offline": LIMITS, "host": HostEndpoint()})


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> float:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


class Clocked(Till):
    """A till with a wall clock, a host that tells the time when it is asked, and a shell that heeds SetClock."""

    def __init__(self, wall: float = NOW, records: Iterable[Record] = (), host: float = NOW) -> None:
        super().__init__(records, SELLS_OFFLINE)
        self.host, self.started_at, self.is_vouched = host, wall, False
        self.start_over(wall)

    def start_over(self, now: float) -> None:
        """The cores anew, as after a start or when the clock was set."""
        fresh = Till(self.records, SELLS_OFFLINE)
        self.counter, self.now = fresh.counter, now
        self.on(ClockSeen(0.0, self.is_vouched))
        self.on(RoomMeasured(10**9, writable=True))
        self.records += [e.record for e in self.counter.resume(now) if isinstance(e, Persist)]

    def goes_on(self, seconds: float) -> None:
        """Time passes, for the host as well."""
        self.now, self.host = self.now + seconds, self.host + seconds

    def online(self) -> list[Effect]:
        """The line comes up, and the first probe is answered with the host's time."""
        self.sign_on()
        return self.probed()

    def probed(self) -> list[Effect]:
        """The next probe is answered with the host's time."""
        return self.told(self.asked())

    def asked(self) -> str:
        """Time passes until the next probe; its number."""
        self.host_is_there = False
        deadline = self.counter.deadline()
        assert deadline is not None
        self.goes_on(max(0.0, deadline - self.now))
        (number,) = probes(self.wait(0))
        return number

    def told(self, number: str) -> list[Effect]:
        local = datetime.fromtimestamp(self.host + 8 * 3600, UTC)
        fields = {12: local.strftime("%H%M%S"), 13: local.strftime("%m%d")}
        effects = self.on(from_host(echo_answer(number).message.with_(fields)))
        for effect in effects:
            if isinstance(effect, SetClock):
                self.is_vouched = True
                if abs(effect.by_s) > CLOSE_S:
                    self.start_over(self.now + effect.by_s)
                else:
                    self.now += effect.by_s
                    self.on(ClockSeen(0.0, is_vouched=True))
        return effects

    def sells_offline(self) -> bool:
        """Whether the next sale without the bank is taken; then it is made."""
        self.on(LinkLost())
        self.on(SaleRequested(f"offline-{len(self.records)}", 2500, "01", offline=True))
        if not self.counter.busy:
            return False
        self.on(OFFLINE_CARD)
        self.print_slips()
        return True

    @property
    def trouble(self) -> str:
        return self.counter.clock.trouble


def kept(effects: list[Effect]) -> list[float]:
    return [e.record.at for e in effects if isinstance(e, Persist) and isinstance(e.record, HostTime)]


def set_by(effects: list[Effect]) -> list[float]:
    return [effect.by_s for effect in effects if isinstance(effect, SetClock)]


def a_day_of_2026() -> list[Record]:
    """The journal of a terminal whose time the host has vouched for."""
    till = Clocked()
    till.online()
    assert till.sells_offline()
    return till.records


# --- what the host says -----------------------------------------------------------------------------------------------


def test_a_clock_that_is_right_is_vouched_for_and_that_is_kept_before_anything_else():
    effects = Clocked(wall=NOW + 20).online()
    assert [type(effect) for effect in effects[:2]] == [Persist, SetClock]
    assert set_by(effects) == [0.0] and kept(effects) == pytest.approx([NOW + 21.2])


@pytest.mark.parametrize("wrong_by", [-3600.0, 3600.0, -20 * DAY_S, 20 * DAY_S], ids="{:+.0f}".format)
def test_a_wall_clock_that_was_wrong_at_the_start_is_set_either_way(wrong_by):
    till = Clocked(wall=NOW + wrong_by)
    effects = till.online()
    assert set_by(effects) == pytest.approx([-wrong_by], abs=2)
    assert kept(effects) == pytest.approx([NOW], abs=2)
    assert till.now == pytest.approx(NOW, abs=2)
    assert set_by(till.online()) == [] and till.trouble == ""


def test_time_is_kept_once_an_hour_and_in_every_batch():
    till = Clocked()
    till.online()
    assert not kept(till.probed())
    till.goes_on(KEPT_EVERY_S)
    till.on(LinkLost())
    till.on(LinkUp())
    assert len(kept(till.told(probes(till.effects)[0]))) == 1
    assert not kept(till.probed())
    till.counter.book.apply(SettleStarted("000007", 0, 0, 0, 0, "01", till.now))
    till.counter.book.apply(BatchClosed("000007", "000008", "000001", True, till.now))
    assert len(kept(till.probed())) == 1


@pytest.mark.parametrize("drift_s", [-5.0, 5.0])
def test_a_clock_that_drifts_is_drawn_back_little_by_little_and_nothing_starts_over(drift_s):
    """Two clocks are a minute apart after a week or two; then the host would have seemed to lie for ever."""
    till = Clocked()
    till.online()
    till.host += drift_s
    counter = till.counter
    steps = []
    while step := set_by(till.probed()):
        steps += step
    assert {abs(step) for step in steps} == {SLEW_S} and till.counter is counter
    assert abs(till.now - till.host) <= DRIFT_S + 1 and not till.trouble


def test_a_host_that_suddenly_tells_an_earlier_time_is_not_believed():
    till = Clocked()
    till.online()
    till.host -= 3600
    effects = till.probed()
    assert (kept(effects), set_by(effects), till.trouble) == ([], [], "host_differs")
    till.host += 3600
    till.probed()
    assert till.trouble == ""


def test_a_host_that_suddenly_tells_a_time_far_ahead_is_not_believed():
    till = Clocked()
    till.online()
    till.host += FORWARD_MAX_S + 3600
    assert not set_by(till.probed()) and till.trouble == "host_differs"


def test_a_recorded_answer_of_the_host_changes_nothing():
    till = Clocked()
    till.sign_on()
    number = till.asked()
    till.told(number)
    till.host -= 7 * DAY_S
    assert till.told(number) == [] and till.trouble == ""


def test_after_a_start_the_host_cannot_tell_a_time_before_that_which_it_told():
    records = a_day_of_2026()
    till = Clocked(NOW + 60, records, host=NOW - DAY_S)
    effects = till.online()
    assert (kept(effects), set_by(effects), till.trouble) == ([], [], "host_differs")


def test_a_host_that_was_ahead_can_be_put_right_when_nothing_is_owed():
    ahead: list[Record] = [SignedOn("000007", NOW), HostTime(NOW + 10 * DAY_S)]
    till = Clocked(NOW, ahead)
    assert till.trouble == "unknown"
    till.online()
    assert till.trouble == "" and till.now == pytest.approx(NOW, abs=20)


@pytest.mark.parametrize("mac", ["bad", "absent"])
def test_a_time_without_a_good_mac_is_no_time(mac):
    till = Clocked()
    till.sign_on()
    number = till.asked()
    message = echo_answer(number).message.with_({12: "000000", 13: "0101"})
    effects = till.on(from_host(message, mac))
    assert not set_by(effects) and not kept(effects)


@pytest.mark.parametrize("fields", [{}, {12: "100000"}, {12: "100000", 13: "1345"}, {12: "256199", 13: "1128"}])
def test_an_answer_without_a_time_or_with_none_that_exists_proves_the_line_all_the_same(fields):
    till = Clocked()
    till.sign_on()
    number = till.asked()
    assert not till.on(from_host(echo_answer(number).message.with_(fields)))
    assert till.counter.session.ready and till.trouble == ""


def test_the_clock_is_not_set_while_a_payment_is_in_hand():
    till = Clocked(wall=NOW - 3600)
    till.sign_on()
    request = till.sell()
    assert not set_by(till.probed())
    till.on(from_host(answer(request, "51")))
    assert set_by(till.probed()) == pytest.approx([3600], abs=20)


# --- the year, which the host does not say ----------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "hosts"), [
    (at(2026, 12, 31, 15, 59, 50), at(2026, 12, 31, 16, 0, 5)),
    (at(2026, 12, 31, 16, 0, 5), at(2026, 12, 31, 15, 59, 50)),
    (at(2026, 12, 31, 15, 30), at(2026, 12, 31, 16, 30)),
    (at(2028, 2, 28, 16, 30), at(2028, 2, 28, 15, 30)),
])  # fmt: skip
def test_new_years_eve_and_the_29th_of_february_are_days_like_others(ours, hosts):
    """In the shop's time, eight hours ahead: one of both is in the new year."""
    till = Clocked(wall=ours, host=hosts)
    till.online()
    assert till.now == pytest.approx(hosts, abs=20)


@pytest.mark.parametrize("years", [-10, -1, 1, 10])
def test_a_wrong_year_on_the_wall_clock_is_mended(years):
    wrong = at(2026 + years, 11, 28, 12, 0)
    till = Clocked(wrong, a_day_of_2026(), host=NOW + 7200)
    till.online()
    assert till.now == pytest.approx(NOW + 7200, abs=20)
    assert till.trouble == ""


def test_a_terminal_that_was_off_over_new_year_knows_the_year():
    till = Clocked(at(1970, 1, 1), a_day_of_2026(), host=at(2027, 4, 1))
    till.online()
    assert till.now == pytest.approx(at(2027, 4, 1), abs=20)


def test_a_new_terminal_whose_clock_is_empty_takes_no_year_from_nowhere():
    till = Clocked(wall=at(1970, 1, 1))
    effects = till.online()
    assert (kept(effects), set_by(effects), till.trouble) == ([], [], "unknown")


# --- clocks that were set ---------------------------------------------------------------------------------------------


def test_a_start_in_1970_with_a_journal_of_2026_sells_nothing_offline_until_the_host_tells_the_time():
    till = Clocked(at(1970, 1, 1), a_day_of_2026(), host=NOW + 7200)
    assert till.trouble == "unknown"
    assert not till.sells_offline() and till.said() == "offline_time_unknown"
    till.online()
    assert till.now == pytest.approx(NOW + 7200, abs=20)
    till.online()
    assert till.trouble == "" and till.sells_offline()


def test_a_start_in_1970_sells_with_the_bank_all_the_same():
    till = Clocked(at(1970, 1, 1), a_day_of_2026())
    till.sign_on()
    assert till.sell().mti == "0200"


def test_a_start_a_day_before_the_last_record_sells_nothing_offline():
    till = Clocked(NOW - DAY_S, a_day_of_2026())
    assert not till.sells_offline() and till.said() == "offline_time_unknown"


def test_a_wall_clock_that_is_put_back_while_sales_wait_does_not_stretch_their_limit():
    till = Clocked()
    till.online()
    assert till.sells_offline()
    till.on(ClockSeen(-DAY_S, is_vouched=True))
    till.goes_on(DAY_S - 60)
    assert till.trouble == "wall_is_off" and till.sells_offline()
    till.goes_on(120)
    assert not till.sells_offline() and till.said() == "offline_age"


def test_what_was_sold_with_a_clock_ten_years_ahead_has_its_limit_when_the_host_has_set_it():
    """Its record lies ten years ahead: it would have waited for ever, and no limit would have ended that."""
    records: list[Record] = [SignedOn("000007", NOW - 3600), HostTime(NOW - 3600)]
    till = Clocked(NOW + 10 * YEAR_S, records)
    assert till.sells_offline()
    till.online()
    assert till.now == pytest.approx(NOW, abs=20)
    assert till.sells_offline()
    till.goes_on(DAY_S + 60)
    assert not till.sells_offline() and till.said() == "offline_age"


def test_what_was_sold_before_a_clock_went_ten_years_ahead_has_not_expired_for_ever():
    till = Clocked(NOW + 10 * YEAR_S, a_day_of_2026(), host=NOW + 600)
    assert not till.sells_offline() and till.said() == "offline_age"
    till.online()
    assert till.sells_offline()


def test_a_restart_after_the_clock_was_set_knows_the_time():
    """Records before the host's word lie later than it; they do not count."""
    till = Clocked(NOW + 10 * YEAR_S, a_day_of_2026(), host=NOW + 600)
    till.online()
    again = Clocked(NOW + 700, till.records)
    assert again.trouble == "" and again.sells_offline()


def test_a_clock_before_there_were_terminals_is_empty():
    assert Clocked(EARLIEST - 1).trouble == "unknown"
    assert Clocked(EARLIEST).trouble == ""
