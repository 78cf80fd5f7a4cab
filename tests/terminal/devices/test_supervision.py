"""A device that is missing or dies never stops the others, and comes back by itself."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from terminal.devices import DeviceHealth, PrinterStatus, Scan, Scanned
from terminal.devices.card_reader_vpcd import VpcdCardReader
from terminal.devices.supervision import REOPEN_FIRST_S, REOPEN_MAX_S, CounterDevices, Opener, Supervision
from tests.in_a_loop import in_a_loop

CODE = "6212345678901234567"
WAIT_S = 10.0
NOW = 1_795_000_000.0


class FrailScanner:
    """Gives one code, then fails as a driver with a fault would."""

    def __init__(self) -> None:
        self.codes = [CODE]
        self.closed = False

    async def next_scan(self) -> Scan:
        if not self.codes:
            raise ValueError(CODE)
        return Scanned(self.codes.pop())

    def health(self) -> DeviceHealth:
        return DeviceHealth("ready")

    async def close(self) -> None:
        self.closed = True
        raise OSError("cannot let go of it well either")


class HangingPrinter:
    """A printer whose status never comes."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def print(self, job: bytes, begin: object = None) -> None:
        raise AssertionError("nobody prints here")

    async def status(self) -> PrinterStatus:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("never")

    def health(self) -> DeviceHealth:
        return DeviceHealth("unknown", "not_asked")

    async def close(self) -> None:
        """Nothing to let go of."""


@contextlib.asynccontextmanager
async def supervised(openers: dict[str, Opener], devices: CounterDevices | None = None) -> AsyncIterator[Supervision]:
    supervision = Supervision(devices or CounterDevices(openers=openers), lambda: NOW)
    await supervision.open()
    running = asyncio.create_task(supervision.run())
    try:
        async with asyncio.timeout(WAIT_S):
            yield supervision
    finally:
        assert not running.done(), "a device has stopped the supervision of all"
        running.cancel()
        await asyncio.wait([running])
        await supervision.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a device's health is asked for, not announced
        await asyncio.sleep(0.01)


@in_a_loop
async def test_a_port_that_is_taken_is_opened_when_it_is_free_and_the_trouble_is_remembered() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    async with supervised({"card_reader": lambda: VpcdCardReader.listen(port)}) as supervision:
        assert supervision.devices.health()["card_reader"] == DeviceHealth("attention", "not_opened")
        await until(lambda: "card_reader" in supervision.troubles)
        taken.close()
        await until(lambda: supervision.devices.card_reader is not None)
        assert supervision.devices.health()["card_reader"].state == "ready"
        assert supervision.seen().works == {"card_reader": True}
        trouble = supervision.troubles["card_reader"]
        assert (trouble.reason, trouble.at) == ("not_opened", NOW)


@in_a_loop
async def test_a_driver_that_fails_is_opened_again_and_its_codes_go_on() -> None:
    opened: list[FrailScanner] = []

    async def scanner() -> FrailScanner:
        opened.append(FrailScanner())
        return opened[-1]

    async with supervised({"scanner": scanner}) as supervision:
        assert await supervision.next_scan() == Scanned(CODE)
        assert await supervision.next_scan() == Scanned(CODE)
        assert [driver.closed for driver in opened] == [True, False]
        assert supervision.troubles["scanner"].reason == "driver_failed"


@in_a_loop
async def test_a_printer_that_hangs_keeps_nobody_from_being_opened_again() -> None:
    printer, tries = HangingPrinter(), 0

    async def hanging() -> HangingPrinter:
        return printer

    async def scanner() -> FrailScanner:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("no such device")
        return FrailScanner()

    async with supervised({"printer": hanging, "scanner": scanner}) as supervision:
        await printer.asked.wait()
        assert await supervision.next_scan() == Scanned(CODE)


@in_a_loop
async def test_what_a_driver_needs_may_be_missing() -> None:
    async def camera() -> FrailScanner:
        raise ModuleNotFoundError("cv2")

    async with supervised({"scanner": camera}) as supervision:
        assert supervision.devices.health()["scanner"].reason == "software_missing"
        assert supervision.seen().works == {"scanner": False}


@in_a_loop
async def test_what_is_not_there_is_not_opened_and_not_counted() -> None:
    async with supervised({}, CounterDevices()) as supervision:
        assert {how.reason for how in supervision.devices.health().values()} == {"not_configured"}
        assert supervision.seen().works == {}


def test_pauses_grow_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 9:
            raise asyncio.CancelledError

    async def never() -> None:
        raise OSError

    async def try_for_a_while() -> None:
        supervision = Supervision(CounterDevices(openers={"pin_pad": never}))
        monkeypatch.setattr("terminal.devices.supervision.asyncio.sleep", sleep)
        with contextlib.suppress(asyncio.CancelledError):
            await supervision.run()

    asyncio.run(try_for_a_while())
    assert pauses[:3] == [REOPEN_FIRST_S, 2 * REOPEN_FIRST_S, 4 * REOPEN_FIRST_S]
    assert pauses[-2:] == [REOPEN_MAX_S, REOPEN_MAX_S]
