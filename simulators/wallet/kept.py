"""What the phone keeps, in one file that only its owner may read, and the codes it makes of that.

The file is on the disk, whole, before a code is shown: a handle or a counter that was shown once is never shown again,
whatever happens to the phone in between.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import paycode
from host_switch.keys import write_durably
from paycode.digits import STEP_S
from paycode.signed import SignedRules

Kind = Literal["digits", "signed"]
KINDS: Final[tuple[Kind, ...]] = ("digits", "signed")


class WalletError(Exception):
    """The wallet cannot do what it should; the text says why, and what the customer does about it."""


@dataclass(frozen=True, slots=True)
class Showing:
    """A code on the phone's screen, and the Unix time from which on it is refused as expired."""

    kind: Kind
    code: str = field(repr=False)
    expires_at: int


class Wallet:
    """The wallet in `file`; an empty one, if there is none yet. Raises WalletError for a file that is no wallet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, Any] = {}
        try:
            self._kept = dict(json.loads(file.read_text("utf-8")))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            raise WalletError(f"钱包文件已损坏 / {file} is no wallet: take it away, then refresh the phone") from None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of codes that it has been given something for."""
        return tuple(kind for kind in KINDS if kind in self._kept)

    @property
    def handles_left(self) -> int:
        """How many codes of digits it can still make."""
        return len(self._kept.get("digits", {}).get("handles", ()))

    @property
    def airplane(self) -> bool:
        """Whether it has no network, because its owner wants it so."""
        return bool(self._kept.get("airplane", False))

    @airplane.setter
    def airplane(self, on: bool) -> None:
        self._keep(airplane=on)

    @property
    def balance(self) -> int | None:
        """What was in the account when the phone was last online, in fen."""
        balance: int | None = self._kept.get("balance")
        return balance

    @balance.setter
    def balance(self, fen: int) -> None:
        self._keep(balance=fen)

    def take_digits(self, given: bytes) -> None:
        """Take what ``tillgate host wallet add`` or ``refresh`` has written. Raises WalletError."""
        try:
            digits = json.loads(given)
            _digits(digits)
        except (ValueError, KeyError, TypeError):
            raise WalletError("不是主机发放的钱包 / not what tillgate host wallet add or refresh has written") from None
        self._keep(digits=digits)

    def take_certificate(self, certificate: bytes, key: Ed25519PrivateKey) -> None:
        """Take the issuer's certificate for the phone's key; the counter begins anew with a new key only."""
        held = key.private_bytes_raw().hex()
        known = self._kept.get("signed", {})
        counter = known["counter"] if known.get("key") == held else 0
        self._keep(signed={"certificate": certificate.hex(), "key": held, "counter": counter})

    @property
    def phone_key(self) -> Ed25519PrivateKey | None:
        """The phone's own key, if it has one: a new certificate is for the same."""
        known = self._kept.get("signed")
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(known["key"])) if known else None

    def show(self, kind: Kind, now: int, amount: int | None = None, merchant: str | None = None) -> Showing:
        """Make the code to show at `now`. The wallet without it is on the disk before this returns.

        Args:
            kind: the kind of code.
            now: Unix time in seconds.
            amount: in fen, if the code shall pay nothing else; signed codes only.
            merchant: if the code shall pay at no other; signed codes only.

        Raises:
            WalletError: the wallet was not given this kind, or has used it up.
            OSError: the file cannot be written; then no code is shown.
        """
        if kind not in self.kinds:
            raise WalletError(f"手机还没有这种码 / the phone has nothing for {kind} codes yet: go online once")
        try:
            return self._digits(now) if kind == "digits" else self._signed(now, amount, merchant)
        except ValueError as error:
            raise WalletError(f"手机做不出付款码,请联网一次 / no code can be made: {error}") from None

    def _digits(self, now: int) -> Showing:
        wallet = _digits(self._kept["digits"])
        code, after = paycode.issue(wallet, now)
        self._keep(digits={**self._kept["digits"], "handles": after.handles})
        return Showing("digits", code, (now // wallet.step_s + 2) * wallet.step_s)

    def _signed(self, now: int, amount: int | None, merchant: str | None) -> Showing:
        kept, key = self._kept["signed"], self.phone_key
        assert key is not None
        wallet = paycode.SignedWallet(bytes.fromhex(kept["certificate"]), key, kept["counter"])
        code, after = paycode.issue(wallet, now, amount, merchant)
        self._keep(signed={**kept, "counter": after.counter})
        return Showing("signed", code, now + SignedRules().life_s)

    def _keep(self, **changed: Any) -> None:
        after = {**self._kept, **changed}
        write_durably(self._file, json.dumps(after, indent=1).encode())
        self._kept = after


def _digits(kept: dict[str, Any]) -> paycode.DigitWallet:
    handles = tuple(map(str, kept["handles"]))
    step_s = int(kept.get("step_s", STEP_S))
    return paycode.DigitWallet(str(kept["prefix"]), bytes.fromhex(kept["seed"]), handles, step_s)
