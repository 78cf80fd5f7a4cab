"""The timetable of what is owed to the host: order, windows, lines."""

import pytest

from terminal.events import Line
from terminal.forwarding import (
    ANSWER_WITHIN_S,
    DOUBTED_S,
    PASSED_AFTER,
    REFUSED_S,
    RETRY_S,
    WINDOW_FIRST,
    WINDOW_MAX,
    Forwarding,
    Turn,
    Urgency,
)  # fmt: skip
from terminal.records import Key

NOW = 1000.0


def key(number: int) -> Key:
    return Key("12345678", "000007", f"{number:06d}")


def owing(advices: int = 0, reversals: int = 0, lines: tuple[Line, ...] = ("host",), card: str = "") -> Forwarding:
    """Advices 1, 2, ... of different cards (or all of this one), reversals 501, 502, ... owed later."""
    forwarding = Forwarding()
    for line in lines:
        forwarding.line_up(line, NOW)
    for number in range(1, advices + 1):
        forwarding.owe(key(number), Urgency.ADVICE, card or f"card {number}", NOW)
    for number in range(501, 501 + reversals):
        forwarding.owe(key(number), Urgency.REVERSAL, card or f"card {number}", NOW)
    return forwarding


def numbers(turns: list[Turn]) -> list[int]:
    return [int(turn.key.trace) for turn in turns]


def booked(forwarding: Forwarding, number: int, line: Line = "host", now: float = NOW) -> None:
    forwarding.answered(key(number), line, "end", now)
    forwarding.forget(key(number))


# --- order ------------------------------------------------------------------------------------------------------------


def test_reversals_go_first_and_then_advices_oldest_first() -> None:
    assert numbers(owing(advices=3, reversals=2).turns(NOW)) == [501, 502, 1, 2, 3]


def test_a_turn_is_had_once_until_its_next_time() -> None:
    forwarding = owing(advices=1)
    (first,) = forwarding.turns(NOW)
    assert not forwarding.turns(NOW + RETRY_S[0] - 1)
    (second,) = forwarding.turns(NOW + RETRY_S[0])
    assert (first.again, second.again) == (False, True)
    assert (first.next_in_s, second.next_in_s) == RETRY_S[:2]


def test_what_may_have_been_sent_before_a_restart_is_a_repeat() -> None:
    forwarding = owing()
    forwarding.owe(key(1), Urgency.ADVICE, "", NOW, tries=1)
    assert forwarding.turns(NOW)[0].again


def test_without_a_line_nobody_has_a_turn_and_nothing_is_waited_for() -> None:
    forwarding = owing(advices=2, reversals=1, lines=())
    assert not forwarding.turns(NOW) and forwarding.deadline() is None


def test_tries_grow_rare_but_never_end() -> None:
    forwarding, tries, end = owing(advices=1), 0, NOW + 86_400
    forwarding.turns(NOW)
    while (deadline := forwarding.deadline()) is not None and deadline < end:
        tries += len(forwarding.turns(deadline))
    assert 70 <= tries <= 86_400 / RETRY_S[-1] + len(RETRY_S)


def test_a_card_has_one_advice_unanswered_and_all_go_in_order() -> None:
    forwarding = owing(advices=3, card="one")
    forwarding.owe(key(9), Urgency.ADVICE, "another", NOW)
    assert numbers(forwarding.turns(NOW)) == [1]
    booked(forwarding, 1)
    assert numbers(forwarding.turns(NOW)) == [2]
    booked(forwarding, 2)
    assert numbers(forwarding.turns(NOW)) == [3, 9]


def test_advices_without_a_card_wait_for_nobody() -> None:
    forwarding = owing()
    for number in (1, 2):
        forwarding.owe(key(number), Urgency.ADVICE, "", NOW)
    assert numbers(forwarding.turns(NOW)) == [1, 2]


# --- nobody starves ---------------------------------------------------------------------------------------------------


