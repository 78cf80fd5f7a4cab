"""A folder for trying codes out: one phone's wallet, and what its issuer, a host and a terminal know.

`wallet.json` is the phone's, `trust.json` everything else. Both hold keys, so they are readable by their owner alone;
they are for trials and tests, not for customers. A file is on the disk whole before anything is told of it.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paycode import Accepted, DigitWallet, Refused, SignedWallet, Trust, Verdict, digits, signed, transit
from paycode.cose import ED25519, public_key, public_key_of
from paycode.digits import DigitTrust, TerminalFacts, UserFacts
from paycode.signed import Issuers, Memory, Payment, Seen, SignedTrust, Spent, Terms
from paycode.transit import CardFacts, Gate, Ride, Roots, TransitTrust
from paycode.verdict import CodeRefused

PREFIX: Final = "7710"
KEY_ID: Final = b"\x01\x02\x03\x04"
CNY: Final = 156
AMOUNT_MAX: Final = 20_000
DAYS_S: Final = 7 * 86_400
CARDS_MAX: Final = 1_000
_NEW: Final = "`tillgate paycode new`"


class TrialError(Exception):
    """The folder cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The random bytes that a new folder is made of: 16 for the issuer, 32 for each of the others."""

    digit_key: bytes
    seed: bytes
    issuer_key: bytes
    phone_key: bytes


def create(folder: Path, now: int, chance: Chance) -> None:
    """Make a folder with an issuer, a phone that has just been online, and a host and terminal that know the issuer."""
    if (folder / "wallet.json").exists() or (folder / "trust.json").exists():
        raise TrialError(f"目录里已有试验 / {folder} holds a trial already: name another folder with --data")
    issuer, phone = (Ed25519PrivateKey.from_private_bytes(key) for key in (chance.issuer_key, chance.phone_key))
    wallet, user = digits.refresh(
        (PREFIX, chance.digit_key), 1_000_000_001, range(digits.HANDLES_MAX), chance.seed, now
    )
    certificate = signed.certify(issuer, KEY_ID, public_key_of(phone), Terms(now, now + DAYS_S, CNY, AMOUNT_MAX))
    folder.mkdir(parents=True, exist_ok=True)
    trust = {
        "digit_issuers": {PREFIX: chance.digit_key.hex()}, "user": _user(user), "terminal_failed_at": [],
        "issuers": {KEY_ID.hex(): public_key_of(issuer).data.hex()}, "seen": [], "roots": [], "cards": {},
    }  # fmt: skip
    _write(folder / "trust.json", trust)
    save_wallet(folder, wallet)
    save_wallet(folder, SignedWallet(certificate, phone))


# The phone's file ----------------------------------------------------------------------------------------------------


def digit_wallet(folder: Path) -> DigitWallet:
    """The phone's digits."""
    with _opened(folder / "wallet.json") as wallets:
        kept = wallets["digits"]
        return DigitWallet(kept["prefix"], bytes.fromhex(kept["seed"]), tuple(kept["handles"]))


def signed_wallet(folder: Path) -> SignedWallet:
    """The phone's key and certificate."""
    with _opened(folder / "wallet.json") as wallets:
        kept = wallets["signed"]
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(kept["key"]))
        return SignedWallet(bytes.fromhex(kept["certificate"]), key, kept["counter"])


def save_wallet(folder: Path, wallet: DigitWallet | SignedWallet) -> None:
    """Put one of the phone's two wallets in the place of what it was."""
    file = folder / "wallet.json"
    kept = dict[str, Any]()
    if file.exists():
        with _opened(file) as wallets:
            kept = wallets
    if isinstance(wallet, DigitWallet):
        kept["digits"] = {"prefix": wallet.prefix, "seed": wallet.seed.hex(), "handles": wallet.handles}
    else:
        assert isinstance(wallet.key, Ed25519PrivateKey), "trials are made with such keys"
        key = wallet.key.private_bytes_raw().hex()
        kept["signed"] = {"certificate": wallet.certificate.hex(), "key": key, "counter": wallet.counter}
    _write(file, kept)


