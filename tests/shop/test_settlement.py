"""Closing the batch, balanced and not."""

import sqlite3

import pytest

from terminal.events import SettleRequested
from terminal.records import BatchClosed, SettleAnswered, SettleStarted, Started
from tests.in_a_loop import in_a_loop
from tests.shop.rig import Refused, Shop, shop

CODE = "6288123456789012345"


@in_a_loop
async def test_a_day_that_balances(tmp_path):
    async with shop(tmp_path) as s:
        first = await s.sell_by_card(2500)
        await s.sell_by_code(1000, CODE)
        await s.sell_by_card(700, card="lost")
        await s.void(first["key"])
        last = await s.settle()
        assert (last["balanced"], last["net"]) == (True, 1000)
        slip = (await s.printer.wait_for(7))[-1].sheet.text
        assert "对账平" in slip and "NOT BALANCED" not in slip
        assert "35.00" in slip and "-25.00" in slip
        (batch,) = s.books().batches
        assert batch.balanced and batch.closed_at is not None
        assert (await s.sell_by_card(300))["batch"] == "000002"
        await s.prove()


@in_a_loop
async def test_an_empty_day(tmp_path):
    async with shop(tmp_path) as s:
        assert (await s.settle())["balanced"] is True
        assert (await s.settle())["batch"] == "000002"
        await s.prove()


@in_a_loop
async def test_a_terminal_that_lost_a_sale_does_not_balance(tmp_path):
    async with shop(tmp_path) as s:
        await s.sell_by_card(2500)
        kept = s.runner.journal.verify().rows
        await s.sell_by_card(1700)
        await s.stop_terminal()
        _forget_after(s, kept)
        await s.restart_terminal()
        assert (await s.settle())["balanced"] is False
        slip = (await s.printer.wait_for(5))[-1].sheet.text
        assert "对账不平" in slip and "NOT BALANCED" in slip
        await s.prove(balanced=False, events=["batch unbalanced", "approved but not uploaded"])
        assert s.books().events[1].text == "1"
        assert (await s.sell_by_card(300))["batch"] == "000002"


@in_a_loop
async def test_many_details_go_up_in_parts(tmp_path):
    async with shop(tmp_path) as s:
        for sale in range(10):
            await s.sell_by_code(100 + sale, f"62881234567890123{sale:02d}")
        kept = s.runner.journal.verify().rows
        await s.sell_by_card(1700)
        await s.stop_terminal()
        _forget_after(s, kept)
        await s.restart_terminal()
        assert (await s.settle())["balanced"] is False
        await s.prove(balanced=False, events=["batch unbalanced", "approved but not uploaded"])


@in_a_loop
async def test_no_settlement_while_a_payment_is_open(tmp_path):
    async with shop(tmp_path) as s:
        await s.charge(2500)
        with pytest.raises(Refused, match="payments_open"):
            await s.settle()


@pytest.mark.parametrize("record", [SettleStarted, SettleAnswered, BatchClosed])
@in_a_loop
async def test_a_settlement_survives_the_death_of_both_sides(tmp_path, record):
    async with shop(tmp_path) as s:
        await s.sell_by_card(2500)
        s.crash_at_record(record)
        s.post(SettleRequested("01"))
        await s.has_crashed()
        await s.stop_host()
        await s.start_host()
        await s.restart_terminal()
        view = await s.until(lambda view: view["settlement"]["last"])
        assert view["settlement"]["last"]["balanced"] is True
        await s.prove()


def _forget_after(s: Shop, row: int) -> None:
    """Take the last records out of the journal, as a disk that lied about its writes does."""
    assert isinstance(next(record for index, record in enumerate(s.journal_records(), 1) if index == row + 1), Started)
    with sqlite3.connect(s.folder / "terminal" / "journal.db") as journal:
        journal.execute("DROP TRIGGER records_remain")
        journal.execute("DELETE FROM records WHERE sequence > ?", (row,))
    journal.close()
