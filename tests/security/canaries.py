"""Cards, PINs and codes that only the tests know, and a shop that is watched for them wherever it writes or speaks."""

import hashlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog

from iso8583.security import encrypt_pin_block, encrypt_track2, pin_block_iso0
from iso8583.unionpay import WorkingKeys62
from simulators.cards import Card
from simulators.cards.personalisation import Personalisation, personalise
from simulators.escpos import Interpreter
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Account
from terminal.cashier.app import make_app
from terminal.effects import Effect, LoadKeys
from terminal.events import Event
from terminal.runner import Runner
from tests.security.scanner import Find, Scanner, card_numbers, files_in, luhn_digit
from tests.shop.rig import MASTER_KEY, OPENING_BALANCE, Shop, shop

CARDS = ("plain", "refuses", "poor", "wrong_pin", "refunded", "reversed", "asked", "swiped")
CODES = ("scanned", "used", "voided", "silent")
ORIGIN = "http://127.0.0.1:8700"


def digits(name: str, count: int) -> str:
    """Digits that nothing else in the world has, the same in every run."""
    number = int.from_bytes(hashlib.sha256(f"canary {name}".encode()).digest(), "big")
    return f"{number % 10**count:0{count}d}"


def canary_card(name: str, **changed: Any) -> Personalisation:
    """A card with a number of its own, Luhn-valid."""
    body = "621483" + digits(name, 9)
    key = hashlib.sha256(f"canary key {name}".encode()).digest()[:16]
    entries = {"pan": body + luhn_digit(body), "sequence": "01", "expiry": "301231", "issuer_key": key.hex(), **changed}
    return personalise(entries)


def canary_pin(name: str) -> str:
    """A PIN as long as PINs may be, so that it cannot turn up by chance."""
    return digits(f"PIN of {name}", 12)


def canary_code(name: str) -> str:
    """A payment code of a wallet user of its own."""
    return "62" + digits(f"code {name}", 17)


@dataclass
class Watched:
    """A shop that is watched: `shop` to work with, `finds` to look for everything that must not be anywhere."""

    cards: dict[str, Personalisation]
    pins: dict[str, str]
    shop: Shop = field(init=False)
    scanner: Scanner = field(default_factory=Scanner)
    logs: io.StringIO = field(default_factory=io.StringIO)
    seen: list[str] = field(default_factory=list)
    printed: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        _know_all(self.scanner, self.cards, self.pins)

    async def sell(self, amount: int, card: str, pin: str = "") -> dict[str, Any]:
        """Sell to a canary card with its PIN, or with another."""
        return await self.shop.sell_by_card(amount, card=card, pin=pin or self.pins[card])

    def finds(self) -> list[Find]:
        """Look everywhere: files, logs, slips, views, and the repr of all that went through the terminal."""
        s = self.shop
        found = self.scanner.scan_folder(s.folder, without=self._kept_on_purpose)
        places: dict[str, bytes | str] = {
            "logs": self.logs.getvalue(), "printer's wire": bytes(self.printed), "slips": "".join(s.slips),
            "view": json.dumps(s.runner.view()), "reprs": "\n".join(self.seen),
            "journal's reprs": "\n".join(map(repr, s.journal_records())),
            "host's reprs": repr(s.books()), "book's reprs": repr(list(s.counter.book.payments.values())),
        }  # fmt: skip
        for place, data in places.items():
            found += self.scanner.scan(place, data)
        return found

    def finds_at_the_terminal(self) -> list[Find]:
        """Look in the files of the terminal only."""
        return self.scanner.scan_folder(self.shop.folder / "terminal", without=self._kept_on_purpose)

    def lookalikes(self) -> list[bytes]:
        """Whatever looks like a card number in files, logs and reprs, known or not."""
        texts = [path.read_bytes() for path in files_in(self.shop.folder, without=self._kept_on_purpose)]
        texts += [self.logs.getvalue().encode(), "\n".join(self.seen).encode()]
        return [number for text in texts for number in card_numbers(text)]

    @property
    def _kept_on_purpose(self) -> list[Path]:
        """The bank keeps its customers; vault, PIN pad and host each keep the one key that all others are under."""
        folder = self.shop.folder
        return [folder / "issuer", folder / "terminal" / "vault.json", folder / "host" / "master.key"]

    async def look_at_pages(self) -> list[Find]:
        """Look at everything that the cashier's page serves, logged on and off."""
        s = self.shop
        app = make_app(s.runner, s.operators)
        found: list[Find] = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as browser:
            keys = [payment["key"] for payment in s.runner.view()["payments"]]
            for path in ("/", "/state", *(f"/?sheet=payment&key={key}" for key in keys)):
                answer = await browser.get(path)
                assert answer.status_code == 200, path
                found += self.scanner.scan(path, answer.content) + self.scanner.scan(path, str(answer.headers))
        return found

    def keep(self, effect: Effect) -> None:
        """Remember an effect's repr; learn the working keys, and what they make of PINs and tracks."""
        self.seen.append(repr(effect))
        if isinstance(effect, LoadKeys):
            self._learn(*WorkingKeys62.parse(effect.keys).unwrap(MASTER_KEY))

    def _learn(self, pin_key: bytes, mac_key: bytes, track_key: bytes) -> None:
        run = sum(name.startswith("MAC key") for name in self.scanner.names)
        self.scanner.know_bytes(f"PIN key {run}", pin_key)
        self.scanner.know_bytes(f"MAC key {run}", mac_key)
        self.scanner.know_bytes(f"track key {run}", track_key)
        for name, card in self.cards.items():
            block = pin_block_iso0(bytearray(self.pins[name].encode()), card.pan)
            self.scanner.know_bytes(f"{name} PIN block under key {run}", encrypt_pin_block(pin_key, block))
            self.scanner.know_bytes(f"{name} track under key {run}", _encrypted_part(track_key, card))


