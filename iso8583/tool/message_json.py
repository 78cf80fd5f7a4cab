"""A message as JSON, and back: what `tillgate iso decode --json` prints, `tillgate iso encode` reads.

One object a message: ``dialect``, what stands around it (``length``, ``tpdu``, ``header``), ``mti``, and ``fields`` by
number. A value is a text; ``{"hex": "0A1B"}`` for bytes; or ``{"masked": "629999******0009"}``, which tells people what
it is, and which nothing can be encoded from. ``parts`` has the sub-fields by their paths; they make a field that is
left out of ``fields``, and must agree with one that is not. Of what comes in, nothing is trusted and no value is ever
repeated.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from iso8583.masking import hidden
from iso8583.message import Message
from iso8583.sub_fields import SubField, build_field, open_field
from iso8583.table import Field, Table
from iso8583.tool.display import Display
from iso8583.tool.envelope import HEADS, LENGTHS, SWITCH_HEADER_BYTES, TPDU_BYTES, Envelope
from iso8583.tool.wire_input import InputError

MESSAGES_MAX: Final = 200_000
# Read by people and programs, of no use for encoding.
_INFORMATIVE: Final = frozenset({"where", "reading"})
_USED: Final = frozenset({"dialect", "length", "tpdu", "header", "mti", "fields", "parts"})
_PATH: Final = re.compile(r"([0-9]{1,3})[./][0-9A-Za-z./#]{1,64}")
# JSON allows these, a terminal obeys them. They stand only inside strings, where an escape means the same.
_OBEYED: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Written:
    """One message as JSON had it. `dialect` is empty if it did not say; `parts` are values by field and path."""

    where: str
    dialect: str
    envelope: Envelope
    message: Message
    parts: Mapping[int, Mapping[str, str | bytes]]

    def whole(self, table: Table) -> Message:
        """The message, with the fields that stand there only as their parts.

        Raises:
            Iso8583Error: they make no field.
            InputError: a field and its parts disagree.
        """
        made: dict[int, str | bytes] = {}
        for number, parts in self.parts.items():
            if number not in self.message:
                made[number] = build_field(table, number, parts)
                continue
            known = open_field(table, self.message, number)
            for path, value in parts.items():
                part = known.get(path)
                if part is None or part.value != value:
                    raise InputError(
                        f"{self.where}: 域 {number} 与其子域不一致 / field {number} and its part {path} disagree: "
                        "leave out the one that is not meant."
                    )
        return self.message.with_(made)


def line(facts: Mapping[str, Any]) -> str:
    """`facts` as one line of JSON in which nothing drives a terminal."""
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(facts, ensure_ascii=False))


def value_json(row: Field | None, value: str | bytes, display: Display) -> str | dict[str, str]:
    """One value, masked by its row unless all may be shown."""
    if display.is_open(row, value):
        return value if isinstance(value, str) else {"hex": value.hex().upper()}
    return {"masked": display.text(row, value)}


def message_json(message: Message, rows: Mapping[int, Field], display: Display) -> dict[str, Any]:
    """MTI and fields."""
    fields = {str(number): value_json(rows.get(number), message[number], display) for number in message}
    return {"mti": message.mti, "fields": fields}


def parts_json(parts: Iterable[SubField], display: Display) -> dict[str, Any]:
    """Sub-fields by their paths."""
    facts: dict[str, Any] = {}
    for part in parts:
        value = part.value if isinstance(part.value, str) else {"hex": part.value.hex().upper()}
        facts[part.path] = value if display.is_open_part(part) else {"masked": display.part(part)}
    return facts


def envelope_json(envelope: Envelope, display: Display) -> dict[str, Any]:
    """What stands around the message. A head of unknown kind may hold anything and is masked."""
    facts: dict[str, Any] = {"length": envelope.length}
    if envelope.tpdu:
        facts["tpdu"] = envelope.tpdu
    if envelope.header:
        known = display.everything or (envelope.kind != "other" and not display.has_card_number(envelope.head))
        facts["header"] = envelope.header if known else {"masked": hidden(envelope.head)}
    return facts


def read_messages(text: bytes) -> Iterator[Written]:
    """The messages in JSON text: one object, a list of them, or one after another.

    Raises:
        InputError: it is no JSON, or not of this form; the sentence says where.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("输入不是 UTF-8 / The input is not UTF-8, so it is no JSON.") from None
    for number, facts in enumerate(_documents(decoded), 1):
        if number > MESSAGES_MAX:
            raise InputError(f"报文超过 {MESSAGES_MAX} 条 / There are more than {MESSAGES_MAX} messages: cut them up.")
        yield _written(facts, f"message {number}")


