"""Writes the reference pages of the dialects from their tables.

`python -m docs.dialect_pages` rewrites `docs/dialects/<name>.md` and the list in `docs/dialects/README.md`; a test says
when that was forgotten.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path

from iso8583.dialects import NAMES, load_dialect
from iso8583.parts import BerTlv, Form, Forms, Part, Parts, Positional, Records
from iso8583.table import Field, Table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "dialects"
INDEX = FOLDER / "README.md"
BEGIN, END = "<!-- dialects -->\n", "\n<!-- end of dialects -->"

SHOWN = {"show": "as it is", "pan": "first 6, last 4", "code": "first 2, last 4", "hide": "hidden"}
VERSIONS = {"0": "ISO 8583:1987", "1": "ISO 8583:1993", "2": "ISO 8583:2003"}


def page(name: str) -> str:
    """The reference page of one dialect."""
    table = load_dialect(name).table
    module = import_module(f"iso8583.dialects.{name}")
    _, _, notes = str(module.__doc__).strip().partition("\n\n")
    sections = [
        f"# `{name}`",
        f"{table.title}.",
        notes,
        *_head(table),
        *_fields(table),
        *_sub_fields(table),
        *_messages(table),
        f"Made from `iso8583/dialects/{name}.py` by `python -m docs.dialect_pages`. [All dialects](README.md)",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(table: Table) -> Iterator[str]:
    last = {64: "is never set", 128: "announces a second bitmap", 192: "announces a second bitmap, bit 65 a third"}
    rows = [
        ("MTI", table.mti.clause, f"starts with {table.version} ({VERSIONS[table.version]})"),
        ("bitmap", table.bitmap.clause, f"{table.bits} bits at most; bit 1 {last[table.bits]}"),
    ]
    yield _table(("", "format", ""), rows)


def _fields(table: Table) -> Iterator[str]:
    yield "## Fields"
    yield (
        "Formats read: class and length, encoding, and for a variable field how its length is written and what it "
        "counts. The last column is how `repr`, logs and pages show the value."
    )
    rows = sorted(table.fields.items())
    lines = [_field_line(list(group)) for group in _runs(rows)]
    yield _table(("field", "name", "名称", "format", "shown"), lines)


def _runs(rows: list[tuple[int, Field]]) -> Iterator[list[tuple[int, Field]]]:
    """Neighbours that are the same row stand in one line."""
    for _, group in groupby(enumerate(rows), key=lambda item: (item[1][0] - item[0], _looks(item[1][1]))):
        yield [row for _, row in group]


def _looks(row: Field) -> str:
    return f"{row.name} {row.clause} {row.minimum} {row.mask}"


def _field_line(group: list[tuple[int, Field]]) -> tuple[str, ...]:
    (first, row), (last, _) = group[0], group[-1]
    number = str(first) if first == last else f"{first}–{last}"
    return number, row.name, row.name_zh, _format(row), SHOWN[row.mask]


def _format(row: Field) -> str:
    """The clause, with what it leaves out: the shortest length and the pad nibble."""
    least = f", at least {row.minimum}" if row.minimum else ""
    pads = row.encoding == "bcd" and (row.prefix is not None or row.length % 2 != (row.content == "x+n"))
    return f"{row.clause}{least}{f', pad {row.pad_nibble} {row.pad}' if pads else ''}"


def _sub_fields(table: Table) -> Iterator[str]:
    fields = [(number, row.parts) for number, row in sorted(table.fields.items()) if row.parts is not None]
    if fields:
        yield "## Sub-fields"
        yield "A path is what errors name: parts by place are `60.1`, parts by tag `55/9F26`, records `48.1.2`."
    for number, parts in fields:
        yield f"### Field {number}: {table.fields[number].name} · {table.fields[number].name_zh}"
        for form in parts.forms if isinstance(parts, Forms) else [Form(parts, frozenset())]:
            yield _when(form)
            lines = [(path, part.name, part.name_zh, _part_format(part), SHOWN[part.mask]) for path, part in
                     _parts(str(number), form.parts)]  # fmt: skip
            yield _table(("path", "name", "名称", "format", "shown"), lines) if lines else ""


def _when(form: Form) -> str:
    where = f"{', '.join(sorted(form.mtis))}" if form.mtis else ""
    told = f"{form.path} = {', '.join(sorted(form.values))}" if form.path else ""
    return f"In {', if '.join(filter(None, (where, told)))}:" if where or told else ""


def _parts(path: str, layout: Parts) -> Iterator[tuple[str, Part]]:
    for name, part in _named(path, layout):
        yield name, part
        if part.parts is not None and not isinstance(part.parts, Forms):
            yield from _parts(name, part.parts)


def _named(path: str, layout: Parts) -> Iterator[tuple[str, Part]]:
    match layout:
        case Positional(parts=parts):
            yield from ((f"{path}.{place}", part) for place, part in enumerate(parts, 1))
        case Records(record=record):
            yield f"{path}.n", record
        case BerTlv(tags=tags):
            yield from ((f"{path}/{tag:X}", part) for tag, part in tags.items())
        case Forms():
            return
        case _:
            yield from ((f"{path}/{tag}", part) for tag, part in layout.tags.items())


def _part_format(part: Part) -> str:
    return f"{part.content}{part.length}" if part.minimum is None else f"{part.content} {part.span}"


def _messages(table: Table) -> Iterator[str]:
    if table.messages:
        yield "## Usual messages"
        yield "Messages of these shapes are fast from the first on; others become so when they have come once."
        yield _table(("MTI", "fields"), [(mti, " ".join(map(str, numbers))) for mti, numbers in table.messages])


def _table(head: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    rule = tuple("---" for _ in head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def index(text: str) -> str:
    """The index page with its list as the dialects are now."""
    before, rest = text.split(BEGIN)
    lines = [
        (f"[`{name}`]({name}.md)", load_dialect(name).table.title, str(len(load_dialect(name).table.fields)))
        for name in NAMES
    ]
    return before + BEGIN + _table(("dialect", "what", "fields"), lines) + END + rest.split(END)[1]


if __name__ == "__main__":
    for dialect in NAMES:
        (FOLDER / f"{dialect}.md").write_text(page(dialect), "utf-8")
    INDEX.write_text(index(INDEX.read_text("utf-8")), "utf-8")
