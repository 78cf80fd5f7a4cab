"""The line protocol between terminal and PIN pad: what both ends put on a serial line.

A frame: ``STX`` (02), length of the body (2 bytes, big endian), body, ``ETX`` (03), LRC (XOR of everything after STX).
A body: sequence (1 byte), command (1 ASCII letter), data. The receiver of a good frame sends ``ACK`` (06), of a spoiled
one ``NAK`` (15); whoever hears NAK, or nothing for half a second, sends the frame again, three times in all.

The terminal commands, the pad answers with the command's sequence, its letter in lower case, a status digit, and data:

=====  ==========================================================================  =====================================
 H     greeting, always sequence 0: forget the last sequence, end what is open      -
 K     load a working key: slot (1), check value (4), key under the master key      -
 S     show: text in GB18030                                                        -
 P     ask for a PIN: 12 digits of the card number (those left of its check         encrypted PIN block (8)
       digit), amount in minor units (12 digits), currency (3 digits), seconds (3)
 X     end the asking                                                               -
=====  ==========================================================================  =====================================

Only one thing does the pad say unasked, and until it is acknowledged: ``T``, sequence 0, without data. Somebody has
opened it, or tampers with it otherwise; it has erased its keys, and answers every command with status 7 from then on.

Sequences count 1 to 255 and begin again. A command that comes twice with one sequence was not heard to be acknowledged:
it is acknowledged and carried out once, and if it has been answered the answer is sent again. A new command ends an
asking that is still open. A PIN in clear is never on the line, in neither direction; nor is a whole card number.
"""

from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import Literal

STX, ETX, ACK, NAK = 0x02, 0x03, 0x06, 0x15
BODY_MAX = 256
GAP_MAX_S = 0.2
"""Bytes of one frame follow one another; after a longer pause what is there is the rest of something spoiled."""

ACKNOWLEDGE_WITHIN_S = 0.5
TRIES_MAX = 3
TAMPER_COMMAND = "T"

DONE, CANCELLED, BYPASSED, TIMED_OUT, KEY_MISSING, KEY_WRONG, NOT_UNDERSTOOD, TAMPERED = "01234567"
"""Status digits of an answer."""

Signal = Literal["ack", "nak", "spoiled"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One command or answer."""

    sequence: int
    command: str
    data: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """As it is sent. Raises ValueError for more data than a frame can carry."""
        body = bytes((self.sequence,)) + self.command.encode("ascii") + self.data
        if len(body) > BODY_MAX:
            msg = "too much data for a frame"
            raise ValueError(msg)
        checked = len(body).to_bytes(2, "big") + body + bytes((ETX,))
        return bytes((STX,)) + checked + bytes((reduce(xor, checked),))


class FrameReader:
    """Finds frames and signals in what comes over the line; noise between them is skipped."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._heard_at = 0.0

    def feed(self, data: bytes, now: float) -> list[Frame | Signal]:
        """Take bytes as they come, `now` in seconds; return what is complete."""
        if now - self._heard_at > GAP_MAX_S:
            self._received.clear()
        self._heard_at = now
        self._received += data
        found: list[Frame | Signal] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def _next(self) -> Frame | Signal | None:
        while self._received and self._received[0] not in (STX, ACK, NAK):
            del self._received[0]
        if not self._received:
            return None
        if self._received[0] != STX:
            return "ack" if self._received.pop(0) == ACK else "nak"
        return self._frame()

    def _frame(self) -> Frame | Signal | None:
        if len(self._received) < 3:
            return None
        length = int.from_bytes(self._received[1:3], "big")
        if not 2 <= length <= BODY_MAX:
            del self._received[0]
            return "spoiled"
        if len(self._received) < length + 5:
            return None
        checked, lrc = bytes(self._received[1 : length + 4]), self._received[length + 4]
        del self._received[: length + 5]
        if checked[-1] != ETX or reduce(xor, checked) != lrc or not chr(checked[3]).isascii():
            return "spoiled"
        return Frame(checked[2], chr(checked[3]), checked[4:-1])
