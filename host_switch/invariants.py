"""What must be true of the host's books at every moment: a list of pure functions, each of which names what breaks it.

Run by the tests, by the simulated world, after crash and load tests, and in production by ``tillgate host reconcile``.
To add one: a function from `Books` to breaches, and its line in `VALIDATIONS`. The numbers are those of the invariants
they hold: I2 no double debit, I3 no orphan, I4 ambiguity ends, I5 the ledger balances, I8 no card data at rest, I11 one
key, one content.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from host_switch.ledger import CLEARING, Record, first_break
from host_switch.lifecycle import OPEN, TABLE
from host_switch.payer import NAME_OF_KEY
from host_switch.records import STANDING, Key, Leg, Outcome, Transaction
from host_switch.store import Books
from iso8583 import load_dialect
from iso8583.transactions import TYPES

REVERSAL = "reversal"
_MAC_BYTES = 8
_CARD_DATA = (2, 14, 35, 36, 45, 52)


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be: which validation it breaks, where, and how."""

    validation: str
    where: str
    text: str


Validation = Callable[[Books], Iterator[Breach]]


def entries_balance(books: Books) -> Iterator[Breach]:
    """I5: the records of every entry sum to zero in every currency."""
    sums: Counter[tuple[int, str]] = Counter()
    for record in books.records:
        sums[record.entry, record.currency] += record.amount
    for (entry, currency), amount in sums.items():
        if amount:
            yield Breach("entries balance", f"entry {entry}", f"sums to {amount} in currency {currency}")


def chain_is_intact(books: Books) -> Iterator[Breach]:
    """I5: no record was changed, removed or put in between."""
    broken = first_break(books.records)
    if broken is not None:
        yield Breach("chain is intact", f"record {broken}", "does not follow from the record before it")


def every_key_is_booked_once(books: Books) -> Iterator[Breach]:
    """I2: at most one booking per key, and at most one that counters it."""
    for key, records in _by_key(books).items():
        reasons = Counter(record.reason for record in records if record.account == CLEARING)
        twice = [reason for reason, count in reasons.items() if count > 1]
        if twice or len(reasons) > 2 or (len(reasons) == 2 and REVERSAL not in reasons):
            yield Breach("every key is booked once", str(key), f"booked as {', '.join(sorted(reasons.elements()))}")


def bookings_follow_outcomes(books: Books) -> Iterator[Breach]:
    """I3: what stands in the ledger for a key is what the terminal was told: the amount if approved, else nothing."""
    rows = {row.key: row for row in books.transactions}
    booked = {key: _booked(records) for key, records in _by_key(books).items()}
    for key in rows.keys() | booked.keys():
        expected = _expected(rows[key]) if key in rows else 0
        if booked.get(key, 0) != expected:
            yield Breach("bookings follow outcomes", str(key), f"{booked.get(key, 0)} is booked, {expected} should be")


def _by_key(books: Books) -> dict[Key, list[Record]]:
    records: dict[Key, list[Record]] = defaultdict(list)
    for record in books.records:
        records[record.key].append(record)
    return records


def _booked(records: Sequence[Record]) -> int:
    return sum(record.amount for record in records if record.account == CLEARING)


def _expected(row: Transaction) -> int:
    sign = {"debit": 1, "credit": -1, "none": 0}[TYPES[row.kind].direction]
    return sign * row.amount if row.outcome is Outcome.APPROVED else 0


def nothing_is_given_back_twice(books: Books) -> Iterator[Breach]:
    """I2: voids and refunds of a sale, also those under way, come to no more than the sale."""
    sales = {row.number: row for row in books.transactions}
    given: Counter[int] = Counter()
    for row in books.transactions:
        if row.original and row.outcome in STANDING:
            given[row.original] += row.amount
    for number, amount in given.items():
        sale = sales.get(number)
        if sale is None or amount > sale.amount:
            where = str(sale.key) if sale else f"reference {number:012d}"
            paid = sale.amount if sale else 0
            yield Breach("nothing is given back twice", where, f"{amount} given back, {paid} paid")


def debts_have_a_time(books: Books) -> Iterator[Breach]:
    """I4: whatever is open has a time at which it is taken up again, and nothing else has one; states are known."""
    known = {(outcome, leg) for outcome, leg, _ in TABLE} | {(move.outcome, move.leg) for move in TABLE.values()}
    for row in books.transactions:
        state = (row.outcome, row.leg)
        if state not in known:
            yield Breach("debts have a time", str(row.key), f"{row.outcome} / {row.leg} is no state")
        if (state in OPEN) != (row.due_at is not None):
            yield Breach("debts have a time", str(row.key), f"{row.outcome} / {row.leg} with due time {row.due_at}")


