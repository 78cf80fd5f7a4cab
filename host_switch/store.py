"""The store port, and the store in memory that the simulated world uses. `sqlite_store.py` has the durable one.

Both load facts and write changes with the same meaning: what is committed is there after a crash, all of a decision or
none of it, and the ledger only grows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from host_switch.events import Change, Decision, Due, Input, Persist, PutDetails
from host_switch.facts import BatchRow, Facts, PhoneFacts, Policy, SignedFacts, Wanted, wanted
from host_switch.ledger import Head, Record, chain
from host_switch.records import (
    Batch,
    CodeIssuer,
    CodeSpent,
    Download,
    Entry,
    Event,
    FailedCodes,
    Key,
    Leg,
    PhoneUser,
    Presence,
    SignedKey,
    SignedUse,
    Telemetry,
    Terminal,
    Transaction,
    WorkingKeys,
)
from paycode.digits import holder

OWED = frozenset({Leg.ADVICE_DUE, Leg.REVERSAL_DUE})


class StoreError(Exception):
    """The store cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the validations look at, as read in one moment. Card numbers and codes are not in it."""

    terminals: tuple[Terminal, ...]
    transactions: tuple[Transaction, ...]
    records: tuple[Record, ...]
    batches: tuple[Batch, ...]
    events: tuple[Event, ...]
    codes_spent: tuple[CodeSpent, ...] = ()
    presences: tuple[Presence, ...] = ()
    telemetry: tuple[Telemetry, ...] = ()
    signed_uses: tuple[SignedUse, ...] = ()


class Store(Protocol):
    """What the listener needs of a store. One writer; every method may be called by one thread at a time."""

    def facts_for(self, events: Sequence[Input]) -> list[Facts]:
        """Load the facts of every input, in order, as they are committed now."""

    def stage(self, decisions: Iterable[Decision]) -> None:
        """Write all that the decisions persist into one open transaction."""

    def flush(self) -> None:
        """Make everything staged durable, together."""

    def commit(self, decisions: Iterable[Decision]) -> None:
        """Stage and flush."""

    def due(self, now: float, at_most: int) -> list[Due]:
        """The transactions whose due time has come, the longest waiting first."""

    def owed(self, after: int, at_most: int) -> list[Due]:
        """The transactions that owe the issuer a message, due or not, with numbers above `after`, ascending."""

    def next_due(self) -> float | None:
        """The earliest due time, None if nothing is open."""

    def books(self) -> Books:
        """Everything, for validation."""

    def close(self) -> None:
        """Let go of the files."""


def holder_of(want: Wanted, policy: Policy) -> int | None:
    """Whose phone an input is about, by the code it has made or by an order; None if nobody's can be named."""
    return holder(want.code, policy.code_keys) if want.code else want.phone


def changes_of(decisions: Iterable[Decision]) -> Iterable[Change]:
    """All changes of all decisions, in order."""
    for decision in decisions:
        for effect in decision.effects:
            if isinstance(effect, Persist):
                yield from effect.changes


