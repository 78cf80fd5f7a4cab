"""The issuer in the simulated world: the bank of `issuer.py` over changes that survive its death.

The way between host and issuer carries real bytes with real MACs in some worlds (`sealed_wire`); in the others the
messages themselves, because the MACs of this way are a quarter of a world's time and decide nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from host_switch.channels.iso_issuer import ChannelFault, protect, verified
from iso8583 import Message
from simulators.engine import World
from simulators.issuer import Answer, Change, Issuer, Mood


@dataclass(frozen=True, slots=True)
class Wire:
    """How messages travel between host and issuer: what is sent, and what is made of it. `read` raises ChannelFault."""

    write: Callable[[Message], Any]
    read: Callable[[Any], Message]


def plain_wire() -> Wire:
    """Messages as they are."""
    return Wire(lambda message: message, lambda packet: packet)


def sealed_wire(mac_key: bytes) -> Wire:
    """Bytes with a MAC."""
    return Wire(lambda message: protect(message, mac_key), lambda packet: verified(packet, mac_key))


@dataclass(frozen=True, slots=True)
class Remember:
    """What a verdict changes, durably."""

    changes: tuple[Change, ...]


class IssuerNode:
    """The bank, in some `mood`. `durable` are all changes so far. An answer that waits is lost when it falls.

    `lied_about` are the references of what it once said the opposite of.
    """

    name = "issuer"

    def __init__(self, world: World, durable: Iterable[Change], wire: Wire) -> None:
        self.life = 0
        self.up = False
        self.bank: Issuer
        self.answer_host: Callable[[Any], None]
        self.tell_host_lost: Callable[[], None]
        self._world = world
        self.mood = Mood()
        self.lied_about: set[str] = set()
        self.durable: list[Change] = list(durable)
        self._wire = wire

    def boot(self) -> None:
        """Start from the changes."""
        self.bank = Issuer(())
        self.bank.apply(self.durable)

    def fall(self) -> None:
        """The host sees the connection end."""
        self._world.after(0.0, None, self.tell_host_lost)

    def arrive(self, packet: Any) -> None:
        """A request of the host."""
        if not self.up:
            return
        try:
            message = self._wire.read(packet)
        except ChannelFault:
            return
        self.bank.mood = self.mood
        verdict = self.bank.decide(message, self._world.now)
        if len({answer.message.get(39) for answer in verdict.answers}) > 1:
            self.lied_about.add(message.text(37))
        steps: list[Remember | Answer] = [Remember(verdict.changes)] if verdict.changes else []
        self._world.perform(self, [*steps, *verdict.answers], self._perform)

    def _perform(self, step: Remember | Answer) -> None:
        match step:
            case Remember(changes):
                self._world.note(self.name, "remembers", len(changes))
                self.durable += changes
                self.bank.apply(changes)
            case Answer(message, delay_s):
                self._world.after(delay_s, self, self.answer_host, self._wire.write(message))
