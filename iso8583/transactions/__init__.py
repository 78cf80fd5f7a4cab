"""The transactions of the UnionPay POS network, one file each: `iso8583/transactions/<name>.py` holds a `TYPE`.

To add one: its file, and its line in `_ALL`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from iso8583.message import Message
from iso8583.transactions import (
    balance_inquiry,
    batch_upload,
    echo,
    parameter_download,
    qr_refund,
    qr_sale,
    qr_void,
    refund,
    reversal,
    sale,
    sale_void,
    settle,
    sign_off,
    sign_on,
    status_upload,
)
from iso8583.transactions.transaction_type import TOGETHER, TransactionType

__all__ = ["TYPES", "FieldCheck", "TransactionType", "missing_fields", "type_of"]

_ALL: Final = (
    sale.TYPE,
    sale_void.TYPE,
    refund.TYPE,
    balance_inquiry.TYPE,
    qr_sale.TYPE,
    qr_void.TYPE,
    qr_refund.TYPE,
    reversal.TYPE,
    sign_on.TYPE,
    sign_off.TYPE,
    echo.TYPE,
    settle.TYPE,
    batch_upload.TYPE,
    parameter_download.TYPE,
    status_upload.TYPE,
)

TYPES: Final[Mapping[str, TransactionType]] = {kind.name: kind for kind in _ALL}

# What tells the types apart: MTI, field 3, field 25, 60.1, 60.3, scanned. An empty entry of a type matches nothing but
# the same absent part, except in a reversal, which is known by its MTI alone.
_Key = tuple[str, str, str, str, str, bool]


def _key(kind: TransactionType, management_code: str) -> _Key:
    return kind.mti, kind.processing_code, kind.condition_code, kind.type_code, management_code, kind.scan


_BY_KEY: Final[Mapping[_Key, TransactionType]] = {
    _key(kind, code): kind for kind in _ALL for code in kind.management_codes
}


def type_of(message: Message) -> TransactionType | None:
    """The type of a request; None for an answer and for a request of no known type.

    A repeat (0201, 0221, 0401) has the type of what it repeats. Never raises, whatever the fields hold.
    """
    mti = message.mti[:3] + "0" if message.mti.endswith("1") else message.mti
    if mti == reversal.TYPE.mti:
        return reversal.TYPE
    code, condition, block, entry = (str(message.get(number, "")) for number in (3, 25, 60, 22))
    return _BY_KEY.get((mti, code, condition, block[:2], block[8:11], entry.startswith("03")))


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """What is wrong with the fields of a message; false if nothing is.

    Attributes:
        missing: fields that must be there and are not; 2 stands for any place of the card number.
        not_allowed: fields that must not be there and are.
    """

    missing: tuple[int, ...]
    not_allowed: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.not_allowed)


def missing_fields(message: Message, kind: TransactionType) -> FieldCheck:
    """Every field that a request of type `kind` lacks or has too much, all at once.

    >>> from iso8583 import Message
    >>> missing_fields(Message("0820", {41: "12345678", 4: "000000000001"}), TYPES["echo"])
    FieldCheck(missing=(42, 60), not_allowed=(4,))
    """
    present = frozenset(message.fields)
    needed = kind.mandatory.union(*(TOGETHER[number] for number in TOGETHER.keys() & present))
    missing = needed - present
    if kind.one_of and not kind.one_of & present:
        missing |= {min(kind.one_of)}
    not_allowed = present - kind.mandatory - kind.conditional
    return FieldCheck(tuple(sorted(missing)), tuple(sorted(not_allowed)))
