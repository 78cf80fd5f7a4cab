"""`tillgate sim card …`: see the deck, personalise a card of one's own, and look at what a card and a terminal say."""

import calendar
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulators.cards import Personalisation
    from simulators.cards.trace import Trace
    from terminal.emv import Outcome
    from terminal.emv.ca_keys import CaKey

app = typer.Typer(
    no_args_is_help=True,
    help="虚拟卡 · Virtual chip cards: the deck, new ones, their exchanges with a terminal.\n\n"
    "例 / Example: tillgate sim card list",
)

Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]
_TEXTS = Path(__file__).parents[1] / "counter" / "texts"


@app.command("list")
def list_cards(as_json: Json = False) -> None:
    """列出卡组 · List the deck: name, masked number, last month, and what becomes of a sale.

    例 / Example: tillgate sim card list --json
    """
    import tomllib

    from iso8583.masking import mask_pan
    from simulators.cards import DECK, load_card

    zh, en = (tomllib.loads((_TEXTS / f"{language}.toml").read_text("utf-8")) for language in ("zh", "en"))
    for name in DECK:
        card = load_card(name)
        facts = {
            "name": name, "number": mask_pan(card.pan), "expiry": card.expiry[:4], "contactless": card.contactless,
            "zh": f"{zh[f'card_{name}']}：{zh[f'fate_{name}']}", "en": f"{en[f'card_{name}']}: {en[f'fate_{name}']}",
        }  # fmt: skip
        line = f"{name:20} {facts['number']}  {facts['zh']} · {facts['en']}"
        typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else line)


@app.command()
def new(
    pan: Annotated[str, typer.Option(help="测试卡号 · A test card's number, 13 to 19 digits.")],
    expiry: Annotated[str, typer.Option(help="有效期 YYMM 或 YYMMDD · Last month or day.")],
    out: Annotated[Path, typer.Option(help="卡片文件 · The card's file, which must not exist yet.", dir_okay=False)],
    authority: Annotated[
        Path, typer.Option(help="测试 CA 目录 · The test CA's folder; made with its first card.")
    ] = Path("authority"),
    seed: Annotated[str, typer.Option(help="种子 · The same seed makes the same keys; none: random ones.")] = "",
    sequence: Annotated[str, typer.Option(help="卡序列号 · Card sequence number, two digits.")] = "01",
    pin: Annotated[str, typer.Option(help="脱机密码 · Offline PIN; none: the card knows none.")] = "",
    static_only: Annotated[bool, typer.Option("--sda", help="只做静态认证 · Static authentication only.")] = False,
    contactless: Annotated[bool, typer.Option("--contactless", help="带天线 · With an antenna.")] = False,
    as_json: Json = False,
) -> None:
    """制作一张测试卡 · Personalise a test card, certified by a test CA of your own.

    The CA's public key is in ca_keys.json of its folder: give it to the test terminal.

    例 / Example: tillgate sim card new --pan 6299990000000207 --expiry 3012 --out ./my_card.toml
    """
    import random
    import secrets

    from iso8583.masking import mask_pan
    from simulators.cards.authority import CARD_BITS, ISSUER_BITS, PUBLIC_FILE, Authority, Chain, certified, new_key
    from simulators.cards.personalisation import card_file, personalise
    from simulators.issuer import GOLDEN_CHIP_KEY

    _check(pan, sequence, pin, out)
    last_day = _last_day(expiry)
    chance = random.Random(seed) if seed else secrets.SystemRandom()
    try:
        certifier = Authority.in_folder(authority, random.Random(f"authority {seed}") if seed else chance)
    except ValueError as error:
        raise typer.TyperException(f"{error}: name another folder with --authority") from None
    chain = Chain(
        certifier.key, new_key(ISSUER_BITS, chance), None if static_only else new_key(CARD_BITS, chance),
        certifier.index,
    )  # fmt: skip
    entries = {"pan": pan, "sequence": sequence, "expiry": last_day, "pin": pin, "contactless": contactless}
    key = {"issuer_key": GOLDEN_CHIP_KEY.hex(), "profile": "5C00" if static_only else "7D00"}
    card = certified(personalise(entries | key), chain)
    _write_private(out, card_file(card, "A test card, made by tillgate sim card new."))
    facts = {"card": str(out), "number": mask_pan(pan), "ca_keys": str(authority / PUBLIC_FILE)}
    typer.echo(json.dumps(facts) if as_json else f"{facts['number']}: {out}, CA {facts['ca_keys']}")


