"""`make bench-devices`: what the devices at the counter take: the card's kernel, camera, scanner, printer.

    python -m bench.devices_bench [--quick]

First a real terminal without a camera sells, and its memory is searched for OpenCV. Then what is timed, alone: the
kernel's own time for whole sales (`bench.emv_kernel`), cards tapped at a reader behind pcscd (`bench.taps`), the
camera's reader on spoiled frames and scans over a pseudo-terminal (`simulators.camera_measures`), slips up to the
printer's door (`simulators.printer_days`). Last what is only counted, on all cores: frames without a code, and a
thousand jobs on a printer's bad days.

Progress goes to standard error, the table and the line of figures to standard output. --quick is a small part of
everything without a judgement, for tests and for trying things out.
"""

import argparse
import asyncio
import json
import math
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final

from bench import figures
from bench.emv_kernel import Script, contact_sale_with_cda, tapped_sale_with_fdda
from bench.taps import taps
from simulators import pcscd
from simulators.camera_frames import DEGRADATIONS, KINDS
from simulators.camera_measures import decoding, false_numbers, scan_latency
from simulators.printer_days import bad_day, hand_over_times_s
from simulators.tour.processes import KeptProcess
from simulators.tour.setting_up import Shop, reserved_ports, set_up
from simulators.tour.shop import RunningShop
from simulators.tour.steps import chip_sale, scan_sale, sign_on

COMMAND: Final = "bench-devices"
SEED: Final = 1

