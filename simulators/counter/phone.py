"""The customer's phone at the counter: online it shows a wallet's code, in airplane mode a code it makes by itself.

Online the code is that of the wallet whose users the simulated issuer knows: the bank checks it, and a code is made up
here as the wallet's server would. In airplane mode the phone's own wallet (`simulators.wallet`) makes digits, which the
host checks, or a signed code, which the terminal checks. Going online again refreshes that wallet.
"""

import secrets
from collections.abc import Callable
from typing import Any, Literal

from iso8583.masking import mask_code
from simulators.wallet import Kind, Wallet, WalletError
from simulators.wallet.issuing import Online
from simulators.wallet.pictures import code128_path, grouped, qr_path

USER = "88"
"""The wallet user whose phone it is: the issuer takes digits 3 and 4 of a code as the user."""

WALLET_FILE = "phone.json"
Shown = Kind | Literal["online"]


class Phone:
    """A phone with a payment code on its screen; each code is good for one payment.

    `online` is what it reaches with a network; without it, its own wallet stays as it is.
    """

    def __init__(self, wallet: Wallet, clock: Callable[[], float], online: Online | None = None) -> None:
        self._wallet = wallet
        self._clock = clock
        self._online = online
        self._kind: Kind = "digits"
        self.code = ""
        self.trouble = ""
        self._expires_at = 0
        self.show_fresh_code()

    @property
    def shows(self) -> Shown:
        """What kind of code is on the screen."""
        return self._kind if self._wallet.airplane else "online"

    def show_fresh_code(self) -> None:
        """Show another code; none, and why in `trouble`, if the phone cannot make one."""
        self.code, self._expires_at, self.trouble = "", 0, ""
        if not self._wallet.airplane:
            self.code = f"62{USER}{secrets.randbelow(10**15):015d}"
            return
        try:
            showing = self._wallet.show(self._kind, int(self._clock()))
        except (WalletError, OSError) as error:
            self.trouble = str(error)
        else:
            self.code, self._expires_at = showing.code, showing.expires_at

    def choose(self, kind: Kind) -> None:
        """Show codes of this kind in airplane mode."""
        self._kind = kind
        self.show_fresh_code()

    async def airplane(self, on: bool) -> None:
        """Take the network away, or give it back; then what the phone makes codes of is fetched anew."""
        self._wallet.airplane = on
        self.show_fresh_code()
        if not on and self._online is not None:
            try:
                await self._online.refresh(self._wallet, self._clock)
            except WalletError as error:
                self.trouble = str(error)

    def state(self) -> dict[str, Any]:
        """What a person sees on the phone."""
        digits = self.shows == "digits" and bool(self.code)
        return {
            "code": mask_code(self.code) if self.shows != "signed" else self.code[:4],
            "picture": qr_path(self.code), "bars": code128_path(self.code) if digits else "",
            "digits": grouped(self.code) if digits else "", "shows": self.shows, "kinds": list(self._wallet.kinds),
            "airplane": self._wallet.airplane, "expires_at": self._expires_at, "trouble": self.trouble,
            "handles": self._wallet.handles_left, "balance": self._wallet.balance,
        }  # fmt: skip
