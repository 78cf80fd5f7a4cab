"""Signed codes, for a phone without a network in a shop without one. They are verified at the terminal.

    TG1:<Base45 of a COSE_Sign1 message of at most 300 bytes>, in a QR code of alphanumeric mode

The issuer certifies the user's key with a limit and a time while the phone is online. The phone signs each code with
that key: certificate, counter, time, and if it knows them amount and merchant. `docs/paycode.md` is the format.

A terminal that has the issuer's key believes the certificate, hence the user's key, hence the code. Certificates that
were verified are kept, so that one signature is left. What a code says is judged only after its signatures.

Replay: the counter of a key only rises. A terminal remembers the last codes of each key; the same counter with other
content is a double spend, and the two signed codes prove who did it. At the limit of its memory a terminal refuses keys
that it has not seen, rather than forget one whose code could still come again. What another terminal has seen only the
issuer finds, unless the code names its merchant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from paycode import base45
from paycode.cose import (
    KEY_ID_BYTES_MAX,
    Message,
    PrivateKey,
    PublicKey,
    Table,
    fields,
    parse,
    public_key,
    sign,
    write,
)
from paycode.lists import CompactList
from paycode.verdict import CodeRefused, Reason, demand

PREFIX: Final = "TG1:"
CODE_BYTES_MAX: Final = 300
TEXT_MAX: Final = len(PREFIX) + CODE_BYTES_MAX // 2 * 3
CERTIFICATE_CONTEXT: Final = b"paycode 1 certificate"
CODE_CONTEXT: Final = b"paycode 1 code"
SPENT_MAX: Final = 4
"""Codes of one key that a terminal remembers whole, half a kilobyte each."""

_CERTIFICATE: Final = Table({1: list, 2: int, 3: int, 4: int, 5: int})
"""User's key as algorithm and bytes, not before, not after, currency, limit of one payment."""

_CODE: Final = Table({1: bytes, 2: int, 3: int}, optional={4: int, 5: str})
"""Certificate, counter, time; amount, merchant."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the issuer stands for.

    Attributes:
        not_before: Unix time from which the key may pay.
        not_after: the last second in which it may.
        currency: ISO 4217, numeric.
        amount_max: of one payment, in minor units.
    """

    not_before: int
    not_after: int
    currency: int
    amount_max: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A user's key, and what the issuer stands for if it signs."""

    key: PublicKey
    terms: Terms


@dataclass(frozen=True, slots=True)
class SignedCode:
    """What a signed code says. Amount and merchant are None if the phone did not know them."""

    key: bytes = field(repr=False)
    counter: int
    time: int
    amount: int | None
    merchant: str | None
    terms: Terms

    @property
    def name(self) -> str:
        """A short name of the user's key, for logs and pages."""
        return name_of(self.key)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a code says of itself, and nobody has verified: what must be looked up before it can be.

    Attributes:
        issuer: the name of the issuer's key.
        key: the user's, as in the certificate.
        counter: of this code.
        time: at which the phone made it, Unix time.
    """

    issuer: bytes
    key: bytes = field(repr=False)
    counter: int
    time: int


# The issuer's and the phone's side -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignedWallet:
    """What a phone has. Persist what `issue` returns before showing the code: a counter is used once."""

    certificate: bytes = field(repr=False)
    key: PrivateKey = field(repr=False)
    counter: int = 0


def certify(issuer: PrivateKey, key_id: bytes, user: PublicKey, terms: Terms) -> bytes:
    """A certificate for a user's key. `key_id` names the issuer's key to terminals: 1 to 8 bytes."""
    if not 1 <= len(key_id) <= KEY_ID_BYTES_MAX:
        raise ValueError(f"the name of an issuer's key has 1 to {KEY_ID_BYTES_MAX} bytes")
    key = [user.algorithm, user.data]
    said = {1: key, 2: terms.not_before, 3: terms.not_after, 4: terms.currency, 5: terms.amount_max}
    return sign(issuer, write(said), CERTIFICATE_CONTEXT, key_id)


def show(
    wallet: SignedWallet, now: int, amount: int | None = None, merchant: str | None = None
) -> tuple[str, SignedWallet]:
    """The code to show at `now`, and the wallet after it. Raises ValueError if it would be too long."""
    said = {1: wallet.certificate, 2: wallet.counter, 3: now, 4: amount, 5: merchant}
    code = sign(wallet.key, write(said), CODE_CONTEXT)
    if len(code) > CODE_BYTES_MAX:
        raise ValueError(f"a code has at most {CODE_BYTES_MAX} bytes: the merchant's name is too long")
    return PREFIX + base45.encode(code), replace(wallet, counter=wallet.counter + 1)


# What a terminal knows -----------------------------------------------------------------------------------------------


class Issuers:
    """The issuers' keys that a terminal has, by name; and the certificates that it has verified with them, bounded."""

    def __init__(self, keys: Mapping[bytes, PublicKey], certificates_max: int = 10_000) -> None:
        self._keys = dict(keys)
        self._verified: dict[bytes, Certificate] = {}
        self._certificates_max = certificates_max

    def __repr__(self) -> str:
        return f"Issuers({len(self._keys)} keys, {len(self._verified)} certificates)"

    def certificate(self, data: bytes) -> Certificate:
        """What a certificate says. Raises CodeRefused unless one of the issuers signed it."""
        certificate = self._verified.get(data)
        if certificate is None:
            certificate = self._verify(data)
            if len(self._verified) >= self._certificates_max:
                del self._verified[next(iter(self._verified))]
            self._verified[data] = certificate
        return certificate

    def _verify(self, data: bytes) -> Certificate:
        message = parse(data, CERTIFICATE_CONTEXT)
        issuer = self._keys.get(message.key_id)
        if issuer is None:
            raise CodeRefused(Reason.ISSUER_UNKNOWN)
        said = fields(message.payload, _CERTIFICATE)
        message.verify(issuer, Reason.CERTIFICATE_FORGED)
        match said[1]:
            case [int(algorithm), bytes(key)]:
                return Certificate(public_key(algorithm, key), Terms(said[2], said[3], said[4], said[5]))
        raise CodeRefused(Reason.FIELDS_WRONG)