def _encrypted_part(track_key: bytes, card: Personalisation) -> bytes:
    """The eight bytes of a card's track 2 that travel encrypted."""
    track = card.tracks[2].replace("=", "D")
    encrypted = encrypt_track2(track_key, track)
    return bytes.fromhex(encrypted[len(track) - 18 : len(track) - 2])


@asynccontextmanager
async def watched_shop(folder: Path, monkeypatch: Any, **options: Any) -> AsyncIterator[Watched]:
    """A shop with canary cards, watched from before its first byte."""
    cards = {name: canary_card(name, refuses_approvals=name == "refuses") for name in CARDS}
    cards["swiped"] = canary_card("swiped", service_code="120")
    watched = Watched(cards, {name: canary_pin(name) for name in CARDS})
    accounts = [
        Account(card.pan, 100 if name == "poor" else OPENING_BALANCE, watched.pins[name].encode(), card.issuer_key)
        for name, card in cards.items()
    ]
    accounts += [Account(user, OPENING_BALANCE) for user in {canary_code(name)[:4] for name in CODES}]
    _watch_events(monkeypatch, watched)
    options |= {"cards": {name: Card(card) for name, card in cards.items()}, "accounts": accounts}
    with _captured_logs(watched.logs):
        async with shop(folder, on_effect=watched.keep, **options) as watched.shop:
            yield watched


def _know_all(scanner: Scanner, cards: dict[str, Personalisation], pins: dict[str, str]) -> None:
    for name, card in cards.items():
        scanner.know_card(name, card, pins[name])
        clear_block = pin_block_iso0(bytearray(pins[name].encode()), card.pan)
        scanner.know_bytes(f"{name} clear PIN block", bytes(clear_block))
        scanner.know_bytes(f"{name} PIN block for the issuer", encrypt_pin_block(ZONE_PIN_KEY, clear_block))
        scanner.know_bytes(f"{name} chip key", card.issuer_key)
    for name in CODES:
        scanner.know_digits(f"code {name}", canary_code(name)[2:15])
    for name, key in {"master": MASTER_KEY, "zone PIN": ZONE_PIN_KEY, "zone MAC": ZONE_MAC_KEY}.items():
        scanner.know_bytes(f"{name} key", key)


def _watch_events(monkeypatch: Any, watched: Watched) -> None:
    """Keep the repr of every event, and every byte that reaches the printer."""
    post, receive = Runner.post, Interpreter.receive

    def posted(runner: Runner, event: Event) -> None:
        watched.seen.append(repr(event))
        post(runner, event)

    def received(interpreter: Interpreter, data: bytes) -> Any:
        watched.printed.extend(data)
        return receive(interpreter, data)

    monkeypatch.setattr(Runner, "post", posted)
    monkeypatch.setattr(Interpreter, "receive", received)


@contextmanager
def _captured_logs(logs: io.StringIO) -> Iterator[None]:
    """Let a text have all that structlog and the library's loggers say, as a file would have it."""
    handler = logging.StreamHandler(logs)
    logging.getLogger().addHandler(handler)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(logs),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.getLogger().removeHandler(handler)
