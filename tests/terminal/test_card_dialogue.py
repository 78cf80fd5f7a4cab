"""The shell around the kernel: a card of the deck in a reader of plain calls, and a PIN pad that takes offline PINs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from firmware_config.profile import TerminalProfile
from iso8583.tlv import parse_tlv
from simulators.cards import CA_KEYS_FILE, Card, TappedCard, load_card
from terminal.card_dialogue import CardDialogue
from terminal.devices import CardGone, DeviceHealth, PinBypassed, PinCancelled
from terminal.devices.card_reader_empty import EmptyCardReader
from terminal.emv import NoAnswer
from terminal.emv.ca_keys import parse_ca_keys
from terminal.emv.parameters import DownloadedParameters
from terminal.events import CardPresented, Event, MeansFailed, Progress
from tests.terminal.emv.authority import certified

PROFILE = TerminalProfile(
    terminal_id="10000001", merchant_id="898110053110001", merchant_name_zh="店", merchant_name_en="SHOP"
)
DOWNLOADED = DownloadedParameters(ca_keys=parse_ca_keys(CA_KEYS_FILE.read_text("utf-8")))
GOLDEN = load_card("golden")
ENCIPHERED, PLAIN = "44001E00", "41001E00"


class Reader:
    """A reader in which a card is; `commands` are those it was sent, `waits` how often a card was waited for."""

    def __init__(self, card: Card | TappedCard | None) -> None:
        self.card = card
        self.commands: list[bytes] = []
        self.waits = 0

    async def wait_for_card(self) -> bytes:
        self.waits += 1
        return b"\x3b\x00"

    async def transmit(self, apdu: bytes) -> bytes:
        self.commands.append(apdu)
        if self.card is None:
            raise CardGone("card_removed")
        return self.card.process(apdu)

    async def wait_for_removal(self) -> None:
        return

    def health(self) -> DeviceHealth:
        return DeviceHealth("ready")

    async def close(self) -> None:
        return


class Pad:
    """A PIN pad at which the next of `pins` is entered; an exception is raised."""

    def __init__(self, *pins: str | Exception) -> None:
        self.pins = list(pins)
        self.tries: list[int | None] = []
        self.blocks: list[bytearray] = []

    async def load_key(self, slot: str, encrypted: bytes, check_value: bytes) -> None:
        return

    async def enter_pin(self, pan: str, amount: int, currency: str) -> bytes:
        return bytes(8)

    async def enter_offline_pin(self, amount: int, currency: str, tries_left: int | None) -> bytearray:
        self.tries.append(tries_left)
        pin = self.pins.pop(0)
        if isinstance(pin, Exception):
            raise pin
        self.blocks.append(bytearray.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F")))
        return self.blocks[-1]

    async def show(self, text: str) -> None:
        return

    def health(self) -> DeviceHealth:
        return DeviceHealth("ready")

    async def close(self) -> None:
        return


def with_methods(rules: str) -> Card:
    return Card(certified(replace(GOLDEN, cvm_list=bytes(8) + bytes.fromhex(rules))))


class Empty(Reader):
    """A reader in which no card comes until `put_in`."""

    def __init__(self) -> None:
        super().__init__(None)
        self.filled = asyncio.Event()

    def put_in(self, card: Card | TappedCard) -> None:
        self.card = card
        self.filled.set()

    async def wait_for_card(self) -> bytes:
        await self.filled.wait()
        return await super().wait_for_card()


def run(
    reader: Reader, pad: Pad | None, tapped: Reader | None = None, on: Callable[[Event], None] = lambda _: None
) -> list[Event]:
    """Run the dialogue until the host is wanted, or until it ends; the host stays silent. `on` hears every event."""
    events: list[Event] = []

    async def whole() -> None:
        dialogue = CardDialogue(reader, pad, lambda pan: "sealed", report, DOWNLOADED, contactless_reader=tapped)
        dialogues.append(dialogue)
        await dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False)

    def report(event: Event) -> None:
        events.append(event)
        asyncio.get_running_loop().call_soon(on, event)
        if isinstance(event, CardPresented):
            asyncio.get_running_loop().call_soon(dialogues[0].answer, NoAnswer())

    dialogues: list[CardDialogue] = []
    asyncio.run(asyncio.wait_for(whole(), 20))
    return events


def presented(events: list[Event]) -> CardPresented:
    return next(event for event in events if isinstance(event, CardPresented))


def test_card_is_authenticated_with_the_downloaded_keys() -> None:
    reader = Reader(Card(GOLDEN))
    assert presented(run(reader, Pad())).chip["TVR"] == "0000048000"
    assert any(command[:3] == b"\x80\xae\x90" for command in reader.commands)


@pytest.mark.parametrize("rules", [PLAIN, ENCIPHERED])
def test_offline_pin_goes_from_pad_to_card_and_is_overwritten(rules: str) -> None:
    reader, pad = Reader(with_methods(rules)), Pad("1111", "123456")
    events = run(reader, pad)
    assert not presented(events).signature
    assert presented(events).pin_block is None
    assert pad.tries == [3, 2]
    assert pad.blocks == [bytearray(8)] * 2
    assert events.count(Progress("pin")) == 2
    sent = [command for command in reader.commands if command[1] == 0x20]
    assert [len(command) for command in sent] == [13, 13] if rules == PLAIN else [117, 117]
    assert (bytes.fromhex("26123456FFFFFFFF") in sent[1]) == (rules == PLAIN)


def test_no_two_enciphered_pins_are_alike() -> None:
    sent: set[bytes] = set()
    for _ in range(3):
        reader = Reader(with_methods(ENCIPHERED))
        run(reader, Pad("123456"))
        sent |= {command for command in reader.commands if command[1] == 0x20}
    assert len(sent) == 3


def test_bypassed_offline_pin_leaves_the_signature() -> None:
    assert presented(run(Reader(with_methods(PLAIN)), Pad(PinBypassed("pin_bypassed")))).signature


def test_cancelled_offline_pin_ends_the_payment() -> None:
    assert run(Reader(with_methods(PLAIN)), Pad(PinCancelled("pin_cancelled")))[-1] == MeansFailed("card_pin_cancelled")


def test_without_a_pad_no_pin_is_claimed() -> None:
    assert presented(run(Reader(with_methods(PLAIN)), None)).signature


def test_card_that_leaves_under_its_pin() -> None:
    reader = Reader(with_methods(PLAIN))

    class Snatching(Pad):
        async def enter_offline_pin(self, amount: int, currency: str, tries_left: int | None) -> bytearray:
            reader.card = None
            return await super().enter_offline_pin(amount, currency, tries_left)

    pad = Snatching("123456")
    assert run(reader, pad)[-1] == MeansFailed("card_removed")
    assert pad.blocks == [bytearray(8)]


# --- taps -------------------------------------------------------------------------------------------------------------

ASKED, TAP, CARD, INSERT = (Progress(stage) for stage in ("card_or_code", "tap", "card", "insert_instead"))
PIN_ALWAYS = replace(GOLDEN, qualifiers=bytes.fromhex("8000"))


def tap(card: Card | TappedCard, pad: Pad | None = None, reader: Reader | None = None, **settings: Any) -> list[Event]:
    return run(reader or Empty(), pad, Reader(card), **settings)


def test_a_tap_pays_online_and_has_no_last_word() -> None:
    events = tap(TappedCard(GOLDEN))
    assert events[:2] == [ASKED, TAP] and len(events) == 3
    card = presented(events)
    assert (card.entry_mode, card.signature, "ARQC" in card.chip) == ("072", False, True)


def test_a_pin_that_a_tapped_card_wants_goes_with_the_request() -> None:
    events = tap(TappedCard(PIN_ALWAYS), Pad())
    assert Progress("pin") in events
    assert (presented(events).entry_mode, presented(events).pin_block) == ("071", bytes(8))


def test_without_a_pin_pad_a_tapped_card_that_wants_its_pin_pays_nothing() -> None:
    assert tap(TappedCard(PIN_ALWAYS))[-1] == MeansFailed("card_declined_by_terminal")


def test_an_inserted_card_pays_where_cards_can_be_tapped() -> None:
    field = Empty()
    assert presented(run(Reader(Card(GOLDEN)), Pad(), field)).entry_mode == "051"
    assert field.commands == []


def test_of_two_cards_at_once_only_the_inserted_one_pays() -> None:
    slot, field = Reader(Card(GOLDEN)), Reader(TappedCard(load_card("contactless")))
    events = run(slot, Pad(), field)
    assert [event.pan for event in events if isinstance(event, CardPresented)] == [GOLDEN.pan]
    assert field.commands == [] and slot.commands


def test_a_card_that_is_inserted_while_another_pays_by_tap_is_not_read() -> None:
    slot = Empty()
    events = tap(TappedCard(GOLDEN), reader=slot, on=lambda event: slot.put_in(Card(GOLDEN)) if event == TAP else None)
    assert len([event for event in events if isinstance(event, CardPresented)]) == 1
    assert slot.commands == []


@pytest.mark.parametrize("card", [Card(GOLDEN), TappedCard(load_card("insert_instead"))])
def test_a_card_that_cannot_pay_by_tap_is_inserted_in_the_same_payment(card: Card | TappedCard) -> None:
    slot, field, good = Empty(), Reader(card), Card(load_card("good"))
    events = run(slot, Pad(), field, lambda event: slot.put_in(good) if event == INSERT else None)
    assert field.waits == 1, "it is tapped once, and left in the field it pays for nothing"
    assert [event for event in events if event in (ASKED, TAP, INSERT, CARD)] == [ASKED, TAP, INSERT, CARD]
    assert [event.pan for event in events if isinstance(event, CardPresented)] == [load_card("good").pan]
    assert not any(isinstance(event, MeansFailed) for event in events)


def test_where_no_card_can_be_inserted_a_card_that_must_be_ends_the_payment_at_once_in_words() -> None:
    events = list[Event]()
    dialogue = CardDialogue(
        EmptyCardReader(), Pad(), lambda pan: "sealed", events.append, DOWNLOADED,
        contactless_reader=Reader(TappedCard(load_card("insert_instead"))),
    )  # fmt: skip
    asyncio.run(asyncio.wait_for(dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False), 20))
    assert events == [ASKED, TAP, MeansFailed("no_card_slot")]


def test_two_chips_of_one_payment_are_told_different_numbers() -> None:
    slot, field = Empty(), Reader(TappedCard(load_card("insert_instead")))
    on = lambda event: slot.put_in(Card(GOLDEN)) if event == INSERT else None  # noqa: E731
    chip = parse_tlv(presented(run(slot, Pad(), field, on)).chip_data)
    (told,) = (command for command in field.commands if command[1] == 0xA8)
    assert chip[0x9F37] not in told


def test_a_card_that_is_taken_away_too_early_ends_the_payment() -> None:
    assert run(Empty(), Pad(), Reader(None))[1:] == [TAP, MeansFailed("card_removed")]


TWO_ACCOUNTS = load_card("two_accounts")
NAMES = ("PBOC DEBIT", "PBOC CREDIT")


class Slot(Reader):
    """A reader that knows when its card is pulled out."""

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self.emptied = asyncio.Event()

    async def wait_for_removal(self) -> None:
        await self.emptied.wait()

    def change(self, card: Card) -> None:
        """Pull the card out, and put another in at once."""
        self.card = card
        self.emptied.set()


def asked_to_choose(slot: Slot, do: Callable[[CardDialogue], None]) -> list[Event]:
    """Run the dialogue of a card with two applications; `do` something when it asks which of them shall pay."""
    events: list[Event] = []

    async def whole() -> None:
        dialogue = CardDialogue(slot, Pad(), lambda pan: f"sealed {pan}", report, DOWNLOADED)
        dialogues.append(dialogue)
        await dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False)

    def report(event: Event) -> None:
        events.append(event)
        match event:
            case Progress("choose"):
                asyncio.get_running_loop().call_soon(do, dialogues[0])
            case CardPresented():
                asyncio.get_running_loop().call_soon(dialogues[0].answer, NoAnswer())

    dialogues: list[CardDialogue] = []
    asyncio.run(asyncio.wait_for(whole(), 20))
    return events


@pytest.mark.parametrize("number", [1, 2])
def test_the_application_that_the_cardholder_chose_pays(number: int) -> None:
    taken: list[bool] = []
    events = asked_to_choose(
        Slot(Card(TWO_ACCOUNTS)), lambda dialogue: taken.append(dialogue.choose(number, NAMES[number - 1]))
    )
    assert taken == [True]
    assert Progress("choose", NAMES) in events
    assert events[events.index(Progress("choose", NAMES)) + 1] == Progress("card")
    accounts = (TWO_ACCOUNTS.pan, TWO_ACCOUNTS.others[0].pan)
    assert presented(events).pan == accounts[number - 1]


def test_what_is_not_being_asked_cannot_be_chosen() -> None:
    refused: list[bool] = []

    def choose(dialogue: CardDialogue) -> None:
        wrong = ((0, NAMES[0]), (0, ""), (-1, NAMES[0]), (3, ""), (1, NAMES[1]), (2, NAMES[0]))
        refused.extend(not dialogue.choose(number, name) for number, name in wrong)
        assert dialogue.choose(2, NAMES[1])
        refused.append(not dialogue.choose(1, NAMES[0]))  # another tab, a moment later

    assert presented(asked_to_choose(Slot(Card(TWO_ACCOUNTS)), choose)).pan == TWO_ACCOUNTS.others[0].pan
    assert refused == [True] * 7


def test_card_that_is_pulled_out_while_it_is_asked_for_pays_nothing_nor_does_the_next() -> None:
    slot = Slot(Card(TWO_ACCOUNTS))

    def change(dialogue: CardDialogue) -> None:
        slot.change(Card(GOLDEN))
        asyncio.get_running_loop().call_later(0, dialogue.choose, 1, NAMES[0])

    events = asked_to_choose(slot, change)
    assert events[-1] == MeansFailed("card_removed")
    assert not any(isinstance(event, CardPresented) for event in events)
