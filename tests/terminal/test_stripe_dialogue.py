"""Swipes within a payment: which are taken, what PIN is asked for, and when a chip gives way to its stripe."""

import asyncio
from dataclasses import replace

import pytest

from simulators.cards import Card, Personalisation, PulledOutError, TappedCard, load_card
from simulators.stripe_reader import swipe_of
from terminal.card_dialogue import MUTE_MAX, CardDialogue
from terminal.devices import CardGone, CardMute, CardReader, PinBypassed, PinCancelled, PinPadFault
from terminal.devices.card_reader_empty import EmptyCardReader
from terminal.emv.known_cards import NO_CARDS, KnownCards
from terminal.events import CardPresented, Event, MeansFailed, Progress, SwipeRefused
from terminal.key_frames import VaultError
from terminal.magnetic_stripe import Swipe, SwipeFailed, read_swipe
from terminal.stripe_dialogue import SWIPES_MAX, StripeDialogue
from tests.terminal.test_card_dialogue import DOWNLOADED, PROFILE, Pad, Reader

STRIPE_ONLY, CHIP_CARD = load_card("stripe_only"), load_card("good")
UNREADABLE = SwipeFailed("swipe_unreadable")
PIN_BLOCK = bytes(8)
ASKED, PIN = Progress("card_or_code"), Progress("pin")


class OnlinePad(Pad):
    """A PIN pad at which a PIN is entered, or what `pin` raises happens."""

    def __init__(self, pin: Exception | None = None) -> None:
        super().__init__()
        self.pin = pin

    async def enter_pin(self, pan: str, amount: int, currency: str) -> bytes:
        if self.pin is not None:
            raise self.pin
        return PIN_BLOCK


def swipe_with(service_code: str) -> Swipe:
    return swiped(replace(STRIPE_ONLY, service_code=service_code))


def swiped(card: Personalisation) -> Swipe:
    return read_swipe(swipe_of(card).decode("ascii"))


def seal(_pan: str) -> str:
    return "5EA1ED"


