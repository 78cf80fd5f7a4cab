"""The courier benchmark's terminal: a whole one, with a journal full of offline sales, that drains through the broker.

It is what ``tillgate terminal run`` runs: its key process, its journal, its page. Its own line to the host is cut as
soon as it has signed on, so that everything must go through the broker.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.children import Server
from bench.fleet import CHIP_DATA, MASTER_KEY, MERCHANT
from firmware_config.profile import TerminalProfile, load_profile
from host_switch import certificates as host_certificates
from iso8583.masking import mask_pan
from terminal import certificates, messages, start
from terminal.book import Book
from terminal.effects import Effect, Persist, Send
from terminal.events import CardPresented
from terminal.journal import Journal
from terminal.key_store import KeyStore
from terminal.records import Answered, ApprovedOffline, Key, PrintBegan, Printed, Record, SignedOn, Started
from terminal.transitions import State

LOOPBACK = "127.0.0.1"
BATCH = "000001"
AMOUNT = 1234
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a terminal has its page, and finds its line to the host and the broker."""

    page: int
    line: int
    broker: int


def set_up(folder: Path, host: Path, terminal: str, ports: Ports) -> None:
    """Make a terminal's folder: its profile, its keys, and a certificate of the authority in the host's folder."""
    certify(folder, host, terminal)
    KeyStore.create(folder / "vault.json", MASTER_KEY)
    (folder / "profile.toml").write_text(
        f'terminal_id = "{terminal}"\nmerchant_id = "{MERCHANT}"\npage_port = {ports.page}\n'
        f'merchant_name_zh = "测试商户"\nmerchant_name_en = "BENCH"\n'
        f"[host]\nport = {ports.line}\ntls = true\n[courier]\n"
        f'address = "{LOOPBACK}"\nport = {ports.broker}\ntls = true\nkeepalive_s = 30\n'
    )


def certify(folder: Path, host: Path, terminal: str) -> ssl.SSLContext:
    """Give a terminal's folder its certificate, and return what it shows to host and broker."""
    folder.mkdir(exist_ok=True)
    issued = host_certificates.certify_terminal(host, terminal, certificates.request(folder, terminal))
    certificates.install(folder, terminal, issued)
    return certificates.client_context(folder)


def sell_offline(folder: Path, count: int) -> None:
    """Write so many offline sales into the journal, in the terminal's own words: printed, and owed to the host."""
    profile, keys = load_profile(folder / "profile.toml"), KeyStore(folder / "vault.json")
    with closing(keys), closing(Journal(folder / "journal.db")) as journal:
        journal.append(*(record for number in range(1, count + 1) for record in _sold(profile, keys, number)))


def _sold(profile: TerminalProfile, keys: KeyStore, number: int) -> Iterator[Record]:
    """One sale, each to another card."""
    pan, at = f"629999{number:010d}", time.time()
    key = Key(profile.terminal_id, BATCH, f"{number:06d}")
    started = Started(key, "offline_sale", AMOUNT, profile.currency, "01", f"bench {number}", at)
    book = Book()
    book.apply(started)
    card = CardPresented(pan, keys.seal(pan).hex(), mask_pan(pan), "3012", "", "051", "001", CHIP_DATA)
    payment = book.payments[key]
    kept = messages.recovery_fields(messages.offline_sale(payment, card, profile), payment.rules.recovery)
    token = keys.fingerprint(pan).hex()
    yield started
    yield ApprovedOffline(key, card.entry_mode, card.masked, at, card.sealed, kept, card_token=token)
    yield PrintBegan(key, at)
    yield Printed(key, at)


def booked(folder: Path) -> set[Key]:
    """The offline sales that the terminal's journal has as booked by the host."""
    book = Book()
    with closing(Journal(folder / "journal.db")) as journal:
        assert journal.verify().intact
        for record in journal.replay():
            book.apply(record)
    return {key for key, payment in book.payments.items() if payment.state is State.APPROVED}


@dataclass(frozen=True, slots=True)
class Drained:
    """How a journal was drained: how many advices were answered, in how long, and after what.

    `after_s`: from the last disturbance to the last answer. CPU times are from the start of the terminal.
    """

    answered: int
    through_broker: int
    seconds: float
    cpu_s: float
    keys_cpu_s: float
    after_s: float


@dataclass(slots=True)
class _Watch:
    """Sees what the terminal does."""

    wanted: int
    on_signed_on: Callable[[], None]
    answered: int = 0
    through_broker: int = 0
    began: float = 0.0
    ended: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def effect(self, effect: Effect) -> None:
        match effect:
            case Send(line="courier"):
                self.through_broker += 1
                self.began = self.began or time.perf_counter()
            case Persist(Answered()):
                self.answered += 1
                if self.answered == self.wanted:
                    self.ended = time.perf_counter()
                    self.over.set()
            case Persist(SignedOn()):
                self.on_signed_on()
            case _:
                pass


class Disturber:
    """What happens while a terminal drains. This one does nothing."""

    at = 0.0
    """When it last did something."""

    async def run(self, answered: Callable[[], int]) -> None:
        """Disturb, until cancelled; `answered` says how far the terminal is."""


async def drained(folder: Path, line: int, host: int, count: int, disturber: Disturber) -> Drained:
    """Run a terminal until so many of its advices are answered. Raises TimeoutError."""
    own_line = _OwnLine(host)
    await own_line.open(line)
    watch = _Watch(count, own_line.cut)
    cpu = time.process_time()
    life = asyncio.create_task(start.run(folder, watch.effect))
    disturbing = asyncio.create_task(disturber.run(lambda: watch.answered))
    try:
        async with asyncio.timeout(PATIENCE_S):
            over = asyncio.create_task(watch.over.wait())
            await asyncio.wait([over, life], return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
        cpu_s = time.process_time() - cpu
        keys_cpu_s = sum(Server(child, 0).cpu_s() for child in _children())
    finally:
        for task in (life, disturbing):
            task.cancel()
        await asyncio.gather(life, disturbing, return_exceptions=True)
    seconds, after_s = watch.ended - watch.began, watch.ended - disturber.at
    return Drained(watch.answered, watch.through_broker, seconds, cpu_s, keys_cpu_s, after_s)


def _children() -> list[int]:
    me = os.getpid()
    return [int(child) for child in Path(f"/proc/{me}/task/{me}/children").read_text("ascii").split()]


class _OwnLine:
    """The terminal's own line to the host: bytes both ways, until it is cut for good."""

    def __init__(self, host: int) -> None:
        self._host = host
        self._ends: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server

    async def open(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, port)

    def cut(self) -> None:
        """Hang up, and be deaf from now on."""
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host_reader, host_writer = await asyncio.open_connection(LOOPBACK, self._host)
        self._ends += [writer, host_writer]
        await asyncio.gather(_pass(reader, host_writer), _pass(host_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.transport.abort()
