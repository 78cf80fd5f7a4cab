"""The two stores whose power is cut: the terminal's journal and the host's store, written and opened by the real code.

Each is written commit by commit, and what must be found after each commit is known. `judge` opens what a power cut has
left and says what is wrong: ``lost`` for something acknowledged that is not there, ``broken`` for anything else.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Generic, Protocol, TypeVar

import paycode
from bench.fleet import HEADER, MASTER_KEY, MERCHANT, PAN, TPDU, Till
from host_switch.channels import ChannelAnswer
from host_switch.events import CallChannel, ChannelAnswered, Decision, Due, Effect, Input, Persist
from host_switch.facts import Policy
from host_switch.frames import decoded
from host_switch.invariants import breaches
from host_switch.keys import KeyRoom, des_key
from host_switch.phone_codes import wallet_of
from host_switch.records import PhoneUser, Terminal, WorkingKeys
from host_switch.sqlite_store import SqliteStore
from host_switch.store import Books, StoreError
from host_switch.switch import decide
from iso8583 import Message
from iso8583.framing import LENGTH_BYTES
from iso8583.tlv import build_text_tlv
from iso8583.unionpay import Block60, Frame
from paycode.digits import HANDLES_MAX, SEED_BYTES, UserFacts
from simulators.crash.audit import Fault
from simulators.crash.power_cuts import Disk, disks
from terminal.journal import Journal, JournalError, JournalUnwritable
from terminal.records import Answered, Completed, Key, Printed, Record, ReversalDue, Reversed, Sent, SignedOn, Started

State = TypeVar("State")
State_co = TypeVar("State_co", covariant=True)

AROUND_CHECKPOINT = 4
APPEND_TO_ONE_OF = 4
TERMINAL, BATCH = "10000001", "000001"
START = 1_800_000_000.0
"""A Friday morning; nothing in here looks at a clock."""

REFUSALS = (JournalUnwritable, StoreError)
"""How the two stores say, in words, that a commit did not reach the disk."""


class OpenStore(Protocol[State_co]):
    """A store that is being written, commit by commit."""

    def write(self) -> None:
        """Make the next commit; when it is refused (`REFUSALS`) the next call tries the same again."""

    def state(self) -> State_co:
        """What must be found in it from now on."""

    def close(self) -> None:
        """Let go of the files."""


class CutStore(Protocol[State]):
    """A store that can be cut off. `State` is what must be found in it after a commit."""

    def open(self, path: Path) -> OpenStore[State]:
        """Make the store."""

    def judge(self, path: Path, allowed: Sequence[State]) -> Iterator[Fault]:
        """Open what was left, and say what is wrong if it is in none of these states."""

    def go_on(self, path: Path) -> Iterator[Fault]:
        """Open what was left and write into it."""


def cut_everywhere(
    store: CutStore[State], folder: Path, commits: int, chance: Random, around_checkpoint: int = AROUND_CHECKPOINT
) -> tuple[int, list[Fault]]:
    """Cut the power in every place of the first commits, and of so many before and after the first checkpoint.

    Returns how many images were opened, and what was wrong with them.
    """
    whole, image = folder / "whole.db", folder / "image.db"
    images, found = 0, list[Fault]()
    for before, after in _to_be_cut(_moments(store, whole), commits, around_checkpoint):
        for cut in disks(before.disk, after.disk, chance):
            cut.disk.write(image)
            wrong = [*store.judge(image, (after.state,) if cut.complete else (before.state, after.state))]
            if not wrong and images % APPEND_TO_ONE_OF == 0:
                wrong += store.go_on(image)
            found += wrong
            images += 1
    return images, found


@dataclass(frozen=True, slots=True)
class _Moment(Generic[State]):
    """The moment after a commit."""

    state: State
    disk: Disk


def _moments(store: CutStore[State], path: Path) -> Iterator[_Moment[State]]:
    with closing(store.open(path)) as written:
        while True:
            yield _Moment(written.state(), Disk.read(path))
            written.write()


def _to_be_cut(
    moments: Iterator[_Moment[State]], first: int, around_checkpoint: int
) -> Iterator[tuple[_Moment[State], _Moment[State]]]:
    """Moments and those that follow: the first ones, and those around the commit that moves the log."""
    pairs = pairwise(moments)
    yield from islice(pairs, first)
    recent = deque[tuple[_Moment[State], _Moment[State]]](maxlen=around_checkpoint)
    for before, after in pairs if around_checkpoint else ():
        recent.append((before, after))
        if before.disk.database != after.disk.database:
            yield from recent
            yield from islice(pairs, around_checkpoint)
            return


# --- the terminal's journal -------------------------------------------------------------------------------------------


class CutJournal:
    """The terminal's journal. Its state is how many records are in it; they are always the same ones."""

    def open(self, path: Path) -> "_OpenJournal":
        """Begin a journal."""
        return _OpenJournal(Journal(path))

    def judge(self, path: Path, allowed: Sequence[int]) -> Iterator[Fault]:
        """Open, verify the chain, compare every record."""
        try:
            with closing(Journal(path)) as journal:
                found = list(journal.everything())
                intact = journal.verify().intact
        except JournalError as error:
            yield Fault("lost", f"{path}: {error}")
            return
        if found != RECORDS[: len(found)] or not intact:
            yield Fault("broken", f"{path}: not the records that were written")
        elif len(found) not in allowed:
            yield Fault("lost", f"{path}: {len(found)} records, there must be {allowed}")

    def go_on(self, path: Path) -> Iterator[Fault]:
        """Append one more record."""
        with closing(Journal(path)) as journal:
            rows = journal.verify().rows
            journal.append(RECORDS[rows])
            if journal.verify().rows != rows + 1:
                yield Fault("broken", f"{path}: a record more, and the chain is broken")


