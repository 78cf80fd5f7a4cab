"""Two lines to the host: which of what a counter sends goes over which, and what an answer over the courier means."""

from dataclasses import replace

import pytest

from firmware_config.profile import Offline
from iso8583 import Message
from terminal.effects import Send
from terminal.events import (
    CardErased,
    CodePresented,
    CourierLost,
    CourierRefused,
    CourierUp,
    KeysLoaded,
    KeysLost,
    LinkLost,
    LinkUp,
    Original,
    Received,
    RefundRequested,
    SaleRequested,
    SendNow,
)  # fmt: skip
from terminal.forwarding import RETRY_S, WINDOW_FIRST
from terminal.transitions import State
from tests.terminal.rig import (
    CODE,
    OFFLINE_CARD,
    PROFILE,
    Till,
    answer,
    echo_answer,
    from_host,
    ready_till,
    sign_on_answer,
)

SELLS_OFFLINE = PROFILE.model_copy(update={"offline": Offline(
    sale_amount_max=3000, total_amount_max=90_000, count_max=30,
)})  # fmt: skip


def sold_offline(count: int = 1) -> Till:
    """A till with keys whose line has died, and so many offline sales to different cards."""
    till = Till(profile=SELLS_OFFLINE).sign_on()
    till.on(LinkLost())
    for number in range(count):
        till.on(SaleRequested(f"offline-{number}", 2500, "01", offline=True))
        till.on(replace(OFFLINE_CARD, masked=f"629999******{number:04d}", token=f"{number:032x}"))
        till.print_slips()
    return till


def sent(till: Till) -> list[Send]:
    sends = [effect for effect in till.effects if isinstance(effect, Send)]
    return [send for send in sends if send.message.mti[:2] in ("02", "04")]


def over_courier(message: Message, mac: str = "good", command: str = "0") -> Received:
    return replace(from_host(message, command=command), mac=mac, line="courier")  # type: ignore[arg-type]


def back_online(till: Till) -> list[Send]:
    till.on(LinkUp())
    till.on(echo_answer())
    return sent(till)


def newest_state(till: Till) -> State:
    return list(till.counter.book.payments.values())[-1].state


def test_while_the_line_is_dead_the_courier_takes_what_was_sold_offline() -> None:
    till = sold_offline(2)
    till.on(CourierUp())
    advices = sent(till)
    assert [(send.line, send.message.mti, send.again_in_s) for send in advices] == [("courier", "0200", 5)] * 2
    for advice in advices:
        till.on(over_courier(answer(advice.message)))
    assert not till.counter.book.unresolved()


def test_each_answer_sends_the_next_and_one_more() -> None:
    till = sold_offline(7)
    till.on(CourierUp())
    first = sent(till)
    assert len(first) == WINDOW_FIRST
    till.on(over_courier(answer(first[0].message)))
    assert [send.line for send in sent(till)] == ["courier"] * 2, "and one more, while the line has never been silent"


def test_the_first_resend_bears_the_repeat_digit() -> None:
    till = sold_offline()
    till.on(CourierUp())
    assert [send.message.mti for send in sent(till)] == ["0200"]
    till.wait(RETRY_S[0])
    assert [send.message.mti for send in sent(till)] == ["0201"]


def test_a_reversal_goes_over_the_courier_when_the_line_is_dead() -> None:
    till = ready_till()
    till.on(CourierUp())
    till.sell()
    till.on(LinkLost())
    (reversal,) = sent(till)
    assert (reversal.line, reversal.message.mti) == ("courier", "0400")
    till.on(over_courier(answer(reversal.message)))
    assert newest_state(till) is State.REVERSED


def test_a_reversal_goes_over_the_line_to_the_host_when_that_stands() -> None:
    till = ready_till()
    till.on(CourierUp())
    till.sell()
    till.wait(31)
    assert {send.line for send in sent(till)} == {"host"}


def test_a_sale_never_goes_over_the_courier() -> None:
    till = ready_till()
    till.on(CourierUp())
    till.sell()
    assert [send.line for send in sent(till)] == ["host"]
    till = sold_offline(0)
    till.on(CourierUp())
    till.on(SaleRequested("a", 2500, "01"))
    assert till.said() == "no_link" and not till.counter.busy


def test_without_keys_the_courier_is_no_use() -> None:
    till = Till(sold_offline().records, SELLS_OFFLINE)
    till.on(CourierUp())
    assert not sent(till)
    till.sign_on()
    (advice,) = sent(till)
    assert (advice.line, advice.message.mti) == ("courier", "0201")
    till.on(LinkLost())
    till.on(KeysLost("keys_erased"))
    till.wait(3600)
    assert not sent(till)