def run(
    *swipes: Swipe, reader: CardReader | None = None, pad: Pad | None = None, amount: int = 1234,
    reads_chips: bool = True, seal: object = seal, at: str = "card_or_code", known_cards: KnownCards = NO_CARDS,
    tapped: CardReader | None = None,
) -> list[Event]:  # fmt: skip
    """Run a payment until something is presented or it fails; return all that was reported.

    The swipes come from the stage `at` on.
    """
    coming, events = list(swipes), list[Event]()

    async def next_swipe() -> Swipe:
        await stage_reached.wait()
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def whole() -> None:
        stripe = StripeDialogue(
            next_swipe, pad, seal, report, signature_amount_max=100_000,  # type: ignore[arg-type]
            reads_chips=reads_chips, known_cards=known_cards,
        )  # fmt: skip
        dialogue = CardDialogue(
            reader or EmptyCardReader(), pad, lambda _: "5EA1ED", report, DOWNLOADED, contactless_reader=tapped,
            stripe=stripe,
        )  # fmt: skip
        running = asyncio.create_task(dialogue.run(PROFILE, amount, "156", "000001", inquiry=False))
        arriving = asyncio.ensure_future(presented.wait())
        await asyncio.wait({running, arriving}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (running, arriving):
            waiting.cancel()
        await asyncio.gather(running, arriving, return_exceptions=True)

    def report(event: Event) -> None:
        events.append(event)
        if isinstance(event, CardPresented):
            presented.set()
        if event == Progress(at):
            stage_reached.set()

    presented, stage_reached = asyncio.Event(), asyncio.Event()
    asyncio.run(asyncio.wait_for(whole(), 20))
    return events


def test_a_swipe_with_pin_is_presented_with_its_tracks_and_no_chip() -> None:
    *before, card = run(swiped(STRIPE_ONLY), pad=OnlinePad())
    assert before == [ASKED, PIN]
    assert card == CardPresented(
        pan=STRIPE_ONLY.pan, sealed="5EA1ED", masked="629999******0173", expiry="3012",
        track2=STRIPE_ONLY.tracks[2].replace("=", "D"), track3=STRIPE_ONLY.tracks[3].replace("=", "D"),
        entry_mode="021", pin_block=PIN_BLOCK,
    )  # fmt: skip
    assert STRIPE_ONLY.pan not in repr(card)


def presented(events: list[Event]) -> CardPresented:
    assert isinstance(events[-1], CardPresented), events
    return events[-1]


@pytest.mark.parametrize(
    ("service_code", "amount", "pad"),
    [("101", 100_000, OnlinePad()), ("106", 1, None), ("101", 100_001, None), ("106", 1, OnlinePad(PinBypassed("x")))],
)
def test_without_a_pin_the_holder_signs(service_code: str, amount: int, pad: Pad | None) -> None:
    card = presented(run(swipe_with(service_code), pad=pad, amount=amount))
    assert (card.entry_mode, card.pin_block, card.signature) == ("022", None, True)


@pytest.mark.parametrize(("service_code", "amount"), [("120", 1), ("106", 1), ("101", 100_001)])
def test_with_a_pin_nobody_signs(service_code: str, amount: int) -> None:
    card = presented(run(swipe_with(service_code), pad=OnlinePad(), amount=amount))
    assert (card.entry_mode, card.pin_block, card.signature) == ("021", PIN_BLOCK, False)


@pytest.mark.parametrize(
    ("pad", "reason"),
    [
        (OnlinePad(PinBypassed("pin_bypassed")), "swipe_pin_needed"),
        (OnlinePad(PinCancelled("pin_cancelled")), "card_pin_cancelled"),
        (OnlinePad(PinPadFault("pin_pad_silent")), "pin_pad_failed"),
        (None, "pin_pad_failed"),
    ],
)
def test_a_pin_that_is_required_and_does_not_come_ends_the_payment(pad: Pad | None, reason: str) -> None:
    assert run(swiped(STRIPE_ONLY), pad=pad)[-1] == MeansFailed(reason)


def test_a_card_that_cannot_be_sealed_is_not_taken() -> None:
    def gone(_pan: str) -> str:
        raise VaultError("no keys")

    assert run(swipe_with("101"), seal=gone) == [ASKED, MeansFailed("keys_gone")]


def test_a_card_with_a_chip_is_to_be_inserted_and_another_may_be_swiped() -> None:
    events = run(swiped(CHIP_CARD), swipe_with("101"))
    assert events[:2] == [ASKED, Progress("insert_chip")]
    assert not presented(events).chip_failed


def test_a_card_with_a_chip_is_swiped_where_no_chip_is_ever_read() -> None:
    card = presented(run(swiped(CHIP_CARD), pad=OnlinePad(), reads_chips=False))
    assert (card.entry_mode, card.chip_failed) == ("021", False)


def test_swipes_that_cannot_be_read_are_said_and_the_next_is_taken() -> None:
    events = run(UNREADABLE, SwipeFailed("swipe_check_failed"), swipe_with("101"))
    assert events[:3] == [ASKED, SwipeRefused("swipe_unreadable"), SwipeRefused("swipe_check_failed")]
    assert presented(events).entry_mode == "022"


@pytest.mark.parametrize(
    ("swipe", "reason"),
    [
        (UNREADABLE, "swipe_unreadable"),
        (swiped(CHIP_CARD), "swipe_insert_chip"),
        (swipe_with("103"), "swipe_not_for_goods"),
    ],
)
def test_so_many_swipes_and_no_more(swipe: Swipe, reason: str) -> None:
    events = run(*[swipe] * SWIPES_MAX, swipe_with("101"))
    assert events[-1] == MeansFailed(reason)
    assert len(events) == 1 + SWIPES_MAX


@pytest.mark.parametrize("name", ["broken_chip", "foreign"])
def test_a_chip_that_cannot_be_used_gives_way_to_its_stripe(name: str) -> None:
    card = load_card(name)
    events = run(UNREADABLE, swiped(card), reader=Reader(Card(card)), pad=OnlinePad(), at="use_stripe")
    assert events[:-1] == [ASKED, Progress("card"), Progress("use_stripe"), SwipeRefused("swipe_unreadable"), PIN]
    assert (presented(events).entry_mode, presented(events).chip_failed) == ("021", True)


class MuteReader(Reader):
    """A reader into which a mute card is put so many times, and then `card`, or no other."""

    def __init__(self, times: int, card: Card | TappedCard | None = None) -> None:
        super().__init__(card)
        self.times = times
        self.is_empty = True

    async def wait_for_card(self) -> bytes:
        assert self.is_empty, "a mute card is to be taken out before the next try"
        self.waits += 1
        if self.waits <= self.times:
            self.is_empty = False
            raise CardMute("card_mute")
        if self.card is None:
            await asyncio.Event().wait()
        return b"\x3b\x00"

    async def wait_for_removal(self) -> None:
        self.is_empty = True


AGAIN = Progress("insert_again")


def test_a_chip_that_is_mute_three_times_gives_way_to_its_stripe() -> None:
    events = run(swiped(CHIP_CARD), reader=MuteReader(MUTE_MAX), pad=OnlinePad(), at="use_stripe")
    assert events[:-1] == [ASKED, AGAIN, AGAIN, Progress("use_stripe"), PIN]
    assert (presented(events).entry_mode, presented(events).chip_failed) == ("021", True)


def test_a_chip_that_is_mute_less_often_leaves_no_stripe_and_pays_when_it_answers() -> None:
    events = run(swiped(CHIP_CARD), swipe_with("101"), reader=MuteReader(MUTE_MAX - 1), at="insert_again")
    assert sorted(event.stage for event in events if isinstance(event, Progress)) == [
        "card_or_code", "insert_again", "insert_again", "insert_chip"
    ]  # fmt: skip
    assert not presented(events).chip_failed
    card = presented(run(reader=MuteReader(MUTE_MAX - 1, Card(CHIP_CARD)), pad=OnlinePad()))
    assert (card.entry_mode, card.chip_failed) == ("051", False)


def test_where_no_stripe_is_read_a_mute_chip_ends_the_payment_in_words() -> None:
    reader, events = MuteReader(MUTE_MAX), list[Event]()
    dialogue = CardDialogue(reader, None, seal, events.append, DOWNLOADED)
    asyncio.run(asyncio.wait_for(dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False), 20))
    assert events == [ASKED, AGAIN, AGAIN, MeansFailed("card_mute")]