class _OpenJournal:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._count = 0

    def write(self) -> None:
        self._journal.append(RECORDS[self._count])
        self._count += 1

    def state(self) -> int:
        return self._count

    def close(self) -> None:
        self._journal.close()


def _payment(trace: int) -> Iterator[Record]:
    """The records of one payment: approved and printed, or reversed."""
    key, at = Key(TERMINAL, BATCH, f"{trace:06d}"), START + 60.0 * trace
    if trace % 20 == 1:
        yield SignedOn(BATCH, at)
    yield Started(key, "sale", 100 * trace, "156", "01", f"request-{trace}", at)
    fields = {"3": "000000", "4": f"{100 * trace:012d}", "11": key.trace, "41": TERMINAL, "42": MERCHANT, "49": "156"}
    yield Sent(key, "sale", "051", "629999******0009", at + 5.0, "5EA1ED" * 12, fields, {"AID": "A000000333010101"})
    if trace % 4 == 0:
        yield ReversalDue(key, "98", at + 35.0)
        yield Reversed(key, "00", at + 36.0)
        return
    yield Answered(key, True, "00", at + 6.0, 100 * trace, f"{trace:012d}", "A1B2C3", card_waits=True)
    yield Completed(key, at + 6.5, {"TC": "0123456789ABCDEF"})
    yield Printed(key, at + 9.0)


RECORDS = [record for trace in range(1, 1_000) for record in _payment(trace)]


# --- the host's store -------------------------------------------------------------------------------------------------


