"""Which slip a piece of paper is, by what is printed on it: batch, voucher, copy, and whether it says DUPLICATE.

That is all that a shop has to tell slips apart, so it is what "printed once" is judged by.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_COPIES = re.compile("商户存根|银行存根|持卡人存根|结算总计单")
_BATCH, _VOUCHER = re.compile(r"BATCH NO +(\d{6})"), re.compile(r"VOUCHER NO +(\d{6})")
_SETTLEMENT = "结算总计单"
_DUPLICATE = "DUPLICATED"


@dataclass(frozen=True, slots=True, order=True)
class SlipName:
    """One copy of one slip; the voucher of a settlement is empty."""

    batch: str
    voucher: str
    copy: str


@dataclass(frozen=True, slots=True)
class PrintedName:
    """What a piece of paper says that it is."""

    slip: SlipName
    duplicate: bool


def name_of(lines: Sequence[str]) -> PrintedName | None:
    """Read the lines of a piece of paper; None if it was torn off before its numbers, or is the rest of such a one."""
    text = "\n".join(lines)
    copy, batch, voucher = _COPIES.search(text), _BATCH.search(text), _VOUCHER.search(text)
    if copy is None or batch is None or (voucher is None and copy[0] != _SETTLEMENT):
        return None
    return PrintedName(SlipName(batch[1], voucher[1] if voucher else "", copy[0]), _DUPLICATE in text)


def printed_twice(papers: Iterable[Sequence[str]]) -> list[SlipName]:
    """Those slips of which there are two pieces of paper that do not say DUPLICATE, whole or torn."""
    names = (name_of(lines) for lines in papers)
    originals = Counter(name.slip for name in names if name and not name.duplicate)
    return sorted(slip for slip, count in originals.items() if count > 1)
