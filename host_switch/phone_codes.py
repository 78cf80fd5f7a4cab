"""Payment codes that a customer's phone has made without a network: may this one pay, and from whose account?

`paycode` verifies them (docs/paycode.md, 1); here stands what the host makes of its verdict. A refusal has a response
code of its own, one that looks like an attack becomes an event. What a verdict has changed (the handle that has paid,
the tries that have failed) is committed together with the transaction, before the issuer is called or the terminal is
answered; and because a repeat is answered out of the store, no try counts twice.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from host_switch.events import Change, Effect, Persist, PhoneGiven, PhoneTaken
from host_switch.facts import Facts, PhoneFacts
from host_switch.records import CodeSpent, Event, FailedCodes, PhoneUser, Transaction
from paycode import Accepted, DigitTrust, DigitWallet, Reason, Trust, Verdict, digits, verify
from paycode.digits import (
    HANDLE_DIGITS,
    HANDLES_MAX,
    PREFIX_DIGITS,
    SLOTS,
    USER_DIGITS,
    DigitCode,
    DigitFacts,
    DigitRules,
    TerminalFacts,
    UserFacts,
)
from paycode.verdict import masked

RULES = DigitRules()

REFUSALS: Mapping[Reason, str] = {
    Reason.TERMINAL_LOCKED: "P0", Reason.ISSUER_UNKNOWN: "P1", Reason.USER_UNKNOWN: "P2", Reason.SLOT_NOT_ISSUED: "P3",
    Reason.USER_LOCKED: "P4", Reason.SEED_TOO_OLD: "P5", Reason.SEED_FUTURE: "P6", Reason.SLOT_USED: "P7",
    Reason.PASSWORD_WRONG: "P8", Reason.EXPIRED: "P9", Reason.FUTURE: "PA",
}  # fmt: skip
"""The response code for each reason. Every one is a row of `iso8583.response_codes`."""

ATTACKS: Mapping[Reason, str] = {
    Reason.USER_UNKNOWN: "payment code of nobody",
    Reason.SLOT_NOT_ISSUED: "payment code with a handle that is not valid",
    Reason.SLOT_USED: "payment code used again",
    Reason.PASSWORD_WRONG: "payment code with a wrong password",
}
"""What an honest phone does not show, or shows only by accident: a person should be able to find it again."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a code comes to: the response code of its refusal, or "" and the account that pays. Commit the changes.

    `untaken`: what we have against a sale whose goods are gone. Our operator hears it, and nothing is committed.
    """

    refusal: str = ""
    untaken: str = ""
    account: str = field(default="", repr=False)
    changes: tuple[Change, ...] = ()


NOT_BY_PHONE = Paid()


def paid_by_phone(row: Transaction, code: str, facts: Facts, now: float) -> Paid:
    """Verify the code of a sale that is being opened."""
    phone = facts.phone
    assert phone is not None, "loaded with every code of this form"
    verdict = verify(code, int(now), Trust(digits=_trust(phone, facts)))
    assert isinstance(verdict.facts, DigitFacts), "digits are always counted"
    changes = (*_counted(phone, verdict.facts, row.key.terminal), *_events(row, phone, verdict, now))
    if isinstance(verdict, Accepted):
        assert isinstance(verdict.says, DigitCode)
        assert phone.user is not None
        spent = CodeSpent(one_time_part(code, facts.policy.content_key), row.number)
        return Paid(account=phone.user.account, changes=(*changes, spent))
    return Paid(REFUSALS[verdict.reason], changes=changes)


def _trust(phone: PhoneFacts, facts: Facts) -> DigitTrust:
    """A user's code counts only under the prefix that the phone was given last: slots begin anew with each."""
    keys, users = facts.policy.code_keys, dict[int, UserFacts]()
    if phone.user is not None:
        keys = {prefix: key for prefix, key in keys.items() if prefix == phone.user.prefix}
        users = {phone.user.number: phone.user.codes}
    return DigitTrust(keys, users, TerminalFacts(phone.failed_at), RULES)


