"""Every card of the deck through the real kernel, with the issuer twin behind it, to the end that its file promises."""

import asyncio
from dataclasses import replace

import pytest

from host_switch.download_files import items_of
from iso8583 import Message
from iso8583.security import encrypt_pin_block, pin_block_iso0
from iso8583.tlv import parse_tlv
from simulators.cards import DECK, DOWNLOADS, Card, InsertedCard, TappedCard, authority, load_card
from simulators.issuer import ZONE_PIN_KEY, Issuer, default_accounts
from terminal.devices import CardGone
from terminal.devices.card_reader_vpcd import VpcdCardReader
from terminal.downloads import application
from terminal.emv import (
    AskPin,
    CheckCard,
    GoOnline,
    KnownCards,
    OnlineAnswer,
    Outcome,
    PinResult,
    TerminalParameters,
    Transmit,
)  # fmt: skip
from terminal.emv.flags import Tvr
from tests.terminal.emv.authority import CHAIN
from tests.terminal.emv.rig import FACTS, PARAMETERS, Counter

PIN = "123456"
GENERATE_AC = 0xAE
APPROVED = ("approved", "approved_online", "", "00")
ENDS = {
    "good": APPROVED,
    "two_accounts": APPROVED,
    "golden": APPROVED,
    "contactless": APPROVED,
    "insert_instead": APPROVED,
    "sda_only": APPROVED,
    "broken_certificates": APPROVED,
    "black_listed": APPROVED,
    "offline": APPROVED,
    "insufficient_funds": ("declined", "declined_by_issuer", "", "51"),
    "lost": ("declined", "declined_by_issuer", "", "41"),
    "expired": ("declined", "declined_by_issuer", "", "54"),
    "pin_blocked": ("declined", "declined_by_issuer", "", "75"),
    "wrong_cryptogram": ("declined", "declined_by_issuer", "", "59"),
    "refuses_approvals": ("reverse", "approval_refused", "", "00"),
    "application_blocked": ("card_error", "application_blocked", "SELECT", ""),
    "card_blocked": ("card_error", "blocked", "SELECT", ""),
    "pulled_out": ("card_error", "removed", "READ RECORD", ""),
    "silent": ("card_error", "removed", "GET PROCESSING OPTIONS", ""),
    "mute": ("card_error", "removed", "SELECT", ""),
    "foreign": ("use_stripe", "no_application", "SELECT", ""),
    "broken_chip": ("use_stripe", "no_application", "SELECT", ""),
}
"""Kind, reason, where and tag 8A of a sale with the card in the slot."""

TAPS = {
    "contactless": ("approved", "approved_offline", "Y1"),
    "insert_instead": ("try_another_interface", "contactless_not_possible", ""),
}
FINDINGS = {
    "golden": Tvr.NONE, "contactless": Tvr.NONE, "sda_only": Tvr.SDA_SELECTED, "broken_certificates": Tvr.CDA_FAILED,
    "insert_instead": Tvr.CDA_FAILED, "expired": Tvr.EXPIRED | Tvr.ODA_NOT_PERFORMED,
}  # fmt: skip
"""What the terminal finds of a card and tells the issuer, beside a floor limit of zero."""


class Bank:
    """The issuer twin as the kernel's host: it sees field 55, the PIN and the card's data as over the line."""

    def __init__(self, sale: Counter) -> None:
        self._sale = sale
        self._issuer = Issuer(default_accounts())

    def __call__(self, _card: Card | TappedCard) -> OnlineAnswer:
        card = self._sale.steps[-1].card  # type: ignore[union-attr]
        pin = encrypt_pin_block(ZONE_PIN_KEY, pin_block_iso0(bytearray(PIN.encode()), card.pan))
        verdict = self._issuer.decide(
            Message("0200", {
                2: card.pan, 3: "000000", 4: f"{FACTS.amount:012d}", 11: "000001", 14: card.expiry, 23: card.psn,
                37: "000000000001", 41: "12345678", 42: "898110053110001", 49: "156", 52: pin, 55: card.f55,
            }), 0.0,
        )  # fmt: skip
        (answer,) = verdict.answers
        message = answer.message
        return OnlineAnswer(message.text(39), message.text(39) == "00", message.binary(55) if 55 in message else None)


def sold(card: Card | TappedCard, parameters: TerminalParameters = PARAMETERS) -> tuple[Counter, Outcome]:
    sale = Counter(card, parameters, pin=PinResult("entered", bytes(8)))
    sale.host = Bank(sale)
    return sale, sale.run()


