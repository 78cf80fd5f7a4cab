"""Codes of 24 digits, for a phone without a network in a shop with one. They are verified at the host.

    7710 20418357399182 904471
    |    |              one-time password, 6 digits: HMAC of the user's seed over handle and time step
    |    one-time handle, 14 digits: user and slot, encrypted under the issuer's key (FF1)
    prefix, 4 digits: issuer and generation of its key

While the phone is online, the issuer gives it a new seed and a bounded number of handles (`refresh`). It never has the
issuer's key: it cannot make handles, and nobody but the issuer can tell which handles belong to one user. Each handle
pays once. The password proves that the phone which has the seed made the code just now.

Verification takes what is known as facts and returns what they have become; a shell stores them before it acts. Wrong
passwords are counted for the user, and with every other failed try for the terminal; at the limit nothing is tried any
more until the oldest failure has passed.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from paycode.format_preserving import decrypt, encrypt
from paycode.verdict import CodeRefused, Reason, demand, masked

PREFIX_DIGITS, USER_DIGITS, SLOT_DIGITS, PASSWORD_DIGITS = 4, 10, 4, 6
HANDLE_DIGITS = USER_DIGITS + SLOT_DIGITS
CODE_DIGITS = PREFIX_DIGITS + HANDLE_DIGITS + PASSWORD_DIGITS
SLOTS = 10**SLOT_DIGITS
"""How many handles a user has under one prefix."""

HANDLES_MAX = 64
"""What a phone may hold: enough for days without a network, and all that a thief of it could use."""

SEED_BYTES = 32
STEP_S = 30
STEPS_TOLD_APART = 20
"""How many steps beyond the window a password is still recognised, to say that it came late rather than wrong."""


@dataclass(frozen=True, slots=True)
class DigitRules:
    """How strict a host is.

    Attributes:
        step_s: how long the phone shows one password.
        steps_around: how many steps a code may be early or late. With one of 30 s, a code lives for 60 s at most.
        seed_age_max_s: how long a phone may pay without having been online.
        user_failures_max: wrong passwords of one user within `failures_s`.
        terminal_failures_max: failed tries at one terminal within `failures_s`.
        failures_s: how long a failure counts.
    """

    step_s: int = STEP_S
    steps_around: int = 1
    seed_age_max_s: int = 7 * 86_400
    user_failures_max: int = 5
    terminal_failures_max: int = 30
    failures_s: int = 3_600


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What the host knows of one user's phone.

    Attributes:
        user: the user's number at the issuer, up to 10 digits.
        seed: 32 bytes, shared with the phone.
        refreshed_at: when the phone got it, Unix time.
        slots: which slots it got handles for.
        used: those that have paid.
        failed_at: when wrong passwords came.
    """

    user: int
    seed: bytes = field(repr=False)
    refreshed_at: int
    slots: range
    used: frozenset[int] = frozenset()
    failed_at: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"UserFacts(user {masked(f'{self.user:0{USER_DIGITS}d}')}, {len(self.used)} of {len(self.slots)} used)"


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """When failed tries came from one terminal."""

    failed_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DigitTrust:
    """What digits are verified with.

    Attributes:
        issuers: prefix of four digits to AES key.
        users: the facts of those whom the code may be of: see `holder`.
        terminal: the facts of the terminal that sent the code.
        rules: how strict to be.
    """

    issuers: Mapping[str, bytes] = field(repr=False)
    users: Mapping[int, UserFacts] = field(repr=False)
    terminal: TerminalFacts = TerminalFacts()
    rules: DigitRules = DigitRules()


@dataclass(frozen=True, slots=True)
class DigitFacts:
    """Facts after a verification: what must be stored before anything is done. None: that user's are unchanged."""

    user: UserFacts | None
    terminal: TerminalFacts


@dataclass(frozen=True, slots=True)
class DigitCode:
    """What accepted digits say."""

    user: int
    slot: int
    step: int

    def __repr__(self) -> str:
        return f"DigitCode(user {masked(f'{self.user:0{USER_DIGITS}d}')}, step {self.step})"


@dataclass(frozen=True, slots=True)
class DigitWallet:
    """What a phone has: its seed and the handles left. Persist what `issue` returns before showing the code."""

    prefix: str
    seed: bytes = field(repr=False)
    handles: tuple[str, ...] = field(repr=False)
    step_s: int = STEP_S


# The issuer's side ---------------------------------------------------------------------------------------------------


def refresh(issuer: tuple[str, bytes], user: int, slots: range, seed: bytes, now: int) -> tuple[DigitWallet, UserFacts]:
    """Give a phone that is online a new seed and handles; all earlier ones end.

    Args:
        issuer: prefix and AES key.
        user: the user's number, up to 10 digits.
        slots: which slots, at most HANDLES_MAX, none of them ever given before under this prefix.
        seed: 32 random bytes.
        now: Unix time.

    Returns:
        What the phone gets, and what the host must know.
    """
    prefix, key = issuer
    if not (len(prefix) == PREFIX_DIGITS and prefix.isascii() and prefix.isdigit()):
        raise ValueError(f"a prefix has {PREFIX_DIGITS} digits")
    if not 0 <= user < 10**USER_DIGITS:
        raise ValueError(f"a user's number has at most {USER_DIGITS} digits")
    if not (
        slots and len(slots) <= HANDLES_MAX and slots.step == 1 and 0 <= slots.start < slots.stop <= SLOTS
    ):
        raise ValueError(f"slots are 1 to {HANDLES_MAX} in a row, of {SLOT_DIGITS} digits")
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    plain = (f"{user:0{USER_DIGITS}d}{slot:0{SLOT_DIGITS}d}" for slot in slots)
    handles = tuple(encrypt(key, prefix.encode(), digits) for digits in plain)
    return DigitWallet(prefix, seed, handles), UserFacts(user, seed, now, slots)


