"""The PIN pad driver against the virtual pad over a real pseudo-terminal, and against a line that misbehaves."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from iso8583.security import key_check_value, wrap_key
from simulators.pin_pad import Display, VirtualPinPad
from simulators.pseudo_terminal import PseudoTerminal
from terminal.devices import DeviceHealth, PinBypassed, PinCancelled, PinPadFault
from terminal.devices.pin_pad_frames import ACK, NAK, Frame, FrameReader
from terminal.devices.pin_pad_serial import SerialPinPad
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog

MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
PIN_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KEY = ("pin", wrap_key(MASTER_KEY, PIN_KEY), key_check_value(PIN_KEY))
PAN = "6299990000000009"
SALE = (PAN, 1234, "156")
BLOCK = bytes.fromhex("02635C2F1B247C28")


class Displays:
    """What the pad's display has shown, to wait for."""

    def __init__(self) -> None:
        self.lines: Display = ()
        self._changed = asyncio.Event()

    def __call__(self, lines: Display) -> None:
        self.lines = lines
        self._changed.set()

    async def until(self, text: str) -> None:
        while text not in " ".join(self.lines):
            self._changed.clear()
            await self._changed.wait()


class Stage:
    """A pad, its driver, and what can be seen of both."""

    def __init__(self, path: Path, pin_within_s: int) -> None:
        self.health = HealthLog()
        self.displays = Displays()
        self.pad = VirtualPinPad(path / "pin_pad", MASTER_KEY, on_display=self.displays)
        self.driver = SerialPinPad(str(self.pad.path), pin_within_s=pin_within_s, health_changed=self.health)


def play(path: Path, scene: Callable[[Stage], Awaitable[None]], pin_within_s: int = 60) -> None:
    async def on_stage() -> None:
        stage = Stage(path, pin_within_s)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await stage.health.until("ready")
                await scene(stage)
        finally:
            await stage.driver.close()
            stage.pad.close()

    asyncio.run(on_stage())


