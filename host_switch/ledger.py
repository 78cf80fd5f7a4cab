"""The ledger: balanced entries, never changed, each record chained to the one before by a hash.

A sale makes the issuer owe us (debit ``clearing:issuer``) and makes us owe the merchant (credit ``merchant:<id>``);
voids and refunds go the other way, and a reversal counters what was booked. Balances are derived from the records.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from host_switch.records import Entry, Key, Posting, Transaction
from iso8583.transactions import TYPES

CLEARING = "clearing:issuer"
GENESIS = bytes(32)


class Record(NamedTuple):
    """One posting as it stands in the ledger. `entry` groups the records that sum to zero."""

    sequence: int
    entry: int
    key: Key
    reason: str
    at: float
    account: str
    amount: int
    currency: str
    digest: bytes


def merchant_account(merchant: str) -> str:
    """The account of what we owe a merchant."""
    return f"merchant:{merchant}"


def booking(row: Transaction, at: float) -> Entry:
    """The entry for an approved transaction: forwards for a sale, backwards for a void or a refund."""
    sign = 1 if TYPES[row.kind].direction == "debit" else -1
    return Entry(row.key, row.kind, at, _pair(row, sign * row.amount))


def countering(row: Transaction, at: float) -> Entry:
    """The entry that takes back what `booking` booked for the same transaction."""
    sign = -1 if TYPES[row.kind].direction == "debit" else 1
    return Entry(row.key, "reversal", at, _pair(row, sign * row.amount))


def _pair(row: Transaction, amount: int) -> tuple[Posting, ...]:
    return (
        Posting(CLEARING, amount, row.currency),
        Posting(merchant_account(row.merchant), -amount, row.currency),
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the ledger: what the next record follows."""

    sequence: int = 0
    entry: int = 0
    digest: bytes = GENESIS


def chain(head: Head, entry: Entry) -> Iterator[Record]:
    """Turn an entry into the records that follow `head`. Unbalanced or empty entries are our own fault: assertion."""
    assert entry.postings, "an entry has postings"
    assert sum(posting.amount for posting in entry.postings) == 0, "an entry sums to zero"
    assert len({posting.currency for posting in entry.postings}) == 1, "an entry has one currency"
    digest, number = head.digest, head.entry + 1
    for sequence, posting in enumerate(entry.postings, head.sequence + 1):
        digest = record_digest(digest, sequence, number, entry, posting)
        yield Record(sequence, number, entry.key, entry.reason, entry.at, *posting, digest)


def record_digest(previous: bytes, sequence: int, number: int, entry: Entry, posting: Posting) -> bytes:
    """The hash that chains a record to the one before: SHA-256 over the previous hash and every column."""
    terminal, batch, trace = entry.key
    account, amount, currency = posting
    text = (
        f"{sequence}\x1f{number}\x1f{terminal}\x1f{batch}\x1f{trace}\x1f{entry.reason}\x1f{entry.at.hex()}"
        f"\x1f{account}\x1f{amount}\x1f{currency}"
    )
    return hashlib.sha256(previous + text.encode()).digest()


def first_break(records: Iterable[Record]) -> int | None:
    """The sequence number of the first record that does not follow from the one before; None if the chain holds."""
    previous = GENESIS
    for expected, record in enumerate(records, 1):
        entry = Entry(record.key, record.reason, record.at, ())
        posting = Posting(record.account, record.amount, record.currency)
        digest = record_digest(previous, record.sequence, record.entry, entry, posting)
        if record.sequence != expected or record.digest != digest:
            return record.sequence
        previous = record.digest
    return None


def balances(records: Iterable[Record]) -> dict[tuple[str, str], int]:
    """The balance of every account by (account, currency), debits positive."""
    sums: dict[tuple[str, str], int] = {}
    for record in records:
        account = record.account, record.currency
        sums[account] = sums.get(account, 0) + record.amount
    return sums
