"""Selling by signed codes through an outage: a real scanner's line, files and sockets, and a host that is stopped."""

import time
from pathlib import Path

from host_switch.events import PhoneGiven, Send, SignerGiven
from host_switch.frames import decoded
from host_switch.records import CodeIssuer as IssuerRow
from host_switch.records import Outcome, SignedKey
from simulators.issuer import Account, default_accounts
from simulators.signed_phones import CodeIssuer, SignedPhone
from terminal.code_store import CodeStore
from terminal.key_store import KeyStore
from terminal.records import ApprovedByCode
from tests.host_switch.till import Till
from tests.in_a_loop import in_a_loop
from tests.shop.rig import MASTER_KEY, MERCHANT, OPENING_BALANCE, Shop, View, shop
from tests.shop.test_rescue import command, exported

SETTINGS = "[offline]\nsale_amount_max = 5000\ntotal_amount_max = 9000\n"
ISSUER = CodeIssuer()
PAYER = Account("6299990000005555", OPENING_BALANCE)
ACCOUNTS = [*default_accounts(OPENING_BALANCE), PAYER]


async def with_phone(s: Shop) -> SignedPhone:
    """A customer whose phone host and terminal can verify; the terminal is not restarted for that."""
    phone, key = ISSUER.phone("Li", time.time()), ISSUER.public_key
    await s.host.ask(PhoneGiven(7, bytes(32), int(time.time()), PAYER.number, "李"))
    await s.host.ask(SignerGiven(IssuerRow(ISSUER.key_id, key.algorithm, key.data, ISSUER.name)))
    await s.host.ask(SignerGiven(SignedKey(phone.key, 7)))
    keys = KeyStore(s.folder / "terminal" / "vault.json")
    CodeStore(s.folder / "terminal", keys).trust(ISSUER.issuer_file().encode())
    keys.close()
    await s.until(lambda view: view["offline"]["codes"])
    return phone


async def cut(s: Shop) -> None:
    await s.stop_host()
    await s.until(lambda view: view["session"]["state"] == "down")


async def sold(s: Shop, code: str, amount: int = 2500) -> str:
    """Sell offline by a code until the slip is out; return the payment's key."""
    key = await s.charge(amount, offline=True)
    s.scan(code)
    await s.until_payment(key, lambda payment: payment["state"] == "advice due" and not payment["receipt_due"])
    return key


async def back(s: Shop, key: str) -> View:
    await s.start_host()
    return await s.until_final(key)


@in_a_loop
async def test_a_phone_and_a_shop_without_a_line_make_a_sale_that_the_bank_books_afterwards(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS, accounts=ACCOUNTS) as s:
        phone = await with_phone(s)
        await cut(s)
        code = phone.show(time.time())
        key = await sold(s, code)
        assert "离线码消费/OFFLINE CODE SALE" in s.slips[-1] and "NOT YET CONFIRMED" in s.slips[-1]
        slips = len(s.slips)
        payment = await back(s, key)
        assert payment["state"] == "approved" and payment["reference"]
        assert len(s.slips) == slips, "no second slip"
        assert s.issuer.balance(PAYER.number) == OPENING_BALANCE - 2500
        assert (await s.refund(key, 500))["state"] == "approved"
        assert (await s.settle())["balanced"]
        assert s.issuer.balance(PAYER.number) == OPENING_BALANCE - 2000
        await s.prove()


@in_a_loop
async def test_a_bad_code_is_said_and_a_card_pays_after_all(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS, accounts=ACCOUNTS) as s:
        phone = await with_phone(s)
        await cut(s)
        key = await s.charge(2500, offline=True)
        s.scan(phone.show(time.time() - 200))
        await s.until(lambda view: view["notice"] and view["notice"]["reason"] == "signed_expired")
        await s.present("offline", pin="")
        await s.until_payment(key, lambda payment: payment["state"] == "advice due" and not payment["receipt_due"])
        await s.take_card()
        assert (await back(s, key))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_terminal_that_dies_when_the_sale_is_durable_sends_it_and_remembers_the_code(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS, accounts=ACCOUNTS) as s:
        phone = await with_phone(s)
        await cut(s)
        s.crash_at_record(ApprovedByCode)
        code = phone.show(time.time())
        key = await s.charge(2500, offline=True)
        s.scan(code)
        await s.has_crashed()
        await s.restart_terminal(ready=False)
        assert (await back(s, key))["state"] == "approved"
        await cut(s)
        await s.charge(100, offline=True)
        s.scan(code)
        await s.until(lambda view: view["notice"] and view["notice"]["reason"] == "signed_replayed")
        s.scan(phone.show(time.time()))
        second = s.counter.payments.current
        await s.until_payment(str(second), lambda payment: payment["state"] == "advice due")
        await back(s, str(second))
        await s.prove()


async def sell_elsewhere(s: Shop, code: str) -> None:
    """Another shop hands in a sale by a code."""
    till = Till("87654321", MERCHANT)
    await s.add_terminal(till.id, till.merchant, MASTER_KEY)
    signed_on = await s.host.ask(decoded("elsewhere", till.frame(till.sign_on())))
    till.signed_on(next(effect.data for effect in signed_on.effects if isinstance(effect, Send)))
    await s.host.ask(decoded("elsewhere", till.frame(till.offline_code_sale(code, 1000))))
    await s.host_until(lambda books: any(row.outcome is Outcome.APPROVED for row in books.transactions))


@in_a_loop
async def test_what_has_paid_elsewhere_comes_back_declined_and_both_codes_are_kept(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS, accounts=ACCOUNTS) as s:
        phone = await with_phone(s)
        phone.spends_twice = True
        await sell_elsewhere(s, phone.show(time.time()))
        await cut(s)
        payment = await back(s, await sold(s, phone.show(time.time() + 1)))
        assert (payment["state"], payment["response_code"], payment["attention"]) == (
            "declined", "B1", "declined_later",
        )  # fmt: skip
        assert (await s.settle())["balanced"]
        await s.prove(balanced=False, events=["signed code spent twice: the customer's key has signed both"])
        assert s.issuer.balance(PAYER.number) == OPENING_BALANCE - 1000
        assert [use.paid for use in s.books().signed_uses] == [True, False]


@in_a_loop
async def test_what_a_dead_terminal_had_sold_by_codes_is_brought_to_the_host_and_booked_once(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS, accounts=ACCOUNTS) as s:
        phone = await with_phone(s)
        await cut(s)
        key = await sold(s, phone.show(time.time()))
        file = await exported(s)
        assert b"TG1:" not in file.read_bytes()
        await s.start_host()
        for _ in range(2):
            assert await command("host", "queue", "import", str(file), "--data", str(s.folder / "host")) == 0
        await s.restart_terminal()
        assert (await s.until_final(key))["state"] == "approved"
        await s.prove()
