"""Devices that fail in the middle of a sale."""

import pytest

from terminal.events import DrawerRequested
from terminal.key_store import KeyStore
from terminal.records import DrawerOpened
from tests.in_a_loop import in_a_loop
from tests.shop.rig import Refused, View, shop


def pin_is_asked_for(view: View) -> bool:
    return bool(view["current"]) and view["current"]["stage"] == "pin"


@in_a_loop
async def test_whoever_pulls_the_pin_pads_plug_does_not_pay_by_signature(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        await s.present("good", pin="")
        await s.until(pin_is_asked_for)
        s.pin_pad.unplug()
        payment = await s.until_final(key)
        assert (payment["state"], payment["reason"]) == ("cancelled", "pin_pad_failed")
        await s.take_card()
        again = await s.sell_by_card(2500, pin="")
        assert (again["state"], again["reason"]) == ("cancelled", "pin_pad_failed")
        assert s.books().transactions == ()
        await s.until(lambda view: view["devices"]["pin_pad"]["reason"] == "unplugged")
        s.pin_pad.replug()
        await s.until(lambda view: view["devices"]["pin_pad"]["state"] == "ready")
        assert (await s.sell_by_card(2500))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_customer_who_presses_enter_without_a_pin_signs(tmp_path):
    async with shop(tmp_path) as s:
        key = await s.charge(2500)
        s.pin_pad.script(["enter"])
        await s.present("good", pin="")
        payment = await s.until_final(key)
        assert (payment["state"], payment["signature"]) == ("approved", True)
        assert "持卡人签名 CARDHOLDER SIGNATURE" in s.slips[0]
        await s.prove()


@in_a_loop
async def test_a_slip_that_broke_off_is_printed_again_as_a_duplicate(tmp_path):
    async with shop(tmp_path) as s:
        s.printer.drop_connection_after(300)
        key = await s.charge(2500)
        await s.present("good")
        view = await s.until(lambda view: view["notice"])
        assert view["notice"] == {"reason": "printer_connection_lost", "key": key}
        assert s.payment(key)["state"] == "approved" and s.payment(key)["receipt_due"]
        await s.take_card()
        s.reprint(key)
        await s.until_final(key)
        whole = [slip.sheet.text for slip in s.printer.slips if slip.sheet.complete]
        assert len(whole) == 2
        assert all("DUPLICATED" in text for text in whole)
        await s.prove()


@in_a_loop
async def test_paper_that_ends_within_a_slip_leaves_the_receipt_due(tmp_path):
    async with shop(tmp_path) as s:
        s.printer.run_out_of_paper(after_dots=400)
        key = await s.charge(2500)
        await s.present("good")
        await s.until(lambda view: view["notice"] and view["notice"]["reason"] == "printer_paper_out")
        await s.take_card()
        await s.printer.load_paper()
        s.reprint(key)
        await s.until_final(key)
        assert [slip.sheet.complete for slip in s.printer.slips] == [False, True, True]
        await s.prove()


@in_a_loop
async def test_an_unplugged_scanner_leaves_the_card(tmp_path):
    async with shop(tmp_path) as s:
        s.scanner.unplug()
        await s.until(lambda view: view["devices"]["scanner"]["reason"] == "unplugged")
        assert (await s.sell_by_card(2500))["state"] == "approved"
        s.scanner.replug()
        await s.until(lambda view: view["devices"]["scanner"]["state"] == "ready")
        assert (await s.sell_by_code(100, "6288123456789012345"))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_terminal_with_another_master_key_takes_no_sale_and_says_why(tmp_path):
    async with shop(tmp_path) as s:
        await s.stop_terminal()
        (tmp_path / "terminal" / "vault.json").unlink()
        KeyStore.create(tmp_path / "terminal" / "vault.json", bytes(range(16)))
        await s.restart_terminal(ready=False)
        view = await s.until(lambda view: view["session"]["state"] == "refused")
        assert view["session"]["refusal"] == "keys_wrong"
        with pytest.raises(Refused, match="no_link"):
            await s.charge(2500)


@in_a_loop
async def test_the_drawer_opens_when_that_is_written_and_between_two_slips(tmp_path):
    async with shop(tmp_path, devices="cash_drawer = true\n") as s:
        await s.sell_by_card(2500)
        s.post(DrawerRequested("01", "change"))
        await s.until(lambda _: s.printer.drawer_kicks == 1)
        assert DrawerOpened in [type(record) for record in s.journal_records()]
        await s.sell_by_card(2500)
        assert s.printer.drawer_kicks == 1
        await s.prove()


@in_a_loop
async def test_a_drawer_whose_printer_is_dead_is_said_to_be_stuck(tmp_path):
    async with shop(tmp_path, devices="cash_drawer = true\n") as s:
        await s.printer.lose_power()
        s.post(DrawerRequested("01", "count"))
        view = await s.until(lambda view: view["notice"])
        assert view["notice"]["reason"] == "drawer_stuck"
        await s.printer.restore_power()
        await s.prove()
