"""`tillgate terminal codes …`: whose signed codes this terminal takes while no bank can be reached."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from paycode.lists import CompactList
    from terminal.code_store import CodeStore

app = typer.Typer(no_args_is_help=True, help="离线付款码 · Whose codes are taken while no bank can be reached.")

Data = Annotated[Path, typer.Option("--data", help="终端目录 · The terminal's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]
T = TypeVar("T")


class ListName(StrEnum):
    """The lists of customers' keys that do not pay."""

    REVOKED = "revoked"
    QUOTA = "quota"


@app.command()
def trust(
    data: Data,
    file: Annotated[Path, typer.Argument(help="发码方文件 · The file of issuers.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """信任发码方 · Take the codes of these issuers, and of no others; compare the keys with what the issuers say.

    A terminal that runs takes them within seconds. It must have its keys; they sign what is installed.

    例 / Example: tillgate terminal codes trust issuers.json --data ./terminal
    """
    content = file.read_bytes()
    _with_store(data, lambda store: store.trust(content))
    _show(data, as_json)


@app.command("list")
def take_list(
    data: Data,
    name: ListName,
    statement: Annotated[Path, typer.Option(help="签名声明 · What the list signer has signed.", exists=True)],
    fingerprints: Annotated[Path, typer.Option(help="整份名单 · The whole list.", exists=True)],
    as_json: Json = False,
) -> None:
    """装入整份名单 · Take a whole list of keys that do not pay, of a higher version than the one before.

    例 / Example: tillgate terminal codes list revoked --statement list.cose --fingerprints list.bin --data ./terminal
    """
    said, whole = statement.read_bytes(), fingerprints.read_bytes()
    _tell_list(_with_store(data, lambda store: store.adopt(name.value, said, whole)), as_json)


@app.command()
def delta(
    data: Data,
    name: ListName,
    file: Annotated[Path, typer.Argument(help="签名增量 · The signed change.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """更新名单 · Take a change of a list: of the version that is installed, as codes show tells.

    例 / Example: tillgate terminal codes delta revoked revoked-8.cose --data ./terminal
    """
    said = file.read_bytes()
    _tell_list(_with_store(data, lambda store: store.apply(name.value, said)), as_json)


@app.command()
def show(data: Data, as_json: Json = False) -> None:
    """查看 · Show whose codes are taken, and the versions of the lists.

    例 / Example: tillgate terminal codes show --data ./terminal
    """
    _show(data, as_json)


@app.command()
def evidence(data: Data, as_json: Json = False) -> None:
    """取出双花证据 · Show the codes that prove double spends here: the one that has paid, and each that was refused.

    docs/paycode.md says how anybody can verify them. Keep them from other eyes.

    例 / Example: tillgate terminal codes evidence --data ./terminal --json
    """
    from terminal.journal import Journal, JournalError
    from terminal.offline_codes import double_spends

    path = data / "journal.db"
    if not path.exists():
        raise typer.TyperException(f"there is no journal in {data}: name the terminal's folder with --data")
    try:
        journal = Journal(path)
    except JournalError as error:
        raise typer.TyperException(str(error)) from None
    found = double_spends(journal.everything())
    journal.close()
    for payment, code, paid in found:
        word = "已付款 paid" if paid else "被拒 refused"
        _tell({"payment": str(payment), "paid": paid, "code": code}, as_json, f"{payment}  {word}  {code}")
    if not found and not as_json:
        typer.echo("没有双花 · nothing was spent twice here")


def _show(data: Path, as_json: bool) -> None:
    known = _with_store(data, lambda store: store.known())
    issuers, lists = ([], {}) if known is None else (list(known[0].issuers), known[1])
    named = [
        {"key_id": one.key_id.hex(), "name": one.name, "algorithm": one.key.algorithm, "key": one.key.data.hex()}
        for one in issuers
    ]
    versions = {name.value: lists[name.value].version if name.value in lists else None for name in ListName}
    words = [f"{one['key_id']}  {one['name']}  {one['key']}" for one in named]
    for name, version in versions.items():
        words.append(f"{name}: " + ("没有名单 · no list" if version is None else f"version {version}"))
    nobody = ["没有信任的发码方 · no issuer is trusted, no code is taken"]
    _tell({"issuers": named, "lists": versions}, as_json, "\n".join(words if known else nobody))


def _tell_list(one: "CompactList", as_json: bool) -> None:
    facts = {"list": one.name, "version": one.version, "entries": len(one)}
    _tell(facts, as_json, f"{one.name}: version {one.version}, {len(one)} 项 · entries")


def _with_store(data: Path, work: "Callable[[CodeStore], T]") -> T:
    """Do something with the store, and a key process for as long as that takes; refuse in one sentence."""
    from terminal.code_store import CodeStoreError
    from terminal.key_frames import VaultError

    try:
        return asyncio.run(_asked(data, work))
    except (CodeStoreError, VaultError) as error:
        raise typer.TyperException(str(error)) from None
    except OSError as error:
        raise typer.TyperException(f"cannot write in {data}: {error.strerror}") from None


async def _asked(data: Path, work: "Callable[[CodeStore], T]") -> T:
    from terminal.code_store import CodeStore
    from terminal.key_frames import KeysGone
    from terminal.key_link import KeyLink

    keys = KeyLink(data / "vault.json")
    keys.begin()
    await keys.opened()
    try:
        if keys.trouble:
            raise KeysGone(keys.trouble)
        return work(CodeStore(data, keys))
    finally:
        keys.close()


def _tell(facts: dict[str, Any], as_json: bool, words: str) -> None:
    import json

    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else words)
