"""A shop of four processes whose cashier follows a plan, kept alive until all is quiet, whoever is killed.

Issuer, host, terminal and the customer (who holds the cards and the phone, and owns PIN pad, scanner and printer) are
real processes with real files and real TCP connections and serial lines between them.
"""

import asyncio
import contextlib
import json
import shutil
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

from host_switch import certificates
from host_switch.channels.iso_issuer import IsoIssuer
from host_switch.events import CommandGiven, Decision, Persist
from host_switch.ledger import booking
from host_switch.listener import Listener
from host_switch.start import opened_store, zone_keys
from simulators.counter.phone import WALLET_FILE
from simulators.counter.slot import CardSlot
from simulators.crash.cashier import work
from simulators.crash.lives import Died, Ear, Lives, Said, Stuck, Trigger
from simulators.crash.plans import Plan
from simulators.issuer import Account
from simulators.issuer_process import IssuerProcess, opened_issuer
from simulators.pin_pad import VirtualPinPad
from simulators.printer import PrintedSlip, VirtualPrinter
from simulators.scanner import VirtualScanner
from simulators.tour.setting_up import LOOPBACK, Shop, set_up
from simulators.wallet import Wallet

PATIENCE_S = 30.0
PIN = "123456"
LOOK_AGAIN_S = 0.005
RETRY_FIRST_S, RETRY_LAST_S = 0.2, 1.0
MEANS_TIMEOUT_S = 3.0
PROBE_INTERVAL_S = 3600  # no probe comes between the effects that are counted
SLIPS = "slips.jsonl"
STRANGE_TRACE = "999999"
_KILLED = -9


