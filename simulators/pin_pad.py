"""A PIN pad: its own keys, its own display, keys that somebody presses, and a serial line to the terminal.

`PinPadMachine` is the device itself, pure: commands and key presses in, answers out. `VirtualPinPad` puts it on a
pseudo-terminal with the line protocol of `terminal.devices.pin_pad_frames`. PINs here are made up, so a script may hold
them; the pad itself treats them as it should: digits live in one buffer, which is overwritten as soon as it was used.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from iso8583.security import encrypt_pin_block, pin_block_iso0, unwrap_key, wipe
from simulators.pseudo_terminal import PseudoTerminal
from terminal.devices.pin_pad_frames import (
    ACK,
    ACKNOWLEDGE_WITHIN_S,
    BYPASSED,
    CANCELLED,
    DONE,
    KEY_MISSING,
    KEY_WRONG,
    NAK,
    NOT_UNDERSTOOD,
    TAMPER_COMMAND,
    TAMPERED,
    TIMED_OUT,
    TRIES_MAX,
    Frame,
    FrameReader,
)  # fmt: skip

PIN_MIN, PIN_MAX = 4, 12
CHECK_VALUE_LENGTH = 4
IDLE = ("欢迎光临 WELCOME",)
LOCKED = ("已锁定 LOCKED", "请报修 CALL SERVICE")
_ASKING_LENGTH = 12 + 12 + 3 + 3
_CURRENCIES = {"156": "¥"}

Display = tuple[str, ...]


class PinPadMachine:
    """The pad without its line. `handle`, `press` and `expire` return the answers that are due, if any."""

    def __init__(self, master_key: bytes, on_display: Callable[[Display], None] | None = None) -> None:
        self._master_key = bytearray(master_key)
        self._tampered = False
        self._on_display = on_display
        self._keys: dict[bytes, bytearray] = {}
        self._asking: Frame | None = None
        self._pin = bytearray()
        self.display: Display = IDLE

    @property
    def asks_for_pin(self) -> bool:
        """Somebody is to enter a PIN."""
        return self._asking is not None

    @property
    def is_tampered(self) -> bool:
        """Somebody has opened the case; only another pad will do."""
        return self._tampered

    @property
    def seconds(self) -> int:
        """How long the terminal lets somebody take for the PIN that is being asked for."""
        assert self._asking is not None, "nothing is being asked for"
        return int(self._asking.data[27:])

    def handle(self, frame: Frame) -> list[Frame]:
        """Carry out a command."""
        if self._tampered:
            return [_answer(frame, TAMPERED)]
        ended = self._end(CANCELLED)
        handler = _COMMANDS.get(frame.command)
        if handler is None:
            return [*ended, _answer(frame, NOT_UNDERSTOOD)]
        status = handler(self, frame)
        return ended if status is None else [*ended, _answer(frame, status)]

    def press(self, key: str) -> list[Frame]:
        """Somebody presses a digit, ``enter``, ``cancel`` or ``clear``; nothing happens while no PIN is asked for."""
        if self._asking is None:
            return []
        if key == "cancel":
            return self._end(CANCELLED)
        if key == "enter":
            return self._enter(self._asking)
        if key == "clear":
            self._forget_pin()
        elif key.isdecimal() and len(self._pin) < PIN_MAX:
            self._pin += key.encode("ascii")
        self._show_pin(self._asking)
        return []

    def expire(self) -> list[Frame]:
        """The time for the PIN is over."""
        return self._end(TIMED_OUT)

    def tamper(self) -> list[Frame]:
        """Somebody opens the case: all keys are overwritten, and nothing works any more."""
        for key in (self._master_key, *self._keys.values()):
            wipe(key)
        self._keys.clear()
        ended = self._end(TAMPERED)
        self._tampered = True
        self._show(LOCKED)
        return [*ended, Frame(0, TAMPER_COMMAND)]

    def _greet(self, _frame: Frame) -> str:
        return DONE

    def _load_key(self, frame: Frame) -> str:
        slot, check_value = frame.data[:1], frame.data[1 : 1 + CHECK_VALUE_LENGTH]
        try:
            key = unwrap_key(bytes(self._master_key), frame.data[1 + CHECK_VALUE_LENGTH :], check_value)
        except ValueError:
            self._keys.pop(slot, None)
            return KEY_WRONG
        self._keys[slot] = bytearray(key)
        return DONE

    def _show_text(self, frame: Frame) -> str:
        self._show((frame.data.decode("gb18030", "replace"),))
        return DONE

    def _ask(self, frame: Frame) -> str | None:
        if len(frame.data) != _ASKING_LENGTH or not frame.data.isdigit():
            return NOT_UNDERSTOOD
        if b"P" not in self._keys:
            return KEY_MISSING
        self._asking = frame
        self._show_pin(frame)
        return None

    def _enter(self, asking: Frame) -> list[Frame]:
        if not self._pin:
            return self._end(BYPASSED)
        if len(self._pin) < PIN_MIN:
            return []
        # The check digit is not part of a PIN block, so any digit stands in for it.
        block = pin_block_iso0(self._pin, asking.data[:12].decode("ascii") + "0")
        return self._end(DONE, encrypt_pin_block(bytes(self._keys[b"P"]), block))

    def _end(self, status: str, data: bytes = b"") -> list[Frame]:
        asking, self._asking = self._asking, None
        self._forget_pin()
        if asking is None:
            return []
        self._show(IDLE)
        return [_answer(asking, status, data)]

    def _forget_pin(self) -> None:
        wipe(self._pin)
        self._pin.clear()

    def _show_pin(self, asking: Frame) -> None:
        amount, currency = int(asking.data[12:24]), asking.data[24:27].decode("ascii")
        shown = f"{_CURRENCIES.get(currency, currency + ' ')}{amount // 100}.{amount % 100:02d}"
        self._show((f"金额 AMOUNT {shown}", f"请输入密码 ENTER PIN {'*' * len(self._pin)}"))

    def _show(self, lines: Display) -> None:
        self.display = lines
        if self._on_display is not None:
            self._on_display(lines)


_COMMANDS: Mapping[str, Callable[[PinPadMachine, Frame], str | None]] = {
    "H": PinPadMachine._greet,
    "K": PinPadMachine._load_key,
    "S": PinPadMachine._show_text,
    "P": PinPadMachine._ask,
    "X": PinPadMachine._greet,  # what it ends has ended before any command is carried out
}


def _answer(frame: Frame, status: str, data: bytes = b"") -> Frame:
    return Frame(frame.sequence, frame.command.lower(), status.encode("ascii") + data)


class VirtualPinPad:
    """A pad whose line the terminal finds at `path`. Needs a running loop.

    Press keys with `press`, or leave them with `script`: they are pressed, all at once, when a PIN is asked for.
    `memory` is a file for what a battery keeps while the pad is off: its working key, as it came, under the master key.
    """

    def __init__(
        self,
        path: Path,
        master_key: bytes,
        *,
        on_display: Callable[[Display], None] | None = None,
        acknowledge_within_s: float = ACKNOWLEDGE_WITHIN_S,
        memory: Path | None = None,
    ) -> None:
        self._machine = PinPadMachine(master_key, on_display)
        self._memory = memory
        self._remember()
        self._scripts: deque[tuple[str, ...]] = deque()
        self._frames = FrameReader()
        self._last: int | None = None
        self._answers: dict[int, Frame] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._line = PseudoTerminal(path, self._receive)
        self._outbox = _Outbox(self._write, acknowledge_within_s)

    @property
    def path(self) -> Path:
        """What the terminal opens; stays the same over a replug."""
        return self._line.path

    @property
    def display(self) -> Display:
        """The lines on the display."""
        return self._machine.display

    @property
    def asks_for_pin(self) -> bool:
        """Somebody is to enter a PIN."""
        return self._machine.asks_for_pin

    def press(self, key: str) -> None:
        """Press a digit, ``enter``, ``cancel`` or ``clear``."""
        self._send(self._machine.press(key))

    def tamper(self) -> None:
        """Open the case: what was kept is gone, and the terminal is told."""
        if self._memory is not None:
            self._memory.unlink(missing_ok=True)
        self._send(self._machine.tamper())

    def script(self, keys: Iterable[str]) -> None:
        """Leave keys for the next time that a PIN is asked for; scripts are used in the order in which they were left.

        ``pad.script([*"123456", "enter"])``
        """
        self._scripts.append(tuple(keys))
        self._play()

    def unplug(self) -> None:
        """Pull the plug: the keys stay, what was being asked is over."""
        self._line.unplug()
        self._outbox.clear()
        self._stop_waiting()
        self._machine.expire()

    def replug(self) -> None:
        """Put the plug back in."""
        self._frames = FrameReader()
        self._line.plug()

    def close(self) -> None:
        """Remove the pad."""
        self.unplug()

    def _receive(self, data: bytes, now: float) -> None:
        for item in self._frames.feed(data, now):
            if isinstance(item, Frame):
                self._write(bytes((ACK,)))
                self._take(item)
            elif item == "spoiled":
                self._write(bytes((NAK,)))
            else:
                self._outbox.signal(acknowledged=item == "ack")

    def _take(self, frame: Frame) -> None:
        if frame.sequence == self._last and frame.command != "H":  # our acknowledgement was lost
            self._send([self._answers[frame.sequence]] if frame.sequence in self._answers else [])
            return
        self._last = frame.sequence
        self._answers.clear()
        self._send(self._machine.handle(frame))
        if self._memory is not None and frame.command == "K" and not self._machine.is_tampered:
            self._memory.write_bytes(frame.data)
        if self._machine.asks_for_pin:
            self._expiry = asyncio.get_running_loop().call_later(self._machine.seconds, self._expire)
            self._play()

    def _remember(self) -> None:
        """Load the key that was kept; one that is spoiled, or under another master key, is none."""
        if self._memory is not None and self._memory.exists():
            self._machine.handle(Frame(0, "K", self._memory.read_bytes()))

    def _play(self) -> None:
        if self._scripts and self._machine.asks_for_pin:
            for key in self._scripts.popleft():
                self.press(key)

    def _expire(self) -> None:
        self._send(self._machine.expire())

    def _send(self, answers: list[Frame]) -> None:
        if not self._machine.asks_for_pin:
            self._stop_waiting()
        for answer in answers:
            self._answers[answer.sequence] = answer
            self._outbox.put(answer)

    def _stop_waiting(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # unplugged: the other end sees it too
            self._line.write(data)


class _Outbox:
    """Sends frames one by one, each until it is acknowledged or has been sent often enough."""

    def __init__(self, write: Callable[[bytes], None], acknowledge_within_s: float) -> None:
        self._write = write
        self._acknowledge_within_s = acknowledge_within_s
        self._waiting: deque[Frame] = deque()
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, frame: Frame) -> None:
        """Send a frame when its turn comes."""
        self._waiting.append(frame)
        if self._timer is None:
            self._send()

    def signal(self, *, acknowledged: bool) -> None:
        """The other end sent ACK or NAK."""
        if self._timer is None:
            return
        self._timer.cancel()
        if acknowledged:
            self._drop()
        self._send()

    def clear(self) -> None:
        """Forget everything: nobody is there."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._tries = 0
        self._waiting.clear()

    def _drop(self) -> None:
        self._waiting.popleft()
        self._tries = 0

    def _send(self) -> None:
        if self._tries == TRIES_MAX:
            self._drop()
        self._timer = None
        if self._waiting:
            self._tries += 1
            self._write(self._waiting[0].to_bytes())
            self._timer = asyncio.get_running_loop().call_later(self._acknowledge_within_s, self._send)
