"""`tillgate sim outage`: practise an outage."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulators.drill.telling import Report, Teller
    from simulators.tour.setting_up import Shop

UNITS_S = {"s": 1, "m": 60, "h": 3600}
DURATION_S_MIN, DURATION_S_MAX = 10, 86_400

def seconds_of(text: str) -> int:
    """What ``90s``, ``20m`` or ``2h`` is in seconds. Raises BadParameter."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    seconds = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not DURATION_S_MIN <= seconds <= DURATION_S_MAX:
        raise typer.BadParameter(f"{text} 不是 10s 到 24h 的时长 / is none from 10s to 24h, such as 90s, 20m, 2h")
    return seconds



def outage(
    duration: Annotated[str, typer.Argument(help="时长 · How long: 90s, 20m, 2h.")] = "20m",
    people: Annotated[
        bool, typer.Option("--people", help="由人在页面上收款 · People sell on the page; else a scripted cashier does.")
    ] = False,
    paper: Annotated[bool, typer.Option("--paper", help="途中缺纸 · The printer runs out of paper, too.")] = False,
    data: Annotated[Path | None, typer.Option("--data", help="目录 · A folder to keep; else a new one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="机器可读 · One line of JSON at the end.")] = False,
) -> None:
    """断网演练 · Practise an outage: line, broker and host die and come back by a script, while somebody sells.

    A shop of its own, with its own bank: no money is real, and pages and slips say so. At the end all books are
    compared; exit code 1 if a sale was lost or booked twice, or if the drill did not come to its end.

    例 / Example: tillgate sim outage 20m --people
    """
    import asyncio
    import json
    import tempfile

    from rich.console import Console

    from host_switch.broker_files import BrokerFilesError
    from host_switch.certificates import CertificateError
    from host_switch.keys import KeyRoomError
    from host_switch.start import HostError
    from host_switch.store import StoreError
    from simulators.drill.rehearsal import DrillError, prepare
    from simulators.drill.telling import Teller
    from simulators.tour.setting_up import reserved_ports
    from simulators.tour.shop import until_told_to_stop
    from simulators.wallet import WalletError

    seconds = seconds_of(duration)
    folder = (data or Path(tempfile.mkdtemp(prefix="tillgate-drill-"))).resolve()
    teller, reports = Teller(Console(quiet=as_json, highlight=False), seconds), list["Report"]()
    with reserved_ports() as ports:
        try:
            shop = prepare(folder, ports, seconds)
        except (
            BrokerFilesError, CertificateError, DrillError, HostError, KeyRoomError, StoreError, WalletError,
        ) as error:  # fmt: skip
            raise typer.TyperException(str(error)) from None
        work = _hold(shop, teller, reports, seconds, people=people, paper=paper)
        asyncio.run(until_told_to_stop(work))
    ok = bool(reports) and reports[0].ok
    if as_json:
        facts = reports[0].as_facts() if reports else {}
        typer.echo(json.dumps({"ok": ok, "seconds": seconds, "folder": str(folder), **facts}, ensure_ascii=False))
    if not ok:
        raise typer.Exit(1)


async def _hold(
    shop: "Shop", teller: "Teller", reports: "list[Report]", seconds: int, *, people: bool, paper: bool
) -> None:
    from simulators.drill.rehearsal import rehearse
    from simulators.drill.script import script
    from simulators.tour.browser import PageError
    from simulators.tour.people import NotSeen
    from simulators.tour.processes import ProcessFailed
    from simulators.tour.shop import open_shop

    acts = script(frozenset(part.name for part in shop.parts), paper_runs_out=paper)
    teller.opening(shop, acts)
    try:
        async with open_shop(shop, teller.started, teller.restarted) as running:
            teller.yours(shop, people=people)
            reports.append(await rehearse(running, acts, seconds, teller, people=people))
            teller.reported(reports[0])
    except (NotSeen, PageError, ProcessFailed) as error:
        teller.failed(str(error))
