"""The customer's phone: shows a payment code of the wallet whose users the simulated issuer knows."""

import secrets

from simulators.paper_roll import qr_modules

USER = "88"
"""The wallet user whose phone it is: the issuer takes digits 3 and 4 of a code as the user."""

_LEVEL_M = 1


class Phone:
    """A phone with a payment code on its screen; each code is good for one payment."""

    def __init__(self) -> None:
        self.code = ""
        self.show_fresh_code()

    def show_fresh_code(self) -> None:
        """Show another code: 62, the user, 15 digits by chance."""
        self.code = f"62{USER}{secrets.randbelow(10**15):015d}"

    def picture(self) -> str:
        """The code as a QR code: an SVG path on a grid of modules, and the grid's size, as ``29|M0 0h1v1h-1z…``."""
        rows = qr_modules(self.code.encode("ascii"), _LEVEL_M)
        dark = ((x, y) for y, row in enumerate(rows) for x, module in enumerate(row) if module)
        return f"{len(rows)}|" + "".join(f"M{x} {y}h1v1h-1z" for x, y in dark)
