"""`tillgate host wallet …`: customers whose phones make payment codes without a network."""

from pathlib import Path
from typing import Annotated

import typer

from host_switch.command_line import Data, Json, in_one_sentence, tell

app = typer.Typer(no_args_is_help=True, help="离线付款码 · Customers whose phones pay without a network.")

UserNumber = Annotated[int, typer.Argument(help="用户编号 · The user's number.", min=0, max=10**10 - 1)]
WalletFile = Annotated[Path, typer.Option("--out", help="钱包文件,交给手机 · The wallet, for the phone; a secret.")]


@app.command("add")
def add_wallet(
    data: Data,
    number: UserNumber,
    name: Annotated[str, typer.Option(help="姓名 · Who it is, for operators.")],
    account_file: Annotated[Path, typer.Option(help="文件,内含付款账户卡号 · File with the card number that pays.")],
    out: WalletFile,
    as_json: Json = False,
) -> None:
    """登记用户并发放钱包 · Register a customer, or give a known one another account, and write the phone's wallet.

    例 / Example: tillgate host wallet add 1000000001 --name 王芳 --account-file card.txt --out phone.json --data ./host
    """
    from host_switch import wallets

    with in_one_sentence():
        user = wallets.give(data, number, out, account=wallets.account_in(account_file), name=name)
    tell({"number": number, "handles": len(user.codes.slots), "wallet": str(out)}, as_json)


@app.command("refresh")
def refresh_wallet(data: Data, number: UserNumber, out: WalletFile, as_json: Json = False) -> None:
    """手机联网更新 · Give a phone that is online a new seed and new handles; what it had before ends.

    例 / Example: tillgate host wallet refresh 1000000001 --out phone.json --data ./host
    """
    from host_switch import wallets

    with in_one_sentence():
        user = wallets.give(data, number, out)
    tell({"number": number, "handles": len(user.codes.slots), "wallet": str(out)}, as_json)


@app.command("lost")
def lost_wallet(data: Data, number: UserNumber, as_json: Json = False) -> None:
    """手机挂失 · A phone is lost: its codes pay nothing any more, until its owner's next phone is refreshed.

    Its keys for signed codes are revoked, too: see tillgate host code-user revoke.

    例 / Example: tillgate host wallet lost 1000000001 --data ./host
    """
    from host_switch import signers, wallets

    with in_one_sentence():
        wallets.take(data, number)
        revoked = signers.revoke_keys_of(data, number)
    tell({"number": number, "handles": 0, "revoked": revoked}, as_json)


@app.command("list")
def list_wallets(data: Data, as_json: Json = False) -> None:
    """列出用户 · List the customers: account, handles given and used, failed tries within the hour, locked or not.

    例 / Example: tillgate host wallet list --data ./host
    """
    import time

    from host_switch import wallets

    with in_one_sentence():
        for user in wallets.users(data):
            tell(wallets.shown(user, time.time()), as_json)
