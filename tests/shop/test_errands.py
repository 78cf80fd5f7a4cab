"""What the host's operators ask of a terminal, through every real part: parameters and status."""

from host_switch.events import CommandGiven, ParametersGiven
from iso8583.unionpay_fields.field62 import Parameters62
from tests.in_a_loop import in_a_loop
from tests.shop.rig import TERMINAL, shop

NAME = "新光便利店"


@in_a_loop
async def test_parameters_are_fetched_after_the_sale_and_stand_on_the_next_slip_and_after_a_restart(tmp_path):
    async with shop(tmp_path) as s:
        await s.host.ask(ParametersGiven(TERMINAL, Parameters62(20, NAME)))
        key = await s.charge(2500)
        assert s.runner.view()["terminal"]["merchant_zh"] == "晨光便利店"
        await s.present("good")
        assert (await s.until_final(key))["state"] == "approved"
        await s.take_card()
        await s.until(lambda view: view["terminal"]["merchant_zh"] == NAME and not view["session"]["orders"])
        await s.host_until(lambda books: books.terminals[0].command == "0")
        assert (await s.sell_by_card(100))["state"] == "approved"
        assert NAME in s.slips[-1] and "晨光便利店" not in s.slips[-1]
        await s.stop_terminal()
        await s.restart_terminal()
        terminal = s.runner.view()["terminal"]
        assert (terminal["merchant_zh"], terminal["reply_timeout_s"]) == (NAME, 20.0)
        await s.prove()


@in_a_loop
async def test_status_is_told_when_the_host_asks(tmp_path):
    async with shop(tmp_path) as s:
        await s.until(lambda view: all(device["state"] == "ready" for device in view["devices"].values()))
        await s.host.ask(CommandGiven(TERMINAL, "2"))
        await s.sell_by_code(2500, "6288123456789012345")
        books = await s.host_until(lambda books: books.terminals[0].command == "0")
        assert books.events[0].text == "PIN pad works, card reader works, printer works, waits 10 s"
        await s.prove(events=["terminal status"])
