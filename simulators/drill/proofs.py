"""What must hold after a drill: each sale, by the terminal's journal and the host's ledger; and all books together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from host_switch.ledger import CLEARING
from host_switch.store import Books as HostBooks
from simulators.observed import Observed, Seen, follow, name_of
from simulators.tour.checks import Books, Check, prove_each_book, three_books_agree
from simulators.tour.setting_up import TERMINAL_ID, Shop
from simulators.tour.shop import carried_by_broker, host_books
from terminal.journal import Journal
from terminal.records import Record


@dataclass(frozen=True, slots=True)
class Compared:
    """The sales made without the bank beside what the bank's books say of them; amounts in fen.

    lost: not booked, or for less, though nobody has declined them. doubled: booked for more, or unknown to the
    terminal. net: what all payments of the terminal come to.
    """

    by_card: int
    by_code: int
    amount: int
    declined: int
    by_broker: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    net: int

    @property
    def sold(self) -> int:
        """How many."""
        return self.by_card + self.by_code


def compared(records: Iterable[Record], books: HostBooks) -> Compared:
    """Compare a terminal's journal with the host's books, sale by sale."""
    observed = Observed()
    for record in records:
        list(follow(observed, TERMINAL_ID, record))  # what it would complain of is seen in simulated worlds only
    posted = Counter[tuple[str, str, str]]()
    for posting in books.records:
        posted[name_of(posting.key)] += posting.amount if posting.account == CLEARING else 0
    sold = {name: seen for name, seen in observed.payments.items() if seen.given_away}
    due = {name: 0 if seen.stands == "nothing" else seen.amount for name, seen in sold.items()}
    offline = {name_of(row.key) for row in books.transactions if row.kind.startswith("offline_")}
    carried = {name_of(row.key) for row in carried_by_broker(books)}
    return Compared(
        by_card=sum(not _by_code(seen) for seen in sold.values()), by_code=sum(map(_by_code, sold.values())),
        amount=sum(seen.amount for seen in sold.values()), declined=sum(seen.is_lost for seen in sold.values()),
        by_broker=len(carried & sold.keys()),
        lost=tuple("-".join(name) for name, amount in due.items() if posted[name] < amount),
        doubled=tuple("-".join(name) for name in offline | due.keys() if posted[name] > due.get(name, 0)),
        net=sum(seen.net for seen in observed.payments.values()),
    )  # fmt: skip


def _by_code(seen: Seen) -> bool:
    return seen.type == "offline_code_sale"


def compare_in(shop: Shop) -> Compared:
    """Compare the books as they lie in a shop's folder; its processes may be running."""
    return compared(Journal(shop.terminal / "journal.db").everything(), host_books(shop))


async def prove(shop: Shop, before: Books, after: Books, found: Compared) -> list[Check]:
    """Everything that must hold. `before` and `after`: how issuer and host stood around the drill."""
    lost, doubled = list(found.lost), list(found.doubled)
    return [
        Check(
            "nothing_lost", "一笔不丢", "no sale is lost", not lost,
            ", ".join(lost) or f"{found.sold} sold offline, each at the bank",
        ),
        Check(
            "nothing_doubled", "一笔不重", "no sale is booked twice", not doubled,
            ", ".join(doubled) or "each booked once",
        ),
        three_books_agree(before, after, found.net),
        *await prove_each_book(shop),
    ]  # fmt: skip
