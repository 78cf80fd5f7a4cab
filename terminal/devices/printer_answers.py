"""What a receipt printer sends back, told apart by the bits that its manual fixes; no connection, no clock.

====================================  ==========================================================
``0xx1xx10``                          the answer to DLE EOT n, at once; does not say to which n
``0xx1xx00`` and three bytes          automatic status (ASB): asked for by GS a, sent at every change
``0xx0xxxx``                          the answer to GS r, in its turn: all before it is on paper
``37 25 00``                          the answer to DLE DC4 8: the buffers are cleared
XON, XOFF, anything else              not an answer
====================================  ==========================================================

Any bytes are survived, and mean the same however they are cut into pieces. What is kept is bounded: the last of each.
"""

from collections.abc import Mapping
from typing import Final

REAL_TIME_REASONS: Final = (
    (2, 0x04, "cover_open"),
    (4, 0x60, "paper_out"),
    (2, 0x20, "paper_out"),
    (2, 0x40, "printer_error"),
    (1, 0x08, "offline"),
)
"""Which bits of which DLE EOT answer mean what; the first that fits is what a person should look after first."""

BLOCK_REASONS: Final = (
    (0, 0x20, "cover_open"),
    (2, 0x0C, "paper_out"),
    (1, 0x6C, "printer_error"),
    (0, 0x08, "offline"),
)
"""The same of the four bytes of an automatic status."""

PRINTER_SAYS: Final = frozenset(reason for _, _, reason in REAL_TIME_REASONS + BLOCK_REASONS)

BLOCK_BYTES: Final = 4
_FIXED: Final = 0x93  # the bits that tell the real-time answer and the first byte of a block from each other
_REAL_TIME, _BLOCK, _XOFF, _CLEARED = 0x12, 0x10, 0x13, 0x37
_CLEARED_REST: Final = 2


class Answers:
    """The last of each kind of answer that has come on one connection."""

    def __init__(self) -> None:
        self.real_time: int | None = None
        self.block: bytes | None = None
        self.job_done = False
        self._unfinished = bytearray()
        self._skip = 0

    def receive(self, data: bytes) -> None:
        """Take bytes as they come."""
        for byte in data:
            if self._unfinished:
                self._continue_block(byte)
            elif self._skip:
                self._skip -= 1
            else:
                self._begin(byte)

    def forget(self) -> None:
        """Forget what was told so far, to see what is told next."""
        self.real_time = self.block = None

    def _continue_block(self, byte: int) -> None:
        if byte == _XOFF:
            return
        self._unfinished.append(byte)
        if len(self._unfinished) == BLOCK_BYTES:
            self.block = bytes(self._unfinished)
            self._unfinished.clear()

    def _begin(self, byte: int) -> None:
        if byte & _FIXED == _REAL_TIME:
            self.real_time = byte
        elif byte & _FIXED == _BLOCK:
            self._unfinished.append(byte)
        elif byte == _CLEARED:
            self._skip = _CLEARED_REST
        elif byte & 0x90 == 0:
            self.job_done = True


def reason_of(answers: Mapping[int, int]) -> str:
    """Say why the printer is not ready, from its answers to DLE EOT by their numbers; empty if it is."""
    return next((reason for number, bits, reason in REAL_TIME_REASONS if answers[number] & bits), "")


def reason_of_block(block: bytes) -> str:
    """Say why the printer is not ready, from an automatic status of four bytes; empty if it is."""
    return next((reason for place, bits, reason in BLOCK_REASONS if block[place] & bits), "")
