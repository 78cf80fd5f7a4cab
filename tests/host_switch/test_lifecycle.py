"""The table of transitions, as a table."""

from host_switch.lifecycle import OPEN, TABLE, Act, Happening
from host_switch.records import Leg, Outcome

STATES = {(outcome, leg) for outcome, leg, _ in TABLE} | {(move.outcome, move.leg) for move in TABLE.values()}


def test_no_timer_ends_what_is_unknown() -> None:
    """Time alone leads to a debt, or leaves things as they are; an inquiry moves no money."""
    for (outcome, leg, happening), move in TABLE.items():
        if happening is Happening.OVERDUE and leg is not Leg.NONE:
            assert move.leg in {Leg.REVERSAL_DUE, Leg.ADVICE_DUE}, (outcome, leg)


def test_a_debt_ends_only_by_an_answer() -> None:
    for (outcome, leg, happening), move in TABLE.items():
        if leg is Leg.REVERSAL_DUE and move.leg is not Leg.REVERSAL_DUE:
            assert happening is Happening.REVERSAL_CONFIRMED, outcome


def test_every_open_state_goes_on_when_its_time_comes() -> None:
    assert all((*state, Happening.OVERDUE) in TABLE for state in OPEN)


def test_nothing_waits_for_time_in_a_state_that_is_not_open() -> None:
    assert {state[:2] for state in TABLE if state[2] is Happening.OVERDUE} == OPEN


def test_what_the_terminal_was_told_changes_only_by_its_own_reversal() -> None:
    for (outcome, _, happening), move in TABLE.items():
        if outcome is not Outcome.PENDING and move.outcome is not outcome:
            assert (happening, move.outcome) == (Happening.REVERSAL_ASKED, Outcome.REVERSED)


def test_money_is_booked_only_on_the_way_to_approved_and_countered_only_on_the_way_back() -> None:
    for (outcome, _, _), move in TABLE.items():
        if move.act is Act.BOOK:
            assert (outcome, move.outcome) == (Outcome.PENDING, Outcome.APPROVED)
        if move.act is Act.COUNTER:
            assert (outcome, move.outcome) == (Outcome.APPROVED, Outcome.REVERSED)


def test_every_state_can_be_reached() -> None:
    reached = {(Outcome.PENDING, Leg.CALLED), (Outcome.PENDING, Leg.NONE), (Outcome.PENDING, Leg.ADVICE_DUE)}
    while True:
        further = {(m.outcome, m.leg) for (o, leg, _), m in TABLE.items() if (o, leg) in reached}
        if further <= reached:
            break
        reached |= further
    assert reached == STATES


def test_every_state_that_can_be_reversed_says_how() -> None:
    for outcome, leg in STATES - {(Outcome.PENDING, Leg.ADVICE_DUE), (Outcome.REVERSED, Leg.NONE)}:
        assert (outcome, leg, Happening.REVERSAL_ASKED) in TABLE, (outcome, leg)
