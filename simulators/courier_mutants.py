"""Planted bugs about the courier: the mistakes of those who take a broker for more than somebody who carries things."""

from dataclasses import replace
from typing import Any

from simulators.planting import Bug, Change
from terminal.effects import Send
from terminal.forwarding import Urgency
from terminal.records import Answered
from terminal.transitions import State

# --- the terminal's ---------------------------------------------------------------------------------------------------


def _taken_is_yes(before: Any) -> Any:
    """What the broker has taken, the bank has approved."""

    def told(self: Any, key: Any, taken: bool) -> None:
        payments = self.counter.payments
        payment = self.counter.book.payments.get(key)
        if taken and payment is not None and payment.state is State.ADVICE_DUE:
            payments._let_go(key)
            said = Answered(key, approved=True, response_code="00", at=self._world.now, amount=payment.amount)
            self._carry_out([payments._persist(said)])
        before(self, key, taken)

    return told


def _taken_is_over(before: Any) -> Any:
    """What the broker has taken is off our hands."""

    def told(self: Any, key: Any, taken: bool) -> None:
        if taken:
            self.counter.payments.forwarding.forget(key)
        before(self, key, taken)

    return told


def _dies_with_the_courier(before: Any) -> Any:
    def line_down(self: Any, line: Any, now: float) -> None:
        for key in [key for key, debt in self._debts.items() if debt.over == line == "courier"]:
            self.forget(key)
        before(self, line, now)

    return line_down


def _refused_is_over(_before: Any) -> Any:
    return lambda self, key, _line, _now: self.forget(key)


def _believes_the_courier(before: Any) -> Any:
    def received(self: Any, event: Any, now: float) -> Any:
        return before(self, replace(event, mac="good") if event.line == "courier" else event, now)

    return received


def _whichever_is_up(before: Any) -> Any:
    def send(self: Any, *values: Any) -> Any:
        lines = self.forwarding.lines
        effects = before(self, *values)
        return [replace(e, line="courier") if isinstance(e, Send) and "courier" in lines else e for e in effects]

    return send


def _newest_first(before: Any) -> Any:
    def turns(self: Any, now: float) -> Any:
        advices = self._queues[Urgency.ADVICE]
        self._queues[Urgency.ADVICE] = dict(sorted(advices.items(), key=lambda item: item[0].trace, reverse=True))
        return before(self, now)

    return turns


def _never_again(before: Any) -> Any:
    return lambda *values: before(*values[:-1], False)


# --- the host's -------------------------------------------------------------------------------------------------------


def _last_first(_before: Any) -> Any:
    return lambda steps, last: iter((last, *steps))


def _trusts_certificates(before: Any) -> Any:
    return lambda event, terminal: () if event.certified else before(event, terminal)


ABOUT_THE_COURIER = (
    Bug(
        "takes a broker's acknowledgement for the host's answer",
        Change("simulators.terminal_node:TerminalNode._courier_told", _taken_is_yes),
    ),
    Bug(
        "forgets what it has handed to the courier",
        Change("simulators.terminal_node:TerminalNode._courier_told", _taken_is_over),
    ),
    Bug(
        "forgets what is under way when the courier is lost",
        Change("terminal.forwarding:Forwarding.line_down", _dies_with_the_courier),
    ),
    Bug("forgets what the courier refuses", Change("terminal.forwarding:Forwarding.not_carried", _refused_is_over)),
    Bug(
        "believes a courier's answer without a good MAC",
        Change("terminal.payment:Payments.received", _believes_the_courier),
    ),
    Bug("sends a sale over the courier", Change("terminal.payment:Payments._send", _whichever_is_up)),
    Bug("sends offline sales newest first", Change("terminal.forwarding:Forwarding.turns", _newest_first)),
    Bug(
        "sends an offline sale again as if it were the first time", Change("terminal.messages:advice", _never_again)
    ),
    Bug("sends a reversal again as if it were the first time", Change("terminal.messages:reversal", _never_again)),
    Bug("acknowledges a message before it commits", Change("simulators.host_node:_acknowledged", _last_first)),
    Bug("takes a certificate for a MAC", Change("host_switch.switch:untrusted", _trusts_certificates)),
)
