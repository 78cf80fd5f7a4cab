"""`make bench-codec`: our ISO 8583 codec beside pyiso8583, moov-io/iso8583 and jPOS, in one interleaved run.

    python -m bench.codec_bench [--passes 3] [--json] [--quick]

Every cell (a message in a profile, encoded or decoded) is timed in rounds, in each of which every codec has its turn
for a moment, each in a process of its own (`bench.codec_peers`). What is compared and what is judged stands in
`bench.codec_figures`. Peers are installed below build/ on first use; one that cannot be had is skipped in a sentence.

Progress goes to standard error; the table, or with --json the same as one line, goes to standard output, and last the
line of figures. --quick is one short pass without a judgement, for tests and for trying things out.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import codec_figures, codec_start, figures
from bench.codec_figures import COLUMNS, OURS, Column, Timings
from bench.codec_messages import CELLS, Cell, Group, all_groups, profiles
from bench.codec_peers.client import STARTS, Absent, Cannot, Peer, started
from iso8583.dialects import NAMES

ROUNDS: Final = 5  # in a pass
TURN_S: Final = 0.02  # of one codec in one round
WARM_S: Final = 0.2  # before the first pass, so that a virtual machine has compiled what it will run
QUICK_S: Final = 0.001


def main() -> int:
    """Measure, tell, judge."""
    options = _options()
    began, load = time.perf_counter(), os.getloadavg()[0]
    with ExitStack() as stack:
        peers, skipped = start_peers(STARTS, stack)
        turn_s, warm_s = (QUICK_S, QUICK_S) if options.quick else (TURN_S, WARM_S)
        table = measure(peers, 1 if options.quick else options.passes, turn_s, warm_s)
        versions = {f"version_of_{name}": peer.ask("version") for name, peer in peers.items()}
    _tell("fresh processes that import iso8583 and load one dialect")
    starts = codec_start.measure(NAMES, 1 if options.quick else codec_start.REPEATS)
    loads = {"load_of_others": round(load, 1), "load_at_the_end": round(os.getloadavg()[0], 1)}  # with our own 1
    found = codec_figures.figures_of(table, skipped, starts) | versions | loads
    if options.json:
        print(json.dumps(codec_figures.for_machines(table)), flush=True)
    else:
        print("\n".join(codec_figures.for_people(table, skipped)), flush=True)
    if options.quick:
        print(json.dumps(found))
        return 0
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-") as folder:
        judged = codec_figures.thresholds_beside(skipped, Path(folder))
        return figures.report(codec_figures.COMMAND, found, time.perf_counter() - began, thresholds=judged)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.codec_bench", description="Measure the ISO 8583 codec.")
    parser.add_argument("--passes", type=int, default=3, help="how many passes over all cells")
    parser.add_argument("--json", action="store_true", help="the table as one line of JSON")
    parser.add_argument("--quick", action="store_true", help="one short pass; nothing is judged or kept")
    return parser.parse_args()


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def start_peers(names: Iterable[str], stack: ExitStack) -> tuple[dict[str, Peer], dict[str, str]]:
    """Start the codecs of these names. Those that are absent come with the sentence that says why."""
    peers, skipped = dict[str, Peer](), dict[str, str]()
    for name in names:
        try:
            peers[name] = stack.enter_context(started(name, STARTS[name](_tell)))
        except Absent as absent:
            skipped[name] = str(absent)
            _tell(f"skipped: {absent}")
    return peers, skipped


@dataclass(frozen=True, slots=True)
class Turn:
    """What one column has timed in every round of a cell: so many operations of a codec on a group of messages."""

    column: Column
    peer: Peer
    cell: Cell
    count: int = 1

    def ns(self) -> float:
        """Take it: nanoseconds for one operation."""
        return self.peer.time(self.column.operations[self.cell.operation], self.cell.group, self.count) / self.count

    def lasting(self, turn_s: float, warm_s: float, size: int) -> "Turn":
        """The same for about `turn_s`, in whole rotations of `size` messages, once it has run for `warm_s`."""
        turn = replace(self, count=size)
        while (ns := turn.ns()) * turn.count < 1e9 * warm_s:
            turn = replace(turn, count=2 * turn.count)
        return replace(turn, count=size * math.ceil(1e9 * turn_s / ns / size))


def measure(peers: Mapping[str, Peer], passes: int, turn_s: float, warm_s: float) -> list[Timings]:
    """All passes over all cells.

    Args:
        peers: the codecs by name; "ours" is among them.
        passes: how many.
        turn_s: how long one column is timed in one round.
        warm_s: how long it runs before that.

    Raises:
        RuntimeError: a peer means something else by a message than we do, so nothing can be compared.
    """
    groups = {group.name: group for group in all_groups()}
    pairs = [(peer, group) for group in groups.values() for peer in peers.values()]
    able = {(peer.name, group.name) for peer, group in pairs if taught(peer, group, peers)}
    table = []
    for cell in CELLS:
        _tell(f"warming up: {cell.name}")
        columns = [column for column in COLUMNS if cell.operation in column.operations]
        turns = [Turn(each, peers[each.peer], cell) for each in columns if (each.peer, cell.group) in able]
        size = len(groups[cell.group].messages)
        table.append((Timings(cell), [turn.lasting(turn_s, warm_s, size) for turn in turns]))
    for number in range(1, passes + 1):
        for timings, turns in table:
            timings.passes.append([{turn.column.title: turn.ns() for turn in turns} for _ in range(ROUNDS)])
            told = "  ".join(f"{title} {ns:,.0f}" for title, ns in timings.passes[-1][-1].items())
            _tell(f"pass {number} of {passes}: {timings.cell.name}, ns: {told}")
    return [timings for timings, _ in table]


def taught(peer: Peer, group: Group, peers: Mapping[str, Peer]) -> bool:
    """Give `peer` the messages of `group`; False if it cannot write them.

    Raises:
        RuntimeError: it writes other bytes than ours, or reads something else in them.
    """
    table = profiles()[group.profile]
    peer.learn(group.profile, table)
    wires = [peers[OURS].encode(group.profile, message) for message in group.messages]
    try:
        for message, wire in zip(group.messages, wires, strict=True):
            if peer.encode(group.profile, message) != wire or peer.decode(group.profile, table, wire) != message:
                raise RuntimeError(f"{peer.name} does not mean by {group.name} what we mean")
            peer.add(group.name, group.profile, message)
    except Cannot as why:
        _tell(f"{group.name} is left out: {why}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
