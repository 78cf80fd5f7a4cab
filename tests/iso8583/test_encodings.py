"""Encodings: what one direction accepts, the other gives back, and faults point at their byte."""

import random

import pytest

from iso8583.encodings import ALPHABETS, Coding, FieldError
from iso8583.encodings import coding as coding_of
from iso8583.table import Content, Encoding, Field, Prefix, Side


def coding(content: Content, encoding: Encoding, pad: Side = "right", nibble: str = "0") -> Coding:
    return coding_of(Field("", content, encoding, 99, Prefix("bcd", 2), pad, nibble))


def fault(content: Content, encoding: Encoding, chunk: bytes, *, odd: bool = False, pad: Side = "right") -> FieldError:
    made = coding(content, encoding, pad)
    with pytest.raises(FieldError) as caught:
        (made.odd if odd else made.even)(chunk)
    return caught.value


def test_bcd_pads_odd_lengths_on_the_side_of_the_field() -> None:
    right, left = coding("n", "bcd", "right"), coding("n", "bcd", "left")
    assert (right.pack("051"), left.pack("051")) == (b"\x05\x10", b"\x00\x51")
    assert (right.odd(b"\x05\x10"), left.odd(b"\x00\x51")) == ("051", "051")
    assert right.even(b"\x05\x10") == "0510"
    assert coding("z", "bcd", "right").even(b"\x12\xd3") == "12D3"


def test_bcd_faults() -> None:
    assert fault("n", "bcd", b"\x12\x3a").at == 1
    assert fault("n", "bcd", b"\x12\x31", odd=True).at == 1
    assert fault("n", "bcd", b"\x12\x31", odd=True, pad="left").at == 0
    assert fault("z", "bcd", b"\x12\x3f", odd=True).at == 1


@pytest.mark.parametrize("content", ["n", "an", "ans", "x+n"])
def test_ascii_accepts_exactly_the_class(content: Content) -> None:
    made = coding(content, "ascii", "right")
    sign = b"C" if content == "x+n" else b""
    allowed = ALPHABETS["n"] if content == "x+n" else ALPHABETS[content]
    for byte in range(256):
        chunk = sign + bytes([byte])
        if byte in allowed:
            assert made.pack(made.even(chunk)) == chunk
        else:
            assert fault(content, "ascii", chunk).at in {0, len(sign)}


def test_a_signed_amount_without_its_sign_is_no_signed_amount() -> None:
    for chunk in (b"299032841", b"0C0000001", b"E00000001", b"C0000000D"):
        assert fault("x+n", "ascii", chunk).at == 0


def test_ascii_tracks_are_the_sixteen_characters_of_the_stripe() -> None:
    made = coding("z", "ascii", "right")
    assert made.even(b"0123456789:;<=>?") == "0123456789ABCDEF"
    assert made.pack("0123456789ABCDEF") == b"0123456789:;<=>?"
    assert made.pack("6299=3012") == made.pack("6299D3012") == b"6299=3012"
    for byte in set(range(256)) - set(b"0123456789:;<=>?"):
        assert fault("z", "ascii", bytes([0x31, byte])).at == 1


def test_hex_takes_upper_case_pairs_only() -> None:
    made = coding("b", "hex", "right")
    assert made.even(b"0AFF") == b"\x0a\xff"
    assert made.pack(b"\x0a\xff") == b"0AFF"
    assert fault("b", "hex", b"0aFF").at == 1
    assert fault("b", "hex", b"0A F").at == 2


def test_latin1_carries_every_byte() -> None:
    made = coding("ans", "latin1", "right")
    every = bytes(range(256))
    assert made.pack(made.even(every)) == every
    with pytest.raises(FieldError):
        made.pack("中")


def test_gb18030_has_one_spelling_per_text() -> None:
    made = coding("ans", "gb18030", "right")
    assert made.pack("中国银联") == bytes.fromhex("D6D0B9FAD2F8C1AA")
    chance = random.Random(8583)
    fours = [bytes((chance.randrange(129, 255), chance.randrange(48, 58)) * 2) for _ in range(2000)]
    accepted = 0
    for chunk in [bytes([high, low]) for high in range(256) for low in range(0, 256, 3)] + fours:
        try:
            text = made.even(chunk)
        except FieldError:
            continue
        accepted += 1
        assert made.pack(text) == chunk
    assert accepted > 10_000


@pytest.mark.parametrize("chunk", [b"\xd6", b"abc\xd6", b"\xff\xff", b"ab\0", b"\x1b[2J"])
def test_gb18030_faults(chunk: bytes) -> None:
    assert fault("ans", "gb18030", chunk).reason.startswith("needed")


def test_a_control_character_is_placed_in_bytes() -> None:
    assert fault("ans", "gb18030", "中\n".encode("gb18030")).at == 2
