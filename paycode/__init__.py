"""Offline payment codes: one open format, issuing and verification. `docs/paycode.md` is its specification.

Three kinds of codes, told apart by how they look:

- 24 digits (`paycode.digits`): the phone has no network, the shop has. Verified at the host.
- `TG1:` and Base45 (`paycode.signed`): neither has a network. Verified at the terminal.
- bytes from 80 on, or base64 of them (`paycode.transit`): transit codes of the Ministry of Transport's type, at the
  gate.

Rules of this package:

- It is pure. Time comes in as `now` (Unix time), chance as arguments, what is known as facts in a `Trust`; what they
  have become goes out in the verdict, and must be stored before anything is done.
- `verify` never raises for what a code contains. It accepts it, with what it says, or refuses it with one `Reason`.
- What is kept is bounded. A limit refuses; it forgets nothing that could still come again.
- No repr, error or reason shows a code, a key or a whole account.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, overload

from paycode import digits, signed, transit
from paycode.digits import DigitCode, DigitFacts, DigitTrust, DigitWallet
from paycode.signed import Seen, SignedCode, SignedTrust, SignedWallet
from paycode.transit import CardFacts, TransitCode, TransitTrust
from paycode.verdict import CodeRefused, Reason

__all__ = [
    "Accepted", "DigitCode", "DigitTrust", "DigitWallet", "Reason", "Refused", "SignedCode", "SignedTrust",
    "SignedWallet", "TransitCode", "TransitTrust", "Trust", "Verdict", "issue", "verify",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trust:
    """What codes are verified with. A kind of code without its part is not taken."""

    digits: DigitTrust | None = None
    signed: SignedTrust | None = None
    transit: TransitTrust | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The code is good. Store the facts before the sale goes on."""

    says: DigitCode | SignedCode | TransitCode
    facts: DigitFacts | Seen | CardFacts

    accepted: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Refused:
    """The code is not good, for this reason.

    Attributes:
        reason: stable, out of a closed list.
        facts: what to store, if a failure is counted.
        evidence: of a double spend, the code accepted before and this one: both are signed by the user's key.
    """

    reason: Reason
    facts: DigitFacts | None = None
    evidence: tuple[str, ...] = field(default=(), repr=False)

    accepted: ClassVar[bool] = False


Verdict = Accepted | Refused
Part = TypeVar("Part")


def verify(code: str | bytes, now: int, trust: Trust) -> Verdict:
    """Say whether a code may pay.

    Args:
        code: as it was scanned; bytes if the scanner hands over a binary code as it is.
        now: Unix time in seconds.
        trust: keys, facts, and what is to be paid.
    """
    try:
        if isinstance(code, bytes):
            return _transit(code, now, trust)
        if digits.is_digits(code):
            return _digits(code, now, trust)
        if code.startswith(signed.PREFIX):
            return Accepted(*signed.check(code, now, _taken(trust.signed)))
        return _transit(transit.bytes_of(code) or b"", now, trust)
    except CodeRefused as refusal:
        return Refused(refusal.reason, evidence=refusal.evidence)


def _digits(code: str, now: int, trust: Trust) -> Verdict:
    found, facts = digits.check(code, now, _taken(trust.digits))
    return Refused(found, facts) if isinstance(found, Reason) else Accepted(found, facts)


def _transit(code: bytes, now: int, trust: Trust) -> Verdict:
    if not transit.is_transit(code):
        return Refused(Reason.FORM_UNKNOWN)
    return Accepted(*transit.check(code, now, _taken(trust.transit)))


def _taken(part: Part | None) -> Part:
    if part is None:
        raise CodeRefused(Reason.NOT_TAKEN)
    return part


@overload
def issue(wallet: DigitWallet, now: int) -> tuple[str, DigitWallet]: ...
@overload
def issue(
    wallet: SignedWallet, now: int, amount: int | None = None, merchant: str | None = None
) -> tuple[str, SignedWallet]: ...
def issue(
    wallet: DigitWallet | SignedWallet, now: int, amount: int | None = None, merchant: str | None = None
) -> tuple[str, DigitWallet | SignedWallet]:
    """The code that a phone shows at `now`, and its wallet afterwards: persist that one before showing the code.

    Args:
        wallet: what the phone has from its issuer: `paycode.digits.refresh` or `paycode.signed.certify`.
        now: Unix time in seconds.
        amount: if the phone knows it, in minor units: the code pays nothing else. Digits have no room for it.
        merchant: if the phone knows it: the code pays at no other.

    Raises:
        ValueError: no handle is left, or the code would be too long.
    """
    if isinstance(wallet, DigitWallet):
        return digits.show(wallet, now)
    return signed.show(wallet, now, amount, merchant)
