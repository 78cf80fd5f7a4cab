"""What a terminal owes that has died in the middle of a payment: the same as it would send after a restart."""

from collections.abc import Callable

import pytest

from iso8583 import Message
from terminal.effects import Effect, Send
from terminal.events import BalanceRequested, CodePresented, SaleRequested
from terminal.rescue import owed
from tests.terminal.rig import CARD, CODE, Till, answer, from_host, ready_till
from tests.terminal.test_payment import refund_of


def asked(till: Till) -> None:
    till.sell()


def asked_by_code(till: Till) -> None:
    till.sell(means=CodePresented(CODE))


def completing(till: Till) -> None:
    till.on(from_host(answer(till.sell(), f38="A1B2C3")))


def asked_for_refund(till: Till) -> None:
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    (sale,) = till.counter.book.payments.values()
    till.on(refund_of(sale, 100))


def inquiring(till: Till) -> None:
    till.on(BalanceRequested("b", "01"))
    till.on(CARD)


def waiting_for_a_card(till: Till) -> None:
    till.on(SaleRequested("s", 100, "01"))


def financial(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Send) and effect.message.mti[1] in "24"]


DEATHS = [asked, asked_by_code, completing, asked_for_refund, inquiring, waiting_for_a_card]


@pytest.mark.parametrize("under_way", DEATHS, ids=[death.__name__ for death in DEATHS])
def test_what_is_taken_off_a_dead_terminal_is_what_it_would_send(under_way: Callable[[Till], None]) -> None:
    till = ready_till()
    under_way(till)
    taken_off = [send.message for send in owed(till.counter.book.unresolved())]
    back = till.restart().sign_on()
    would_send = financial(back.effects)
    assert [message.mti[:3] for message in taken_off] == [message.mti[:3] for message in would_send]
    assert [dict(message.items()) for message in taken_off] == [dict(message.items()) for message in would_send]
    assert all(message.mti.endswith("1") for message in taken_off), "each may have been sent before"
    assert bool(taken_off) == (under_way not in (inquiring, waiting_for_a_card))
