"""A customer's phone wallet that makes payment codes without a network: what it keeps, how its codes look, its command.

Two kinds of `docs/paycode.md` can be shown: digits, which the host verifies, and signed codes, which the terminal
verifies. Transit codes need an SM2 signature of the phone, which nothing here can make: they are left out.
"""

from simulators.wallet.kept import KINDS, Kind, Showing, Wallet, WalletError

__all__ = ["KINDS", "Kind", "Showing", "Wallet", "WalletError"]
