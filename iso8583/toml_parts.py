"""How the column `parts` of a row in a TOML file says what its field is cut into.

- ``parts = "emv"``: the objects of a chip card, with the tags of `iso8583.emv_tags`.
- ``parts = [{ name = "…", content = "n", length = 6 }, …]``: parts by their place. Beside it, `parts_minimum` says how
  many must be there; if it is absent, all.
- ``[fields.59.parts.A3]``: parts by their tag, two characters in front of a length of three digits.
- ``parts = "none"``: the field is whole, whatever was inherited.

A part has the columns of `iso8583.parts.Part` by their names, and may have parts in turn. The layouts that only Python
can say are records, tags without a length, and fields that mean something else in each message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iso8583.emv_tags import EMV
from iso8583.parts import Part, Parts, Positional, TextTlv
from iso8583.table_check import PART_DEPTH_MAX, DialectFault
from iso8583.tlv import TEXT_TAG

PARTS_COLUMNS: Final = ("parts", "parts_minimum")
_WHOLE: Final = "none"
_NAMED: Final[Mapping[Any, Parts | None]] = {"emv": EMV, _WHOLE: None}
_NEEDED: Final = ("name", "content", "length")
_COLUMNS: Final = (*_NEEDED, "mask", "name_zh", "minimum", "encoding", *PARTS_COLUMNS)

Faults = list[DialectFault]


def parts_in(row: int | str, columns: Mapping[str, Any], inherited: Parts | None, faults: Faults) -> Parts | None:
    """The layout that a row's columns say; the inherited one, if they say none.

    Only the form is looked at here, the values are checked with the table.
    """
    if "parts" not in columns:
        if "parts_minimum" in columns:
            faults.append(DialectFault(row, "parts_minimum", "needed parts beside it, there are none"))
        return inherited
    return _layout(row, columns, faults, 1)


def _layout(row: int | str, columns: Mapping[str, Any], faults: Faults, depth: int) -> Parts | None:
    given = columns["parts"]
    if depth > PART_DEPTH_MAX:
        faults.append(DialectFault(row, "parts", f"needed at most {PART_DEPTH_MAX} layers, there are more"))
        return None
    if isinstance(given, list):
        parts = tuple(_part(row, f"part {place}", part, faults, depth) for place, part in enumerate(given, 1))
        return Positional(parts, _minimum(row, columns, len(parts), faults))
    if "parts_minimum" in columns:
        faults.append(DialectFault(row, "parts_minimum", "needed parts by place beside it, there are others"))
    if isinstance(given, dict):
        wrong = next((tag for tag in given if not (len(tag) == TEXT_TAG and tag.isascii() and tag.isalnum())), None)
        if wrong is not None:
            faults.append(DialectFault(row, "parts", f"needed tags of two letters or figures, there is {wrong[:20]!r}"))
        return TextTlv({tag: _part(row, f"part {tag}", part, faults, depth) for tag, part in given.items()})
    if not isinstance(given, str) or given not in _NAMED:
        faults.append(DialectFault(row, "parts", "needed parts by place, parts by tag, emv or none"))
        return None
    return _NAMED[given]


def _minimum(row: int | str, columns: Mapping[str, Any], count: int, faults: Faults) -> int:
    minimum = columns.get("parts_minimum", count)
    if isinstance(minimum, int) and not isinstance(minimum, bool) and 0 <= minimum <= count and count:
        return minimum
    faults.append(DialectFault(row, "parts_minimum", f"needed parts, and a whole number of them up to {count}"))
    return 0


def _part(row: int | str, called: str, columns: Any, faults: Faults, depth: int) -> Part:
    if not isinstance(columns, dict):
        faults.append(DialectFault(row, "parts", f"{called}: needed columns and their values"))
        return Part(called, "ans", 0)
    missing = [column for column in _NEEDED if column not in columns]
    unknown = [column for column in columns if column not in _COLUMNS]
    faults += [DialectFault(row, "parts", f"{called}: needed the column {column}") for column in missing]
    faults += [DialectFault(row, "parts", f"{called}: needed none of {', '.join(unknown)[:60]}")] if unknown else []
    inner = _layout(row, columns, faults, depth + 1) if "parts" in columns else None
    values = {column: columns[column] for column in _COLUMNS if column in columns and column not in PARTS_COLUMNS}
    return Part(**{"name": called, "content": "ans", "length": 0, **values, "parts": inner})
