"""The PIN pad itself, without its line: keys, display, and a PIN that leaves only encrypted."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from iso8583.security import key_check_value, wrap_key
from simulators.pin_pad import IDLE, Display, PinPadMachine, VirtualPinPad
from terminal.devices.pin_pad_frames import (
    ACK,
    BYPASSED,
    CANCELLED,
    DONE,
    KEY_MISSING,
    KEY_WRONG,
    NAK,
    NOT_UNDERSTOOD,
    TIMED_OUT,
    Frame,
    FrameReader,
)  # fmt: skip

PATIENCE_S = 5.0
MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
PIN_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
ASK = Frame(9, "P", b"999000000000" + b"000000001234" + b"156" + b"060")
BLOCK = bytes.fromhex("02635C2F1B247C28")


def loaded(on_display: "list[Display] | None" = None) -> PinPadMachine:
    pad = PinPadMachine(MASTER_KEY, None if on_display is None else on_display.append)
    assert load(pad) == [Frame(1, "k", b"0")]
    return pad


def load(pad: PinPadMachine, check_value: bytes = key_check_value(PIN_KEY)) -> list[Frame]:
    return pad.handle(Frame(1, "K", b"P" + check_value + wrap_key(MASTER_KEY, PIN_KEY)))


def press(pad: PinPadMachine, *keys: str) -> list[Frame]:
    return [answer for key in keys for answer in pad.press(key)]


def ended(status: str, data: bytes = b"") -> list[Frame]:
    return [Frame(9, "p", status.encode() + data)]


def test_golden_pin_block() -> None:
    pad = loaded()
    assert pad.handle(ASK) == []
    assert press(pad, *"123456", "enter") == ended(DONE, BLOCK)


def test_display_shows_amount_and_stars_and_never_digits() -> None:
    shown: list[Display] = []
    pad = loaded(shown)
    pad.handle(ASK)
    press(pad, *"1234", "enter")
    assert shown[0] == ("金额 AMOUNT ¥12.34", "请输入密码 ENTER PIN ")
    assert shown[-2][1].endswith(" ****")
    assert shown[-1] == IDLE
    assert not any(digit in lines[1] for lines in shown[:-1] for digit in "123")


def test_digits_are_overwritten_after_use() -> None:
    pad = loaded()
    pad.handle(ASK)
    press(pad, *"1234")
    buffer = pad._pin
    view = bytes(buffer)
    press(pad, "enter")
    assert view == b"1234"
    assert buffer == b""
    assert buffer is pad._pin


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["cancel"], ended(CANCELLED)),
        ([*"12", "cancel"], ended(CANCELLED)),
        (["enter"], ended(BYPASSED)),
        ([*"12", "clear", "enter"], ended(BYPASSED)),
        ([*"999", "clear", *"123456", "enter"], ended(DONE, BLOCK)),
        ([*"123", "enter"], []),
        ([*"123", "enter", *"456", "enter"], ended(DONE, BLOCK)),
        ([*"12", "*", "up", *"3456", "enter"], ended(DONE, BLOCK)),
    ],
    ids=["cancel", "cancel late", "bypass", "bypass after clear", "clear", "short", "short then on", "no digits"],
)
def test_keys(keys: list[str], answer: list[Frame]) -> None:
    pad = loaded()
    pad.handle(ASK)
    assert press(pad, *keys) == answer


def test_no_more_than_twelve_digits() -> None:
    pad = loaded()
    pad.handle(ASK)
    press(pad, *"1234567890123")
    assert len(pad._pin) == 12


def test_time_runs_out() -> None:
    pad = loaded()
    pad.handle(ASK)
    assert pad.seconds == 60
    assert pad.expire() == ended(TIMED_OUT)
    assert pad.expire() == []


def test_keys_without_a_question_do_nothing() -> None:
    assert press(loaded(), *"1234", "enter", "cancel") == []


def test_without_key_no_pin() -> None:
    pad = PinPadMachine(MASTER_KEY)
    assert pad.handle(ASK) == ended(KEY_MISSING)


def test_wrong_key_is_refused_and_the_old_one_forgotten() -> None:
    pad = loaded()
    assert load(pad, bytes(4)) == [Frame(1, "k", KEY_WRONG.encode())]
    assert pad.handle(ASK) == ended(KEY_MISSING)


def test_another_command_ends_the_question_first() -> None:
    pad = loaded()
    pad.handle(ASK)
    press(pad, *"12")
    assert pad.handle(Frame(10, "S", "再见".encode("gb18030"))) == [*ended(CANCELLED), Frame(10, "s", b"0")]
    assert pad.display == ("再见",)
    assert pad._pin == b""


@pytest.mark.parametrize("frame", [Frame(9, "P", b"12"), Frame(9, "P", b"x" * 30), Frame(9, "Q"), Frame(9, "p")])
def test_what_is_not_understood(frame: Frame) -> None:
    assert loaded().handle(frame) == [Frame(9, frame.command.lower(), NOT_UNDERSTOOD.encode())]


def test_key_of_impossible_length_is_refused() -> None:
    assert loaded().handle(Frame(1, "K", b"P" + bytes(4) + b"123")) == [Frame(1, "k", KEY_WRONG.encode())]


def test_other_currencies_are_named() -> None:
    pad = loaded()
    pad.handle(Frame(9, "P", b"999000000000" + b"000000001234" + b"840" + b"060"))
    assert pad.display[0] == "金额 AMOUNT 840 12.34"


class Line:
    """The terminal's end of a pad's line, on which the test decides about every byte."""

    def __init__(self, pad: VirtualPinPad) -> None:
        self._pad = pad
        self.reopen()

    def reopen(self) -> None:
        self._file = os.open(self._pad.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._reader = FrameReader()
        self._heard: asyncio.Queue[object] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def _readable(self) -> None:
        for item in self._reader.feed(os.read(self._file, 4096), 0.0):
            self._heard.put_nowait(item)

    def say(self, *data: int) -> None:
        os.write(self._file, bytes(data))

    def command(self, frame: Frame) -> None:
        os.write(self._file, frame.to_bytes())

    async def hear(self) -> object:
        return await self._heard.get()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)


def play(
    path: Path, scene: Callable[[VirtualPinPad, Line], Awaitable[None]], acknowledge_within_s: float = PATIENCE_S
) -> None:
    async def on_stage() -> None:
        pad = VirtualPinPad(path / "pin_pad", MASTER_KEY, acknowledge_within_s=acknowledge_within_s)
        line = Line(pad)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(pad, line)
        finally:
            line.close()
            pad.close()

    asyncio.run(on_stage())


def test_unheard_answer_is_sent_three_times_and_then_the_next(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        line.command(Frame(0, "H"))
        assert [await line.hear() for _ in range(4)] == ["ack", *[Frame(0, "h", b"0")] * 3]
        line.command(Frame(1, "Q"))
        assert [await line.hear(), await line.hear()] == ["ack", Frame(1, "q", NOT_UNDERSTOOD.encode())]
        line.say(ACK)

    play(tmp_path, scene, acknowledge_within_s=0.02)


def test_refused_answer_is_sent_again(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        line.command(Frame(0, "H"))
        assert [await line.hear(), await line.hear()] == ["ack", Frame(0, "h", b"0")]
        line.say(NAK)
        assert await line.hear() == Frame(0, "h", b"0")
        line.say(ACK, ACK)
        line.command(Frame(1, "X"))
        assert [await line.hear(), await line.hear()] == ["ack", Frame(1, "x", b"0")]

    play(tmp_path, scene)


def test_spoiled_command_is_asked_for_again(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        line.say(*Frame(0, "H").to_bytes()[:-1], 0)
        assert await line.hear() == "nak"
        line.command(Frame(0, "H"))
        assert await line.hear() == "ack"

    play(tmp_path, scene)


def test_command_that_comes_twice_is_carried_out_once(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        load_key = Frame(1, "K", b"P" + key_check_value(PIN_KEY) + wrap_key(MASTER_KEY, PIN_KEY))
        line.command(load_key)
        assert [await line.hear(), await line.hear()] == ["ack", Frame(1, "k", b"0")]
        line.say(ACK)
        line.command(ASK)
        assert await line.hear() == "ack"
        for key in "123":
            pad.press(key)
        line.command(ASK)
        assert await line.hear() == "ack"
        for key in [*"456", "enter"]:
            pad.press(key)
        assert await line.hear() == Frame(9, "p", DONE.encode() + BLOCK)
        line.say(ACK)
        line.command(ASK)
        assert [await line.hear(), await line.hear()] == ["ack", Frame(9, "p", DONE.encode() + BLOCK)]
        line.say(ACK)

    play(tmp_path, scene)


def test_greeting_forgets_the_last_sequence(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        for _ in range(2):
            for frame in (Frame(0, "H"), Frame(1, "S", b"hello")):
                line.command(frame)
                assert [await line.hear(), await line.hear()] == [
                    "ack",
                    Frame(frame.sequence, frame.command.lower(), b"0"),
                ]
                line.say(ACK)

    play(tmp_path, scene)


def test_script_left_while_the_question_is_open_is_typed_at_once(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        line.command(Frame(1, "K", b"P" + key_check_value(PIN_KEY) + wrap_key(MASTER_KEY, PIN_KEY)))
        assert [await line.hear(), await line.hear()] == ["ack", Frame(1, "k", b"0")]
        line.say(ACK)
        line.command(ASK)
        assert await line.hear() == "ack"
        pad.script(["cancel"])
        assert await line.hear() == Frame(9, "p", CANCELLED.encode())
        line.say(ACK)

    play(tmp_path, scene)


def test_unplugged_pad_forgets_the_question_and_is_welcoming_again(tmp_path: Path) -> None:
    async def scene(pad: VirtualPinPad, line: Line) -> None:
        line.command(Frame(1, "K", b"P" + key_check_value(PIN_KEY) + wrap_key(MASTER_KEY, PIN_KEY)))
        line.command(ASK)
        while not pad.display[0].startswith("金额"):
            await line.hear()
        pad.press("1")
        line.close()
        pad.unplug()
        assert pad.display == IDLE
        pad.press("2")
        pad.replug()
        line.reopen()
        line.command(Frame(0, "H"))
        assert [await line.hear(), await line.hear()] == ["ack", Frame(0, "h", b"0")]
        line.say(ACK)

    play(tmp_path, scene)
