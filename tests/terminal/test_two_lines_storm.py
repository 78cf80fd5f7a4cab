"""Both lines at their worst, by chance: a broker that loses, repeats, reorders and is hours late, a line that flaps, a
terminal that dies between two effects. When it is calm again, terminal and host agree about every payment, and each was
booked once. No I/O and no clock: the counter's cores, and a host of thirty lines."""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

import pytest

from firmware_config.profile import Offline
from iso8583 import Message
from terminal.counter import Counter
from terminal.effects import Effect, LoadKeys, Persist, Reconnect, Send
from terminal.events import (
    CodePresented,
    CourierLost,
    CourierUp,
    Event,
    KeysLoaded,
    Line,
    LinkLost,
    LinkUp,
    Received,
    RoomMeasured,
    SaleRequested,
    Tick,
)  # fmt: skip
from terminal.messages import key_in
from terminal.records import Key, Record
from terminal.transitions import State
from tests.terminal.rig import CARD, CODE, OFFLINE_CARD, PROFILE, answer, sign_on_answer

SEEDS = 60
STORM_S, CALM_S = 4 * 3600.0, 2 * 1500.0
FORGED = 0.05
BEGIN = 1_700_000_000.0
SELLS_OFFLINE = PROFILE.model_copy(update={"offline": Offline(
    sale_amount_max=9000, total_amount_max=900_000, count_max=200, age_max_s=86_400,
)})  # fmt: skip


class Host:
    """Answers a known key as it did first; believes nobody whose keys are not the newest."""

    def __init__(self) -> None:
        self.keys = 0
        self.booked: dict[Key, int] = {}
        self.reversed: set[Key] = set()
        self.bookings = 0

    def answer(self, request: Message, keys: int) -> tuple[Message, int] | None:
        """The answer, and the keys that sign it; none where it keeps silent."""
        if request.mti == "0800":
            self.keys += 1
            return sign_on_answer(trace=request.text(11)), self.keys
        if request.mti == "0820":  # a probe: its answer proves that both sides have the same keys
            echoed = {number: request[number] for number in (11, 41, 42, 60) if number in request}
            is_known = keys == self.keys
            return request.response(echoed | {39: "00" if is_known else "A0"}), keys if is_known else -1
        if keys != self.keys:
            return answer(request, "A0"), -1
        key = key_in(request)
        if request.mti.startswith("04"):
            self.reversed.add(key)
            return answer(request), keys
        if key in self.reversed:
            return answer(request, "05"), keys
        if key not in self.booked:
            self.booked[key] = int(request.text(4))
            self.bookings += 1
        return answer(request), keys


