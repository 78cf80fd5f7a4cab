"""A message in words: every field and sub-field with its name, its value as it may be shown, and what that says.

A meaning is told only of what may be shown. It is a pair of texts, Chinese and English, as everywhere
(`iso8583.tool.meanings`, `iso8583.tool.chip_meanings`); `LANGUAGES` gives their places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.message import Message
from iso8583.sub_fields import SubField, open_field
from iso8583.table import Field
from iso8583.tool.chip_meanings import tag_meaning
from iso8583.tool.currencies import money
from iso8583.tool.display import Display
from iso8583.tool.meanings import HARMLESS, PARTS, Words, field_meaning
from iso8583.transactions import (
    FieldCheck,
    TransactionType,
    missing_fields,
    missing_in_answer,
    type_of,
    type_of_answer,
)

LANGUAGES: Final[Mapping[str, int]] = {"zh": 0, "en": 1}
AMOUNT_DIGITS: Final = 12
_CHIP_TAG: Final = re.compile(r"/([0-9A-F]{2,8})(?:#\d+)?$")
POS_DIALECT: Final = "unionpay_pos"

TRANSACTIONS: Final[Mapping[str, Words]] = {
    "sale": ("消费", "sale"),
    "sale_void": ("消费撤销", "void of a sale"),
    "refund": ("退货", "refund"),
    "offline_sale": ("离线消费", "sale approved offline by the chip"),
    "offline_code_sale": ("离线码消费", "sale by a signed code, both sides offline"),
    "balance_inquiry": ("余额查询", "balance inquiry"),
    "qr_sale": ("扫码消费", "sale by scanned code"),
    "qr_void": ("扫码撤销", "void of a sale by scanned code"),
    "qr_refund": ("扫码退货", "refund of a sale by scanned code"),
    "reversal": ("冲正", "reversal"),
    "sign_on": ("签到", "sign-on"),
    "sign_off": ("签退", "sign-off"),
    "echo": ("回声测试", "echo"),
    "settle": ("批结算", "settlement"),
    "batch_upload": ("批上送", "batch upload"),
    "rescue_upload": ("遗留交易代送", "rescue upload"),
    "parameter_download": ("参数下载", "download of parameters"),
    "status_upload": ("状态上送", "upload of status"),
    "ca_key_list": ("公钥列表", "list of public keys"),
    "ca_key_download": ("公钥下载", "download of public keys"),
    "application_list": ("应用参数列表", "list of chip applications"),
    "application_download": ("应用参数下载", "download of chip applications"),
    "black_list_download": ("黑名单下载", "download of the black list"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One field or sub-field.

    Attributes:
        path: ``"2"``, ``"60.1"``, ``"55/9F26"``.
        depth: 0 for a field.
        name: in Chinese and English.
        shown: the value as it may be shown.
        meanings: what it says.
    """

    path: str
    depth: int
    name: Words
    shown: str
    meanings: tuple[Words, ...] = ()


def row_name(row: Field | None) -> Words:
    """The name of a field. Where a dialect has no Chinese name, the English one stands."""
    return (row.name_zh or row.name, row.name) if row else ("未定义", "not defined")


def field_lines(message: Message, dialect: Dialect, display: Display, language: int) -> Iterator[Line]:
    """Every field, without sub-fields and meanings."""
    for number in message:
        row = dialect.table.fields.get(number)
        yield Line(str(number), 0, row_name(row), display.words(row, message[number], language))


def described(message: Message, dialect: Dialect, display: Display, language: int) -> Iterator[Line]:
    """Every field, what it says, and its sub-fields with what those say."""
    for number in message:
        row = dialect.table.fields.get(number)
        value = message[number]
        told = display.is_open(row, value) or (number in HARMLESS and not display.has_card_number(value))
        words = field_meaning(message, number) if told else None
        yield Line(str(number), 0, row_name(row), display.words(row, value, language), (words,) if words else ())
        yield from _parts(message, dialect, number, display, language)


def _parts(message: Message, dialect: Dialect, number: int, display: Display, language: int) -> Iterator[Line]:
    """The sub-fields of a field; or why it cannot be cut."""
    try:
        whole = open_field(dialect.table, message, number)
    except Iso8583Error as error:
        reason = f"{error.field}: {error.reason}"
        yield Line("", 1, ("", ""), "", ((f"不能拆分:{reason}", f"it cannot be cut into parts: {reason}"),))
        return
    for part in whole.walk():
        name = (part.name_zh or part.name or "未知标签", part.name or "unknown tag")
        means = _part_meanings(part, message, dialect) if display.is_open_part(part) and not part.parts else ()
        shown = "" if part.parts else display.part(part, language)
        yield Line(part.path, 1 + part.path.count("/", part.path.find("/") + 1), name, shown, tuple(means))


def _part_meanings(part: SubField, message: Message, dialect: Dialect) -> list[Words]:
    if isinstance(part.value, bytes):
        tag = _CHIP_TAG.search(part.path)
        return tag_meaning(int(tag[1], 16), part.value) if tag else []
    if "amount" in part.name and len(part.value) == AMOUNT_DIGITS:
        said = money(part.value, str(message.get(49, "")))
        return [(said, said)]
    words = PARTS.get(part.path, {}).get(part.value) if dialect.name == POS_DIALECT else None
    return [words] if words else []


def opened(message: Message, dialect: Dialect, number: int) -> tuple[SubField, ...]:
    """The parts of a field that are not cut further; none if it is whole, or cannot be cut."""
    try:
        whole = open_field(dialect.table, message, number)
    except Iso8583Error:
        return ()
    return tuple(part for part in whole.walk() if not part.parts)


def transaction_of(message: Message, dialect: Dialect) -> tuple[TransactionType, bool] | None:
    """The kind of transaction, and whether the message is its answer; None if it is of no known kind."""
    if dialect.name != POS_DIALECT:
        return None
    asked, answered = type_of(message), type_of_answer(message)
    if asked:
        return asked, False
    return (answered, True) if answered else None


def check(message: Message, kind: TransactionType, *, is_answer: bool) -> FieldCheck:
    """Which fields a message lacks or has too much."""
    return missing_in_answer(message, kind) if is_answer else missing_fields(message, kind)
