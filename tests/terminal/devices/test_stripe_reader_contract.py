"""The contract of stripe readers, run on every driver: a swipe that is waited for arrives, any other is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from simulators.cards import load_card
from simulators.stripe_reader import VirtualStripeReader, swipe_of
from terminal.devices import StripeReader
from terminal.devices.stripe_reader_serial import SerialStripeReader
from terminal.magnetic_stripe import Stripe, Swipe, SwipeFailed
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

GOOD, OTHER = load_card("good"), load_card("stripe_only")


@dataclass(frozen=True)
class Stage:
    """A reader, its card slot in somebody's hand, and what its plug has done."""

    reader: StripeReader
    device: VirtualStripeReader
    health: HealthLog
    with_lrc: bool

    async def read(self, *sent: bytes) -> Swipe:
        """Wait for a swipe, then let the device send."""
        swipe = asyncio.ensure_future(self.reader.next_swipe())
        await asyncio.sleep(0)
        for data in sent:
            self.device.send(data)
        return await swipe

    async def swiped(self) -> Swipe:
        """Wait for a swipe, then pull a card through."""
        swipe = asyncio.ensure_future(self.reader.next_swipe())
        await asyncio.sleep(0)
        self.device.swipe(GOOD)
        return await swipe


@asynccontextmanager
async def serial(with_lrc: bool, folder: Path) -> AsyncIterator[Stage]:
    device, health = VirtualStripeReader(folder / "stripe_reader", with_lrc=with_lrc), HealthLog()
    reader = SerialStripeReader(str(device.path), with_lrc=with_lrc, health_changed=health)
    await health.until("ready")
    yield Stage(reader, device, health, with_lrc)
    await reader.close()
    device.close()


Driver = Callable[[Path], AbstractAsyncContextManager[Stage]]
DRIVERS: dict[str, Driver] = {"serial": partial(serial, False), "serial with check characters": partial(serial, True)}
Scene = Callable[[Stage], Awaitable[None]]


@pytest.fixture(params=DRIVERS.values(), ids=list(DRIVERS))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    async def on_stage(scene: Scene) -> None:
        async with asyncio.timeout(PATIENCE_S), request.param(tmp_path) as stage:
            await scene(stage)

    return lambda scene: asyncio.run(on_stage(scene))


def pan_of(swipe: Swipe) -> str:
    assert isinstance(swipe, Stripe), swipe
    return swipe.pan


def test_a_swipe_arrives_with_all_its_tracks(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        swipe = await stage.swiped()
        assert isinstance(swipe, Stripe)
        assert (swipe.pan, swipe.expiry, swipe.service_code) == (GOOD.pan, GOOD.expiry[:4], GOOD.service_code)
        assert (swipe.track2, swipe.track3) == tuple(GOOD.tracks[number].replace("=", "D") for number in (2, 3))
        assert stage.reader.health().state == "ready"

    play(scene)


def test_a_card_that_nobody_waited_for_is_forgotten(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        both = b"".join(swipe_of(card, with_lrc=stage.with_lrc) + b"\r" for card in (GOOD, OTHER))
        assert pan_of(await stage.read(both)) == GOOD.pan
        assert pan_of(await stage.swiped()) == GOOD.pan

    play(scene)


def test_whoever_stopped_waiting_gets_nothing_and_holds_up_nobody(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        waiting = asyncio.ensure_future(stage.reader.next_swipe())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert pan_of(await stage.swiped()) == GOOD.pan

    play(scene)


def test_a_swipe_that_cannot_be_read_says_so_and_the_next_is_taken(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.read(b"%E?;E?+E?\r") == SwipeFailed("swipe_unreadable")
        assert await stage.read(b"\xff" * 5000, b"\r") == SwipeFailed("swipe_too_long")
        assert pan_of(await stage.swiped()) == GOOD.pan

    play(scene)


def test_a_plug_that_is_pulled_within_a_swipe_glues_nothing_together(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        stage.device.send(b";62999900")
        stage.device.line.unplug()
        await stage.health.until("attention", "unplugged")
        stage.device.line.plug()
        await stage.health.until("ready")
        assert pan_of(await stage.swiped()) == GOOD.pan

    play(scene)


def test_closed_twice_is_closed(play: Callable[[Scene], None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.reader.close()
        await stage.reader.close()
        assert stage.reader.health().reason == "closed"

    play(scene)
