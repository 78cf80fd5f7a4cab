"""One card at the counter: lets the EMV kernel talk to the reader and the PIN pad, and reports what comes of it.

Shell code. The kernel decides what to say to the chip; the payment machine decides about the money. The PIN block
arrives here already encrypted and leaves with the request.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from firmware_config.profile import TerminalProfile
from terminal.devices import CardGone, CardReader, PinBypassed, PinCancelled, PinPad, PinPadFault
from terminal.emv.kernel import ContactKernel
from terminal.emv.parameters import SaleFacts, TerminalParameters
from terminal.emv.steps import (
    Answer,
    AskPin,
    CardData,
    CardRemoved,
    ChooseApplication,
    Finished,
    GoOnline,
    NoAnswer,
    OnlineAnswer,
    Outcome,
    PinResult,
    Step,
    Transmit,
)  # fmt: skip
from terminal.events import CardCompleted, CardPresented, Event, MeansFailed, Progress
from terminal.key_frames import VaultError


class CardDialogue:
    """Reads one card for one payment. `answer` gives it the host's word; `release` lets the card go."""

    def __init__(
        self, reader: CardReader, pin_pad: PinPad | None, seal: Callable[[str], str], report: Callable[[Event], None]
    ) -> None:
        self._reader = reader
        self._pin_pad = pin_pad
        self._seal = seal
        self._report = report
        self._online: asyncio.Future[OnlineAnswer | NoAnswer] | None = None
        self._currency = ""

    async def run(self, profile: TerminalProfile, amount: int, currency: str, trace: str, inquiry: bool) -> None:
        """Wait for a card and take it through the transaction; report CardPresented, then CardCompleted."""
        self._currency = currency
        try:
            self._report(Progress("card_or_code"))
            await self._reader.wait_for_card()
            self._report(Progress("card"))
            facts = _facts(profile, amount, trace, inquiry)
            outcome = await self._converse(ContactKernel(_parameters(profile), facts))
        except CardGone as error:
            self._report(MeansFailed(error.reason))
            return
        except PinPadFault:  # whoever pulls its plug must not get away with a signature
            self._report(MeansFailed("pin_pad_failed"))
            return
        except VaultError:  # the key process has died: what cannot be sealed is not taken
            self._report(MeansFailed("keys_gone"))
            return
        self._conclude(outcome)

    def answer(self, answer: OnlineAnswer | NoAnswer) -> None:
        """Give the host's answer to the chip that waits for it."""
        if self._online is not None and not self._online.done():
            self._online.set_result(answer)

    @property
    def waits_for_host(self) -> bool:
        """The chip has been read and must still hear the answer."""
        return self._online is not None

    async def _converse(self, kernel: ContactKernel) -> Outcome:
        step: Step = kernel.start()
        while not isinstance(step, Finished):
            step = kernel.resume(await self._perform(step))
        return step.outcome

    async def _perform(self, step: Step) -> Answer:
        match step:
            case Transmit(apdu):
                return await self._transmit(apdu)
            case ChooseApplication():
                return 0
            case AskPin(pan, amount):
                return await self._ask_pin(pan, amount)
            case GoOnline(card):
                return await self._go_online(card)
            case Finished():
                return None

    async def _transmit(self, apdu: bytes) -> bytes | CardRemoved:
        try:
            return await self._reader.transmit(apdu)
        except CardGone:
            return CardRemoved()

    async def _ask_pin(self, pan: str, amount: int) -> PinResult:
        if self._pin_pad is None:
            return PinResult("no_pin_pad")
        self._report(Progress("pin"))
        try:
            return PinResult("entered", await self._pin_pad.enter_pin(pan, amount, self._currency))
        except PinBypassed:
            return PinResult("bypassed")
        except PinCancelled:
            return PinResult("cancelled")

    async def _go_online(self, card: CardData) -> OnlineAnswer | NoAnswer:
        self._online = asyncio.get_running_loop().create_future()
        self._report(
            CardPresented(
                pan=card.pan, sealed=self._seal(card.pan), masked=card.masked, expiry=card.expiry, sequence=card.psn,
                track2=card.track2, chip_data=card.f55, entry_mode=card.entry_mode, pin_block=card.pin_block,
                signature=card.cvm == "signature", chip=dict(card.receipt), reversal_chip_data=card.reversal_f55,
            )
        )  # fmt: skip
        return await self._online

    def _conclude(self, outcome: Outcome) -> None:
        if self._online is None:
            self._report(MeansFailed(f"card_{outcome.reason}"))
        else:
            self._report(CardCompleted(outcome.kind == "approved", dict(outcome.receipt)))


def _parameters(profile: TerminalProfile) -> TerminalParameters:
    return TerminalParameters(
        merchant_name=profile.merchant_name_en[:20], merchant_id=profile.merchant_id,
        terminal_id=profile.terminal_id, ifd_serial=profile.terminal_id, currency=profile.currency,
    )  # fmt: skip


def _facts(profile: TerminalProfile, amount: int, trace: str, inquiry: bool) -> SaleFacts:
    now = datetime.now(UTC) + timedelta(minutes=profile.utc_offset_minutes)
    return SaleFacts(
        amount=amount, date=now.strftime("%y%m%d"), time=now.strftime("%H%M%S"), sequence=int(trace),
        unpredictable_number=secrets.token_bytes(4), random_percent=1 + secrets.randbelow(99),
        type="31" if inquiry else "00",
    )  # fmt: skip
