"""The card reader of a counter that has none, or none that works now: no card is ever in it."""

import asyncio

from terminal.devices import CardGone, DeviceHealth


class EmptyCardReader:
    """A `CardReader` in which nobody can put a card."""

    async def wait_for_card(self) -> bytes:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise CardGone("card_removed")

    async def transmit(self, _apdu: bytes) -> bytes:
        """Raise CardGone."""
        raise CardGone("card_removed")

    async def wait_for_removal(self) -> None:
        """Return at once."""

    def health(self) -> DeviceHealth:
        """Say that there is none."""
        return DeviceHealth("attention", "not_configured")

    async def close(self) -> None:
        """Release nothing."""
