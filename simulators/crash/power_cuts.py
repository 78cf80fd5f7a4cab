"""What a power cut leaves of a store: every state of its two files that the disk may be in between two commits.

A SQLite store with a write-ahead log is the database file and the log. While a commit is being written, the log holds
what it held, then some of the new bytes, then what was there before, or nothing, or a sector of garbage. While the log
is being moved into the database, any of the new sectors may be there, and the log is whole. Whatever it is, the real
code must open it, find all that was acknowledged, and of the commit under way all or nothing.

`disks` takes the files as they were after one commit and after the next, and gives every state in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

SECTOR = 512
CHECKPOINT_STATES = 16  # of the two to the power of so many that sectors of the database can be in


@dataclass(frozen=True, slots=True)
class Disk:
    """The bytes of the database file and of its log."""

    database: bytes
    log: bytes

    @classmethod
    def read(cls, path: Path) -> "Disk":
        """The files as they are now; a log that is not there is empty."""
        log = _log(path)
        return cls(path.read_bytes(), log.read_bytes() if log.exists() else b"")

    def write(self, path: Path) -> None:
        """Leave these files, and no index of the log: that is in memory."""
        path.write_bytes(self.database)
        _log(path).write_bytes(self.log)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@dataclass(frozen=True, slots=True)
class Cut:
    """One state. `complete` says that all of the newer commit is there, so that it must be found."""

    disk: Disk
    complete: bool


def disks(before: Disk, after: Disk, chance: Random) -> Iterator[Cut]:
    """Every state that a cut between two commits can leave."""
    start, end = _changed(before.log, after.log)
    for cut in _places(start, end):
        head, tail = after.log[:cut], before.log[cut:]
        yield Cut(Disk(before.database, _torn(head, tail, chance)), complete=cut == end)
    if after.database != before.database:
        for _ in range(CHECKPOINT_STATES):
            yield Cut(Disk(_mixed(before.database, after.database, chance), after.log), complete=True)


def _changed(before: bytes, after: bytes) -> tuple[int, int]:
    """From where to where the log was written. It grows, or is written from its start again and keeps its length."""
    start = _common_prefix(before, after)
    if len(after) > len(before):
        return start, len(after)
    return start, max(start, len(after) - _common_prefix(before[::-1], after[::-1]))


def _common_prefix(one: bytes, other: bytes) -> int:
    at = 0
    while one[at : at + SECTOR] == other[at : at + SECTOR] and at < len(one):
        at += SECTOR
    pairs = zip(one[at : at + SECTOR], other[at : at + SECTOR], strict=False)
    return min(at + next((place for place, (a, b) in enumerate(pairs) if a != b), SECTOR), len(one), len(other))


def _places(start: int, end: int) -> list[int]:
    """Every border of a sector, and both ends and their neighbours."""
    borders = range(start - start % SECTOR + SECTOR, end, SECTOR)
    return sorted({start, start + 1, *borders, end - 1, end} & set(range(start, end + 1)))


def _torn(head: bytes, tail: bytes, chance: Random) -> bytes:
    """What was written, and behind it half of the time a sector of garbage, else what was there before."""
    if chance.random() < 0.5:
        return head + tail
    return head + chance.randbytes(SECTOR) + tail[SECTOR:]


def _mixed(before: bytes, after: bytes, chance: Random) -> bytes:
    """The database with some of its new sectors, in any order, at a length somewhere between the two."""
    length = chance.choice((len(before), len(after)))
    old, new = before.ljust(length, b"\0")[:length], after[:length]
    pieces = ((new if chance.random() < 0.5 else old)[at : at + SECTOR] for at in range(0, length, SECTOR))
    return b"".join(pieces)