class MemoryStore:
    """A store whose disk is a few dictionaries: what was committed survives whoever uses it.

    `policy` is handed to the core with the facts; `fresh_keys` draws the keys of a sign-on.
    """

    def __init__(self, policy: Policy, fresh_keys: Callable[[], WorkingKeys]) -> None:
        self._policy = policy
        self._fresh_keys = fresh_keys
        self._terminals: dict[str, Terminal] = {}
        self._transactions: dict[int, Transaction] = {}
        self._numbers: dict[Key, int] = {}
        self._dependants: dict[int, list[int]] = {}
        self._open: set[int] = set()
        self._batches: dict[tuple[str, str], Batch] = {}
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._details: dict[tuple[str, str], dict[str, int]] = {}
        self._records: list[Record] = []
        self._events: list[Event] = []
        self._presences: dict[str, Presence] = {}
        self._telemetry: dict[str, Telemetry] = {}
        self._head = Head()
        self._last_number = 0
        self._staged: list[Change] = []
        self._downloads: dict[str, tuple[bytes, ...]] = {}
        self._phone_users: dict[int, PhoneUser] = {}
        self._failed_codes: dict[str, tuple[int, ...]] = {}
        self._codes_spent: dict[bytes, CodeSpent] = {}
        self._code_issuers: dict[bytes, CodeIssuer] = {}
        self._signed_keys: dict[bytes, SignedKey] = {}
        self._signed_uses: dict[int, SignedUse] = {}

    def facts_for(self, events: Sequence[Input]) -> list[Facts]:
        """Load the facts of every input, in order."""
        return [self._facts(wanted(event)) for event in events]

    def _facts(self, want: Wanted) -> Facts:
        stored = self._stored(want)
        original = self._transactions.get(want.original) if want.original else None
        sale = stored if want.reversal else original
        terminal = want.terminal or (stored.key.terminal if stored else "")
        batch = (terminal, want.batch or "")
        return Facts(
            policy=self._policy,
            terminal=self._terminals.get(terminal),
            stored=stored,
            original=original,
            dependants=self._dependants_of(sale) if sale else (),
            number=self._free_number() if want.opens else 0,
            fresh_keys=self._fresh_keys() if want.fresh_keys else None,
            batch=self._batches.get(batch),
            batch_rows=self._batch_rows(batch),
            details=dict(self._details.get(batch, {})),
            downloads=dict(sorted(self._downloads.items())) if want.downloads else {},
            phone=self._phone_facts(want, terminal),
            signed=self._signed_facts(want),
            asked=want,
        )

    def _phone_facts(self, want: Wanted, terminal: str) -> PhoneFacts | None:
        if not want.code and want.phone is None:
            return None
        number = holder_of(want, self._policy)
        user = self._phone_users.get(number) if number is not None else None
        return PhoneFacts(number, user, self._failed_codes.get(terminal, ()))

    def _signed_facts(self, want: Wanted) -> SignedFacts | None:
        claim = want.signed
        if claim is None:
            return None
        key = self._signed_keys.get(claim.key)
        user = self._phone_users.get(key.user) if key else None
        paid = (use for use in self._signed_uses.values() if use.paid)
        return SignedFacts(
            claim, self._code_issuers.get(claim.issuer), key, user.account if user else "",
            next((use for use in paid if (use.key, use.counter) == (claim.key, claim.counter)), None),
        )  # fmt: skip

    def _free_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _stored(self, want: Wanted) -> Transaction | None:
        number = self._numbers.get(want.key) if want.key else want.number
        return self._transactions.get(number) if number else None

    def _dependants_of(self, sale: Transaction) -> tuple[Transaction, ...]:
        return tuple(self._transactions[number] for number in self._dependants.get(sale.number, ()))

    def _batch_rows(self, batch: tuple[str, str]) -> tuple[BatchRow, ...]:
        rows = (self._transactions[number] for number in self._rows.get(batch, ()))
        return tuple(BatchRow(row.key.trace, row.kind, row.amount, row.outcome) for row in rows)

    def stage(self, decisions: Iterable[Decision]) -> None:
        """Hold the changes until they are flushed."""
        self._staged.extend(changes_of(decisions))

    def flush(self) -> None:
        """Apply what is staged."""
        for change in self._staged:
            self._apply(change)
        self._staged.clear()

    def commit(self, decisions: Iterable[Decision]) -> None:
        """Stage and flush."""
        self.stage(decisions)
        self.flush()

    def _apply(self, change: Change) -> None:
        match change:
            case Transaction():
                self._put(change)
            case Terminal():
                self._terminals[change.id] = change
            case Presence() | Telemetry():
                self._put_news(change)
            case Download():
                self._downloads[change.kind] = change.items
            case Batch():
                self._batches[change.terminal, change.number] = change
            case Entry():
                self._append(change)
            case Event():
                self._events.append(change)
            case PhoneUser() | FailedCodes() | CodeSpent() | CodeIssuer() | SignedKey() | SignedUse():
                self._put_of_codes(change)
            case PutDetails():
                details = self._details.setdefault((change.terminal, change.batch), {})
                details.update((detail.trace, detail.amount) for detail in change.details)

    def _put_news(self, told: Presence | Telemetry) -> None:
        if isinstance(told, Telemetry):
            self._telemetry[told.terminal] = told
            return
        known = self._presences.get(told.terminal)
        if known is None or known.online != told.online:
            self._presences[told.terminal] = told

    def _put(self, row: Transaction) -> None:
        if row.number not in self._transactions:
            assert row.key not in self._numbers, "a key names one transaction"
            self._numbers[row.key] = row.number
            self._last_number = max(self._last_number, row.number)
            self._rows.setdefault((row.key.terminal, row.key.batch), []).append(row.number)
            if row.original:
                self._dependants.setdefault(row.original, []).append(row.number)
        self._transactions[row.number] = row
        (self._open.discard if row.due_at is None else self._open.add)(row.number)

    def _put_of_codes(
        self, change: PhoneUser | FailedCodes | CodeSpent | CodeIssuer | SignedKey | SignedUse
    ) -> None:
        match change:
            case PhoneUser():
                self._phone_users[change.number] = change
            case FailedCodes():
                self._failed_codes[change.terminal] = change.failed_at
            case CodeSpent():
                assert change.one_time not in self._codes_spent, "a code pays once"
                self._codes_spent[change.one_time] = change
            case CodeIssuer():
                self._code_issuers[change.key_id] = change
            case SignedKey():
                self._signed_keys[change.key] = change
            case SignedUse():
                assert change.number not in self._signed_uses, "evidence is never changed"
                self._signed_uses[change.number] = change

    def _append(self, entry: Entry) -> None:
        self._records.extend(chain(self._head, entry))
        last = self._records[-1]
        self._head = Head(last.sequence, last.entry, last.digest)

    def due(self, now: float, at_most: int) -> list[Due]:
        """The transactions whose due time has come, the longest waiting first."""
        waiting = sorted((due_at, number) for due_at, number in self._due_times() if due_at <= now)
        return [Due(number) for _, number in waiting[:at_most]]

    def owed(self, after: int, at_most: int) -> list[Due]:
        """The transactions that owe the issuer a message, due or not."""
        numbers = sorted(n for n in self._open if n > after and self._transactions[n].leg in OWED)
        return [Due(number, early=True) for number in numbers[:at_most]]

    def next_due(self) -> float | None:
        """The earliest due time, None if nothing is open."""
        return min((due_at for due_at, _ in self._due_times()), default=None)

    def _due_times(self) -> Iterable[tuple[float, int]]:
        rows = (self._transactions[number] for number in self._open)
        return ((row.due_at, row.number) for row in rows if row.due_at is not None)

    def books(self) -> Books:
        """Everything, for validation."""
        return Books(
            tuple(self._terminals.values()),
            tuple(row.without_card() for row in self._transactions.values()),
            tuple(self._records),
            tuple(self._batches.values()),
            tuple(self._events),
            tuple(self._codes_spent.values()),
            tuple(self._presences.values()),
            tuple(self._telemetry.values()),
            tuple(replace(use, code="") for use in self._signed_uses.values()),
        )

    def close(self) -> None:
        """Nothing to let go of."""
