"""A contact reader behind PC/SC (pcscd): chosen by its name, with one thread and a watchdog of its own.

A card that does not answer a command in time is given up: the sale ends, and the reader is ``reader_stuck`` until the
card is out, or the service is started again, and the blocked call has thus returned. A card that is slow to be switched
on costs nobody a sale: the reader is called stuck meanwhile, and its answer is taken when it comes. The detours of T=0
(61xx, 6Cxx) are the kernel's.

Reasons in `CardGone`: ``card_removed``, ``card_mute``. Reasons in `health`: ``service_missing``, ``reader_missing``,
``reader_ambiguous``, ``reader_stuck``, ``card_mute`` or ``reader_in_use`` (by another program) until a card answers
again, ``reader_closed``, and ``opening`` before anything is known.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from terminal.devices import CardGone, CardMute, DeviceHealth
from terminal.devices.card_reader_pcsc_link import Failed, PcscLink, Reply, Sight

ANSWER_TIMEOUT_S = 5.0
"""A chip that needs longer for a command asks for more time at the electrical level, which is not ours to see."""
RESETS_MAX = 2
"""A card that answers neither the first reset nor the one after it is switched off (EMV Book 1 §12.2)."""

_END_WITHIN_S = 1.0


class PcscCardReader:
    """A `CardReader` behind pcscd. Make it with `open`."""

    def __init__(self, answer_timeout_s: float, health_changed: Callable[[DeviceHealth], None]) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._health_changed = health_changed
        self._link: PcscLink | None = None
        self._inserted = asyncio.Event()
        self._removed = asyncio.Event()
        self._removed.set()
        self._seen: Sight | None = None
        self._fault = ""

    @classmethod
    async def open(
        cls, name: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S,
        health_changed: Callable[[DeviceHealth], None] = lambda _: None,
    ) -> "PcscCardReader":  # fmt: skip
        """Attend the reader of this name, or with this in its name. It may be missing: `health` tells.

        health_changed: is called with `health` whenever the reader has been seen anew.
        """
        reader = cls(answer_timeout_s, health_changed)
        loop = asyncio.get_running_loop()

        def tell(sight: Sight) -> None:
            with suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(reader._see, sight)

        reader._link = PcscLink(name, tell)
        reader._link.start()
        return reader

    async def wait_for_card(self) -> bytes:
        """Return the answer to reset of the card that is, or will be, in the reader.

        One that takes its time is waited for; one that does not answer is reset once more, then CardMute is raised.
        """
        assert self._link is not None, "made by open"
        loop = asyncio.get_running_loop()
        resets = 0
        while resets < RESETS_MAX:
            await self._inserted.wait()
            overdue = loop.call_later(self._answer_timeout_s, self._call_overdue)
            try:
                answer = await self._asked(self._link.connect)
            finally:
                overdue.cancel()
            if not isinstance(answer, Failed):
                return answer
            self._blame(answer.reason)
            resets = resets + 1 if answer.reason == "card_mute" else 0
        raise CardMute("card_mute")

    async def transmit(self, apdu: bytes) -> bytes:
        """Send a command APDU, return the response APDU; raise CardGone if there is no card or it does not answer."""
        assert len(apdu) >= 4, "a command has at least its header"
        link = self._link
        if link is None or not self._inserted.is_set():
            raise CardGone("card_removed")
        if self._fault == "reader_stuck":
            raise CardGone("card_mute")
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                answer = await self._asked(lambda reply: link.transmit(apdu, reply))
        except TimeoutError:
            self._blame("reader_stuck")
            raise CardGone("card_mute") from None
        if isinstance(answer, Failed):
            raise CardGone(answer.reason)
        return answer

    async def wait_for_removal(self) -> None:
        """Return when the card that is in the reader, if any, is out, or its reader is gone."""
        await self._removed.wait()

    def health(self) -> DeviceHealth:
        """Say whether cards can be put in, and whether the last one answered."""
        if self._fault == "reader_closed":
            return DeviceHealth("attention", self._fault)
        if self._seen is None:
            return DeviceHealth("unknown", "opening")
        fault = self._seen.fault or self._fault
        return DeviceHealth("attention", fault) if fault else DeviceHealth("ready")

    async def close(self) -> None:
        """Let the card and the reader go. A thread that a card blocks is left to itself: it ends with that call."""
        self._fault = "reader_closed"
        self._set_inserted(False)
        if self._link is not None:
            await asyncio.to_thread(self._link.close, _END_WITHIN_S)

    async def _asked(self, ask: Callable[[Reply], None]) -> bytes | Failed:
        """Let the thread do something, and wait for it; whoever does not wait until the end gives it up."""
        assert self._link is not None, "made by open"
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes | Failed] = loop.create_future()

        def reply(answer: bytes | Failed) -> None:
            with suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(self._take, answered, answer)

        ask(reply)
        try:
            return await answered
        except asyncio.CancelledError:
            self._link.give_up()
            raise

    def _take(self, answered: asyncio.Future[bytes | Failed], answer: bytes | Failed) -> None:
        """An answer comes in, maybe one that was given up."""
        self._thread_speaks()
        if not answered.done():
            answered.set_result(answer)
            if not isinstance(answer, Failed):
                self._blame("")

    def _call_overdue(self) -> None:
        """A card that is in has not been switched on in time: it blocks the thread."""
        if self._inserted.is_set():
            self._blame("reader_stuck")

    def _thread_speaks(self) -> None:
        """A thread that says something is no longer blocked."""
        if self._fault == "reader_stuck":
            self._blame("card_mute")

    def _see(self, sight: Sight) -> None:
        if self._fault == "reader_closed":
            return
        self._thread_speaks()
        self._seen = sight
        self._set_inserted(sight.card)
        self._health_changed(self.health())

    def _set_inserted(self, inserted: bool) -> None:
        gained, lost = (self._inserted, self._removed) if inserted else (self._removed, self._inserted)
        gained.set()
        lost.clear()

    def _blame(self, fault: str) -> None:
        """Keep what was wrong with a card, if it was its fault."""
        if self._fault == "reader_closed" or fault == "card_removed":
            return
        if self._fault != fault:
            self._fault = fault
            self._health_changed(self.health())
