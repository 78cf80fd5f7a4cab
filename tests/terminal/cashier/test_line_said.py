"""What the page says of the line to the host."""

import pytest

from terminal.cashier.sale import Moment
from terminal.cashier.strip import alerts, strip
from terminal.cashier.texts import texts_in
from terminal.events import CodePresented, LinkLost
from terminal.view import view_of
from tests.terminal.rig import CODE, answer, from_host, ready_till

EN = texts_in("en")
SCAN = CodePresented(CODE)


@pytest.mark.parametrize(("reason", "word"), [("not_a_host", "log-on page"), ("unreachable", "cable"), ("", "closed")])
def test_a_dead_line_is_said_with_its_hour_and_what_the_technician_needs(reason: str, word: str) -> None:
    till = ready_till()
    till.on(LinkLost(reason))
    assert strip(view_of(till.counter, {}), Moment("01", "", till.now), EN).link.word == "Offline"
    assert alerts(view_of(till.counter, {}), Moment("01", "", till.now), EN) == ()
    (alert,) = alerts(view_of(till.counter, {}), Moment("01", "", till.now + 120), EN)
    assert alert.text.startswith("No line to the bank since 2 min ago.") and word in alert.text


def test_the_line_is_no_matter_where_the_host_says_no_or_answers() -> None:
    till = ready_till()
    assert alerts(view_of(till.counter, {}), Moment("01", "", till.now + 120), EN) == ()
    till.on(from_host(answer(till.sell(means=SCAN), "97")))
    till.on(LinkLost("unreachable"))
    said = [alert.text for alert in alerts(view_of(till.counter, {}), Moment("01", "", till.now + 120), EN)]
    assert not any("No line to the bank" in text for text in said)
