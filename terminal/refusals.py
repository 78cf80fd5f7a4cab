"""Why the counter takes no payment now: asks `risk.py` and `offline_caps.py` what the cores know at this moment.

An empty reason means yes; every other is a key of the catalogue. Nothing is decided here but which question is asked.
"""

from firmware_config.profile import Offline, TerminalProfile
from terminal import offline_caps, risk
from terminal.book import Book
from terminal.events import BalanceRequested, CardCounted, Original, RefundRequested, SaleRequested, VoidRequested
from terminal.host_time import HostClock
from terminal.offline_caps import OfflineCard
from terminal.payment import Payments
from terminal.records import Key
from terminal.session import Session


class Refusals:
    """What stands against a payment. `room`: how the journal's disk is, as last measured.

    `lists_at`: when the oldest of the lists that serve was downloaded; None without a black list. `counted`: the card
    of which was told last what it has taken in batches that are not loaded.
    """

    def __init__(
        self, book: Book, profile: TerminalProfile, payments: Payments, session: Session, clock: HostClock
    ) -> None:
        self.room = risk.Room(free_bytes=0, writable=False)
        self.lists_at: float | None = None
        self.counted = CardCounted()
        self._book, self._profile = book, profile
        self._payments, self._session, self._clock = payments, session, clock

    @property
    def _busy(self) -> bool:
        return self._payments.current is not None

    def of_payment(
        self, event: SaleRequested | BalanceRequested | VoidRequested | RefundRequested, now: float
    ) -> str:
        """Why this payment cannot begin."""
        session, limits = self._session, self._profile.limits
        if isinstance(event, SaleRequested) and event.offline and not session.ready:
            refusal, caps = self.of_offline(now), self.caps(now)
            return refusal or offline_caps.refusal_of_sale(event.amount, event.operator, self._book, caps, now)
        general = risk.refusal_of_payment(
            self._book, limits, self.room, session.ready and not session.wants_sign_on, self._busy,
            is_sale=isinstance(event, SaleRequested),
        )  # fmt: skip
        match event:
            case _ if general:
                return general
            case SaleRequested(amount=amount):
                return risk.refusal_of_amount(amount, limits)
            case VoidRequested(original=original, authorised_by=authorised_by):
                return risk.refusal_of_void(self._book.payments.get(original)) or _unauthorised(authorised_by)
            case RefundRequested(original=sale, amount=amount, authorised_by=authorised_by):
                refunded = sale.refunded + self._refunds_open(sale.key)
                refusal = risk.refusal_of_refund(
                    amount, sale.amount, refunded, self._is_voided(sale), sale.card_erased
                )
                return refusal or _unauthorised(authorised_by)
            case _:
                return ""

    def of_offline(self, now: float) -> str:
        """Why nothing can be sold without the host now; the page asks, too, before it offers it."""
        profile, out_of_reach = self._profile, self._session.host_is_out_of_reach
        too_old = offline_caps.lists_are_too_old(profile.offline, self.lists_at, now)
        return risk.refusal_of_offline(
            self._book, profile.limits, profile.offline, self.room, out_of_reach, self._busy,
            time_is_known=self._clock.is_known, lists_too_old=too_old,
        )  # fmt: skip

    def caps(self, now: float) -> Offline:
        """How much may be sold without the host, as the age of the lists allows now."""
        return offline_caps.in_force(self._profile.offline, self.lists_at, now)

    def of_offline_card(self, card: OfflineCard, now: float) -> str:
        """Why this card may not pay without the host; asked before its chip may approve, and again when it has."""
        current = self._payments.current
        if current is None or not self._payments.sells_offline:
            return "cancelled"
        book = self._book
        owed, parked = book.owed_at_hand(), book.shares_not_at_hand()
        counted = self.counted if self.counted.token == card.token else CardCounted()
        return offline_caps.refusal_of_card(
            book.payments[current].amount, card, owed, self.caps(now), parked, (counted.count, counted.amount)
        )

    def _is_voided(self, sale: Original) -> bool:
        """Voided in an earlier batch, as the shell found, or in this one, as the book knows."""
        here = self._book.find(sale.key)
        return sale.voided or (here is not None and here.voided_by is not None)

    def _refunds_open(self, sale: Key) -> int:
        """Refunds of a sale whose answer is not known: they may yet be approved."""
        draining = self._book.draining.unresolved() if self._book.draining else []
        return sum(p.amount for p in (*self._book.unresolved(), *draining) if p.original == sale)


def _unauthorised(authorised_by: str) -> str:
    return "" if authorised_by else "supervisor_needed"
