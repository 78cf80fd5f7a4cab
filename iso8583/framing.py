"""The two-byte length in front of every message on a TCP connection.

`FrameBuffer` is fed whatever the connection delivers, in pieces of any size, and hands out whole frames. It does no I/O.
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
    """Cuts a stream into frames.

    At most one frame of `frame_max` bytes is held back; a length of zero or above that is refused as soon as it is read,
    and nothing after it can be trusted: close the connection.
    """

    def __init__(self, frame_max: int = FRAME_MAX) -> None:
        self._frame_max = frame_max
        self._held = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, without their lengths.

        Raises:
            Iso8583Error: a length of 0 or above the maximum. Frames before it in `data` are lost with it.
        """
        self._held += data
        frames: list[bytes] = []
        at = 0
        while len(self._held) - at >= LENGTH_BYTES:
            body = at + LENGTH_BYTES
            end = body + self._length(at)
            if end > len(self._held):
                break
            frames.append(bytes(self._held[body:end]))
            at = end
        del self._held[:at]
        return frames

    def _length(self, at: int) -> int:
        length = int.from_bytes(self._held[at : at + LENGTH_BYTES], "big")
        if not 1 <= length <= self._frame_max:
            raise Iso8583Error("length", 0, f"needed a length of 1 to {self._frame_max} bytes, the prefix is {length}")
        return length

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held: 0 at a frame's boundary, where a connection may end."""
        return len(self._held)
