"""The auditor: reads what is on disk at the terminal, the host and the issuer, and on paper, and compares.

It knows nothing of how the cores work; it knows what must be true when all is quiet. Every payment that the terminal
holds for approved stands in the host's ledger once, with its amount, and has moved the customer's account by as much.
Nothing else stands there or has moved. What is on paper is an approved payment.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from host_switch.invariants import breaches, nothing_is_owed
from host_switch.ledger import CLEARING
from host_switch.start import opened_store
from host_switch.store import Books
from simulators.crash.shop import SLIPS, STRANGE_TRACE
from simulators.issuer import default_accounts
from simulators.printed_slips import printed_twice
from simulators.tour.setting_up import Shop
from terminal.book import FIRST_BATCH, Payment
from terminal.journal import Journal
from terminal.records import BatchClosed, Started
from terminal.transitions import State

VOUCHER = re.compile(r"BATCH NO +(\d{6})\n.*?VOUCHER NO +(\d{6})\n.*?AMOUNT\n *RMB (-?[\d,]+\.\d\d)\n", re.DOTALL)
PIN_PAD_KILLED = '"event": "keys_refused"'
"""The one error that may be in a log: the terminal signed on while the PIN pad was gone, and does it again."""

_SIGN = {"debit": 1, "credit": -1, "none": 0}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be. `kind`: ``lost``, ``doubled``, or ``broken`` for a book that is wrong in itself."""

    kind: str
    text: str


def faults(shop: Shop, *, strange_sale: bool = False) -> list[Fault]:
    """Everything that is wrong with a shop in which all is quiet and every batch is closed.

    A `strange_sale` at the host is known of, and so is that its batch does not balance.
    """
    with closing(Journal(shop.terminal / "journal.db")) as journal:
        payments = _payments(journal)
        found = [*_journal_faults(journal, strange_sale)]
    with opened_store(shop.host, to_write=False) as store:
        books = store.books()
    booked = _booked(books)
    moved = Counter[str]()
    with closing(sqlite3.connect(shop.issuer / "issuer.db")) as issuer:
        for reference, amount in issuer.execute("SELECT reference, amount FROM movements WHERE NOT reversed"):
            moved[reference] += amount
        found += _account_faults(issuer)
    return [
        *found, *_host_faults(books, strange_sale), *_payment_faults(payments, booked),
        *_customer_faults(books, booked, moved),
        *_slip_faults(shop.folder / SLIPS, payments), *_log_faults(shop.logs),
    ]  # fmt: skip


def last_payment(shop: Shop) -> Payment:
    """The payment that was begun last."""
    with closing(Journal(shop.terminal / "journal.db")) as journal:
        return list(_payments(journal).values())[-1]


def _payments(journal: Journal) -> dict[str, Payment]:
    keys = [record.key for record in journal.everything() if isinstance(record, Started)]
    found = {str(key): journal.payment(key) for key in keys}
    return {key: payment for key, payment in found.items() if payment is not None}


def _journal_faults(journal: Journal, strange_sale: bool) -> Iterator[Fault]:
    verdict = journal.verify()
    if not verdict.intact:
        yield Fault("broken", f"journal row {verdict.broken_at}: {verdict.reason}")
    for record in journal.everything():
        if isinstance(record, BatchClosed) and record.balanced != _balances(record.batch, strange_sale):
            yield Fault("broken", f"the terminal closed batch {record.batch}, balanced: {record.balanced}")


def _balances(batch: str, strange_sale: bool) -> bool:
    return not (strange_sale and batch == FIRST_BATCH)


def _host_faults(books: Books, strange_sale: bool) -> Iterator[Fault]:
    for breach in (*breaches(books), *nothing_is_owed(books)):
        yield Fault("broken", f"host, {breach.validation}: {breach.where} {breach.text}")
    for batch in books.batches:
        if batch.balanced != _balances(batch.number, strange_sale) or batch.closed_at is None:
            yield Fault("broken", f"host batch {batch.number}: balanced {batch.balanced}, closed {batch.closed_at}")
    for event in books.events:
        if event.severity == "security":
            yield Fault("broken", f"host, security: {event.kind} {event.key}")


def _booked(books: Books) -> Counter[str]:
    booked = Counter[str]()
    for record in books.records:
        booked[str(record.key)] += record.amount if record.account == CLEARING else 0
    return booked


def _payment_faults(payments: Mapping[str, Payment], booked: Mapping[str, int]) -> Iterator[Fault]:
    for key, payment in payments.items():
        if not payment.is_final:
            yield Fault("broken", f"{key} is still {payment.state} at the terminal")
    for key in payments.keys() | {key for key in booked if not key.endswith(STRANGE_TRACE)}:
        expected = _expected(payments.get(key))
        yield from _compared(f"{key}: {expected} at the terminal, {booked.get(key, 0)} in the ledger",
                             expected, booked.get(key, 0))  # fmt: skip


def _expected(payment: Payment | None) -> int:
    if payment is None or payment.state is not State.APPROVED:
        return 0
    return _SIGN[payment.rules.direction] * payment.amount


def _customer_faults(books: Books, booked: Mapping[str, int], moved: Mapping[str, int]) -> Iterator[Fault]:
    """The customer's account against the ledger: what is booked for us has left the account."""
    references = {row.reference: str(row.key) for row in books.transactions}
    for reference in references.keys() | moved.keys():
        ours, theirs = booked.get(references.get(reference, ""), 0), -moved.get(reference, 0)
        yield from _compared(f"reference {reference}: {ours} in the ledger, {theirs} from the account", ours, theirs)


def _compared(text: str, expected: int, found: int) -> Iterator[Fault]:
    """Less than expected is lost, more is doubled; amounts that we give back count the same by size."""
    if found != expected:
        yield Fault("lost" if abs(found) < abs(expected) else "doubled", text)


def _account_faults(issuer: sqlite3.Connection) -> Iterator[Fault]:
    """Every account is what it began with and what moved."""
    balances = dict(issuer.execute("SELECT number, balance FROM accounts"))
    query = "SELECT account, sum(amount) FROM movements WHERE NOT reversed GROUP BY account"
    moved = dict(issuer.execute(query))
    for account in default_accounts():
        if balances[account.number] != account.balance + moved.get(account.number, 0):
            yield Fault("broken", f"the issuer's account ending {account.number[-4:]} does not add up")


def _slip_faults(path: Path, payments: Mapping[str, Payment]) -> Iterator[Fault]:
    terminal = next(iter(payments)).partition("-")[0] if payments else ""
    papers = [json.loads(line)["lines"] for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    for twice in printed_twice(papers):
        yield Fault("doubled", f"two slips of voucher {twice.voucher} that do not say DUPLICATE")
    for lines in papers:
        slip = VOUCHER.search("\n".join(lines))
        if slip is None:
            continue  # a settlement, or a slip that was torn off when the terminal was killed
        batch, trace, amount = slip.groups()
        expected = _expected(payments.get(f"{terminal}-{batch}-{trace}"))
        if round(100 * float(amount.replace(",", ""))) != expected:
            yield Fault("lost", f"a slip of {amount} for voucher {trace}, which is worth {expected}")


def _log_faults(logs: Path) -> Iterator[Fault]:
    for path in logs.glob("*.log"):
        for line in path.read_text("utf-8").splitlines():
            wrong = '"level": "error"' in line and PIN_PAD_KILLED not in line
            if wrong or not line.startswith("{"):
                yield Fault("broken", f"{path.name}: {line}")