Figures = dict[str, figures.Figure]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything."""

    kernel_sales: int
    taps: int
    frames_of_each_degradation: int
    scans: int
    slips: int
    frames_glanced_at: int
    shares_without_code: int  # each with a seed of its own
    frames_in_a_share: int
    printer_jobs: int


FULL: Final = Extent(1000, 60, 40, 2000, 300, 300, 20, 500, 1000)
QUICK: Final = Extent(5, 3, 1, 20, 3, 5, 2, 5, 8)

TOLD: Final[Mapping[str, str]] = {  # figure to words, in the order of the table
    "contact_kernel_p50_ms": "contact sale with CDA, the kernel alone: median",
    "contact_kernel_p99_ms": "  99 of 100 sales",
    "tapped_kernel_p50_ms": "tapped sale with fDDA, the kernel alone: median",
    "tapped_kernel_p99_ms": "  99 of 100 sales",
    "tap_to_decision_ms": "tapped card switched on by pcscd, to the decision: median",
    "tap_noticed_ms": "  before that, until pcscd looks at a virtual reader",
    "camera_qr_share": "pay code as QR, ten degradations: read",
    "camera_code128_share": "pay code as Code-128 up to 30 degrees: read",
    "camera_payload_share": "payload of 300 bytes as QR: read",
    "camera_misread": "frames that were read as something else",
    "camera_frame_ms": "a spoiled frame, on one core: mean of the slowest kind",
    "camera_frame_worst_ms": "  the slowest of all",
    "camera_frame_without_code_ms": "a frame of a stream without a code: mean",
    "camera_still_without_code_ms": "  the same as a single picture, with every effort",
    "camera_frames_without_code": "frames without a code",
    "camera_false_numbers": "  numbers read in them",
    "scan_to_event_p50_ms": "scan to event over a pseudo-terminal: median",
    "scan_to_event_p99_ms": "  99 of 100 scans",
    "slip_p50_ms": "slips of a sale, over 40 lines, rendered and handed over: median",
    "slip_p99_ms": "  99 of 100",
    "printer_jobs": "jobs to a printer that fails at random",
    "printer_faults": "  power, paper, cover, line, and terminals killed",
    "printer_kinds_of_faults": "  different ones",
    "printer_duplicates": "  papers that say DUPLICATE",
    "printer_slips_lost": "  slips that are not on paper",
    "printer_slips_doubled": "  slips twice on paper without saying so",
    "opencv_files_without_camera": "files of OpenCV in a terminal without a camera",
}


def main() -> int:
    """Measure, tell, judge."""
    options = _options()
    began, load = time.perf_counter(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-") as folder:
        found = measure(QUICK if options.quick else FULL, Path(folder))
    found |= {"load_of_others": round(load, 1), "load_at_the_end": round(os.getloadavg()[0], 1)}
    bounds = tomllib.loads(figures.THRESHOLDS.read_text("utf-8"))[COMMAND]
    print("\n".join(for_people(found, bounds)), flush=True)
    if options.quick:
        print(json.dumps(found))
        return 0
    return figures.report(COMMAND, found, time.perf_counter() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.devices_bench", description="Measure the devices.")
    parser.add_argument("--quick", action="store_true", help="a small part of everything; nothing is judged or kept")
    return parser.parse_args()


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def measure(extent: Extent, folder: Path) -> Figures:
    """Measure everything, in new folders below `folder`."""
    _tell("a terminal without a camera, selling")
    found: Figures = {"opencv_files_without_camera": opencv_of_a_terminal(folder / "shop")}
    found |= _kernel(extent) | tapped(extent.taps, _new(folder / "pcscd"), pcscd.missing()) | _camera(extent)
    _tell("scans over a pseudo-terminal")
    scans = asyncio.run(scan_latency(_new(folder / "scans"), extent.scans))
    found |= {"scan_to_event_p50_ms": round(scans.ms_p50, 3), "scan_to_event_p99_ms": round(scans.ms_p99, 3)}
    _tell("slips up to the printer's door")
    times_s = asyncio.run(hand_over_times_s(extent.slips, _new(folder / "slips")))
    found |= percentiles("slip", times_s)
    found |= _counted(extent, folder)
    return {name: found[name] for name in TOLD}


def _kernel(extent: Extent) -> Figures:
    _tell("the kernel, card and network left out")
    scripts: dict[str, Script] = {"contact_kernel": contact_sale_with_cda(), "tapped_kernel": tapped_sale_with_fdda()}
    found = Figures()
    for name, script in scripts.items():
        found |= percentiles(name, script.times_s(extent.kernel_sales))
    return found


def tapped(count: int, folder: Path, missing: str) -> Figures:
    """Tap cards at a reader behind a pcscd of our own, unless something is missing for that."""
    if missing:
        return dict.fromkeys(("tap_to_decision_ms", "tap_noticed_ms"), f"not measured: {missing}")
    _tell(f"{count} cards tapped at a reader behind pcscd")
    found = taps(count, folder, SEED)
    return {
        "tap_to_decision_ms": round(1e3 * median(tap.decided_s for tap in found), 2),
        "tap_noticed_ms": round(1e3 * median(tap.noticed_s for tap in found), 2),
    }


def _camera(extent: Extent) -> Figures:
    found, readings = Figures(), []
    for kind in KINDS:
        frames = extent.frames_of_each_degradation * len(DEGRADATIONS)
        _tell(f"camera: {frames} frames of {kind}")
        readings.append(reading := decoding(kind, extent.frames_of_each_degradation, SEED))
        found[f"camera_{kind}_share"] = round(reading.rate, 4)
        if missed := {name: rate for name, rate in reading.rates.items() if rate < 1}:
            _tell(f"  not always read: {', '.join(f'{name} {rate:.1%}' for name, rate in missed.items())}")
    _tell("camera: the time for a frame without a code")
    nothing = false_numbers(extent.frames_glanced_at, SEED)
    return found | {
        "camera_misread": sum(reading.wrong for reading in readings),
        "camera_frame_ms": round(max(reading.ms_mean for reading in readings), 2),
        "camera_frame_worst_ms": round(max(reading.ms_worst for reading in readings), 2),
        "camera_frame_without_code_ms": round(nothing.ms_glance, 2),
        "camera_still_without_code_ms": round(nothing.ms_mean, 2),
    }


def percentiles(name: str, times_s: Sequence[float]) -> Figures:
    """The median, and what 99 of 100 keep, in milliseconds."""
    inside = sorted(times_s)
    shares = {"p50": 0.5, "p99": 0.99}
    return {
        f"{name}_{word}_ms": round(1e3 * inside[math.ceil(share * len(inside)) - 1], 3)
        for word, share in shares.items()
    }


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


# What is counted, on all cores ---------------------------------------------------------------------------------------


def _counted(extent: Extent, folder: Path) -> Figures:
    """Bad days of a printer, and beside them frames without a code."""
    _tell(f"printer: {extent.printer_jobs} jobs on bad days, and beside them frames without a code")
    found: Figures = {"camera_frames_without_code": 0, "camera_false_numbers": 0}
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as apart:
        printing = apart.submit(printed, extent.printer_jobs, _new(folder / "printer"))
        shares = range(1, extent.shares_without_code + 1)
        looking = [apart.submit(false_numbers, extent.frames_in_a_share, SEED + share) for share in shares]
        frames = codes = 0
        for share in as_completed(looking):
            frames, codes = frames + share.result().frames, codes + share.result().found
            _tell(f"camera: {frames} frames without a code, {codes} numbers read in them")
        found |= printing.result()
    return found | {"camera_frames_without_code": frames, "camera_false_numbers": codes}


def printed(jobs: int, folder: Path) -> Figures:
    """Let a printer have its bad days; count what became of so many jobs."""
    day = asyncio.run(bad_day(jobs, SEED, folder))
    _tell(f"printer: {jobs} jobs, {len(day.papers)} papers, the terminal started {day.lives} times")
    return {
        "printer_jobs": day.jobs,
        "printer_faults": day.faults.total(),
        "printer_kinds_of_faults": len(day.faults),
        "printer_duplicates": day.duplicates,
        "printer_slips_lost": len(day.lost),
        "printer_slips_doubled": len(day.doubled),
    }


# A terminal without a camera -----------------------------------------------------------------------------------------


def opencv_of_a_terminal(folder: Path) -> int:
    """Open a shop in `folder` whose terminal has no camera, sell to a card and a phone, and search its memory.

    Returns:
        How many files of OpenCV the terminal and the processes that it started have loaded.
    """
    with reserved_ports() as ports:
        return asyncio.run(_after_sales(set_up(folder, ports)))


async def _after_sales(shop: Shop) -> int:
    processes = {part.name: KeptProcess(part, shop.logs, lambda _: None) for part in shop.parts}
    try:
        for name in ("issuer", "host", "counter", "terminal"):
            await processes[name].start()
        tour = RunningShop(shop, processes).tour()
        for step in (sign_on, chip_sale, scan_sale):
            await step(tour)
        return sum(len(opencv_files(process)) for process in _with_children(processes["terminal"].pid))
    finally:
        for process in reversed(processes.values()):
            await process.stop()


def _with_children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    return [process, *map(int, children)]


def opencv_files(process: int) -> set[str]:
    """The files of OpenCV that a process of ours has in its memory: the extension module, and what it brings along."""
    lines = Path(f"/proc/{process}/maps").read_text("utf-8").splitlines()
    files = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    return {file for file in files if "/cv2/" in file or "opencv" in file}


# For people ----------------------------------------------------------------------------------------------------------


def for_people(found: Mapping[str, figures.Figure], bounds: Mapping[str, figures.Bounds]) -> Iterator[str]:
    """The lines of the table: what was measured, how much it is, and what it must be."""
    yield f"{'':66}{'measured':>10}  {'wanted':<9}"
    for name, words in TOLD.items():
        figure = found[name]
        if isinstance(figure, str):
            yield f"{words:66}{'-':>10}  {_wanted(bounds.get(name, {})):<9}  {figure}"
            continue
        unit = " ms" if name.endswith("_ms") else ""
        missed = list(figures.shortfalls(found, {name: bounds[name]})) if name in bounds else []
        line = f"{words:66}{f'{figure:g}{unit}':>10}  {_wanted(bounds.get(name, {})):<9}{'  MISSED' if missed else ''}"
        yield line.rstrip()


def _wanted(bound: figures.Bounds) -> str:
    signs = {"min": ">=", "max": "<="}
    return " ".join(f"{signs[side]} {value:g}" for side, value in bound.items())


if __name__ == "__main__":
    sys.exit(main())
