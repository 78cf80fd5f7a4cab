"""One card at the counter: lets the EMV kernel talk to the reader and the PIN pad, and reports what comes of it.

Shell code. The kernel decides what to say to the chip; the payment machine decides about the money. The PIN block
arrives here already encrypted and leaves with the request; a PIN that the card compares goes from the pad straight to
the card, and is overwritten. Where there is a reader of stripes, a swipe may come instead of a chip, or after one that
cannot be used, or that is mute. Where there is one of tapped cards, a tap may come instead, and one tap in a payment: a
card that cannot pay so is inserted. Whatever comes first pays, and nothing else is taken any more.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from firmware_config.profile import TerminalProfile
from terminal.devices import (
    CardGone,
    CardMute,
    CardReader,
    OfflinePinPad,
    PinBypassed,
    PinCancelled,
    PinPad,
    PinPadFault,
)  # fmt: skip
from terminal.devices.card_reader_empty import EmptyCardReader
from terminal.emv.contactless import ContactlessKernel
from terminal.emv.flags import Ttq
from terminal.emv.kernel import ContactKernel
from terminal.emv.offline_pin import padding_bytes, verify_command
from terminal.emv.parameters import SHIPPED, Application, DownloadedParameters, SaleFacts, TerminalParameters
from terminal.emv.steps import (
    Answer,
    AskPin,
    CardChecked,
    CardData,
    CardRemoved,
    CheckCard,
    CheckDocument,
    ChooseApplication,
    DocumentChecked,
    Finished,
    GoOnline,
    NoAnswer,
    OfflinePinResult,
    OnlineAnswer,
    Outcome,
    PinResult,
    Step,
    Transmit,
    VerifyOfflinePin,
)  # fmt: skip
from terminal.events import CardCompleted, CardPresented, Event, MeansFailed, Progress
from terminal.key_frames import VaultError
from terminal.magnetic_stripe import Stripe
from terminal.offline_caps import OfflineCard, scheme_of
from terminal.stripe_dialogue import StripeDialogue, StripeNotTaken

MUTE_MAX = 3
"""As often a chip may give no answer to reset in one payment: most often the card was put in the wrong way round."""

_OFFLINE_PINS, _ONLINE_PIN = 0x90, 0x40
"""Plain and enciphered offline PIN, and online PIN, of terminal capabilities byte 2."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the cardholder is being asked: one of these."""

    names: tuple[str, ...]
    chosen: "asyncio.Future[int | None]"


@dataclass(frozen=True, slots=True)
class OfflineTerms:
    """How a chip may approve by itself, because no host can be asked.

    `amount_max`: up to so much. `token_of` makes of a card number what stands for it. `refusal_of` says why a card may
    not pay, "" if it may; it is asked before a chip may approve, and before a tapped card, which decides at once, is
    believed.
    """

    amount_max: int
    token_of: Callable[[str], str]
    refusal_of: Callable[[OfflineCard], str]


