"""A dialect of your own from a TOML file, and what to do where a file does not reach.

A file either inherits from a shipped dialect and says what differs, or says everything: then `version`, `bits`, `mti`,
`bitmap` and `fields` must be there. The columns of a row are the attributes of `iso8583.table.Field` by their names;
its prefix is `prefix` (L to LLLL, or none), `prefix_encoding` and `prefix_counts`, its sub-fields are `parts` (see
`iso8583.toml_parts`). A row that is inherited keeps the columns that are not given.

What a file can say, Python can say too, and some layouts of sub-fields besides. Both are checked when they are loaded,
by the same rules (`iso8583.table_check`), with every fault named by row and column:

>>> from iso8583 import Message, load_dialect
>>> from iso8583.dialect import Dialect
>>> from iso8583.table import Field, Prefix
>>> table = load_dialect("iso87_ascii").table.derive(
...     "our_host",
...     {
...         41: {"length": 16},  # some columns of a row that is there
...         62: Field("loyalty points", "n", "ascii", 10, Prefix("ascii", 2), minimum=1, mask="show"),  # a whole row
...         128: None,  # no such field
...     },
... )
>>> Dialect(table).encode(Message("0800", {62: "1500"}))
b'08000000000000000004041500'
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from iso8583.dialect import Dialect
from iso8583.dialects import NAMES, load_dialect
from iso8583.table import Field, Prefix, Table
from iso8583.table_check import DialectError, DialectFault, check_table
from iso8583.toml_parts import PARTS_COLUMNS, parts_in

FILE_BYTES_MAX: Final = 262_144  # 192 rows with every column and both names take some 60,000

_KEYS: Final = ("name", "title", "inherits", "version", "bits", "mti", "bitmap", "fields", "remove", "messages")
_NEEDED_KEYS: Final = ("version", "bits", "mti", "bitmap", "fields")  # of a table that inherits nothing
_COLUMNS: Final = ("name", "content", "encoding", "length", "pad", "pad_nibble", "minimum", "mask", "name_zh")
_NEEDED_COLUMNS: Final = ("name", "content", "encoding", "length")  # of a row that is not inherited
_PREFIX_COLUMNS: Final = ("prefix", "prefix_encoding", "prefix_counts")
_PREFIX_DIGITS: Final = {"L": 1, "LL": 2, "LLL": 3, "LLLL": 4}
_NO_PREFIX: Final = "none"

# What a table that inherits nothing starts from. An MTI is always n4 and a bitmap b8; how they are written is to say.
_BLANK: Final = Table(
    name="",
    version="0",
    mti=Field("message type", "n", "ascii", 4, name_zh="报文类型"),
    bitmap=Field("bitmap", "b", "hex", 8, name_zh="位图"),
    bits=64,
    fields={},
)

Faults = list[DialectFault]


def load_dialect_file(path: Path | str) -> Dialect:
    """The dialect in a TOML file, ready to use.

    Args:
        path: the file, UTF-8, of at most 262,144 bytes.

    Raises:
        DialectError: the file is no TOML, or no sound dialect; the text lists every fault.
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(str(path), f"needed UTF-8 text, byte {error.start} is something else") from None
    return Dialect(table_from_toml(text, str(path)))


def table_from_toml(text: str, origin: str = "the file") -> Table:
    """The table in the text of a TOML file.

    Args:
        text: at most 262,144 characters.
        origin: what errors call it.

    Raises:
        DialectError: as `load_dialect_file`.

    >>> table = table_from_toml('''
    ... name = "our_host"
    ... inherits = "iso87_ascii"
    ... remove = [128]
    ...
    ... [fields.41]
    ... length = 16
    ... ''')
    >>> table.fields[41].clause
    'ans16 ascii'
    >>> table_from_toml('''
    ... name = "our_host"
    ... inherits = "iso87_ascii"
    ... fields.41.length = "16"
    ... fields.130 = { name = "loyalty points", content = "n", encoding = "ascii" }
    ... ''', "our_host.toml")
    Traceback (most recent call last):
    iso8583.table_check.DialectError: our_host.toml is no sound dialect:
      row 130, column length: needed in a row that is not inherited, there is none
      row 41, column length: needed a whole number of 1 to 9999, there is '16'
    """
    document = _document(text, origin)
    faults: Faults = []
    table = _table(document, faults)
    try:
        check_table(replace(table, messages=()) if faults else table)
    except DialectError as error:
        faults += error.faults
    if faults:
        raise DialectError(origin, faults)
    return table


def _document(text: str, origin: str) -> dict[str, Any]:
    if len(text) > FILE_BYTES_MAX:
        raise _refusal(origin, f"needed at most {FILE_BYTES_MAX} bytes, there are more")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _refusal(origin, "needed few layers of brackets, there are too many") from None
    except ValueError as error:  # TOMLDecodeError, and what int() says of thousands of digits
        raise _refusal(origin, f"needed TOML: {error}") from None


def _refusal(origin: str, reason: str) -> DialectError:
    return DialectError(origin, [DialectFault("file", "text", reason)])


# The table -----------------------------------------------------------------------------------------------------------


