"""What the terminal is, and what one sale is: all that the kernel knows besides the card. Plain data, handed in.

Defaults are the widely used UnionPay parameters (download 380). A later download replaces `applications`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from terminal.emv.ca_keys import CaKey
from terminal.emv.flags import Tvr
from terminal.emv.known_cards import NO_CARDS, KnownCards

AMOUNT_MAX = 10**12 - 1
MERCHANT_NAME_LENGTH = 20

_DEFAULT = Tvr.parse(bytes.fromhex("D84000A800"))
_ONLINE = Tvr.parse(bytes.fromhex("D84004F800"))
_DENIAL = Tvr.parse(bytes.fromhex("0010000000"))


@dataclass(frozen=True, slots=True)
class Application:
    """One application of the terminal. Amounts in minor units; `version` is tag 9F09.

    `partial_match` (ASI, DF01): a card application whose name begins with `aid` will do. The action codes decide which
    findings decline, ask the issuer, or decline when the issuer cannot be asked. Sales below `floor_limit` may stay
    offline; of those, `random_target_percent` of the ones below `random_threshold` go online all the same, rising to
    `random_max_percent` at the floor limit (EMV Book 3 §10.6.2). `default_ddol` (DF14) serves cards that have no DDOL;
    empty if there is none. Of a tapped card: it may pay at most `contactless_limit` (DF20), must go online above
    `contactless_floor_limit` (DF19), and its holder is verified from `contactless_cvm_limit` (DF21) on.
    """

    aid: bytes
    partial_match: bool = True
    version: bytes = b"\x00\x30"
    tac_default: Tvr = _DEFAULT
    tac_online: Tvr = _ONLINE
    tac_denial: Tvr = _DENIAL
    floor_limit: int = 0
    random_threshold: int = 0
    random_target_percent: int = 99
    random_max_percent: int = 99
    default_ddol: bytes = bytes.fromhex("9F3704")
    contactless_floor_limit: int = 100_000
    contactless_limit: int = AMOUNT_MAX
    contactless_cvm_limit: int = 100_000

    def matches(self, name: bytes) -> bool:
        """Say whether a card application of this name is this application."""
        return name == self.aid or (self.partial_match and name.startswith(self.aid))


UNIONPAY_APPLICATIONS = tuple(Application(bytes.fromhex(f"A0000003330101{kind}")) for kind in ("01", "02", "03", "06"))
"""Debit, credit, quasi-credit, electronic cash."""


@dataclass(frozen=True, slots=True)
class DownloadedParameters:
    """What the host sets of all this: the authorities' keys (370), the applications (380) and the black list (390).

    `downloaded_at`: when each kind came that did (UTC seconds); what was shipped is not in it.
    """

    ca_keys: tuple[CaKey, ...] = ()
    applications: tuple[Application, ...] = UNIONPAY_APPLICATIONS
    known_cards: KnownCards = NO_CARDS
    downloaded_at: Mapping[str, float] = field(default_factory=dict)


SHIPPED = DownloadedParameters()
"""Before the first download: the usual applications, and no keys."""


@dataclass(frozen=True, slots=True)
class TerminalParameters:
    """The terminal as EMV sees it. Codes are digits as text; `capabilities` is 9F33, `additional_capabilities` 9F40.

    The default capabilities are the honest ones of a counter whose PIN pad does not speak with cards: key entry, stripe
    and chip; online PIN, signature and no CVM; SDA, DDA and CDA. Without `ca_keys` every authentication fails.
    `transaction_qualifiers` (9F66) are what a tapped card is told before the amount is known: qPBOC, online PIN,
    signature, fDDA version 01. Without `offline_sales` a tapped card is always asked to go online. With `checks_cards`
    the shell is asked of every card whether it may pay, before its chip is asked to approve. Tapped cards whose
    numbers begin with one of `pin_free_prefixes` need no verification up to `pin_free_amount_max`, in minor units.
    Raises ValueError for what would not fit its tag.
    """

    merchant_name: str
    merchant_id: str
    terminal_id: str
    ifd_serial: str
    merchant_category: str = "0000"
    country: str = "156"
    currency: str = "156"
    currency_exponent: int = 2
    terminal_type: str = "22"
    capabilities: bytes = b"\xe0\x68\xc8"
    additional_capabilities: bytes = b"\x60\x00\xf0\xa0\x01"
    applications: tuple[Application, ...] = UNIONPAY_APPLICATIONS
    ca_keys: tuple[CaKey, ...] = ()
    known_cards: KnownCards = NO_CARDS
    transaction_qualifiers: bytes = b"\x26\x00\x00\x80"
    offline_sales: bool = True
    checks_cards: bool = False
    pin_free_amount_max: int = 0
    pin_free_prefixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require(r"[ -~]{1,20}", self.merchant_name, "merchant_name: 1 to 20 printable ASCII characters")
        _require(r"[ -~]{15}", self.merchant_id, "merchant_id: 15 characters")
        _require(r"[ -~]{8}", self.terminal_id, "terminal_id: 8 characters")
        _require(r"[0-9A-Za-z]{8}", self.ifd_serial, "ifd_serial: 8 letters and digits")
        _require(r"\d{4}", self.merchant_category, "merchant_category: 4 digits")
        _require(r"\d{3}", self.country, "country: 3 digits")
        _require(r"\d{3}", self.currency, "currency: 3 digits")
        _require_range(len(self.transaction_qualifiers), 4, 4, "length of transaction_qualifiers")
        _require(r"2[1245]", self.terminal_type, "terminal_type: a merchant's terminal that can go online")


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """One sale as the kernel must know it. Amounts in minor units, `date` YYMMDD and `time` HHMMSS of the counter.

    `type` is tag 9C (00 goods, 31 balance). `sequence` counts sales (9F41). `unpredictable_number` (4 bytes) and
    `random_percent` (1 to 99) are drawn by the shell: the kernel has no chance in it. Raises ValueError.
    """

    amount: int
    date: str
    time: str
    sequence: int
    unpredictable_number: bytes
    random_percent: int
    type: str = "00"
    amount_other: int = 0
    force_online: bool = False

    def __post_init__(self) -> None:
        _require(r"\d{6}", self.date, "date: YYMMDD")
        _require(r"\d{6}", self.time, "time: HHMMSS")
        _require(r"\d{2}", self.type, "type: 2 digits")
        _require_range(self.amount, 0, AMOUNT_MAX, "amount")
        _require_range(self.amount_other, 0, self.amount, "amount_other")
        _require_range(self.sequence, 0, 99_999_999, "sequence")
        _require_range(self.random_percent, 1, 99, "random_percent")
        _require_range(len(self.unpredictable_number), 4, 4, "length of unpredictable_number")


def _require(pattern: str, value: str, what: str) -> None:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(what)


def _require_range(value: int, low: int, high: int, what: str) -> None:
    if not low <= value <= high:
        msg = f"{what}: {low} to {high}"
        raise ValueError(msg)
