"""The peer of the host benchmark: a bare relay between the same client and the same issuer.

The host makes another frame of a terminal's frame, so the very same bytes cannot go on to the issuer. What the relay
sends instead was made before the clock started, by the host's own pure core: for each frame of the client the frame for
the issuer, for the issuer's answer to that one the answer to the terminal, MACs and all. It finds them in a dictionary
by the whole frame, and looks at nothing inside: no decoding, no MAC, no rules, no ledger, no disk. So the same bytes
travel on all four legs, client and issuer do the same work, and what lies between the two figures is what the host adds
to carrying frames. Both are asyncio protocols that cut the stream with the same buffer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.fleet import MASTER_KEY, MERCHANT, Till
from bench.plain_issuer import answer_to
from host_switch.channels.iso_issuer import answer_of, call_message, protect, verified
from host_switch.events import CallChannel, ChannelAnswered, Decision, Effect, Persist, Send
from host_switch.facts import Facts, Policy
from host_switch.frames import decoded
from host_switch.records import Terminal, Transaction, WorkingKeys
from host_switch.switch import decide
from iso8583.framing import LENGTH_BYTES, FrameBuffer, with_length
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY

Kind = TypeVar("Kind", bound=Effect)


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of one frame.

    Attributes:
        to_issuer: what goes to the issuer, with its length.
        answer: what the issuer will answer; this is how the answer is known again.
        to_terminal: what goes back to the terminal then, with its length.
    """

    to_issuer: bytes
    answer: bytes
    to_terminal: bytes


Routes = Mapping[bytes, Route]


def routes_for(tills: Sequence[Till], frames: Sequence[Sequence[bytes]], now: float) -> Routes:
    """Work out what the host would make of each frame (given with its length) and of the issuer's answer."""
    policy = Policy(bytes(32), ZONE_PIN_KEY)
    routes: dict[bytes, Route] = {}
    for till, own in zip(tills, frames, strict=True):
        keys = WorkingKeys(till.pin_key, till.mac_key, till.track_key)
        terminal = Terminal(till.id, MERCHANT, MASTER_KEY, till.batch, keys)
        for frame in (frame[LENGTH_BYTES:] for frame in own):
            routes[frame] = _route(frame, Facts(policy, terminal, number=len(routes) + 1), now)
    return routes


def _route(frame: bytes, facts: Facts, now: float) -> Route:
    asked = decide(decoded("", frame), facts, now)
    request = protect(call_message(_only(CallChannel, asked).call), ZONE_MAC_KEY)
    answer = answer_to(request)
    row = next(change for change in _only(Persist, asked).changes if isinstance(change, Transaction))
    then = Facts(facts.policy, facts.terminal, stored=row)
    told = decide(ChannelAnswered(answer_of(verified(answer, ZONE_MAC_KEY))), then, now)
    return Route(with_length(request), answer, with_length(_only(Send, told).data))


def _only(kind: type[Kind], decision: Decision) -> Kind:
    (effect,) = (effect for effect in decision.effects if isinstance(effect, kind))
    return effect


class _Cutting(asyncio.Protocol):
    """A connection that hands out frames."""

    def __init__(self, on_frame: Callable[["_Cutting", bytes], None]) -> None:
        self._on_frame = on_frame
        self._buffer = FrameBuffer()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer.receive(data)
        while (frame := self._buffer.next_frame()) is not None:
            self._on_frame(self, frame)


class _Relay:
    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._under_way: dict[bytes, tuple[_Cutting, bytes]] = {}
        self._outgoing: list[bytes] = []
        self.issuer: asyncio.Transport

    def asked(self, terminal: _Cutting, frame: bytes) -> None:
        """Pass a request on, with all others of this turn in one piece, as the host does."""
        route = self._routes[frame]
        self._under_way[route.answer] = terminal, route.to_terminal
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write)
        self._outgoing.append(route.to_issuer)

    def _write(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        self.issuer.write(data)

    def answered(self, _issuer: _Cutting, frame: bytes) -> None:
        """Pass an answer back."""
        terminal, answer = self._under_way.pop(frame)
        terminal.transport.write(answer)


async def serve(routes: Routes, issuer_port: int, on_ready: Callable[[int], None]) -> None:
    """Relay until cancelled; `on_ready` is told the port."""
    relay = _Relay(routes)
    loop = asyncio.get_running_loop()
    relay.issuer, _ = await loop.create_connection(lambda: _Cutting(relay.answered), "127.0.0.1", issuer_port)
    server = await loop.create_server(lambda: _Cutting(relay.asked), "127.0.0.1", 0)
    on_ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()