class CutHostStore:
    """The host's store. Its state is all of its books."""

    def __init__(self) -> None:
        self._room = KeyRoom(bytes(range(32)))
        self._policy = Policy(self._room.content_key, bytes(range(16)), code_keys=self._room.code_keys)
        chance = Random(1)
        keys = WorkingKeys(*(des_key(length, chance.randbytes) for length in (16, 8, 16)))
        self._terminal = Terminal(TERMINAL, MERCHANT, MASTER_KEY, BATCH, keys)
        self._frames = Till(TERMINAL, BATCH, keys.pin_key, keys.mac_key, keys.track_key).sales(1_000)
        codes = UserFacts(1, chance.randbytes(SEED_BYTES), int(START), range(HANDLES_MAX))
        self._user = PhoneUser("user", PAN, min(self._policy.code_keys), codes)

    def open(self, path: Path) -> "_OpenHostStore":
        """Make a store with one terminal and one phone in it."""
        store = self._opened(path)
        if not store.books().terminals:
            store.commit([Decision((Persist((self._terminal, self._user)),))])
        phone = _Phone(self._terminal, wallet_of(self._user, self._policy.code_keys))
        return _OpenHostStore(store, self._frames, phone)

    def judge(self, path: Path, allowed: Sequence[Books]) -> Iterator[Fault]:
        """Open, compare all books, validate them."""
        try:
            with closing(self._opened(path)) as store:
                books = store.books()
        except StoreError as error:
            yield Fault("lost", f"{path}: {error}")
            return
        if books not in allowed:
            yield Fault("lost", f"{path}: {len(books.transactions)} transactions, {len(books.records)} postings")
        for breach in breaches(books):
            yield Fault("broken", f"{path}: {breach.validation}: {breach.where} {breach.text}")

    def go_on(self, path: Path) -> Iterator[Fault]:
        """Let the terminal repeat its first sale: it is taken, or was known and changes nothing."""
        with closing(self.open(path)) as written:
            written.write()
            for breach in breaches(written.state()):
                yield Fault("broken", f"{path}: after one more commit, {breach.validation}: {breach.text}")

    def _opened(self, path: Path) -> SqliteStore:
        return SqliteStore.open(path, self._room, self._policy)


@dataclass
class _Phone:
    """A phone without a network at the terminal: sales by the codes that it makes."""

    terminal: Terminal
    wallet: paycode.DigitWallet

    def sale(self, now: float) -> bytes:
        """The frame of a sale, without its length."""
        assert self.terminal.keys is not None
        code, self.wallet = paycode.issue(self.wallet, int(now))
        trace = f"{900_000 + len(self.wallet.handles):06d}"
        message = Message("0200", {
            3: "000000", 4: "000000000100", 11: trace, 22: "032", 25: "00", 41: TERMINAL, 42: MERCHANT, 49: "156",
            59: build_text_tlv({"A3": code}),
            60: Block60("22", BATCH, reader_capability="6", chip_condition="0").to_text(),
        })  # fmt: skip
        return Frame(TPDU, HEADER, message).to_bytes(self.terminal.keys.mac_key)


class _OpenHostStore:
    """Sales one after the other, by card and, while it has codes, by phone: each approved, declined, or given up."""

    def __init__(self, store: SqliteStore, frames: Sequence[bytes], phone: _Phone) -> None:
        self._store = store
        self._frames = iter(frames)
        self._phone = phone
        self._sales = 0
        self._due = deque[Input]()
        self._count = 0

    def write(self) -> None:
        if not self._due:
            self._due.append(decoded("line", self._next_sale()))
        event = self._due[0]
        decision = decide(event, self._store.facts_for([event])[0], START + self._count)
        self._store.commit([decision])
        self._count += 1
        self._due.popleft()
        self._due.extend(follow for effect in decision.effects for follow in self._following(effect))

    def _next_sale(self) -> bytes:
        self._sales += 1
        by_card = self._sales % 2 == 0 or not self._phone.wallet.handles
        return next(self._frames)[LENGTH_BYTES:] if by_card else self._phone.sale(START + self._count)

    def _following(self, effect: Effect) -> Iterator[Input]:
        if not isinstance(effect, CallChannel):
            return
        call, number = effect.call, int(effect.call.reference)
        if number % 5 == 0 and not call.reverse:
            yield Due(number, early=True)
            return
        code = "00" if call.reverse or number % 3 else "51"
        yield ChannelAnswered(ChannelAnswer(call.reference, TERMINAL, code, reverse=call.reverse, amount=call.amount))

    def state(self) -> Books:
        return self._store.books()

    def close(self) -> None:
        self._store.close()