def test_a_reversal_that_is_refused_for_ever_stops_no_advice() -> None:
    forwarding, now = owing(advices=40, reversals=1), NOW
    seen: list[int] = []
    while len(forwarding) > 1:
        for number in numbers(forwarding.turns(now)):
            seen.append(number)
            if number == 501:
                forwarding.answered(key(501), "host", "no", now)
            else:
                booked(forwarding, number, now=now)
        now += 1
    assert seen[0] == 501 and sorted(set(seen)) == [*range(1, 41), 501] and now < NOW + 10


def test_a_refused_advice_lets_the_next_of_its_card_pass() -> None:
    forwarding = owing(advices=2, card="one")
    forwarding.turns(NOW)
    forwarding.answered(key(1), "host", "no", NOW)
    assert numbers(forwarding.turns(NOW)) == [2]


def test_a_refused_advice_that_is_due_again_waits_for_the_answer_to_the_next_of_its_card() -> None:
    forwarding = owing(advices=2, card="one")
    forwarding.turns(NOW)
    forwarding.answered(key(1), "host", "no", NOW)
    forwarding.turns(NOW)
    forwarding.send_now(NOW)
    assert not forwarding.turns(NOW + 1)
    booked(forwarding, 2)
    assert numbers(forwarding.turns(NOW + 1)) == [1]


def test_an_advice_that_the_host_never_answers_does_not_stop_its_card_for_ever() -> None:
    forwarding = owing(advices=2, card="one")
    seen = numbers(forwarding.turns(NOW))
    while 2 not in seen:
        deadline = forwarding.deadline()
        assert deadline is not None
        seen += numbers(forwarding.turns(deadline))
    assert PASSED_AFTER <= seen.count(1) <= PASSED_AFTER + 1


def test_not_now_keeps_the_order_of_a_card_for_three_times() -> None:
    forwarding, seen, at = owing(advices=2, card="one"), [], NOW
    while 2 not in seen:
        for number in numbers(forwarding.turns(at)):
            seen.append(number)
            forwarding.answered(key(number), "host", "not now", at)
        at += 1
    assert seen == [1] * PASSED_AFTER + [2]


def test_what_cannot_be_sent_stands_in_nobodys_way_and_keeps_its_turns() -> None:
    forwarding = owing(advices=2, card="one")
    forwarding.turns(NOW)
    forwarding.cannot_be_sent(key(1))
    assert numbers(forwarding.turns(NOW)) == [2]
    booked(forwarding, 2)
    assert numbers(forwarding.turns(NOW + RETRY_S[0])) == [1]


def test_a_refusal_is_asked_about_again_after_a_minute_and_not_now_when_it_is_time() -> None:
    forwarding = owing(advices=2)
    forwarding.turns(NOW)
    forwarding.answered(key(1), "host", "no", NOW)
    forwarding.answered(key(2), "host", "not now", NOW)
    assert numbers(forwarding.turns(NOW + RETRY_S[0])) == [2]
    assert numbers(forwarding.turns(NOW + REFUSED_S)) == [1]


# --- the window -------------------------------------------------------------------------------------------------------


def test_only_so_many_advices_are_unanswered_at_once_and_an_answer_makes_room() -> None:
    forwarding = owing(advices=20)
    assert numbers(forwarding.turns(NOW)) == [1, 2, 3, 4]
    forwarding.answered(key(2), "courier", "end", NOW)
    forwarding.forget(key(2))
    assert numbers(forwarding.turns(NOW)) == [5], "what came over another line says nothing of this one"


def test_reversals_need_no_room() -> None:
    forwarding = owing(advices=20)
    forwarding.turns(NOW)
    forwarding.owe(key(501), Urgency.REVERSAL, "", NOW)
    assert numbers(forwarding.turns(NOW)) == [501]