def test_while_the_keys_change_nothing_goes_over_either_line() -> None:
    till = sold_offline()
    till.on(CourierUp())
    back_online(till)
    till.on(from_host(Message("0810", {39: "00", 41: PROFILE.terminal_id, 60: "00000007360"}), command="3"))
    assert [send.message.mti for send in till.effects if isinstance(send, Send)] == ["0800"]
    till.on(Received(sign_on_answer(trace=till.sent().text(11)), "absent"))
    assert not sent(till)
    till.on(KeysLoaded(accepted=True))
    assert [(send.line, send.message.mti) for send in sent(till)] == [("courier", "0201")]


def test_without_a_courier_the_same_goes_over_the_line_to_the_host() -> None:
    till = sold_offline()
    till.on(CourierUp())
    till.on(CourierLost())
    (advice,) = back_online(till)
    assert (advice.line, advice.message.mti) == ("host", "0201")


def test_a_courier_that_is_lost_hands_over_what_it_had() -> None:
    till = sold_offline()
    back_online(till)
    till.on(CourierUp())
    till.wait(RETRY_S[0])
    assert {send.line for send in sent(till)} == {"courier"}
    till.on(CourierLost())
    assert [send.line for send in sent(till)] == ["host"]


def test_what_the_broker_refuses_goes_to_the_host_itself() -> None:
    till = sold_offline()
    till.on(CourierUp())
    back_online(till)
    (advice,) = till.counter.book.unresolved()
    till.on(CourierRefused(advice.key))
    assert [(send.line, send.message.mti) for send in sent(till)] == [("host", "0201")]
    assert newest_state(till) is State.ADVICE_DUE


def test_send_now_sends_what_would_still_wait() -> None:
    till = sold_offline()
    till.on(CourierUp())
    till.wait(250)
    till.on(SendNow())
    assert [send.message.mti for send in sent(till)] == ["0201"]
    assert not till.on(SendNow(), after_s=1), "it has just been sent"


@pytest.mark.parametrize("mac", ["bad", "absent"])
def test_an_answer_of_the_courier_without_a_good_mac_is_nothing(mac: str) -> None:
    till = sold_offline()
    till.on(CourierUp())
    (advice,) = sent(till)
    for code in ("00", "51"):
        assert not till.on(over_courier(answer(advice.message, code), mac))
    assert newest_state(till) is State.ADVICE_DUE and not till.counter.session.wants_sign_on


def test_an_answer_of_the_courier_orders_nothing_and_proves_no_line() -> None:
    till = sold_offline()
    till.on(CourierUp())
    (advice,) = sent(till)
    back_online(till)
    echo_due = till.counter.session.deadline()
    for command in ("1", "3"):
        till.on(over_courier(answer(advice.message), command=command), after_s=1)
    assert till.counter.session.deadline() == echo_due
    assert not till.counter.session.wants_sign_on and not till.counter.errands.orders
    till.on(over_courier(Message("0830", {39: "97", 41: PROFILE.terminal_id, 60: "00000007301"})))
    assert till.counter.session.ready


@pytest.mark.parametrize("mac", ["good", "bad"])
def test_who_waits_at_the_counter_is_told_by_the_host_and_not_by_the_courier(mac: str) -> None:
    till = ready_till()
    till.on(CourierUp())
    request = till.sell()
    assert not till.on(over_courier(answer(request), mac))
    assert newest_state(till) is State.SENT
    till.on(from_host(answer(request)))
    assert newest_state(till) is State.COMPLETING


def test_the_same_answer_over_both_lines_books_once() -> None:
    till = sold_offline()
    till.on(CourierUp())
    (advice,) = sent(till)
    till.on(over_courier(answer(advice.message)))
    assert till.persisted()
    till.on(over_courier(answer(advice.message)))
    till.on(from_host(answer(advice.message)))
    assert not till.persisted()


def test_a_card_number_that_is_gone_does_not_stop_the_others_of_its_card() -> None:
    till = sold_offline()
    till.on(SaleRequested("same card", 100, "01", offline=True))
    till.on(replace(OFFLINE_CARD, masked="629999******0000"))
    till.print_slips()
    till.on(CourierUp())
    (first,) = sent(till)
    till.on(CardErased(till.counter.book.unresolved()[0].key))
    assert [int(send.message.text(4)) for send in (first, *sent(till))] == [2500, 100]


def test_a_refund_whose_answer_was_lost_is_repeated_over_the_courier() -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    (sale,) = till.counter.book.payments.values()
    original = Original(
        sale.key, sale.type, sale.amount, 0, sale.currency, sale.reference, "", sale.host_date, sale.means, sale.card
    )
    till.on(RefundRequested("refund", original, 1000, "01", "00"))
    till.on(LinkLost())
    till.on(CourierUp())
    (repeat,) = sent(till)
    assert (repeat.line, repeat.message.mti) == ("courier", "0221")
    till.on(over_courier(answer(repeat.message)))
    assert newest_state(till) is State.APPROVED
