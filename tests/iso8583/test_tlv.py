"""Both tag-length-value forms: strict, bounded, and back to the same bytes."""

import pytest

from iso8583 import Iso8583Error, Message, tlv
from iso8583.tlv import OBJECTS_MAX, build_text_tlv, build_tlv, is_constructed, iterate_tlv, parse_text_tlv, parse_tlv
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN

F55 = Message("0200", GOLDEN["chip_sale"].fields).binary(55)


def test_golden_field_55() -> None:
    objects = parse_tlv(F55)
    assert objects[0x9F26].hex().upper() == "E59D6F475599E75D"
    assert objects[0x9F41] == bytes([0, 0, 0, 3])
    assert list(objects)[:3] == [0x9F26, 0x9F27, 0x9F10]
    assert len(objects) == 20
    assert build_tlv(objects) == F55


def test_golden_field_55_truncated_at_every_byte_is_refused_or_a_whole_prefix() -> None:
    ends = {at for at, _, _ in iterate_tlv(F55)}
    for at in range(len(F55)):
        if at in ends:
            assert build_tlv(parse_tlv(F55[:at])) == F55[:at]
        else:
            assert str(refused(parse_tlv, F55[:at]).field).startswith("55")


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535])
def test_every_form_of_length(length: int) -> None:
    objects = {0x95: bytes(length), 0xDF8101: b"x", 0x5F2A: b""}
    assert parse_tlv(build_tlv(objects)) == objects


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        ("9F260111 9F260112", "55/9F26", 4),
        ("9F26", "55/9F26", 2),
        ("9F2608 0102", "55/9F26", 3),
        ("9F", 55, 0),
        ("9F81818181 01 00", 55, 0),
        ("00", 55, 0),
        ("9500 00", 55, 2),
        ("95 80 00", "55/95", 1),
        ("95 81 7F" + "00" * 127, "55/95", 1),
        ("95 82 00FF" + "00" * 255, "55/95", 1),
        ("95 83 010000", "55/95", 1),
        ("95 82 01", "55/95", 1),
    ],
)
def test_refused(data: str, field: int | str, offset: int) -> None:
    error = refused(parse_tlv, bytes.fromhex(data))
    assert (error.field, error.offset) == (field, offset)


def test_repeated_tags_are_kept_by_the_list_form() -> None:
    assert iterate_tlv(bytes.fromhex("61014F 610150")) == [(0, 0x61, b"O"), (3, 0x61, b"P")]


def test_the_number_of_objects_is_bounded() -> None:
    assert len(iterate_tlv(bytes.fromhex("9500") * OBJECTS_MAX)) == OBJECTS_MAX
    with pytest.raises(Iso8583Error, match="at most 128 objects"):
        iterate_tlv(bytes.fromhex("9500") * (OBJECTS_MAX + 1))


@pytest.mark.parametrize("tag", [0, -1, 0x9F, 0x9526, 0x1FFF, 0x9F81818101])
def test_tags_that_cannot_be_written(tag: int) -> None:
    with pytest.raises(Iso8583Error):
        build_tlv({tag: b"x"})


def test_a_value_too_long_to_be_written() -> None:
    with pytest.raises(Iso8583Error, match="needed at most 65535 bytes, there are 65536"):
        build_tlv({0x95: bytes(65536)})


def by_the_loop(data: bytes) -> dict[int, bytes] | tuple[int | str, int, str]:
    """What `parse_tlv` means: the loop, with each tag once. An error as its place and reason."""
    try:
        found = iterate_tlv(data)
    except Iso8583Error as error:
        return error.field, error.offset, error.reason
    seen: dict[int, bytes] = {}
    for at, tag, value in found:
        if tag in seen:
            return f"55/{tag:X}", at, "needed each tag once, this one comes again"
        seen[tag] = value
    return seen


def by_shape(data: bytes) -> dict[int, bytes] | tuple[int | str, int, str]:
    try:
        return parse_tlv(data)
    except Iso8583Error as error:
        return error.field, error.offset, error.reason


def test_a_shape_that_was_learned_takes_what_the_loop_takes_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlv, "_shapes", {})
    parse_tlv(F55)
    assert len(tlv._shapes[len(F55)]) == 1
    for at in range(len(F55)):
        for bit in range(8):
            changed = F55[:at] + bytes([F55[at] ^ 1 << bit]) + F55[at + 1 :]
            assert by_shape(changed) == by_the_loop(changed)
            assert list(by_shape(changed)) == list(by_the_loop(changed))  # the order too
    assert by_shape(F55) == by_the_loop(F55)


def test_shapes_are_learned_of_good_data_alone_and_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlv, "_shapes", {})
    for data in (b"", b"\x95\x05", bytes.fromhex("9F260111 9F260112"), build_tlv({0x95: bytes(600)})):
        by_shape(data)
    assert not tlv._shapes
    for length in range(120):
        for tag in (0x81, 0x82, 0x83, 0x84, 0x85, 0x86):
            assert parse_tlv(build_tlv({tag: bytes(length)})) == {tag: bytes(length)}
    assert {len(shapes) for shapes in tlv._shapes.values()} == {4}
    assert sum(map(len, tlv._shapes.values())) == tlv.SHAPES_MAX


@pytest.mark.parametrize(
    ("tag", "constructed"), [(0x70, 1), (0xA5, 1), (0xBF0C, 1), (0x9F26, 0), (0x95, 0), (0xDF8101, 0)]
)
def test_constructed_tags(tag: int, constructed: int) -> None:
    assert is_constructed(tag) == bool(constructed)


def test_text_form_of_the_golden_code() -> None:
    text = GOLDEN["qr_sale"].fields[59]
    assert isinstance(text, str)
    assert parse_text_tlv(text) == {"A3": "6200000000000000000"}
    assert build_text_tlv(parse_text_tlv(text)) == text


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [
        ("A3", 59, 0),
        ("A301", 59, 0),
        ("A30x2ab", 59, 0),
        ("A3-01a", 59, 0),
        ("A3０01a", 59, 0),
        ("A3002a", "59/A3", 5),
        ("A3001aA3001b", "59/A3", 6),
        ("A3001a!", 59, 6),
        (" 3001a", 59, 0),
    ],
)
def test_text_refused(text: str, field: int | str, offset: int) -> None:
    error = refused(parse_text_tlv, text)
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize("parts", [{"A": "x"}, {"A33": "x"}, {"A-": "x"}, {"A3": "x" * 1000}, {"Ä3": "x"}])
def test_text_that_cannot_be_written(parts: dict[str, str]) -> None:
    with pytest.raises(Iso8583Error):
        build_text_tlv(parts)
