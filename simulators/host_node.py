"""The host in the simulated world: the switch over a store whose commits survive, with the listener's loop around it.

What `host_switch/listener.py` and the issuer's channel do with asyncio, this does on virtual time: facts, decision, one
durable commit, then the other effects in order. It dies before the commit, after it, or between any two effects.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from host_switch.channels import ChannelCall
from host_switch.channels.iso_issuer import ChannelFault, answer_of, call_message
from host_switch.envelopes import ROOT, EnvelopeError, unfolded
from host_switch.events import (
    CallChannel,
    ChannelAnswered,
    ChannelUnavailable,
    Close,
    Decision,
    Effect,
    FrameReceived,
    Input,
    Persist,
    Report,
    Send,
)
from host_switch.frames import decoded
from host_switch.store import Store
from host_switch.switch import decide
from iso8583 import Iso8583Error
from simulators.auditor import Auditor
from simulators.broker_node import ANSWER_EXPIRES_S, Acknowledge, BrokerNode, Place
from simulators.engine import World
from simulators.issuer_node import Wire
from simulators.lines import HEAD_BYTES, MAC_BYTES, Lines, parsed

DUE_AT_ONCE = 64
CHANNEL_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that a decision persists, in one durable transaction."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class TellBroker:
    """Acknowledge a message at the broker, which then forgets it: what was decided of it is durable."""

    decision: Decision
    acknowledge: Acknowledge


Step = Commit | TellBroker | Effect


class HostNode:
    """The host. Durable: its store. Connections, the channel and everything under way are lost when it falls."""

    name = "host"

    def __init__(
        self, world: World, open_store: Callable[[], Store], wire: Wire, lines: Lines, auditor: Auditor
    ) -> None:
        self.life = 0
        self.up = False
        self.store = open_store()
        self._open_store = open_store
        self.call_issuer: Callable[[Any], None]
        self.issuer_is_up: Callable[[], bool]
        self.courier: Place | None = None
        self._world = world
        self._wire = wire
        self._lines = lines
        self._auditor = auditor
        self._channel_up = False
        self._owes_reply = False
        self._timer_at: float | None = None

    # --- a life -------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the store: connect to the issuer, and do what is due."""
        self.store = self._open_store()
        self._timer_at, self._owes_reply = None, False
        if self.store.owed(0, 1):
            self._world.happened["host restarts with a debt"] += 1
        self._world.after(0.0, self, self._ring)
        self._world.after(0.0, self, self._connect_channel)
        if self.courier:
            self.courier.boot()

    @property
    def is_quiet(self) -> bool:
        """Up, with nothing owed to anybody."""
        return self.up and self.store.next_due() is None

    def fall(self) -> None:
        """Lose what is volatile; the terminals' connections end."""
        if self._owes_reply:
            self._world.happened["crash between commit and reply"] += 1
        self._channel_up = False
        self.store.close()
        self._lines.break_all()
        if self.courier:
            self.courier.fall()

    # --- inputs, decisions, effects -----------------------------------------------------------------------------------

    def arrive(self, connection: str, frame: bytes) -> None:
        """A frame from a terminal."""
        if not self.up:
            return
        try:
            self.handle(_decoded(connection, frame))
        except Iso8583Error:
            self._world.note(self.name, "cannot answer what came")

    def join(self, broker: BrokerNode) -> None:
        """There is a broker, and the host has a place at it."""
        self.courier = Place(self._world, broker, self, lambda _up: None, self._courier_brings)

    def _courier_brings(self, topic: str, frame: bytes, acknowledge: Acknowledge) -> None:
        """A message from a terminal. What is refused is acknowledged, too: it would not get better."""
        try:
            event = unfolded(topic, frame)
        except EnvelopeError as error:
            self._world.note(self.name, "does not take", error.reason)
            acknowledge()
        else:
            self.handle(event, acknowledge)

    def handle(self, event: Input, acknowledge: Acknowledge | None = None) -> None:
        """Decide one input on committed facts, commit, then carry out the rest; in the end the courier hears of it."""
        (facts,) = self.store.facts_for([event])
        if isinstance(event, FrameReceived) and facts.stored is not None:
            self._world.happened[f"duplicate {event.message.mti[:2]}00"] += 1
        decision = decide(event, facts, self._world.now)
        self._world.note(self.name, "<-", type(event).__name__)
        steps = _steps(decision)
        if acknowledge is not None:
            steps = _acknowledged(steps, TellBroker(decision, acknowledge))
        self._world.perform(self, steps, self._perform)
        if self.up:
            self._arm_timer()

    def _perform(self, step: Step) -> None:
        match step:
            case Commit(decision):
                self._world.note(self.name, "commits")
                self.store.commit([decision])
                self._owes_reply = any(isinstance(effect, Send) for effect in decision.effects)
                self._auditor.host_committed(decision)
            case Send(connection, data):
                self._auditor.host_sends(parsed(data).message, data[HEAD_BYTES:-MAC_BYTES])
                self._answer(connection, data)
                self._owes_reply = False
            case CallChannel(call):
                self._call(call)
            case Report():
                self._auditor.host_reported(step)
            case Close(connection, _):
                self._lines.hang_up(connection)
            case TellBroker(decision, acknowledge):
                self._auditor.host_acknowledges(decision)
                acknowledge()

    def _answer(self, connection: str, data: bytes) -> None:
        """Answer on a connection of ours, or, where a topic is named, through the courier."""
        if not connection.startswith(ROOT):
            self._lines.answer(connection, data)
        elif self.courier:
            terminal = connection.split("/")[2]
            self.courier.send(terminal, connection, data, ANSWER_EXPIRES_S, lambda _taken: None)

    def _arm_timer(self) -> None:
        due_at = self.store.next_due()
        if due_at is None or (self._timer_at is not None and self._timer_at <= due_at):
            return
        self._timer_at = due_at
        self._world.after(max(0.0, due_at - self._world.now), self, self._ring)

    def _ring(self) -> None:
        self._timer_at = -math.inf  # what is due now arms no timer of its own
        for event in self.store.due(self._world.now, DUE_AT_ONCE):
            self._world.after(0.0, self, self.handle, event)
        self._world.after(0.0, self, self._rung)

    def _rung(self) -> None:
        self._timer_at = None
        self._arm_timer()

    # --- the channel to the issuer ------------------------------------------------------------------------------------

    def connect_now(self) -> None:
        """The way to the issuer is open, earlier than the world had known."""
        if self.up and not self._channel_up:
            self._connect_channel()

    def _connect_channel(self) -> None:
        if self._channel_up:
            return
        network = self._world.network
        if not (self.issuer_is_up() and network.is_open("host", "issuer") and network.is_open("issuer", "host")):
            opens_in_s = network.opens_at(("host", "issuer"), ("issuer", "host")) - self._world.now
            self._world.after(max(CHANNEL_RETRY_S, opens_in_s), self, self._connect_channel)
            return
        self._channel_up = True
        owed = self.store.owed(0, DUE_AT_ONCE)
        for event in owed:
            self._world.after(0.0, self, self.handle, event)

    def channel_lost(self) -> None:
        """The connection to the issuer is over, and the host knows it."""
        if self.up and self._channel_up:
            self._channel_up = False
            self._world.after(CHANNEL_RETRY_S, self, self._connect_channel)

    def _call(self, call: ChannelCall) -> None:
        self._auditor.host_calls(call)
        if self._channel_up:
            self.call_issuer(self._wire.write(call_message(call)))
        else:
            self._world.after(0.0, self, self.handle, ChannelUnavailable(call))

    def answered(self, packet: Any) -> None:
        """An answer from the issuer."""
        if not self.up:
            return
        try:
            answer = answer_of(self._wire.read(packet))
        except ChannelFault:
            self._world.note(self.name, "does not use what the issuer sent")
        else:
            self.handle(ChannelAnswered(answer))


def _steps(decision: Decision) -> Iterator[Step]:
    """The commit, if there is one, and then everything else in order, as the listener does it."""
    if any(isinstance(effect, Persist) for effect in decision.effects):
        yield Commit(decision)
    yield from (effect for effect in decision.effects if not isinstance(effect, Persist))


def _acknowledged(steps: Iterable[Step], last: TellBroker) -> Iterator[Step]:
    """The broker keeps a message until everything that follows from it is done."""
    yield from steps
    yield last


_decoded = lru_cache(maxsize=1024)(decoded)  # schedules begin alike, so the same frames come again and again