class CrashShop:
    """The running shop. `trigger` decides who is killed after which effect; use it as a context manager.

    `patience_s` is how long it may take until all is quiet.
    """

    def __init__(self, shop: Shop, plan: Plan, trigger: Trigger, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._shop = shop
        self._plan = plan
        self._trigger = trigger
        self._lives = Lives(shop.logs, patience_s)
        self._quiet = False
        self._settled = ""
        self._wish = "out"
        self._host_is_on = True
        self.deaths: list[str] = []

    def __enter__(self) -> Self:
        for name in ("issuer", "host", "customer", "terminal"):
            self._begin(name)
        return self

    def __exit__(self, *_: object) -> None:
        self._lives.end()

    def run_until_quiet(self, kills: Sequence[tuple[str, float]] = ()) -> None:
        """Let it run until nothing is under way anywhere.

        `kills` are names and, in order, after how many seconds each is killed: earlier if all is quiet before.

        Raises Stuck.
        """
        began = time.monotonic()
        left, deadline = deque(kills), began + self._patience_s
        while time.monotonic() < deadline:
            self._take(self._lives.next(LOOK_AGAIN_S))
            quiet = self._is_quiet()
            if left and (quiet or time.monotonic() >= began + left[0][1]):
                self._kill(left.popleft()[0])
                deadline = time.monotonic() + self._patience_s
            elif quiet:
                return
        owed = _owed(self._shop.host)
        raise Stuck(f"not quiet in {self._patience_s:.0f} s: terminal {self._quiet}, host owes {owed}")

    def _kill(self, name: str) -> None:
        deaths = len(self.deaths)
        self._lives.kill(name)
        while len(self.deaths) == deaths:
            self._take(self._lives.next(self._patience_s))

    def _is_quiet(self) -> bool:
        """Nothing is under way at the terminal, the host owes nothing, and has carried out all that it committed."""
        if not self._quiet or _owed(self._shop.host):
            return False
        self._lives.tell("host", "done?")
        deaths = len(self.deaths)
        while (news := self._lives.next(self._patience_s)) is not None:
            if news == Said("host", {"done": True}):
                return not _owed(self._shop.host)
            self._take(news)
            if len(self.deaths) > deaths:
                return False
        raise Stuck("the host does not answer")

    def settle(self) -> str:
        """Let the cashier close the batch; return its number. Raises Stuck."""
        self._lives.tell("terminal", "settle")
        deadline = time.monotonic() + self._patience_s
        while not self._settled:
            if time.monotonic() > deadline:
                raise Stuck(f"not settled in {self._patience_s:.0f} s")
            self._take(self._lives.next(LOOK_AGAIN_S))
        self._await_late_answers(deadline)
        return self._settled

    def _await_late_answers(self, deadline: float) -> None:
        """Before the books are compared: an issuer that answers late has answered, and what that made due is done."""
        late = time.monotonic() + self._plan.mood.delay_s
        while time.monotonic() < deadline and (time.monotonic() < late or _owed(self._shop.host)):
            self._take(self._lives.next(LOOK_AGAIN_S))

    def _take(self, news: Said | Died | None) -> None:
        match news:
            case Died(name, code):
                if code != _KILLED:
                    raise Stuck(f"{name} ended by itself with {code}: see its log")
                self.deaths.append(name)
                self._quiet = self._quiet and name != "terminal"
                self._begin(name)
                if name == "customer":
                    self._lives.tell(name, self._wish)
            case Said(_, {"died": name}):  # and is started again by its parent
                self.deaths.append(name)
            case Said(_, {"host": word}):
                self._switch_host(word == "on")
            case Said(_, {"customer": word}):
                self._wish = word
                self._lives.tell("customer", word)
            case Said(_, {"quiet": True}):
                self._quiet = True
            case Said(_, {"settled": batch}):
                self._settled = batch

    def _switch_host(self, on: bool) -> None:
        """The line is dead while the host is off; its end by that is none of the deaths."""
        if on == self._host_is_on:
            return
        self._host_is_on = on
        if on:
            self._begin("host")
            return
        self._lives.kill("host")
        while not isinstance(news := self._lives.next(self._patience_s), Died) or news.name != "host":
            self._take(news)

    def _begin(self, name: str) -> None:
        shop, plan, trigger = self._shop, self._plan, self._trigger
        mains: dict[str, Callable[[Ear], object]] = {
            "issuer": lambda ear: issue(shop, plan, ear),
            "host": lambda ear: switch(shop, plan, trigger, ear),
            "customer": lambda ear: visit(shop, ear),
            "terminal": lambda ear: work(shop.terminal, plan, trigger, ear),
        }
        self._lives.begin(name, mains[name])  # type: ignore[arg-type]
        if name != "terminal":
            self._lives.until(name, "ready")


def _owed(host: Path) -> int:
    """How many transactions of the host's store owe something, and terminals an errand; read beside the host."""
    with contextlib.closing(sqlite3.connect(f"file:{host / 'host.db'}?mode=ro", uri=True)) as db:
        owed: int = db.execute(
            "SELECT (SELECT count(*) FROM transactions WHERE due_at IS NOT NULL)"
            " + (SELECT count(*) FROM terminals WHERE command NOT IN ('', '0'))"
        ).fetchone()[0]
    return owed


def copied(base: Shop, folder: Path, plan: Plan) -> Shop:
    """A copy of a shop in another folder, with the plan's patience in the terminal's profile, and its strange sale."""
    lines = ("pin_pad", "scanner", "stripe_reader")
    shutil.copytree(base.folder, folder, ignore=shutil.ignore_patterns("*.sock", *lines, "logs"))
    shop = set_up(folder, base.ports)
    profile = shop.terminal / "profile.toml"
    waits_s = plan.reply_timeout_s
    patience = (
        f"[limits]\nmeans_timeout_s = {MEANS_TIMEOUT_S}\n[host]\nreply_timeout_s = {waits_s}\n"
        f"probe_timeout_s = {waits_s}\nprobe_interval_s = {PROBE_INTERVAL_S}\n"
    )
    profile.write_text(profile.read_text("utf-8").replace("[host]\n", patience), "utf-8")
    if plan.strange_sale:
        _put_strange_sale(shop)
    return shop


def _put_strange_sale(shop: Shop) -> None:
    """The first sale once more at host and issuer, under a trace number that the terminal never gave."""
    with opened_store(shop.host, to_write=True) as store:
        first, *_, last = store.books().transactions
        row = replace(first, key=first.key._replace(trace=STRANGE_TRACE), number=last.number + 1)
        store.commit([Decision((Persist((row, booking(row, row.created_at))),))])
    issuer, remembered = opened_issuer(shop.issuer)
    moved = issuer.movements[first.reference]
    account = next(a for a in remembered.load() if isinstance(a, Account) and a.number == moved.account)
    remembered.save(
        [replace(moved, reference=row.reference), replace(account, balance=account.balance + moved.amount)]
    )
    remembered.close()


# --- the processes ----------------------------------------------------------------------------------------------------


async def issue(shop: Shop, plan: Plan, ear: Ear) -> None:
    """Be the issuer."""
    issuer, store = opened_issuer(shop.issuer)
    issuer.mood = plan.mood
    await IssuerProcess(issuer, store).start(shop.ports.issuer, shop.ports.issuer_control)
    ear.say(ready=True)
    await asyncio.Event().wait()


async def switch(shop: Shop, plan: Plan, trigger: Trigger, ear: Ear) -> None:
    """Be the host, with patience and pauses that fit into a test."""
    with opened_store(shop.host, to_write=True) as store:
        keys = zone_keys(store)
        store.policy = replace(
            store.policy, zone_pin_key=keys.pin_key, channel_timeout_s=plan.channel_timeout_s,
            retry_first_s=RETRY_FIRST_S, retry_last_s=RETRY_LAST_S,
        )  # fmt: skip
        certified = partial(certificates.certified, shop.host)
        listener = Listener(store, after_effect=lambda _: trigger.effect("host"), certified=certified)
        channel = IsoIssuer(keys, listener.channel_answered, listener.channel_unavailable, listener.channel_connected)
        listener.channel = channel
        await listener.start(LOOPBACK, shop.ports.host, certificates.server_context(shop.host))
        channel.connect(LOOPBACK, shop.ports.issuer)
        ear.say(ready=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(listener.serve_until_broken())
            while await ear.words.get() == "done?":
                await listener.ask(CommandGiven("", "0"))  # for no terminal: it only waits for its turn
                ear.say(done=True)


async def visit(shop: Shop, ear: Ear) -> None:
    """Be the customer, and what is plugged in at the counter."""
    shop.counter.mkdir(exist_ok=True)
    master_key = bytes.fromhex(shop.pad_key_file.read_text())
    pad = VirtualPinPad(shop.counter / "pin_pad", master_key, memory=shop.counter / "pin_pad.key")
    scanner = VirtualScanner(shop.counter / "scanner")
    printer = VirtualPrinter(on_slip=lambda slip: _keep(slip, shop.folder / SLIPS))
    await printer.start(shop.ports.printer)
    ear.say(ready=True)
    slot, phone = CardSlot(shop.ports.card_reader, lambda: None), Wallet(shop.counter / WALLET_FILE)
    while True:
        word, _, what = (await ear.words.get()).partition(" ")
        match word:
            case "code":
                scanner.scan(what)
            case "phone":
                scanner.scan(phone.show("signed" if what == "signed" else "digits", int(time.time())).code)
            case "card":
                pad.script([*PIN, "enter"])
                await slot.insert(what)
            case "out":
                await slot.remove()


def _keep(slip: PrintedSlip, path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"complete": slip.sheet.complete, "lines": slip.sheet.lines}, ensure_ascii=False) + "\n")
