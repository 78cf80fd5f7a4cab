"""How the terminal is, told to the host through the courier: how much is owed, and which devices work. No card data.

It comes last: nothing is told while anything that is owed waits for an answer, and what was not told is not kept; the
next time it is told as it is then.
"""

from collections.abc import Mapping

from firmware_config.profile import TerminalProfile
from terminal.book import Book
from terminal.effects import Effect, Tell

LOOK_S = 60.0
"""How often it looks whether there is something new to tell."""


class Telemetry:
    """Tells when the courier comes up, when something has changed, and now and then."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._connected = self._money_waits = False
        self._look_at = 0.0
        self._told: Mapping[str, object] = {}
        self._told_at = 0.0

    def follow(self, connected: bool, money_waits: bool, devices: Mapping[str, bool], now: float) -> list[Effect]:
        """Tell, if it is time.

        Args:
            connected: there is a courier.
            money_waits: something that is owed has been sent, and its answer has not come.
            devices: whether each works.
            now: UTC seconds.
        """
        if connected and not self._connected:
            self._look_at, self._told = now, {}
        self._connected, self._money_waits = connected, money_waits
        if not connected or money_waits or now < self._look_at:
            return []
        self._look_at = now + LOOK_S
        news, every_s = self._news(devices), self._profile.courier.telemetry_s
        if news == self._told and now < self._told_at + every_s:
            return []
        self._told, self._told_at = news, now
        return [Tell(news, every_s)]

    def deadline(self) -> float | None:
        """When follow() wants to be called next; while money waits, the end of that will do."""
        return self._look_at if self._connected and not self._money_waits else None

    def _news(self, devices: Mapping[str, bool]) -> Mapping[str, object]:
        """Of all batches, also those that are parked."""
        owed, (_, reversals) = self._book.offline(), self._book.asked()
        return {
            "batch": self._book.batch, "parked": len(self._book.parked), "owed_count": owed.count,
            "owed_amount": owed.amount, "currency": self._profile.currency, "reversals": reversals,
            "devices": dict(devices),
        }  # fmt: skip
