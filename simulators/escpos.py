"""What a receipt printer's firmware does: ESC/POS bytes in, answers and paper out; no socket, file or clock.

Real-time commands (DLE …) are obeyed as they arrive, everything else in its turn. With the cover open or the paper
gone the printer stops between two commands and keeps what it has, as real ones do. A command that it does not know
is stepped over and counted. Also as on real printers, the bytes of a real-time command inside a picture are obeyed.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from simulators.paper_roll import LINE_SPACING_DOTS, QR_BYTES_MAX, Align, ImageRow, Roll, Sheet, Style, qr_image

BUFFER_BYTES_MAX = 1 << 18  # printers have 4 KiB to 256 KiB; what comes beyond is lost and counted

_REAL_TIME = re.compile(rb"\x10\x04([\x01-\x04])|\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08", re.DOTALL)
_REAL_TIME_BYTES_MAX = 10
_CLEARED = b"\x37\x25\x00"
_PLAIN = Style()
_ALIGNS: tuple[Align, Align, Align] = ("left", "center", "right")


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes that the printer sends back."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SheetOut:
    """A piece of paper left the printer."""

    sheet: Sheet


@dataclass(frozen=True, slots=True)
class DrawerKicked:
    """The cash drawer was opened."""


Event = Answer | SheetOut | DrawerKicked


@dataclass(slots=True)
class _Mode:
    """What ESC @ resets."""

    style: Style = _PLAIN
    align: Align = "left"
    spacing_dots: int = LINE_SPACING_DOTS
    chinese: bool = True  # printers sold in China wake up in Chinese mode
    qr_module_dots: int = 3
    qr_level: int = 0
    qr_payload: bytes = b""


@dataclass(slots=True)
class Interpreter:
    """One printer's brain. `cover_open` and `roll` may be changed at any time; call `run` or `changed` after that.

    `real_time` false: one of those cheap printers that do not answer DLE EOT, only GS a and GS r.
    """

    roll: Roll
    cover_open: bool = False
    real_time: bool = True
    unknown: Counter[str] = field(default_factory=Counter)
    lost_bytes: int = 0
    mode: _Mode = field(default_factory=_Mode)
    _buffer: bytearray = field(default_factory=bytearray)
    _tail: bytes = b""
    _told: bytes = b""
    _events: list[Event] = field(default_factory=list)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the wire; return what happened, real-time answers first."""
        joined, kept_from = self._tail + data, len(self._tail)
        for command in _REAL_TIME.finditer(joined):
            if command.end() <= len(self._tail):
                continue  # it was obeyed when its last byte came
            if command[1] and self.real_time:
                self.emit(Answer(bytes([self._status(command[1][0])])))
            elif not command[1]:
                self.forget()
                self.emit(Answer(_CLEARED))
                kept_from = command.end()
        self._tail = joined[1 - _REAL_TIME_BYTES_MAX :]
        self._keep(joined[kept_from:])
        return self.run()

    def run(self) -> list[Event]:
        """Carry out what is waiting, as far as paper and cover allow; return what happened."""
        while self._buffer and not self.blocked and (used := self._next()):
            del self._buffer[:used]
        events, self._events = self._events, []
        return [*events, *self.changed()]

    def changed(self) -> list[Answer]:
        """Tell the status by itself where that was asked for (GS a), and it is another than was told last."""
        if not self._told or self._told == (block := self._block()):
            return []
        self._told = block
        return [Answer(block)]

    def tell_changes(self, *, on: bool) -> None:
        """GS a: tell the status now, and from now on whenever it changes."""
        self._told = self._block() if on else b""
        if on:
            self.emit(Answer(self._told))

    @property
    def blocked(self) -> bool:
        """Whether the printer waits for a person."""
        return self.roll.empty or self.cover_open

    def forget(self) -> None:
        """Clear the buffers (DLE DC4 8, or power lost): what is on paper stays there."""
        self._buffer.clear()
        self.roll.forget_line()

    def reset(self) -> None:
        """ESC @: back to plain type."""
        self.mode = _Mode()
        self.roll.forget_line()

    def switch_off(self) -> None:
        """The power is gone: everything but the paper is forgotten."""
        self.forget()
        self.reset()
        self._events.clear()
        self._tail = self._told = b""

    def tear_off(self) -> list[Event]:
        """A person tears off what sticks out of the printer."""
        sheet = self.roll.take(complete=False)
        return [SheetOut(sheet)] if sheet else []

    def emit(self, event: Event) -> None:
        """Note what happened."""
        self._events.append(event)

    def end_line(self) -> None:
        """LF."""
        self.roll.end_line(self.mode.align, self.mode.spacing_dots)

    def flush(self) -> None:
        """Print what is set, before a command that works on whole lines."""
        self.roll.flush(self.mode.align, self.mode.spacing_dots)

    def _keep(self, data: bytes) -> None:
        room = BUFFER_BYTES_MAX - len(self._buffer)
        self._buffer += data[:room]
        self.lost_bytes += max(0, len(data) - room)

    def _status(self, number: int) -> int:
        """DLE EOT 1 printer, 2 cause of being offline, 3 error, 4 paper; bits 1 and 4 are always set."""
        reasons = (0x08 * self.blocked, 0x04 * self.cover_open | 0x20 * self.roll.empty, 0, 0x60 * self.roll.empty)
        return 0x12 | reasons[number - 1]

    def _block(self) -> bytes:
        """The four bytes of the automatic status; of the first, bit 4 is set and bits 0, 1 and 7 never are."""
        first = 0x10 | 0x08 * self.blocked | 0x20 * self.cover_open
        return bytes([first, 0, 0x0C * self.roll.empty, 0x0F])

    def _next(self) -> int:
        """Obey the command or set the character at the head; return the bytes used, 0 if some are still to come."""
        first = self._buffer[0]
        if first in b"\x10\x1b\x1c\x1d":
            return self._command()
        if first >= 0x20:
            return self._character()
        if first == 0x0A:
            self.end_line()
        return 1

    def _command(self) -> int:
        head = bytes(self._buffer[:3])
        if len(head) < 2 or head == b"\x1dv":
            return 0  # too short to tell
        name = next((head[:size] for size in (3, 2) if head[:size] in _COMMANDS), None)
        if name is None:
            self.unknown[head[:2].hex(" ").upper()] += 1
            return 2
        length, act = _COMMANDS[name]
        total = length if isinstance(length, int) else length(self._buffer)
        if not total or len(self._buffer) < total:
            return 0
        act(self, bytes(self._buffer[len(name) : total]))
        return total

    def _character(self) -> int:
        size = 1
        if self.mode.chinese and self._buffer[0] > 0x80:
            size = 4 if self._buffer[1:2].isdigit() else 2
        if len(self._buffer) < size:
            return 0
        for character in self._buffer[:size].decode("gb18030" if self.mode.chinese else "cp437", "replace"):
            self.roll.put(character, self.mode.style, self.mode.align, self.mode.spacing_dots)
        return size


