"""Two messages compared: type, what stands around them, field by field, and inside fields part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iso8583.message import Message
from iso8583.sub_fields import SubField
from iso8583.tool.description import opened, row_name
from iso8583.tool.display import Display
from iso8583.tool.meanings import Words
from iso8583.tool.message_json import envelope_json
from iso8583.tool.recognition import Found


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `left` and `right` are as they may be shown; empty where it is absent."""

    path: str
    name: Words
    left: str
    right: str

    def facts(self, language: int) -> dict[str, Any]:
        """For programs."""
        return {"path": self.path, "name": self.name[language], "left": self.left or None, "right": self.right or None}


def differences(left: Found, right: Found, display: Display, language: int) -> Iterator[Difference]:
    """Everything in which two decoded messages differ, in the order of the fields."""
    assert left.message is not None
    assert right.message is not None
    yield from _around(left, right, display)
    if left.message.mti != right.message.mti:
        yield Difference("MTI", ("报文类型", "message type"), left.message.mti, right.message.mti)
    for number in sorted(left.message.keys() | right.message.keys()):
        if left.message.get(number) != right.message.get(number):
            yield from _field(left, right, number, display, language)


def _around(left: Found, right: Found, display: Display) -> Iterator[Difference]:
    if left.dialect.name != right.dialect.name:
        yield Difference("dialect", ("方言", "dialect"), left.dialect.name, right.dialect.name)
    sides = [envelope_json(found.envelope, display) for found in (left, right)]
    names = {"length": ("长度格式", "length"), "tpdu": ("TPDU", "TPDU"), "header": ("报文头", "header")}
    for key, name in names.items():
        here, there = (_text(side.get(key, "")) for side in sides)
        if here != there:
            yield Difference(key, name, here, there)


def _text(value: Any) -> str:
    return str(value["masked"]) if isinstance(value, dict) else str(value)


def _field(left: Found, right: Found, number: int, display: Display, language: int) -> Iterator[Difference]:
    inside = list(_inside(left, right, number, display, language))
    if inside:
        yield from inside
        return
    row = left.dialect.table.fields.get(number) or right.dialect.table.fields.get(number)
    shown = [_shown(found, number, display, language) for found in (left, right)]
    yield Difference(str(number), row_name(row), *_told_apart(*shown))


def _inside(left: Found, right: Found, number: int, display: Display, language: int) -> Iterator[Difference]:
    """The sub-fields that differ, if both messages have the field and it can be cut in both."""
    if left.message is None or right.message is None or number not in left.message or number not in right.message:
        return
    here, there = (
        {part.path: part for part in opened(message, found.dialect, number)}
        for message, found in ((left.message, left), (right.message, right))
    )
    for path in dict.fromkeys([*here, *there]) if here and there else ():
        one, other = here.get(path), there.get(path)
        if one is None or other is None or one.value != other.value:
            part = one or other
            assert part is not None
            shown = (_part(one, display, language), _part(other, display, language))
            yield Difference(path, (part.name_zh or part.name, part.name), *_told_apart(*shown))


def _part(part: SubField | None, display: Display, language: int) -> str:
    return "" if part is None else display.part(part, language) or '""'


def _shown(found: Found, number: int, display: Display, language: int) -> str:
    message: Message | None = found.message
    if message is None or number not in message:
        return ""
    return display.words(found.dialect.table.fields.get(number), message[number], language) or '""'


def _told_apart(left: str, right: str) -> tuple[str, str]:
    """Two values that differ must not look the same because both are masked."""
    return (left, f"{right} (≠)") if left == right else (left, right)
