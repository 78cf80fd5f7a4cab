"""What the host may set, and what is in force then."""

import pytest

from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62 import Parameters62
from terminal.host_parameters import REPLY_TIMEOUT_MAX_S, REPLY_TIMEOUT_MIN_S, in_force, taken
from terminal.records import ParametersTaken
from tests.terminal.rig import PROFILE


def test_nothing_set_leaves_the_profile():
    assert in_force(PROFILE, None) is PROFILE
    assert in_force(PROFILE, ParametersTaken(1.0)) == PROFILE


def test_what_is_set_stands_and_the_rest_of_the_profile_stays():
    profile = in_force(PROFILE, ParametersTaken(1.0, 45, "店"))
    assert (profile.merchant_name_zh, profile.host.reply_timeout_s) == ("店", 45.0)
    assert profile.merchant_name_en == PROFILE.merchant_name_en and profile.host.port == PROFILE.host.port
    assert PROFILE.host.reply_timeout_s == 30.0


@pytest.mark.parametrize("seconds", [REPLY_TIMEOUT_MIN_S, REPLY_TIMEOUT_MAX_S])
def test_bounds_themselves_are_taken(seconds):
    assert taken(None, [Parameters62(seconds).to_bytes()], 2.0) == ParametersTaken(2.0, seconds)


@pytest.mark.parametrize("seconds", [0, REPLY_TIMEOUT_MIN_S - 1, REPLY_TIMEOUT_MAX_S + 1, 99])
def test_time_to_wait_beyond_the_bounds_is_refused_with_all_that_came(seconds):
    with pytest.raises(Iso8583Error, match="10 to 60 seconds"):
        taken(None, [Parameters62(None, "店").to_bytes(), Parameters62(seconds).to_bytes()], 2.0)


@pytest.mark.parametrize("parts", [[], [b""], [Parameters62(45).to_bytes()], [Parameters62(None, "店").to_bytes()]])
def test_what_is_in_force_already_is_nothing_new(parts):
    assert taken(ParametersTaken(1.0, 45, "店"), parts, 2.0) is None


def test_later_part_overrides_an_earlier_one():
    parts = [Parameters62(20, "甲").to_bytes(), Parameters62(30).to_bytes()]
    assert taken(None, parts, 2.0) == ParametersTaken(2.0, 30, "甲")
