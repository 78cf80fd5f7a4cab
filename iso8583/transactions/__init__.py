"""The transactions of the UnionPay POS network, one file each: `iso8583/transactions/<name>.py` holds a `TYPE`.

To add one: its file, and its line in `_ALL`.
"""

from collections.abc import Mapping
from typing import Final

from iso8583.message import Message
from iso8583.transactions import (
    application_download,
    application_list,
    balance_inquiry,
    batch_upload,
    black_list_download,
    ca_key_download,
    ca_key_list,
    echo,
    offline_code_sale,
    offline_sale,
    parameter_download,
    qr_refund,
    qr_sale,
    qr_void,
    refund,
    rescue_upload,
    reversal,
    sale,
    sale_void,
    settle,
    sign_off,
    sign_on,
    status_upload,
)
from iso8583.transactions.field_check import FieldCheck, missing_fields, missing_in_answer
from iso8583.transactions.transaction_type import TransactionType

__all__ = [
    "TYPES",
    "FieldCheck",
    "TransactionType",
    "missing_fields",
    "missing_in_answer",
    "type_of",
    "type_of_answer",
]

_ALL: Final = (
    sale.TYPE,
    sale_void.TYPE,
    refund.TYPE,
    offline_sale.TYPE,
    offline_code_sale.TYPE,
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
    rescue_upload.TYPE,
    parameter_download.TYPE,
    status_upload.TYPE,
    ca_key_list.TYPE,
    ca_key_download.TYPE,
    application_list.TYPE,
    application_download.TYPE,
    black_list_download.TYPE,
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


def type_of_answer(message: Message) -> TransactionType | None:
    """The type of the request that `message` answers; None for a request and for an answer of no known type.

    An answer lacks field 22, so of a scanned and a card payment, whose answers have the same fields, the latter is
    named. Never raises.
    """
    mti = message.mti
    if len(mti) != 4 or mti[2] not in "135":
        return None
    asked = Message(f"{mti[:2]}{int(mti[2]) - 1}0", message.fields)
    return type_of(asked)
