"""`tillgate host code-issuer …`, `code-user …`, `code-list …`: who certifies phones, whose pay, and which not."""

from pathlib import Path
from typing import Annotated

import typer

from host_switch.command_line import Data, Json, in_one_sentence, tell

issuer_app = typer.Typer(no_args_is_help=True, help="离线码发码方 · Who certifies phones that sign payment codes.")
user_app = typer.Typer(no_args_is_help=True, help="离线码用户 · Whose account pays for what a phone signs.")
list_app = typer.Typer(no_args_is_help=True, help="离线码名单 · Keys that do not pay, for terminals at the broker.")

PhoneKey = Annotated[str, typer.Argument(help="手机公钥, 十六进制 · The phone's public key, in hexadecimal.")]


@issuer_app.command("add")
def add_issuers(
    data: Data,
    file: Annotated[Path, typer.Argument(help="发码方文件 · The file of issuers, as terminals get it.")],
    as_json: Json = False,
) -> None:
    """登记发码方 · Make issuers known by their public keys; compare these with what the issuers say.

    例 / Example: tillgate host code-issuer add issuers.json --data ./host
    """
    from host_switch import signers

    with in_one_sentence():
        for issuer in signers.add_issuers(data, file):
            tell(signers.shown_issuer(issuer), as_json)


@issuer_app.command("list")
def list_issuers(data: Data, as_json: Json = False) -> None:
    """列出发码方 · List the issuers: the name of the key, the issuer's, and the key.

    例 / Example: tillgate host code-issuer list --data ./host
    """
    from host_switch import signers

    with in_one_sentence():
        for issuer in signers.known(data)[0]:
            tell(signers.shown_issuer(issuer), as_json)


@user_app.command("add")
def add_user(
    data: Data,
    key: PhoneKey,
    user: Annotated[int, typer.Option(help="用户编号, 见 wallet list · The user's number, as in wallet list.")],
    as_json: Json = False,
) -> None:
    """登记手机公钥 · Let a user's account pay for what this key has signed; the user is known from wallet add.

    例 / Example: tillgate host code-user add 3b6a…29 --user 1000000001 --data ./host
    """
    from host_switch import signers

    with in_one_sentence():
        tell(signers.shown_key(signers.add_key(data, key, user)), as_json)


@user_app.command("revoke")
def revoke_user(data: Data, key: PhoneKey, as_json: Json = False) -> None:
    """吊销手机公钥 · A phone is lost: what its key signs from now on is told to a person; the issuer decides.

    Terminals refuse it when they have the issuer's next list.

    例 / Example: tillgate host code-user revoke 3b6a…29 --data ./host
    """
    from host_switch import signers

    with in_one_sentence():
        tell(signers.shown_key(signers.revoke_key(data, key)), as_json)


@user_app.command("list")
def list_users(data: Data, as_json: Json = False) -> None:
    """列出手机公钥 · List the phones' keys: whose, by which short name slips and events call it, revoked or not.

    例 / Example: tillgate host code-user list --data ./host
    """
    from host_switch import signers

    with in_one_sentence():
        for key in signers.known(data)[1]:
            tell(signers.shown_key(key), as_json)


@user_app.command("evidence")
def evidence(
    data: Data,
    reference: Annotated[str, typer.Argument(help="参考号, 12 位 · The reference of a sale, 12 digits.")],
    as_json: Json = False,
) -> None:
    """取出双花证据 · Show all codes that came under the key and counter of a sale, the one that was paid first.

    Each is signed by the phone's key; docs/paycode.md says how anybody can verify it. Keep them from other eyes.

    例 / Example: tillgate host code-user evidence 000000000042 --data ./host --json
    """
    from host_switch import signers

    with in_one_sentence():
        for use in signers.evidence(data, reference):
            tell(use, as_json)


@list_app.command("publish")
def publish_list(
    data: Data,
    file: Annotated[Path, typer.Argument(help="签名增量 · The signed change.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """发布名单增量 · Let the broker keep a change of a list for all terminals, which check the list signer's signature.

    A host that runs with --broker takes it there within seconds.

    例 / Example: tillgate host code-list publish revoked-8.cose --data ./host
    """
    from host_switch.code_lists import CodeListError, CodeLists

    with in_one_sentence():
        try:
            claim = CodeLists(data).publish(file.read_bytes())
        except OSError as error:
            raise CodeListError(f"cannot write in {data}: {error.strerror}") from None
    tell({"list": claim.name, "before": claim.before, "version": claim.after}, as_json)


@list_app.command("list")
def list_changes(data: Data, as_json: Json = False) -> None:
    """列出已发布的增量 · List the changes that the broker keeps: of which list, from which version to which.

    例 / Example: tillgate host code-list list --data ./host
    """
    from host_switch.code_lists import CodeLists

    with in_one_sentence():
        for claim in CodeLists(data).published():
            tell({"list": claim.name, "before": claim.before, "version": claim.after}, as_json)
