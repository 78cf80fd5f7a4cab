"""What goes out of the terminal's cores. Frozen values, no behaviour; what comes into them stands in `events.py`.

The effect law: in every list of effects, Persist stands before Send, Print, CompleteCard and LoadKeys of the same fact.
The shell carries effects out in order and stops at the first that fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iso8583 import Message
from terminal.downloads import Download
from terminal.events import Line, Means
from terminal.records import Key, Record


@dataclass(frozen=True, slots=True)
class Persist:
    """Write the record to the journal, durably, before anything that follows."""

    record: Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to the host, over this line. The shell unseals `cards` into it and adds the MAC that its type has.

    `again_in_s`: after so long it is sent again if no answer ends it: nobody need carry it much longer. 0: it is not.
    """

    message: Message
    cards: tuple[str, ...] = field(default=(), repr=False)
    line: Line = "host"
    again_in_s: int = 0


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the host how the terminal is, through the courier: plain values, no card data. It is told again by then."""

    telemetry: Mapping[str, object]
    again_in_s: int


@dataclass(frozen=True, slots=True)
class TellShop:
    """Tell the other terminals of this shop which codes have paid here, named as by `offline_codes.fingerprint`."""

    fingerprints: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Drop the connection and make a new one: the host does not answer on this one."""


@dataclass(frozen=True, slots=True)
class SetClock:
    """The host vouches for the cores' time, from now on this many seconds later.

    By more than a minute the cores start over: deadlines are times.
    """

    by_s: float


@dataclass(frozen=True, slots=True)
class AskForMeans:
    """Wake the card reader (and the scanner, where codes are allowed) for this payment.

    `offline`: a chip must approve without the host, or a signed code be verified here, or nothing is sold.
    """

    key: Key
    amount: int
    currency: str
    means: tuple[Means, ...]
    offline: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseMeans:
    """Let go of card reader and scanner: the payment no longer needs them."""


@dataclass(frozen=True, slots=True)
class CompleteCard:
    """Give the host's answer to the chip (issuer authentication, second GENERATE AC, scripts)."""

    response_code: str
    chip_data: bytes = field(repr=False)
    approved: bool = True


@dataclass(frozen=True, slots=True)
class LoadKeys:
    """Put the working keys of a sign-on answer (field 62) into vault and PIN pad."""

    keys: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeepDownload:
    """Write a set that was downloaded, durably, put it in force, and report DownloadKept."""

    download: Download


@dataclass(frozen=True, slots=True)
class LoadBatch:
    """Read in the journal what it holds of a parked batch, and report BatchLoaded."""

    batch: str


@dataclass(frozen=True, slots=True)
class Print:
    """Print the slips of a payment, or of a settlement (trace 000000), as soon as the printer is ready.

    `duplicate` marks them. Nothing is sent before PrintNow.
    """

    key: Key
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class PrintNow:
    """Send the slip that the printer is ready for: that it begins is durable."""

    key: Key


@dataclass(frozen=True, slots=True)
class OpenDrawer:
    """Have the cash drawer opened; report DrawerStuck if the order is not known to have reached it."""


Effect = (
    Persist | Send | Tell | TellShop | Reconnect | SetClock | AskForMeans | ReleaseMeans | CompleteCard | LoadKeys
    | KeepDownload | LoadBatch | Print | PrintNow | OpenDrawer
)  # fmt: skip
