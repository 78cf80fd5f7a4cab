"""What it costs to import `iso8583` and load one dialect, in processes that have done nothing else."""

import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

REPEATS: Final = 9

# Peak memory as the kernel counts it for this process; `ru_maxrss` would also count its parent's, before the exec.
_PROGRAM: Final = """
import time
began = time.perf_counter()
{load}
took = time.perf_counter() - began
print(1e3 * took, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What loading one dialect takes over bare Python: medians, and the milliseconds of the quickest process."""

    dialect: str
    milliseconds: float
    at_best: float
    mebibytes: float


def measure(names: Sequence[str], repeats: int = REPEATS) -> list[Start]:
    """`repeats` processes for each dialect, in turn with processes that load nothing."""
    loads = {"": "pass", **{name: f"import iso8583; iso8583.load_dialect({name!r})" for name in names}}
    runs = [{name: _run(load) for name, load in loads.items()} for _ in range(repeats)]
    milliseconds = {name: [run[name][0] for run in runs] for name in loads}
    kib = {name: statistics.median(run[name][1] for run in runs) for name in loads}
    return [
        Start(name, statistics.median(milliseconds[name]), min(milliseconds[name]), (kib[name] - kib[""]) / 1024)
        for name in names
    ]


def _run(load: str) -> tuple[float, int]:
    """Milliseconds that `load` takes in a fresh process, and the most memory it had, in KiB."""
    command = [sys.executable, "-c", _PROGRAM.format(load=load)]
    milliseconds, kib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(milliseconds), int(kib)
