"""The two stores whose power is cut: the terminal's journal and the host's store, written and opened by the real code.

Each is written commit by commit, and what must be found after each commit is known. `judge` opens what a power cut has
left and says what is wrong: ``lost`` for something acknowledged that is not there, ``broken`` for anything else.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Generic, Protocol, TypeVar

from bench.fleet import MASTER_KEY, MERCHANT, Till
from host_switch.channels import ChannelAnswer
from host_switch.connections import decoded
from host_switch.events import CallChannel, ChannelAnswered, Decision, Due, Input, Persist
from host_switch.facts import Policy
from host_switch.invariants import breaches
from host_switch.keys import KeyRoom, des_key
from host_switch.records import Terminal, WorkingKeys
from host_switch.sqlite_store import SqliteStore
from host_switch.store import Books, StoreError
from host_switch.switch import decide
from iso8583.framing import LENGTH_BYTES
from simulators.crash.audit import Fault
from simulators.crash.power_cuts import Disk, disks
from terminal.journal import Journal, JournalError
from terminal.records import Answered, Completed, Key, Printed, Record, ReversalDue, Reversed, Sent, SignedOn, Started

State = TypeVar("State")

AROUND_CHECKPOINT = 4
APPEND_TO_ONE_OF = 4
TERMINAL, BATCH = "10000001", "000001"
START = 1_800_000_000.0
"""A Friday morning; nothing in here looks at a clock."""


class CutStore(Protocol[State]):
    """A store that can be cut off. `State` is what must be found in it after a commit."""

    def commits(self, path: Path) -> Iterator[State]:
        """Make the store and write into it, one commit after the other; the first state is that of the new store."""

    def judge(self, path: Path, allowed: Sequence[State]) -> Iterator[Fault]:
        """Open what was left; it must be in one of these states, and must take another commit."""


def cut_everywhere(
    store: CutStore[State], folder: Path, commits: int, chance: Random, around_checkpoint: int = AROUND_CHECKPOINT
) -> tuple[int, list[Fault]]:
    """Cut the power in every place of the first commits, and of so many before and after the first checkpoint.

    Returns how many images were opened, and what was wrong with them.
    """
    whole, image = folder / "whole.db", folder / "image.db"
    images, found = 0, list[Fault]()
    for before, after in _to_be_cut(store.commits(whole), whole, commits, around_checkpoint):
        for cut in disks(before.disk, after.disk, chance):
            cut.disk.write(image)
            found += store.judge(image, (after.state,) if cut.complete else (before.state, after.state))
            images += 1
    return images, found


@dataclass(frozen=True, slots=True)
class _Moment(Generic[State]):
    """The moment after a commit."""

    state: State
    disk: Disk


def _to_be_cut(
    states: Iterator[State], path: Path, first: int, around_checkpoint: int
) -> Iterator[tuple[_Moment[State], _Moment[State]]]:
    """Moments and those that follow: the first ones, and those around the commit that moves the log."""
    pairs = pairwise(_Moment(state, Disk.read(path)) for state in states)
    yield from islice(pairs, first)
    recent = deque[tuple[_Moment[State], _Moment[State]]](maxlen=around_checkpoint)
    for before, after in pairs if around_checkpoint else ():
        recent.append((before, after))
        if before.disk.database != after.disk.database:
            yield from recent
            yield from islice(pairs, around_checkpoint)
            return


class CutJournal:
    """The terminal's journal. Its state is how many records are in it; they are always the same ones."""

    def __init__(self) -> None:
        self._judged = 0
        self.records = [record for trace in range(1, 1_000) for record in _payment(trace)]

    def commits(self, path: Path) -> Iterator[int]:
        """Append the records one by one."""
        with closing(Journal(path)) as journal:
            yield 0
            for count, record in enumerate(self.records, 1):
                journal.append(record)
                yield count

    def judge(self, path: Path, allowed: Sequence[int]) -> Iterator[Fault]:
        """Open, verify the chain, compare every record; to one of a few append one more."""
        self._judged += 1
        try:
            with closing(Journal(path)) as journal:
                found = list(journal.everything())
                if found != self.records[: len(found)] or not journal.verify().intact:
                    yield Fault("broken", f"{path}: not the records that were written")
                elif len(found) not in allowed:
                    yield Fault("lost", f"{path}: {len(found)} records, there must be {allowed}")
                if self._judged % APPEND_TO_ONE_OF == 0:
                    journal.append(self.records[len(found)])
                    if not journal.verify().intact:
                        yield Fault("broken", f"{path}: a record more, and the chain is broken")
        except JournalError as error:
            yield Fault("lost", f"{path}: {error}")


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


class CutHostStore:
    """The host's store. Its state is all of its books."""

    def __init__(self) -> None:
        self._room = KeyRoom(bytes(range(32)))
        self._policy = Policy(self._room.content_key, bytes(range(16)))
        chance = Random(1)
        pin_key, mac_key, track_key = (des_key(length, chance.randbytes) for length in (16, 8, 16))
        self._till = Till(TERMINAL, BATCH, pin_key, mac_key, track_key)
        self._terminal = Terminal(TERMINAL, MERCHANT, MASTER_KEY, BATCH, WorkingKeys(pin_key, mac_key, track_key))

    def commits(self, path: Path) -> Iterator[Books]:
        """Decide and commit sales: approved, declined, or given up and reversed at the issuer."""
        with closing(self._opened(path)) as store:
            store.commit([Decision((Persist((self._terminal,)),))])
            yield store.books()
            for number, frame in enumerate(self._till.sales(1_000), 1):
                asked = _committed(store, decoded("line", frame[LENGTH_BYTES:]), START + number)
                yield store.books()
                call = next(effect.call for effect in asked.effects if isinstance(effect, CallChannel))
                answer = ChannelAnswer(call.reference, TERMINAL, "00" if number % 3 else "51", amount=call.amount)
                given_up = number % 5 == 0
                _committed(store, Due(number, early=True) if given_up else ChannelAnswered(answer), START + number)
                yield store.books()
                if given_up:
                    _committed(store, ChannelAnswered(replace(answer, code="00", reverse=True)), START + number)
                    yield store.books()

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

    def _opened(self, path: Path) -> SqliteStore:
        return SqliteStore.open(path, self._room, self._policy)


def _committed(store: SqliteStore, event: Input, now: float) -> Decision:
    decision = decide(event, store.facts_for([event])[0], now)
    store.commit([decision])
    return decision