def _documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    at = _blanks_after(text, 0)
    if at == len(text):
        raise InputError("输入为空 / There is nothing in the input: pipe in what `tillgate iso decode --json` prints.")
    while at < len(text):
        try:
            found, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise InputError("JSON 嵌套过深 / The JSON is nested too deeply for a message.") from None
        except ValueError as error:
            where = text.count("\n", 0, getattr(error, "pos", at)) + 1
            raise InputError(f"第 {where} 行不是有效的 JSON / Line {where} is not valid JSON.") from None
        yield from found if isinstance(found, list) else [found]
        at = _blanks_after(text, at)


def _blanks_after(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a name comes twice")
    return facts


def _written(facts: Any, where: str) -> Written:
    if not isinstance(facts, dict):
        raise InputError(f"{where}: 应为 JSON 对象 / a JSON object was needed, there is something else.")
    if "error" in facts:
        raise InputError(f"{where}: 此报文未能解码 / it did not decode, so it cannot be encoded: mend it first.")
    unknown = facts.keys() - _USED - _INFORMATIVE
    if unknown:
        names = ", ".join(sorted(_USED))
        raise InputError(f"{where}: 有未知的名称 / there are names that mean nothing here; those that do: {names}.")
    fields = facts.get("fields")
    if not isinstance(fields, dict):
        raise InputError(f'{where}: 缺少 fields / "fields" must be an object of field numbers and values.')
    values = {_number(name, where): value for name, value in fields.items()}
    _refuse_masked(values, where)
    message = Message(_text(facts, "mti", where), {number: _value(values[number], number, where) for number in values})
    return Written(where, _text(facts, "dialect", where, ""), _envelope(facts, where), message, _parts(facts, where))


def _parts(facts: Mapping[str, Any], where: str) -> dict[int, dict[str, str | bytes]]:
    """The parts, but for those that are masked, which say nothing."""
    given = facts.get("parts", {})
    if not isinstance(given, dict):
        raise InputError(f'{where}: parts 应为对象 / "parts" must be an object of paths and values.')
    found: dict[int, dict[str, str | bytes]] = {}
    for path, value in given.items():
        match = _PATH.fullmatch(path)
        if match is None:
            raise InputError(f'{where}: 子域路径无效 / a name in "parts" is no path, as "60.1" or "55/9F26" is.')
        if not (isinstance(value, dict) and "masked" in value):
            found.setdefault(int(match[1]), {})[path] = _value(value, path, where)
    return found


def _text(facts: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = facts.get(name, default)
    if not isinstance(value, str):
        raise InputError(f'{where}: "{name}" 应为文本 / "{name}" must be there and be text.')
    return value


def _number(name: str, where: str) -> int:
    if not (name.isascii() and name.isdigit() and 2 <= len(name.lstrip("0")) + 1 <= 4):
        raise InputError(f'{where}: 域号无效 / a name in "fields" is no field number, as "11" is.')
    return int(name)


def _refuse_masked(values: Mapping[int, Any], where: str) -> None:
    masked = [
        str(number) for number in sorted(values) if isinstance(values[number], dict) and "masked" in values[number]
    ]
    if masked:
        listed = ", ".join(masked)
        raise InputError(
            f"{where}: 域 {listed} 已屏蔽 / fields {listed} are masked, so the message cannot be made again: "
            "decode it with --show-card-data, or put values in."
        )


def _value(value: Any, number: int | str, where: str) -> str | bytes:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == {"hex"} and isinstance(value["hex"], str):
        return _unhexed(value["hex"], f"field {number}", where)
    raise InputError(
        f'{where}: 域 {number} 类型错误 / field {number} must be text or {{"hex": "…"}}, it is something else.'
    )


def _unhexed(digits: str, name: str, where: str) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except ValueError:
        raise InputError(f"{where}: {name} 不是十六进制 / {name} is not pairs of hexadecimal digits.") from None


def _envelope(facts: Mapping[str, Any], where: str) -> Envelope:
    length = _text(facts, "length", where, "none")
    if length != "none" and length not in LENGTHS:
        raise InputError(f'{where}: 未知的长度格式 / "length" must be one of none, {", ".join(LENGTHS)}.')
    if isinstance(facts.get("header"), dict):
        raise InputError(f"{where}: 报文头已屏蔽 / the header is masked: decode with --show-card-data.")
    tpdu = _unhexed(_text(facts, "tpdu", where, ""), '"tpdu"', where)
    header = _unhexed(_text(facts, "header", where, ""), '"header"', where)
    return Envelope(length, head_kind(tpdu, header), tpdu + header)


def head_kind(tpdu: bytes, header: bytes) -> str:
    """The kind of a head that is made of these two."""
    sizes = (len(tpdu), len(header))
    tpdu_and_header = (TPDU_BYTES, HEADS["tpdu+header"].size - TPDU_BYTES)
    known = {
        (0, 0): "none",
        (TPDU_BYTES, 0): "tpdu",
        tpdu_and_header: "tpdu+header",
        (0, SWITCH_HEADER_BYTES): "switch",
    }
    return known.get(sizes, "other")
