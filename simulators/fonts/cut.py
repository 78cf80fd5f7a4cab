"""Cut GNU Unifont down to what the virtual printer needs: ``python simulators/fonts/cut.py unifont.hex``.

Kept are ASCII, Latin-1, the characters of GB2312 (with its punctuation, Greek, Cyrillic and kana), box drawing, and
the full-width currency signs. The output is a gzip file in Unifont's own .hex format, ``code:bitmap`` a line, without
a time stamp, so that the same input gives the same bytes.
"""

import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

OUTPUT = Path(__file__).with_name("unifont-gb2312.hex.gz")
_RANGES = (("\u0020", "\u007e"), ("\u00a0", "\u00ff"), ("\u2500", "\u257f"))
_EXTRA = frozenset("￡￥￠…—“”‘’·€№")


def wanted(character: str) -> bool:
    """Say whether the cut keeps a character."""
    kept_range = any(first <= character <= last for first, last in _RANGES)
    return kept_range or character in _EXTRA or len(character.encode("gb2312", "ignore")) == 2


def cut(lines: Iterable[str]) -> Iterator[str]:
    """Yield those lines of a .hex file whose character is wanted."""
    return (line for line in lines if wanted(chr(int(line.partition(":")[0], 16))))


if __name__ == "__main__":
    kept = "".join(cut(Path(sys.argv[1]).read_text(encoding="ascii").splitlines(keepends=True)))
    OUTPUT.write_bytes(gzip.compress(kept.encode("ascii"), compresslevel=9, mtime=0))
