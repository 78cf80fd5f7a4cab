"""The listener: the host's shell. It loads facts, lets the core decide, commits, and carries out the effects.

Inputs are frames from terminals, answers from channels, due times and orders of operators. A batch of them (at most 64)
shares one durable commit, and the loop waits for the disk: nothing may be said before, and what arrives meanwhile
gathers in the sockets and becomes the next batch. (A thread for the commit cost a tenth of the sales per second, and in
return only let frames be decoded that had to wait anyway.) Two inputs of which one may change what the other looks at
never share a batch, so each is decided on what the one before it left behind; any number of them may look at the same.
If the store cannot write, the batch has no effects at all: to a terminal that is silence; it will reverse or repeat.
"""

import asyncio
import ssl
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from host_switch.channels import Channel, ChannelAnswer, ChannelCall
from host_switch.connections import Connections, Limits
from host_switch.envelopes import ROOT
from host_switch.events import (
    CallChannel,
    Change,
    ChannelAnswered,
    ChannelUnavailable,
    Close,
    Decide,
    Decision,
    Due,
    Effect,
    FrameReceived,
    Input,
    Persist,
    Report,
    Send,
)
from host_switch.facts import Facts
from host_switch.records import Event, Key, Transaction
from host_switch.store import Store, StoreError
from host_switch.switch import decide

BATCH_MAX = 64
BACKLOG = 512  # terminals that all come back at once after a restart
STORE_RETRY_S = 1.0

_log = structlog.get_logger("host_switch.listener")


class Line(Protocol):
    """What carries answers to terminals."""

    def send(self, name: str, frame: bytes) -> None:
        """Send a frame to where the request came from, or drop it."""

    def close(self, name: str, reason: str) -> None:
        """Have no more to do with whoever is there, and say why."""


@dataclass(slots=True)
class _Waiting:
    """An input in the queue, and whoever waits for its decision."""

    event: Input
    decided: asyncio.Future[Decision] | None = None


