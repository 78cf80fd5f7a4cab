"""What the switch says to an issuer and hears from it, whatever protocol is in between.

A channel is a shell: it is given calls, and hands back answers and calls that never left, in any order, late, twice or
not at all. It promises nothing but that an answer was authentic; the core takes silence for what it is.
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChannelCall:
    """One request to the issuer, named by `reference` (our F37): a repeat carries the same one and changes nothing.

    `kind` is the name of the transaction type; with `reverse` the call takes that transaction back. `number` gives the
    issuer's trace number. Amounts are minor units; `at` is the UTC time of the transaction. `pin_block` is format 0
    under the zone PIN key. `original` is the reference of the sale that a void or a refund belongs to.
    """

    reference: str
    kind: str
    terminal: str
    merchant: str
    amount: int
    currency: str
    at: float
    reverse: bool = False
    repeat: bool = False
    entry_mode: str = ""
    original: str = ""
    auth_code: str = ""
    reason: str = ""
    pan: str = field(default="", repr=False)
    expiry: str = field(default="", repr=False)
    sequence: str = ""
    track2: str = field(default="", repr=False)
    pin_block: bytes = field(default=b"", repr=False)
    chip_data: bytes = field(default=b"", repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """What the issuer answered to a call.

    `balances` is field 54 as it will go to the terminal, `voucher` the number under which a wallet keeps a payment.
    """

    reference: str
    terminal: str
    code: str
    reverse: bool = False
    amount: int = 0
    auth_code: str = ""
    issuer: str = ""
    balances: str = ""
    voucher: str = ""
    chip_data: bytes = field(default=b"", repr=False)


class Channel(Protocol):
    """The way to one issuer.

    It reports through the functions it was made with: answers, and calls that certainly never left this machine.
    """

    def call(self, call: ChannelCall) -> None:
        """Send the call, or report it as never having left. Does not wait and does not raise."""

    async def close(self) -> None:
        """Let go of the connection. Calls without an answer stay so."""
