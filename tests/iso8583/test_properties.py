"""What holds for every message and every input: round trips, one spelling, one kind of error."""

import string
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialects import NAMES
from iso8583.encodings import ALPHABETS
from iso8583.framing import FrameBuffer
from iso8583.table import Field
from iso8583.tlv import build_text_tlv, build_tlv, parse_text_tlv, parse_tlv
from iso8583.unionpay import Frame
from tests.iso8583.vectors import GOLDEN

EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True)
DIALECTS = pytest.mark.parametrize("name", NAMES)
CHINESE = st.characters(exclude_categories=["Cc", "Cs"], max_codepoint=0x9FFF)


Given = TypeVar("Given")
Result = TypeVar("Result")


def outcome(parse: Callable[[Given], Result], data: Given) -> Result | Iso8583Error:
    """What `parse` makes of `data`: a result, or the one kind of error."""
    try:
        return parse(data)
    except Iso8583Error as error:
        return error


def values_of(field: Field) -> SearchStrategy[str] | SearchStrategy[bytes]:
    """Every legal value of a field."""
    low = field.shortest
    if field.content == "b":
        return st.binary(min_size=low, max_size=max(low, min(field.length, 60)))
    if field.encoding == "gb18030":
        text = st.text(CHINESE, max_size=field.length // 4)
        return text if field.prefix else text.map(lambda some: some + " " * (low - len(some.encode("gb18030"))))
    if field.content == "x+n":
        return st.from_regex(rf"[CD][0-9]{{{field.length - 1}}}", fullmatch=True)
    latin = map(chr, range(256)) if field.encoding == "latin1" else ALPHABETS[field.content].decode("ascii")
    return st.text(st.sampled_from(list(latin)), min_size=low, max_size=max(low, min(field.length, 60)))


def messages(name: str) -> SearchStrategy[Message]:
    fields = load_dialect(name).table.fields
    numbers = st.sets(st.sampled_from(sorted(fields)), max_size=24)
    mti = st.from_regex(rf"{load_dialect(name).table.version}[0-9]{{3}}", fullmatch=True)
    chosen = numbers.flatmap(lambda some: st.fixed_dictionaries({number: values_of(fields[number]) for number in some}))
    return st.builds(Message, mti, chosen)


@DIALECTS
@EXAMPLES
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same_message(name: str, data: st.DataObject) -> None:
    dialect = load_dialect(name)
    message = data.draw(messages(name))
    wire = dialect.encode(message)
    assert dialect.decode(wire) == message
    for at in {0, len(wire) // 3, len(wire) // 2, len(wire) - 1}:
        with pytest.raises(Iso8583Error):
            dialect.decode(wire[:at])
    with pytest.raises(Iso8583Error):
        dialect.decode(wire + b"0")


@DIALECTS
@EXAMPLES
@given(data=st.data())
def test_a_damaged_message_is_refused_or_has_one_spelling(name: str, data: st.DataObject) -> None:
    dialect = load_dialect(name)
    wire = bytearray(dialect.encode(data.draw(messages(name))))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    result = outcome(dialect.decode, bytes(wire))
    if isinstance(result, Message):
        assert dialect.encode(result) == wire
    else:
        assert 0 <= result.offset <= len(wire)
        assert result.partial is None or dialect.encode(result.partial)  # whatever is saved is good


@DIALECTS
@EXAMPLES
@given(data=st.data(), noise=st.binary(max_size=300))
def test_noise_gives_one_kind_of_error(name: str, data: st.DataObject, noise: bytes) -> None:
    dialect = load_dialect(name)
    wire = dialect.encode(data.draw(messages(name)))
    for noisy in (noise, wire[: data.draw(st.integers(0, len(wire)))] + noise):
        result = outcome(dialect.decode, noisy)
        assert isinstance(result, Iso8583Error) or dialect.encode(result) == noisy


@EXAMPLES
@given(noise=st.binary(max_size=64))
def test_noise_in_frames_and_tags_gives_one_kind_of_error(noise: bytes) -> None:
    frame = outcome(Frame.parse, noise)
    assert isinstance(frame, Iso8583Error) or frame.to_bytes() == noise
    objects = outcome(parse_tlv, noise)
    assert isinstance(objects, Iso8583Error) or build_tlv(objects) == noise
    text = noise.decode("latin-1")
    parts = outcome(parse_text_tlv, text)
    assert isinstance(parts, Iso8583Error) or build_text_tlv(parts) == text


@EXAMPLES
@given(
    st.dictionaries(st.sampled_from([0x82, 0x95, 0x9F26, 0x9F10, 0x5F2A, 0xDF31, 0xDF8101]), st.binary(max_size=300)),
    st.dictionaries(st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=2), st.text(max_size=200)),
)
def test_tags_round_trip(objects: dict[int, bytes], parts: dict[str, str]) -> None:
    assert parse_tlv(build_tlv(objects)) == objects
    assert parse_text_tlv(build_text_tlv(parts)) == parts


@EXAMPLES
@given(st.lists(st.integers(1, 400), max_size=30))
def test_a_stream_cut_anywhere_gives_the_same_frames(sizes: list[int]) -> None:
    stream = b"".join(golden.wire for golden in GOLDEN.values())
    buffer, frames = FrameBuffer(), list[bytes]()
    for size in [*sizes, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        buffer.receive(piece)
        while (frame := buffer.next_frame()) is not None:
            frames.append(frame)
    assert frames == [golden.frame for golden in GOLDEN.values()]
