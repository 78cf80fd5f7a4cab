"""Cards' TLV data: padding between objects, lengths in long forms, and bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso8583.tlv import build_tlv, parse_tlv
from terminal.emv.faults import MalformedError
from terminal.emv.objects import OBJECTS_MAX, objects_of, scan, template


@pytest.mark.parametrize(
    "padded", ["0000 5A0112 9F360101", "5A0112 00 9F360101", "5A0112 9F360101 0000", "5A810112 9F36820001 01"]
)
def test_padding_and_long_lengths_are_read(padded: str) -> None:
    assert objects_of(bytes.fromhex(padded), "") == {0x5A: b"\x12", 0x9F36: b"\x01"}


def test_raw_bytes_are_those_of_the_card_without_the_padding() -> None:
    assert [found.raw.hex() for found in scan(bytes.fromhex("005A81011200009F360101"), "")] == ["5a810112", "9f360101"]


@pytest.mark.parametrize(
    "broken", ["5A", "5A02", "5A0212", "9F", "9F81818101", "5A80", "5A83000001", "5A8101", "5A01125A0112", "5A820001"]
)
def test_what_cannot_be_read(broken: str) -> None:
    with pytest.raises(MalformedError, match="here"):
        objects_of(bytes.fromhex(broken), "here")


def test_more_objects_than_any_template_has() -> None:
    assert len(scan(b"\x5a\x00" * OBJECTS_MAX, "")) == OBJECTS_MAX
    with pytest.raises(MalformedError):
        scan(b"\x5a\x00" * (OBJECTS_MAX + 1), "")


def test_template_is_the_only_object() -> None:
    assert template(bytes.fromhex("0070025A0000"), 0x70, "") == b"\x5a\x00"
    for other in ("7000 7700", "7700", ""):
        with pytest.raises(MalformedError):
            template(bytes.fromhex(other), 0x70, "")


@given(st.dictionaries(st.sampled_from([0x5A, 0x9F36, 0xDF8169]), st.binary(max_size=300)))
def test_strict_objects_read_the_same(objects: dict[int, bytes]) -> None:
    assert objects_of(build_tlv(objects), "") == parse_tlv(build_tlv(objects)) == objects


@given(st.binary(max_size=300))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        found = scan(data, "")
    except MalformedError:
        return
    assert b"".join(one.raw for one in found).replace(b"\0", b"") == data.replace(b"\0", b"")