class Listener:
    """The host, running. `channel` is set before `start`, `courier` is None where there is no broker.

    `after_effect` is called after each effect (for crash tests).

    `gather_s` is how long an input may wait for others to share its commit with; they also gather during a commit.
    `certified`: see `Connections`.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        gather_s: float = 0.0,
        after_effect: Callable[[Effect], None] | None = None,
        certified: Callable[[bytes], str] = lambda _certificate: "",
    ) -> None:
        self._store = store
        self._clock = clock
        self._gather_s = gather_s
        self._after_effect = after_effect
        self.connections = Connections(limits or Limits(), self.submit, time.monotonic, certified)
        self.channel: Channel | None = None
        self.courier: Line | None = None
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._rung = True
        self._owed_after: int | None = None
        self._collected: set[int] = set()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- what goes on around it ---------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen and begin to work; returns the port (0 takes a free one)."""
        loop = asyncio.get_running_loop()
        patience_s = self.connections.limits.first_frame_s if tls else None
        self._server = await loop.create_server(
            self.connections.accept, host, port, ssl=tls, ssl_handshake_timeout=patience_s, backlog=BACKLOG
        )
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._sweep())]
        self._arrived.set()
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        """Stop listening and working. What is under way is left as a kill would leave it."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.connections.close_all()
        if self._timer is not None:
            self._timer.cancel()

    async def serve_until_broken(self) -> None:
        """Wait; returns only by raising what broke the work."""
        await asyncio.gather(*self._tasks)

    def submit(self, event: Input) -> None:
        """Put an input into the queue."""
        self._queue.append(_Waiting(event))
        self._arrived.set()

    async def ask(self, event: Input) -> Decision:
        """Put an input into the queue and wait until its decision is durable and carried out.

        Raises:
            StoreError: it could not be written.
        """
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        assert waiting.decided is not None
        return await waiting.decided

    def channel_answered(self, answer: ChannelAnswer) -> None:
        """Take an answer from the channel."""
        self.submit(ChannelAnswered(answer))

    def channel_unavailable(self, call: ChannelCall) -> None:
        """Take back a call that never left."""
        self.submit(ChannelUnavailable(call))

    def channel_connected(self) -> None:
        """The issuer can be reached again: pay what we owe it now, not when its time comes."""
        self._owed_after = 0
        self._arrived.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.connections.limits.sweep_s)
            self.connections.sweep()

    # --- the work -----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(self._gather_s if len(self._queue) < BATCH_MAX else 0)
            self._arrived.clear()
            while self._queue or self._rung or self._owed_after is not None:
                await self._one_batch()
                await asyncio.sleep(0)  # let sockets be read: what has come shares the next commit

    async def _one_batch(self) -> None:
        batch: list[_Waiting] = []
        try:
            self._collect_debts()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
            batch, decisions = self._decide(batch)  # what is left of it; the rest is in the queue again
            self._store.commit(decisions)
        except StoreError as error:
            await self._store_failed(batch, error)
        else:
            self._carry_out(batch, decisions)

    def _decide(self, candidates: Sequence[_Waiting]) -> tuple[list[_Waiting], list[Decision]]:
        """Decide the candidates that touch nothing another of them touches; the rest goes back into the queue."""
        facts = self._store.facts_for([waiting.event for waiting in candidates])
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        decisions: list[Decision] = []
        changed: set[Key | str] = set()
        read: set[Key | str] = set()
        now = self._clock()
        for waiting, known in zip(candidates, facts, strict=True):
            touched = known.touched
            if changed.isdisjoint(touched.changes | touched.reads) and read.isdisjoint(touched.changes):
                batch.append(waiting)
                decisions.append(_decided(waiting.event, known, now))
            else:
                later.append(waiting)
            changed |= touched.changes
            read |= touched.reads
        self._queue.extendleft(reversed(later))
        return batch, decisions

    async def _store_failed(self, batch: Sequence[_Waiting], error: StoreError) -> None:
        """Drop the inputs without any effect: silence is the one answer that is true. Their senders will ask again."""
        _log.error("store cannot be used", reason=str(error), dropped=len(batch))
        for waiting in batch:
            self._release(waiting)
            if waiting.decided is not None and not waiting.decided.done():
                waiting.decided.set_exception(error)
        await asyncio.sleep(STORE_RETRY_S)

    # --- effects ------------------------------------------------------------------------------------------------------

    def _carry_out(self, batch: Sequence[_Waiting], decisions: Sequence[Decision]) -> None:
        for waiting, decision in zip(batch, decisions, strict=True):
            for effect in decision.effects:
                self._effect(effect, waiting)
                if self._after_effect is not None:
                    self._after_effect(effect)
            self._release(waiting)
            if waiting.decided is not None and not waiting.decided.done() and not decision.goes_on:
                waiting.decided.set_result(decision)

    def _release(self, waiting: _Waiting) -> None:
        if isinstance(waiting.event, Due):
            self._collected.discard(waiting.event.number)
        if isinstance(waiting.event, FrameReceived) and not waiting.event.rescued:
            self.connections.decided(waiting.event.connection)

    def _effect(self, effect: Effect, waiting: _Waiting) -> None:
        match effect:
            case Persist(changes):
                self._persisted(changes)
            case Send(connection, data):
                self._line(connection).send(connection, data)
            case CallChannel(call):
                assert self.channel is not None, "the channel is set before the listener starts"
                self.channel.call(call)
            case Report(severity, kind, connection, terminal, code):
                _log.warning(kind, severity=severity, connection=connection, terminal=terminal, code=code)
            case Close(connection, reason):
                self._line(connection).close(connection, reason)
            case Decide(event):
                self._queue.append(_Waiting(event, waiting.decided))

    def _line(self, connection: str) -> Line:
        """Where an answer goes: to the courier, if a topic is named, and else to a connection of ours."""
        return self.courier if self.courier is not None and connection.startswith(ROOT) else self.connections

    def _persisted(self, changes: Sequence[Change]) -> None:
        """Committed: note the earliest due time, and tell the log what became an event."""
        for change in changes:
            if isinstance(change, Transaction) and change.due_at is not None:
                self._arm(change.due_at)
            elif isinstance(change, Event):
                _log.warning(change.kind, severity=change.severity, transaction=str(change.key))

    # --- timers -------------------------------------------------------------------------------------------------------

    def _collect_debts(self) -> None:
        """Put due transactions in front of the queue: after a timer rang, or when a channel is back."""
        if self._rung:
            due = self._store.due(self._clock(), BATCH_MAX)
            self._rung = False
            self._queue.extendleft(reversed(self._not_waiting_yet(due)))
            next_due = self._store.next_due()
            if next_due is not None:
                self._arm(next_due)
        elif self._owed_after is not None:
            owed = self._store.owed(self._owed_after, BATCH_MAX)
            self._owed_after = owed[-1].number if owed else None
            self._queue.extend(self._not_waiting_yet(owed))

    def _not_waiting_yet(self, debts: Sequence[Due]) -> list[_Waiting]:
        """Without those that are in the queue already: they stay due until they have been decided."""
        fresh = [event for event in debts if event.number not in self._collected]
        self._collected.update(event.number for event in fresh)
        return list(map(_Waiting, fresh))

    def _arm(self, due_at: float) -> None:
        """Make sure that the timer rings at `due_at` or before."""
        if self._timer is not None and self._timer_at is not None and self._timer_at <= due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due_at
        wait_s = max(due_at - self._clock(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, None
        self._rung = True
        self._arrived.set()


def _decided(event: Input, facts: Facts, now: float) -> Decision:
    """Decide, and survive a fault of our own: the input then has no effect, which is as if it had never arrived."""
    try:
        return decide(event, facts, now)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("fault of our own", input=type(event).__name__, fault=type(error).__name__, line=place.lineno)
        return Decision()
