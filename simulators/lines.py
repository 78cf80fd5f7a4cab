"""The lines between terminals and host in the simulated world: connections that break, frames that get lost on them.

A connection is known by its name at both ends. Either end may go on using one that the other has forgotten: what is
sent on it reaches nobody.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from iso8583.unionpay import HEAD_BYTES, MAC_BYTES, Frame
from simulators.engine import World

__all__ = ["HEAD_BYTES", "MAC_BYTES", "Lines", "parsed"]

if TYPE_CHECKING:
    from simulators.host_node import HostNode
    from simulators.terminal_node import TerminalNode

Tamper = Callable[[str, bytes], bytes]
Listen = Callable[[str, str, bytes], None]


def _untouched(_target: str, frame: bytes) -> bytes:
    return frame


class Lines:
    """All connections. `tamper` may change a frame on its way (its target, the frame); `listeners` hear every one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._host: HostNode
        self._ends: dict[str, TerminalNode] = {}
        self._count = 0
        self.tamper: Tamper = _untouched
        self.listeners: list[Listen] = []

    def lead_to(self, host: "HostNode") -> None:
        """Say which host it is."""
        self._host = host

    # --- the terminal's end -------------------------------------------------------------------------------------------

    def connect(self, terminal: "TerminalNode") -> str | None:
        """Try to connect; the name of the connection, or None."""
        network = self._world.network
        reachable = network.is_open(terminal.name, "host") and network.is_open("host", terminal.name)
        if not (self._host.up and reachable):
            return None
        self._count += 1
        connection = f"{terminal.name}#{self._count}"
        self._ends[connection] = terminal
        return connection

    def opens_at(self, terminal: str) -> float:
        """The earliest time at which trying again makes sense."""
        return self._world.network.opens_at((terminal, "host"), ("host", terminal))

    def hang_up(self, connection: str) -> None:
        """The connection is over."""
        self._ends.pop(connection, None)

    def send(self, terminal: "TerminalNode", frame: bytes) -> None:
        """Carry a frame to the host."""
        self._carry(terminal.name, "host", terminal.connection or "", frame, self._host.arrive)

    # --- the host's end -----------------------------------------------------------------------------------------------

    def answer(self, connection: str, frame: bytes) -> None:
        """Carry a frame to the terminal; on a connection that is over, to nobody."""
        terminal = self._ends.get(connection)
        if terminal:
            self._carry("host", terminal.name, connection, frame, terminal.arrive)

    def break_all(self) -> None:
        """The host has died: each terminal notices after a while that its connection is over."""
        ends, self._ends = self._ends, {}
        for connection, terminal in ends.items():
            self._world.after(self._world.chance.notice_s(), None, self._notice, connection, terminal)

    def _notice(self, connection: str, terminal: "TerminalNode") -> None:
        if terminal.up and terminal.connection == connection:
            terminal.lose_connection()

    # --- whoever sits on the line -------------------------------------------------------------------------------------

    def inject(self, source: str, target: str, frame: bytes) -> None:
        """Put a frame on the newest connection of a terminal, as if `source` had sent it."""
        terminal = source if target == "host" else target
        connection = next((name for name, end in reversed(self._ends.items()) if end.name == terminal), None)
        if connection is not None:
            deliver = self._host.arrive if target == "host" else self._ends[connection].arrive
            self._world.note("somebody", "->", target, frame[HEAD_BYTES:])
            self._world.network.send(source, target, frame, partial(deliver, connection))

    def leave_alone(self) -> None:
        """Nobody sits on the line any more."""
        self.tamper = _untouched
        self.listeners.clear()

    def _carry(
        self, source: str, target: str, connection: str, frame: bytes, deliver: Callable[[str, bytes], None]
    ) -> None:
        self._world.note(source, "->", target, frame[HEAD_BYTES:])
        for listen in self.listeners:
            listen(source, target, frame)
        self._world.network.send(source, target, self.tamper(target, frame), partial(deliver, connection))


@lru_cache(maxsize=4096)
def parsed(frame: bytes) -> Frame:
    """Decode a frame; the same bytes, sent twice or watched by several, only once."""
    return Frame.parse(frame)
