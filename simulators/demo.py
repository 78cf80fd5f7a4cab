"""`tillgate demo`: the whole shop on this machine, a tour through it, and then it is yours."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from host_switch.broker_files import BrokerFilesError
from host_switch.certificates import CertificateError
from host_switch.keys import KeyRoomError
from host_switch.start import HostError
from host_switch.store import StoreError
from simulators import broker, pcscd
from simulators.tour.browser import PageError
from simulators.tour.checks import Books, checks
from simulators.tour.guide import Guide
from simulators.tour.people import NotSeen
from simulators.tour.processes import ProcessFailed
from simulators.tour.setting_up import Shop, reserved_ports, set_up
from simulators.tour.shop import RunningShop, open_shop, until_told_to_stop
from simulators.tour.steps import STEPS
from simulators.wallet import WalletError

app = typer.Typer()


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="游览后退出 · Leave after the tour; 1 if it failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="机器可读 · One line of JSON after the tour.")] = False,
    with_pcscd: Annotated[
        bool, typer.Option("--pcscd", help="卡经真实的 pcscd 读取 · Both card readers behind a real pcscd of its own.")
    ] = False,
    data: Annotated[Path | None, typer.Option("--data", help="目录 · A folder to keep; else a new one.")] = None,
) -> None:
    """整家店跑起来 · The whole shop on this machine: issuer, host, terminal, devices, and two pages to work them.

    A tour sells, declines, voids, refunds, runs out of paper, kills the host in mid-sale and settles. Then everything
    stays running, with the addresses to open, until Ctrl-C.

    例 / Example: tillgate demo --once
    """
    if with_pcscd and (reason := pcscd.missing()):
        raise typer.TyperException(reason)
    folder = (data or Path(tempfile.mkdtemp(prefix="tillgate-"))).resolve()
    guide = Guide(Console(quiet=as_json, highlight=False))
    with reserved_ports() as ports:
        try:
            shop = set_up(folder, ports, with_pcscd=with_pcscd, with_broker=broker.available(), with_line=True)
        except (
            BrokerFilesError, CertificateError, HostError, KeyRoomError, StoreError, WalletError,
        ) as error:  # fmt: skip
            raise typer.TyperException(str(error)) from None
        guide.opening(shop)
        asyncio.run(until_told_to_stop(_keep_shop(shop, guide, once=once, as_json=as_json)))
        guide.closing(shop)
    if not guide.ok:
        raise typer.Exit(1)


async def _keep_shop(shop: Shop, guide: Guide, *, once: bool, as_json: bool) -> None:
    try:
        async with open_shop(shop, guide.started, guide.restarted) as running:
            await _walk(running, guide)
            if as_json:
                _tell(guide.summary(shop, running.numbers))
            if not once:
                guide.yours(shop, running.numbers)
                await asyncio.Event().wait()
    except ProcessFailed as failure:
        guide.failed(str(failure))
        if as_json:
            _tell(guide.summary(shop, {}))


def _tell(summary: dict[str, Any]) -> None:
    print(json.dumps(summary, ensure_ascii=False), flush=True)


async def _walk(running: RunningShop, guide: Guide) -> None:
    """Walk the tour, then prove what must hold after it."""
    tour = running.tour()
    before = await Books.now(running.shop, tour.banker)
    with guide.touring():
        for step in STEPS:
            guide.begins(step)
            try:
                guide.done(step, await step.walk(tour))
            except (NotSeen, PageError) as error:
                guide.failed_at(step, str(error))
                return
    after = await Books.now(running.shop, tour.banker)
    guide.checked(await checks(running.shop, before, after, tour.totals))
