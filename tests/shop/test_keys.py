"""The key process dies or its keys are erased while a whole shop is at work: nothing is lost or doubled."""

import asyncio
import os
import signal

import pytest

from host_switch.invariants import nothing_is_owed
from simulators.issuer import Mood
from terminal import key_link
from terminal.effects import CompleteCard, Effect, LoadKeys, Persist, Send
from terminal.events import CloseByPeople
from terminal.key_process import erase_keys
from terminal.key_store import KeyStore
from terminal.records import Key, Sent, Started
from tests.in_a_loop import in_a_loop
from tests.shop.rig import MASTER_KEY, Refused, Shop, shop
from tests.shop.test_offline import SETTINGS, cut, sold


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    """Somebody who brings new keys is not waited for longer than a test has to."""
    monkeypatch.setattr(key_link, "LOOK_AGAIN_S", 0.01)


def kill_keys(s: Shop) -> None:
    os.kill(s.runner._keys.pid, signal.SIGKILL)


def vault_of(s: Shop):
    return s.folder / "terminal" / "vault.json"


async def until_out_of_service(s: Shop, reason: str) -> None:
    view = await s.until(lambda view: view["session"]["refusal"] == reason)
    assert view["session"]["state"] == "refused"
    with pytest.raises(Refused, match="no_link"):
        await s.charge(100)


@in_a_loop
async def test_a_key_process_that_dies_between_two_sales_costs_a_sign_on(tmp_path):
    async with shop(tmp_path) as s:
        await s.sell_by_card(2500)
        kill_keys(s)
        await s.until(lambda view: view["session"]["refusal"] == "key_process")
        await s.until_ready()
        assert (await s.sell_by_card(1200))["state"] == "approved"
        await s.prove()


def _is_request(effect):
    return isinstance(effect, Send) and effect.message.mti == "0200"


def _is_record(kind):
    return lambda effect: isinstance(effect, Persist) and isinstance(effect.record, kind)


