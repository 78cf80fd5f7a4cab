"""The two-byte length in front of every message on a TCP connection.

`FrameBuffer` is fed whatever the connection delivers, in pieces of any size, and hands out whole frames. No I/O here.
"""

from typing import Final

from iso8583.errors import Iso8583Error

LENGTH_BYTES: Final = 2
FRAME_MAX: Final = 4096  # the longest message of the POS network stays under 3000 bytes


def with_length(frame: bytes) -> bytes:
    """`frame` with its length in front, two bytes, big-endian. Raises Iso8583Error beyond 65535 bytes."""
    if len(frame) >= 1 << 16:
        raise Iso8583Error("length", 0, f"needed at most 65535 bytes, there are {len(frame)}")
    return len(frame).to_bytes(LENGTH_BYTES, "big") + frame


class FrameBuffer:
    """Cuts a stream into frames: `receive` what came, then take `next_frame` until it is None.

    A length of zero or above `frame_max` is refused as soon as it is read, so the buffer never holds more than one
    unfinished frame and the last piece received. After an error nothing in the stream can be trusted: close it.
    """

    def __init__(self, frame_max: int = FRAME_MAX) -> None:
        self._frame_max = frame_max
        self._held = bytearray()

    def receive(self, data: bytes) -> None:
        """Add what the connection delivered."""
        self._held += data

    def next_frame(self) -> bytes | None:
        """The next whole frame without its length, or None if more must be received first.

        Raises:
            Iso8583Error: a length of 0 or above the maximum, once all frames before it have been taken.
        """
        if len(self._held) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._held[:LENGTH_BYTES], "big")
        if not 1 <= length <= self._frame_max:
            raise Iso8583Error("length", 0, f"needed 1 to {self._frame_max} bytes, the prefix says {length}")
        end = LENGTH_BYTES + length
        if len(self._held) < end:
            return None
        frame = bytes(self._held[LENGTH_BYTES:end])
        del self._held[:end]
        return frame

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held: 0 at a frame's boundary, where a connection may end."""
        return len(self._held)
