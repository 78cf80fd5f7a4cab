"""One drill: the script runs against a running shop while somebody sells, and then everything is proved."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firmware_config.profile import ProfileError, load_profile
from simulators import broker
from simulators.drill.proofs import compare_in, prove
from simulators.drill.script import Act, Stage
from simulators.drill.staff import Staff
from simulators.drill.telling import Report, Teller, Times
from simulators.drill.watch import Watch, drained, noticed, worst
from simulators.tour.checks import Books, Check
from simulators.tour.people import NotSeen, View
from simulators.tour.setting_up import OFFLINE_SALE_MAX, SUPERVISOR, SUPERVISOR_PIN, House, Ports, Shop, set_up
from simulators.tour.shop import RunningShop
from simulators.tour.steps import Tour

DRILL = House(
    ("演练商户（不是真的）", "DRILL - NOT REAL"),
    {
        "sale_amount_max": OFFLINE_SALE_MAX, "total_amount_max": 1_000_000, "count_max": 800,
        "card_amount_max": 1_000_000, "card_count_max": 800,
    },
)  # fmt: skip
"""The merchant of every slip and page; its few cards and its phone buy again and again."""

PAUSE_SHARE, PAUSE_S_MAX = 0.01, 20.0
REPLY_SHARE, REPLY_TIMEOUT_S_MIN, REPLY_TIMEOUT_S_MAX = 0.05, 3.0, 30.0
"""Where a sale waits for a dead line's answer as long as everywhere, a drill of a minute is half over."""

OVER_WITHIN_S = 180.0
TICK_S = 0.5
FOREVER = float("inf")


class DrillError(Exception):
    """A drill cannot be held there; the text says why."""


@dataclass(frozen=True, slots=True)
class _Played:
    """An act, and when it began and was done, in seconds of a clock that only counts."""

    act: Act
    began: float
    done: float


def prepare(folder: Path, ports: Ports, duration_s: float) -> Shop:
    """Set up the shop of a drill of so many seconds, in a folder of its own.

    Raises:
        DrillError: another shop lies there.
        BrokerFilesError, CertificateError, HostError, KeyRoomError, StoreError, WalletError, OSError: as `set_up`.
    """
    profile = folder / "terminal" / "profile.toml"
    if profile.exists():
        try:
            name = load_profile(profile).merchant_name_en
        except ProfileError as error:
            raise DrillError(f"{folder} 不能用于演练 / no drill in {folder}: {error}") from None
        if name != DRILL.names[1]:
            raise DrillError(f"{folder} 里是另一家店 / another shop lies in {folder}: name an empty folder with --data")
    reply_timeout_s = min(REPLY_TIMEOUT_S_MAX, max(REPLY_TIMEOUT_S_MIN, duration_s * REPLY_SHARE))
    house = replace(DRILL, reply_timeout_s=reply_timeout_s)
    return set_up(folder, ports, with_broker=broker.available(), with_line=True, house=house)


async def rehearse(
    running: RunningShop, acts: Sequence[Act], duration_s: float, teller: Teller, *, people: bool
) -> Report:
    """Hold a drill of so many seconds, and report. `people`: they sell on the page; else a scripted cashier does.

    Raises NotSeen or PageError if the shop does not come to rest afterwards.
    """
    tour = running.tour()
    await tour.signed_on()
    before = await Books.now(running.shop, tour.banker)
    watch = Watch(running.shop.ports.page)
    staff = None if people else Staff(tour, min(PAUSE_S_MAX, duration_s * PAUSE_SHARE))
    began = time.monotonic()
    with teller.running():
        async with _beside(watch.look()), _beside(_tick(teller, watch, began)):
            selling = asyncio.ensure_future(staff.work()) if staff else None
            try:
                played = await _play(Stage(running, tour.customer, duration_s), acts, teller, began)
                await asyncio.sleep(max(0.0, began + duration_s - time.monotonic()))
                teller.over()
                if staff and selling:
                    staff.close()
                    await selling
                await tour.cashier.until("the bank has everything", _is_at_rest, OVER_WITHIN_S)
            finally:
                if selling:
                    selling.cancel()
    checks = [await _settled(tour)] if staff else []
    after, found = await Books.now(running.shop, tour.banker), await asyncio.to_thread(compare_in, running.shop)
    return Report(
        found, worst(watch.sights), _times(played, watch), staff.turns if staff else None,
        (*await prove(running.shop, before, after, found), *checks),
    )  # fmt: skip


async def _play(stage: Stage, acts: Sequence[Act], teller: Teller, began: float) -> list[_Played]:
    played = list[_Played]()
    for act in acts:
        await asyncio.sleep(max(0.0, began + act.at * stage.duration_s - time.monotonic()))
        now = time.monotonic()
        teller.happens(act, now - began)
        await act.play(stage)
        played.append(_Played(act, now, time.monotonic()))
    return played


async def _tick(teller: Teller, watch: Watch, began: float) -> None:
    while True:
        teller.now(time.monotonic() - began, watch.sights[-1] if watch.sights else None)
        await asyncio.sleep(TICK_S)


def _is_at_rest(view: View) -> bool:
    """Nothing is owed to the bank, and no slip to a customer."""
    at_rest = all(payment["final"] and not payment["receipt_due"] for payment in view["payments"])
    online = view["session"]["state"] == "ready" and view["current"] is None
    return bool(at_rest and online and not view["offline"]["owed_count"] and not view["parked"]["batches"])


async def _settled(tour: Tour) -> Check:
    """The scripted cashier closes the batch; what the host has must be what the terminal claims."""
    batch = (await tour.cashier.view())["batch"]
    await tour.cashier.settle(SUPERVISOR, SUPERVISOR_PIN)
    try:
        view = await tour.cashier.until(
            "the batch is closed", lambda view: (view["settlement"]["last"] or {}).get("batch") == batch
        )
    except NotSeen:
        return _settlement(balanced=False, found=f"{batch} is open")
    balanced = bool(view["settlement"]["last"]["balanced"])
    return _settlement(balanced=balanced, found=batch if balanced else f"{batch} does not balance")


def _settlement(*, balanced: bool, found: str) -> Check:
    return Check("settled", "批次结平", "the batch is settled and balances", balanced, found)


def _times(played: Sequence[_Played], watch: Watch) -> Times:
    offline, online, empty = list[float](), list[float](), list[float]()
    sights = watch.sights
    for number, one in enumerate(played):
        until = next((each.began for each in played[number + 1 :] if each.act.line), FOREVER)
        if one.act.line == "cut":
            offline += _if_seen(noticed(sights, one.began, until, online=False))
        elif one.act.line == "back":
            online += _if_seen(noticed(sights, one.done, until, online=True))
        if one.act.carries:
            empty += _if_seen(drained(sights, one.done))
    return Times(tuple(offline), tuple(online), tuple(empty))


def _if_seen(seconds: float | None) -> list[float]:
    return [] if seconds is None else [seconds]


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let this go on during the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
