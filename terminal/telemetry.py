"""How the terminal is, told to the host through the courier: how much is owed, and which devices work. No card data.

It comes last: nothing is told while anything that is owed waits for an answer, and what was not told is not kept; the
next time it is told as it is then.
"""

from collections.abc import Mapping

from firmware_config.profile import TerminalProfile
from terminal.book import Book
from terminal.events import Effect, Tell
from terminal.forwarding import Forwarding

LOOK_S = 60.0
"""How often it looks whether there is something new to tell."""


class Telemetry:
    """Tells when the courier comes up, when something has changed, and now and then."""

    def __init__(self, book: Book, profile: TerminalProfile, forwarding: Forwarding) -> None:
        self._book = book
        self._profile = profile
        self._forwarding = forwarding
        self._connected = False
        self._look_at = 0.0
        self._told: Mapping[str, object] = {}
        self._told_at = 0.0

    def follow(self, connected: bool, devices: Mapping[str, bool], now: float) -> list[Effect]:
        """Tell, if it is time. `devices`: whether each works."""
        if connected and not self._connected:
            self._look_at, self._told = now, {}
        self._connected = connected
        if not connected or now < self._look_at or self._forwarding.under_way:
            return []
        self._look_at = now + LOOK_S
        news, every_s = self._news(devices), self._profile.courier.telemetry_s
        if news == self._told and now < self._told_at + every_s:
            return []
        self._told, self._told_at = news, now
        return [Tell(news, every_s)]

    def deadline(self) -> float | None:
        """When follow() wants to be called next; while something is under way, its end will do."""
        return self._look_at if self._connected and not self._forwarding.under_way else None

    def _news(self, devices: Mapping[str, bool]) -> Mapping[str, object]:
        owed = [payment for payment in self._book.unresolved() if payment.key in self._forwarding]
        return {
            "batch": self._book.batch, "owed_count": len(owed), "owed_amount": sum(payment.amount for payment in owed),
            "currency": self._profile.currency, "devices": dict(devices),
        }  # fmt: skip
