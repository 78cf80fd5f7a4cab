"""What went between a terminal and a card, command by command: recorded, shown without card data, saved, replayed.

A trace is a JSON file: ``interface`` (contact or contactless), ``masked``, ``host_answer`` (field 55 of the host's
answer) and ``exchanges``, each a ``command`` with its ``answer``, null where none came; bytes in hexadecimal. In a
masked one stars stand for card numbers, tracks, names and PINs: it can be read by anyone, and replayed by nobody.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from iso8583 import Iso8583Error
from iso8583.masking import mask_pan
from iso8583.tlv import parse_tlv
from simulators.cards.card import PulledOutError, SilentError

Interface = Literal["contact", "contactless"]
_TEMPLATES = frozenset({0x61, 0x6F, 0x70, 0x71, 0x72, 0x73, 0x77, 0xA5, 0xBF0C})
_NUMBER, _TRACK2 = 0x5A, 0x57
_SECRET = frozenset({0x56, 0x57, 0x5F20, 0x9F0B, 0x9F1F, 0x9F20, 0x9F46, 0x9F6B})
"""Tracks and the holder's name; and the certificate of the card's key, which tells its number to who opens it."""

_PLAIN_FORMAT = 0x80  # no data objects, but counters, cryptograms and signatures one after another
_VERIFY, _PIN_CHANGE = 0x20, 0x24


class TraceError(Exception):
    """A trace that cannot be read or replayed; the text says why."""


class AnsweringCard(Protocol):
    """A card, as a terminal sees it."""

    def process(self, apdu: bytes) -> bytes:
        """Answer a command; raise PulledOutError or SilentError if no answer comes."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and its answer; None if none came."""

    command: bytes = field(repr=False)
    answer: bytes | None = field(repr=False)


@dataclass(slots=True)
class Trace:
    """A sale as the card saw it. `host_answer` is field 55 of the host's answer; empty if it was not asked."""

    interface: Interface = "contact"
    exchanges: list[Exchange] = field(default_factory=list)
    host_answer: bytes = field(default=b"", repr=False)


class RecordedCard:
    """A card whose exchanges are written down in `trace`."""

    def __init__(self, card: AnsweringCard, trace: Trace) -> None:
        self._card = card
        self._trace = trace

    def process(self, apdu: bytes) -> bytes:
        """Let the card answer; what it raises goes on."""
        answer = None
        try:
            answer = self._card.process(apdu)
        finally:
            self._trace.exchanges.append(Exchange(apdu, answer))
        return answer


class ReplayedCard:
    """Answers what a trace says was answered."""

    def __init__(self, trace: Trace) -> None:
        self._rest = iter(list(trace.exchanges))
        self._place = 0

    def process(self, apdu: bytes) -> bytes:
        """The recorded answer; TraceError if another command was recorded here, PulledOutError if no answer was."""
        self._place += 1
        exchange = next(self._rest, None)
        if exchange is None or exchange.command != apdu:
            raise TraceError(
                f"第 {self._place} 条命令与记录不同，请重新记录 · "
                f"command {self._place} is not the recorded one: record the trace again"
            )
        if exchange.answer is None:
            raise PulledOutError
        return exchange.answer


def shown(exchanges: Iterable[Exchange]) -> list[dict[str, str | None]]:
    """The exchanges as anyone may see them. What cannot be read as data objects becomes a count of bytes."""
    known = list(exchanges)
    numbers = {number for exchange in known for number in _numbers(exchange.answer or b"")}
    return [
        {
            "command": _starred(_command(exchange.command), numbers),
            "answer": None if exchange.answer is None else _starred(_answer(exchange.answer), numbers),
        }
        for exchange in known
    ]


def to_json(trace: Trace, *, in_clear: bool) -> str:
    """The file of a trace. In clear it holds card data: only for test cards, and only when a person has said so."""
    clear: list[dict[str, str | None]] = [
        {
            "command": exchange.command.hex().upper(),
            "answer": None if exchange.answer is None else exchange.answer.hex().upper(),
        }
        for exchange in trace.exchanges
    ]
    entries: dict[str, Any] = {
        "interface": trace.interface, "masked": not in_clear, "host_answer": trace.host_answer.hex().upper(),
        "exchanges": clear if in_clear else shown(trace.exchanges),
    }  # fmt: skip
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Trace:
    """Read a trace for replay. Raises TraceError if it is none, or a masked one."""
    try:
        entries = json.loads(text)
        if entries["masked"]:
            raise TraceError(
                "这份记录已掩码，不能重放；请用 --show-card-data 重新记录 · "
                "this trace is masked and cannot be replayed: record it with --show-card-data"
            )
        exchanges = [
            Exchange(bytes.fromhex(one["command"]), None if one["answer"] is None else bytes.fromhex(one["answer"]))
            for one in entries["exchanges"]
        ]
        interface: Interface = "contactless" if entries["interface"] == "contactless" else "contact"
        return Trace(interface, exchanges, bytes.fromhex(entries["host_answer"]))
    except (KeyError, TypeError, ValueError):
        raise TraceError("这不是卡片记录文件 · this file is no trace of a card") from None


def _command(apdu: bytes) -> str:
    text = apdu.hex().upper()
    if len(apdu) > 5 and apdu[1] in (_VERIFY, _PIN_CHANGE):
        return text[:10] + "*" * (len(text) - 10)
    return text


def _answer(answer: bytes) -> str:
    data, status = answer[:-2], answer[-2:].hex().upper()
    if not data:
        return status
    try:
        secrets = [value for tag, value in _objects(data) if tag in _SECRET and value]
    except Iso8583Error:
        return f"[{len(data)} bytes]{status}"
    text = data.hex().upper()
    for value in secrets:
        text = text.replace(value.hex().upper(), "*" * (len(value) * 2))
    return text + status


def _objects(data: bytes) -> list[tuple[int, bytes]]:
    """All data objects, those in templates too, except in the format that has none."""
    if data[:1] == bytes((_PLAIN_FORMAT,)):
        return []
    found: list[tuple[int, bytes]] = []
    objects: Mapping[int, bytes] = parse_tlv(data, "card")
    for tag, value in objects.items():
        found += [(tag, value), *(_objects(value) if tag in _TEMPLATES else ())]
    return found


def _numbers(answer: bytes) -> list[str]:
    try:
        found = _objects(answer[:-2])
    except Iso8583Error:
        return []
    packed = [value.hex().upper() for tag, value in found if tag in (_NUMBER, _TRACK2)]
    return [text.partition("D")[0].rstrip("F") for text in packed]


def _starred(text: str, numbers: Iterable[str]) -> str:
    for number in numbers:
        text = text.replace(number, mask_pan(number)) if number else text
    return text


NO_ANSWER = (PulledOutError, SilentError)
"""What a card raises instead of an answer."""
