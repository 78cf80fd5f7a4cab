"""A whole shop in one loop: issuer, host, terminal and devices, all real, over real sockets, serial lines and files.

    async with shop(tmp_path) as s:
        sale = await s.sell_by_card(2500)
        assert sale["state"] == "approved"
        await s.prove()

Nothing here sleeps or polls: it waits for the terminal's view (`until`) or for the host's effects (`host_until`).
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

from host_switch import start as host
from host_switch.connections import Limits
from host_switch.events import Effect as HostEffect
from host_switch.events import TerminalRegistered
from host_switch.invariants import breaches, nothing_is_owed
from host_switch.listener import Listener
from host_switch.store import Books
from iso8583.masking import mask_pan
from simulators.cards import DECK, Card, InsertedCard, load_card
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Account, Issuer, Mood, default_accounts
from simulators.issuer_process import IssuerProcess, IssuerStore
from simulators.pin_pad import VirtualPinPad
from simulators.printer import VirtualPrinter
from simulators.scanner import VirtualScanner
from terminal import start as terminal
from terminal.book import Payment
from terminal.counter import Counter
from terminal.effects import Effect, Persist
from terminal.events import (
    BalanceRequested,
    Event,
    Original,
    RefundRequested,
    ReprintRequested,
    SaleRequested,
    SettleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.journal import Journal
from terminal.key_store import KeyStore
from terminal.operators import Operators
from terminal.records import Key, Record, Started
from terminal.runner import Runner
from terminal.steady_clock import SteadyClock
from terminal.transitions import State
from tests.terminal.key_rig import keep_test_ca_keys

LOOPBACK = "127.0.0.1"
TERMINAL, MERCHANT = "10000001", "898110053110001"
MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
OPENING_BALANCE = 1_000_000
PIN = "123456"
PATIENCE_S = 20.0
"""Only a test that hangs ever waits so long."""

View = dict[str, Any]


class Refused(Exception):
    """The counter did not take a request up; the text is the reason that the page would word."""


class Killed(Exception):
    """The terminal died where the test wanted it to."""


class Shop:
    """A shop that is open; made by `shop`."""

    def __init__(
        self, folder: Path, reply_timeout_s: float, channel_timeout_s: float, limits: Limits, cards: dict[str, Card],
        accounts: list[Account], settings: str, devices: str, names: tuple[str, str], host_port: int, relay_port: int,
        terminal_id: str,
    ) -> None:  # fmt: skip
        self.folder, self.terminal_id = folder, terminal_id
        self.issuer: Issuer
        self.issuer_port = 0
        self.host: Listener
        self.host_port = host_port or free_port()
        self.relay_port = relay_port
        self.printer = VirtualPrinter()
        self.pin_pad: VirtualPinPad
        self.scanner: VirtualScanner
        self.runner: Runner
        self.operators: Operators
        self.cards = cards
        self.accounts = accounts
        self.card_in: InsertedCard | None = None
        self.kill_after: Callable[[Effect], bool] = lambda _: False
        self.on_effect: Callable[[Effect], None] = lambda _: None
        self.on_host_effect: Callable[[HostEffect], None] = lambda _: None
        self._settings, self._devices = settings, devices
        self._reply_timeout_s, self._channel_timeout_s = reply_timeout_s, channel_timeout_s
        self._names, self._limits = names, limits
        self.clock: SteadyClock | None = None
        self._reader_port = free_port()
        self._host_life: AsyncExitStack | None = None
        self._life: asyncio.Task[None] | None = None
        self._host_moved = asyncio.Event()
        self._dying = False
        self._requests = 0

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def open(self, stack: AsyncExitStack) -> None:
        """Switch everything on; `stack` switches it off."""
        await self.printer.start()
        stack.push_async_callback(self.printer.close)
        self.pin_pad = VirtualPinPad(self.folder / "pin_pad", MASTER_KEY, memory=self.folder / "pin_pad.key")
        stack.callback(self.pin_pad.close)
        self.scanner = VirtualScanner(self.folder / "scanner")
        stack.callback(self.scanner.close)
        await self._open_issuer(stack)
        self._set_up()
        await self.start_host()
        stack.push_async_callback(self.stop_host)
        await self.restart_terminal()
        stack.push_async_callback(self.stop_terminal)
        stack.push_async_callback(self.take_card)

    async def _open_issuer(self, stack: AsyncExitStack) -> None:
        store = IssuerStore(self.folder / "issuer" / "issuer.db")
        store.save(self.accounts)
        self.issuer = Issuer(self.accounts)
        process = IssuerProcess(self.issuer, store)
        self.issuer_port, _ = await process.start(0, 0)
        stack.push_async_callback(process.stop)

    def _set_up(self) -> None:
        with host.opened_store(self.folder / "host", to_write=True) as store:
            store.put_secret(host.ZONE_KEYS, ZONE_PIN_KEY + ZONE_MAC_KEY)
        host.carry_out(self.folder / "host", TerminalRegistered(self.terminal_id, MERCHANT, MASTER_KEY))
        (self.folder / "terminal").mkdir()
        KeyStore.create(self.folder / "terminal" / "vault.json", MASTER_KEY)
        keep_test_ca_keys(self.folder / "terminal")

    def _write_profile(self) -> None:
        places = {"pin_pad_path": self.pin_pad.path, "scanner_path": self.scanner.path, "printer_address": LOOPBACK}
        devices = self._devices + "".join(f'{name} = "{place}"\n' for name, place in places.items())
        (self.folder / "terminal" / "profile.toml").write_text(
            f'terminal_id = "{self.terminal_id}"\nmerchant_id = "{MERCHANT}"\n'
            f"merchant_name_zh = {json.dumps(self._names[0])}\nmerchant_name_en = {json.dumps(self._names[1])}\n"
            f"{self._settings}\n"
            f"[host]\nport = {self.relay_port or self.host_port}\nreply_timeout_s = {self._reply_timeout_s}\n"
            f"[devices]\n{devices}card_reader_port = {self._reader_port}\nprinter_port = {self.printer.port}\n",
            "utf-8",
        )

    async def start_host(self) -> None:
        """Start the host, on what its folder holds."""
        self._host_life = AsyncExitStack()
        self.host, self.host_port = await self._host_life.enter_async_context(
            host.opened(
                self.folder / "host", host.Address(LOOPBACK, self.host_port),
                host.Address(LOOPBACK, self.issuer_port), limits=self._limits,
                channel_timeout_s=self._channel_timeout_s, after_effect=self._host_did,
            )
        )  # fmt: skip

    async def add_terminal(self, terminal_id: str, merchant: str, master_key: bytes) -> None:
        """Make another terminal known to the running host."""
        await self.host.ask(TerminalRegistered(terminal_id, merchant, master_key))

    async def stop_host(self) -> None:
        """End the host, as a kill ends it: what is under way is left, and nobody is told."""
        if self._host_life is not None:
            life, self._host_life = self._host_life, None
            await life.aclose()

    def _host_did(self, effect: HostEffect) -> None:
        self.on_host_effect(effect)
        self._host_moved.set()

    async def restart_terminal(self, *, ready: bool = True) -> None:
        """Start the terminal, on what its folder holds, and wait until it is signed on."""
        self._write_profile()
        started = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(started))
        await asyncio.wait({self._life, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._life.done():
            self._life.result()
        if ready:
            await self.until_ready()

    async def _live(self, started: "asyncio.Future[None]") -> None:
        async with terminal.opened(self.folder / "terminal", self._after_effect, self.clock) as opened:
            self.runner, self.operators = opened.runner, opened.operators
            started.set_result(None)
            await self.runner.run()

    def _after_effect(self, effect: Effect) -> None:
        self.on_effect(effect)
        if self.kill_after(effect):
            self._dying = True
            raise Killed

    async def stop_terminal(self) -> None:
        """End the terminal in the middle of whatever it does."""
        assert self._life is not None, "started"
        self._life.cancel()
        await asyncio.wait({self._life})

    def crash_at_record(self, kind: type[Record]) -> None:
        """Let the terminal die when its next record of a kind is on disk, before anything that follows from it."""
        self.kill_after = lambda effect: isinstance(effect, Persist) and isinstance(effect.record, kind)

    async def has_crashed(self) -> None:
        """Wait until the terminal has died of `kill_after`."""
        assert self._life is not None, "started"
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self._life})
        self.kill_after, self._dying = lambda _: False, False
        assert isinstance(self._life.exception(), ExceptionGroup), "killed, not cancelled"

    # --- what can be seen ---------------------------------------------------------------------------------------------

    @property
    def counter(self) -> Counter:
        """The terminal's cores."""
        return self.runner.counter

    async def until(self, holds: Callable[[View], object]) -> View:
        """Wait until the terminal's view is so, and return it. Raises Killed if the terminal dies instead."""
        assert self._life is not None, "started"
        waiting = asyncio.create_task(self._until(holds))
        await asyncio.wait({waiting, self._life}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        waiting.cancel()
        await asyncio.wait({waiting})
        if self._dying:
            raise Killed
        if self._life.done():
            self._life.result()
        assert not waiting.cancelled(), f"it never came to be so: {self.runner.view()}"
        return waiting.result()

    async def _until(self, holds: Callable[[View], object]) -> View:
        async for view in self.runner.changes():
            if holds(view):
                return view
        raise AssertionError("changes have no end")

    async def until_ready(self) -> View:
        """Wait until the terminal is signed on."""
        return await self.until(lambda view: view["session"]["state"] == "ready")

    def payment(self, key: str) -> View:
        """A payment of the open batch, as the page sees it."""
        return next(payment for payment in self.runner.view()["payments"] if payment["key"] == key)

    async def until_payment(self, key: str, holds: Callable[[View], object]) -> View:
        """Wait until a payment is so, and return it."""
        await self.until(lambda _: holds(self.payment(key)))
        return self.payment(key)

    async def until_final(self, key: str) -> View:
        """Wait until a payment has ended, and its slip is out if it has one."""
        return await self.until_payment(key, lambda payment: payment["final"] and not payment["receipt_due"])

    async def host_until(self, holds: Callable[[Books], object]) -> Books:
        """Wait until the host's books are so, and return them."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds(books := self.books()):
                self._host_moved.clear()
                await self._host_moved.wait()
        return books

    def books(self) -> Books:
        """The host's books, read from its file as a command would read them."""
        with host.opened_store(self.folder / "host", to_write=False) as store:
            return store.books()

    def balance_of(self, card: str) -> int:
        """What is in a card's account at the issuer, in fen."""
        return self.issuer.balance(self.cards[card].personalisation.pan)

    def journal_records(self) -> list[Record]:
        """What the terminal's journal holds, whether the terminal runs or not."""
        journal = Journal(self.folder / "terminal" / "journal.db")
        try:
            return list(journal.everything())
        finally:
            journal.close()

    @property
    def slips(self) -> list[str]:
        """The slips that have come out, as text."""
        return [slip.sheet.text for slip in self.printer.slips]

    # --- what people do -----------------------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Hand an event to the terminal."""
        self.runner.post(event)

    def mood(self, mood: Mood) -> None:
        """Set how the issuer treats what comes."""
        self.issuer.mood = mood

    async def charge(self, amount: int, *, offline: bool = False) -> str:
        """The cashier charges; return the payment's key. Raises Refused."""
        return await self._begun(lambda request_id: SaleRequested(request_id, amount, "01", offline))

    async def sell_by_card(self, amount: int, card: str = "good", pin: str = PIN) -> View:
        """Sell to a card until the payment has ended, and take the card out."""
        key = await self.charge(amount)
        await self.present(card, pin)
        payment = await self.until_final(key)
        await self.take_card()
        return payment

    async def balance(self, card: str = "good", pin: str = PIN) -> View:
        """Ask for a card's balance."""
        key = await self._begun(lambda request_id: BalanceRequested(request_id, "01"))
        await self.present(card, pin)
        payment = await self.until_final(key)
        await self.take_card()
        return payment

    async def sell_by_code(self, amount: int, code: str) -> View:
        """Sell to a phone until the payment has ended."""
        key = await self.charge(amount)
        self.scan(code)
        return await self.until_final(key)

    async def void(self, key: str) -> View:
        """Take a sale back, with a supervisor's leave."""
        back = await self._begun(lambda request_id: VoidRequested(request_id, Key.parse(key), "01", "00"))
        return await self.until_final(back)

    async def refund(self, key: str, amount: int) -> View:
        """Give back a part of a sale, with a supervisor's leave."""
        original = self._original(Key.parse(key))
        back = await self._begun(lambda request_id: RefundRequested(request_id, original, amount, "01", "00"))
        return await self.until_final(back)

    async def settle(self) -> View:
        """Close the batch; return what the view says of it."""
        batch = self.counter.book.batch
        before = self.counter.notice
        self.post(SettleRequested("01"))
        view = await self.until(lambda view: view["batch"] != batch or self.counter.notice is not before)
        if view["batch"] == batch:
            raise Refused(view["notice"]["reason"])
        last: View = view["settlement"]["last"]
        return last

    def reprint(self, key: str) -> None:
        """Ask for a slip again."""
        self.post(ReprintRequested(Key.parse(key)))

    async def present(self, card: str, pin: str = PIN) -> None:
        """Put a card in, and leave the keys that the customer will press."""
        if pin:
            self.pin_pad.script([*pin, "enter"])
        self.card_in = await InsertedCard.insert(self.cards[card], self._reader_port)

    async def take_card(self) -> None:
        """Take the card out; harmless if there is none."""
        if self.card_in is not None:
            await self.card_in.remove()
            self.card_in = None

    def scan(self, code: str) -> None:
        """Hold a phone under the scanner."""
        self.scanner.scan(code)

    def journal_writable(self, writable: bool) -> None:
        """Let the terminal's disk turn read-only, as failing disks do, or back."""
        self.runner.journal._db.execute(f"PRAGMA query_only = {int(not writable)}")

    def journal_pages_left(self, count: int) -> None:
        """Let the terminal's disk have room for so many more pages."""
        (pages,) = self.runner.journal._db.execute("PRAGMA page_count").fetchone()
        self.runner.journal._db.execute(f"PRAGMA max_page_count = {pages + count}")

    async def _begun(self, event: Callable[[str], Event]) -> str:
        """Hand a request in; return the key of the payment that it has become."""
        self._requests += 1
        request_id = f"request-{self._requests}"
        before = self.counter.notice
        self.post(event(request_id))
        await self.until(lambda _: request_id in self._known or self.counter.notice is not before)
        if request_id not in self._known:
            assert self.counter.notice is not None, "it is refused in words"
            raise Refused(self.counter.notice.reason)
        return str(self._known[request_id])

    @property
    def _known(self) -> dict[str, Key]:
        return self.counter.book.requests

    def _original(self, key: Key) -> Original:
        sale = self.runner.journal.payment(key)
        assert sale is not None, "there is such a sale"
        back = [p for p in self.runner.journal.refunds_of(key) if p.state is State.APPROVED]
        return Original(
            sale.key, sale.type, sale.amount, sum(p.amount for p in back), sale.currency, sale.reference,
            sale.authorisation, sale.host_date, sale.means, sale.card,
            card_erased=self.runner.has_lost_card(sale.card),
        )  # fmt: skip

    # --- proof --------------------------------------------------------------------------------------------------------

    async def prove(self, *, balanced: bool = True, events: Sequence[str] = ()) -> None:
        """Nothing is open, and terminal, host and issuer tell the same story to the last fen.

        `events` are the kinds of what the host has noted for a person; `balanced` is False if a record was lost.
        """
        await self.until(
            lambda view: all(payment["final"] for payment in view["payments"]) and not view["parked"]["batches"]
        )
        books = await self.host_until(lambda books: not list(nothing_is_owed(books)))
        assert not breaches(books), breaches(books)
        kinds = [event.kind for event in books.events]
        assert kinds == list(events), kinds
        assert self.runner.journal.verify().intact
        if balanced:
            self._prove_balances()

    def _prove_balances(self) -> None:
        """The accounts lost exactly what the terminal's approved payments took, card by card and in all."""
        payments = self.all_payments()
        opening = sum(account.balance for account in self.accounts)
        left = sum(self.issuer.balance(account.number) for account in self.accounts)
        assert opening - left == _taken(payments)
        for account in self.accounts:
            by_this_card = [payment for payment in payments if payment.means == mask_pan(account.number)]
            if account.chip_key:
                assert account.balance - self.issuer.balance(account.number) == _taken(by_this_card), account

    def all_payments(self) -> list[Payment]:
        """The payments of all batches, from the journal."""
        journal = self.runner.journal
        keys = [record.key for record in journal.everything() if isinstance(record, Started)]
        return [payment for payment in map(journal.payment, keys) if payment is not None]


def _taken(payments: list[Payment]) -> int:
    signs = {"debit": 1, "credit": -1, "none": 0}
    return sum(signs[p.rules.direction] * p.amount for p in payments if p.state is State.APPROVED)


@asynccontextmanager
async def shop(
    folder: Path,
    *,
    reply_timeout_s: float = 10.0,
    channel_timeout_s: float = 5.0,
    limits: Limits | None = None,
    cards: dict[str, Card] | None = None,
    accounts: list[Account] | None = None,
    settings: str = "",
    devices: str = "",
    names: tuple[str, str] = ("晨光便利店", "MORNING LIGHT STORE"),
    host_port: int = 0,
    relay_port: int = 0,
    on_effect: Callable[[Effect], None] = lambda _: None,
    terminal_id: str = TERMINAL,
) -> AsyncIterator[Shop]:
    """Open a shop in a folder, with everything switched on and the terminal signed on.

    `reply_timeout_s` is how long the terminal waits for the host, `channel_timeout_s` the host for the issuer. `cards`
    and `accounts` replace those of the house; `settings` are further lines for the top of the terminal's profile,
    `devices` for its devices, and `names` the merchant's, in Chinese and English. The terminal finds the host at
    `relay_port` if somebody stands between them. `on_effect` hears of everything that the terminal does.
    """
    deck = cards or {name: Card(load_card(name)) for name in DECK}
    s = Shop(
        folder, reply_timeout_s, channel_timeout_s, limits or Limits(), deck,
        default_accounts(OPENING_BALANCE) if accounts is None else accounts,
        settings, devices, names, host_port, relay_port, terminal_id,
    )  # fmt: skip
    s.on_effect = on_effect
    async with AsyncExitStack() as stack:
        await s.open(stack)
        yield s


_BLOCK = 100
_ports = cycle(range(20_000 + os.getpid() % 120 * _BLOCK, 20_000 + (os.getpid() % 120 + 1) * _BLOCK))


def free_port() -> int:
    """A port for what will be stopped and started again: of a block that no other test, and no client, is given."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port
