"""The shop of a simulated world: terminals, host, issuer, maybe a broker, joined by lines, with an auditor watching.

Here the nodes are made and joined; a new one is added here. What goes wrong between them is decided by the source of
chance that the shop is given: a seed's (`world.py`) or an odometer's (`schedules.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, mkdtemp

from firmware_config.profile import HostEndpoint, Limits, Offline, TerminalProfile
from host_switch.events import Decision, Persist, TerminalRegistered
from host_switch.facts import Policy
from host_switch.keys import KeyRoom
from host_switch.records import CodeIssuer, PhoneUser, SignedKey
from host_switch.sqlite_store import SqliteStore
from host_switch.store import MemoryStore, Store
from host_switch.switch import decide
from paycode.digits import UserFacts
from simulators.auditor import Auditor
from simulators.broker_node import BrokerNode, Manners
from simulators.engine import Chance, Node, Trace, World
from simulators.host_node import HostNode
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Change
from simulators.issuer_node import IssuerNode, plain_wire, sealed_wire
from simulators.lines import Lines
from simulators.memory_journal import JournalPort, MemoryJournal
from simulators.observed import Observed, Quiet
from simulators.people import CARDS, CODE_ISSUER, MASTER_KEY, Habits, Hands, accounts
from simulators.phones import Phones
from simulators.terminal_node import TerminalNode
from terminal.events import CodeTrustLoaded
from terminal.journal import Journal
from terminal.key_store import KeyStore

MERCHANT = "898110053110001"
OFFLINE = Offline(sale_amount_max=20_000, total_amount_max=30_000, count_max=4, age_max_s=2 * 86_400)
EACH_CARD_ONCE = OFFLINE.model_copy(update={"card_count_max": 1})
ENDURANCE = Offline(sale_amount_max=20_000, total_amount_max=500_000, count_max=100, age_max_s=7 * 86_400)
"""Of shops that sell through an outage of days, one batch after the other."""
VAULT, VAULT_AFTER_TAMPERING = "vault.json", "vault_after_tampering.json"


@contextmanager
def world_folder() -> Iterator[Path]:
    """A folder for what worlds keep in files: the vault of every terminal, and the stores of some worlds."""
    memory = Path("/dev/shm")  # noqa: S108 - a file system whose fsync costs nothing: the disk is not what is tried here
    with TemporaryDirectory(prefix="tillgate-world-", dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        for vault in (VAULT, VAULT_AFTER_TAMPERING):
            KeyStore.create(folder / vault, MASTER_KEY)
        yield folder


@lru_cache
def _profile(terminal_id: str, limits: Limits, offline: Offline, host: HostEndpoint) -> TerminalProfile:
    return TerminalProfile(
        terminal_id=terminal_id, merchant_id=MERCHANT, merchant_name_zh="测试商户", merchant_name_en="TEST MERCHANT",
        limits=limits, offline=offline, host=host,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """What was durable in a shop, and seen of it, at some time: another one can go on from there."""

    now: float
    observed: Observed
    issuer: tuple[Change, ...]


class Shop:
    """All nodes of one world. With `true_to_life` journals and host store are SQLite files, and all messages bytes.

    With `manners` there is a courier that behaves so.
    """

    def __init__(
        self, chance: Chance, random: Random, habits: Habits, limits: Limits, folder: Path,
        *, offline: Offline = OFFLINE, auditor: type[Auditor] = Auditor, true_to_life: bool = False,
        past: Past | None = None, trace: Trace | None = None, phones: Phones | None = None,
        manners: Manners | None = None,
    ) -> None:  # fmt: skip
        self.random = random
        self.habits = habits
        self.world = World(chance, trace)
        self.auditor = auditor(limits, offline, self._count)
        if past:
            self.world.now, self.auditor.observed = past.now, past.observed.copy()
        self.lines = Lines(self.world)
        self.terminals: list[TerminalNode] = []
        self._limits, self._offline = limits, offline
        self._vault = folder / VAULT
        self.vault_after_tampering = folder / VAULT_AFTER_TAMPERING
        self._disk = Path(mkdtemp(dir=folder)) if true_to_life else None
        wire = sealed_wire(ZONE_MAC_KEY) if true_to_life else plain_wire()
        self.host = HostNode(self.world, self._store_opener(), wire, self.lines, self.auditor)
        self.issuer = IssuerNode(self.world, past.issuer if past else accounts(), wire)
        self.lines.lead_to(self.host)
        self._phones = phones or Phones(random, 0.0, 0.0)
        if phones:
            phones.give(self.host.store, self._code_keys, CARDS, self.world.now)
        self._join_host_and_issuer()
        self.broker = BrokerNode(self.world, manners) if manners else None
        if self.broker:
            self.host.join(self.broker)

    def _count(self, what: str) -> None:
        self.world.happened[what] += 1

    def _store_opener(self) -> Callable[[], Store]:
        """How the host opens its store at every start: the same dictionaries again, or the same file."""
        room = KeyRoom(self.random.randbytes(32), self.random.randbytes)
        self._code_keys = room.code_keys
        policy = Policy(room.content_key, ZONE_PIN_KEY, code_keys=room.code_keys)
        if self._disk:
            path = self._disk / "host.db"
            return lambda: SqliteStore.open(path, room, policy)
        store = MemoryStore(policy, room.fresh_keys)
        store.commit(self.auditor.observed.decisions)
        return lambda: store

    def _journal_opener(self, terminal: str) -> Callable[[], JournalPort]:
        if self._disk:
            path = self._disk / f"{terminal}.db"
            return lambda: Journal(path)
        journal = MemoryJournal(self.auditor.observed.records.get(terminal, ()))
        return lambda: journal

    def _join_host_and_issuer(self) -> None:
        network = self.world.network
        self.host.call_issuer = lambda data: network.send("host", "issuer", data, self.issuer.arrive)
        self.host.issuer_is_up = lambda: self.issuer.up
        self.issuer.answer_host = lambda data: network.send("issuer", "host", data, self.host.answered)
        self.issuer.tell_host_lost = self.host.channel_lost

    def add_terminal(self, host: HostEndpoint) -> TerminalNode:
        """Put up one more terminal, and register it at the host."""
        profile = _profile(f"1000000{len(self.terminals) + 1}", self._limits, self._offline, host)
        registered = TerminalRegistered(profile.terminal_id, MERCHANT, MASTER_KEY)
        (facts,) = self.host.store.facts_for([registered])
        self.host.store.commit([decide(registered, facts, self.world.now)])
        self._make_phone_known(profile.terminal_id)
        journal = self._journal_opener(profile.terminal_id)
        terminal = TerminalNode(self.world, profile, self._vault, journal, self.lines, self.auditor)
        terminal.code_trust = CodeTrustLoaded(CODE_ISSUER.issuers)
        terminal.devices = Hands(self.world, terminal, self.habits, self.random, self._phones, self.auditor)
        if self.broker:
            terminal.join(self.broker)
        self.terminals.append(terminal)
        return terminal

    def _make_phone_known(self, owner: str) -> None:
        """Let the host know the phone of a counter's customer, its issuer, and the account that pays."""
        number, key = int(owner), CODE_ISSUER.public_key
        facts = UserFacts(number, bytes(32), 0, range(0))
        known = (
            CodeIssuer(CODE_ISSUER.key_id, key.algorithm, key.data, CODE_ISSUER.name),
            PhoneUser(owner, f"62{number % 100:02d}", "", facts),
            SignedKey(CODE_ISSUER.phone(owner, 0.0).key, number),
        )
        self.host.store.commit([Decision((Persist(known),))])

    def open(self) -> None:
        """Start everything, the issuer first."""
        for node in self.nodes():
            self.world.start(node)

    def nodes(self) -> list[Node]:
        """Everybody."""
        return [self.issuer, self.host, *([self.broker] if self.broker else []), *self.terminals]

    def past(self) -> Past:
        """What is durable now."""
        return Past(self.world.now, self.auditor.observed.copy(), tuple(self.issuer.durable))

    def is_resolved(self) -> bool:
        """Nobody has anything open, and nothing is under way."""
        if self.world.network.under_way or not (self.issuer.up and self.host.is_quiet):
            return False
        return all(terminal.is_quiet for terminal in self.terminals)

    def is_settled(self) -> bool:
        """Every batch is closed."""
        books = [terminal.counter.book for terminal in self.terminals]
        return all(book.settling is None and not (book.payments or book.parked) for book in books)

    def close(self) -> None:
        """Let the auditor look at everything, if everybody is there to be looked at."""
        if all(node.up for node in self.nodes()):
            journals = {terminal.name: terminal.journal.everything() for terminal in self.terminals}
            lied_about = frozenset(self.issuer.lied_about)
            books, movements = self.host.store.books(), self.issuer.bank.movements
            self.auditor.close(Quiet(self.auditor.observed, books, movements, lied_about, journals))