# Commands: how many bytes each takes in all, and what it does with those after its name.

Act = Callable[[Interpreter, bytes], None]
Length = int | Callable[[bytearray], int]


def _u16(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _ignore(printer: Interpreter, parameters: bytes) -> None:
    """A command that changes nothing that is modelled here."""


def _styled(change: Callable[[int], dict[str, int | bool]]) -> Act:
    def act(printer: Interpreter, parameters: bytes) -> None:
        printer.mode.style = replace(printer.mode.style, **change(parameters[0]))  # type: ignore[arg-type]

    return act


def _reset(printer: Interpreter, _: bytes) -> None:
    printer.reset()


def _align(printer: Interpreter, parameters: bytes) -> None:
    printer.mode.align = _ALIGNS[parameters[0] % 48 % 3]


def _spacing(printer: Interpreter, parameters: bytes) -> None:
    printer.mode.spacing_dots = parameters[0] if parameters else LINE_SPACING_DOTS


def _chinese(on: bool) -> Act:
    def act(printer: Interpreter, _: bytes) -> None:
        printer.mode.chinese = on

    return act


def _feed_lines(printer: Interpreter, parameters: bytes) -> None:
    printer.flush()
    printer.roll.feed(parameters[0], parameters[0] * printer.mode.spacing_dots)


def _feed_dots(printer: Interpreter, parameters: bytes) -> None:
    printer.flush()
    printer.roll.feed(0, parameters[0])


def _cut(printer: Interpreter, _: bytes) -> None:
    printer.flush()
    if sheet := printer.roll.take(complete=True):
        printer.emit(SheetOut(sheet))


def _kick(printer: Interpreter, _: bytes) -> None:
    printer.emit(DrawerKicked())


def _tell_changes(printer: Interpreter, parameters: bytes) -> None:
    printer.tell_changes(on=bool(parameters[0]))


def _answer(printer: Interpreter, _: bytes) -> None:
    """GS r: answered in its turn, so when all before it is on paper; without paper its turn does not come."""
    printer.emit(Answer(b"\x00"))


def _raster(printer: Interpreter, parameters: bytes) -> None:
    width, height = _u16(parameters, 1) * 8, _u16(parameters, 3)
    printer.flush()
    printer.roll.draw(ImageRow(width, height, parameters[5:], printer.mode.align, f"IMAGE {width}x{height}"))


def _symbol(printer: Interpreter, parameters: bytes) -> None:
    function, values, mode = parameters[2:4], parameters[4:], printer.mode
    match function:
        case b"1C":
            mode.qr_module_dots = max(values[:1], default=3)
        case b"1E":
            mode.qr_level = sum(values[:1]) % 48 % 4
        case b"1P":
            mode.qr_payload = values[1:]
        case b"1Q" if 0 < len(mode.qr_payload) <= QR_BYTES_MAX[mode.qr_level]:
            printer.flush()
            printer.roll.draw(qr_image(mode.qr_payload, mode.qr_level, mode.qr_module_dots, mode.align))
        case b"1A":
            pass  # the model: every QR code here is of model 2
        case _:
            printer.unknown[f"1D 28 6B {function.hex(' ').upper()}"] += 1


def _cut_length(buffer: bytearray) -> int:
    """GS V: with a feed (functions B, C and D) one byte more."""
    return len(buffer) > 2 and (4 if buffer[2] >= 65 else 3)


def _raster_length(buffer: bytearray) -> int:
    return len(buffer) >= 8 and 8 + _u16(buffer, 4) * _u16(buffer, 6)


def _counted_length(buffer: bytearray) -> int:
    """GS ( x: two bytes say how many follow."""
    return len(buffer) >= 5 and 5 + _u16(buffer, 3)


def _column_image_length(buffer: bytearray) -> int:
    """ESC *: one or three bytes a column."""
    return len(buffer) >= 5 and 5 + _u16(buffer, 3) * (3 if buffer[2] >= 32 else 1)


def _real_time_length(buffer: bytearray) -> int:
    """DLE DC4: the functions have 2, 2 and 7 parameters."""
    return len(buffer) >= 3 and {1: 5, 2: 5, 8: 10}.get(buffer[2], 3)


_COMMANDS: dict[bytes, tuple[Length, Act]] = {
    b"\x1b@": (2, _reset),
    b"\x1ba": (3, _align),
    b"\x1b!": (3, _styled(lambda n: {"scale_x": 1 + (n >> 5 & 1), "scale_y": 1 + (n >> 4 & 1), "bold": bool(n & 8)})),
    b"\x1bE": (3, _styled(lambda n: {"bold": bool(n & 1)})),
    b"\x1bG": (3, _styled(lambda n: {"bold": bool(n & 1)})),
    b"\x1bd": (3, _feed_lines),
    b"\x1bJ": (3, _feed_dots),
    b"\x1b2": (2, _spacing),
    b"\x1b3": (3, _spacing),
    b"\x1bp": (5, _kick),
    b"\x1bt": (3, _ignore),
    b"\x1bR": (3, _ignore),
    b"\x1bM": (3, _ignore),
    b"\x1b-": (3, _ignore),
    b"\x1b*": (_column_image_length, _ignore),
    b"\x1c&": (2, _chinese(True)),
    b"\x1c.": (2, _chinese(False)),
    b"\x1c!": (3, _styled(lambda n: {"scale_x": 1 + (n >> 2 & 1), "scale_y": 1 + (n >> 3 & 1)})),
    b"\x1d!": (3, _styled(lambda n: {"scale_x": 1 + (n >> 4 & 7), "scale_y": 1 + (n & 7)})),
    b"\x1dB": (3, _styled(lambda n: {"inverse": bool(n & 1)})),
    b"\x1da": (3, _tell_changes),
    b"\x1dL": (4, _ignore),
    b"\x1dW": (4, _ignore),
    b"\x1dr": (3, _answer),
    b"\x1dV": (_cut_length, _cut),
    b"\x1dv0": (_raster_length, _raster),
    b"\x1d(k": (_counted_length, _symbol),
    b"\x1d(": (_counted_length, _ignore),
    b"\x10\x04": (3, _ignore),
    b"\x10\x05": (3, _ignore),
    b"\x10\x14": (_real_time_length, _ignore),
}
