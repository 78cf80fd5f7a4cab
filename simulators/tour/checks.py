"""What must hold after a tour: each book by the command that proves it, and all books together."""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.cards import DECK, load_card
from simulators.counter.phone import USER
from simulators.tour.people import Banker
from simulators.tour.setting_up import Shop

CLEARING = "clearing:issuer"
WALLET = f"62{USER}"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and what was found."""

    name: str
    zh: str
    en: str
    holds: bool
    found: str


@dataclass(frozen=True, slots=True)
class Books:
    """How the issuer and the host stood at one moment, in fen."""

    in_accounts: int
    owed_by_issuer: int

    @classmethod
    async def now(cls, shop: Shop, banker: Banker) -> "Books":
        """Ask the issuer for every account that the tour can touch, and the host for its ledger."""
        accounts = [*(load_card(name).pan for name in DECK), WALLET]
        balances = [await banker.balance(account) for account in accounts]
        _, ledger = await _command("host", "ledger", data=shop.host)
        return cls(sum(balances), sum(line["balance"] for line in ledger if line["account"] == CLEARING))


async def checks(shop: Shop, before: Books, after: Books, totals: dict[str, int]) -> list[Check]:
    """Prove everything. `totals` are the terminal's for the batch that the tour has settled."""
    sold = totals["debit_amount"] - totals["credit_amount"]
    return [three_books_agree(before, after, sold), *await prove_each_book(shop)]


async def prove_each_book(shop: Shop) -> list[Check]:
    """Prove each book by itself, and that no card number lies about."""
    (intact, journal), (_, owed), (balanced, reconciled) = await asyncio.gather(
        _command("terminal", "journal", "verify", data=shop.terminal),
        _command("terminal", "queue", "list", data=shop.terminal),
        _command("host", "reconcile", data=shop.host),
    )
    books = reconciled[-1]
    leaks = await asyncio.to_thread(clear_card_numbers, shop.folder)
    return [
        Check("journal", "终端日志完整", "the terminal's journal is unbroken", intact, f"{journal[0]['rows']} records"),
        Check(
            "nothing_owed", "没有未了交易", "no payment is left open", not owed and not books["open"],
            f"{len(owed)} at the terminal, {books['open']} at the host",
        ),
        Check(
            "host_books", "主机账簿通过全部核对", "the host's books pass every validation", balanced,
            f"{books['validations']} validations, {books['records']} postings, {books['breaches']} breaches",
        ),
        Check(
            "no_clear_card_numbers", "磁盘上没有明文卡号", "no card number in clear on disk", not leaks,
            ", ".join(leaks) or "none",
        ),
    ]  # fmt: skip


def three_books_agree(before: Books, after: Books, sold: int) -> Check:
    """What left the accounts, what the host booked, and what the terminal sold, in fen, are one amount."""
    taken, booked = before.in_accounts - after.in_accounts, after.owed_by_issuer - before.owed_by_issuer
    return Check(
        "three_books_agree", "发卡行、主机、终端三本账一致", "issuer, host and terminal agree to the fen",
        taken == booked == sold, f"issuer {taken}, host {booked}, terminal {sold} fen",
    )  # fmt: skip


def clear_card_numbers(folder: Path) -> list[str]:
    """Files below `folder` that hold a card number of the deck, as text or packed. The issuer's own may."""
    numbers = [load_card(name).pan for name in DECK]
    needles = [number.encode() for number in numbers] + [bytes.fromhex(number) for number in numbers]
    files = (path for path in folder.rglob("*") if path.is_file() and "issuer" not in path.relative_to(folder).parts)
    return [str(path.relative_to(folder)) for path in files if _holds_any(path.read_bytes(), needles)]


def _holds_any(data: bytes, needles: Iterable[bytes]) -> bool:
    return any(needle in data for needle in needles)


async def _command(*words: str, data: Path) -> tuple[bool, list[dict[str, Any]]]:
    """Run a command as an operator would; return whether its exit code is 0, and its lines of JSON."""
    arguments = ("-m", "tillgate", *words, "--data", str(data), "--json")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return process.returncode == 0, [json.loads(line) for line in output.splitlines()]
