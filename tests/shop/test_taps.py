"""Cards that are tapped, through every real part: from the contactless reader to the issuer's word and the slip."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from host_switch.events import CallChannel
from simulators.cards import Card, InsertedCard, TappedCard, load_card
from simulators.cards.vpcd import AnyCard
from simulators.issuer import Mood
from terminal.devices import CardReader
from terminal.effects import Send
from terminal.events import BalanceRequested, CancelRequested
from terminal.records import Key
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, PIN, Shop, View, free_port, shop
from tests.shop.test_stripe import waits_at

CARD = "contactless"


class Field:
    """The field of the contactless reader: cards come into it and are taken away."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._card: InsertedCard | None = None

    async def enter(self, card: AnyCard) -> None:
        """Hold a card at the reader."""
        self._card = await InsertedCard.insert(card, self.port)

    async def leave(self) -> None:
        """Take the card away; harmless if there is none."""
        if self._card is not None:
            await self._card.remove()
            self._card = None


@asynccontextmanager
async def tapping_shop(folder: Path, **settings: Any) -> AsyncIterator[tuple[Shop, Field]]:
    """A shop with a contactless reader beside its slot."""
    field = Field(free_port())
    async with shop(folder, devices=f"contactless_reader_port = {field.port}\n", **settings) as s:
        try:
            await s.until(lambda view: view["devices"]["contactless_reader"]["state"] == "ready")
            yield s, field
        finally:
            await field.leave()


def tapped(name: str = CARD) -> TappedCard:
    return TappedCard(load_card(name))


async def charged(s: Shop, amount: int = 2500) -> str:
    key = await s.charge(amount)
    await s.until(waits_at("card_or_code"))
    return key


async def sold(s: Shop, field: Field, amount: int = 2500) -> View:
    """Sell by a tap; the card stays in the field."""
    key = await charged(s, amount)
    await field.enter(tapped())
    return await s.until_final(key)


async def closed(reader: CardReader | None) -> None:
    """Let a reader take no more cards."""
    assert reader is not None, "it is open"
    await reader.close()


