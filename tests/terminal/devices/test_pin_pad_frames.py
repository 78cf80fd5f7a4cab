"""The line protocol of the PIN pad: frames as bytes, and what is made of noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.devices.pin_pad_frames import BODY_MAX, GAP_MAX_S, Frame, FrameReader

GREETING = bytes.fromhex("02 0002 00 48 03 49")


def read(data: bytes, now: float = 1.0) -> list[object]:
    return list(FrameReader().feed(data, now))


def test_known_bytes() -> None:
    assert Frame(0, "H").to_bytes() == GREETING
    assert Frame(7, "S", b"\x02\x06").to_bytes() == bytes.fromhex("02 0004 07 53 0206 03 57")


def test_signals() -> None:
    assert read(b"\x06\x15\x06") == ["ack", "nak", "ack"]


@given(st.integers(0, 255), st.sampled_from("HKSPX"), st.binary(max_size=BODY_MAX - 2), st.data())
def test_frames_survive_any_cut(sequence: int, command: str, data: bytes, draw: st.DataObject) -> None:
    frame = Frame(sequence, command, data)
    sent = frame.to_bytes()
    cut = draw.draw(st.integers(0, len(sent)))
    reader = FrameReader()
    assert [*reader.feed(sent[:cut], 1.0), *reader.feed(sent[cut:], 1.0)] == [frame]


@pytest.mark.parametrize("at", range(1, len(GREETING)))
def test_any_changed_byte_spoils_a_frame(at: int) -> None:
    changed = GREETING[:at] + bytes((GREETING[at] ^ 0x01,)) + GREETING[at + 1 :]
    assert Frame(0, "H") not in read(changed)
    assert Frame(0, "H") in FrameReader().feed(GREETING, 1.0)


@pytest.mark.parametrize(
    "spoiled",
    ["020002004803 00", "02000200480049", "02 0000", "02 0101", "02 FFFF", "02 0002 00 C8 03 C9"],
    ids=["check", "end", "empty", "too long", "far too long", "no letter"],
)
def test_spoiled(spoiled: str) -> None:
    assert "spoiled" in read(bytes.fromhex(spoiled))


def test_noise_before_and_after_is_skipped() -> None:
    assert read(b"\x00\xff\x7f" + GREETING + b"\x00" + GREETING) == [Frame(0, "H")] * 2


def test_the_rest_of_something_spoiled_is_forgotten_after_a_pause() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x02\x00\x20\x01", 1.0) == []
    assert reader.feed(GREETING, 1.1 + GAP_MAX_S) == [Frame(0, "H")]


def test_too_much_for_a_frame() -> None:
    with pytest.raises(ValueError, match="too much"):
        Frame(1, "S", bytes(BODY_MAX - 1)).to_bytes()


@given(st.lists(st.binary(max_size=400), max_size=8))
def test_any_bytes_leave_little_behind(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        reader.feed(piece, 1.0)
        assert len(reader._received) <= BODY_MAX + 5


def test_data_is_not_shown() -> None:
    assert "secret" not in repr(Frame(1, "P", b"secret"))
