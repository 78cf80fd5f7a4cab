"""The swipes of one payment: takes the first that may pay, asks for the PIN, and reports CardPresented.

Shell code; which swipe may pay and what PIN it wants is decided in `terminal.magnetic_stripe`. A payment hears of every
swipe that it does not take, and of so many in a row that it ends: then another card is wanted.
"""

from collections.abc import Awaitable, Callable

from terminal.devices import DeviceError, PinBypassed, PinCancelled, PinPad, PinPadFault
from terminal.emv.known_cards import NO_CARDS, KnownCards
from terminal.events import CardPresented, Event, Progress, SwipeRefused
from terminal.magnetic_stripe import INSERT_CHIP, Chip, Stripe, Swipe, SwipeFailed, refusal_of

SWIPES_MAX = 5
"""As often as a card that is dirty or held askew may be pulled through for one payment."""


class StripeNotTaken(DeviceError):
    """This payment cannot be made with a stripe."""


class StripeDialogue:
    """The swipes of one payment. `reads_chips`: this counter has a reader for chips, whether it works or not.

    `known_cards`: the black list, which holds for a card however it is read.
    """

    def __init__(
        self, next_swipe: Callable[[], Awaitable[Swipe]], pin_pad: PinPad | None, seal: Callable[[str], str],
        report: Callable[[Event], None], *, signature_amount_max: int, reads_chips: bool,
        known_cards: KnownCards = NO_CARDS,
    ) -> None:  # fmt: skip
        self._next_swipe = next_swipe
        self._pin_pad = pin_pad
        self._seal = seal
        self._report = report
        self._signature_amount_max = signature_amount_max
        self._chip = Chip.NOT_TRIED if reads_chips else Chip.NONE_READ_HERE
        self._known_cards = known_cards
        self._refused = 0

    @property
    def takes_chip_cards(self) -> bool:
        """Whether a card that has a chip may be swiped now."""
        return self._chip is not Chip.NOT_TRIED

    def chip_failed(self) -> None:
        """The chip of the customer's card was tried, and nothing could be begun with it: its stripe may be taken."""
        self._chip = Chip.FAILED
        self._report(Progress("use_stripe"))

    async def taken(self) -> Stripe:
        """Return the first stripe that this payment takes; raise StripeNotTaken when too many could not be."""
        while True:
            swipe = await self._next_swipe()
            reason = swipe.reason if isinstance(swipe, SwipeFailed) else self._refusal_of(swipe)
            if not reason and isinstance(swipe, Stripe):
                return swipe
            self._refused += 1
            if self._refused == SWIPES_MAX:
                raise StripeNotTaken(reason)
            self._report(Progress("insert_chip") if reason == INSERT_CHIP else SwipeRefused(reason))

    def _refusal_of(self, stripe: Stripe) -> str:
        if self._known_cards.is_blocked(stripe.pan):
            return "swipe_black_listed"
        return refusal_of(stripe, self._chip)

    async def present(self, stripe: Stripe, amount: int, currency: str) -> None:
        """Ask for the PIN that the stripe wants, and present it. Raises StripeNotTaken, PinPadFault or VaultError."""
        pin_block = await self._pin_block(stripe, amount, currency)
        self._report(
            CardPresented(
                pan=stripe.pan, sealed=self._seal(stripe.pan), masked=stripe.masked, expiry=stripe.expiry,
                track2=stripe.track2, track3=stripe.track3, entry_mode="021" if pin_block else "022",
                pin_block=pin_block, signature=pin_block is None,
                chip_failed=stripe.has_chip and self._chip is Chip.FAILED,
            )
        )  # fmt: skip

    async def _pin_block(self, stripe: Stripe, amount: int, currency: str) -> bytes | None:
        wanted = stripe.pin_for(amount, self._signature_amount_max)
        if wanted == "none" or (wanted == "asked" and self._pin_pad is None):
            return None
        if self._pin_pad is None:
            raise PinPadFault("no_pin_pad")
        self._report(Progress("pin"))
        try:
            return await self._pin_pad.enter_pin(stripe.pan, amount, currency)
        except PinBypassed:
            if wanted == "required":
                raise StripeNotTaken("swipe_pin_needed") from None
            return None
        except PinCancelled:
            raise StripeNotTaken("card_pin_cancelled") from None