@in_a_loop
async def test_a_tap_ends_as_a_slip_and_the_issuer_has_checked_its_cryptogram(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        asked, sent = [], []
        s.on_host_effect = lambda effect: asked.append(effect.call) if isinstance(effect, CallChannel) else None
        s.on_effect = lambda effect: sent.append(effect.message) if isinstance(effect, Send) else None
        sale = await sold(s, field)
        assert (sale["state"], sale["signature"], sale["tapped"]) == ("approved", False, True)
        assert s.balance_of(CARD) == OPENING_BALANCE - 2500
        (request,) = (message for message in sent if message.mti == "0200")
        assert (request[22], request[60][11:13]) == ("072", "60")
        (call,) = asked
        assert call.entry_mode == "072" and call.chip_data
        for slip in s.slips:
            assert "0066 C" in slip
            assert "挥卡 TAPPED" in slip
            assert "NO PIN AND NO SIGNATURE NEEDED" in slip
        await field.leave()
        await s.prove()


@in_a_loop
async def test_a_tap_whose_holder_was_verified_by_a_device_says_so_on_the_slip(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        key = await charged(s)
        await field.enter(TappedCard(load_card(CARD), qualifiers=bytes.fromhex("0080")))
        await s.until_final(key)
        assert all("VERIFIED ON CARDHOLDER'S DEVICE" in slip for slip in s.slips)
        await s.prove()


@in_a_loop
async def test_a_cryptogram_that_does_not_hold_is_declined(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        key = await charged(s)
        await field.enter(tapped("wrong_cryptogram"))
        payment = await s.until_final(key)
        assert (payment["state"], payment["response_code"]) == ("declined", "59")
        await s.prove()


@in_a_loop
async def test_a_card_left_in_the_field_is_asked_for_and_does_not_pay_for_the_next_sale(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        await sold(s, field)
        key = await s.charge(3000)
        await s.until(waits_at("remove_card"))
        await field.leave()
        await s.until(waits_at("card_or_code"))
        await s.present("good")
        sale = await s.until_final(key)
        assert (sale["state"], sale["means"][-4:]) == ("approved", "0017")
        assert s.balance_of(CARD) == OPENING_BALANCE - 2500
        await s.prove()


@in_a_loop
async def test_a_card_left_in_the_field_during_an_inserted_sale_does_not_pay_for_the_next(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        key = await charged(s)
        await s.present("good")
        assert (await s.until_final(key))["means"].endswith("0017")
        await field.enter(tapped())
        await s.take_card()
        await s.charge(3000)
        await s.until(waits_at("remove_card"))
        await field.leave()
        await s.until(waits_at("card_or_code"))
        assert s.balance_of(CARD) == OPENING_BALANCE


@in_a_loop
async def test_a_card_that_cannot_be_tapped_is_inserted_in_the_same_payment(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        key = await charged(s)
        await field.enter(Card(load_card("good")))
        await s.until(waits_at("insert_instead"))
        assert s.books().transactions == ()
        await field.leave()
        await s.present("good")
        sale = await s.until_final(key)
        await s.take_card()
        assert (sale["state"], sale["tapped"]) == ("approved", False)
        assert "0017 I" in s.slips[0]
        assert s.balance_of("good") == OPENING_BALANCE - 2500
        await s.prove()


@in_a_loop
async def test_a_tapped_sale_without_an_answer_is_reversed(tmp_path):
    async with tapping_shop(tmp_path, reply_timeout_s=0.5) as (s, field):
        s.mood(Mood("drop", times=1, only="02"))
        payment = await sold(s, field)
        assert (payment["state"], payment["reason"]) == ("reversed", "98")
        await s.prove()
        assert s.balance_of(CARD) == OPENING_BALANCE


@in_a_loop
async def test_a_tapped_sale_is_voided_and_refunded_as_any_other(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        first = await sold(s, field, 2000)
        await field.leave()
        second = await sold(s, field, 3000)
        await field.leave()
        assert (await s.void(first["key"]))["state"] == "approved"
        assert (await s.refund(second["key"], 500))["state"] == "approved"
        await s.prove()
        assert s.balance_of(CARD) == OPENING_BALANCE - 2500


@in_a_loop
async def test_a_tap_pays_while_the_slot_is_out_of_order(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        await closed(s.runner.devices.card_reader)
        assert (await sold(s, field))["state"] == "approved"
        await field.leave()
        await s.prove()


@in_a_loop
async def test_while_the_contactless_reader_is_out_of_order_cards_are_inserted(tmp_path):
    async with tapping_shop(tmp_path) as (s, _):
        await closed(s.runner.devices.contactless_reader)
        await s.until(lambda view: view["devices"]["contactless_reader"]["state"] == "attention")
        assert (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_balance_is_not_told_to_a_tap(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        await field.enter(tapped())
        s.post(BalanceRequested("inquiry", "01"))
        view = await s.until(waits_at("card_or_code"))
        await s.present("good", PIN)
        inquiry = await s.until_final(view["current"]["key"])
        assert inquiry["means"].endswith("0017")


@in_a_loop
async def test_a_tap_that_is_cancelled_leaves_the_field_to_be_emptied(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        key = await charged(s)
        await field.enter(Card(load_card("good")))
        await s.until(waits_at("insert_instead"))
        s.post(CancelRequested(Key.parse(key)))
        assert (await s.until_final(key))["state"] == "cancelled"
        await s.charge(3000)
        await s.until(waits_at("remove_card"))
        await field.leave()
        await s.until(waits_at("card_or_code"))


@in_a_loop
async def test_the_test_of_the_counter_reads_a_tapped_card(tmp_path):
    async with tapping_shop(tmp_path) as (s, field):
        assert s.runner.begin_test("01")
        await s.until(is_tested("card_reader"))
        await s.present("good", pin="")
        await s.until(is_tested("contactless_reader"))
        await field.enter(tapped())
        await s.until(is_tested("scanner"))
        states = {check.name: check.state for check in s.runner.test.checks}
        assert (states["card_reader"], states["contactless_reader"]) == ("passed", "passed")


def is_tested(device: str):
    """For `until`: the test of the counter is at this device."""
    return lambda view: any((c["name"], c["state"]) == (device, "running") for c in view["test"]["checks"])