class CardDialogue:
    """Reads one card for one payment. `answer` gives it the host's word, `choose` the cardholder's.

    `contactless_reader`: where a card may be tapped, too. `stripe`: where a card may be swiped, too.
    `offline`: how the chip may approve by itself; None while there is a host to ask.
    """

    def __init__(
        self, reader: CardReader, pin_pad: PinPad | None, seal: Callable[[str], str], report: Callable[[Event], None],
        downloaded: DownloadedParameters = SHIPPED, *, contactless_reader: CardReader | None = None,
        stripe: StripeDialogue | None = None, offline: OfflineTerms | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._now = now
        self._downloaded = downloaded
        self._reader = reader
        self._contactless_reader = contactless_reader
        self._read = reader
        self._pin_pad = pin_pad
        self._seal = seal
        self._mute = 0
        self._offline = offline
        self._offline_card = OfflineCard("", "")
        self._refusal = ""
        self._report = report
        self._stripe = stripe
        self._choice: _Choice | None = None
        self._online: asyncio.Future[OnlineAnswer | NoAnswer] | None = None
        self._currency = ""

    async def run(self, profile: TerminalProfile, amount: int, currency: str, trace: str, inquiry: bool) -> None:
        """Wait for a card and take it through the transaction; report CardPresented, then, of a chip, CardCompleted."""
        self._currency = currency
        parameters = self._parameters(profile)
        try:
            self._report(Progress("card_or_code"))
            taken = await self._take(parameters, lambda: _facts(profile, self._now(), amount, trace, inquiry))
            if isinstance(taken, Outcome):
                self._conclude(taken)
                return
            assert self._stripe is not None, "a stripe has come through it"
            await self._stripe.present(taken, amount, currency)
        except (CardGone, StripeNotTaken) as error:
            self._report(MeansFailed(error.reason))
        except PinPadFault:  # whoever pulls its plug must not get away with a signature
            self._report(MeansFailed("pin_pad_failed"))
        except VaultError:  # the key process has died: what cannot be sealed is not taken
            self._report(MeansFailed("keys_gone"))

    def answer(self, answer: OnlineAnswer | NoAnswer) -> None:
        """Give the host's answer to the chip that waits for it."""
        if self._online is not None and not self._online.done():
            self._online.set_result(answer)

    def choose(self, number: int, name: str) -> bool:
        """Take the application of this number, from 1 on, and name; False if that is not what is being asked."""
        choice = self._choice
        if choice is None or choice.chosen.done() or (number, name) not in enumerate(choice.names, 1):
            return False
        choice.chosen.set_result(number - 1)
        return True

    @property
    def waits_for_host(self) -> bool:
        """The chip has been read and must still hear the answer."""
        return self._online is not None

    async def _take(self, parameters: TerminalParameters, facts: Callable[[], SaleFacts]) -> Outcome | Stripe:
        """Take what comes first: return what came of its chip, or the stripe that pays. Each chip has its own facts."""
        contactless = self._contactless_reader
        presented = await self._presented_or_stripe(contactless)
        if contactless is not None and presented is contactless:
            self._report(Progress("tap"))
            outcome = await self._converse(contactless, ContactlessKernel(parameters, facts()))
            if outcome.kind != "try_another_interface":
                return outcome
            if isinstance(self._reader, EmptyCardReader):
                return await self._swiped_instead()
            self._report(Progress("insert_instead"))
            presented = await self._presented_or_stripe(None)
        if isinstance(presented, Stripe):
            return presented
        self._report(Progress("card"))
        outcome = await self._converse(presented, ContactKernel(parameters, facts()))
        if self._stripe is None or outcome.kind != "use_stripe":
            return outcome
        return await self._stripe_of_failed_chip(self._stripe)

    async def _swiped_instead(self) -> Stripe:
        """Of a tapped card that is to be inserted where none can be; raise CardGone where its stripe is not taken."""
        if self._stripe is None or not self._stripe.takes_chip_cards:
            raise CardGone("no_card_slot")
        self._report(Progress("swipe_only"))
        return await self._stripe.taken()

    async def _stripe_of_failed_chip(self, stripe: StripeDialogue) -> Stripe:
        stripe.chip_failed()
        return await stripe.taken()

    async def _presented_or_stripe(self, contactless_reader: CardReader | None) -> CardReader | Stripe:
        """Wait for what is presented first; a chip that stayed mute leaves its stripe, or CardMute if none."""
        try:
            return await self._first_presented(contactless_reader)
        except CardMute:
            if self._stripe is None:
                raise
            return await self._stripe_of_failed_chip(self._stripe)

    async def _first_presented(self, contactless_reader: CardReader | None) -> CardReader | Stripe:
        """Wait for the reader with a card in it, or for a stripe; of two that come at once the inserted card counts.

        Raises CardMute when an inserted card has been mute too often.
        """
        waits: list[asyncio.Future[CardReader | Stripe]] = [asyncio.ensure_future(self._with_inserted_card())]
        if contactless_reader is not None:
            waits.append(asyncio.ensure_future(_with_tapped_card(contactless_reader)))
        if self._stripe is not None:
            waits.append(asyncio.ensure_future(self._stripe.taken()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return next(wait.result() for wait in waits if wait.done())
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _with_inserted_card(self) -> CardReader:
        while True:
            try:
                await self._reader.wait_for_card()
            except CardMute:
                self._mute += 1
                if self._mute == MUTE_MAX:
                    raise
                self._report(Progress("insert_again"))
                await self._reader.wait_for_removal()
            else:
                return self._reader

    async def _converse(self, reader: CardReader, kernel: ContactKernel | ContactlessKernel) -> Outcome:
        self._read = reader
        step: Step = kernel.start()
        while not isinstance(step, Finished):
            step = kernel.resume(await self._perform(step))
        return step.outcome

    async def _perform(self, step: Step) -> Answer:
        match step:
            case Transmit(apdu):
                return await self._transmit(apdu)
            case ChooseApplication(candidates):
                return await self._let_choose(tuple(candidate.label for candidate in candidates))
            case AskPin(pan, amount):
                return await self._ask_pin(pan, amount)
            case VerifyOfflinePin():
                return await self._verify_offline_pin(step)
            case CheckDocument():  # not among this counter's capabilities, so that no card comes to it
                return DocumentChecked(False)
            case CheckCard(pan, aid):
                return self._check_card(pan, aid)
            case GoOnline(card):
                return await self._go_online(card)
            case Finished():
                return None

    async def _let_choose(self, names: tuple[str, ...]) -> int | None:
        """Ask which of the card's applications shall pay. It never chooses by itself: who goes away does not pay."""
        chosen: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        removed: asyncio.Future[int | None] = asyncio.ensure_future(self._read.wait_for_removal())
        self._choice = _Choice(names, chosen)
        self._report(Progress("choose", names))
        try:
            await asyncio.wait({chosen, removed}, return_when=asyncio.FIRST_COMPLETED)
            gone = removed.done()  # also when both came at once: another card may be in by now
        finally:
            self._choice = None
            removed.cancel()
        if gone:
            raise CardGone("card_removed")
        self._report(Progress("card"))
        return chosen.result()

    async def _transmit(self, apdu: bytes) -> bytes | CardRemoved:
        try:
            return await self._read.transmit(apdu)
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

    async def _verify_offline_pin(self, step: VerifyOfflinePin) -> OfflinePinResult | CardRemoved:
        if not isinstance(self._pin_pad, OfflinePinPad):
            return OfflinePinResult("no_pin_pad")
        self._report(Progress("pin"))
        try:
            block = await self._pin_pad.enter_offline_pin(step.amount, self._currency, step.tries_left)
        except PinBypassed:
            return OfflinePinResult("bypassed")
        except PinCancelled:
            return OfflinePinResult("cancelled")
        command = verify_command(step, block, secrets.token_bytes(padding_bytes(step)))
        try:
            answer = await self._transmit(bytes(command))
        finally:
            block[:], command[:] = bytes(len(block)), bytes(len(command))
        if isinstance(answer, CardRemoved) or len(answer) < 2:
            return CardRemoved()
        return OfflinePinResult("presented", int.from_bytes(answer[-2:], "big"))

    def _check_card(self, pan: str, aid: str) -> CardChecked:
        """Ask the counter before the chip is asked: what it has approved, it has counted."""
        assert self._offline is not None, "cards are checked only where they pay offline"
        self._offline_card = OfflineCard(self._offline.token_of(pan), scheme_of(aid))
        self._refusal = self._offline.refusal_of(self._offline_card)
        return CardChecked(not self._refusal)

    async def _go_online(self, card: CardData) -> OnlineAnswer | NoAnswer:
        if self._offline:
            return NoAnswer()
        self._online = asyncio.get_running_loop().create_future()
        self._report(self._presented(card))
        return await self._online

    def _presented(self, card: CardData) -> CardPresented:
        return CardPresented(
            pan=card.pan, sealed=self._seal(card.pan), masked=card.masked, expiry=card.expiry, sequence=card.psn,
            track2=card.track2, chip_data=card.f55, entry_mode=card.entry_mode, pin_block=card.pin_block,
            signature=card.cvm == "signature", chip=dict(card.receipt), reversal_chip_data=card.reversal_f55,
            verified_by=card.cvm,
        )  # fmt: skip

    def _conclude(self, outcome: Outcome) -> None:
        if self._online is not None:
            if self._read is not self._contactless_reader:  # a tapped card had its last word before the host's
                self._report(CardCompleted(outcome.kind == "approved", dict(outcome.receipt)))
        elif self._offline and outcome.kind == "approved" and outcome.card is not None:
            card = self._offline_card
            sold = replace(self._presented(outcome.card), chip_data=outcome.f55, chip=dict(outcome.receipt))
            self._report(replace(sold, approved_offline=True, token=card.token, scheme=card.scheme))
        else:
            self._report(MeansFailed(self._refusal or f"card_{outcome.reason}"))

    def _parameters(self, profile: TerminalProfile) -> TerminalParameters:
        known = TerminalParameters(
            merchant_name=profile.merchant_name_en[:20], merchant_id=profile.merchant_id,
            terminal_id=profile.terminal_id, ifd_serial=profile.terminal_id, currency=profile.currency,
            applications=self._downloaded.applications, ca_keys=self._downloaded.ca_keys,
            known_cards=self._downloaded.known_cards,
            offline_sales=self._offline is not None, checks_cards=self._offline is not None,
        )  # fmt: skip
        first, methods, last = known.capabilities
        if isinstance(self._pin_pad, OfflinePinPad):
            methods |= _OFFLINE_PINS
        if self._offline is None:
            return replace(known, capabilities=bytes((first, methods, last)))
        told = (Ttq.parse(known.transaction_qualifiers) | Ttq.OFFLINE_ONLY) & ~Ttq.ONLINE_PIN
        return replace(
            known, capabilities=bytes((first, methods & ~_ONLINE_PIN, last)),
            transaction_qualifiers=told.to_bytes(4, "big"),
            applications=_for_offline(known.applications, self._offline.amount_max),
        )  # fmt: skip


def _for_offline(applications: tuple[Application, ...], amount_max: int) -> tuple[Application, ...]:
    """While no host can be asked, the shop's own limit is the floor below which a chip may approve."""
    return tuple(
        replace(application, floor_limit=amount_max + 1, contactless_floor_limit=amount_max)
        for application in applications
    )


async def _with_tapped_card(reader: CardReader) -> CardReader:
    """Wait for a card in the field; what is mute there is no card, and taken away again."""
    while True:
        try:
            await reader.wait_for_card()
        except CardMute:
            await reader.wait_for_removal()
        else:
            return reader


def _facts(profile: TerminalProfile, now: float, amount: int, trace: str, inquiry: bool) -> SaleFacts:
    local = datetime.fromtimestamp(now, UTC) + timedelta(minutes=profile.utc_offset_minutes)
    return SaleFacts(
        amount=amount, date=local.strftime("%y%m%d"), time=local.strftime("%H%M%S"), sequence=int(trace),
        unpredictable_number=secrets.token_bytes(4), random_percent=1 + secrets.randbelow(99),
        type="31" if inquiry else "00",
    )  # fmt: skip
