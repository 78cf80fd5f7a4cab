"""What the timings of `make bench-codec` say: ratios, the table for people, the figures, and what of them is judged.

A ratio is a peer's time by ours in the same round: machines drift by half within minutes, so only such ratios are worth
anything, and nanoseconds are told for orientation. The median of the rounds is a pass's, the median of the passes is
told.

What is compared is the whole public call: our `dialect.encode(message)` and `dialect.decode(data)` with that of each
peer, from the form in which it wants its values. For pyiso8583 that is a dict; for moov a struct (Marshal and Pack,
Unpack and Unmarshal), and for orientation its bare form (Field and Pack, Unpack alone); for jPOS an ISOMsg into which
every field is set. That makes a message as well, so there is a column of ours that makes the Message too, and a figure
that compares jPOS with it. A cell that a peer cannot do is left out for it; a peer that is not here is not judged.
"""

import statistics
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.codec_corruptions import CORRUPTIONS, TRIES, accepted
from bench.codec_messages import MISSES_OF, Cell
from bench.codec_start import Start
from bench.figures import THRESHOLDS, Figure
from iso8583.dialects import NAMES, load_dialect

COMMAND: Final = "bench-codec"
OURS: Final = "ours"
BUILT: Final = "ours, built"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table.

    Attributes:
        title: what it is called.
        peer: the codec that is asked.
        operations: what it is asked to do for each operation of a cell; one that is not there is not measured.
    """

    title: str
    peer: str
    operations: Mapping[str, str]


_ALL: Final = {"encode": "encode", "decode": "decode", "open": "open"}
COLUMNS: Final = (
    Column(OURS, "ours", _ALL),
    Column(BUILT, "ours", {"encode": "build"}),
    Column("pyiso8583", "pyiso8583", _ALL),
    Column("moov structs", "moov", _ALL),
    Column("moov bare", "moov", {"encode": "pack", "decode": "unpack"}),
    Column("jPOS", "jpos", _ALL),
)


@dataclass(frozen=True, slots=True)
class Timings:
    """What one cell took: passes of rounds, each round with nanoseconds by the title of the column."""

    cell: Cell
    passes: list[list[dict[str, float]]] = field(default_factory=list)

    def ns(self, title: str) -> float | None:
        """Nanoseconds for one operation; None if the column was not measured."""
        return self._median(title, lambda row: row[title])

    def ratio(self, column: Column, ours: str = OURS) -> float | None:
        """How many times as long as that column of ours the column takes; None if it was not measured."""
        return self._median(column.title, lambda row: row[column.title] / row[ours])

    def _median(self, title: str, value: Callable[[dict[str, float]], float]) -> float | None:
        if title not in self.passes[0][0]:
            return None
        return statistics.median(statistics.median(map(value, rounds)) for rounds in self.passes)


@dataclass(frozen=True, slots=True)
class Rival:
    """What figures are named after: a column, in the cells of some operations, and the column of ours beside it."""

    name: str
    column: Column
    operations: Collection[str] = tuple(_ALL)
    ours: str = OURS

    def ratios(self, table: Iterable[Timings]) -> dict[str, float]:
        """The ratio of each cell that the column has, by the cell's name."""
        cells = [row for row in table if row.cell.operation in self.operations]
        known = {row.cell.name: row.ratio(self.column, self.ours) for row in cells}
        return {name: ratio for name, ratio in known.items() if ratio is not None}

    def figures(self, table: Iterable[Timings], why_not: str | None) -> dict[str, Figure]:
        """Geometric mean and worst cell; for a peer that was skipped the sentence that says why."""
        mean, worst = f"geometric_mean_vs_{self.name}", f"worst_cell_vs_{self.name}"
        found = self.ratios(table)
        if why_not or not found:
            return dict.fromkeys((mean, worst), why_not or "no cell of it was measured")
        least = min(found, key=found.__getitem__)
        usual = {name: ratio for name, ratio in found.items() if not name.startswith(MISSES_OF)} or found
        return {
            mean: round(statistics.geometric_mean(found.values()), 2),
            worst: round(found[least], 2),
            f"{worst}_is": least,
            f"{mean}_without_misses": round(statistics.geometric_mean(usual.values()), 2),
            f"{worst}_without_misses": round(min(usual.values()), 2),
        }