def rounds(forwarding: Forwarding, now: float) -> list[int]:
    """How many go at once, round after round, while everything is answered."""
    sizes = []
    while len(forwarding) > WINDOW_MAX:
        turns = forwarding.turns(now)
        sizes.append(len(turns))
        for turn in turns:
            booked(forwarding, int(turn.key.trace), now=now)
    assert sizes == sorted(sizes) and max(sizes) <= WINDOW_MAX
    return sizes


def test_the_window_doubles_with_each_round_while_the_line_has_never_been_silent() -> None:
    assert rounds(owing(advices=2000), NOW)[:8] == [4, 8, 16, 32, 64, 128, 256, 256]


def test_after_a_silence_it_grows_by_one_with_each_round() -> None:
    forwarding = owing(advices=1000)
    forwarding.turns(NOW)
    sizes = rounds(forwarding, NOW + RETRY_S[0])
    assert sizes[0] == WINDOW_FIRST / 2 and sizes[10] in range(10, 14)
    forwarding.line_up("host", NOW + 60)
    assert numbers(forwarding.turns(NOW + 60)), "and a line that comes up begins anew"


@pytest.mark.parametrize("other", ["answer", "forget", "down", "not carried", "cannot be sent"])
def test_whatever_ends_its_being_under_way_the_deadline_is_that_of_those_that_are(other: str) -> None:
    forwarding = owing(advices=1)
    forwarding.turns(NOW)
    forwarding.owe(key(2), Urgency.ADVICE, "", NOW + 1)
    forwarding.turns(NOW + 1)
    match other:
        case "answer":
            forwarding.answered(key(1), "host", "no", NOW + 1)
        case "forget":
            forwarding.forget(key(1))
        case "down":
            forwarding.line_down("host", NOW + 1)
        case "not carried":
            forwarding.not_carried(key(1), "host", NOW + 1)
        case _:
            forwarding.cannot_be_sent(key(1))
    wanted = {"down": None, "not carried": NOW + 2, "cannot be sent": NOW + RETRY_S[0]}
    assert forwarding.deadline() == wanted.get(other, NOW + 1 + RETRY_S[0])
    assert forwarding.under_way == (0 if other == "down" else 1)


def test_silence_halves_the_window_once_for_all_that_was_under_way() -> None:
    forwarding, at, sizes = owing(advices=40), NOW, []
    for pause_s in (*RETRY_S[:4], ANSWER_WITHIN_S):
        sizes.append(len(forwarding.turns(at)))
        at += pause_s
    assert sizes == [4, 2, 1, 1, 1], "one always goes"


def test_not_now_halves_the_window_too() -> None:
    forwarding = owing(advices=40)
    for turn in forwarding.turns(NOW):
        forwarding.answered(turn.key, "host", "not now", NOW)
    assert len(forwarding.turns(NOW + 1)) == WINDOW_FIRST / 2


def test_a_line_that_comes_up_makes_all_due_and_forgets_its_silence() -> None:
    forwarding = owing(advices=8)
    for _ in range(4):
        forwarding.turns(forwarding.deadline() or NOW)
    forwarding.line_down("host", NOW + 100)
    assert not forwarding.turns(NOW + 101)
    forwarding.line_up("host", NOW + 102)
    assert numbers(forwarding.turns(NOW + 102)) == [1, 2, 3, 4]


def test_send_now_makes_all_due_but_not_what_has_just_been_sent() -> None:
    forwarding = owing(advices=2)
    forwarding.turns(NOW)
    forwarding.answered(key(1), "host", "no", NOW)
    forwarding.send_now(NOW + 1)
    assert numbers(forwarding.turns(NOW + 1)) == [1]


def test_what_is_due_and_waits_for_others_does_not_ask_for_time() -> None:
    forwarding = owing(advices=20)
    forwarding.turns(NOW)
    assert forwarding.deadline() == NOW + RETRY_S[0]


# --- two lines --------------------------------------------------------------------------------------------------------

BOTH: tuple[Line, ...] = ("host", "courier")


def lines(turns: list[Turn]) -> set[Line]:
    return {turn.line for turn in turns}