def test_pin_with_scripted_keys(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        stage.pad.script([*"123456", "enter"])
        assert await stage.driver.enter_pin(*SALE) == BLOCK

    play(tmp_path, scene)


def test_pin_with_keys_pressed_one_by_one(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        asked = asyncio.create_task(stage.driver.enter_pin(*SALE))
        await stage.displays.until("¥12.34")
        for key in [*"123456", "enter"]:
            stage.pad.press(key)
        assert await asked == BLOCK

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("keys", "error", "reason"),
    [(["cancel"], PinCancelled, "pin_cancelled"), (["enter"], PinBypassed, "pin_bypassed")],
)
def test_customer_decides(tmp_path: Path, keys: list[str], error: type[Exception], reason: str) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        stage.pad.script(keys)
        with pytest.raises(error, match=reason):
            await stage.driver.enter_pin(*SALE)

    play(tmp_path, scene)


def test_time_runs_out(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        with pytest.raises(PinCancelled, match="pin_timeout"):
            await stage.driver.enter_pin(*SALE)

    play(tmp_path, scene, pin_within_s=0)


def test_without_key(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(PinPadFault, match="pin_key_missing"):
            await stage.driver.enter_pin(*SALE)
        with pytest.raises(PinPadFault, match="pin_key_wrong"):
            await stage.driver.load_key("pin", KEY[1], bytes(4))

    play(tmp_path, scene)


def test_text(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.show("交易成功 APPROVED")
        assert stage.displays.lines == ("交易成功 APPROVED",)

    play(tmp_path, scene)


def test_sale_given_up_ends_the_asking(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        asked = asyncio.create_task(stage.driver.enter_pin(*SALE))
        await stage.displays.until("ENTER PIN")
        asked.cancel()
        await stage.displays.until("WELCOME")
        stage.pad.script([*"123456", "enter"])
        assert await stage.driver.enter_pin(*SALE) == BLOCK

    play(tmp_path, scene)


def test_unplugged_under_the_question_and_put_back_with_its_keys(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.driver.load_key(*KEY)
        asked = asyncio.create_task(stage.driver.enter_pin(*SALE))
        await stage.displays.until("ENTER PIN")
        stage.pad.unplug()
        with pytest.raises(PinPadFault, match="unplugged"):
            await asked
        assert stage.driver.health() == DeviceHealth("attention", "unplugged")
        with pytest.raises(PinPadFault, match="unplugged"):
            await stage.driver.show("")
        stage.pad.replug()
        await stage.health.until("ready")
        stage.pad.script([*"123456", "enter"])
        assert await stage.driver.enter_pin(*SALE) == BLOCK

    play(tmp_path, scene)


def test_commands_wait_for_their_turn(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await asyncio.gather(*(stage.driver.show(f"line {number}") for number in range(300)))
        assert stage.displays.lines == ("line 299",)

    play(tmp_path, scene)


class PuppetPad:
    """The pad's end of a line on which the test decides about every byte."""

    def __init__(self, path: Path, within_s: float) -> None:
        self.line = PseudoTerminal(path / "pin_pad", self._receive)
        self._reader = FrameReader()
        self._heard: asyncio.Queue[object] = asyncio.Queue()
        self.raw = bytearray()
        self.driver = SerialPinPad(str(self.line.path), acknowledge_within_s=within_s, answer_within_s=within_s)

    def _receive(self, data: bytes, now: float) -> None:
        self.raw += data
        for item in self._reader.feed(data, now):
            self._heard.put_nowait(item)

    async def hear(self) -> object:
        return await self._heard.get()

    def say(self, *signals: int) -> None:
        self.line.write(bytes(signals))

    def answer(self, frame: object, data: bytes = b"0") -> None:
        assert isinstance(frame, Frame)
        self.line.write(Frame(frame.sequence, frame.command.lower(), data).to_bytes())

    async def greet(self) -> None:
        """Answer the driver's greeting, without acknowledging it: the answer says as much."""
        frame = await self.hear()
        assert frame == Frame(0, "H")
        self.answer(frame)
        assert await self.hear() == "ack"


def play_puppet(path: Path, scene: Callable[[PuppetPad], Awaitable[None]], within_s: float = PATIENCE_S) -> None:
    async def on_stage() -> None:
        puppet = PuppetPad(path, within_s)
        opened = asyncio.Event()
        puppet.driver._health_changed = lambda health: opened.set()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await opened.wait()
                await scene(puppet)
        finally:
            await puppet.driver.close()
            puppet.line.unplug()

    asyncio.run(on_stage())


def test_refused_or_unheard_frames_are_sent_again(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        shown = asyncio.create_task(puppet.driver.show("hello"))
        await puppet.greet()
        first = await puppet.hear()
        puppet.say(NAK)
        assert await puppet.hear() == first
        assert await puppet.hear() == first  # nothing said for a while
        puppet.say(0xFF, ACK)
        puppet.answer(first)
        await shown

    play_puppet(tmp_path, scene, within_s=0.25)


def test_spoiled_answer_is_asked_for_again(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        shown = asyncio.create_task(puppet.driver.show("hello"))
        await puppet.greet()
        command = await puppet.hear()
        puppet.say(ACK, 0x02, 0x00, 0x03, 0x01, 0x73, 0x30, 0x03, 0x00)
        assert await puppet.hear() == "nak"
        puppet.answer(command)
        await shown

    play_puppet(tmp_path, scene)


def test_answer_to_an_older_command_is_not_taken(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        asked = asyncio.create_task(puppet.driver.enter_pin(*SALE))
        await puppet.greet()
        command = await puppet.hear()
        assert isinstance(command, Frame)
        puppet.say(ACK)
        puppet.line.write(Frame(command.sequence + 1, "p", b"0" + bytes(8)).to_bytes())
        puppet.answer(command, b"0" + BLOCK)
        assert await asked == BLOCK

    play_puppet(tmp_path, scene)


@pytest.mark.parametrize("answer", [b"0", b"0" + bytes(7), b"9", b"", b"\xff"])
def test_answer_that_is_none(tmp_path: Path, answer: bytes) -> None:
    async def scene(puppet: PuppetPad) -> None:
        asked = asyncio.create_task(puppet.driver.enter_pin(*SALE))
        await puppet.greet()
        puppet.answer(await puppet.hear(), answer)
        with pytest.raises(PinPadFault, match="pin_pad_refused"):
            await asked

    play_puppet(tmp_path, scene)


def test_silent_pad_is_reported_and_greeted_again(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        with pytest.raises(PinPadFault, match="pin_pad_silent"):
            await puppet.driver.show("hello")
        assert puppet.driver.health() == DeviceHealth("attention", "pin_pad_silent")
        assert [await puppet.hear() for _ in range(3)] == [Frame(0, "H")] * 3
        shown = asyncio.create_task(puppet.driver.show("hello"))
        await puppet.greet()
        puppet.answer(await puppet.hear())
        await shown
        assert puppet.driver.health() == DeviceHealth("ready")

    play_puppet(tmp_path, scene, within_s=0.25)


def test_pad_that_takes_a_command_and_falls_silent(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        shown = asyncio.create_task(puppet.driver.show("hello"))
        await puppet.greet()
        await puppet.hear()
        puppet.say(ACK)
        with pytest.raises(PinPadFault, match="pin_pad_silent"):
            await shown

    play_puppet(tmp_path, scene, within_s=0.25)


def test_neither_card_number_nor_more_than_a_pin_block_needs_is_on_the_line(tmp_path: Path) -> None:
    async def scene(puppet: PuppetPad) -> None:
        asked = asyncio.create_task(puppet.driver.enter_pin(*SALE))
        await puppet.greet()
        command = await puppet.hear()
        assert isinstance(command, Frame)
        assert command.data == b"999000000000" + b"000000001234" + b"156" + b"060"
        assert PAN.encode() not in puppet.raw
        puppet.answer(command, b"1")
        with pytest.raises(PinCancelled):
            await asked

    play_puppet(tmp_path, scene)
