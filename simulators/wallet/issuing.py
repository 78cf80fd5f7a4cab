"""Who stands behind the phone's codes: the issuer's key that certifies signed codes, and the phone's way online.

Online, the phone gets new digits from the host, a new certificate, and hears its balance. The issuer's key is one file;
its public half is what terminals are given.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from host_switch import wallets
from host_switch.door import DoorError
from host_switch.keys import KeyRoomError, write_secret
from host_switch.start import HostError
from host_switch.store import StoreError
from paycode.cose import public_key_of
from paycode.issuer_file import IssuerFile, NamedIssuer, write_issuers
from paycode.signed import Terms, certify
from simulators.cards import load_card
from simulators.wallet.kept import Wallet, WalletError

KEY_ID: Final = b"\x01\x02\x03\x04"
"""By what terminals know the issuer's key."""

CNY: Final = 156
CERTIFIED_FOR_S: Final = 7 * 86_400
AMOUNT_MAX: Final = 20_000
"""Fen that the issuer stands for in one signed code."""

ISSUER_TIMEOUT_S = 5.0


def issuer_key(file: Path) -> Ed25519PrivateKey:
    """The key that certifies phones, of 64 hexadecimal digits; drawn if there is none. Raises WalletError."""
    try:
        if not file.exists():
            write_secret(file, secrets.token_bytes(32).hex().encode())
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text("ascii")))
    except (OSError, ValueError):
        raise WalletError(f"发行方密钥不可用 / {file} must hold 64 hexadecimal digits, or not exist yet") from None


def certified(wallet: Wallet, issuer: Ed25519PrivateKey, now: int) -> None:
    """Give a phone a certificate for its key, which is drawn with the first one."""
    key = wallet.phone_key or Ed25519PrivateKey.from_private_bytes(secrets.token_bytes(32))
    terms = Terms(now, now + CERTIFIED_FOR_S, CNY, AMOUNT_MAX)
    wallet.take_certificate(certify(issuer, KEY_ID, public_key_of(key), terms), key)


def issuer_file(issuer: Ed25519PrivateKey) -> str:
    """What terminals and hosts are given of the issuer, which signs their lists, too (docs/paycode.md, 5)."""
    key = public_key_of(issuer)
    return write_issuers(IssuerFile((NamedIssuer(KEY_ID, "Tillgate demo bank", key),), key))


def digits_from(host: Path, number: int) -> bytes:
    """Let the host in the folder `host` give a user's phone what `Wallet.take_digits` takes. Raises WalletError."""
    try:
        with TemporaryDirectory() as folder:
            given = Path(folder, "given.json")
            wallets.give(host, number, given)
            return given.read_bytes()
    except (DoorError, HostError, KeyRoomError, StoreError, OSError) as error:
        raise WalletError(f"联网更新失败 / the phone could not go online: {error}") from None


PHONE_USER, PHONE_USER_NAME, PHONE_CARD = 1_000_000_001, "王芳", "good"
"""The user of the demo's phone at its host, and whose account of the deck it pays from."""

ISSUER_KEY_FILE = "code_issuer.hex"
"""In the host's folder: the demo's key for signed codes."""


@dataclass(frozen=True, slots=True)
class Online:
    """What the phone of one user reaches when it has a network.

    Attributes:
        host: the folder of the host, which gives digits.
        number: the user's number there.
        key_file: the issuer's key for signed codes.
        control_port: where the simulated issuer tells balances, on loopback.
        account: of which the balance is told.
    """

    host: Path
    number: int
    key_file: Path
    control_port: int
    account: str = field(repr=False)

    async def refresh(self, wallet: Wallet, clock: Callable[[], float]) -> None:
        """Fetch everything new. Raises WalletError; what had not been fetched stays as it was."""
        wallet.take_digits(await asyncio.to_thread(digits_from, self.host, self.number))
        certified(wallet, issuer_key(self.key_file), int(clock()))
        wallet.balance = await self._balance()

    async def _balance(self) -> int:
        try:
            async with asyncio.timeout(ISSUER_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.control_port)
                try:
                    writer.write(json.dumps({"balance": self.account}).encode() + b"\n")
                    return int(json.loads(await reader.readline())["balance"])
                finally:
                    writer.close()
        except (OSError, ValueError, KeyError):
            raise WalletError("银行没有应答,余额未更新 / the bank does not answer: this balance is old") from None


def phone_online(host: Path | None, control_port: int) -> Online | None:
    """What the demo's phone reaches, of the host in a folder; nothing without one."""
    if host is None:
        return None
    account = load_card(PHONE_CARD).pan
    return Online(host, PHONE_USER, host / ISSUER_KEY_FILE, control_port, account)