# Everybody else's file -----------------------------------------------------------------------------------------------


def trust_of(folder: Path, payment: Payment) -> Trust:
    """What codes in this folder are verified with."""
    with _opened(folder / "trust.json") as kept:
        return _trust(kept, payment)


def _trust(kept: dict[str, Any], payment: Payment) -> Trust:
    user = kept["user"]
    facts = UserFacts(
        user["user"], bytes.fromhex(user["seed"]), user["refreshed_at"], range(*user["slots"]),
        frozenset(user["used"]), tuple(user["failed_at"]),
    )  # fmt: skip
    keys = {bytes.fromhex(name): public_key(ED25519, bytes.fromhex(key)) for name, key in kept["issuers"].items()}
    memory = Memory(_seen(seen) for seen in kept["seen"])
    cards = {card: _card(known) for card, known in kept["cards"].items()}
    roots = Roots(dict(transit.root_key(bytes.fromhex(record)) for record in kept["roots"]))
    digit_keys = {prefix: bytes.fromhex(key) for prefix, key in kept["digit_issuers"].items()}
    return Trust(
        DigitTrust(digit_keys, {facts.user: facts}, TerminalFacts(tuple(kept["terminal_failed_at"]))),
        SignedTrust(Issuers(keys), payment, memory),
        TransitTrust(roots, Ride(payment.amount), cards) if kept["roots"] else None,
    )


def save_facts(folder: Path, verdict: Verdict) -> None:
    """Store what a verdict has changed."""
    with _opened(folder / "trust.json") as kept:
        _change(kept, verdict)
    _write(folder / "trust.json", kept)


def _change(kept: dict[str, Any], verdict: Verdict) -> None:
    match verdict:
        case Accepted(facts=Seen() as seen):
            keys = [known for known in kept["seen"] if known["key"] != seen.key.hex()]
            kept["seen"] = [*keys, {"key": seen.key.hex(), "spent": [asdict(spent) for spent in seen.spent]}]
        case Accepted(says=transit.TransitCode() as code, facts=CardFacts() as card):
            cards = [(name, known) for name, known in kept["cards"].items() if name != code.card]
            kept["cards"] = dict([*cards[1 - CARDS_MAX :], (code.card, _card_kept(card))])
        case Accepted(facts=digits.DigitFacts() as facts) | Refused(facts=digits.DigitFacts() as facts):
            kept["terminal_failed_at"] = facts.terminal.failed_at
            kept["user"] = _user(facts.user) if facts.user else kept["user"]


def _user(facts: UserFacts) -> dict[str, Any]:
    slots = [facts.slots.start, facts.slots.stop]
    plain = {"user": facts.user, "seed": facts.seed.hex(), "refreshed_at": facts.refreshed_at, "slots": slots}
    return {**plain, "used": sorted(facts.used), "failed_at": facts.failed_at}


def _seen(kept: dict[str, Any]) -> Seen:
    return Seen(bytes.fromhex(kept["key"]), tuple(Spent(**spent) for spent in kept["spent"]))


def _card(kept: dict[str, Any]) -> CardFacts:
    return CardFacts(kept["passed_at"], Gate(kept["gate"]), tuple(bytes.fromhex(code) for code in kept["codes"]))


def _card_kept(card: CardFacts) -> dict[str, Any]:
    return {"passed_at": card.passed_at, "gate": card.gate.value, "codes": [code.hex() for code in card.codes]}


# Files ---------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(file: Path) -> Iterator[dict[str, Any]]:
    """What a file holds. Raises TrialError, also for what the caller cannot read in it."""
    try:
        yield json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise TrialError(f"目录里没有试验 / There is no trial in {file.parent}: make one with {_NEW}") from None
    except (ValueError, LookupError, TypeError, AttributeError, CodeRefused):
        raise TrialError(f"文件已损坏 / {file} is damaged: make a trial in another folder with {_NEW}") from None


def _write(file: Path, kept: dict[str, Any]) -> None:
    """Whole or not at all, also if the power fails."""
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        json.dump(kept, opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
