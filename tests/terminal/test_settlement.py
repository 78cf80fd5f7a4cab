"""Closing a batch, balanced or not, with deaths and repeats in the middle."""

import pytest

from iso8583 import Message
from iso8583.unionpay import Detail48, Details48, Totals48
from terminal.effects import Send
from terminal.events import CodePresented, KeysLoaded, LinkLost, LinkUp, Received, SaleRequested, SettleRequested
from terminal.records import SETTLEMENT_TRACE
from terminal.settlement import Step
from tests.terminal.rig import CODE, Till, answer, echo_answer, from_host, ready_till, settle_answer, sign_on_answer


def till_with_sales(count: int = 2) -> Till:
    till = ready_till()
    for _ in range(count):
        till.on(from_host(answer(till.sell(1234, CodePresented(CODE)))))
    return till


def upload_answer(request: Message) -> Received:
    echoed = {number: request[number] for number in (11, 41, 42, 60)}
    return from_host(request.response(echoed | {39: "00"}), mac="absent")


def test_totals_go_to_the_host():
    till = till_with_sales()
    till.on(SettleRequested("01"))
    ours = Totals48.parse(till.sent().text(48)).domestic
    assert (ours.debit_amount, ours.debit_count, ours.credit_count) == (2468, 2, 0)


def test_balanced_batch_is_ended_printed_and_forgotten():
    till = till_with_sales()
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    assert till.sent().text(60).endswith("207") and till.sent()[48] == "0002"
    till.on(upload_answer(till.sent()))
    assert [(slip.key.trace, slip.key.batch) for slip in till.print_slips()[-1:]] == [(SETTLEMENT_TRACE, "000007")]
    assert till.counter.book.batch == "000008" and not till.counter.book.payments


def test_unbalanced_batch_uploads_every_payment_eight_at_a_time():
    till = till_with_sales(10)
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "2"), mac="absent"))
    uploaded: list[Detail48] = []
    while till.sent().text(60).endswith("201"):
        uploaded += Details48.parse(till.sent().text(48)).records
        till.on(upload_answer(till.sent()))
    assert [r.trace for r in uploaded] == [f"{trace:06d}" for trace in range(1, 11)]
    assert till.sent().text(60).endswith("202")


def test_part_acknowledged_twice_does_not_skip_the_next():
    till = till_with_sales(17)
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "2"), mac="absent"))
    first = till.sent()
    till.on(upload_answer(first))
    assert till.on(upload_answer(first)) == []
    assert till.counter.settlement.step is Step.DETAILS


def test_no_sale_while_settling():
    till = till_with_sales()
    till.on(SettleRequested("01"))
    till.on(SaleRequested("late", 100, "01"))
    assert till.said() == "settling"


def test_open_payment_keeps_the_batch_open():
    till = ready_till()
    till.sell(means=CodePresented(CODE))
    till.wait(31)
    till.on(SettleRequested("01"))
    assert till.said() == "payments_open" and till.counter.settlement.step is Step.IDLE


@pytest.mark.parametrize("answered", [False, True], ids=["before the totals", "before the end"])
def test_restart_takes_the_settlement_up_where_it_stood(answered):
    till = till_with_sales()
    till.on(SettleRequested("01"))
    if answered:
        till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    again = till.restart().sign_on()
    assert again.sent().mti == ("0320" if answered else "0500")


def test_settlement_waits_for_the_line_and_goes_on():
    till = till_with_sales()
    till.on(SettleRequested("01"))
    till.on(LinkLost())
    assert not any(isinstance(e, Send) for e in till.wait(3600))
    till.on(LinkUp())
    assert [e.message.mti for e in till.on(echo_answer()) if isinstance(e, Send)] == ["0500"]


def test_unanswered_settlement_is_sent_again():
    till = till_with_sales()
    till.on(SettleRequested("01"))
    assert [e.message.mti for e in till.wait(6) if isinstance(e, Send)] == ["0500"]


def test_sign_on_never_leads_back_into_the_batch_closed_before():
    till = till_with_sales(1)
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    till.on(upload_answer(till.sent()))
    till = till.restart()
    till.on(LinkUp())
    till.on(Received(sign_on_answer("000007", till.sent().text(11)), "absent"))
    assert till.counter.book.batch == "000008"


def test_a_host_that_refuses_the_settlement_and_wants_a_sign_on_is_not_hammered():
    """It does not know the batch: it says so and asks for a sign-on, after which it would be asked again at once."""
    till = till_with_sales()
    till.on(SettleRequested("01"))
    refused = till.sent()
    echoed = {number: refused[number] for number in (11, 41, 42, 60)}
    till.on(from_host(refused.response(echoed | {39: "77"}), mac="absent", command="3"))
    till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
    assert not any(isinstance(e, Send) for e in till.on(KeysLoaded(accepted=True)))
    assert [e.message.mti for e in till.wait(5) if isinstance(e, Send)] == ["0500"]
