"""`tillgate sim …`: run what stands around terminal and host, one simulator at a time."""

from pathlib import Path
from typing import Annotated

import typer

from simulators.cards.commands import app as card_app
from simulators.drill.commands import outage
from simulators.wallet.commands import app as wallet_app

app = typer.Typer(
    no_args_is_help=True,
    help="模拟器 · Everything outside: issuer, devices, the seeded world.\n\n"
    "例 / Example: tillgate sim issuer --data ./issuer",
)

app.add_typer(card_app, name="card")
app.add_typer(wallet_app, name="wallet")
app.command()(outage)

Data = Annotated[Path, typer.Option("--data", help="目录 · Its folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]


@app.command()
def issuer(
    data: Data,
    port: Annotated[int, typer.Option(help="主机接入端口 · Port for the host; 0: any free one.")] = 9800,
    control_port: Annotated[int, typer.Option(help="控制端口 · Port for moods; 0: any free one.")] = 9801,
    as_json: Json = True,  # noqa: ARG001 - its one line says both ports, and is JSON anyway
) -> None:
    """运行模拟发卡行 · Run the issuer twin until Ctrl-C: accounts, PINs, chip keys, payment codes, moods.

    例 / Example: tillgate sim issuer --data ./issuer --port 9800
    """
    import asyncio

    from simulators.issuer_process import serve

    asyncio.run(serve(data, port, control_port))


@app.command()
def counter(
    data: Data,
    page_port: Annotated[int, typer.Option(help="页面端口 · Port of the page.")] = 8701,
    reader_port: Annotated[int, typer.Option(help="读卡器端口 · Where the terminal's card reader listens.")] = 9802,
    contactless_port: Annotated[
        int, typer.Option(help="挥卡读卡器端口 · Where the terminal's contactless reader listens.")
    ] = 9804,
    printer_port: Annotated[int, typer.Option(help="打印机端口 · Port of the printer.")] = 9803,
    cashier: Annotated[str, typer.Option(help="收银页面地址 · Address of the cashier's page, to link to.")] = "",
    bank: Annotated[Path | None, typer.Option(help="主机目录，供手机联网 · Host's folder, for the phone.")] = None,
    bank_control_port: Annotated[int, typer.Option(help="发卡行控制端口 · The issuer's control port.")] = 9801,
    as_json: Json = False,
) -> None:
    """运行柜台设备 · Run the devices of one counter and their page until Ctrl-C.

    The PIN pad's master key is read from pin_pad_master.hex in the folder: 32 hexadecimal digits.

    例 / Example: tillgate sim counter --data ./counter
    """
    import asyncio
    import json

    from simulators.counter.devices import Places
    from simulators.counter.process import CounterError, pad_key, serve
    from simulators.wallet.issuing import phone_online

    def on_ready() -> None:
        facts = {"ready": True, "page": f"http://127.0.0.1:{page_port}/", "printer_port": printer_port}
        typer.echo(json.dumps(facts) if as_json else f"devices at {facts['page']}")

    try:
        places = Places(data, reader_port, contactless_port, printer_port)
        asyncio.run(serve(places, page_port, pad_key(data), cashier, on_ready, phone_online(bank, bank_control_port)))
    except CounterError as error:
        raise typer.TyperException(str(error)) from None


@app.command()
def world(
    seed: Annotated[int, typer.Option(help="种子 · The seed: the whole of a world.")],
    trace: Annotated[bool, typer.Option("--trace", help="逐行叙述 · Tell what happens, line by line.")] = False,
    as_json: Json = False,
) -> None:
    """重放一个模拟世界 · Run one seeded world again: a shop, its host, its issuer, and all that goes wrong there.

    例 / Example: tillgate sim world --seed 343 --trace
    """
    import json

    from simulators.engine import Trace
    from simulators.shop import world_folder
    from simulators.world import run_world

    with world_folder() as folder:
        outcome = run_world(seed, folder, Trace(typer.echo if trace else None))
    complaints = [str(finding) for finding in outcome.findings]
    facts = {"seed": seed, "trace": outcome.digest, "complaints": complaints}
    typer.echo(json.dumps(facts) if as_json else f"seed {seed}: trace {outcome.digest}, {len(complaints)} complaints")
    if complaints:
        raise typer.TyperException(f"seed {seed} breaks what must hold: {complaints[0]}")