def test_advices_prefer_the_courier_and_reversals_the_line_to_the_host() -> None:
    turns = owing(advices=2, reversals=1, lines=BOTH).turns(NOW)
    assert [(int(turn.key.trace), turn.line) for turn in turns] == [(501, "host"), (1, "courier"), (2, "courier")]


@pytest.mark.parametrize("only", BOTH)
def test_where_there_is_one_line_everything_goes_over_that(only: Line) -> None:
    assert lines(owing(advices=2, reversals=1, lines=(only,)).turns(NOW)) == {only}


def test_a_courier_that_brings_no_answer_is_the_second_choice_for_a_while() -> None:
    forwarding = owing(advices=9, lines=BOTH)
    assert lines(forwarding.turns(NOW)) == {"courier"}
    at = NOW + RETRY_S[0]
    for _ in range(3):
        for turn in forwarding.turns(at):
            assert turn.line == "host"
            booked(forwarding, int(turn.key.trace), now=at)
    assert not len(forwarding)
    forwarding.owe(key(10), Urgency.ADVICE, "", at + DOUBTED_S)
    assert lines(forwarding.turns(at + DOUBTED_S)) == {"courier"}


def test_an_answer_takes_the_doubt_away() -> None:
    forwarding = owing(advices=1, lines=BOTH)
    forwarding.turns(NOW)
    forwarding.turns(NOW + RETRY_S[0])
    booked(forwarding, 1, "courier")
    forwarding.owe(key(2), Urgency.ADVICE, "", NOW + RETRY_S[0])
    assert lines(forwarding.turns(NOW + RETRY_S[0])) == {"courier"}


def test_what_was_under_way_over_a_line_that_dies_goes_over_the_other_at_once() -> None:
    forwarding = owing(advices=2, lines=BOTH)
    forwarding.turns(NOW)
    forwarding.line_down("courier", NOW + 1)
    turns = forwarding.turns(NOW + 1)
    assert numbers(turns) == [1, 2] and lines(turns) == {"host"} and all(turn.again for turn in turns)


def test_what_the_broker_does_not_carry_goes_over_the_other_line_at_once() -> None:
    forwarding = owing(advices=1, lines=BOTH)
    forwarding.turns(NOW)
    forwarding.not_carried(key(1), "courier", NOW)
    assert [turn.line for turn in forwarding.turns(NOW)] == ["host"]


def test_a_line_that_does_not_carry_is_closed_for_a_while() -> None:
    """Else a broker that is back before the host is would be given the whole queue, all of it in vain."""
    forwarding, at = owing(advices=300, lines=("courier",)), NOW
    for pause_s in (1, 2, 4, 8, 16, 32, 64, 64):
        turns = forwarding.turns(at)
        assert numbers(turns) == [1, 2, 3, 4] and {turn.again for turn in turns} == {at > NOW}
        assert {turn.next_in_s for turn in turns} <= set(RETRY_S[:2]), "it is not tried more rarely for that"
        for turn in turns:
            forwarding.not_carried(turn.key, "courier", at)
        assert not forwarding.turns(at) and forwarding.deadline() == at + pause_s
        at += pause_s
    booked(forwarding, int(forwarding.turns(at)[0].key.trace), "courier", at)
    forwarding.not_carried(key(2), "courier", at)
    assert forwarding.deadline() == at + 1, "an answer opens it"
    forwarding.send_now(at)
    assert forwarding.turns(at), "and so does a person"


def test_a_line_that_does_not_carry_is_not_taken_for_one_that_is_silent() -> None:
    forwarding = owing(advices=2000, lines=("courier",))
    for turn in forwarding.turns(NOW):
        forwarding.not_carried(turn.key, "courier", NOW)
    assert [len(forwarding.turns(NOW + 1))] == [4]
    for number in (1, 2, 3, 4):
        booked(forwarding, number, "courier", NOW + 1)
    assert len(forwarding.turns(NOW + 1)) == 8
