"""An outage longer than a batch, with real devices, real sockets and a host that is stopped and started."""

from pathlib import Path

import pytest

from terminal.events import SaleRequested
from terminal.records import Answered, BatchClosed, BatchParked, Key, Printed, Record, SettleAnswered, SettleStarted
from tests.in_a_loop import in_a_loop
from tests.shop.rig import OPENING_BALANCE, Shop, View, shop
from tests.shop.test_offline import cut, sold

SETTINGS = (
    "[limits]\nbatch_count_max = 2\n[offline]\nsale_amount_max = 5000\ntotal_amount_max = 90000\n"
    "card_count_max = 50\ncard_amount_max = 90000\n"
)


def drained(view: View) -> bool:
    return not view["parked"]["batches"] and all(payment["final"] for payment in view["payments"])


def closed_in_order(s: Shop) -> list[str]:
    return [record.batch for record in s.journal_records() if isinstance(record, BatchClosed)]


@in_a_loop
async def test_three_batches_are_parked_and_brought_to_the_bank_in_order(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        keys = [await sold(s, 1000 + number) for number in range(7)]
        view = s.runner.view()
        assert (view["batch"], view["parked"]["batches"], view["offline"]["owed_amount"]) == ("000004", 3, 7021)
        await s.start_host()
        await s.until_ready()
        await s.until(drained)
        assert closed_in_order(s) == ["000001", "000002", "000003"]
        assert [batch.balanced for batch in s.books().batches] == [True, True, True]
        assert s.balance_of("offline") == OPENING_BALANCE - 7021
        assert (await s.refund(keys[0], 500))["state"] == "approved"
        s.reprint(keys[1])
        await s.until(lambda _: Printed(Key.parse(keys[1]), 0, True) in [_timeless(r) for r in s.journal_records()])
        assert (await s.settle())["balanced"]
        assert (await s.sell_by_card(300))["batch"] == "000005"
        await s.prove()


@in_a_loop
async def test_a_card_takes_its_part_once_and_not_once_of_every_batch(tmp_path: Path) -> None:
    settings = "[limits]\nbatch_count_max = 1\n[offline]\nsale_amount_max = 5000\ncard_count_max = 3\n"
    async with shop(tmp_path, settings=settings) as s:
        await cut(s)
        for number in range(3):
            await sold(s, 1000 + number)
        assert s.runner.view()["parked"]["batches"] == 2
        key = await s.charge(500, offline=True)
        await s.present("offline", pin="")
        payment = await s.until_final(key)
        await s.take_card()
        assert (payment["state"], payment["reason"]) == ("cancelled", "offline_card_used_3_3003")
        await s.start_host()
        await s.until_ready()
        await s.until(drained)
        assert s.balance_of("offline") == OPENING_BALANCE - 3003
        await s.prove()


def _timeless(record: Record) -> Record:
    return Printed(record.key, 0, record.duplicate) if isinstance(record, Printed) else record


@in_a_loop
async def test_new_sales_go_on_while_parked_batches_are_drained(tmp_path: Path) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        for number in range(3):
            await sold(s, 1000 + number)
        await s.start_host()
        await s.until_ready()
        assert (await s.sell_by_card(300))["state"] == "approved"
        await s.until(drained)
        assert (await s.settle())["balanced"]
        await s.prove()


@pytest.mark.parametrize("record", [BatchParked, Answered, SettleStarted, SettleAnswered, BatchClosed])
@in_a_loop
async def test_a_terminal_that_dies_in_the_midst_of_it_goes_on(tmp_path: Path, record: type[Record]) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        for number in range(4):
            await sold(s, 1000 + number)
        s.crash_at_record(record)
        if record is BatchParked:
            s.post(SaleRequested("fifth", 1004, "01", offline=True))
        else:
            await s.start_host()
        await s.has_crashed()
        if record is BatchParked:
            await s.start_host()
        await s.restart_terminal()
        await s.until(drained)
        await s.prove()
