"""Cards of which no host can be asked: what their chips approve by themselves, by insertion and by a tap."""

import asyncio
from dataclasses import replace

import pytest

from iso8583.tlv import parse_tlv
from simulators.cards import Card, Personalisation, TappedCard, load_card
from terminal.card_dialogue import CardDialogue, OfflineTerms
from terminal.emv.flags import Ttq
from terminal.emv.known_cards import KnownCards
from terminal.emv.parameters import DownloadedParameters
from terminal.events import CardPresented, Event, MeansFailed, Progress
from terminal.key_frames import KeysGone
from terminal.offline_caps import OfflineCard
from tests.terminal.emv.authority import certified
from tests.terminal.test_card_dialogue import (
    ASKED,
    CARD,
    DOWNLOADED,
    GOLDEN,
    INSERT,
    PROFILE,
    TAP,
    Empty,
    Pad,
    Reader,
    presented,
    run,
)

OFFLINE = load_card("offline")
GENERATE_AC, AAC = 0xAE, 0x00


def sell_offline(
    card: Card | TappedCard, amount_max: int = 5000, refusal: str = "", reader: Reader | None = None,
    downloaded: DownloadedParameters = DOWNLOADED,
) -> list[Event]:  # fmt: skip
    """Run the dialogue of a sale of 12.34 yuan for which no host can be asked; `refusal` is what the counter says."""
    events: list[Event] = []
    asked: list[OfflineCard] = []

    def refusal_of(card: OfflineCard) -> str:
        asked.append(card)
        return refusal

    terms = OfflineTerms(amount_max, lambda pan: f"token of {pan[-4:]}", refusal_of)
    slot, field = (Empty(), Reader(card)) if isinstance(card, TappedCard) else (reader or Reader(card), None)
    dialogue = CardDialogue(
        slot, Pad(), lambda pan: "sealed", events.append, downloaded, contactless_reader=field, offline=terms
    )  # fmt: skip
    asyncio.run(asyncio.wait_for(dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False), 20))
    assert not dialogue.waits_for_host
    assert asked in ([], [OfflineCard(f"token of {card.personalisation.pan[-4:]}", "unionpay")])
    return events


def test_a_chip_that_may_approves_with_its_certificate_and_without_online_pin() -> None:
    card = presented(sell_offline(Card(certified(replace(OFFLINE, cvm_list=bytes(8) + bytes.fromhex("42031F00"))))))
    chip = parse_tlv(card.chip_data)
    assert card.approved_offline and card.pin_block is None
    assert (chip[0x9F27], chip[0x8A]) == (b"\x40", b"Y3")


@pytest.mark.parametrize("card", [GOLDEN, load_card("good"), replace(OFFLINE, offline_amount_max=1233)])
def test_a_chip_that_wants_its_bank_ends_in_words(card: Personalisation) -> None:
    assert sell_offline(Card(card))[-1] == MeansFailed("card_host_unreachable")


def test_the_shops_limit_is_the_floor_below_which_a_chip_may_approve() -> None:
    assert sell_offline(Card(OFFLINE), 1233)[-1] == MeansFailed("card_host_unreachable")
    assert presented(sell_offline(Card(OFFLINE), 1234)).approved_offline


def test_a_card_that_has_taken_its_part_is_refused_in_words_and_its_chip_approves_nothing() -> None:
    reader = Reader(Card(OFFLINE))
    events = sell_offline(Card(OFFLINE), refusal="offline_card_used_3_4500", reader=reader)
    assert events[-1] == MeansFailed("offline_card_used_3_4500")
    kinds = [command[2] & 0xC0 for command in reader.commands if command[1] == GENERATE_AC]
    assert kinds == [AAC], "asked once, and to decline"
    assert Progress("pin") not in events


def test_a_tapped_card_that_has_taken_its_part_is_not_believed() -> None:
    events = sell_offline(TappedCard(CONTACTLESS), refusal="offline_card_used_3_4500")
    assert events[-1] == MeansFailed("offline_card_used_3_4500")


def test_without_keys_nobody_can_tell_whose_card_it_is_and_its_chip_approves_nothing() -> None:
    def no_keys(_pan: str) -> str:
        raise KeysGone("key_process")

    events: list[Event] = []
    reader = Reader(Card(OFFLINE))
    terms = OfflineTerms(5000, no_keys, lambda _card: "")
    dialogue = CardDialogue(reader, Pad(), lambda pan: "sealed", events.append, DOWNLOADED, offline=terms)
    asyncio.run(asyncio.wait_for(dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False), 20))
    assert events[-1] == MeansFailed("keys_gone")
    assert not [command for command in reader.commands if command[1] == GENERATE_AC]