class Storm:
    """One terminal, one host, two lines between them."""

    def __init__(self, seed: int) -> None:
        self.chance, self.now, self.calm = Random(seed), BEGIN, False
        self.host, self.records = Host(), list[Record]()
        self.crashes = self.over_courier = 0
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._line_up = self._courier_up = False
        self._connection = self._life = self._keys = 0
        self._loss, self._late_s = self.chance.uniform(0, 0.5), self.chance.choice((1.0, 60.0, 3600.0))
        self._crash = self.chance.uniform(0, 0.03)
        self._boot()

    # --- the terminal -------------------------------------------------------------------------------------------------

    def _boot(self) -> None:
        self._life += 1
        self._keys = 0
        self._line_up = self._courier_up = False
        self.counter = Counter(SELLS_OFFLINE, self.records)
        self.counter.handle(RoomMeasured(10**9, writable=True), self.now)
        self._carry_out(self.counter.resume(self.now))
        self._after(1, self._connect)
        self._after(1, self._connect_courier)

    def on(self, event: Event) -> None:
        self._carry_out(self.counter.handle(event, self.now))

    def _carry_out(self, effects: list[Effect]) -> None:
        life = self._life
        for effect in effects:
            match effect:
                case Persist(record):
                    self.records.append(record)
                case Send(message, _, line):
                    self._send(message, line)
                case LoadKeys():
                    keys = self.host.keys  # those that the answer brought, unless a later one is already under way
                    self._after(0.1, lambda keys=keys: self._loaded(life, keys))  # type: ignore[misc]
                case Reconnect():
                    self._lose_line()
                case _:
                    continue
            if not self.calm and self.chance.random() < self._crash:
                self.crashes += 1
                self._boot()
            if self._life != life:
                return

    def _loaded(self, life: int, keys: int) -> None:
        if life == self._life:
            self._keys = keys
            self.on(KeysLoaded(accepted=True))

    # --- the lines ----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if not self._line_up:
            self._line_up, self._connection = True, self._connection + 1
            self.on(LinkUp())

    def _lose_line(self) -> None:
        if self._line_up:
            self._line_up = False
            self._after(0, lambda: self.on(LinkLost()))
            self._after(1 if self.calm else self.chance.expovariate(1 / 600), self._connect)

    def _connect_courier(self) -> None:
        if not self._courier_up:
            self._courier_up = True
            self.on(CourierUp())

    def _lose_courier(self) -> None:
        if self._courier_up:
            self._courier_up = False
            self.on(CourierLost())
            self._after(1 if self.calm else self.chance.expovariate(1 / 600), self._connect_courier)

    def _send(self, message: Message, line: Line) -> None:
        connection, keys = self._connection, self._keys
        if line == "courier":
            is_sale = message.mti.startswith("02") and message.text(60)[:2] == "22"
            assert message.mti[:2] in ("02", "04") and not is_sale, "a sale, or of the session"
            self.over_courier += 1
        if self._line_up if line == "host" else self._courier_up:
            for delay_s in self._delays(line):
                self._after(delay_s, lambda: self._at_host(message, keys, line, connection))

    def _at_host(self, message: Message, keys: int, line: Line, connection: int) -> None:
        said = self.host.answer(message, keys)
        if said is not None:
            for delay_s in self._delays(line):
                self._after(delay_s, lambda: self._deliver(*said, line, connection))

    def _deliver(self, message: Message, keys: int, line: Line, connection: int) -> None:
        """An answer on a connection that is over reaches nobody; the broker keeps it until somebody is there."""
        if line == "host" and (not self._line_up or connection != self._connection):
            return
        if line == "courier" and not self._courier_up:
            self._after(5, lambda: self._deliver(message, keys, line, connection))
            return
        if message.mti == "0810":
            self.on(Received(message, "absent", "0", line))
        elif not self.calm and self.chance.random() < FORGED:
            self.on(Received(message.with_({39: self.chance.choice(("00", "51"))}), "bad", "3", line))
        else:
            command = self.chance.choice("013") if line == "courier" else "0"
            self.on(Received(message, "good" if keys == self._keys > 0 else "bad", command, line))

    def _delays(self, line: Line) -> list[float]:
        if self.calm:
            return [0.05]
        late_s = self._late_s if line == "courier" else 5.0
        copies = 0 if self.chance.random() < self._loss else self.chance.choice((1, 1, 2))
        return [self.chance.uniform(0.01, late_s if self.chance.random() < 0.3 else 0.2) for _ in range(copies)]

    # --- time ---------------------------------------------------------------------------------------------------------

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._plans, (self.now + seconds, next(self._number), act))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            deadline = self.counter.deadline()
            planned = self._plans[0][0] if self._plans else end
            at = min(planned, end if deadline is None else deadline)
            if at >= end:
                break
            self.now = max(self.now, at)
            if planned <= self.now:
                heapq.heappop(self._plans)[2]()
            else:
                self.on(Tick())
        self.now = end

    def trade(self) -> None:
        """A customer comes, a line goes; and again after a while."""
        if self.calm:
            return
        act = self.chance.choice((self._sell, self._sell, self._sell, self._lose_line, self._lose_courier))
        act()
        self._after(self.chance.expovariate(1 / 120), self.trade)

    def _sell(self) -> None:
        offline = not self.counter.session.ready
        self.on(SaleRequested(f"r{next(self._number)}", self.chance.randrange(1, 9000), "01", offline))
        current = self.counter.payments.current
        if current is not None:
            online = self.chance.choice((CARD, CodePresented(CODE)))
            self.on(OFFLINE_CARD if self.counter.payments.sells_offline else online)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_after_any_storm_terminal_and_host_agree_and_nothing_was_booked_twice(seed: int) -> None:
    storm = Storm(seed)
    storm.trade()
    storm.run(STORM_S)
    storm.calm = True
    storm._lose_line()
    storm._lose_courier()
    storm.run(CALM_S)
    payments = storm.counter.book.payments.values()
    assert not [payment for payment in payments if not payment.is_final]
    stands = {payment.key: payment.amount for payment in payments if payment.state is State.APPROVED}
    assert stands == {key: amount for key, amount in storm.host.booked.items() if key not in storm.host.reversed}
    assert storm.host.bookings == len(storm.host.booked)


def test_the_storms_are_storms() -> None:
    storms = [Storm(seed) for seed in range(10)]
    for storm in storms:
        storm.trade()
        storm.run(STORM_S)
    assert sum(storm.crashes for storm in storms) > 20 and sum(storm.over_courier for storm in storms) > 100
    states = [payment.type for storm in storms for payment in storm.counter.book.payments.values()]
    assert min(states.count("qr_sale"), states.count("offline_sale")) > 50
