"""A PIN pad on a serial line; the protocol is that of `terminal.devices.pin_pad_frames`.

The pad keeps its keys: working keys go to it encrypted under its master key, and what comes back for a PIN is a PIN
block encrypted under its PIN key. Of the card number it is told the twelve digits that a PIN block needs.

Reasons in `PinPadFault` and `health`: those of the serial line, ``pin_pad_silent``, ``pin_pad_refused``,
``pin_key_missing``, ``pin_key_wrong``, ``pin_pad_tampered``. In `PinCancelled`: ``pin_cancelled``, ``pin_timeout``.
"""

import asyncio
from collections.abc import Callable, Mapping

from terminal.devices import DeviceError, DeviceHealth, PinBypassed, PinCancelled, PinPadFault
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
from terminal.devices.serial_line import HealthChanged, SerialLine

PIN_WITHIN_S = 60
ANSWER_WITHIN_S = 5.0
PIN_BLOCK_LENGTH = 8
TEXT_LENGTH_MAX = 64
_SLOTS: Mapping[str, bytes] = {"pin": b"P"}
_FAILURES: Mapping[str, tuple[type[DeviceError], str]] = {
    CANCELLED: (PinCancelled, "pin_cancelled"),
    BYPASSED: (PinBypassed, "pin_bypassed"),
    TIMED_OUT: (PinCancelled, "pin_timeout"),
    KEY_MISSING: (PinPadFault, "pin_key_missing"),
    KEY_WRONG: (PinPadFault, "pin_key_wrong"),
    NOT_UNDERSTOOD: (PinPadFault, "pin_pad_refused"),
    TAMPERED: (PinPadFault, "pin_pad_tampered"),
}