MUST_BE_HERE: Final = "pyiso8583"  # Python is, and so is its index: no figure may be left out for its absence
PYISO8583, MOOV_STRUCTS, MOOV_BARE, JPOS = COLUMNS[2:]
RIVALS: Final = (
    Rival("pyiso8583", PYISO8583),
    Rival("moov_with_structs", MOOV_STRUCTS),
    Rival("bare_moov", MOOV_BARE),
    Rival("jpos_encoding", JPOS, ("encode",)),
    Rival("jpos_encoding_with_the_message_made", JPOS, ("encode",), BUILT),
    Rival("jpos_decoding", JPOS, ("decode", "open")),
)


# The figures ---------------------------------------------------------------------------------------------------------


def figures_of(table: Sequence[Timings], skipped: Mapping[str, str], starts: Sequence[Start]) -> dict[str, Figure]:
    """Everything that is judged, and what explains it.

    Args:
        table: all cells.
        skipped: the peers that are not here, each with the sentence that says why.
        starts: what loading each dialect costs.
    """
    told: dict[str, Figure] = {}
    for rival in RIVALS:
        told |= rival.figures(table, skipped.get(rival.column.peer))
    slowest, largest = max(starts, key=lambda each: each.milliseconds), max(starts, key=lambda each: each.mebibytes)
    taken = [(name, corruption) for name in NAMES for corruption in accepted(load_dialect(name).table)]
    return told | {
        "import_ms": round(slowest.milliseconds, 1), "import_ms_is_of": slowest.dialect,
        "import_ms_at_best": round(max(each.at_best for each in starts), 1),
        "import_mib": round(largest.mebibytes, 1), "import_mib_is_of": largest.dialect,
        "corruptions_accepted": len(taken), "corruptions_tried": TRIES * len(CORRUPTIONS) * len(NAMES),
        "passes": len(table[0].passes),
    }  # fmt: skip


def thresholds_beside(skipped: Collection[str], folder: Path) -> Path:
    """A file in `folder` with the thresholds that can be judged here: all but those beside a skipped peer."""
    bounds = tomllib.loads(THRESHOLDS.read_text("utf-8"))[COMMAND]
    unknown = {f"worst_cell_vs_{rival.name}" for rival in RIVALS if rival.column.peer in {*skipped} - {MUST_BE_HERE}}
    lines = [f"{name} = {{ {', '.join(f'{side} = {value}' for side, value in bound.items())} }}"
             for name, bound in bounds.items() if name not in unknown]  # fmt: skip
    judged = folder / THRESHOLDS.name
    judged.write_text("\n".join([f"[{COMMAND}]", *lines, ""]), "utf-8")
    return judged


# The table -----------------------------------------------------------------------------------------------------------

WIDTH: Final = 19  # of a column, in characters


def for_machines(table: Iterable[Timings]) -> dict[str, object]:
    """The whole table: nanoseconds of every column, and the ratio of every peer's."""
    return {
        row.cell.name: {
            "ns": {column.title: ns and round(ns, 1) for column in COLUMNS if (ns := row.ns(column.title)) is not None},
            "times_ours": {column.title: round(ratio, 3) for column in COLUMNS[2:] if (ratio := row.ratio(column))},
        }
        for row in table
    }


def for_people(table: Sequence[Timings], skipped: Mapping[str, str]) -> Iterator[str]:
    """The lines of the table, and below it where we lose and what was skipped."""
    wide = max(len(row.cell.name) for row in table)
    yield "ns for one message, and how many times as long as ours; - is what a codec cannot do, or has no such form for"
    yield "  ".join([" " * wide, *(f"{column.title:>{WIDTH}}" for column in COLUMNS)])
    for row in table:
        yield "  ".join([f"{row.cell.name:{wide}}", *(f"{_shown(row, column):>{WIDTH}}" for column in COLUMNS)])
    yield ""
    for rival in RIVALS:
        slower = {name: 1 / ratio for name, ratio in rival.ratios(table).items() if ratio < 1}
        losses = ", ".join(f"{name} ({by:.2f} x)" for name, by in sorted(slower.items(), key=lambda each: -each[1]))
        if rival.column.peer not in skipped:
            yield f"{rival.name.replace('_', ' ')}: " + (f"we lose at {losses}" if losses else "we lose nowhere")
    yield from skipped.values()


def _shown(row: Timings, column: Column) -> str:
    ns, ratio = row.ns(column.title), row.ratio(column) if column in COLUMNS[2:] else None
    if ns is None:
        return "-"
    return f"{ns:,.0f}" + (f" {ratio:7.2f} x" if ratio is not None else "")
