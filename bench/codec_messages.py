"""What `make bench-codec` measures: the messages, the profiles that they are written in, and the cells of the table.

All codecs are given the same values. Each profile is a table of ours, and the rows of every peer are made from it, so
the layout stands once; that all of them then write the same bytes is checked before anything is timed.

- `ascii`, `ebcdic` and `packed` are `iso87_ascii`, `iso87_ebcdic` and `iso87_bcd` as they are shipped.
- `mix` is `packed` with track 2 in ASCII, because few codecs can pack it: the one table that is not shipped.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from iso8583 import Message, load_dialect
from iso8583.table import Table

Operation = Literal["encode", "decode", "open"]

# 18 objects, 124 bytes: what a chip gives for an online purchase.
CHIP: Final = bytes.fromhex(
    "9F26081122334455667788 9F270180 9F101307010103A0A802010A010000000000AABBCCDD 9F3704DEADBEEF 9F36020007"
    "9505080004E000 9A03261120 9C0100 9F0206000000012345 5F2A020156 82027C00 9F1A020156 9F0306000000000000"
    "9F3303E0F8C8 9F3403420300 9F350122 9F090200A0 9F410400000017"
)

PURCHASE: Final = Message(
    "0200",
    {
        2: "6299990000000009", 3: "000000", 4: "000000012345", 7: "1120093059", 11: "000017", 12: "173059", 13: "1120",
        14: "3012", 22: "051", 23: "001", 25: "00", 35: "6299990000000009D30122011234567890123", 37: "093059000017",
        41: "10000001", 42: "898110053110001", 49: "156", 52: bytes.fromhex("0123456789ABCDEF"), 55: CHIP,
        60: "22000017000601POS-EDGE-017", 64: bytes.fromhex("FEDCBA9876543210"),
    },
)  # fmt: skip
SIGN_ON: Final = Message("0800", {7: "1120093059", 11: "000018", 41: "10000001", 70: "001"})


# Our codec makes plans for at most 512 shapes of message and never drops one. The fillers take all those places; the
# misses come after them, so none of them ever has a plan, however often it comes round.
MISSES_OF: Final = "mix-misses"
FILLERS: Final = 640
MISSES: Final = 1024


def profiles() -> Mapping[str, Table]:
    """The tables of all profiles, by name. `mix-misses` is `mix` once more, so that it learns apart from it."""
    packed = load_dialect("iso87_bcd").table
    mix = packed.derive("mix", {35: {"encoding": "ascii"}})
    ascii_table, ebcdic = load_dialect("iso87_ascii").table, load_dialect("iso87_ebcdic").table
    return {"mix": mix, "ascii": ascii_table, "packed": packed, "ebcdic": ebcdic, MISSES_OF: mix}


@dataclass(frozen=True, slots=True)
class Group:
    """Messages of one profile that are timed in rotation; most groups have one."""

    name: str
    profile: str
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table: an operation on a group. `open` is decode, and then field 55 opened to its tags."""

    group: str
    operation: Operation

    @property
    def name(self) -> str:
        """What it is called in the table and among the figures."""
        return f"{self.group} {self.operation}"


CELLS: Final = (
    *(Cell(f"{profile}/{message}", operation)
      for profile in ("mix", "ascii", "ebcdic") for message in ("purchase", "sign-on")
      for operation in ("encode", "decode")),
    Cell("packed/purchase", "encode"), Cell("packed/purchase", "decode"),
    Cell("mix/purchase", "open"),
    Cell(MISSES_OF, "encode"), Cell(MISSES_OF, "decode"),
)  # fmt: skip


def all_groups() -> Sequence[Group]:
    """All messages, by profile; the fillers before the misses."""
    shapes = list(distinct_shapes(FILLERS + MISSES))
    return [
        *(Group(f"{profile}/purchase", profile, [PURCHASE]) for profile in ("mix", "ascii", "ebcdic", "packed")),
        *(Group(f"{profile}/sign-on", profile, [SIGN_ON]) for profile in ("mix", "ascii", "ebcdic")),
        Group("mix-fillers", MISSES_OF, shapes[:FILLERS]),
        Group(MISSES_OF, MISSES_OF, shapes[FILLERS:]),
    ]


def distinct_shapes(count: int, seed: int = 1) -> Iterator[Message]:
    """`count` messages with 12 to 19 of the purchase's 20 fields, 15 on average, no two with the same fields."""
    chance, seen = random.Random(seed), set[frozenset[int]]()
    while len(seen) < count:
        shape = frozenset(chance.sample(list(PURCHASE), chance.randint(12, len(PURCHASE) - 1)))
        if shape not in seen:
            seen.add(shape)
            yield Message(PURCHASE.mti, {number: PURCHASE[number] for number in sorted(shape)})