@dataclass(frozen=True, slots=True)
class Spent:
    """A code that was accepted: its counter, its text, and until when it could come again."""

    counter: int
    code: str = field(repr=False)
    until: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a terminal remembers of one key: its last codes, the newest last. Persist it before the sale goes on."""

    key: bytes = field(repr=False)
    spent: tuple[Spent, ...]


class Memory:
    """The keys that a terminal has seen, bounded. `check` only reads it; the shell puts in what it has persisted."""

    def __init__(self, seen: Iterable[Seen] = (), keys_max: int = 10_000) -> None:
        self._seen: dict[bytes, Seen] = {}
        self._keys_max = keys_max
        for one in seen:
            self.remember(one)

    def __len__(self) -> int:
        return len(self._seen)

    def recall(self, key: bytes) -> Seen | None:
        """What is remembered of a key."""
        return self._seen.get(key)

    def has_room(self, key: bytes, now: int) -> bool:
        """Whether a code of this key could be remembered without forgetting one that could still come again."""
        return key in self._seen or len(self._seen) < self._keys_max or self._oldest().spent[-1].until < now

    def remember(self, seen: Seen) -> None:
        """Put in what `check` returned. Of the others, the one that was heard of longest ago may make room."""
        self._seen.pop(seen.key, None)
        if len(self._seen) >= self._keys_max:
            del self._seen[self._oldest().key]
        self._seen[seen.key] = seen

    def add(self, key: bytes, spent: Spent) -> None:
        """Put in one more code of a key, as it was accepted: for whoever has kept the codes one by one."""
        seen = self.recall(key) or Seen(key, ())
        self.remember(Seen(key, (*seen.spent, spent)[-SPENT_MAX:]))

    def alive(self, now: int) -> list[tuple[bytes, int]]:
        """Key and counter of each code that could still come again, those of the key heard of last at the end."""
        seen = self._seen.values()
        return [(one.key, spent.counter) for one in seen for spent in one.spent if spent.until >= now]

    def _oldest(self) -> Seen:
        return next(iter(self._seen.values()))


@dataclass(frozen=True, slots=True)
class Payment:
    """What is to be paid at the terminal: minor units, ISO 4217 numeric, and who asks."""

    amount: int
    currency: int
    merchant: str


@dataclass(frozen=True, slots=True)
class SignedRules:
    """How long a code lives after its time, and by how much the clocks of phone and terminal may differ, in seconds."""

    life_s: int = 60
    skew_s: int = 20


@dataclass(frozen=True, slots=True)
class SignedTrust:
    """What a signed code is verified with. `revoked` and `quota` list users' keys: lost ones, and those used up."""

    issuers: Issuers
    payment: Payment
    memory: Memory
    rules: SignedRules = SignedRules()
    revoked: CompactList | None = None
    quota: CompactList | None = None


