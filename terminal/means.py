"""A customer's means for one payment at a time: wakes readers and PIN pad, and lets them go again.

Shell code. Which means are taken, and what they mean, is decided by the cores.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from firmware_config.profile import TerminalProfile
from terminal.card_dialogue import CardDialogue, OfflineTerms
from terminal.devices import CardReader
from terminal.devices.card_reader_empty import EmptyCardReader
from terminal.devices.supervision import Supervision
from terminal.effects import AskForMeans, CompleteCard
from terminal.emv.parameters import DownloadedParameters
from terminal.emv.steps import NoAnswer, OnlineAnswer
from terminal.events import Event, Progress
from terminal.offline_caps import OfflineCard
from terminal.stripe_dialogue import StripeDialogue
from terminal.vault import Vault

InBackground = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Means:
    """The devices of one terminal that a customer pays at."""

    def __init__(
        self, profile: TerminalProfile, vault: Vault, supervision: Supervision, report: Callable[[Event], None],
        now: Callable[[], float], in_background: InBackground,
    ) -> None:  # fmt: skip
        self._profile = profile
        self._vault = vault
        self._supervision = supervision
        self._devices = supervision.devices
        self._report = report
        self._now = now
        self._in_background = in_background
        self._task: asyncio.Task[None] | None = None
        self.dialogue: CardDialogue | None = None
        self.wants_code = False
        """Whether the payment takes a code; where it takes none, a scanned one is refused in words."""

    def ask(
        self, wanted: AskForMeans, emv: DownloadedParameters, refusal_of_card: Callable[[OfflineCard], str]
    ) -> None:
        """Wake what this payment can be made with.

        Args:
            wanted: by the payment.
            emv: what is known of cards now.
            refusal_of_card: why a card may not pay offline.
        """
        self.wants_code = "code" in wanted.means or wanted.offline
        stripe = None if wanted.offline else self._stripe_dialogue(emv)
        inquiry = wanted.means == ("card",) and not wanted.offline
        contactless = None if inquiry else self._devices.contactless_reader
        if self._devices.card_reader is None and contactless is None and stripe is None:
            return
        reader = self._devices.card_reader or EmptyCardReader()
        terms = OfflineTerms(self._profile.offline.sale_amount_max, self._vault.token, refusal_of_card)
        self.dialogue = CardDialogue(
            reader, self._devices.pin_pad, self._vault.seal, self._report, emv, contactless_reader=contactless,
            stripe=stripe, offline=terms if wanted.offline else None, now=self._now,
        )  # fmt: skip
        run = partial(self.dialogue.run, self._profile, wanted.amount, wanted.currency, wanted.key.trace, inquiry)
        readers = [reader, *filter(None, [self._devices.contactless_reader])]
        self._task = self._in_background(self._after(self._task, readers, run))

    def answer(self, word: CompleteCard) -> None:
        """Give the chip the host's word."""
        if self.dialogue:
            self.dialogue.answer(OnlineAnswer(word.response_code, word.approved, word.chip_data or None))

    def choose(self, number: int, name: str) -> bool:
        """Take which of its card's applications shall pay; False if that is not asked (any more)."""
        return self.dialogue is not None and self.dialogue.choose(number, name)

    def release(self) -> None:
        """Let the devices go. A chip that waits for the host is told that no answer came, and ends by itself."""
        self.wants_code = False
        if self.dialogue is None or self._task is None:
            return
        if self.dialogue.waits_for_host:
            self.dialogue.answer(NoAnswer())
        else:
            self._task.cancel()
        self.dialogue = None

    def _stripe_dialogue(self, emv: DownloadedParameters) -> StripeDialogue | None:
        """For the swipes of one payment; None where no reader of stripes stands."""
        if not self._devices.has("stripe_reader"):
            return None
        return StripeDialogue(
            self._supervision.next_swipe, self._devices.pin_pad, self._vault.seal, self._report,
            signature_amount_max=self._profile.limits.signature_amount_max,
            reads_chips=self._devices.has("card_reader"), known_cards=emv.known_cards,
        )  # fmt: skip

    async def _after(
        self,
        previous: asyncio.Task[None] | None,
        readers: Sequence[CardReader],
        dialogue: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Begin when the card before has been taken: one that was left in a reader must not pay for the next sale."""
        if previous is not None and (previous.cancelled() or not previous.done()):
            self._report(Progress("remove_card"))
            await asyncio.wait([previous])
            if previous.cancelled():  # else it has seen its card go, and the one that is in is for this payment
                await _all_empty(readers)
        await dialogue()
        await _all_empty(readers)


async def _all_empty(readers: Sequence[CardReader]) -> None:
    """Return when no card is in any of them."""
    for reader in readers:
        await reader.wait_for_removal()