@app.command()
def trace(
    card: Annotated[str, typer.Argument(help="卡组里的名字或卡片文件 · Name in the deck, or a card's file.")] = "",
    replay: Annotated[Path | None, typer.Option(help="重放此文件 · Replay this file instead.", exists=True)] = None,
    tap: Annotated[bool, typer.Option("--tap", help="挥卡 · By radio.")] = False,
    ca_keys: Annotated[Path | None, typer.Option(help="CA 公钥 · The CA's ca_keys.json.", exists=True)] = None,
    out: Annotated[Path | None, typer.Option(help="存入文件 · Save it in this new file.", dir_okay=False)] = None,
    show_card_data: Annotated[
        bool,
        typer.Option("--show-card-data", help="文件里不掩码 · In clear in the file, for replay."),
    ] = False,
    as_json: Json = False,
) -> None:
    """记录或重放一笔交易 · Sell to a card with the real kernel and show every command, card data masked.

    例 / Example: tillgate sim card trace golden --out golden.json --show-card-data
    """
    from simulators.cards import CA_KEYS_FILE
    from simulators.cards.till import replay as sell_again
    from simulators.cards.trace import Trace, TraceError, from_json, shown, to_json
    from terminal.emv.ca_keys import parse_ca_keys

    if bool(card) == (replay is not None):
        raise typer.BadParameter("卡片或 --replay 二选一 · name a card or a file to --replay, one of the two")
    try:
        keys = parse_ca_keys((ca_keys or CA_KEYS_FILE).read_text("utf-8"))
        recorded = from_json(replay.read_text("utf-8")) if replay else Trace("contactless" if tap else "contact")
        outcome = sell_again(recorded, keys) if replay else _sell(card, recorded, keys)
    except (TraceError, ValueError, TypeError) as error:
        raise typer.TyperException(str(error)) from None
    if out:
        _write_private(out, to_json(recorded, in_clear=show_card_data))
        if show_card_data:
            typer.echo(f"注意：{out} 含明文卡数据 · Warning: {out} holds card data in clear", err=True)
    lines = shown(recorded.exchanges)
    if as_json:
        typer.echo(json.dumps({"outcome": outcome.kind, "reason": outcome.reason, "exchanges": lines}))
        return
    for line in lines:
        typer.echo(f"> {line['command']}\n< {line['answer'] or '(无应答 · no answer)'}")
    typer.echo(f"{outcome.kind}: {outcome.reason}")


def _sell(name: str, trace: "Trace", keys: "tuple[CaKey, ...]") -> "Outcome":
    from simulators.cards import Card, TappedCard
    from simulators.cards.till import sell

    personalised = _card(name)
    if trace.interface == "contactless" and not personalised.contactless:
        raise typer.TyperException("这张卡没有天线，请去掉 --tap · this card has no antenna: leave --tap out")
    card = TappedCard(personalised) if trace.interface == "contactless" else Card(personalised)
    return sell(card, personalised, trace, keys)


def _card(name: str) -> "Personalisation":
    from simulators.cards import DECK, load_card, read_card

    if name in DECK:
        return load_card(name)
    if not Path(name).is_file():
        raise typer.TyperException(f"没有这张卡 · no card {name}: tillgate sim card list names the deck's")
    try:
        return read_card(Path(name))
    except (TypeError, ValueError, AttributeError):
        raise typer.TyperException(f"不是卡片文件 · {name} is no card's file: make one with sim card new") from None


def _check(pan: str, sequence: str, pin: str, out: Path) -> None:
    from iso8583.tool.plausibility import luhn_valid

    if not (13 <= len(pan) <= 19 and pan.isascii() and pan.isdecimal() and luhn_valid(pan)):
        raise typer.BadParameter(
            "卡号须为 13 至 19 位且校验位正确 · a number has 13 to 19 digits, the last a check digit"
        )
    if not (len(sequence) == 2 and sequence.isascii() and sequence.isdecimal()):
        raise typer.BadParameter("卡序列号须为两位数字 · a card sequence number has two digits")
    if pin and not (4 <= len(pin) <= 12 and pin.isascii() and pin.isdecimal()):
        raise typer.BadParameter("密码须为 4 至 12 位数字 · a PIN has 4 to 12 digits")
    if out.exists():
        raise typer.TyperException(f"文件已存在，请换一个名字 · {out} exists: choose another name")


def _last_day(expiry: str) -> str:
    """YYMMDD of YYMM, whose last day it then is, or of YYMMDD."""
    if len(expiry) in (4, 6) and expiry.isascii() and expiry.isdecimal() and 1 <= int(expiry[2:4]) <= 12:
        days = calendar.monthrange(2000 + int(expiry[:2]), int(expiry[2:4]))[1]
        if len(expiry) == 4 or 1 <= int(expiry[4:]) <= days:
            return expiry if len(expiry) == 6 else f"{expiry}{days}"
    raise typer.BadParameter("有效期须为 YYMM 或 YYMMDD · an expiry date is YYMM or YYMMDD")


def _write_private(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise typer.TyperException(f"文件已存在，请换一个名字 · {path} exists: choose another name") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
