"""FrameBuffer: the same frames, however the stream is cut."""

import pytest

from iso8583 import Iso8583Error
from iso8583.framing import FRAME_MAX, FrameBuffer, with_length
from iso8583.unionpay import Frame
from tests.iso8583.vectors import GOLDEN, Golden

STREAM = b"".join(golden.wire for golden in GOLDEN.values())
FRAMES = [golden.frame for golden in GOLDEN.values()]
EVERY = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)


def frames_of(buffer: FrameBuffer, *pieces: bytes) -> list[bytes]:
    frames: list[bytes] = []
    for piece in pieces:
        buffer.receive(piece)
        while (frame := buffer.next_frame()) is not None:
            frames.append(frame)
    return frames


@EVERY
def test_split_at_every_byte(golden: Golden) -> None:
    for at in range(len(golden.wire) + 1):
        buffer = FrameBuffer()
        assert frames_of(buffer, golden.wire[:at], golden.wire[at:]) == [golden.frame]
        assert buffer.pending == 0


@EVERY
def test_truncated_at_every_byte(golden: Golden) -> None:
    for at in range(len(golden.wire)):
        buffer = FrameBuffer()
        assert frames_of(buffer, golden.wire[:at]) == []
        assert buffer.pending == at


@EVERY
def test_a_frame_cut_anywhere_is_refused(golden: Golden) -> None:
    for at in range(len(golden.frame)):
        with pytest.raises(Iso8583Error):
            Frame.parse(golden.frame[:at])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1000, 65536])
def test_a_stream_in_pieces_of_any_size(size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert frames_of(FrameBuffer(), *pieces) == FRAMES


def test_frames_before_a_bad_length_are_delivered_first() -> None:
    buffer = FrameBuffer()
    buffer.receive(GOLDEN["sale"].wire + b"\0\0")
    assert buffer.next_frame() == GOLDEN["sale"].frame
    with pytest.raises(Iso8583Error, match="needed 1 to 4096 bytes, the prefix says 0"):
        buffer.next_frame()


def test_a_length_above_the_maximum_is_refused_before_the_frame_is_received() -> None:
    for length, refused in ((FRAME_MAX, False), (FRAME_MAX + 1, True), (0xFFFF, True)):
        buffer = FrameBuffer()
        buffer.receive(length.to_bytes(2, "big"))
        if refused:
            with pytest.raises(Iso8583Error) as caught:
                buffer.next_frame()
            assert caught.value.field == "length"
        else:
            assert buffer.next_frame() is None


def test_with_length_is_what_the_buffer_takes_off() -> None:
    assert with_length(b"abc") == b"\0\3abc"
    assert with_length(FRAMES[0]) == GOLDEN["sign_on"].wire
    with pytest.raises(Iso8583Error):
        with_length(bytes(65536))
