"""Selling through an outage, with real devices, real sockets and a host that is stopped and started."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from host_switch.events import CallChannel
from simulators.issuer import default_accounts
from terminal.download_store import DownloadStore
from terminal.downloads import Download
from terminal.effects import Send
from terminal.key_store import KeyStore
from terminal.records import ApprovedOffline
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, Refused, Shop, View, shop
from tests.shop.test_stripe import waits_at
from tests.shop.test_taps import tapped, tapping_shop

DAY_S = 86_400
SETTINGS = "[offline]\nsale_amount_max = 5000\ntotal_amount_max = 9000\n"


async def cut(s: Shop) -> None:
    await s.stop_host()
    await s.until(lambda view: view["session"]["state"] == "down")


async def sold(s: Shop, amount: int = 2500, card: str = "offline") -> str:
    """Sell offline until the slip is out; return the payment's key."""
    key = await s.charge(amount, offline=True)
    await s.present(card, pin="")
    await s.until_payment(key, lambda payment: payment["state"] == "advice due" and not payment["receipt_due"])
    await s.take_card()
    return key


async def back(s: Shop, key: str) -> View:
    await s.start_host()
    return await s.until_final(key)


@in_a_loop
async def test_a_chip_sells_through_an_outage_and_the_bank_books_it_afterwards(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await s.sell_by_card(1000)
        await cut(s)
        key = await sold(s)
        assert "离线交易/OFFLINE" in s.slips[-1] and "NOT YET CONFIRMED" in s.slips[-1]
        slips = len(s.slips)
        payment = await back(s, key)
        assert payment["state"] == "approved" and payment["reference"]
        assert len(s.slips) == slips, "no second slip"
        assert s.balance_of("offline") == OPENING_BALANCE - 2500
        assert (await s.settle())["balanced"]
        await s.prove()


@in_a_loop
async def test_a_limit_is_said_before_the_card_is_read_and_what_is_sold_counts(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        await sold(s, 5000)
        for amount, reason in ((5001, "offline_amount"), (4001, "offline_total")):
            with pytest.raises(Refused, match=reason):
                await s.charge(amount, offline=True)
        await back(s, await sold(s, 4000))
        await s.prove()


@in_a_loop
async def test_a_card_that_has_taken_its_part_is_refused_even_after_a_restart_and_its_chip_approves_nothing(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path, settings=f"{SETTINGS}card_count_max = 1\n") as s:
        await cut(s)
        s.crash_at_record(ApprovedOffline)
        first = await s.charge(1000, offline=True)
        await s.present("offline", pin="")
        await s.has_crashed()
        await s.take_card()
        await s.restart_terminal(ready=False)
        key = await s.charge(500, offline=True)
        await s.present("offline", pin="")
        payment = await s.until_final(key)
        await s.take_card()
        assert (payment["state"], payment["reason"]) == ("cancelled", "offline_card_used_1_1000")
        assert (await back(s, first))["state"] == "approved"
        assert s.balance_of("offline") == OPENING_BALANCE - 1000
        await s.prove()


@in_a_loop
async def test_a_black_list_that_is_missing_or_too_old_is_fetched_by_itself_and_until_then_nothing_is_sold_offline(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path, settings=f"{SETTINGS}lists_age_max_s = {DAY_S}\n") as s:
        await s.until(lambda view: (view["offline"]["lists_until"] or 0) > time.time() + DAY_S)
        await s.stop_terminal()
        await s.stop_host()
        store = DownloadStore(s.folder / "terminal", KeyStore(s.folder / "terminal" / "vault.json"))
        store.keep(Download("black_list", ()), time.time() - 2 * DAY_S)
        await s.restart_terminal(ready=False)
        with pytest.raises(Refused, match="offline_lists"):
            await s.charge(2500, offline=True)
        await s.start_host()
        await s.until(lambda view: view["offline"]["lists_until"] > time.time() + DAY_S)
        await cut(s)
        await back(s, await sold(s, 1000))
        await s.prove()


@in_a_loop
async def test_the_bank_declines_later_and_people_are_told(tmp_path: Path) -> None:
    accounts = [replace(a, refuse="51") if a.number.endswith("223") else a for a in default_accounts(OPENING_BALANCE)]
    async with shop(tmp_path, settings=SETTINGS, accounts=accounts) as s:
        await cut(s)
        payment = await back(s, await sold(s))
        assert (payment["state"], payment["attention"], payment["response_code"]) == (
            "declined", "declined_later", "51",
        )  # fmt: skip
        assert (await s.settle())["balanced"]
        await s.prove()


@in_a_loop
async def test_a_card_that_wants_its_bank_is_refused_in_words(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        for card in ("good", "golden"):
            key = await s.charge(2500, offline=True)
            await s.present(card, pin="")
            payment = await s.until_final(key)
            await s.take_card()
            assert (payment["state"], payment["reason"]) == ("cancelled", "card_host_unreachable")
        await s.start_host()
        await s.until_ready()
        await s.prove()


@in_a_loop
async def test_a_terminal_that_dies_when_the_sale_is_durable_still_sends_it(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        s.crash_at_record(ApprovedOffline)
        key = await s.charge(2500, offline=True)
        await s.present("offline", pin="")
        await s.has_crashed()
        await s.take_card()
        await s.restart_terminal(ready=False)
        payment = await back(s, key)
        assert payment["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_refund_of_what_was_sold_offline(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        sale = await back(s, await sold(s))
        assert not sale["voidable"] and sale["refundable"]
        assert (await s.refund(sale["key"], 500))["state"] == "approved"
        assert s.balance_of("offline") == OPENING_BALANCE - 2000
        await s.prove()


@in_a_loop
async def test_a_tap_sells_through_an_outage_and_the_bank_books_it_afterwards(tmp_path: Path) -> None:
    async with tapping_shop(tmp_path, settings=SETTINGS) as (s, field):
        sent = []
        s.on_effect = lambda effect: sent.append(effect.message) if isinstance(effect, Send) else None
        asked = []
        s.on_host_effect = lambda effect: asked.append(effect.call) if isinstance(effect, CallChannel) else None
        await cut(s)
        key = await s.charge(2500, offline=True)
        await s.until(waits_at("card_or_code"))
        await field.enter(tapped())
        payment = await s.until_payment(
            key, lambda payment: payment["state"] == "advice due" and not payment["receipt_due"]
        )
        assert payment["tapped"] and payment["means"].endswith("0066")
        await field.leave()
        for words in ("离线交易/OFFLINE", "挥卡 TAPPED", "0066 C"):
            assert words in s.slips[-1]
        assert (await back(s, key))["state"] == "approved"
        (advice,) = (message for message in sent if message.mti == "0200")
        assert (advice[22], advice[23], advice[60][:2], advice[60][11:13]) == ("072", "001", "36", "60")
        (call,) = asked
        assert call.entry_mode == "072"
        assert s.balance_of("contactless") == OPENING_BALANCE - 2500
        assert (await s.settle())["balanced"]
        await s.prove()


@in_a_loop
async def test_a_terminal_that_dies_when_a_tap_is_durable_still_sends_it(tmp_path: Path) -> None:
    async with tapping_shop(tmp_path, settings=SETTINGS) as (s, field):
        await cut(s)
        s.crash_at_record(ApprovedOffline)
        key = await s.charge(2500, offline=True)
        await s.until(waits_at("card_or_code"))
        await field.enter(tapped())
        await s.has_crashed()
        await field.leave()
        await s.restart_terminal(ready=False)
        assert (await back(s, key))["state"] == "approved"
        assert s.balance_of("contactless") == OPENING_BALANCE - 2500
        await s.prove()
