"""Signed payment codes while no host can be asked: verified here, against what this terminal trusts and remembers.

`docs/paycode.md` says what a code must be; `paycode.verify` judges it. What a terminal adds:

- Its memory is its journal: the book knows the last codes of each customer's key that have paid here, and a restart
  knows them again. When there is no room to remember another customer, no other customer pays.
- Terminals of a shop tell each other what they have taken (`TellShop`, `CodesSeen`): each sale when it is durable, and
  when the courier comes up again all that could still come again. What others have said is kept in memory only, and no
  more than `ELSEWHERE_MAX` of it: it can only refuse a code, and nobody counts on having heard it.
- Of two codes that prove a double spend, the second becomes a record, too; once in a payment, so that whoever goes on
  showing codes fills no journal.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import paycode
from firmware_config.profile import TerminalProfile
from paycode import Accepted, Reason, SignedCode, SignedTrust
from paycode.lists import CompactList
from paycode.signed import PREFIX, Seen, claimed
from paycode.signed import Payment as ToPay
from terminal.book import Book, Payment
from terminal.effects import Effect, TellShop
from terminal.events import CodesSeen, CodeTrustLoaded
from terminal.offline_caps import OfflineCard
from terminal.records import CODE_SCHEME, ApprovedByCode, Key, Record, SpentTwice

_OF_CAPS: Final = {"offline_scheme_amount": "offline_code_amount", "offline_scheme_spent": "offline_code_spent"}
_USED_UP: Final = "offline_code_used"

ELSEWHERE_MAX: Final = 10_000
"""Uses of codes at other terminals that are remembered, the newest: more than a shop sells in an outage."""
USE_BYTES: Final = 16
TOLD_MAX: Final = 64
"""Uses in one message to the shop: more than one till sells in the 100 seconds in which a code can come again."""


@dataclass(frozen=True, slots=True)
class CodeVerified:
    """A signed code that may pay for the payment in hand: what it says, and by which versions of the lists."""

    code: str = field(repr=False)
    says: SignedCode
    until: int
    revoked: int
    quota: int

    @property
    def counts_as(self) -> OfflineCard:
        """What it counts as against the shop's caps: the customer's key is the card."""
        return OfflineCard(self.says.key.hex(), CODE_SCHEME)


@dataclass(frozen=True, slots=True)
class CodeRefusal:
    """Why a code does not pay offline, a key of the catalogue; and what of that must be kept as evidence."""

    reason: str
    evidence: SpentTwice | None = None


class OfflineCodes:
    """Judges what is scanned while no host can be asked."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self.trust = CodeTrustLoaded()
        self._book = book
        self._profile = profile
        self._elsewhere: dict[bytes, None] = {}

    @property
    def are_taken(self) -> bool:
        """Whether a signed code can pay here at all."""
        return self.trust.issuers is not None

    def seen_elsewhere(self, event: CodesSeen) -> None:
        """Another terminal has taken codes: here they pay no more."""
        for use in event.fingerprints:
            self._elsewhere.pop(use, None)
            if len(self._elsewhere) >= ELSEWHERE_MAX:
                del self._elsewhere[next(iter(self._elsewhere))]
            self._elsewhere[use] = None

    def tell_again(self, now: float) -> list[Effect]:
        """What the shop may not have heard, and could be shown there."""
        uses = [fingerprint(*use) for use in self._book.codes.alive(int(now))]
        return [TellShop(tuple(uses[-TOLD_MAX:]))] if uses else []

    def judge(self, code: str, payment: Payment, now: float) -> CodeVerified | CodeRefusal:
        """Say whether a scanned code pays for this payment."""
        trust = self.trust
        if trust.issuers is None:
            return CodeRefusal("offline_codes_refused" if trust.refused else "offline_no_code")
        if not code.startswith(PREFIX):
            return CodeRefusal("offline_other_code")
        to_pay = ToPay(payment.amount, int(payment.currency), self._profile.merchant_id)
        known = SignedTrust(trust.issuers, to_pay, self._book.codes, revoked=trust.revoked, quota=trust.quota)
        verdict = paycode.verify(code, int(now), paycode.Trust(signed=known))
        if not isinstance(verdict, Accepted):
            twice = verdict.reason is Reason.DOUBLE_SPENT and not payment.spent_twice
            return CodeRefusal(f"signed_{verdict.reason}", SpentTwice(payment.key, code, now) if twice else None)
        says, seen = verdict.says, verdict.facts
        assert isinstance(says, SignedCode), "a code with this prefix is a signed one"
        assert isinstance(seen, Seen), "and so are its facts"
        if fingerprint(says.key, says.counter) in self._elsewhere:
            return CodeRefusal(f"signed_{Reason.REPLAYED}")
        return CodeVerified(code, says, seen.spent[-1].until, _version(trust.revoked), _version(trust.quota))


def _version(known: CompactList | None) -> int:
    return 0 if known is None else known.version


def capped(reason: str) -> CodeRefusal:
    """Why a code that is good does not pay all the same, given what a card that counts as it would be refused for."""
    return CodeRefusal(_OF_CAPS.get(reason, _USED_UP))


def double_spends(records: Iterable[Record]) -> list[tuple[Key, str, bool]]:
    """Of all records the codes that prove a double spend: the payment, the code, and whether that has paid.

    The code that has paid comes before those that were refused for it.
    """
    paid, found = dict[tuple[str, int], ApprovedByCode](), list[tuple[Key, str, bool]]()
    for record in records:
        if isinstance(record, ApprovedByCode):
            paid[record.user, record.counter] = record
        elif isinstance(record, SpentTwice) and (claim := claimed(record.code)):
            first = paid[claim.key.hex(), claim.counter]
            if (one := (first.key, first.code, True)) not in found:
                found.append(one)
            found.append((record.key, record.code, False))
    return found


def fingerprint(user: bytes, counter: int) -> bytes:
    """How terminals of a shop name a use of a customer's key to each other: it tells nothing of code or customer."""
    return hashlib.sha256(b"use of a code\0" + user + counter.to_bytes(8, "big", signed=True)).digest()[:USE_BYTES]


def uses_in(payload: bytes) -> tuple[bytes, ...]:
    """The uses that another terminal has told, one fingerprint after the other; none if it is no such message."""
    if len(payload) % USE_BYTES or len(payload) > TOLD_MAX * USE_BYTES:
        return ()
    return tuple(payload[at : at + USE_BYTES] for at in range(0, len(payload), USE_BYTES))