def claimed(code: str) -> Claim | None:
    """What a code says of itself, its signatures not verified; None if it is no signed code that can be read."""
    if not code.startswith(PREFIX):
        return None
    try:
        said = fields(parse(_bytes_of(code), CODE_CONTEXT).payload, _CODE)
        certificate = parse(said[1], CERTIFICATE_CONTEXT)
        match fields(certificate.payload, _CERTIFICATE)[1]:
            case [int(), bytes(key)]:
                return Claim(certificate.key_id, key, said[2], said[3])
    except CodeRefused:
        pass
    return None


def name_of(key: bytes) -> str:
    """A short name of a user's key, for logs and pages."""
    return sha256(key).hexdigest()[:8]


# Verification --------------------------------------------------------------------------------------------------------


def check(code: str, now: int, trust: SignedTrust) -> tuple[SignedCode, Seen]:
    """Verify a code that begins with PREFIX. Returns what it says and what to remember of its key.

    Raises CodeRefused.
    """
    message = parse(_bytes_of(code), CODE_CONTEXT)
    said = fields(message.payload, _CODE)
    certificate = trust.issuers.certificate(said[1])
    message.verify(certificate.key, Reason.SIGNATURE_WRONG)
    signed = SignedCode(certificate.key.data, said[2], said[3], said.get(4), said.get(5), certificate.terms)
    _check_what_it_says(signed, now, trust)
    return signed, _remembered(code, message, signed, now, trust)


def _bytes_of(code: str) -> bytes:
    demand(len(code) <= TEXT_MAX, Reason.TOO_LONG)
    try:
        return base45.decode(code[len(PREFIX) :])
    except ValueError:
        raise CodeRefused(Reason.TEXT_BROKEN) from None


def _check_what_it_says(code: SignedCode, now: int, trust: SignedTrust) -> None:
    """What an authentic code is refused for, in this order."""
    terms, payment, rules = code.terms, trust.payment, trust.rules
    demand(now <= terms.not_after, Reason.CERTIFICATE_EXPIRED)
    demand(now >= terms.not_before - rules.skew_s, Reason.CERTIFICATE_FUTURE)
    demand(code.time <= now + rules.skew_s, Reason.FUTURE)
    demand(now <= _end(code, rules), Reason.EXPIRED)
    demand(payment.currency == terms.currency, Reason.CURRENCY_OTHER)
    demand(payment.amount <= terms.amount_max, Reason.OVER_LIMIT)
    demand(code.amount in {None, payment.amount}, Reason.AMOUNT_OTHER)
    demand(code.merchant in {None, payment.merchant}, Reason.MERCHANT_OTHER)
    demand(trust.revoked is None or code.key not in trust.revoked, Reason.REVOKED)
    demand(trust.quota is None or code.key not in trust.quota, Reason.QUOTA_USED)


def _end(code: SignedCode, rules: SignedRules) -> int:
    return code.time + rules.life_s + rules.skew_s


def _remembered(code: str, message: Message, signed: SignedCode, now: int, trust: SignedTrust) -> Seen:
    """What to remember if the code is accepted; raises CodeRefused if its counter was used, or there is no room."""
    demand(trust.memory.has_room(signed.key, now), Reason.MEMORY_FULL)
    seen = trust.memory.recall(signed.key) or Seen(signed.key, ())
    for spent in seen.spent:
        if spent.counter == signed.counter:
            raise _used_twice(spent.code, code, message)
    demand(not seen.spent or signed.counter > seen.spent[-1].counter, Reason.COUNTER_BACKWARDS)
    new = Spent(signed.counter, code, _end(signed, trust.rules))
    return Seen(signed.key, (*seen.spent, new)[-SPENT_MAX:])


def _used_twice(first: str, code: str, message: Message) -> CodeRefused:
    """By payload: ES256 has two signatures for each, and the second must not look like another code."""
    if parse(_bytes_of(first), CODE_CONTEXT).payload == message.payload:
        return CodeRefused(Reason.REPLAYED)
    return CodeRefused(Reason.DOUBLE_SPENT, (first, code))
