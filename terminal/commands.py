"""`tillgate terminal …`: run a counter, read its journal and queue, give it keys and operators."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terminal import code_commands
from terminal.book import Payment
from terminal.journal import Journal, JournalError
from terminal.operators import OperatorError, Operators, Role
from terminal.records import BatchParked, to_entry

if TYPE_CHECKING:
    from firmware_config.profile import TerminalProfile

app = typer.Typer(
    no_args_is_help=True,
    help="收银终端 · The counter.\n\n例 / Example: tillgate terminal run --data ./terminal",
)
journal_app = typer.Typer(no_args_is_help=True, help="流水日志 · The journal: what happened, and the proof of it.")
queue_app = typer.Typer(no_args_is_help=True, help="待处理队列 · What is still owed: reversals, repeats, receipts.")
operator_app = typer.Typer(no_args_is_help=True, help="操作员 · Who may work at the counter.")
app.add_typer(journal_app, name="journal")
app.add_typer(queue_app, name="queue")
app.add_typer(operator_app, name="operator")
certificate_app = typer.Typer(no_args_is_help=True, help="终端证书 · By what the host knows this terminal, over TLS.")
app.add_typer(certificate_app, name="certificate")
app.add_typer(code_commands.app, name="codes")

Data = Annotated[Path, typer.Option("--data", help="终端目录 · The terminal's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]


@app.command()
def run(data: Data, as_json: Json = False) -> None:
    """运行终端和收银页面 · Run the terminal and its page until Ctrl-C; tells first where the page is.

    例 / Example: tillgate terminal run --data ./terminal
    """
    from firmware_config.profile import ProfileError, load_profile
    from terminal.certificates import CertificateError
    from terminal.start import run as run_terminal
    from terminal.vault import VaultError

    _log_to_stderr(as_json)
    try:
        address = f"http://127.0.0.1:{load_profile(data / 'profile.toml').page_port}/"
        _tell({"page": address}, as_json, f"收银页面 · the cashier's page: {address}")
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run_terminal(data))
    except (ProfileError, CertificateError, VaultError, JournalError) as error:
        raise typer.TyperException(str(error)) from None


def _log_to_stderr(as_json: bool) -> None:
    import structlog

    last = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), last],
        logger_factory=_StderrLogger,
    )


class _StderrLogger:
    """Writes log lines to standard error. A log that nobody can read (a closed pipe) must not stop the terminal."""

    def __init__(self, *_names: str) -> None:
        pass

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg


@app.command()
def keys(
    data: Data,
    master_key_file: Annotated[Path, typer.Option(help="32 个十六进制数字 · A file with 32 hexadecimal digits.")],
    as_json: Json = False,
) -> None:
    """灌入主密钥 · Give the terminal its master key, once; the file is yours to destroy afterwards.

    例 / Example: tillgate terminal keys --data ./terminal --master-key-file tmk.hex
    """
    from iso8583.security import key_check_value
    from terminal.key_frames import VaultError
    from terminal.key_store import KeyStore

    try:
        master_key = bytes.fromhex(master_key_file.read_text())
        KeyStore.create(data / "vault.json", master_key)
    except FileExistsError:
        raise typer.TyperException("the terminal has keys already; move its vault.json away to give new ones") from None
    except (OSError, ValueError):
        raise typer.TyperException(f"{master_key_file.name} cannot be read as 32 hexadecimal digits") from None
    except VaultError as error:
        raise typer.TyperException(str(error)) from None
    check_value = key_check_value(master_key).hex().upper()
    _tell({"check_value": check_value}, as_json, f"master key loaded, check value {check_value}")


@app.command()
def tamper(
    data: Data,
    sure: Annotated[bool, typer.Option("--yes", help="不再询问 · Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """按拆机处理,清除密钥 · Treat the devices as tampered with: erase all keys, also of a terminal that is running.

    The terminal is out of service until it is given a new master key; what its journal holds stays.

    例 / Example: tillgate terminal tamper --data ./terminal --yes
    """
    from terminal.key_frames import VaultError
    from terminal.key_process import erase_keys

    if not data.is_dir():
        raise typer.TyperException(f"there is no folder {data}: name the terminal's folder with --data")
    if not sure:
        typer.confirm("清除全部密钥,终端将停止服务 · Erase all keys and put the terminal out of service?", abort=True)
    try:
        erase_keys(data / "vault.json")
    except (OSError, VaultError) as error:
        raise typer.TyperException(f"the keys could not be erased: {error}") from None
    _tell({"erased": True}, as_json, "密钥已清除 · the keys are erased; tell the bank, then give new ones")


@app.command()
def selftest(
    data: Data,
    operator: Annotated[str, typer.Option(help="操作员编号 · Whose number, if the terminal runs.")] = "",
    pin: Annotated[str, typer.Option(envvar="TILLGATE_OPERATOR_PIN", help="密码 · Asked for when not given.")] = "",
    as_json: Json = False,
) -> None:
    """测试整个柜台,不发生交易 · Test every device and the line to the bank; no payment is made.

    例 / Example: tillgate terminal selftest --data ./terminal --operator 01
    """
    from firmware_config.profile import ProfileError
    from terminal.certificates import CertificateError
    from terminal.running import PageRefused
    from terminal.selftest import in_words
    from terminal.selftest_command import test_counter

    def credentials() -> tuple[str, str]:
        number = operator or typer.prompt("操作员 · Operator")
        return number, pin or typer.prompt("密码 · PIN", hide_input=True)

    told: set[str] = set()

    def tell(test: dict[str, Any]) -> None:
        for line in in_words(test):
            if line not in told:
                told.add(line)
                typer.echo(line, err=as_json)

    _log_to_stderr(as_json)
    try:
        test = test_counter(data, credentials, tell)
    except (ProfileError, CertificateError, JournalError, PageRefused) as error:
        raise typer.TyperException(str(error)) from None
    words = f"验收单 · acceptance report: {test['path']}" if test["path"] else ""
    _tell(test, as_json, words)
    if not test["passed"]:
        raise typer.TyperException("柜台有设备未通过测试 · something at the counter failed: see above what to do")


@journal_app.command("verify")
def verify(data: Data, as_json: Json = False) -> None:
    """证明日志完整 · Prove that no record was changed, removed or put in between.

    例 / Example: tillgate terminal journal verify --data ./terminal
    """
    verdict = _journal(data).verify()
    words = f"{verdict.rows} records, unbroken" if verdict.intact else ""
    _tell({"intact": verdict.intact, **asdict(verdict)}, as_json, words)
    if not verdict.intact:
        raise typer.TyperException(f"the journal is broken at record {verdict.broken_at}: {verdict.reason}")


@journal_app.command("show")
def show(data: Data, as_json: Json = False) -> None:
    """列出全部记录 · List all records, oldest first; card numbers are sealed or masked, and codes left out.

    例 / Example: tillgate terminal journal show --data ./terminal --json
    """
    for record in _journal(data).everything():
        name, entry = to_entry(record)
        hidden = {key for key, value in entry.items() if value in ("", None, {})} | {"card", "code"}
        shown = {key: value for key, value in entry.items() if key not in hidden}
        _tell({"type": name, **shown}, as_json, f"{name:14} " + "  ".join(f"{k}={v}" for k, v in shown.items()))


@queue_app.command("list")
def list_queue(data: Data, as_json: Json = False) -> None:
    """列出未了交易 · List payments whose end is not known, that wait for a person, or whose receipt is due.

    Of batches that are parked the first is listed so, and of each there is a line with what it owed when it was parked.

    例 / Example: tillgate terminal queue list --data ./terminal
    """
    book = _journal(data).book()
    loaded = book.draining.payments.values() if book.draining else ()
    waiting = [p for p in (*loaded, *book.payments.values()) if not p.is_final or p.attention or p.receipt_due]
    parked = [_parked(record) for record in book.parked.values()]
    for facts in (*parked, *map(_owed, waiting)):
        _tell(facts, as_json, "  ".join(f"{k}={v}" for k, v in facts.items()))
    if not (waiting or parked) and not as_json:
        typer.echo("没有未了交易 · nothing is owed")


@queue_app.command("lost")
def list_lost(data: Data, as_json: Json = False) -> None:
    """列出被拒的离线交易 · List what the bank has declined later of batches that were parked and are settled by now.

    Since people have settled last; what lies in the open batch is in queue list.

    例 / Example: tillgate terminal queue lost --data ./terminal
    """
    lost = list(_journal(data).lost())
    for payment in lost:
        _tell(_owed(payment), as_json, "  ".join(f"{k}={v}" for k, v in _owed(payment).items()))
    if not lost and not as_json:
        typer.echo("没有被拒的离线交易 · nothing was lost")


@certificate_app.command("request")
def request_certificate(
    data: Data,
    out: Annotated[Path, typer.Option(help="证书请求 · Where to put the request.")],
    as_json: Json = False,
) -> None:
    """生成证书请求 · Make the request for a certificate; the key is drawn here and stays here.

    例 / Example: tillgate terminal certificate request --data ./terminal --out 12345678.csr
    """
    from terminal import certificates

    with _certificates_in_one_sentence():
        terminal_id = _profile(data).terminal_id
        out.write_bytes(certificates.request(data, terminal_id))
    words = f"have it signed: tillgate host terminal certificate {terminal_id} --request {out} --out {terminal_id}.pem"
    _tell({"terminal": terminal_id, "request": str(out)}, as_json, words)


@certificate_app.command("install")
def install_certificate(
    data: Data,
    certificate: Annotated[Path, typer.Argument(help="主机签发的证书 · What the host has issued.")],
    as_json: Json = False,
) -> None:
    """装入证书 · Take the certificate that the host has issued; the next start uses it.

    例 / Example: tillgate terminal certificate install 12345678.pem --data ./terminal
    """
    from terminal import certificates

    with _certificates_in_one_sentence():
        terminal_id = _profile(data).terminal_id
        certificates.install(data, terminal_id, certificate.read_bytes())
    _tell({"terminal": terminal_id, "installed": True}, as_json, f"terminal {terminal_id} has its certificate")


@contextlib.contextmanager
def _certificates_in_one_sentence() -> Iterator[None]:
    from firmware_config.profile import ProfileError
    from terminal.certificates import CertificateError

    try:
        yield
    except (CertificateError, ProfileError) as error:
        raise typer.TyperException(str(error)) from None
    except OSError as error:
        raise typer.TyperException(f"cannot use {error.filename}: {error.strerror}") from None


def _profile(data: Path) -> "TerminalProfile":
    from firmware_config.profile import load_profile

    return load_profile(data / "profile.toml")


@queue_app.command("export")
def export_queue(
    data: Data,
    out: Annotated[Path, typer.Option(help="封存文件 · Where to put the sealed file.", dir_okay=False)],
    sheets: Annotated[Path | None, typer.Option(help="另存二维码 · Also as codes, in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """取出未上送的交易 · Take what is still owed off a terminal that does not start, or whose line is dead for good.

    Its folder is enough, and is not changed. Only the host can open the file; it books what it has not heard of, once,
    also if the terminal comes back and sends the same.

    例 / Example: tillgate terminal queue export --data ./terminal --out owed.tgq --sheets ./sheets
    """
    from terminal import rescue

    with _rescue_in_one_sentence():
        exported = asyncio.run(rescue.export(data))
        out.write_bytes(exported.rescue.to_bytes())
        drawn = rescue.draw_sheets(exported.rescue, sheets) if sheets else []
    for key in exported.left:
        typer.echo(f"卡号已随密钥清除,未取出 · left, its card number was erased with the keys: {key}", err=True)
    words = (
        f"已封存 {len(exported.keys)} 笔 · {len(exported.keys)} messages sealed in {out}; take it to the host: "
        f"tillgate host queue import {out}"
    )
    told = {"terminal": exported.rescue.terminal, "messages": list(exported.keys), "left": list(exported.left)}
    _tell(told | {"file": str(out), "sheets": [str(path) for path in drawn]}, as_json, words)


@queue_app.command("import")
def carry_queue(
    data: Data,
    file: Annotated[Path, typer.Argument(help="封存文件或扫出的文本 · The sealed file, or its scanned codes as text.")],
    as_json: Json = False,
) -> None:
    """代邻机上送 · Carry the sealed messages of another terminal to the host, over this terminal's line.

    This terminal may be running. What was carried before is not booked again.

    例 / Example: tillgate terminal queue import owed.tgq --data ./terminal
    """
    from iso8583.rescue import Rescue
    from terminal import rescue

    def tell(number: int, code: str) -> None:
        said = {"message": number, "answer": code}
        _tell(said, as_json, f"{number}/{len(found.sealed)}  {code or '没有应答 · no answer'}")

    with _rescue_in_one_sentence():
        found = Rescue.parse(file.read_bytes())
        answered = asyncio.run(rescue.carry(data, found, tell))
    if answered < len(found.sealed):
        missing = len(found.sealed) - answered
        raise typer.TyperException(f"{missing} messages have no answer: do it again, or bring the file to the host")


@contextlib.contextmanager
def _rescue_in_one_sentence() -> Iterator[None]:
    from firmware_config.profile import ProfileError
    from iso8583 import Iso8583Error
    from terminal.certificates import CertificateError
    from terminal.key_frames import VaultError
    from terminal.rescue import RescueError

    try:
        yield
    except Iso8583Error as error:
        raise typer.TyperException(error.reason) from None
    except (CertificateError, JournalError, ProfileError, RescueError, VaultError) as error:
        raise typer.TyperException(str(error)) from None
    except OSError as error:
        raise typer.TyperException(f"cannot use {error.filename}: {error.strerror}") from None


@queue_app.command("close")
def close(
    data: Data,
    key: Annotated[str, typer.Argument(help="交易,见 queue list · The payment, as queue list names it.")],
    booked: Annotated[bool, typer.Option("--booked/--not-booked", help="对账单怎么说 · What the statement says.")],
    statement: Annotated[str, typer.Option(help="对账单参考号 · The reference on the acquirer's statement.")],
    operator: Annotated[str, typer.Option(help="第一人编号 · The first person's number.")],
    supervisor: Annotated[str, typer.Option(help="主管编号 · The supervisor's number; another person.")],
    operator_pin: Annotated[str, typer.Option(envvar="TILLGATE_OPERATOR_PIN", help="第一人密码 · Asked for.")] = "",
    supervisor_pin: Annotated[str, typer.Option(envvar="TILLGATE_SUPERVISOR_PIN", help="主管密码 · Asked for.")] = "",
    sure: Annotated[bool, typer.Option("--yes", help="不再询问 · Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """凭收单对账单办结一笔退货 · Two people close what the bank cannot be asked about any more.

    By what the acquirer's statement says. It is one record in the journal, and cannot be undone. It works whether the
    terminal runs or not.

    例 / Example: tillgate terminal queue close 10000001-000001-000007 --data ./terminal --booked
    --statement ACQ-0117/3 --operator 01 --supervisor 00
    """
    from firmware_config.profile import ProfileError
    from terminal.closing_command import Pins, payment_to_close, second_look
    from terminal.closing_command import close as close_by_people
    from terminal.events import CloseByPeople
    from terminal.running import PageRefused

    _journal(data).close()
    try:
        payment = payment_to_close(data, key)
        typer.echo(second_look(payment, booked), err=True)
        if not sure:
            typer.confirm("办结后不能更改 · This cannot be undone. Close it?", abort=True, err=True)
        pins = Pins(
            operator_pin or typer.prompt(f"{operator} 密码 · PIN", hide_input=True, err=True),
            supervisor_pin or typer.prompt(f"{supervisor} 密码 · PIN", hide_input=True, err=True),
        )
        close_by_people(data, CloseByPeople(payment.key, booked, statement.strip(), operator, supervisor), pins)
    except (ProfileError, JournalError, PageRefused) as error:
        raise typer.TyperException(str(error)) from None
    closed = {"key": key, "booked": booked, "statement": statement.strip(), "operator": operator}
    _tell(closed | {"supervisor": supervisor}, as_json, f"已办结 · closed: {key}")


@operator_app.command("add")
def add_operator(
    data: Data,
    number: Annotated[str, typer.Argument(help="两位编号,主管为 00 · Two digits; 00 is the supervisor.")],
    pin: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    role: Annotated[str, typer.Option(help="supervisor | cashier")] = "cashier",
    as_json: Json = False,
) -> None:
    """增加操作员或重设密码 · Add an operator, or give one a new PIN (asked for when not given).

    例 / Example: tillgate terminal operator add 01 --data ./terminal
    """
    if role not in ("supervisor", "cashier"):
        raise typer.BadParameter("a role is supervisor or cashier", param_hint="--role")
    checked: Role = "supervisor" if role == "supervisor" else "cashier"
    try:
        Operators(data / "operators.json").add(number, checked, pin)
    except OperatorError as error:
        raise typer.TyperException(str(error)) from None
    _tell({"number": number, "role": role}, as_json, f"operator {number} is {role}")


def _journal(data: Path) -> Journal:
    path = data / "journal.db"
    if not path.exists():
        raise typer.TyperException(f"there is no journal in {data}: name the terminal's folder with --data")
    try:
        return Journal(path)
    except JournalError as error:
        raise typer.TyperException(str(error)) from None


def _owed(payment: Payment) -> dict[str, Any]:
    return {
        "key": str(payment.key), "type": payment.type, "amount": payment.amount, "currency": payment.currency,
        "state": payment.state.value, "means": payment.means, "attention": payment.attention,
        "receipt_due": payment.receipt_due, "needs_people": payment.needs_people,
    }  # fmt: skip


def _parked(record: BatchParked) -> dict[str, Any]:
    return {
        "parked_batch": record.batch, "at": record.at, "owed_count": record.owed_count,
        "owed_amount": record.owed_amount, "asked": record.asked,
    }  # fmt: skip


def _tell(facts: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
    elif words:
        typer.echo(words)