def test_what_was_sold_counts_against_its_card_and_scheme() -> None:
    card = presented(sell_offline(Card(OFFLINE)))
    assert (card.token, card.scheme) == ("token of 0223", "unionpay")
    tapped = presented(sell_offline(TappedCard(CONTACTLESS)))
    assert tapped.token == f"token of {CONTACTLESS.pan[-4:]}"


def test_while_there_is_a_host_the_same_chip_asks_it() -> None:
    assert not presented(run(Reader(Card(OFFLINE)), Pad())).approved_offline


CONTACTLESS = load_card("contactless")


def test_a_tapped_card_approves_offline_with_its_certificate_in_the_order_of_the_advice() -> None:
    card = presented(sell_offline(TappedCard(CONTACTLESS)))
    assert (card.approved_offline, card.entry_mode, card.pin_block, card.sequence) == (True, "072", None, "001")
    chip = parse_tlv(card.chip_data)
    assert list(chip) == [
        0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03, 0x9F33, 0x9F35,
        0x9F1E, 0x84, 0x9F09, 0x9F41, 0x8A,
    ]  # fmt: skip
    assert (chip[0x9F27], chip[0x8A], chip[0x95]) == (b"\x40", b"Y1", bytes(5))
    assert chip[0x9F26].hex().upper() == card.chip["TC"]


def told_offline(card: TappedCard, limit: int = 5000) -> Ttq:
    """What a card that is tapped for an offline sale of 12.34 yuan is told."""
    told: list[bytes] = []

    class Listening(TappedCard):
        def process(self, apdu: bytes) -> bytes:
            told.extend([apdu[7:11]] if apdu[1] == 0xA8 else [])
            return super().process(apdu)

    sell_offline(Listening(card.personalisation), limit)
    (qualifiers,) = told
    return Ttq.parse(qualifiers)


def test_a_tapped_card_is_told_that_nobody_can_be_asked() -> None:
    told = told_offline(TappedCard(CONTACTLESS))
    assert Ttq.OFFLINE_ONLY & told
    assert not (Ttq.ONLINE_PIN | Ttq.ONLINE_REQUIRED) & told


def test_above_the_shops_limit_a_tapped_card_must_ask_its_bank() -> None:
    assert presented(sell_offline(TappedCard(CONTACTLESS), 1234)).approved_offline
    assert sell_offline(TappedCard(CONTACTLESS), 1233)[-1] == MeansFailed("card_host_unreachable")


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (TappedCard(CONTACTLESS, decision="ARQC"), "card_host_unreachable"),
        (TappedCard(CONTACTLESS, decision="AAC"), "card_declined_by_card"),
        (TappedCard(CONTACTLESS, qualifiers=bytes.fromhex("8000")), "card_declined_by_terminal"),
        (TappedCard(replace(CONTACTLESS, expiry="251231")), "card_not_authentic"),
    ],
    ids=["it wants its bank", "it declines", "it wants its PIN", "another date than certified"],
)
def test_a_tap_that_may_not_be_approved_offline_sells_nothing(card: TappedCard, reason: str) -> None:
    events = sell_offline(card)
    assert events[-1] == MeansFailed(reason)
    assert not any(isinstance(event, CardPresented) for event in events)


def test_a_card_that_cannot_be_tapped_is_inserted_in_the_same_offline_sale() -> None:
    slot, events = Empty(), list[Event]()

    def report(event: Event) -> None:
        events.append(event)
        if event == INSERT:
            slot.put_in(Card(OFFLINE))

    dialogue = CardDialogue(
        slot, Pad(), lambda pan: "sealed", report, DOWNLOADED,
        offline=OfflineTerms(5000, lambda pan: pan[-4:], lambda _: ""),
        contactless_reader=Reader(TappedCard(load_card("insert_instead"))),
    )  # fmt: skip
    asyncio.run(asyncio.wait_for(dialogue.run(PROFILE, 1234, "156", "000001", inquiry=False), 20))
    assert events[:-1] == [ASKED, TAP, INSERT, CARD]
    assert presented(events).approved_offline and presented(events).entry_mode == "052"


def test_without_the_authoritys_keys_no_tap_is_believed() -> None:
    assert sell_offline(TappedCard(CONTACTLESS), downloaded=DownloadedParameters())[-1] == MeansFailed(
        "card_not_authentic"
    )


def test_a_blocked_card_sells_nothing_by_tap_either() -> None:
    blocked = KnownCards(str.encode, frozenset({CONTACTLESS.pan.encode()}))
    events = sell_offline(TappedCard(CONTACTLESS), downloaded=replace(DOWNLOADED, known_cards=blocked))
    assert events[-1] == MeansFailed("card_declined_by_terminal")


def test_a_tap_whose_holder_signs_says_so() -> None:
    card = presented(sell_offline(TappedCard(CONTACTLESS, qualifiers=bytes.fromhex("4000"))))
    assert card.approved_offline and card.signature
