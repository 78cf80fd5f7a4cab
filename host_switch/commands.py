"""`tillgate host …`: run the acquirer's switch, register terminals, see ledger and events, prove the books."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from host_switch import queue_commands, signed_commands, wallet_commands
from host_switch.command_line import (
    Data,
    Json,
    TerminalId,
    books_of,
    in_one_sentence,
    merchants_of,
    require_terminal,
    tell,
)  # fmt: skip
from host_switch.download_files import MAXIMA
from host_switch.orders import COMMANDS
from host_switch.records import Presence, Telemetry

app = typer.Typer(
    no_args_is_help=True,
    help="收单主机 · The acquirer's host.\n\n例 / Example: tillgate host run --data ./host --issuer 127.0.0.1:9800",
)
terminal_app = typer.Typer(no_args_is_help=True, help="终端登记 · The terminals that this host knows.")
app.add_typer(terminal_app, name="terminal")
app.add_typer(queue_commands.app, name="queue")
app.add_typer(wallet_commands.app, name="wallet")
app.add_typer(signed_commands.issuer_app, name="code-issuer")
app.add_typer(signed_commands.user_app, name="code-user")
app.add_typer(signed_commands.list_app, name="code-list")

TERMINAL_ID_LENGTH, MERCHANT_ID_LENGTH, MASTER_KEY_BYTES = 8, 15, 16


@app.command()
def run(
    data: Data,
    issuer: Annotated[str, typer.Option(help="发卡行地址 · Where the issuer is, as HOST:PORT.")],
    port: Annotated[int, typer.Option(help="终端接入端口 · Port for terminals; 0: any free one.")] = 9700,
    listen: Annotated[str, typer.Option(help="监听地址 · Address to listen on.")] = "127.0.0.1",
    broker: Annotated[str, typer.Option(help="消息中间件地址 · Where the broker is, as HOST:PORT.")] = "",
    as_json: Json = False,
) -> None:
    """运行主机 · Run the host until Ctrl-C. One line says when terminals can connect.

    With certificates in its folder (tillgate host certificates) terminals speak TLS; without, only this machine's can.
    With --broker, offline sales and reversals also come through a broker set up by tillgate host broker-config.

    例 / Example: tillgate host run --data ./host --issuer 127.0.0.1:9800 --port 9700
    """
    from host_switch import start

    def on_ready(listening: int) -> None:
        tell({"ready": True, "listen": listen, "port": listening, "issuer": issuer, "broker": broker}, as_json)

    _log_to_stderr(as_json)
    with in_one_sentence():
        address, listening = start.Address.parse(issuer), start.Address(listen, port)
        courier = start.Address.parse(broker) if broker else None
        asyncio.run(start.run(data, listening, address, broker=courier, on_ready=on_ready))


def _log_to_stderr(as_json: bool) -> None:
    import structlog

    last = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), last],
        logger_factory=_StderrLogger,
    )


class _StderrLogger:
    """Writes log lines to standard error. A log that nobody can read (a closed pipe) must not stop the host."""

    def __init__(self, *_names: str) -> None:
        pass

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg


@app.command("zone-keys")
def give_zone_keys(
    data: Data,
    file: Annotated[Path, typer.Option(help='JSON: {"pin_key": 32 位, "mac_key": 32 位} · 32 hex digits each.')],
    as_json: Json = False,
) -> None:
    """灌入区域密钥 · Give the host the keys it shares with the issuer; the file is yours to destroy afterwards.

    例 / Example: tillgate host zone-keys --data ./host --file zone.json
    """
    from host_switch import start

    with in_one_sentence():
        joined = start.read_zone_keys(file)
        with start.opened_store(data, to_write=True) as store:
            store.put_secret(start.ZONE_KEYS, joined)
    tell({"zone_keys": "loaded"}, as_json)


@app.command("certificates")
def make_certificates(
    data: Data,
    name: Annotated[list[str], typer.Option(help="主机名或地址,可重复 · What terminals call the host; repeatable.")],
    as_json: Json = False,
) -> None:
    """制作证书 · Make the authority for terminals' certificates, once, and a new certificate for the host itself.

    From its next start on the host speaks mutual TLS only.

    例 / Example: tillgate host certificates --data ./host --name pos.example.com --name 10.0.0.5
    """
    from host_switch import certificates

    with in_one_sentence():
        try:
            certificates.found(data, name)
        except OSError as error:
            raise certificates.CertificateError(f"cannot write in {data}: {error.strerror}") from None
    tell({"certificates": str(data / certificates.FOLDER), "names": ", ".join(name)}, as_json)


@app.command("broker-config")
def make_broker_files(
    data: Data,
    out: Annotated[Path, typer.Option(help="中间件目录 · The broker's folder.", file_okay=False)],
    name: Annotated[
        list[str] | None, typer.Option(help="终端如何称呼它,可重复 · What terminals call it; else the host's names.")
    ] = None,
    listen: Annotated[str, typer.Option(help="监听地址 · Address to listen on; all, if not given.")] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="端口 · Port.")] = 8883,
    user: Annotated[str, typer.Option(help="运行账户 · The account it runs as; root: mosquitto, others: you.")] = "",
    as_json: Json = False,
) -> None:
    """生成消息中间件配置 · Write what a Mosquitto needs to be our broker: configuration, rules, certificates.

    Start it with mosquitto -c DIR/mosquitto.conf, and the host with --broker. Written anew, both are started again.

    例 / Example: tillgate host broker-config --data ./host --out /etc/tillgate-broker --name mq.example.com
    """
    from host_switch import broker_files

    with in_one_sentence(), _as_broker_files(out):
        broker_files.write(
            data, out, names=name or (), listen=listen, port=port, user=user, merchants=merchants_of(data)
        )
    tell({"broker": str(out / broker_files.CONFIGURATION), "port": port}, as_json)


@app.command("broker-withdrawn")
def tell_broker_who_is_shut_out(
    data: Data,
    out: Annotated[Path, typer.Option(help="中间件目录 · The broker's folder.", file_okay=False)],
    as_json: Json = False,
) -> None:
    """更新作废证书与终端规则 · Tell the broker which certificates are no longer good, and which terminals a shop has.

    Then let it reload (HUP). Also after terminal add: only then the shop's other tills hear the new one.

    例 / Example: tillgate host broker-withdrawn --data ./host --out /etc/tillgate-broker
    """
    from host_switch import broker_files

    with in_one_sentence(), _as_broker_files(out):
        broker_files.write_current(data, out, merchants_of(data))
    tell({"withdrawn": str(out / broker_files.WITHDRAWN)}, as_json)


@contextmanager
def _as_broker_files(out: Path) -> Iterator[None]:
    from host_switch.broker_files import BrokerFilesError

    try:
        yield
    except OSError as error:
        raise BrokerFilesError(f"cannot write {error.filename or out}: {error.strerror}") from None


@terminal_app.command("certificate")
def certify_terminal(
    data: Data,
    terminal: TerminalId,
    request: Annotated[Path, typer.Option(help="终端生成的证书请求 · The request that the terminal has made.")],
    out: Annotated[Path, typer.Option(help="签发的证书 · Where to put the certificate.")],
    as_json: Json = False,
) -> None:
    """签发终端证书 · Issue a terminal's certificate; the one it had before is not good any more.

    A broker learns that by tillgate host broker-withdrawn.

    例 / Example: tillgate host terminal certificate 12345678 --data ./host --request 12345678.csr --out 12345678.pem
    """
    from host_switch import certificates

    require_terminal(data, terminal)
    with in_one_sentence():
        try:
            out.write_bytes(certificates.certify_terminal(data, terminal, request.read_bytes()))
        except OSError as error:
            raise certificates.CertificateError(f"cannot use {error.filename}: {error.strerror}") from None
    tell({"terminal": terminal, "certificate": str(out)}, as_json)


@terminal_app.command("add")
def add_terminal(
    data: Data,
    terminal: TerminalId,
    merchant: Annotated[str, typer.Option(help="商户编号, 15 位 · Merchant id, 15 characters.")],
    master_key_file: Annotated[Path, typer.Option(help="32 个十六进制数字 · File of 32 hex digits; made if absent.")],
    as_json: Json = False,
) -> None:
    """登记终端 · Register a terminal with its master key; a new key is drawn if the file does not exist.

    例 / Example: tillgate host terminal add 12345678 --data ./host --merchant 898110053110001 --master-key-file tmk.hex
    """
    from host_switch import start
    from host_switch.events import TerminalRegistered
    from iso8583.security import key_check_value

    if len(terminal) != TERMINAL_ID_LENGTH or len(merchant) != MERCHANT_ID_LENGTH:
        raise typer.TyperException("a terminal id has 8 characters and a merchant id 15")
    with in_one_sentence():
        master_key = start.master_key_in(master_key_file)
        start.carry_out(data, TerminalRegistered(terminal, merchant, master_key))
    check_value = key_check_value(master_key).hex().upper()
    tell({"terminal": terminal, "merchant": merchant, "master_key_check_value": check_value}, as_json)


@terminal_app.command("list")
def list_terminals(data: Data, as_json: Json = False) -> None:
    """列出终端 · List the terminals: merchant, batch, signed on or not, command waiting, parameters.

    Where there is a broker also whether they are there, and how much waits at them for an answer, in minor units.

    例 / Example: tillgate host terminal list --data ./host
    """
    books = books_of(data)
    presences = {each.terminal: each for each in books.presences}
    telemetry = {each.terminal: each for each in books.telemetry}
    for terminal in books.terminals:
        facts = {
            "terminal": terminal.id, "merchant": terminal.merchant, "batch": terminal.batch,
            "signed_on": terminal.keys is not None, "command": _command_names(terminal.commands),
            "reply_timeout_s": terminal.parameters.reply_timeout_s, "merchant_name": terminal.parameters.merchant_name,
            **_told(presences.get(terminal.id), telemetry.get(terminal.id)),
        }  # fmt: skip
        tell(facts, as_json)


def _told(presence: Presence | None, telemetry: Telemetry | None) -> dict[str, Any]:
    """What a terminal has told through the broker; nothing, if it never has."""
    facts: dict[str, Any] = {}
    if presence is not None:
        facts |= {"at_broker": presence.online, "since": presence.since}
    if telemetry is not None:
        facts |= {"owed_count": telemetry.owed_count, "owed_amount": telemetry.owed_amount}
        facts |= {"broken": telemetry.broken, "told_at": telemetry.at}
    return facts


def _command_names(digits: str) -> str:
    return ", ".join(name for digit in digits or "0" for name, known in COMMANDS.items() if known == digit)


@terminal_app.command("command")
def command_terminal(
    data: Data,
    terminal: TerminalId,
    command: Annotated[str, typer.Argument(help=" | ".join(COMMANDS))],
    as_json: Json = False,
) -> None:
    """下达指令 · Ask a terminal, in every answer until it obeys, to do something; the newest order comes first.

    例 / Example: tillgate host terminal command 12345678 sign-on --data ./host
    """
    from host_switch import start
    from host_switch.events import CommandGiven

    if command not in COMMANDS:
        raise typer.BadParameter(f"{command} is no command; there are: {', '.join(COMMANDS)}")
    require_terminal(data, terminal)
    with in_one_sentence():
        start.carry_out(data, CommandGiven(terminal, COMMANDS[command]))
    tell({"terminal": terminal, "command": command}, as_json)


@terminal_app.command("parameters")
def give_parameters(
    data: Data,
    terminal: TerminalId,
    reply_timeout_s: Annotated[int | None, typer.Option(min=10, max=60, help="等待应答秒数 · Seconds to wait.")] = None,
    merchant_name: Annotated[str, typer.Option(help="签购单上的商户名称 · The merchant's name on slips.")] = "",
    as_json: Json = False,
) -> None:
    """下发参数 · Lay down a terminal's parameters and ask it to fetch them; what is not named it keeps as it is.

    例 / Example: tillgate host terminal parameters 12345678 --data ./host --merchant-name 新店名
    """
    from host_switch import start
    from host_switch.events import ParametersGiven
    from iso8583 import Iso8583Error
    from iso8583.unionpay_fields.field62 import Parameters62

    parameters = Parameters62(reply_timeout_s, merchant_name)
    try:
        parameters.to_bytes()
    except Iso8583Error as error:
        raise typer.BadParameter(error.reason, param_hint="--merchant-name") from None
    require_terminal(data, terminal)
    with in_one_sentence():
        start.carry_out(data, ParametersGiven(terminal, parameters))
    tell({"terminal": terminal, **asdict(parameters)}, as_json)


@app.command()
def downloads(
    data: Data,
    kind: Annotated[str, typer.Argument(help=" | ".join(MAXIMA))],
    file: Annotated[
        Path | None,
        typer.Option(help="JSON；黑名单每行一个卡号 · JSON; for the black list one card number a line."),
    ] = None,
    as_json: Json = False,
) -> None:
    """下载内容 · Lay down what all terminals download, in place of what was there; without a file, say how much it is.

    New terminals fetch it by themselves; ask others with tillgate host terminal command.

    例 / Example: tillgate host downloads black-list --file blocked.txt --data ./host
    """
    from host_switch import start
    from host_switch.events import DownloadGiven
    from host_switch.records import Download

    if kind not in MAXIMA:
        raise typer.BadParameter(f"{kind} is nothing to download; there are: {', '.join(MAXIMA)}")
    with in_one_sentence():
        if file is None:
            with start.opened_store(data, to_write=False) as store:
                items = next((each.items for each in store.downloads() if each.kind == kind), ())
        else:
            items = _download_items(kind, file)
            start.carry_out(data, DownloadGiven(Download(kind, items)))
    tell({"kind": kind, "count": len(items)}, as_json)


def _download_items(kind: str, file: Path) -> tuple[bytes, ...]:
    from host_switch.download_files import DownloadFileError, items_of

    try:
        return items_of(kind, file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{file} cannot be read as text", param_hint="--file") from None
    except DownloadFileError as error:
        raise typer.BadParameter(f"{file.name} cannot be used: {error}", param_hint="--file") from None


@app.command()
def ledger(data: Data, as_json: Json = False) -> None:
    """账户余额 · Balances, derived from all postings; amounts in minor units, what is owed to us positive.

    例 / Example: tillgate host ledger --data ./host --json
    """
    from host_switch.ledger import balances

    for (account, currency), amount in sorted(balances(books_of(data).records).items()):
        tell({"account": account, "currency": currency, "balance": amount}, as_json)


@app.command()
def reconcile(data: Data, as_json: Json = False) -> None:
    """核对账簿 · Prove the books: run every validation; exit code 1 if one is broken.

    例 / Example: tillgate host reconcile --data ./host
    """
    from host_switch.invariants import VALIDATIONS, breaches

    books = books_of(data)
    found = breaches(books)
    for breach in found:
        tell(asdict(breach), as_json)
    open_now = sum(row.due_at is not None for row in books.transactions)
    counts = {"validations": len(VALIDATIONS), "transactions": len(books.transactions), "open": open_now}
    tell({**counts, "records": len(books.records), "breaches": len(found)}, as_json)
    if found:
        raise typer.TyperException(f"{len(found)} breaches: stop this host and keep its folder as it is")


@app.command()
def settle(data: Data, as_json: Json = False) -> None:
    """批次结算 · List the batches that terminals have settled: balanced or not, closed or not.

    例 / Example: tillgate host settle --data ./host
    """
    for batch in books_of(data).batches:
        facts = {"terminal": batch.terminal, "batch": batch.number, "balanced": batch.balanced}
        tell({**facts, "closed": batch.closed_at is not None, "settled_at": batch.settled_at}, as_json)


@app.command()
def events(data: Data, as_json: Json = False) -> None:
    """待关注事项 · List what a person should look at: contradictions, attacks, batches that do not balance.

    例 / Example: tillgate host events --data ./host
    """
    for event in books_of(data).events:
        facts = {"severity": event.severity, "kind": event.kind, "transaction": str(event.key)}
        tell({**facts, "at": event.at, "text": event.text}, as_json)


@app.command()
def routes(data: Data, as_json: Json = False) -> None:
    """交易路由 · Show which channel takes which transactions. There is one so far, and it takes all.

    例 / Example: tillgate host routes --data ./host
    """
    from host_switch import start

    with in_one_sentence(), start.opened_store(data, to_write=False) as store:
        ready = store.secret(start.ZONE_KEYS) is not None
    tell({"transactions": "all", "channel": "iso_issuer", "zone_keys": "loaded" if ready else "missing"}, as_json)