MOMENTS = {
    "before the card is read": (_is_record(Started), "cancelled"),
    "before it is sent": (_is_record(Sent), "reversed"),
    "while the answer is awaited": (_is_request, "reversed"),
    "while the chip completes": (lambda effect: isinstance(effect, CompleteCard), "approved"),
}  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
@in_a_loop
async def test_a_key_process_that_dies_in_the_middle_of_a_sale(tmp_path, moment):
    is_now, ends = MOMENTS[moment]
    async with shop(tmp_path) as s:
        killed: list[Effect] = []

        def kill_once(effect):
            if is_now(effect) and not killed:
                killed.append(effect)
                kill_keys(s)

        s.on_effect = kill_once
        sale = await s.sell_by_card(2500)
        assert killed and sale["state"] == ends
        await s.until_ready()
        assert (await s.sell_by_code(100, "6288123456789012345"))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_key_process_that_dies_while_keys_are_loaded(tmp_path):
    async with shop(tmp_path) as s:
        await s.stop_terminal()
        killed: list[Effect] = []

        def kill_once(effect):
            if isinstance(effect, LoadKeys) and not killed:
                killed.append(effect)
                kill_keys(s)

        s.on_effect = kill_once
        await s.restart_terminal()
        assert killed and (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_erased_keys_put_the_terminal_out_of_service_until_there_are_new_ones_whatever_is_restarted(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        erase_keys(vault_of(s))
        await until_out_of_service(s, "keys_erased")
        await s.stop_terminal()
        await s.restart_terminal(ready=False)
        await until_out_of_service(s, "keys_erased")
        assert s.payment(sale["key"])["amount"] == 2500 and s.runner.journal.verify().intact
        KeyStore.create(vault_of(s), MASTER_KEY)
        await s.until_ready()
        assert (await s.sell_by_card(1200))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_slip_that_is_due_comes_out_of_a_terminal_that_starts_without_keys(tmp_path):
    """What a start learnt of its keys had taken the slip in hand, and nobody had told the printer."""
    async with shop(tmp_path) as s:
        s.printer.run_out_of_paper()
        key = await s.charge(2500)
        await s.present("good")
        await s.until_payment(key, lambda payment: payment["slip_failed"])
        await s.take_card()
        await s.stop_terminal()
        erase_keys(vault_of(s))
        await s.printer.load_paper()
        await s.restart_terminal(ready=False)
        await s.until_payment(key, lambda payment: not payment["receipt_due"])


@in_a_loop
async def test_what_is_due_when_the_keys_are_erased_waits_and_is_shown_and_ends_with_new_ones(tmp_path):
    async with shop(tmp_path) as s:
        s.mood(Mood("lose", times=1))
        key = await s.charge(2500)
        await s.present("good")
        await s.host_until(lambda books: len(books.transactions) == 1)
        erase_keys(vault_of(s))
        await s.until_payment(key, lambda payment: payment["state"] == "reversal due")
        await until_out_of_service(s, "keys_erased")
        await s.take_card()
        await s.stop_terminal()
        await s.restart_terminal(ready=False)
        view = await s.until(lambda view: view["session"]["refusal"] == "keys_erased")
        assert [payment["key"] for payment in view["open"]] == [key]
        KeyStore.create(vault_of(s), MASTER_KEY)
        assert (await s.until_final(key))["state"] == "reversed"
        await s.prove()


async def refunded_in_vain(s: Shop) -> str:
    """A refund that the host has booked by now; but its line broke, and the card number was erased meanwhile."""
    sale = await s.sell_by_card(2500)
    s.mood(Mood("lose"))
    refund = asyncio.create_task(s.refund(sale["key"], 700))
    await s.host_until(lambda books: len(books.transactions) == 2)
    (key,) = (payment["key"] for payment in s.runner.view()["payments"] if payment["type"] == "refund")
    erase_keys(vault_of(s))
    await until_out_of_service(s, "keys_erased")
    await s.stop_host()
    s.mood(Mood())
    await s.start_host()
    KeyStore.create(vault_of(s), MASTER_KEY)
    await s.until_payment(key, lambda payment: payment["needs_people"])
    refund.cancel()
    await s.host_until(lambda books: not list(nothing_is_owed(books)))
    return str(key)


@in_a_loop
async def test_a_refund_whose_card_cannot_be_unsealed_any_more_waits_for_people_who_close_it(tmp_path):
    """Its number went with the storage key. Without it the host would take the repeat for another refund."""
    async with shop(tmp_path) as s:
        key = await refunded_in_vain(s)
        assert s.payment(key)["attention"] == "card_erased" and s.payment(key)["state"] == "sent"
        assert (await s.sell_by_card(1200))["state"] == "approved"
        with pytest.raises(Refused, match="payments_open"):
            await s.settle()
        s.post(CloseByPeople(Key.parse(key), True, "ACQ-0117/3", "01", "00"))
        assert (await s.until_final(key))["state"] == "approved"
        assert sum("BOOKED BY STATEMENT" in slip for slip in s.slips) == 2
        await s.prove()
        assert (await s.settle())["balanced"]


@in_a_loop
async def test_a_sale_whose_card_cannot_be_unsealed_any_more_is_not_refunded_here(tmp_path):
    """The host would refuse it as malformed: said in words, before anything is sent."""
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        erase_keys(vault_of(s))
        await until_out_of_service(s, "keys_erased")
        KeyStore.create(vault_of(s), MASTER_KEY)
        await s.until_ready()
        with pytest.raises(Refused, match="card_erased"):
            await s.refund(sale["key"], 700)
        await s.prove()


@in_a_loop
async def test_people_who_misread_the_statement_are_found_out_at_settlement(tmp_path):
    async with shop(tmp_path) as s:
        key = await refunded_in_vain(s)
        s.post(CloseByPeople(Key.parse(key), False, "ACQ-0117/3", "01", "00"))
        assert (await s.until_final(key))["state"] == "declined"
        assert not (await s.settle())["balanced"]


@in_a_loop
async def test_a_void_of_a_sale_whose_card_cannot_be_unsealed_any_more_names_the_sale_alone(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        erase_keys(vault_of(s))
        await until_out_of_service(s, "keys_erased")
        KeyStore.create(vault_of(s), MASTER_KEY)
        await s.until_ready()
        await s.sell_by_code(100, "6288123456789012345")
        assert (await s.void(sale["key"]))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_batch_whose_cards_cannot_be_unsealed_any_more_can_be_settled(tmp_path):
    async with shop(tmp_path) as s:
        await s.sell_by_card(2500)
        erase_keys(vault_of(s))
        await until_out_of_service(s, "keys_erased")
        KeyStore.create(vault_of(s), MASTER_KEY)
        await s.until_ready()
        await s.sell_by_code(100, "6288123456789012345")
        assert (await s.settle())["balanced"]


@in_a_loop
async def test_a_terminal_that_never_had_keys_opens_and_says_so(tmp_path):
    async with shop(tmp_path) as s:
        await s.stop_terminal()
        vault_of(s).unlink()
        await s.restart_terminal(ready=False)
        await until_out_of_service(s, "no_keys")


@in_a_loop
async def test_a_pin_pad_that_is_opened_takes_the_terminals_keys_with_it(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        s.pin_pad.tamper()
        await until_out_of_service(s, "keys_erased")
        assert not vault_of(s).exists()
        assert s.runner.view()["devices"]["pin_pad"]["reason"] == "pin_pad_tampered"
        assert s.payment(sale["key"])["state"] == "approved"


@in_a_loop
async def test_a_pin_pad_that_is_opened_under_the_question_costs_nobody_money(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        await s.present("good", pin="")
        await s.until(lambda view: s.pin_pad.asks_for_pin or view["current"]["stage"] == "pin")
        s.pin_pad.tamper()
        assert (await s.until_final(key))["state"] == "cancelled"
        await until_out_of_service(s, "keys_erased")
        await s.take_card()
        await s.prove()


@in_a_loop
async def test_an_offline_sale_whose_card_cannot_be_unsealed_any_more_waits_for_people_who_close_it(tmp_path):
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        key = await sold(s)
        s.mood(Mood("lose"))
        await s.start_host()
        await s.host_until(lambda books: books.transactions)
        erase_keys(vault_of(s))
        await until_out_of_service(s, "keys_erased")
        KeyStore.create(vault_of(s), MASTER_KEY)
        payment = await s.until_payment(key, lambda payment: payment["attention"])
        assert (payment["attention"], payment["state"]) == ("card_erased", "advice due")
        s.post(CloseByPeople(Key.parse(key), True, "ACQ-0117/3", "01", "00"))
        assert (await s.until_final(key))["state"] == "approved"
