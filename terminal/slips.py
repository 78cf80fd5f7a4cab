"""The facts that a slip states, as data.

Slips go into the journal as JSON (`to_json`) and come back from it for a reprint or an electronic slip, so their
form is kept stable: a new fact gets a default. Card data on a slip is masked, always: a card number shows its first
six and last four digits, a payment code its first two and last four; any other value is refused, and the refusal does
not repeat it. Text written by the bank is searched for card numbers, which are masked before the slip exists.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

Copy = Literal["merchant", "bank", "cardholder", "fault"]
Entry = Literal["M", "S", "I", "C", "N", "Q"]
SettlementResult = Literal["balanced", "unbalanced", "error"]

CURRENCIES: dict[str, tuple[str, int]] = {
    "156": ("RMB", 2),
    "344": ("HKD", 2),
    "392": ("JPY", 0),
    "410": ("KRW", 0),
    "446": ("MOP", 2),
    "702": ("SGD", 2),
    "826": ("GBP", 2),
    "840": ("USD", 2),
    "978": ("EUR", 2),
}
"""ISO 4217 numeric code to the letters printed and the number of minor digits. RMB is what Chinese slips print."""

_MASKED_CARD = re.compile(r"\d{6}\*{2,9}\d{4}", re.ASCII)
_MASKED_CODE = re.compile(r"\d{2}\*{10,18}\d{4}", re.ASCII)
_NAME_OF_KEY = re.compile(r"TG1:[0-9a-f]{8}", re.ASCII)  # by which a signed code is shown
_CARD_IN_TEXT = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", re.ASCII)
_S = TypeVar("_S", "Slip", "SettlementSlip")


@dataclass(frozen=True, slots=True)
class Shop:
    """Where a slip comes from: names as the merchant shows them, the acquirer's numbers for merchant and terminal."""

    name_zh: str
    name_en: str
    merchant_no: str
    terminal_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """The facts of one transaction on one copy (签购单); copy ``fault`` is for a reversal that needs a person (故障单).

    `amount` is signed, in minor units of `currency` (ISO 4217 numeric): negative for voids and refunds. `card` is
    masked. `expiry` is YYMM; `original_date` is MMDD or YYYYMMDD. `ic_lines` are (name, value) pairs in print order,
    such as ``("ARQC", "…")``. `small_amount` states that neither PIN nor signature was needed (双免), and
    `device_verified` that it was not because a device of the holder's had verified the holder. What is an empty string
    is not printed.

    Raises ValueError for a card that is not masked, an unknown currency, or a date of another form.
    """

    copy: Copy
    shop: Shop
    operator_no: str
    type_zh: str
    type_en: str
    amount: int
    currency: str
    local_time: datetime
    batch: str
    voucher: str
    entry: Entry
    card: str
    issuer: str = ""
    organisation: str = ""
    acquirer: str = ""
    expiry: str = ""
    auth_no: str = ""
    reference_no: str = ""
    pay_voucher: str = ""
    original_voucher: str = ""
    original_auth_no: str = ""
    original_reference_no: str = ""
    original_date: str = ""
    response_texts: tuple[str, ...] = ()
    ic_lines: tuple[tuple[str, str], ...] = ()
    signature_needed: bool = False
    small_amount: bool = False
    device_verified: bool = False
    duplicate: bool = False
    test: bool = False
    qr_payload: str = ""

    def __post_init__(self) -> None:
        require_masked(self.card)
        currency_of(self.currency)
        if len(self.expiry) not in {0, 4} or len(self.original_date) not in {0, 4, 8}:
            raise ValueError("slip: expiry must be YYMM, original date MMDD or YYYYMMDD")
        for name in ("issuer", "organisation", "acquirer"):
            object.__setattr__(self, name, hide_cards(getattr(self, name)))
        object.__setattr__(self, "response_texts", tuple(map(hide_cards, self.response_texts)))

    def to_json(self) -> str:
        """Return the slip as one line of JSON, the same for the same facts."""
        return _archive("slip/1", asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Slip":
        """Return the slip that `to_json` wrote; raise ValueError for anything else."""
        return _restore("slip/1", cls, text)


@dataclass(frozen=True, slots=True)
class Total:
    """How many transactions of one type, and their signed sum in minor units."""

    type_zh: str
    type_en: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Detail:
    """One transaction on a list: `type_letter` S sale, R refund, Q void…; `card` masked; `amount` signed."""

    voucher: str
    type_letter: str
    card: str
    amount: int
    auth_no: str = ""

    def __post_init__(self) -> None:
        require_masked(self.card)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementSlip:
    """The facts of one settlement (结算总计单): the totals of a batch, the host's verdict, and what was left over.

    `unsent` lists transactions that could not be uploaded, `denied` those that the host refused.
    """

    shop: Shop
    operator_no: str
    batch: str
    local_time: datetime
    currency: str
    result: SettlementResult
    domestic: tuple[Total, ...]
    foreign: tuple[Total, ...] = ()
    unsent: tuple[Detail, ...] = ()
    denied: tuple[Detail, ...] = ()
    duplicate: bool = False
    test: bool = False

    def __post_init__(self) -> None:
        currency_of(self.currency)

    def to_json(self) -> str:
        """Return the slip as one line of JSON, the same for the same facts."""
        return _archive("settlement/1", asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SettlementSlip":
        """Return the slip that `to_json` wrote; raise ValueError for anything else."""
        return _restore("settlement/1", cls, text)


def require_masked(card: str) -> None:
    """Raise ValueError unless `card` is empty, a card number masked 6+4, or a payment code masked 2+4 or by its key."""
    if card and not any(shape.fullmatch(card) for shape in (_MASKED_CARD, _MASKED_CODE, _NAME_OF_KEY)):
        raise ValueError("slip: card must be masked, 6+4 for a card number or 2+4 for a payment code")


def hide_cards(text: str) -> str:
    """Return `text` with every 13 to 19 digits in a row, which may be a card number even when grouped, masked 6+4."""
    return _CARD_IN_TEXT.sub(_masked_digits, text)


def _masked_digits(found: re.Match[str]) -> str:
    digits = re.sub("[ -]", "", found[0])
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:]


def currency_of(code: str) -> tuple[str, int]:
    """Return the letters and minor digits of an ISO 4217 numeric code; raise ValueError for one we do not print."""
    if code not in CURRENCIES:
        raise ValueError(f"slip: currency {code!r} is unknown")
    return CURRENCIES[code]


def money(amount: int, currency: str) -> str:
    """Return an amount in minor units as printed, such as ``-1,234.50``."""
    digits = currency_of(currency)[1]
    whole, minor = divmod(abs(amount), 10**digits)
    return ("-" if amount < 0 else "") + f"{whole:,}" + (f".{minor:0{digits}}" if digits else "")


def _archive(form: str, facts: dict[str, Any]) -> str:
    ready = facts | {"form": form, "local_time": facts["local_time"].isoformat()}
    return json.dumps(ready, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _restore(form: str, cls: type[_S], text: str) -> _S:
    """Rebuild an archived slip; facts younger than the archive keep their defaults."""
    try:
        facts = dict(json.loads(text))
        found = facts.pop("form", None)
        slip = cls(**{name: _FROM_JSON.get(name, _as_it_is)(value) for name, value in facts.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"archived slip: {error}") from None
    if found != form:
        raise ValueError(f"archived slip: not of form {form}")
    return slip


def _as_it_is(value: Any) -> Any:
    return value


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "shop": lambda facts: Shop(**facts),
    "local_time": datetime.fromisoformat,
    "response_texts": tuple,
    "ic_lines": lambda pairs: tuple((name, value) for name, value in pairs),
    "domestic": lambda totals: tuple(Total(**total) for total in totals),
    "foreign": lambda totals: tuple(Total(**total) for total in totals),
    "unsent": lambda details: tuple(Detail(**detail) for detail in details),
    "denied": lambda details: tuple(Detail(**detail) for detail in details),
}