def _table(document: dict[str, Any], faults: Faults) -> Table:
    _refuse_unknown("dialect", document, _KEYS, faults)
    start = _inherited(document, faults)
    fields = dict(start.fields)
    for number in _removed(document, start, faults):
        fields.pop(number)
    for number, columns in _numbered(document, faults):
        row = _row(number, columns, fields.get(number), faults)
        if row is not None:
            fields[number] = row
    others: dict[str, Any] = {key: document[key] for key in ("title", "version", "bits") if key in document}
    if "messages" in document:
        others["messages"] = _messages(document["messages"], faults)
    heads = {key: _row(key, _columns(key, document, faults), getattr(start, key), faults) for key in ("mti", "bitmap")}
    name = document.get("name", "")
    if name in NAMES:
        faults.append(DialectFault("dialect", "name", f"needed a name of your own, {name!r} is shipped"))
    return replace(start, fields=fields).derive(name, {}, **heads, **others)


def _inherited(document: dict[str, Any], faults: Faults) -> Table:
    name = document.get("inherits")
    if name is None:
        missing = [key for key in _NEEDED_KEYS if key not in document]
        faults += [DialectFault("dialect", key, "needed where nothing is inherited, there is none") for key in missing]
    elif name in NAMES:
        return load_dialect(name).table
    else:
        faults.append(_wrong("dialect", "inherits", NAMES, name))
    return _BLANK


def _removed(document: dict[str, Any], start: Table, faults: Faults) -> list[int]:
    numbers = document.get("remove", [])
    if not isinstance(numbers, list):
        faults.append(DialectFault("dialect", "remove", "needed a list of field numbers"))
        return []
    known = [number for number in numbers if isinstance(number, int) and number in start.fields]
    if len(set(known)) < len(numbers):
        faults.append(DialectFault("dialect", "remove", "needed numbers of inherited rows, each once"))
    return sorted(set(known))


def _numbered(document: dict[str, Any], faults: Faults) -> list[tuple[int, Mapping[str, Any]]]:
    """The rows by their numbers."""
    rows = []
    for key in _columns("fields", document, faults):
        if not (key.isascii() and key.isdigit() and len(key) <= 3 and key[0] != "0"):
            faults.append(DialectFault("dialect", "fields", f"needed field numbers, there is {key[:20]!r}"))
        else:
            rows.append((int(key), _columns(key, document["fields"], faults, int(key))))
    return rows


def _columns(key: str, where: Mapping[str, Any], faults: Faults, row: int | str = "dialect") -> Mapping[str, Any]:
    """What stands under `key`, which must be a table of TOML; nothing if it is absent or something else."""
    columns = where.get(key, {})
    if isinstance(columns, dict):
        return columns
    faults.append(DialectFault(row, key if row == "dialect" else "row", "needed columns and their values"))
    return {}


def _messages(messages: Any, faults: Faults) -> Any:
    """The messages as pairs; what they hold is checked with the table."""
    if not (isinstance(messages, list) and all(isinstance(message, dict) for message in messages)):
        faults.append(DialectFault("dialect", "messages", "needed [[messages]] with mti and fields"))
        return ()
    for place, message in enumerate(messages, 1):
        _refuse_unknown(f"message {place}", message, ("mti", "fields"), faults)
    return tuple((message.get("mti"), _tuple(message.get("fields"))) for message in messages)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# A row ---------------------------------------------------------------------------------------------------------------


def _row(row: int | str, columns: Mapping[str, Any], inherited: Field | None, faults: Faults) -> Field | None:
    """The row with its columns, whose values are checked with the table; None if it lacks some."""
    _refuse_unknown(row, columns, (*_COLUMNS, *_PREFIX_COLUMNS, *PARTS_COLUMNS), faults)
    values = {column: columns[column] for column in _COLUMNS if column in columns}
    prefix = _prefix(row, columns, inherited.prefix if inherited else None, faults)
    parts = parts_in(row, columns, inherited.parts if inherited else None, faults)
    if inherited is not None:
        return replace(inherited, **values, prefix=prefix, parts=parts)
    missing = [column for column in _NEEDED_COLUMNS if column not in values]
    faults += [DialectFault(row, column, "needed in a row that is not inherited, there is none") for column in missing]
    return None if missing else Field(**values, prefix=prefix, parts=parts)


def _prefix(row: int | str, columns: Mapping[str, Any], inherited: Prefix | None, faults: Faults) -> Prefix | None:
    given = [column for column in _PREFIX_COLUMNS if column in columns]
    if not given:
        return inherited
    kind = columns.get("prefix")
    if kind == _NO_PREFIX:
        faults += [DialectFault(row, column, "needed none, as there is no prefix") for column in given[1:]]
        return None
    if kind in tuple(_PREFIX_DIGITS):
        digits = _PREFIX_DIGITS[str(kind)]
    elif inherited and "prefix" not in columns:
        digits = inherited.digits
    else:
        faults.append(_wrong(row, "prefix", (*_PREFIX_DIGITS, _NO_PREFIX), kind))
        return inherited
    if inherited is None and "prefix_encoding" not in columns:
        faults.append(DialectFault(row, "prefix_encoding", "needed with a prefix that is not inherited, there is none"))
        return None
    before = inherited or Prefix("ascii", digits)
    encoding = columns.get("prefix_encoding", before.encoding)
    return Prefix(encoding, digits, columns.get("prefix_counts", before.counts))


def _refuse_unknown(row: int | str, given: Mapping[str, Any], known: tuple[str, ...], faults: Faults) -> None:
    needed = f"needed {', '.join(known[:-1])} or {known[-1]}"
    faults += [DialectFault(row, key if key.isprintable() else "?", needed) for key in given if key not in known]


def _wrong(row: int | str, column: str, choices: tuple[str, ...], there: Any) -> DialectFault:
    shown = repr(there)
    needed = f"needed {', '.join(choices[:-1])} or {choices[-1]}"
    return DialectFault(row, column, f"{needed}, there is {shown if len(shown) <= 60 else type(there).__name__}")