# The phone's side ----------------------------------------------------------------------------------------------------


def show(wallet: DigitWallet, now: int) -> tuple[str, DigitWallet]:
    """The code to show at `now`, and the wallet without its handle. Raises ValueError if no handle is left."""
    if not wallet.handles:
        raise ValueError("no handle is left: the phone must go online once")
    handle, *rest = wallet.handles
    code = wallet.prefix + handle + password(wallet.seed, handle, now // wallet.step_s)
    return code, replace(wallet, handles=tuple(rest))


def password(seed: bytes, handle: str, step: int) -> str:
    """The one-time password of a handle in a time step: HMAC-SHA-256, cut as in RFC 4226, 5.3."""
    return cut(hmac.digest(seed, handle.encode() + step.to_bytes(8, "big"), "sha256"), PASSWORD_DIGITS)


def cut(mac: bytes, digits: int) -> str:
    """The decimal digits that RFC 4226, 5.3, takes of a MAC."""
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


# The host's side -----------------------------------------------------------------------------------------------------


def is_digits(code: str) -> bool:
    """Whether a code has the shape of these."""
    return len(code) == CODE_DIGITS and code.isascii() and code.isdigit()


def holder(code: str, issuers: Mapping[str, bytes]) -> int | None:
    """Whose facts a host must load to verify a code; None if it is of no issuer known here."""
    key = issuers.get(code[:PREFIX_DIGITS]) if is_digits(code) else None
    return None if key is None else _opened(code, key)[0]


def check(code: str, now: int, trust: DigitTrust) -> tuple[DigitCode | Reason, DigitFacts]:
    """Verify 24 digits. Returns what they say, or why they are refused, and what the facts have become."""
    user, terminal = None, _recent(trust.terminal.failed_at, now, trust.rules)
    try:
        demand(len(terminal) < trust.rules.terminal_failures_max, Reason.TERMINAL_LOCKED)
        number, slot = _opened(code, _issuer_key(code, trust))
        demand(number in trust.users, Reason.USER_UNKNOWN)
        known = trust.users[number]
        user = replace(known, failed_at=_recent(known.failed_at, now, trust.rules))
        step = _step(code, user, slot, now, trust.rules)
    except CodeRefused as refusal:
        if refusal.reason is Reason.PASSWORD_WRONG and user is not None:
            user = replace(user, failed_at=(*user.failed_at, now))
        if refusal.reason is not Reason.TERMINAL_LOCKED:
            terminal = (*terminal, now)
        return refusal.reason, DigitFacts(user, TerminalFacts(terminal))
    paid = replace(user, used=user.used | {slot}, failed_at=())
    return DigitCode(number, slot, step), DigitFacts(paid, TerminalFacts(terminal))


def _issuer_key(code: str, trust: DigitTrust) -> bytes:
    key = trust.issuers.get(code[:PREFIX_DIGITS])
    if key is None:
        raise CodeRefused(Reason.ISSUER_UNKNOWN)
    return key


def _opened(code: str, key: bytes) -> tuple[int, int]:
    prefix, handle = code[:PREFIX_DIGITS], code[PREFIX_DIGITS:-PASSWORD_DIGITS]
    plain = decrypt(key, prefix.encode(), handle)
    return int(plain[:USER_DIGITS]), int(plain[USER_DIGITS:])


def _recent(failed_at: tuple[int, ...], now: int, rules: DigitRules) -> tuple[int, ...]:
    """Failures that still count; one from the future counts too, for a clock set back must open no lock."""
    return tuple(at for at in failed_at if at > now - rules.failures_s)


def _step(code: str, user: UserFacts, slot: int, now: int, rules: DigitRules) -> int:
    """The time step of a code whose handle is open; raises CodeRefused if it may not pay."""
    demand(slot in user.slots, Reason.SLOT_NOT_ISSUED)
    demand(len(user.failed_at) < rules.user_failures_max, Reason.USER_LOCKED)
    demand(now <= user.refreshed_at + rules.seed_age_max_s, Reason.SEED_TOO_OLD)
    demand(now >= user.refreshed_at - rules.step_s * rules.steps_around, Reason.SEED_FUTURE)
    demand(slot not in user.used, Reason.SLOT_USED)
    late = _steps_late(code, user.seed, now // rules.step_s, rules.steps_around + STEPS_TOLD_APART)
    if late is None:
        raise CodeRefused(Reason.PASSWORD_WRONG)
    demand(late <= rules.steps_around, Reason.EXPIRED)
    demand(late >= -rules.steps_around, Reason.FUTURE)
    return now // rules.step_s - late


def _steps_late(code: str, seed: bytes, step_now: int, steps_max: int) -> int | None:
    """How many steps ago the password was right, the nearest first; None if it never was."""
    handle, given = code[PREFIX_DIGITS:-PASSWORD_DIGITS], code[-PASSWORD_DIGITS:]
    nearest_first = sorted(range(-steps_max, min(steps_max, step_now) + 1), key=abs)
    return next(
        (late for late in nearest_first if hmac.compare_digest(password(seed, handle, step_now - late), given)), None
    )
