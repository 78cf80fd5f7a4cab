"""The last line of every measuring command: its figures as JSON, judged against bench/thresholds.toml and kept.

The line goes to standard output and to the end of docs/figures.jsonl, in one piece:

    {"command": "sim", "date": "2026-11-20T12:00:00Z", "commit": "1a2b3c4d5e6f",
     "machine": "2 x AMD EPYC, 4 GiB, Linux 6.1, Python 3.11.2", "seconds": 231.0,
     "figures": {"worlds": 5000, "violations": 0}, "falls_short": []}

`falls_short` names every threshold that was missed, with the figure; only an empty one is success.
"""

import json
import math
import os
import platform
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THRESHOLDS = ROOT / "bench" / "thresholds.toml"
KEPT = ROOT / "docs" / "figures.jsonl"

Figure = int | float | str | None
Bounds = Mapping[str, float]


def report(
    command: str, figures: Mapping[str, Figure], seconds: float, *, thresholds: Path = THRESHOLDS, kept: Path = KEPT
) -> int:
    """Print and keep the figures of one run of `command`.

    Args:
        command: the word after `make`, and the table's name in the thresholds file.
        figures: name to number, or to text for what is only told; units last in the names.
        seconds: wall time of the whole command; a threshold may be set on it as `seconds`.
        thresholds: the TOML file of bounds.
        kept: the file that one line is appended to.

    Returns:
        The exit code: 0, or 1 when a threshold was missed.
    """
    bounds = tomllib.loads(thresholds.read_text("utf-8")).get(command, {})
    falls_short = list(shortfalls({**figures, "seconds": seconds}, bounds))
    line = json.dumps(
        {
            "command": command,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": commit(),
            "machine": machine(),
            "seconds": round(seconds, 1),
            "figures": dict(figures),
            "falls_short": falls_short,
        },
        ensure_ascii=False,
    )
    with kept.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)
    return 1 if falls_short else 0


def shortfalls(figures: Mapping[str, Figure], bounds: Mapping[str, Bounds]) -> Iterator[str]:
    """One sentence for each bound that its figure misses; a figure that is absent or no number misses it too.

    Raises:
        ValueError: a bound is neither `min` nor `max`.
    """
    for name, bound in bounds.items():
        if not bound or bound.keys() - {"min", "max"}:
            raise ValueError(f"thresholds: {name} wants min or max, it has {sorted(bound)}")
        figure = figures.get(name)
        if not isinstance(figure, int | float) or math.isnan(figure):
            yield f"{name} was not measured"
        elif figure < bound.get("min", -math.inf):
            yield f"{name} is {figure:g}, it must be at least {bound['min']:g}"
        elif figure > bound.get("max", math.inf):
            yield f"{name} is {figure:g}, it must be at most {bound['max']:g}"


def commit() -> str:
    """The commit of the tree, with `-dirty` if it was changed since; `unknown` outside a git clone."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> str:
    """What the figures depend on: usable cores, processor, memory, kernel, Python."""
    cores = len(os.sched_getaffinity(0))
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    processor = models[0] if models else platform.machine()
    return f"{cores} x {processor}, {memory_gib:.0f} GiB, Linux {kernel}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []
