"""An issuer of signed payment codes and its customers' phones, with keys that are the same every time: nobody's money.

What terminals and hosts are told of the issuer is a file (`issuer_file`), as `tillgate terminal codes trust` and
`tillgate host code-issuer add` take it.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import paycode
from paycode import SignedWallet, signed
from paycode.cose import PrivateKey, PublicKey, public_key_of
from paycode.issuer_file import IssuerFile, NamedIssuer, write_issuers
from paycode.signed import Issuers, Terms

KEY_ID = b"\x51\x01"
CNY = 156
LIFE_S = 7 * 86_400


def key_of(name: str) -> Ed25519PrivateKey:
    """The key of whoever is called so."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"a key of the simulators: " + name.encode()).digest())


@dataclass(frozen=True, slots=True)
class CodeIssuer:
    """An issuer. `amount_max`: what it stands for in one payment, in minor units."""

    name: str = "bank"
    key_id: bytes = KEY_ID
    amount_max: int = 20_000

    @property
    def key(self) -> PrivateKey:
        """The key that it certifies with."""
        return key_of(f"issuer {self.name}")

    @property
    def public_key(self) -> PublicKey:
        """What terminals and hosts know of it."""
        return public_key_of(self.key)

    @property
    def issuers(self) -> Issuers:
        """What a terminal that trusts nobody else trusts."""
        return Issuers({self.key_id: self.public_key})

    def phone(self, owner: str, now: float) -> "SignedPhone":
        """A phone that has just been online."""
        key = key_of(f"phone of {owner}")
        terms = Terms(int(now) - 60, int(now) + LIFE_S, CNY, self.amount_max)
        certificate = signed.certify(self.key, self.key_id, public_key_of(key), terms)
        return SignedPhone(SignedWallet(certificate, key))

    def issuer_file(self) -> str:
        """What a terminal and a host are told of this issuer, which signs the lists, too."""
        return write_issuers(IssuerFile((NamedIssuer(self.key_id, self.name, self.public_key),), self.public_key))


@dataclass(slots=True)
class SignedPhone:
    """A customer's phone; `spends_twice` is one whose owner makes it use a counter again."""

    wallet: SignedWallet
    spends_twice: bool = field(default=False)

    @property
    def key(self) -> bytes:
        """The user's key, as issuer and host know it."""
        return public_key_of(self.wallet.key).data

    def show(self, now: float, amount: int | None = None, merchant: str | None = None) -> str:
        """The next code."""
        code, after = paycode.issue(self.wallet, int(now), amount, merchant)
        if not self.spends_twice:
            self.wallet = after
        return code