def _counted(phone: PhoneFacts, after: DigitFacts, terminal: str) -> tuple[Change, ...]:
    changes: list[Change] = []
    if after.user is not None and phone.user is not None and after.user != phone.user.codes:
        changes.append(replace(phone.user, codes=after.user))
    if after.terminal.failed_at != phone.failed_at:
        changes.append(FailedCodes(terminal, after.terminal.failed_at))
    return tuple(changes)


def _events(row: Transaction, phone: PhoneFacts, verdict: Verdict, now: float) -> tuple[Event, ...]:
    """The attack, and a lock at the try that closes it; what is tried at a closed lock is told by nobody again."""
    if isinstance(verdict, Accepted):
        return ()
    after = verdict.facts
    assert after is not None
    kinds = [ATTACKS[verdict.reason]] if verdict.reason in ATTACKS else []
    if verdict.reason is Reason.PASSWORD_WRONG and after.user and _is_at(after.user, RULES.user_failures_max):
        kinds.append("payment codes of a user locked")
    if verdict.reason is not Reason.TERMINAL_LOCKED and _is_at(after.terminal, RULES.terminal_failures_max):
        kinds.append("payment codes at a terminal locked")
    who = masked(f"{phone.user.number:0{USER_DIGITS}d}") if phone.user else ""
    return tuple(Event("security", kind, row.key, now, who) for kind in kinds)


def _is_at(facts: UserFacts | TerminalFacts, limit: int) -> bool:
    return len(facts.failed_at) == limit


def one_time_part(code: str, content_key: bytes) -> bytes:
    """A keyed hash of prefix and handle, which pay once: by it the books prove so, and nobody learns the handle."""
    part = code[: PREFIX_DIGITS + HANDLE_DIGITS]
    return hashlib.blake2b(part.encode(), digest_size=16, key=content_key, person=b"one-time part").digest()


# --- what operators order ---------------------------------------------------------------------------------------------


def phone_ordered(event: PhoneGiven | PhoneTaken, facts: Facts) -> tuple[Effect, ...]:
    """Decide an order about a phone."""
    known = facts.phone.user if facts.phone else None
    after = _given(event, known, tuple(facts.policy.code_keys)) if isinstance(event, PhoneGiven) else _taken(known)
    return (Persist((after,)),) if after else ()


def _given(event: PhoneGiven, known: PhoneUser | None, prefixes: tuple[str, ...]) -> PhoneUser | None:
    """Give a phone that is online a new seed and slots never given before; whatever it had before ends.

    A user who is not known must come with an account. Failures stay counted: going online opens no lock.
    """
    if known is None and not event.account:
        return None
    prefix, slots = _next_slots(known, prefixes)
    codes = UserFacts(event.number, event.seed, event.at, slots, failed_at=known.codes.failed_at if known else ())
    name, account = (known.name, known.account) if known else ("", "")
    return PhoneUser(event.name or name, event.account or account, prefix, codes)


def wallet_of(user: PhoneUser, code_keys: Mapping[str, bytes]) -> DigitWallet:
    """What the user's phone is to get: its seed and the handles it was given. Raises ValueError if it has none."""
    codes = user.codes
    wallet, _ = digits.refresh(
        (user.prefix, code_keys[user.prefix]), user.number, codes.slots, codes.seed, codes.refreshed_at
    )
    return wallet


def _next_slots(known: PhoneUser | None, prefixes: tuple[str, ...]) -> tuple[str, range]:
    """The next slots under the user's prefix; under the next one from slot 0 on when they are used up.

    Under the last prefix they end: then the range is empty, and its codes are refused.
    """
    if known is None:
        return prefixes[0], range(HANDLES_MAX)
    first = known.codes.slots.stop
    if first < SLOTS:
        return known.prefix, range(first, min(first + HANDLES_MAX, SLOTS))
    later = [prefix for prefix in prefixes if prefix > known.prefix]
    return (later[0], range(HANDLES_MAX)) if later else (known.prefix, range(SLOTS, SLOTS))


def _taken(known: PhoneUser | None) -> PhoneUser | None:
    """End the codes of a phone that is lost: all its slots are void until it is given new ones."""
    if known is None:
        return None
    end = known.codes.slots.stop
    return replace(known, codes=replace(known.codes, slots=range(end, end), used=frozenset()))