def test_what_is_mute_in_the_field_of_the_contactless_reader_is_waited_out() -> None:
    card = presented(run(tapped=MuteReader(MUTE_MAX + 1, TappedCard(load_card("contactless")))))
    assert card.entry_mode.startswith("07")


def test_where_chips_are_only_tapped_a_card_that_must_be_inserted_is_swiped() -> None:
    field = Reader(TappedCard(load_card("insert_instead")))
    events = run(swiped(CHIP_CARD), tapped=field, pad=OnlinePad(), reads_chips=False, at="swipe_only")
    assert events[:3] == [ASKED, Progress("tap"), Progress("swipe_only")]
    assert presented(events).entry_mode == "021"
    assert run(swiped(CHIP_CARD), tapped=field, at="tap")[-1] == MeansFailed("no_card_slot")


def test_a_card_without_chip_after_a_chip_that_failed_is_no_fallback() -> None:
    events = run(swipe_with("101"), reader=Reader(Card(load_card("broken_chip"))), at="use_stripe")
    assert Progress("use_stripe") in events
    assert not presented(events).chip_failed


def test_after_a_chip_that_failed_swipes_have_an_end_too() -> None:
    events = run(*[UNREADABLE] * SWIPES_MAX, reader=Reader(Card(load_card("broken_chip"))), at="use_stripe")
    assert events[-1] == MeansFailed("swipe_unreadable")


@pytest.mark.parametrize(
    ("name", "reason"), [("application_blocked", "application_blocked"), ("pulled_out", "removed")]
)
def test_a_chip_that_is_blocked_or_pulled_out_leaves_no_stripe(name: str, reason: str) -> None:
    class Pulled(Reader):
        async def transmit(self, apdu: bytes) -> bytes:
            try:
                return await super().transmit(apdu)
            except PulledOutError as error:
                raise CardGone("card_removed") from error

    assert run(swiped(load_card(name)), reader=Pulled(Card(load_card(name))))[-1] == MeansFailed(f"card_{reason}")


def test_a_card_that_is_in_the_reader_pays_with_its_chip() -> None:
    card = presented(run(swipe_with("101"), reader=Reader(Card(CHIP_CARD)), pad=OnlinePad()))
    assert card.entry_mode == "051"
    assert card.pan == CHIP_CARD.pan


def test_a_card_on_the_black_list_pays_by_no_swipe_either():
    blocked = KnownCards(str.encode, frozenset({STRIPE_ONLY.pan.encode()}))
    other = swiped(replace(STRIPE_ONLY, pan="6299990000000215"))
    events = run(swiped(STRIPE_ONLY), other, pad=OnlinePad(), known_cards=blocked)
    assert events[:2] == [ASKED, SwipeRefused("swipe_black_listed")]
    assert isinstance(events[-1], CardPresented) and events[-1].masked.endswith("0215")
