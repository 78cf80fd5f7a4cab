"""What the host's operators ask of a terminal, through every real part: parameters, status, downloads."""

from pathlib import Path

import pytest

from host_switch.download_files import items_of
from host_switch.events import CommandGiven, DownloadGiven, ParametersGiven, TerminalRegistered
from host_switch.records import Download
from iso8583.unionpay_fields.field62 import Parameters62
from simulators.cards import DOWNLOADS
from terminal.effects import KeepDownload, Send
from tests.in_a_loop import in_a_loop
from tests.shop.rig import MASTER_KEY, MERCHANT, TERMINAL, Shop, shop

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
        own = ("pin_pad", "card_reader", "printer")
        await s.until(lambda view: all(view["devices"][name]["state"] == "ready" for name in own))
        await s.host.ask(CommandGiven(TERMINAL, "2"))
        await s.sell_by_code(2500, "6288123456789012345")
        books = await s.host_until(lambda books: books.terminals[0].command == "0")
        assert books.events[0].text == "PIN pad works, card reader works, printer works, waits 10 s"
        await s.prove(events=["terminal status"])


# --- downloads --------------------------------------------------------------------------------------------------------


async def laid_down(s: Shop) -> None:
    """The host serves what the demo serves, and asks for it as it asks a new terminal."""
    for kind, file in DOWNLOADS.items():
        await s.host.ask(DownloadGiven(Download(kind, items_of(kind, file.read_text("utf-8")))))
    await s.host.ask(TerminalRegistered(TERMINAL, MERCHANT, MASTER_KEY))


async def fetched(s: Shop) -> None:
    """The terminal starts, and has fetched all that the host asks for."""
    await s.stop_terminal()
    await s.restart_terminal()
    await s.host_until(lambda books: not books.terminals[0].commands)


async def refused_in_the_slot(s: Shop, card: str) -> str:
    """Why a card pays for nothing."""
    await s.present(card)
    view = await s.until(lambda view: view["current"] is None and view["notice"])
    await s.take_card()
    return str(view["notice"]["reason"])


def files(s: Shop) -> list[Path]:
    return sorted((s.folder / "terminal").glob("*.download"))


@in_a_loop
async def test_downloads_are_fetched_after_the_sign_on_serve_at_once_and_after_a_restart(tmp_path):
    async with shop(tmp_path) as s:
        assert (await s.sell_by_card(2500, card="black_listed"))["state"] == "approved"
        await laid_down(s)
        await fetched(s)
        assert [file.stem for file in files(s)] == ["applications", "black_list", "ca_keys"]
        await s.charge(2500)
        assert await refused_in_the_slot(s, "black_listed") == "card_declined_by_terminal"
        await s.stop_terminal()
        await s.restart_terminal()
        await s.charge(2500)
        assert await refused_in_the_slot(s, "black_listed") == "card_declined_by_terminal"
        assert (await s.sell_by_card(700, card="golden"))["state"] == "approved"
        assert not s.runner.view()["session"]["orders"]
        await s.prove()


@in_a_loop
async def test_file_that_was_changed_is_shown_and_fetched_again(tmp_path):
    async with shop(tmp_path) as s:
        await laid_down(s)
        await fetched(s)
        await s.stop_terminal()
        black_list = files(s)[1]
        black_list.write_bytes(black_list.read_bytes()[:-3])
        await s.stop_host()
        await s.restart_terminal(ready=False)
        await s.until(lambda view: view["session"]["orders"] == ["black_list_refused"])
        await s.start_host()
        await s.until(lambda view: view["session"]["state"] == "ready" and not view["session"]["orders"])
        await s.charge(2500)
        assert await refused_in_the_slot(s, "black_listed") == "card_declined_by_terminal"
        await s.prove()


def _keeps(effect):
    return isinstance(effect, KeepDownload)


def _tells(effect):
    return isinstance(effect, Send) and effect.message.text(60)[8:11] == "391"


@in_a_loop
@pytest.mark.parametrize("moment", [_keeps, _tells])
async def test_terminal_that_dies_around_the_end_of_a_download_fetches_it_again(moment, tmp_path):
    async with shop(tmp_path) as s:
        await laid_down(s)
        s.kill_after = moment
        await s.stop_terminal()
        await s.restart_terminal(ready=False)
        await s.has_crashed()
        s.kill_after = lambda _: False
        await s.restart_terminal()
        await s.host_until(lambda books: not books.terminals[0].commands)
        assert len(files(s)) == 3 and not s.runner.view()["session"]["orders"]
        await s.prove()
