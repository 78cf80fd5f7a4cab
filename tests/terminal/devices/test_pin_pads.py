"""What every PIN pad driver must do, and what it must never let out: one contract, run on each of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from iso8583.security import key_check_value, wrap_key
from simulators.pin_pad import VirtualPinPad
from terminal.devices import PinBypassed, PinCancelled, PinPad, PinPadFault
from terminal.devices.pin_pad_serial import SerialPinPad
from tests.in_a_loop import in_a_loop
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
PIN_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KEY = ("pin", wrap_key(MASTER_KEY, PIN_KEY), key_check_value(PIN_KEY))
SALE = ("6299990000000009", 1234, "156")
BLOCK = bytes.fromhex("02635C2F1B247C28")


@dataclass
class Stand:
    """A driver, the pad behind it, and how often it has cried for help."""

    driver: PinPad
    pad: VirtualPinPad
    cries: list[str]


@asynccontextmanager
async def serial(folder: Path, pin_within_s: int = 60) -> AsyncIterator[Stand]:
    health, cries = HealthLog(), list[str]()
    pad = VirtualPinPad(folder / "pin_pad", MASTER_KEY)
    driver = SerialPinPad(
        str(pad.path), pin_within_s=pin_within_s, health_changed=health, tampered=lambda: cries.append("tampered")
    )
    try:
        await health.until("ready")
        async with asyncio.timeout(PATIENCE_S):
            yield Stand(driver, pad, cries)
    finally:
        await driver.close()
        pad.close()


async def until(holds: Callable[[], object]) -> None:
    """Wait for what neither driver nor pad announces."""
    while not holds():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)


Made = Callable[..., AbstractAsyncContextManager[Stand]]
every_driver = pytest.mark.parametrize("made", [serial])


@every_driver
@in_a_loop
async def test_a_pin_comes_out_encrypted(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        stand.pad.script([*"123456", "enter"])
        assert await stand.driver.enter_pin(*SALE) == BLOCK
        assert stand.driver.health().state == "ready"


@every_driver
@pytest.mark.parametrize("digits", ["1234", "12345", "123456789012"])
@in_a_loop
async def test_pins_of_four_to_twelve_digits_are_taken(tmp_path: Path, made: Made, digits: str) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        stand.pad.script([*digits, "enter"])
        block = await stand.driver.enter_pin(*SALE)
        assert len(block) == 8 and digits.encode() not in block


@every_driver
@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (["1", "2", "cancel"], PinCancelled),
        (["enter"], PinBypassed),
        (["1", "clear", "enter"], PinBypassed),
    ],
)
@in_a_loop
async def test_the_customer_decides(tmp_path: Path, made: Made, keys: list[str], error: type[Exception]) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        stand.pad.script(keys)
        with pytest.raises(error):
            await stand.driver.enter_pin(*SALE)


@every_driver
@in_a_loop
async def test_time_runs_out(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path, pin_within_s=0) as stand:
        await stand.driver.load_key(*KEY)
        with pytest.raises(PinCancelled):
            await stand.driver.enter_pin(*SALE)


@every_driver
@in_a_loop
async def test_without_its_key_it_does_not_ask(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        with pytest.raises(PinPadFault):
            await stand.driver.enter_pin(*SALE)
        with pytest.raises(PinPadFault):
            await stand.driver.load_key("pin", KEY[1], bytes(4))
        assert not stand.pad.asks_for_pin


@every_driver
@in_a_loop
async def test_a_key_that_does_not_check_replaces_the_old_one_by_none(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        with pytest.raises(PinPadFault):
            await stand.driver.load_key("pin", bytes(16), KEY[2])
        with pytest.raises(PinPadFault):
            await stand.driver.enter_pin(*SALE)


@every_driver
@in_a_loop
async def test_a_sale_that_is_given_up_ends_the_asking_and_the_next_is_served(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        asked = asyncio.create_task(stand.driver.enter_pin(*SALE))
        await until(lambda: stand.pad.asks_for_pin)
        asked.cancel()
        await until(lambda: not stand.pad.asks_for_pin)
        stand.pad.script([*"123456", "enter"])
        assert await stand.driver.enter_pin(*SALE) == BLOCK


@every_driver
@in_a_loop
async def test_tampering_cries_once_and_ends_all_use_of_the_pad(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        stand.pad.tamper()
        await until(lambda: stand.cries)
        assert stand.driver.health().reason == "pin_pad_tampered"
        for _ in range(2):
            with pytest.raises(PinPadFault, match="pin_pad_tampered"):
                await stand.driver.load_key(*KEY)
            with pytest.raises(PinPadFault, match="pin_pad_tampered"):
                await stand.driver.enter_pin(*SALE)
        assert stand.cries == ["tampered"]


@every_driver
@in_a_loop
async def test_tampering_under_the_question_ends_it(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        asked = asyncio.create_task(stand.driver.enter_pin(*SALE))
        await until(lambda: stand.pad.asks_for_pin)
        stand.pad.press("1")
        stand.pad.tamper()
        with pytest.raises(PinPadFault, match="pin_pad_tampered"):
            await asked
        assert stand.cries == ["tampered"] and "LOCKED" in stand.pad.display[0]


@every_driver
@in_a_loop
async def test_a_pad_that_was_opened_while_nobody_listened_says_so_when_asked(tmp_path: Path, made: Made) -> None:
    async with made(tmp_path) as stand:
        await stand.driver.load_key(*KEY)
        stand.pad.unplug()
        stand.pad.tamper()
        await until(lambda: stand.driver.health().reason == "unplugged")
        stand.pad.replug()
        await until(lambda: stand.driver.health().reason not in ("unplugged", "starting"))
        with pytest.raises(PinPadFault, match="pin_pad_tampered"):
            await stand.driver.show("hello")
        assert stand.cries == ["tampered"]
