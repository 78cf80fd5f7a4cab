"""`tillgate sim wallet …`: the phone of a customer without a network, on the command line."""

import json
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(
    no_args_is_help=True,
    help="手机钱包 · A customer's phone that makes payment codes without a network.\n\n"
    "例 / Example: tillgate sim wallet show --data ./phone",
)

Data = Annotated[Path, typer.Option("--data", help="手机目录 · The phone's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]
FILE = "wallet.json"


class CodeKind(StrEnum):
    """What a phone can show."""

    DIGITS = "digits"
    SIGNED = "signed"


@contextmanager
def _in_one_sentence() -> "Iterator[None]":
    from simulators.wallet import WalletError

    try:
        yield
    except (WalletError, OSError) as error:
        raise typer.TyperException(str(error)) from None


def _tell(facts: dict[str, Any], as_json: bool, words: str) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else words)


@app.command()
def show(
    data: Data,
    kind: Annotated[CodeKind, typer.Option(help="码的种类 · Kind of code.")] = CodeKind.DIGITS,
    amount: Annotated[int | None, typer.Option(help="金额（分），仅签名码 · Only for it, in fen.", min=0)] = None,
    merchant: Annotated[str | None, typer.Option(help="商户号，仅签名码 · Only at this merchant.")] = None,
    out: Annotated[Path | None, typer.Option(help="图片文件 · A PNG to draw it in.", dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """出示付款码 · Make a code as the phone does; the wallet without it is on the disk before it is shown.

    例 / Example: tillgate sim wallet show --data ./phone --out code.png
    """
    from simulators.wallet import Wallet
    from simulators.wallet.pictures import grouped, png

    if kind is CodeKind.DIGITS and (amount is not None or merchant is not None):
        raise typer.BadParameter("数字码不含金额和商户 · digits have no room for --amount or --merchant")
    now = int(time.time())
    with _in_one_sentence():
        showing = Wallet(data / FILE).show(kind.value, now, amount, merchant)
        until = time.strftime("%H:%M:%S", time.localtime(showing.expires_at))
        if out is not None:
            out.write_bytes(png(showing.code, f"有效至 valid until {until}"))
    code = grouped(showing.code) if kind is CodeKind.DIGITS else showing.code
    facts = {"kind": kind.value, "code": showing.code, "expires_at": showing.expires_at}
    _tell(facts, as_json, f"{code}\n有效至 valid until {until}（{showing.expires_at - now} s）")


@app.command()
def refresh(
    data: Data,
    host: Annotated[Path, typer.Option(help="主机目录 · The folder of the host that gives digits.", file_okay=False)],
    number: Annotated[int, typer.Option(help="用户编号 · The user's number at the host.", min=0)],
    as_json: Json = False,
) -> None:
    """联网更新数字码 · Go online once: new digits from the host, which must know the user (tillgate host wallet add).

    例 / Example: tillgate sim wallet refresh --data ./phone --host ./host --number 1000000001
    """
    from simulators.wallet import Wallet
    from simulators.wallet.issuing import digits_from

    with _in_one_sentence():
        wallet = Wallet(data / FILE)
        wallet.take_digits(digits_from(host, number))
    _tell({"handles": wallet.handles_left}, as_json, f"可离线付款 {wallet.handles_left} 次 / codes left")


@app.command()
def load(
    data: Data,
    file: Annotated[Path, typer.Option("--file", help="主机发放的钱包 · What tillgate host wallet has written.")],
    as_json: Json = False,
) -> None:
    """装入钱包 · Take the digits that the host's operator has written to a file; then destroy that file.

    例 / Example: tillgate sim wallet load --data ./phone --file phone.json
    """
    from simulators.wallet import Wallet

    with _in_one_sentence():
        wallet = Wallet(data / FILE)
        wallet.take_digits(file.read_bytes())
    _tell({"handles": wallet.handles_left}, as_json, f"可离线付款 {wallet.handles_left} 次 / codes left")


@app.command()
def certify(
    data: Data,
    issuer_key: Annotated[Path, typer.Option(help="发行方密钥，没有则生成 · The issuer's key; drawn if absent.")],
    out: Annotated[Path | None, typer.Option(help="发码方文件 · Where to write what terminals and hosts get.")] = None,
    as_json: Json = False,
) -> None:
    """签发签名码证书 · Let an issuer certify the phone's key for signed codes; tells what terminals must know of it.

    The file is for tillgate terminal codes trust and tillgate host code-issuer add, the phone's key for tillgate host
    code-user add.

    例 / Example: tillgate sim wallet certify --data ./phone --issuer-key ./code_issuer.hex --out issuers.json
    """
    from simulators.wallet import Wallet
    from simulators.wallet.issuing import AMOUNT_MAX, KEY_ID, certified, issuer_file
    from simulators.wallet.issuing import issuer_key as key_in

    with _in_one_sentence():
        issuer, wallet = key_in(issuer_key), Wallet(data / FILE)
        certified(wallet, issuer, int(time.time()))
        if out is not None:
            out.write_text(issuer_file(issuer), "utf-8")
    public = issuer.public_key().public_bytes_raw().hex()
    assert wallet.phone_key is not None, "certified"
    phone = wallet.phone_key.public_key().public_bytes_raw().hex()
    facts = {
        "key_id": KEY_ID.hex(), "public_key": public, "algorithm": "Ed25519", "amount_max": AMOUNT_MAX,
        "phone_key": phone,
    }  # fmt: skip
    _tell(facts, as_json, f"发行方公钥 issuer {KEY_ID.hex()}: {public}\n手机公钥 phone: {phone}")


@app.command()
def status(data: Data, as_json: Json = False) -> None:
    """查看钱包 · Say what the phone can make, and what was in the account when it was last online. No secret.

    例 / Example: tillgate sim wallet status --data ./phone
    """
    from simulators.wallet import Wallet

    with _in_one_sentence():
        wallet = Wallet(data / FILE)
    facts = {"kinds": list(wallet.kinds), "handles": wallet.handles_left, "balance": wallet.balance}
    kinds = ", ".join(wallet.kinds) or "-"
    _tell(facts, as_json, f"付款码 codes: {kinds} · 剩余 left: {wallet.handles_left} · 余额 balance: {wallet.balance}")