def test_every_card_of_the_deck_has_its_end_here() -> None:
    assert sorted(ENDS) == [name for name in DECK if load_card(name).has_chip]
    assert sorted(TAPS) == [name for name in DECK if load_card(name).contactless]


@pytest.mark.parametrize("name", ENDS)
def test_in_the_slot(name: str) -> None:
    _, outcome = sold(Card(load_card(name)))
    assert (outcome.kind, outcome.reason, outcome.where, outcome.response_code) == ENDS[name]


@pytest.mark.parametrize("name", TAPS)
def test_tapped(name: str) -> None:
    _, outcome = sold(TappedCard(load_card(name)))
    assert (outcome.kind, outcome.reason, outcome.response_code) == TAPS[name]


@pytest.mark.parametrize("name", FINDINGS)
def test_what_the_terminal_finds(name: str) -> None:
    sale, _ = sold(Card(load_card(name)))
    found = Tvr.parse(parse_tlv(sale.online.card.f55)[0x95])
    assert found & ~(Tvr.FLOOR_LIMIT_EXCEEDED | Tvr.ONLINE_PIN_ENTERED) == FINDINGS[name]


def test_the_blocked_pin_is_blocked_on_the_chip_too() -> None:
    sale = Counter(Card(load_card("pin_blocked")), replace(PARAMETERS, capabilities=bytes.fromhex("E0F9C8")))
    assert sale.findings()[0] & Tvr.PIN_TRIES_EXCEEDED


def test_black_listed_card_is_declined_by_a_terminal_that_has_what_the_demo_serves() -> None:
    items = {kind: items_of(kind, file.read_text("utf-8")) for kind, file in DOWNLOADS.items()}
    known = KnownCards(lambda pan: pan.encode(), frozenset(items["black-list"]))
    served = replace(PARAMETERS, applications=tuple(map(application, items["applications"])), known_cards=known)
    for name, ending in (("black_listed", ("declined", "declined_by_terminal")), ("good", APPROVED[:2])):
        _, outcome = sold(Card(load_card(name)), served)
        assert (outcome.kind, outcome.reason) == ending


@pytest.mark.parametrize("name", [name for name, end in ENDS.items() if end[0] not in ("card_error", "use_stripe")])
def test_a_card_that_may_not_pay_offline_is_asked_to_decline_and_for_nothing_else(name: str) -> None:
    checking = replace(PARAMETERS, checks_cards=True)
    sale = Counter(Card(load_card(name)), checking, permits=False)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("declined", "declined_by_terminal", "Z1")
    asked = [step.apdu for step in sale.steps if isinstance(step, Transmit) and step.apdu[1] == GENERATE_AC]
    assert [apdu[2] for apdu in asked] == [0x00] and "AAC" in outcome.receipt
    (checked,) = (step for step in sale.steps if isinstance(step, CheckCard))
    assert checked.pan == load_card(name).pan and checked.pan not in repr(checked)
    assert not [step for step in sale.steps if isinstance(step, AskPin | GoOnline)]


@pytest.mark.parametrize("name", ["good", "offline"])
def test_a_card_that_may_pay_goes_on_as_ever(name: str) -> None:
    _, outcome = sold(Card(load_card(name)), replace(PARAMETERS, checks_cards=True))
    assert (outcome.kind, outcome.reason) == APPROVED[:2]


def test_a_silent_card_is_given_up_by_the_reader() -> None:
    async def scene() -> None:
        reader = await VpcdCardReader.listen(answer_timeout_s=0.05)
        inserted = await InsertedCard.insert(Card(replace(load_card("silent"), silent_at=1)), reader.port)
        await reader.wait_for_card()
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(bytes.fromhex("00A4040008A00000033301010100"))
        await inserted.wait_until_out()
        await reader.close()

    asyncio.run(asyncio.wait_for(scene(), 10))


REMADE: dict[str, dict[str, dict[str, object]]] = {
    "contactless": {}, "pin_blocked": {}, "sda_only": {}, "insert_instead": {"own": {"hash_algorithm": 2}},
    "broken_certificates": {"issuer": {"holder": "621234"}},
}  # fmt: skip


@pytest.mark.parametrize("name", REMADE)
def test_the_files_are_what_the_test_authority_certifies(name: str) -> None:
    card = load_card(name)
    chain = replace(CHAIN, card=None) if name == "sda_only" else CHAIN
    assert authority.certified(card, chain, **REMADE[name]) == card
