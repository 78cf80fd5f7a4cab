"""Signed codes, by which a terminal has sold while neither side was online: whose account pays, and has it paid before?

The host verifies the code again (docs/paycode.md, 2), for terminals can be tampered with: issuer, phone, amount,
merchant, currency, and the certificate at the time of the code. When the code comes is no matter: an outage lasts as
long as it lasts. Of a code that is not good our operator hears, and nobody is told no: keys that are missing here can
be given.

Only one thing declines it here, as the issuer would: under its key and counter a code has paid already. The first to
come is paid. Both shops have delivered, and both codes are kept: if they differ, the key's owner has signed two.
"""

from host_switch.events import Effect, Persist, SignerGiven
from host_switch.facts import Facts, SignedFacts
from host_switch.phone_codes import Paid
from host_switch.records import Event, SignedUse, Transaction
from paycode import Reason, Refused, SignedTrust, Trust, Verdict, verify
from paycode.cose import public_key
from paycode.signed import Issuers, Memory, Payment, Seen, SignedRules, Spent, name_of
from paycode.verdict import CodeRefused

PAID_BEFORE = "B1"
RULES = SignedRules()

_TWICE = {
    Reason.DOUBLE_SPENT: "signed code spent twice: the customer's key has signed both",
    Reason.REPLAYED: "signed code handed in twice: at one of the terminals it was a copy",
}


def paid_by_signed_code(row: Transaction, code: str, facts: Facts, now: float) -> Paid:
    """Verify the code of an offline sale that is being opened."""
    known = facts.signed
    if known is None:
        return Paid(untaken=Reason.TEXT_BROKEN)
    verdict = _verified(row, code, known)
    if isinstance(verdict, Refused) and verdict.reason in _TWICE:
        return Paid(PAID_BEFORE, changes=(_use(row, code, known, paid=False), _evidence(row, known, verdict, now)))
    if isinstance(verdict, Refused):
        return Paid(untaken=verdict.reason)
    if known.claim.time > now + RULES.skew_s:
        return Paid(untaken=Reason.FUTURE)
    if known.key is None or not known.account:
        return Paid(untaken=Reason.USER_UNKNOWN)
    return Paid(account=known.account, changes=(_use(row, code, known, paid=True), *_if_revoked(row, known, now)))


def _verified(row: Transaction, code: str, known: SignedFacts) -> Verdict:
    """What the code says, at the time at which it says that it was made."""
    claim, issuer = known.claim, known.issuer
    try:
        keys = {} if issuer is None else {issuer.key_id: public_key(issuer.algorithm, issuer.key)}
    except CodeRefused as refusal:
        return Refused(refusal.reason)
    seen = () if known.paid is None else (Seen(claim.key, (Spent(claim.counter, known.paid.code, claim.time),)),)
    to_pay = Payment(row.amount, int(row.currency), row.merchant)
    return verify(code, claim.time, Trust(signed=SignedTrust(Issuers(keys), to_pay, Memory(seen), RULES)))


def _use(row: Transaction, code: str, known: SignedFacts, *, paid: bool) -> SignedUse:
    return SignedUse(row.number, known.claim.key, known.claim.counter, paid, code)


def _evidence(row: Transaction, known: SignedFacts, verdict: Refused, now: float) -> Event:
    assert known.paid is not None, "only what is known can come twice"
    use = f"key {name_of(known.claim.key)}, counter {known.claim.counter}"
    text = f"{use}: paid with reference {known.paid.number:012d}"
    return Event("security", _TWICE[verdict.reason], row.key, now, text)


def _if_revoked(row: Transaction, known: SignedFacts, now: float) -> tuple[Event, ...]:
    """The terminal's list was older than ours. Who bears it, the issuer says: it is asked all the same."""
    revoked_at = known.key.revoked_at if known.key else None
    if revoked_at is None or known.claim.time < revoked_at:
        return ()
    return (Event("attention", "signed code of a revoked key", row.key, now, f"key {name_of(known.claim.key)}"),)


def signer_given(event: SignerGiven) -> tuple[Effect, ...]:
    """Keep an issuer or a phone's key, in place of what was known of it."""
    return (Persist((event.signer,)),)
