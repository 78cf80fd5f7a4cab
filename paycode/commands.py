"""`tillgate paycode …`: try offline payment codes out, as the phone and as the shop."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from paycode import Verdict

app = typer.Typer(
    no_args_is_help=True,
    help="离线付款码 · Offline payment codes: issue and verify them (docs/paycode.md).\n\n"
    "例 / Example: tillgate paycode new --data ./trial",
)

Data = Annotated[Path, typer.Option("--data", help="试验目录 · The trial's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]
At = Annotated[int, typer.Option("--at", help="Unix 时间 · As if it were this Unix time; 0: now.", min=0)]
_TEXTS = Path(__file__).parent / "texts"


class Kind(StrEnum):
    """What a phone can show."""

    DIGITS = "digits"
    SIGNED = "signed"


@app.command()
def new(data: Data, at: At = 0, as_json: Json = False) -> None:
    """建立试验目录 · Make a trial: an issuer, a phone that has just been online, and a shop that knows the issuer.

    例 / Example: tillgate paycode new --data ./trial
    """
    import secrets

    from paycode import trial

    chance = trial.Chance(secrets.token_bytes(16), *(secrets.token_bytes(32) for _ in range(3)))
    try:
        trial.create(data, _now(at), chance)
    except trial.TrialError as error:
        raise typer.TyperException(str(error)) from None
    hint = f"tillgate paycode issue --data {data}"
    typer.echo(json.dumps({"data": str(data)}) if as_json else f"试验已建立 / The trial is made. Next: {hint}")


@app.command()
def issue(
    data: Data,
    kind: Annotated[
        Kind, typer.Option(help="码的种类 · Kind of code: digits for a shop with a network.")
    ] = Kind.SIGNED,
    amount: Annotated[int | None, typer.Option(help="金额（分） · Only for this amount, in fen.", min=0)] = None,
    merchant: Annotated[str | None, typer.Option(help="商户号 · Only at this merchant.")] = None,
    at: At = 0,
    as_json: Json = False,
) -> None:
    """出示一个码 · Show a code as the phone would, offline. The wallet is stored before the code is printed.

    例 / Example: tillgate paycode issue --data ./trial --kind digits
    """
    import paycode
    from paycode import trial

    if kind is Kind.DIGITS and (amount is not None or merchant is not None):
        raise typer.BadParameter("数字码不含金额和商户 · digits have no room for --amount or --merchant")
    wallet: paycode.DigitWallet | paycode.SignedWallet
    try:
        if kind is Kind.DIGITS:
            code, wallet = paycode.issue(trial.digit_wallet(data), _now(at))
        else:
            code, wallet = paycode.issue(trial.signed_wallet(data), _now(at), amount, merchant)
        trial.save_wallet(data, wallet)
    except (trial.TrialError, ValueError) as error:
        raise typer.TyperException(str(error)) from None
    typer.echo(json.dumps({"kind": kind.value, "code": code}) if as_json else code)


@app.command()
def verify(
    code: Annotated[str, typer.Argument(help="码 · The code, as it was scanned.")],
    data: Data,
    amount: Annotated[int, typer.Option(help="金额（分） · What is to be paid, in fen.", min=0)] = 0,
    currency: Annotated[int, typer.Option(help="币种 · ISO 4217, numeric.")] = 156,
    merchant: Annotated[str, typer.Option(help="商户号 · Who is to be paid.")] = "",
    at: At = 0,
    as_json: Json = False,
) -> None:
    """验证一个码 · Verify a code as host, terminal or gate would. What it changes is stored first: a code pays once.

    例 / Example: tillgate paycode verify "TG1:…" --data ./trial --amount 2500
    """
    import paycode
    from paycode import trial
    from paycode.signed import Payment

    try:
        verdict = paycode.verify(code, _now(at), trial.trust_of(data, Payment(amount, currency, merchant)))
        trial.save_facts(data, verdict)
    except trial.TrialError as error:
        raise typer.TyperException(str(error)) from None
    facts = _told(verdict)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        raise typer.Exit(0 if verdict.accepted else 1)
    if not verdict.accepted:
        raise typer.TyperException(f"{facts['zh']} / {facts['en']} ({facts['reason']})")
    said = "，".join(f"{name} {value}" for name, value in facts.items() if name != "accepted" and value is not None)
    typer.echo(f"可以收款 / Accepted: {said}")


def _now(at: int) -> int:
    import time

    return at or int(time.time())


def _told(verdict: "Verdict") -> dict[str, Any]:
    """A verdict for people and machines: no code, no key, no whole account."""
    from paycode import Accepted, DigitCode, Refused, SignedCode, TransitCode
    from paycode.transit import NUMBERS
    from paycode.verdict import masked

    match verdict:
        case Accepted(says=DigitCode() as code):
            return {"accepted": True, "kind": "digits", "user": masked(str(code.user))}
        case Accepted(says=SignedCode() as code):
            amount, merchant = code.amount, code.merchant
            return {"accepted": True, "kind": "signed", "key": code.name, "amount": amount, "merchant": merchant}
        case Accepted(says=TransitCode() as code):
            return {"accepted": True, "kind": "transit", "account": code.name, "ride_max": code.ride_max}
        case Refused(reason=reason):
            texts = {language: _text(language, reason.value) for language in ("zh", "en")}
            return {"accepted": False, "reason": reason.value, "number": NUMBERS.get(reason), **texts}
    raise AssertionError(verdict)


def _text(language: str, key: str) -> str:
    import tomllib

    text: str = tomllib.loads((_TEXTS / f"{language}.toml").read_text("utf-8"))[key]
    return text