class SerialPinPad:
    """A `PinPad` on a serial line. Needs a running loop. One command at a time; others wait for their turn.

    `tampered` is called when the pad says that somebody tampers with it; it is of no use any more until it is replaced.
    """

    def __init__(
        self,
        path: str,
        *,
        baud: int = 9600,
        pin_within_s: int = PIN_WITHIN_S,
        answer_within_s: float = ANSWER_WITHIN_S,
        acknowledge_within_s: float = ACKNOWLEDGE_WITHIN_S,
        health_changed: HealthChanged | None = None,
        tampered: Callable[[], None] = lambda: None,
    ) -> None:
        self._pin_within_s = pin_within_s
        self._answer_within_s = answer_within_s
        self._acknowledge_within_s = acknowledge_within_s
        self._health_changed = health_changed
        self._on_tampered = tampered
        self._tampered = False
        self._turn = asyncio.Lock()
        self._sequence = 0
        self._greeted = False
        self._silent = False
        self._exchange: _Exchange | None = None
        self._frames = FrameReader()
        self._line = SerialLine(path, self._receive, self._changed, baud=baud)

    async def load_key(self, slot: str, encrypted: bytes, check_value: bytes) -> None:
        """Load a working key that is encrypted under the pad's master key; the only slot is ``pin``."""
        await self._command("K", _SLOTS[slot] + check_value + encrypted, self._answer_within_s)

    async def enter_pin(self, pan: str, amount: int, currency: str) -> bytes:
        """Ask for the PIN; return the encrypted PIN block. If the task is cancelled, the pad is told to stop asking."""
        asked = f"{pan[-13:-1]:0>12}{amount:012d}{currency}{self._pin_within_s:03d}"
        block = await self._command("P", asked.encode("ascii"), self._pin_within_s + self._answer_within_s)
        if len(block) != PIN_BLOCK_LENGTH:
            raise PinPadFault("pin_pad_refused")
        return block

    async def show(self, text: str) -> None:
        """Put a line on the pad's display."""
        await self._command("S", text[:TEXT_LENGTH_MAX].encode("gb18030", "replace"), self._answer_within_s)

    def health(self) -> DeviceHealth:
        """Say whether the pad is plugged in and answered last time."""
        line = self._line.health()
        if self._tampered:
            return DeviceHealth("attention", "pin_pad_tampered")
        return DeviceHealth("attention", "pin_pad_silent") if self._silent and line.state == "ready" else line

    async def close(self) -> None:
        """Let go of the line."""
        self._line.close()

    async def _command(self, command: str, data: bytes, answer_within_s: float) -> bytes:
        async with self._turn:
            if not self._greeted:
                self._sequence = 0
                await self._exchange_frames(Frame(0, "H"), self._answer_within_s)
                self._greeted = True
            return await self._exchange_frames(Frame(self._next_sequence(), command, data), answer_within_s)

    async def _exchange_frames(self, frame: Frame, answer_within_s: float) -> bytes:
        exchange = self._exchange = _Exchange(frame)
        try:
            await self._deliver(exchange)
            async with asyncio.timeout(answer_within_s):
                answer = await exchange.answer
            if isinstance(answer, PinPadFault):
                raise answer
        except TimeoutError:
            raise self._went_silent() from None
        except asyncio.CancelledError:
            self._line.write(Frame(self._next_sequence(), "X").to_bytes())
            raise
        finally:
            self._exchange = None
        self._set_silent(False)
        if answer[:1] == TAMPERED.encode("ascii"):
            self._tamper()
        elif self._tampered:
            self._tampered = False  # another pad
            self._tell()
        return _result(answer)

    async def _deliver(self, exchange: "_Exchange") -> None:
        for _ in range(TRIES_MAX):
            if self._line.health().state != "ready":
                raise PinPadFault(self._line.health().reason)
            exchange.heard.clear()
            self._line.write(exchange.frame.to_bytes())
            try:
                async with asyncio.timeout(self._acknowledge_within_s):
                    await exchange.heard.wait()
            except TimeoutError:
                continue
            if exchange.delivered:
                return
        raise self._went_silent()

    def _went_silent(self) -> PinPadFault:
        self._greeted = False
        self._set_silent(True)
        return PinPadFault("pin_pad_silent")

    def _set_silent(self, silent: bool) -> None:
        if silent != self._silent:
            self._silent = silent
            self._tell()

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % 255 + 1
        return self._sequence

    def _receive(self, data: bytes, now: float) -> None:
        for item in self._frames.feed(data, now):
            if isinstance(item, Frame):
                self._line.write(bytes((ACK,)))
                if item.command == TAMPER_COMMAND:
                    self._tamper()
                elif self._exchange is not None:
                    self._exchange.take(item)
            elif item == "spoiled":
                self._line.write(bytes((NAK,)))
            elif self._exchange is not None:
                self._exchange.signal(acknowledged=item == "ack")

    def _tamper(self) -> None:
        if not self._tampered:
            self._tampered = True
            self._tell()
            self._on_tampered()

    def _changed(self, health: DeviceHealth) -> None:
        self._greeted = self._silent = False
        self._frames = FrameReader()
        if self._exchange is not None and health.state != "ready":
            self._exchange.fail(PinPadFault(health.reason))
        self._tell()

    def _tell(self) -> None:
        if self._health_changed is not None:
            self._health_changed(self.health())


class _Exchange:
    """One command on its way: whether it has arrived, and its answer."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.heard = asyncio.Event()
        self.delivered = False
        self.answer: asyncio.Future[bytes | PinPadFault] = asyncio.get_running_loop().create_future()

    def signal(self, *, acknowledged: bool) -> None:
        """The other end sent ACK or NAK."""
        self.delivered |= acknowledged
        self.heard.set()

    def take(self, frame: Frame) -> None:
        """A frame came; an answer also says that the command has arrived."""
        if (frame.sequence, frame.command) == (self.frame.sequence, self.frame.command.lower()):
            self.signal(acknowledged=True)
            if not self.answer.done():
                self.answer.set_result(frame.data)

    def fail(self, error: PinPadFault) -> None:
        """No answer will come."""
        self.signal(acknowledged=True)
        if not self.answer.done():
            self.answer.set_result(error)


def _result(answer: bytes) -> bytes:
    status = answer[:1].decode("latin-1")
    if status != DONE:
        error, reason = _FAILURES.get(status, (PinPadFault, "pin_pad_refused"))
        raise error(reason)
    return answer[1:]
