"""What the commands print, as lines of text and as JSON, without printing it.

`language` is 0 for Chinese and 1 for English (`iso8583.tool.description.LANGUAGES`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.hexdump import DOTS, HEX_AT, explain
from iso8583.tool.description import TRANSACTIONS, Line, check, described, opened, row_name, transaction_of
from iso8583.tool.differences import Difference
from iso8583.tool.display import Display
from iso8583.tool.envelope import HEADS, LENGTHS, Envelope
from iso8583.tool.meanings import Words, header_meaning, mti_meaning
from iso8583.tool.message_json import envelope_json, message_json, parts_json
from iso8583.tool.recognition import Found, Reading, Way
from iso8583.tool.self_measure import Measured
from iso8583.tool.text_columns import columns

FORM_WORDS: Final[Mapping[str, Words]] = {
    "hex": ("十六进制", "hex"),
    "hex dump": ("十六进制转储", "hex dump"),
    "base64": ("base64", "base64"),
    "raw": ("原始字节", "bytes as they are"),
    "text": ("字符文本", "lines of characters"),
    "pcap": ("抓包", "capture"),
}
Changes = Mapping[tuple[str, Words], int]
_DUMPED: Final = re.compile("[0-9A-F]{4} ")
HEAD_WORDS: Final[Words] = ("报文头", "header")


def heading(found: Found, language: int) -> str:
    """The first line about a message: where it was, dialect, type, size."""
    count, where = len(found.wire), _where(found.where, language)
    size = (f"{count} 字节", f"{count} byte{'s' if count != 1 else ''}")[language]
    if not found.is_recognised:
        return " · ".join(filter(None, (where, ("无法识别", "not recognised")[language], size)))
    mti = found.message.mti if found.message else _partial_mti(found)
    kind = mti_meaning(mti) if mti else None
    typed = f"{mti} {kind[language]}" if kind else mti
    return " · ".join(filter(None, (where, found.dialect.name, typed, size)))


def _where(where: str, language: int) -> str:
    """A place such as "line 3, message 2" in the language."""
    return where if language else re.sub(r"(line|paragraph|dump|message) (\d+)", _place_in_chinese, where)


def _place_in_chinese(found: re.Match[str]) -> str:
    unit = {"line": "行", "paragraph": "段", "dump": "段", "message": "条"}[found[1]]
    return f"第 {found[2]} {unit}"


def _partial_mti(found: Found) -> str:
    partial = found.error.partial if found.error else None
    return partial.mti if partial is not None else ""


def reading_lines(reading: Reading, language: int) -> Iterator[str]:
    """How a unit was read, why, and what else it may be."""
    if not all(found.is_recognised for found in reading.messages):
        yield (
            f"读作{FORM_WORDS[reading.form][0]},试了 {reading.tried} 种读法,都不像 ISO 8583 报文",
            f"Read as {FORM_WORDS[reading.form][1]}. None of {reading.tried} ways of reading it on gives a message.",
        )[language]
        return
    path = " → ".join(_path(reading, language))
    yield (f"读法:{path}", f"Read as: {path}")[language]
    yield _why(reading, language)
    if reading.rest:
        rest = reading.rest
        yield (f"末尾 {rest} 字节不成报文", f"{rest} bytes at the end are no whole message.")[language]


def _path(reading: Reading, language: int) -> Iterator[str]:
    yield FORM_WORDS[reading.form][language]
    yield from _way_words(reading.way, language)


def _way_words(way: Way, language: int) -> Iterator[str]:
    if way.length != "none":
        yield LENGTHS[way.length].words[language]
    if way.head in HEADS and way.head != "none":
        yield HEADS[way.head].words[language]
    elif way.head.isdigit():
        yield (f"{way.head} 字节报文头", f"head of {way.head} bytes")[language]
    yield way.dialect.name


def _why(reading: Reading, language: int) -> str:
    tried = reading.tried
    others = "; ".join(", ".join(_way_words(way, language)) for way in reading.others)
    if reading.score.decoded == 0:
        return (
            f"试了 {tried} 种读法,都不能解码;这是最接近的一种",
            f"None of {tried} ways of reading it decodes; this one comes closest.",
        )[language]
    if reading.tied:
        return (
            f"有歧义:以下读法同样合理,请用 --dialect 或 --length 指定:{others}",
            f"Ambiguous: it makes as much sense as {others}. Say which with --dialect, --length or --head.",
        )[language]
    if reading.others:
        return (f"也能读作 {others},但内容不太合理", f"It decodes as {others} too, but makes less sense so.")[language]
    if tried == 1:
        return ("按指定或与前一条相同的读法", "Read as was asked for, or as the one before it.")[language]
    return (f"{tried} 种读法中唯一能解码的", f"Of {tried} ways of reading it, the only one that decodes.")[language]


def reading_json(reading: Reading) -> dict[str, Any]:
    """The same for programs."""
    return {
        "form": reading.form,
        "tried": reading.tried,
        "ambiguous": reading.tied,
        "others": [list(way.key) for way in reading.others],
    }


def envelope_lines(envelope: Envelope, display: Display, language: int) -> Iterator[str]:
    """TPDU and header, with what the header says."""
    facts = envelope_json(envelope, display)
    if "tpdu" in facts:
        yield f"TPDU {facts['tpdu']}"
    header = facts.get("header", "")
    if isinstance(header, dict):
        yield f"{HEAD_WORDS[language]} {header['masked']}"
    elif header:
        words = header_meaning(header) if envelope.kind == "tpdu+header" else None
        said = f"  {words[language]}" if words else ""
        yield f"{HEAD_WORDS[language]} {header}{said}"


def field_rows(lines: Iterable[Line], language: int) -> Iterator[str]:
    """Fields one under the other: path, name, value, and what it says."""
    rows: list[tuple[str, ...]] = []
    for line in lines:
        path = "  " * line.depth + line.path
        name = "  " * line.depth + line.name[language]
        first, *more = [words[language] for words in line.meanings] or [""]
        # A meaning that is only the value again, written for people, would be noise.
        rows.append((path, name, line.shown, first))
        rows += [("", "", "", words) for words in more]
    yield from columns(rows, "  ")


def error_sentence(found: Found, language: int) -> str:
    """What is wrong with a message, in a sentence."""
    error = found.error
    assert error is not None
    where = f"{_where(found.where, language)}: " if found.where else ""
    if not found.is_recognised:
        words = ("不像任何已知方言的 ISO 8583 报文", "this looks like no ISO 8583 message of a known dialect")[language]
        return f"{where}{words}"
    name = field_name(found.dialect, error, language)
    named = f" ({name})" if name else ""
    place = f"field {error.field}" if isinstance(error.field, int) else str(error.field)
    at = error.offset
    return (
        f"{where}不能解码:{place.replace('field', '域')}{named},第 {at} 字节:{error.reason}",
        f"{where}it does not decode: {place}{named} at byte {at}: {error.reason}",
    )[language]


def error_lines(found: Found, display: Display, language: int) -> Iterator[str]:
    """The same at length: the sentence, the clause that was broken, the bytes, and what the fields below are."""
    error = found.error
    assert error is not None
    yield error_sentence(found, language)
    if found.is_recognised and error.field != "length":
        yield ("十六进制,从报文类型起计:", "In hexadecimal, counted from the message type:")[language]
        drawn = explain(found.dialect, found.body, error.moved(-found.at)).splitlines()
        yield from (_dotted(line) for line in drawn) if display.nothing else drawn
    if error.partial is None or not len(error.partial):
        return
    if display.nothing:
        yield (
            "以下各域可能错位,所以不显示内容(--show-card-data 可显示):",
            "These fields may have been read from the wrong places, so they are hidden (--show-card-data shows them):",
        )[language]
    else:
        yield ("以下各域无疑问:", "Beyond doubt:")[language]


def _dotted(line: str) -> str:
    """A line of a hex dump without any of the message: only offsets, names, and what is wrong."""
    return f"{line[:HEX_AT]}{DOTS}".rstrip() if _DUMPED.match(line) else line


def encode_sentence(dialect: Dialect, error: Iso8583Error, number: int) -> str:
    """What is wrong with a message that cannot be encoded."""
    name = field_name(dialect, error, 1)
    place = f"field {error.field}" if isinstance(error.field, int) else str(error.field)
    clause = f" ({error.clause})" if error.clause else ""
    return f"message {number}: 不能编码 / {place}{f' ({name})' if name else ''}: {error.reason}{clause}."


def transaction_lines(found: Found, language: int) -> Iterator[str]:
    """Which transaction it is, and what is missing in it or not allowed."""
    if found.message is None:
        return
    known = transaction_of(found.message, found.dialect)
    if known is None:
        return
    kind, is_answer = known
    zh, en = TRANSACTIONS.get(kind.name, (kind.name, kind.name))
    yield (f"交易:{zh}{'的应答' if is_answer else ''}", f"Transaction: {'answer to a ' if is_answer else ''}{en}")[
        language
    ]
    faults = check(found.message, kind, is_answer=is_answer)
    if faults:
        words = faults.in_words(found.dialect.table.fields, "en" if language else "zh")
        yield f"{('字段检查', 'Its fields')[language]}: {words}"


def described_json(found: Found, display: Display, language: int) -> dict[str, Any]:
    """A message in words, for programs."""
    facts: dict[str, Any] = {"where": found.where} if found.where else {}
    if not found.is_recognised:
        return {**facts, "error": error_json(found)}
    facts |= {"dialect": found.dialect.name, **envelope_json(found.envelope, display)}
    message = found.message
    if message is None:
        facts["error"] = error_json(found)
        message = found.error.partial if found.error else None
    if message is None:
        return facts
    kind = mti_meaning(message.mti)
    facts |= {"mti": message.mti, "type": kind[language] if kind else "", "fields": []}
    for line in described(message, found.dialect, display, language):
        means = [words[language] for words in line.meanings]
        facts["fields"].append({"path": line.path, "name": line.name[language], "value": line.shown, "means": means})
    known = transaction_of(message, found.dialect) if found.error is None else None
    if known:
        transaction, is_answer = known
        faults = check(message, transaction, is_answer=is_answer)
        lacks = {"missing": list(faults.missing), "not_allowed": list(faults.not_allowed)}
        facts["transaction"] = {"name": transaction.name, "answer": is_answer, **lacks}
    return facts


def difference_rows(rows: Iterable[Difference], both: tuple[Found, Found], language: int) -> Iterator[str]:
    """What differs: path, name, left, right."""
    absent = "-"
    names = [
        found.where or ("第一条", "first")[language] if not place else found.where or ("第二条", "second")[language]
        for place, found in enumerate(both)
    ]
    cells = [("", "", *names)]
    cells += [(row.path, row.name[language], row.left or absent, row.right or absent) for row in rows]
    yield from columns(cells)


def field_name(dialect: Dialect, error: Iso8583Error, language: int) -> str:
    """The name of the field in which the fault is; empty for what is no field."""
    if error.field == 0:
        return dialect.table.mti.name if language else "报文类型"
    number = re.match(r"\d+", str(error.field))
    row = dialect.table.fields.get(int(number[0])) if number else None
    return row_name(row)[language] if row else ""


def error_json(found: Found) -> dict[str, Any]:
    """The same for programs."""
    error = found.error
    assert error is not None
    return {
        "field": error.field,
        "name": field_name(found.dialect, error, 1),
        "offset": error.offset,
        "reason": error.reason,
        "clause": error.clause,
    }


def found_json(found: Found, display: Display) -> dict[str, Any]:
    """One message, decoded or not; of one that does not decode, what is beyond doubt."""
    facts: dict[str, Any] = {"where": found.where} if found.where else {}
    if not found.is_recognised:
        return {**facts, "error": error_json(found)}
    facts |= {"dialect": found.dialect.name, **envelope_json(found.envelope, display)}
    message = found.message
    if message is None:
        facts["error"] = error_json(found)
        message = found.error.partial if found.error else None
    if message is not None:
        facts |= message_json(message, found.dialect.table.fields, display)
        facts["parts"] = {}
        for number in message:
            facts["parts"] |= parts_json(opened(message, found.dialect, number), display)
    return facts


def changes_json(changed: Changes) -> dict[str, Any]:
    """What redaction did, for programs."""
    rows = sorted(changed.items(), key=_by_number)
    return {"changed": [{"field": path, "became": words[1], "times": count} for (path, words), count in rows]}


def change_lines(changed: Changes) -> Iterator[str]:
    """The same for people."""
    if not changed:
        yield "无需改动 / There was nothing to change."
        return
    rows = [(path, f"x {count}", " · ".join(words)) for (path, words), count in sorted(changed.items(), key=_by_number)]
    yield from columns(rows, "  ")
    yield "已脱敏,MAC 不再有效 / Redacted; the MACs no longer fit their messages."


def _by_number(row: tuple[tuple[str, Words], int]) -> tuple[int, str]:
    path = row[0][0]
    return int(re.split(r"\D", path)[0] or 0), path


def measured_rows(rows: Iterable[Measured]) -> Iterator[str]:
    """Measurements one under the other."""
    head = ("方言 dialect", "报文 message", "域 fields", "字节 bytes", "解码 decode", "编码 encode")
    cells = [
        (row.dialect, row.message, str(row.fields), str(row.size), f"{row.decode_ns:,} ns", f"{row.encode_ns:,} ns")
        for row in rows
    ]
    yield from columns([head, *cells])
