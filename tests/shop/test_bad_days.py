"""Lines that break, hosts and issuers that are silent or say two things, paper and disks that run out."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from host_switch.commands import app as host_commands
from simulators.issuer import Mood
from terminal.effects import CompleteCard, Effect, Persist, Print, Send
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, TERMINAL, Killed, Refused, Shop, View, shop

CODE = "6288123456789012345"


@contextmanager
def effects_of(s: Shop) -> Iterator[list[Effect]]:
    """All effects of the terminal, as they are carried out."""
    seen: list[Effect] = []
    s.on_effect = seen.append
    yield seen
    s.on_effect = lambda _: None


def sent_types(effects: list[Effect]) -> list[str]:
    return [effect.message.mti for effect in effects if isinstance(effect, Send)]


def _record_or_mti(effect: Effect) -> str:
    if isinstance(effect, Send):
        return effect.message.mti
    return type(effect.record if isinstance(effect, Persist) else effect).__name__


# --- the host ---------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_without_a_host_a_sale_is_refused_before_the_card_is_asked_for(tmp_path):
    async with shop(tmp_path) as s:
        await s.stop_host()
        await s.until(lambda view: view["session"]["state"] == "down")
        with effects_of(s) as effects, pytest.raises(Refused, match="no_link"):
            await s.charge(2500)
        assert effects == []
        await s.start_host()
        await s.until_ready()
        assert (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_host_that_dies_while_the_card_is_asked_for_costs_nothing(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        await s.stop_host()
        await s.until(lambda view: view["session"]["state"] == "down")
        await s.present("good")
        payment = await s.until_final(key)
        assert (payment["state"], payment["reason"]) == ("cancelled", "no_link")
        await s.start_host()
        await s.prove()
        assert s.books().transactions == ()


@pytest.mark.parametrize("mood", ["drop", "lose"])
@in_a_loop
async def test_a_host_that_dies_in_mid_sale_hears_the_reversal_when_it_is_back(tmp_path, mood):
    async with shop(tmp_path) as s:
        s.mood(Mood(mood, only="02"))
        key = await s.charge(2500)
        await s.present("good")
        await s.host_until(lambda books: books.transactions)
        await s.stop_host()
        payment = await s.until_payment(key, lambda payment: payment["state"] == "reversal due")
        assert payment["reason"] == "98"
        with pytest.raises(Refused, match="no_link"):
            await s.charge(100)
        await s.start_host()
        assert (await s.until_final(key))["state"] == "reversed"
        await s.take_card()
        s.mood(Mood())
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()
        assert s.balance_of("good") == OPENING_BALANCE - 700


@in_a_loop
async def test_no_sale_before_the_reversal_is_answered(tmp_path):
    async with shop(tmp_path, reply_timeout_s=0.3) as s:
        s.mood(Mood("lose", times=1))
        key = await s.charge(2500)
        with effects_of(s) as effects:
            await s.present("good")
            assert (await s.until_final(key))["state"] == "reversed"
        assert sent_types(effects) == ["0200", "0400"]
        await s.prove()


@in_a_loop
async def test_a_restarted_host_still_knows_the_keys(tmp_path):
    async with shop(tmp_path) as s:
        await s.sell_by_card(2500)
        with effects_of(s) as effects:
            await s.stop_host()
            await s.until(lambda view: view["session"]["state"] == "down")
            await s.start_host()
            await s.until_ready()
            assert (await s.sell_by_card(2500))["state"] == "approved"
        assert sent_types(effects) == ["0820", "0200"]
        await s.prove()


@in_a_loop
async def test_an_order_to_sign_on_is_obeyed_between_two_payments(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        await _host_command(s, "sign-on")
        with effects_of(s) as effects:
            await s.present("good")
            assert (await s.until_final(key))["state"] == "approved"
            await s.until_ready()
        steps = [_record_or_mti(effect) for effect in effects]
        assert steps.index("Completed") < steps.index("0800")
        await s.take_card()
        with effects_of(s) as effects:
            assert (await s.sell_by_card(700))["state"] == "approved"
        assert sent_types(effects) == ["0200"]
        await s.prove()


async def _host_command(s: Shop, command: str) -> None:
    """`tillgate host terminal command …`, against the running host."""
    words = ["terminal", "command", TERMINAL, command, "--data", str(s.folder / "host")]
    await asyncio.to_thread(host_commands, words, standalone_mode=False)


# --- the issuer -------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_a_silent_issuer_is_an_answer_in_time_and_no_money(tmp_path):
    async with shop(tmp_path, channel_timeout_s=0.2) as s:
        s.mood(Mood("drop", times=1))
        payment = await s.sell_by_card(2500)
        assert (payment["state"], payment["response_code"]) == ("declined", "98")
        await s.prove()
        assert s.balance_of("good") == OPENING_BALANCE


@in_a_loop
async def test_a_late_issuer_is_too_late(tmp_path):
    async with shop(tmp_path, channel_timeout_s=0.2) as s:
        s.mood(Mood("delay", times=1, delay_s=0.4))
        payment = await s.sell_by_card(2500)
        assert (payment["state"], payment["response_code"]) == ("declined", "98")
        await s.host_until(lambda books: books.events)
        await s.prove(events=["late approval reversed"])
        assert s.balance_of("good") == OPENING_BALANCE


@pytest.mark.parametrize(("card", "state", "kind"), [
    ("good", "approved", "issuer contradicts itself"), ("lost", "declined", "late approval reversed"),
])  # fmt: skip
@in_a_loop
async def test_the_first_word_of_an_issuer_that_contradicts_itself_counts(tmp_path, card, state, kind):
    async with shop(tmp_path) as s:
        s.mood(Mood("contradict", times=1))
        assert (await s.sell_by_card(2500, card=card))["state"] == state
        await s.host_until(lambda books: books.events)
        await s.prove(events=[kind])


@in_a_loop
async def test_an_issuer_that_repeats_itself_is_heard_once(tmp_path):
    async with shop(tmp_path) as s:
        s.mood(Mood("duplicate"))
        sale = await s.sell_by_card(2500)
        await s.refund(sale["key"], 1000)
        await s.prove()
        assert s.balance_of("good") == OPENING_BALANCE - 1500


@in_a_loop
async def test_a_refund_that_the_issuer_never_heard_of_is_asked_for_again(tmp_path):
    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        s.mood(Mood("lose"))
        back = asyncio.create_task(s.refund(sale["key"], 1000))
        await s.host_until(lambda books: len(books.transactions) == 2)
        await s.stop_host()
        s.mood(Mood())
        await s.start_host()
        assert (await back)["state"] == "approved"
        await s.prove()
        assert s.balance_of("good") == OPENING_BALANCE - 1500


# --- deaths of the terminal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scan", [False, True])
@in_a_loop
async def test_a_terminal_may_die_after_every_effect_of_a_sale(tmp_path, scan):
    async with shop(tmp_path) as s:
        sale = lambda: s.sell_by_code(2500, _fresh_code(s)) if scan else s.sell_by_card(2500)  # noqa: E731
        with effects_of(s) as effects:
            await sale()
        count = len(effects) - 1  # of the last, SlipPrinted's record, nothing follows
        assert {type(effect) for effect in effects} >= {Persist, Send, Print} | (set() if scan else {CompleteCard})
        for number in range(count):
            countdown = iter(range(number, -1, -1))
            s.kill_after = lambda _, countdown=countdown: next(countdown) == 0  # type: ignore[misc]
            with pytest.raises(Killed):
                await sale()
            await s.has_crashed()
            await s.take_card()
            await s.restart_terminal()
            await s.prove()
        ends = [payment.state for payment in s.all_payments()]
        assert ends[0] == "approved"
        assert {"cancelled", "reversed", "approved"} == set(ends[1:])


def _fresh_code(s: Shop) -> str:
    return f"6288{len(s.all_payments()):015d}"


# --- paper and disk ---------------------------------------------------------------------------------------------------


@in_a_loop
async def test_without_paper_the_sale_stands_and_its_receipt_is_due(tmp_path):
    async with shop(tmp_path) as s:
        s.printer.run_out_of_paper()
        key = await s.charge(2500)
        await s.present("good")
        view = await s.until(lambda view: view["notice"] and view["notice"]["reason"] == "printer_paper_out")
        assert (s.payment(key)["state"], s.payment(key)["receipt_due"]) == ("approved", True)
        assert [payment["key"] for payment in view["open"]] == [key]
        await s.take_card()
        await s.printer.load_paper()
        await s.until_final(key)
        assert s.runner.view()["notice"] is None
        assert len(s.slips) == 2 and not any("DUPLICATED" in slip for slip in s.slips)
        s.reprint(key)
        await s.printer.wait_for(4)
        assert all(slip.count("****重打印/DUPLICATED****") == 2 for slip in s.slips[2:])
        await s.prove()


@in_a_loop
async def test_a_journal_that_cannot_be_written_refuses_sales_until_it_can(tmp_path):
    async with shop(tmp_path) as s:
        await s.sell_by_card(700)
        s.journal_writable(False)
        with effects_of(s) as effects, pytest.raises(Refused, match="journal_unwritable"):
            await s.charge(2500)
        assert effects == []
        with pytest.raises(Refused, match="journal_unwritable"):
            await s.charge(2500)
        s.journal_writable(True)
        await s.until_ready()
        assert (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@pytest.mark.parametrize("at", ["Sent", "Answered", "Completed"])
@in_a_loop
async def test_a_disk_that_fails_in_mid_sale_loses_and_doubles_nothing(tmp_path, at):
    async with shop(tmp_path) as s:
        names: list[str] = []

        def fail_before(effect: Effect) -> None:
            """Records come in a known order: make the disk fail after the one before."""
            names.append(type(effect.record).__name__ if isinstance(effect, Persist) else "")
            if names[-1] == {"Sent": "Started", "Answered": "Sent", "Completed": "Answered"}[at]:
                s.journal_writable(False)

        s.on_effect = fail_before
        await s.charge(2500)
        await s.present("good")
        await s.until(lambda view: view["refusal"] == "journal_unwritable")
        assert at not in names
        s.on_effect = lambda _: None
        await s.take_card()
        s.journal_writable(True)
        await s.until_ready()
        await s.prove()
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()
        assert s.balance_of("good") == OPENING_BALANCE - 700


@in_a_loop
async def test_a_full_disk_refuses_sales_and_keeps_every_sale_before(tmp_path):
    async with shop(tmp_path) as s:
        s.journal_pages_left(2)
        with suppress(Refused):  # the disk may end with the first record of a sale, or later
            while s.runner.view()["refusal"] != "journal_unwritable":
                key = await s.charge(100)
                s.scan(_fresh_code(s))
                await s.until(partial(_is_over, s, key))
        assert s.runner.view()["refusal"] == "journal_unwritable"
        s.journal_pages_left(1000)
        await s.until_ready()
        await s.prove()
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()


def _is_over(s: Shop, key: str, view: View) -> bool:
    """The sale has ended and its slip is out, or the disk has ended it."""
    unwritable: bool = view["refusal"] == "journal_unwritable"
    return unwritable or (s.payment(key)["final"] and not s.payment(key)["receipt_due"])


@in_a_loop
async def test_too_little_room_on_the_disk_is_said_before_the_card_is_asked_for(tmp_path):
    async with shop(tmp_path, settings="[limits]\njournal_free_bytes_min = 1_000_000_000_000_000_000") as s:
        with pytest.raises(Refused, match="journal_full"):
            await s.charge(2500)
