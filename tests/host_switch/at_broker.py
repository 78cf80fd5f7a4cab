"""A whole host at a real broker, with an issuer, and terminals that speak to it by both lines."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from host_switch import certificates, start
from host_switch.events import TerminalRegistered
from host_switch.ingest_mqtt import Ingest
from host_switch.invariants import breaches
from host_switch.listener import Listener
from host_switch.sqlite_store import SqliteStore
from host_switch.store import Books
from iso8583 import Message
from iso8583.framing import with_length
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Issuer, default_accounts
from simulators.issuer_process import IssuerProcess, IssuerStore
from terminal.certificates import client_context
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till
from tests.mosquitto import LOOPBACK, Mosquitto, Speaker, StandIn, certified_terminal, running_broker

PATIENCE_S = 10


@dataclass
class AtBroker:
    """A till that says what is owed through the broker, and everything else on the host's port."""

    till: Till
    tls: ssl.SSLContext
    speaker: Speaker

    def up(self, kind: str = "advice") -> str:
        return f"tg/{MERCHANT}/{self.till.id}/up/{kind}"

    @property
    def down(self) -> str:
        return f"tg/{MERCHANT}/{self.till.id}/down/answer"

    def say(self, message: Message, kind: str = "advice") -> str:
        return self.speaker.say(self.up(kind), self.till.frame(message))

    async def hear(self) -> Message:
        topic, payload = await asyncio.to_thread(self.speaker.hear)
        assert topic == self.down
        return self.till.read(payload)

    async def tell(self, message: Message, kind: str = "advice") -> Message:
        await asyncio.to_thread(self.say, message, kind)
        return await self.hear()

    def come_back(self) -> None:
        """Connect anew, after the broker has died."""
        self.speaker.close()
        self.speaker = Speaker(self.speaker.port, self.tls, self.till.id, resume=True)
        assert self.speaker.connect()
        self.speaker.listen(self.down)


@dataclass
class Place:
    """A folder with everything in it: a host can be opened in it, closed, and opened again."""

    folder: Path
    broker: Mosquitto
    bank: IssuerProcess
    terminals: list[AtBroker] = field(default_factory=list)
    bank_port: int = 0
    old: bool = False
    listener: Listener | None = None
    port: int = 0

    @property
    def host(self) -> Path:
        return self.folder / "host"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Listener]:
        issuer = start.Address(LOOPBACK, self.bank_port)
        broker = start.Address(LOOPBACK, self.broker.port)
        listening = start.Address(LOOPBACK, self.port)
        async with start.opened(self.host, listening, issuer, broker=broker) as (listener, port):
            self.listener, self.port = listener, port
            yield listener

    async def at_broker(self) -> Ingest:
        """Wait until the host is at the broker."""
        ingest = self.listener.courier if self.listener is not None else None
        assert isinstance(ingest, Ingest)
        await until(lambda: ingest._connected is not None)
        return ingest

    @contextmanager
    def host_process(self) -> "Iterator[subprocess.Popen[str]]":
        """A host as a process of its own, that is at the broker."""
        command = [sys.executable, "-m", "tillgate", "host", "run", "--data", str(self.host), "--port", "0", "--json"]
        command += ["--issuer", f"{LOOPBACK}:{self.bank_port}", "--broker", f"{LOOPBACK}:{self.broker.port}"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stderr is not None
            try:
                assert any("at the broker" in line for line in process.stderr)
                yield process
            finally:
                process.kill()

    async def terminal(self, name: str = "12345678") -> AtBroker:
        """A terminal that is registered, has signed on by its own line, and is at the broker."""
        assert self.listener is not None, "opened"
        await self.listener.ask(TerminalRegistered(name, MERCHANT, MASTER_KEY))
        terminal = await asyncio.to_thread(self.certified, Till(name))
        terminal.till.signed_on(await self.on_its_line(terminal.till, terminal.till.sign_on()))
        return terminal

    def certified(self, till: Till) -> AtBroker:
        """A terminal that has a certificate and is at the broker, whether or not the host knows it."""
        tls = certified_terminal(self.folder / till.id, self.host, till.id)
        terminal = AtBroker(till, tls, Speaker(self.broker.port, tls, till.id, resume=not self.old, old=self.old))
        self.terminals.append(terminal)
        assert terminal.speaker.connect()
        terminal.speaker.listen(terminal.down)
        return terminal

    async def on_its_line(self, till: Till, message: Message) -> bytes:
        """Ask by TCP, on a connection of its own."""
        context = client_context(self.folder / till.id)
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port, ssl=context)
        try:
            writer.write(with_length(till.frame(message)))
            async with asyncio.timeout(PATIENCE_S):
                length = int.from_bytes(await reader.readexactly(2), "big")
                return await reader.readexactly(length)
        finally:
            writer.transport.abort()

    def books(self) -> Books:
        with start.opened_store(self.host, to_write=False) as reader:
            return reader.books()

    def owed_to_merchant(self) -> int:
        return -sum(record.amount for record in self.books().records if record.account.startswith("merchant:"))

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The store cannot write."""
        store = self.listener._store if self.listener is not None else None
        assert isinstance(store, SqliteStore)
        store._db.execute("PRAGMA query_only = 1")
        yield
        store._db.execute("PRAGMA query_only = 0")


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true; it is looked at after each turn of the loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - whatever it is, it has no event to wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def place(folder: Path, kind: type[Mosquitto] = Mosquitto) -> AsyncIterator[Place]:
    """A broker, an issuer, and a host's folder. Afterwards the books must be in order."""
    certificates.found(folder / "host", [LOOPBACK])
    with start.opened_store(folder / "host", to_write=True) as store:
        store.put_secret(start.ZONE_KEYS, ZONE_PIN_KEY + ZONE_MAC_KEY)
    bank = IssuerProcess(Issuer(default_accounts()), IssuerStore(folder / "issuer.db"))
    with running_broker(folder, folder / "host", kind) as broker:
        bank_port, _ = await bank.start(0, 0)
        here = Place(folder, broker, bank, bank_port=bank_port, old=kind is StandIn)
        try:
            yield here
            assert breaches(here.books()) == []
        finally:
            for terminal in here.terminals:
                await asyncio.to_thread(terminal.speaker.close)
            await bank.stop()
