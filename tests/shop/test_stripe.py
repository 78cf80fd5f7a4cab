"""Cards that are swiped, through every real part: from the serial line to the issuer's word and the slip."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from host_switch.events import CallChannel
from simulators.cards import load_card
from simulators.issuer import Mood
from simulators.stripe_reader import VirtualStripeReader
from terminal.effects import Send
from terminal.events import CancelRequested
from terminal.records import Key
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, PIN, Shop, View, shop


@asynccontextmanager
async def swiping_shop(folder: Path, **settings: Any) -> AsyncIterator[tuple[Shop, VirtualStripeReader]]:
    """A shop with a stripe reader that hands out check characters."""
    reader = VirtualStripeReader(folder / "stripe_reader", with_lrc=True)
    devices = f'stripe_reader_path = "{reader.path}"\nstripe_reader_lrc = true\n'
    try:
        async with shop(folder, devices=devices, **settings) as s:
            await s.until(lambda view: view["devices"]["stripe_reader"]["state"] == "ready")
            yield s, reader
    finally:
        reader.close()


def waits_at(stage: str):
    """For `until`: the payment in hand is at this stage."""
    return lambda view: view["current"] and view["current"]["stage"] == stage


async def charged(s: Shop, amount: int = 2500) -> str:
    key = await s.charge(amount)
    await s.until(waits_at("card_or_code"))
    return key


def enter(s: Shop, pin: str = PIN) -> None:
    """Leave the keys that the customer will press."""
    s.pin_pad.script([*pin, "enter"])


async def sold(s: Shop, reader: VirtualStripeReader, card: str, pin: str = PIN, amount: int = 2500) -> View:
    key = await charged(s, amount)
    enter(s, pin)
    reader.swipe(load_card(card))
    return await s.until_final(key)


@in_a_loop
async def test_a_swipe_with_pin_ends_as_a_slip(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        asked = []
        s.on_host_effect = lambda effect: asked.append(effect.call) if isinstance(effect, CallChannel) else None
        sale = await sold(s, reader, "stripe_only")
        assert (sale["state"], sale["signature"]) == ("approved", False)
        assert s.balance_of("stripe_only") == OPENING_BALANCE - 2500
        for slip in s.slips:
            assert "6299 99** **** 0173 S" in slip
            assert "刷卡 SWIPED" in slip
            assert "ARQC" not in slip and "SIGNATURE" not in slip
        (call,) = asked
        assert (call.entry_mode, call.sequence, call.chip_data) == ("021", "", b"")
        assert call.track2 == load_card("stripe_only").tracks[2].replace("=", "D")
        await s.prove()


@in_a_loop
async def test_tracks_leave_encrypted_and_are_in_no_file(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        await sold(s, reader, "stripe_only")
        await s.prove()
        tracks = load_card("stripe_only").tracks
    secrets = {part.encode() for track in tracks.values() for part in (track, track.replace("=", "D"))}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "slips" not in path.parts]
    assert files
    for path in files:
        data = path.read_bytes()
        assert not any(secret in data for secret in secrets), path


@in_a_loop
async def test_whoever_has_no_pin_signs(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        sale = await sold(s, reader, "stripe_signed", pin="")
        assert (sale["state"], sale["signature"]) == ("approved", True)
        assert "持卡人签名 CARDHOLDER SIGNATURE" in s.slips[0]
        await s.prove()


@in_a_loop
async def test_a_refusal_of_the_issuer_reaches_the_counter(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        payment = await sold(s, reader, "stripe_only", pin="000000")
        assert (payment["state"], payment["response_code"]) == ("declined", "55")
        assert s.slips == []
        await s.prove()


@in_a_loop
async def test_a_chip_card_that_is_swiped_is_asked_for_its_chip_and_pays_with_it(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        key = await charged(s)
        reader.swipe(load_card("good"))
        await s.until(waits_at("insert_chip"))
        await s.present("good")
        sale = await s.until_final(key)
        await s.take_card()
        assert sale["state"] == "approved"
        assert "0017 I" in s.slips[0]
        await s.prove()


@in_a_loop
async def test_a_chip_that_cannot_be_used_is_followed_by_its_stripe_in_the_same_payment(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        sent = []
        s.on_effect = lambda effect: sent.append(effect.message) if isinstance(effect, Send) else None
        key = await charged(s)
        await s.present("broken_chip", pin="")
        await s.until(waits_at("use_stripe"))
        assert s.books().transactions == ()
        await s.take_card()
        enter(s)
        reader.swipe(load_card("broken_chip"))
        sale = await s.until_final(key)
        assert sale["state"] == "approved"
        (request,) = (message for message in sent if message.mti == "0200")
        assert (request[22], request[60][11:13]) == ("021", "52")
        assert "0181 S" in s.slips[0]
        await s.prove()


@in_a_loop
async def test_a_dead_chip_is_inserted_three_times_and_followed_by_its_stripe(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        sent = []
        s.on_effect = lambda effect: sent.append(effect.message) if isinstance(effect, Send) else None
        key = await charged(s)
        for times, stage in enumerate(("insert_again", "insert_again", "use_stripe"), 1):
            await s.present("mute", pin="")
            while s.runner._means.dialogue is None or s.runner._means.dialogue._mute < times:  # noqa: ASYNC110 - no event of ours
                await asyncio.sleep(0)
            await s.until(waits_at(stage))
            await s.take_card()
        enter(s)
        reader.swipe(load_card("mute"))
        sale = await s.until_final(key)
        assert sale["state"] == "approved"
        (request,) = (message for message in sent if message.mti == "0200")
        assert (request[22], request[60][11:13]) == ("021", "52")
        assert "0256 S" in s.slips[0]
        await s.prove()


@in_a_loop
async def test_the_next_payment_asks_for_the_chip_again(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        key = await charged(s)
        await s.present("broken_chip", pin="")
        await s.until(waits_at("use_stripe"))
        await s.take_card()
        enter(s)
        reader.swipe(load_card("broken_chip"))
        await s.until_final(key)
        key = await charged(s)
        reader.swipe(load_card("broken_chip"))
        await s.until(waits_at("insert_chip"))
        s.post(CancelRequested(Key.parse(key)))
        assert (await s.until_final(key))["state"] == "cancelled"
        await s.prove()


@in_a_loop
async def test_a_swipe_before_the_charge_pays_for_nothing(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        reader.swipe(load_card("stripe_signed"))
        key = await charged(s)
        enter(s)
        reader.swipe(load_card("stripe_only"))
        payment = await s.until_final(key)
        assert payment["means"].endswith("0173")
        await s.prove()


@in_a_loop
async def test_noise_is_said_and_the_next_swipe_pays(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        key = await charged(s)
        reader.send(b"%E?;E?+E?\r")
        view = await s.until(lambda view: view["notice"])
        assert view["notice"] == {"reason": "swipe_unreadable", "key": key}
        enter(s)
        reader.swipe(load_card("stripe_only"))
        assert (await s.until_final(key))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_reader_that_is_unplugged_leaves_the_chip(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        reader.line.unplug()
        await s.until(lambda view: view["devices"]["stripe_reader"]["reason"] == "unplugged")
        assert (await s.sell_by_card(2500))["state"] == "approved"
        reader.line.plug()
        await s.until(lambda view: view["devices"]["stripe_reader"]["state"] == "ready")
        assert (await sold(s, reader, "stripe_only"))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_swiped_sale_without_an_answer_is_reversed(tmp_path):
    async with swiping_shop(tmp_path, reply_timeout_s=0.5) as (s, reader):
        s.mood(Mood("drop", times=1, only="02"))
        payment = await sold(s, reader, "stripe_only")
        assert (payment["state"], payment["reason"]) == ("reversed", "98")
        await s.prove()
        assert s.balance_of("stripe_only") == OPENING_BALANCE


@in_a_loop
async def test_a_swiped_sale_is_voided_and_refunded_as_any_other(tmp_path):
    async with swiping_shop(tmp_path) as (s, reader):
        first = await sold(s, reader, "stripe_only", amount=2000)
        second = await sold(s, reader, "stripe_only", amount=3000)
        assert (await s.void(first["key"]))["state"] == "approved"
        assert (await s.refund(second["key"], 500))["state"] == "approved"
        await s.prove()
        assert s.balance_of("stripe_only") == OPENING_BALANCE - 2500