def nothing_is_owed(books: Books) -> Iterator[Breach]:
    """I4, once the world is quiet: no transaction is open. Not part of `VALIDATIONS`: a busy host always owes."""
    for row in books.transactions:
        if row.due_at is not None:
            yield Breach("nothing is owed", str(row.key), f"still {row.outcome} / {row.leg}")


def answers_are_kept(books: Books) -> Iterator[Breach]:
    """I2: whoever was told something can be told the same again."""
    for row in books.transactions:
        told = row.outcome in {Outcome.APPROVED, Outcome.DECLINED}
        if told != bool(row.reply) and row.outcome is not Outcome.REVERSED:
            yield Breach("answers are kept", str(row.key), f"{row.outcome}, but the answer does not fit that")
        if row.outcome is Outcome.REVERSED and not row.reversal_reply:
            yield Breach("answers are kept", str(row.key), "reversed, and no answer to the reversal is kept")


def keys_are_unique(books: Books) -> Iterator[Breach]:
    """I11: a key names one transaction."""
    for key, count in Counter(row.key for row in books.transactions).items():
        if count > 1:
            yield Breach("keys are unique", str(key), f"names {count} transactions")


def no_card_data_is_kept(books: Books) -> Iterator[Breach]:
    """I8: no clear card number, and no stored answer with card data in it."""
    dialect = load_dialect("unionpay_pos")
    for row in books.transactions:
        if row.pan or (row.masked and "*" not in row.masked and not NAME_OF_KEY.fullmatch(row.masked)):
            yield Breach("no card data is kept", str(row.key), "a card number stands in clear")
        for reply in filter(None, (row.reply, row.reversal_reply)):
            message = dialect.decode(reply + bytes(_MAC_BYTES))
            kept = [number for number in _CARD_DATA if number in message]
            if kept:
                yield Breach("no card data is kept", str(row.key), f"a stored answer has fields {kept}")


def debts_are_of_this_host(books: Books) -> Iterator[Breach]:
    """I3: a reversal that is owed belongs to a call that was made: a remembered reversal owes nothing."""
    for row in books.transactions:
        if row.kind == REVERSAL and row.leg is not Leg.NONE:
            yield Breach("debts are of this host", str(row.key), f"a remembered reversal is {row.leg}")


def codes_pay_once(books: Books) -> Iterator[Breach]:
    """I2: the one-time part of a payment code has paid in one transaction, which is a scanned sale of this host."""
    rows = {row.number: row for row in books.transactions}
    times = Counter(spent.one_time for spent in books.codes_spent)
    for spent in books.codes_spent:
        row = rows.get(spent.number)
        where = str(row.key) if row else f"reference {spent.number:012d}"
        if times[spent.one_time] > 1:
            yield Breach("codes pay once", where, f"its code has paid {times[spent.one_time]} times")
        if row is None or row.kind != "qr_sale":
            yield Breach("codes pay once", where, "a code was spent for what is no scanned sale")


def signed_codes_pay_once(books: Books) -> Iterator[Breach]:
    """I2: under a key and a counter one offline sale is paid; with all others of them no money has moved."""
    rows = {row.number: row for row in books.transactions}
    times = Counter((use.key, use.counter) for use in books.signed_uses if use.paid)
    for use in books.signed_uses:
        row = rows.get(use.number)
        where = str(row.key) if row else f"reference {use.number:012d}"
        if use.paid and times[use.key, use.counter] > 1:
            yield Breach("signed codes pay once", where, f"its counter has paid {times[use.key, use.counter]} times")
        if row is None or row.kind != "offline_code_sale":
            yield Breach("signed codes pay once", where, "a signed code came with what is no offline sale by one")
        elif not use.paid and row.outcome is not Outcome.DECLINED:
            yield Breach("signed codes pay once", where, f"a code that had paid before is {row.outcome}")


VALIDATIONS: Sequence[Validation] = (
    entries_balance,
    chain_is_intact,
    every_key_is_booked_once,
    bookings_follow_outcomes,
    nothing_is_given_back_twice,
    debts_have_a_time,
    answers_are_kept,
    keys_are_unique,
    no_card_data_is_kept,
    debts_are_of_this_host,
    codes_pay_once,
    signed_codes_pay_once,
)


def breaches(books: Books) -> list[Breach]:
    """Everything that is wrong with the books; empty if nothing is."""
    return [breach for validation in VALIDATIONS for breach in validation(books)]
