"""Every schedule: one transaction of each type, and every way in which up to three faults can fall on it.

A fault is a packet lost, sent twice, or late (before the sender's time-out, between the time-out and the answer to the
reversal, after that), a message that a broker refuses or repeats, or a crash after any effect that leaves a trace
outside the memory of who carries it out: crashes after the others are the same as crashes a moment earlier. The
sign-on, and what goes before the transaction (the sale that is voided), go without faults.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from firmware_config.profile import HostEndpoint, Limits
from host_switch import events as host
from host_switch.records import Terminal
from iso8583.unionpay import Totals48
from simulators.audit_checks import UNBALANCED
from simulators.broker_node import Keep, Manners, Tell
from simulators.engine import Node, Trace
from simulators.host_node import Commit, TellBroker
from simulators.issuer import Mood
from simulators.issuer_node import Remember
from simulators.lines import HEAD_BYTES, parsed
from simulators.observed import Finding
from simulators.odometer import Odometer
from simulators.people import Cashier, Habits, original_of
from simulators.shop import Past, Shop
from simulators.world import CORE_FAULTS
from terminal import effects
from terminal import events as counter
from terminal.book import Payment
from terminal.records import HostTime, LateAnswer, Printed, SignedOn

DOWN_S = 3.0
HOP_S = 0.05
OUTAGE_S, LONG_OUTAGE_S, SECOND_SALE_S = 10.0, 25.0, 6.0
TWICE_S = 0.5
# A terminal waits for 30 s, the host for 20 s. With hops of 0.05 s these arrive before the time-out of whoever waits,
# after it but before the answer to the reversal that it sends then, and after that.
LATE_S = {"terminal": (15.0, 29.9, 45.0), "issuer": (12.0, 20.01, 45.0)}
# An advice counts as not answered after 30 s. The broker repeats within a minute.
COURIER_LATE_S = (45.0,)
COURIER_FLIGHT_S = 2 * 60.0
WITHIN_S = 7_200.0
LIMITS, HOST = Limits(), HostEndpoint(probe_interval_s=3600.0, probe_timeout_s=30.0)
ONE_IN_A_BATCH = Limits(batch_count_max=1)


class Faults:
    """The source of chance that an odometer turns. Nothing goes wrong before it is `active`."""

    def __init__(self, odometer: Odometer) -> None:
        self.active = False
        self._odometer = odometer

    def crash(self, node: Node, effect: object) -> float | None:  # noqa: ARG002 - every node dies in the same way
        """Whether the node dies after this effect."""
        if not self.active or not _leaves_a_trace(effect):
            return None
        return DOWN_S if self._odometer.choose(1) else None

    def delays(self, source: str, target: str, packet: Any) -> Sequence[float]:
        """After how many seconds each copy of a packet arrives."""
        way = "issuer" if "issuer" in (source, target) else "terminal"
        if not self.active or (way == "terminal" and _is_session(packet)):
            return (HOP_S,)
        before, between, after = LATE_S[way]
        ways = ((HOP_S,), (), (HOP_S, TWICE_S), (before,), (between,), (after,))
        return ways[self._odometer.choose(len(ways) - 1)]

    def notice_s(self) -> float:
        """After how many seconds the other end notices that a connection is over."""
        return HOP_S


class CourierFaults(Manners):
    """A broker whose manners an odometer turns: also late, refusing, repeating; it dies as every node does."""

    def __init__(self, faults: Faults, odometer: Odometer) -> None:
        super().__init__(Random(0))
        self._faults = faults
        self._odometer = odometer

    def delay_s(self) -> float:
        """In time, or when its sender has waited for long enough and has sent it again."""
        return (HOP_S, *COURIER_LATE_S)[self._choose(len(COURIER_LATE_S))]

    def word_s(self) -> float:
        """An acknowledgement takes no longer than that."""
        return HOP_S

    def turns_down(self) -> bool:
        """Whether it refuses a message."""
        return bool(self._choose(1))

    def repeats(self) -> bool:
        """Whether it delivers a message twice."""
        return bool(self._choose(1))

    def _choose(self, faults: int) -> int:
        return self._odometer.choose(faults) if self._faults.active else 0


def _is_session(frame: bytes) -> bool:
    return frame[HEAD_BYTES] == 0x08


def _leaves_a_trace(effect: object) -> bool:
    """Whether a crash after this effect of the transaction differs from one before it."""
    match effect:
        case effects.Persist(record):
            return not isinstance(record, SignedOn | Printed | LateAnswer | HostTime)
        case effects.Send(message):
            return not message.mti.startswith("08")
        case host.Send(_, data):
            return not _is_session(data)
        case Commit(decision):
            persisted = (e.changes for e in decision.effects if isinstance(e, host.Persist))
            return not all(isinstance(change, Terminal) for changes in persisted for change in changes)
        case effects.Print() | host.CallChannel() | Remember() | Keep() | Tell() | TellBroker():
            return True
        case _:
            return False


# --- cases ------------------------------------------------------------------------------------------------------------


class Case:
    """One counter and one transaction, approved or not. What comes before it has been, where there is a past."""

    def __init__(
        self, type_name: str, approved: bool, folder: Path, odometer: Odometer, past: Past | None, trace: Trace | None
    ) -> None:
        self.faults = Faults(odometer)
        self.habits = Habits(
            2.0, code=float(type_name.startswith("qr")), poor_card=0, pin=0, nobody=0, clicks_twice=0,
            offline_code=float(type_name == "offline_code_sale"),
        )  # fmt: skip
        limits = ONE_IN_A_BATCH if type_name in LONGER else LIMITS
        manners = CourierFaults(self.faults, odometer) if type_name == "courier_sale" else None
        self.shop = Shop(
            self.faults, Random(0), self.habits, limits, folder, past=past, trace=trace, manners=manners
        )
        self.terminal = self.shop.add_terminal(HOST)
        self._before, self._act = {**STEPS, **LONGER}[type_name]
        self._back_at = 0.0
        self._approved = approved

    def prepare(self) -> Past:
        """Open the shop, and do what comes before, without faults."""
        self._open()
        for step in self._before:
            step(self)
            self._wait_for(self.shop.is_resolved)
        return self.shop.past()

    def run(self) -> list[Finding]:
        """Let the faults fall on the transaction; wait until all is resolved; look at the books."""
        try:
            self._open()
            if not self._approved:
                self._refuse()
            self.faults.active = True
            self._act(self)
            self._wait_for(self.shop.is_settled if self._act is Case.settle else self.shop.is_resolved)
            if self.shop.broker:
                self.shop.world.run(self.shop.world.now + COURIER_FLIGHT_S, lambda: False)
            self.shop.close()
        except CORE_FAULTS as fault:
            self.shop.auditor.complain([Finding("core", type(fault).__name__, str(fault))])
        return [finding for finding in self.shop.auditor.findings if self._approved or finding.what != UNBALANCED]

    def _open(self) -> None:
        self.shop.open()
        self._wait_for(self.shop.is_resolved)

    def _wait_for(self, done: Callable[[], bool]) -> None:
        if not self.shop.world.run(self.shop.world.now + WITHIN_S, done):
            self.shop.auditor.complain([Finding("I4", self.terminal.name, f"not over within {WITHIN_S:.0f} s")])

    def _refuse(self) -> None:
        """From now on the issuer declines, and no batch balances."""
        self.shop.issuer.mood = Mood("decline", code="51")
        self.shop.lines.tamper = _never_balanced

    # --- steps --------------------------------------------------------------------------------------------------------

    def sell(self) -> None:
        """Charge an amount."""
        self.terminal.handle(counter.SaleRequested("sale", 1_500, "01"))

    def sell_offline(self) -> None:
        """The line dies, and a chip or a phone is charged without the host; then the line is back.

        Where there is a courier, the sale goes over that.
        """
        outage_s = LONG_OUTAGE_S if self._act is Case.sell_through_an_outage else OUTAGE_S
        self._back_at = self.shop.world.now + outage_s
        for way in ((self.terminal.name, "host"), ("host", self.terminal.name)):
            self.shop.world.network.cut(*way, outage_s)
        self.terminal.lose_connection()
        self._wait_for(lambda: not self.terminal.counter.session.ready)
        self.terminal.handle(counter.SaleRequested("offline", 1_500, "01", offline=True))

    def sell_through_an_outage(self) -> None:
        """Two sales while the line is dead, where a batch holds one: the first batch is parked."""
        self.sell_offline()
        self.shop.world.after(SECOND_SALE_S, None, self._sell_another)

    def _sell_another(self) -> None:
        till = self.terminal.counter
        if self.terminal.up and not till.busy and not till.session.ready:
            self.terminal.handle(counter.SaleRequested("another", 1_700, "01", offline=True))
        elif self.shop.world.now < self._back_at:
            self.shop.world.after(1.0, None, self._sell_another)

    def ask_balance(self) -> None:
        """Ask a card for its balance."""
        self.terminal.handle(counter.BalanceRequested("balance", "01"))

    def void(self) -> None:
        """Take the sale back."""
        self.terminal.handle(counter.VoidRequested("void", self._sale().key, "01", "00"))

    def refund(self) -> None:
        """Give a part of it back."""
        original = original_of(self._sale(), self.terminal)
        self.terminal.handle(counter.RefundRequested("refund", original, 700, "01", "00"))

    def settle(self) -> None:
        """Close the batch, and ask again if it was not taken up."""
        Cashier(self.shop.world, self.terminal, self.habits, Random(0), sales_left=0).settle()

    def _sale(self) -> Payment:
        return next(iter(self.terminal.counter.book.payments.values()))


def _never_balanced(_target: str, frame: bytes) -> bytes:
    answer = parsed(frame)
    if answer.message.mti != "0510":
        return frame
    totals = Totals48.parse(answer.message.text(48))
    unbalanced = replace(totals, domestic=replace(totals.domestic, result="2"))
    return replace(answer, message=answer.message.with_({48: unbalanced.to_text()})).to_bytes()


Step = Callable[[Case], None]

STEPS: Mapping[str, tuple[Sequence[Step], Step]] = {  # what comes before, without faults; the transaction
    "sale": ((), Case.sell),
    "qr_sale": ((), Case.sell),
    "offline_sale": ((), Case.sell_offline),
    "offline_code_sale": ((), Case.sell_offline),
    "courier_sale": ((), Case.sell_offline),
    "sale_void": ((Case.sell,), Case.void),
    "qr_void": ((Case.sell,), Case.void),
    "refund": ((Case.sell,), Case.refund),
    "qr_refund": ((Case.sell,), Case.refund),
    "balance_inquiry": ((), Case.ask_balance),
    "settle": ((Case.sell,), Case.settle),
}
LONGER: Mapping[str, tuple[Sequence[Step], Step]] = {"parked_sales": ((), Case.sell_through_an_outage)}
"""So long that three faults on them have too many schedules; tests run those of one."""
CASES = tuple((type_name, approved) for type_name in STEPS for approved in (True, False))


def run_schedule(
    type_name: str, approved: bool, places: tuple[int, ...], folder: Path, trace: Trace | None = None
) -> list[Finding]:
    """Run one schedule again, by the places of its odometer."""
    past = _past(type_name, folder)
    return Case(type_name, approved, folder, Odometer(len(places), places), past, trace).run()


def every_schedule(
    type_name: str, approved: bool, faults_max: int, folder: Path
) -> Iterator[tuple[tuple[int, ...], list[Finding]]]:
    """Run a case under every schedule of up to so many faults: the places of the odometer, and what was found."""
    past = _past(type_name, folder)
    odometer = Odometer(faults_max)
    more = True
    while more:
        findings = Case(type_name, approved, folder, odometer, past, None).run()
        yield odometer.places, findings
        more = odometer.advance()


def _past(type_name: str, folder: Path) -> Past:
    return Case(type_name, True, folder, Odometer(0), None, None).prepare()
