"""The issuer in the simulated world: the bank of `issuer.py` over changes that survive its death."""

from collections.abc import Callable
from dataclasses import dataclass

from host_switch.channels.iso_issuer import ChannelFault, protect, verified
from simulators.engine import World
from simulators.issuer import Account, Answer, Change, Issuer, Mood


@dataclass(frozen=True, slots=True)
class Remember:
    """What a verdict changes, durably."""

    changes: tuple[Change, ...]


class IssuerNode:
    """The bank, in some `mood`. Durable: all changes. An answer that waits is lost when it falls.

    `lied_about` are the references of what it once said the opposite of.
    """

    name = "issuer"

    def __init__(self, world: World, accounts: list[Account], mac_key: bytes) -> None:
        self.life = 0
        self.up = False
        self.bank: Issuer
        self.answer_host: Callable[[bytes], None]
        self.tell_host_lost: Callable[[], None]
        self._world = world
        self.mood = Mood()
        self.lied_about: set[str] = set()
        self._durable: list[Change] = list(accounts)
        self._mac_key = mac_key

    def boot(self) -> None:
        """Start from the changes."""
        self.bank = Issuer(())
        self.bank.apply(self._durable)

    def fall(self) -> None:
        """The host sees the connection end."""
        self._world.after(0.0, None, self.tell_host_lost)

    def arrive(self, data: bytes) -> None:
        """A request of the host."""
        if not self.up:
            return
        try:
            message = verified(data, self._mac_key)
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
                self._world.note(self.name, f"remembers {len(changes)}")
                self._durable += changes
                self.bank.apply(changes)
            case Answer(message, delay_s):
                self._world.after(delay_s, self, self.answer_host, protect(message, self._mac_key))
