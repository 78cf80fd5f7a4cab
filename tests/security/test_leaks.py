"""Nothing secret is left anywhere, whatever happens at the counter: searched for in files, logs, slips, pages, reprs.

Not searched: the bank's own store, and the three places that each keep one key on purpose. Card numbers at rest are
sealed, so that nothing of them can be seen.
"""

import asyncio
import hashlib
import time

import pytest

import paycode
from host_switch.events import PhoneGiven
from host_switch.phone_codes import wallet_of
from host_switch.start import opened_store
from simulators.issuer import Mood
from simulators.stripe_reader import VirtualStripeReader, swipe_of
from tests.host_switch.phone import USER, with_password
from tests.in_a_loop import in_a_loop
from tests.security.canaries import canary_code, watched_shop
from tests.shop.rig import OPENING_BALANCE, Killed


@in_a_loop
async def test_a_day_leaves_nothing_secret_behind(tmp_path, monkeypatch):
    async with watched_shop(tmp_path, monkeypatch) as w:
        sale = await w.sell(2500, "plain")
        await w.shop.void(sale["key"])
        assert (await w.sell(2500, "poor"))["response_code"] == "51"
        assert (await w.sell(2500, "wrong_pin", pin=w.pins["plain"]))["response_code"] == "55"
        assert (await w.sell(2500, "refuses"))["state"] == "reversed"
        sale = await w.sell(2500, "refunded")
        await w.shop.refund(sale["key"], 700)
        assert (await w.shop.balance("asked", w.pins["asked"]))["state"] == "approved"
        assert (await w.shop.sell_by_code(900, canary_code("scanned")))["state"] == "approved"
        sale = await w.shop.sell_by_code(900, canary_code("voided"))
        await w.shop.void(sale["key"])
        await w.shop.prove()
        assert w.finds() == []
        assert await w.look_at_pages() == []
        await w.shop.settle()
        await w.sell(100, "plain")
        await w.shop.prove()
        assert w.finds() == []
        assert w.lookalikes() == []


@in_a_loop
async def test_nothing_secret_is_on_disk_while_an_answer_is_awaited(tmp_path, monkeypatch):
    async with watched_shop(tmp_path, monkeypatch) as w:
        sale = await w.sell(2500, "refunded")
        w.shop.mood(Mood("lose", times=1))
        key = await w.shop.charge(2500)
        await w.shop.present("reversed", w.pins["reversed"])
        await w.shop.host_until(lambda books: len(books.transactions) == 2)
        assert w.finds() == []
        assert await w.look_at_pages() == []
        await w.shop.stop_host()
        await w.shop.until_payment(key, lambda payment: payment["state"] == "reversal due")
        assert w.finds() == []
        await w.shop.start_host()
        await w.shop.until_final(key)
        await w.shop.take_card()
        w.shop.mood(Mood("lose"))
        refund = asyncio.create_task(w.shop.refund(sale["key"], 700))
        await w.shop.host_until(lambda books: len(books.transactions) == 3)
        assert w.finds() == []
        await w.shop.stop_host()
        w.shop.mood(Mood())
        await w.shop.start_host()
        assert (await refund)["state"] == "approved"
        await w.shop.prove()
        assert w.finds() == []


@in_a_loop
async def test_a_swiped_card_leaves_nothing_secret_behind_whatever_comes_of_it(tmp_path, monkeypatch):
    reader = VirtualStripeReader(tmp_path / "stripe_reader")
    devices = f'stripe_reader_path = "{reader.path}"\n'
    async with watched_shop(tmp_path, monkeypatch, devices=devices) as w:
        await w.shop.until(lambda view: view["devices"]["stripe_reader"]["state"] == "ready")

        async def swipe(pin: str) -> str:
            key = await w.shop.charge(900)
            await w.shop.until(lambda view: view["current"]["stage"] == "card_or_code")
            reader.send(swipe_of(w.cards["swiped"])[:-9] + b"\r")  # a part of it, to be refused
            await w.shop.until(lambda view: view["notice"])
            w.shop.pin_pad.script([*pin, "enter"])
            reader.swipe(w.cards["swiped"])
            return str((await w.shop.until_final(key))["state"])

        assert await swipe(w.pins["swiped"]) == "approved"
        assert await swipe(w.pins["plain"]) == "declined"
        await w.shop.prove()
        assert w.finds() == []
        assert await w.look_at_pages() == []
        assert w.lookalikes() == []
    reader.close()


@in_a_loop
async def test_a_phone_without_network_leaves_nothing_secret_behind_whatever_comes_of_its_codes(tmp_path, monkeypatch):
    async with watched_shop(tmp_path, monkeypatch) as w:
        seed = hashlib.sha256(b"canary seed").digest()
        account = w.cards["plain"].pan
        await w.shop.host.ask(PhoneGiven(USER, seed, int(time.time()), account, "王芳"))
        with opened_store(tmp_path / "host", to_write=False) as store:
            (user,), keys = store.phone_users(), store.policy.code_keys
        wallet = wallet_of(user, keys)
        w.scanner.know_bytes("seed", seed)
        w.scanner.know_bytes("key of handles", keys["7710"])
        for name, handle in zip("abc", wallet.handles, strict=False):
            w.scanner.know_digits(f"handle {name}", handle)
        paid, wallet = paycode.issue(wallet, int(time.time()))
        wrong, wallet = paycode.issue(wallet, int(time.time()))
        assert (await w.shop.sell_by_code(900, paid))["state"] == "approved"
        assert (await w.shop.sell_by_code(900, with_password(wrong)))["response_code"] == "P8"
        assert (await w.shop.sell_by_code(900, with_password(paid)))["response_code"] == "P7"
        kinds = ["payment code with a wrong password", "payment code used again"]
        await w.shop.prove(balanced=False, events=kinds)  # for the slip names a code, and a card's account has paid
        assert w.shop.issuer.balance(account) == OPENING_BALANCE - 900
        assert w.finds() == []
        assert await w.look_at_pages() == []
        assert w.lookalikes() == []


@pytest.mark.parametrize("what", ["card", "code", "balance"])
@in_a_loop
async def test_a_terminal_that_dies_at_any_effect_leaves_nothing_secret_behind(tmp_path, monkeypatch, what):
    async with watched_shop(tmp_path, monkeypatch) as w:
        work = {
            "card": lambda: w.sell(100, "plain"),
            "code": lambda: w.shop.sell_by_code(100, canary_code("silent")),
            "balance": lambda: w.shop.balance("asked", w.pins["asked"]),
        }[what]
        for number in range({"card": 9, "code": 5, "balance": 5}[what]):
            countdown = iter(range(number, -1, -1))
            w.shop.kill_after = lambda _, countdown=countdown: next(countdown) == 0  # type: ignore[misc]
            with pytest.raises(Killed):
                await work()
            await w.shop.has_crashed()
            assert w.finds_at_the_terminal() == []
            await w.shop.take_card()
            await w.shop.restart_terminal()
            await w.shop.prove()
        assert w.finds() == []
