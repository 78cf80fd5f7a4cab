"""What atheris feeds: one function per parser, which takes any bytes and is content, or raises.

Content is it when the bytes were refused with `Iso8583Error`, or taken in one spelling: what was parsed builds back to
the same bytes. The seeds are made from the golden messages. `swollen` are inputs of any size that take a parser far
before it can refuse them, so that a cost that is not linear shows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.encodings import FieldError
from iso8583.fields import writer
from iso8583.framing import FrameBuffer, with_length
from iso8583.hexdump import dump
from iso8583.parts import Forms, Parts
from iso8583.sub_fields import build_field, open_field
from iso8583.table import Field, Table
from iso8583.tlv import build_text_tlv, build_tlv, iterate_tlv, parse_text_tlv, parse_tlv
from iso8583.unionpay import Frame
from iso8583.unionpay_fields.field48 import Details48, Totals48
from iso8583.unionpay_fields.field54 import Balance54
from iso8583.unionpay_fields.field59 import Data59, TerminalIdentity59
from iso8583.unionpay_fields.field60 import Block60, Original61
from iso8583.unionpay_fields.field62 import Parameters62, Status62, WorkingKeys62
from iso8583.unionpay_fields.field62_downloads import (
    Application62,
    BlackList62,
    CaKey62,
    CardsAsked62,
    List62,
    ListAsked62,
    Name62,
)
from iso8583.unionpay_switch import SwitchFrame
from tests.fuzz import card_answers, envelopes, paycodes, printer_answers, scan_bytes, swipe_bytes
from tests.fuzz.both_paths import outcome, tried, watch_plans
from tests.fuzz.drawn import shapes, text_of
from tests.iso8583.downloads import APPLICATION_WIRE, KEY_WIRE, RID
from tests.iso8583.vectors import GOLDEN

Run = Callable[[bytes], None]
Inputs = Callable[[int], list[bytes]]
Parsed = TypeVar("Parsed")
SEEDED: Final = 12  # seeds of a dialect beside the golden messages
FILLERS: Final = (b"\0", b"\xff", b"0", b"1", b" ", b"\x81", b"\xf0")


@dataclass(frozen=True, slots=True)
class Target:
    """One parser.

    Attributes:
        name: for people and for the command line.
        run: returns if all is well with some bytes, raises if not.
        seeds: where the search starts.
        swollen: inputs of about so many bytes that take it long.
        longest: of what atheris makes, in bytes.
    """

    name: str
    run: Run
    seeds: list[bytes]
    swollen: Inputs
    longest: int = 640


def targets() -> dict[str, Target]:
    """All of them, by name."""
    found = [  # those that take longest first: two run at a time
        Target("hexdump", _hexdump, _hexdump_seeds(), _swollen_hexdumps, longest=90),
        *(_dialect(name) for name in NAMES),
        Target("framing", _framing, _streams(), _swollen_streams, longest=200),  # each byte of it is fed alone
        Target("pos-frame", _pos_frame, [golden.frame for golden in GOLDEN.values()], _behind(_pos_heads())),
        Target("switch-frame", _switch_frame, _switch_seeds(), _behind(_switch_seeds()[:1])),
        Target("ber-tlv", _ber_tlv, _chip_data(), _swollen_objects),
        Target("text-tlv", _text_tlv, [_latin(text) for text in _texts(59)], _swollen_texts),
        Target("sub-fields", _sub_fields, _sub_field_seeds(), _swollen_sub_fields),
        Target("field-values", _field_values, _value_seeds(), _swollen_values),
        Target("envelopes", envelopes.run, envelopes.SEEDS, envelopes.swollen, longest=400),
        Target("printer-answers", printer_answers.run, printer_answers.SEEDS, printer_answers.swollen, longest=200),
        Target("card-answers", card_answers.run, card_answers.SEEDS, card_answers.swollen, longest=260),
        Target("scan-bytes", scan_bytes.run, scan_bytes.SEEDS, scan_bytes.swollen, longest=200),
        Target("swipe-bytes", swipe_bytes.run, swipe_bytes.SEEDS, swipe_bytes.swollen, longest=500),
        Target("paycode-digits", paycodes.run_digits, paycodes.DIGIT_SEEDS, paycodes.swollen_digits, longest=30),
        Target("paycode-signed", paycodes.run_signed, paycodes.SIGNED_SEEDS, paycodes.swollen_signed),
        Target("paycode-issuers", paycodes.run_issuers, paycodes.ISSUER_SEEDS, paycodes.swollen_issuers),
        Target("paycode-transit", paycodes.run_transit, paycodes.TRANSIT_SEEDS, paycodes.swollen_transit),
        Target("paycode-lists", paycodes.run_lists, paycodes.LIST_SEEDS, paycodes.swollen_lists),
    ]
    return {target.name: target for target in found}


def _parsed(parse: Callable[[Any], Parsed], given: bytes | str) -> Parsed | None:
    """What is made of it, or None if it is refused: at a place that there is."""
    try:
        return parse(given)
    except Iso8583Error as error:
        refusal = error
    units = given if isinstance(given, bytes) else given.encode("gb18030", "replace")  # no other text takes more bytes
    assert 0 <= refusal.offset <= len(units), refusal
    return None


def _latin(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def _texts(number: int) -> list[str | bytes]:
    return [golden.fields[number] for golden in GOLDEN.values() if number in golden.fields]


# Dialects ------------------------------------------------------------------------------------------------------------


def _dialect(name: str) -> Target:
    dialect = Dialect(load_dialect(name).table)  # one that learns for itself alone
    decode = partial(_decode, dialect, watch_plans(dialect))
    return Target(f"decode-{name}", decode, _wires(dialect), partial(_swollen_wires, dialect))


def _decode(dialect: Dialect, watched: Counter[str], data: bytes) -> None:
    watched.clear()
    message, told = tried(dialect.decode, data)
    if watched["asked"]:  # else it was the reference codec that told
        assert told == outcome(dialect._reference.decode, data), "the two paths differ"
    assert told[0] != "broke", told
    assert message is None or dialect.encode(message) == data, "the message has another spelling"


def _wires(dialect: Dialect) -> list[bytes]:
    table, chance = dialect.table, Random(dialect.name)
    golden = [Message(table.version + golden.mti[1:], _fitting(table, golden.fields)) for golden in GOLDEN.values()]
    return [dialect.encode(message) for message in golden] + [
        dialect.encode(shape.message(chance)) for shape in shapes(chance, table, SEEDED)
    ]


def _fitting(table: Table, fields: dict[int, str | bytes]) -> dict[int, str | bytes]:
    """Those of a golden message that the dialect takes."""
    return {number: value for number, value in fields.items() if number in table.fields and _fits(table, number, value)}


def _fits(table: Table, number: int, value: str | bytes) -> bool:
    try:
        writer(table.fields[number])(value)
    except FieldError:
        return False
    return True


def _swollen_wires(dialect: Dialect, size: int) -> list[bytes]:
    """As many fields as have room, as long as they may be; then the same with a fault at the end, and in front."""
    table, values = dialect.table, dict[int, Any]()
    for number, row in sorted(table.fields.items()):
        length = row.length if row.prefix is None else min(row.length, size)
        if size < max(length, row.shortest, 1):
            break
        size -= length
        values[number] = _longest(row, length)
    wire = dialect.encode(Message(f"{table.version}200", values))
    junk = [wire + filler * size for filler in FILLERS]
    return [wire, wire[:-1], wire + b"0", wire[:40] + b"\xff" + wire[41:], *junk]


def _longest(row: Field, length: int) -> str | bytes:
    """A value of `length`, or of one less where that must be even."""
    value = text_of(Random(0), row, length)
    return value if _fits_row(row, value) else value[:-1]


def _fits_row(row: Field, value: str | bytes) -> bool:
    try:
        writer(row)(value)
    except FieldError:
        return False
    return True


# Frames --------------------------------------------------------------------------------------------------------------


def _framing(data: bytes) -> None:
    whole = _frames(data, len(data) or 1)
    assert _frames(data, 1) == whole, "fed byte by byte, the frames are others"
    frames, end = whole
    rest = data[sum(2 + len(frame) for frame in frames) :]
    assert b"".join(map(with_length, frames)) + rest == data
    assert isinstance(end, tuple) or end == len(rest)


def _frames(data: bytes, step: int) -> tuple[list[bytes], int | tuple[Any, ...]]:
    """The frames, and what came then: the error, or how many bytes are left."""
    buffer, frames = FrameBuffer(), list[bytes]()
    for at in range(0, len(data), step):
        buffer.receive(data[at : at + step])
        try:
            while (frame := buffer.next_frame()) is not None:
                frames.append(frame)
        except Iso8583Error as error:
            return frames, error.args
    return frames, buffer.pending


def _streams() -> list[bytes]:
    wires = [golden.wire for golden in GOLDEN.values()]
    return [*wires, b"".join(wires[:3]), wires[0] + b"\0\0", wires[0] + b"\x10\x01"]


def _swollen_streams(size: int) -> list[bytes]:
    return [with_length(b"0" * length) * (size // (length + 2)) for length in (1, 20, 4096)]


def _behind(heads: Sequence[bytes]) -> Inputs:
    return lambda size: [head + filler * size for head in heads for filler in FILLERS]


def _pos_heads() -> list[bytes]:
    frame = GOLDEN["sale"].frame
    return [b"", frame[:11], frame[:21], frame]


def _pos_frame(data: bytes) -> None:
    frame = _parsed(Frame.parse, data)
    assert frame is None or frame.to_bytes() == data


def _switch_frame(data: bytes) -> None:
    frame = _parsed(SwitchFrame.parse, data)
    assert frame is None or frame.to_bytes() == data


def _switch_seeds() -> list[bytes]:
    table = load_dialect("unionpay_switch").table
    messages = [Message(golden.mti, _fitting(table, golden.fields)) for golden in GOLDEN.values()]
    return [SwitchFrame("00010344   ", "12345678   ", message).to_bytes() for message in messages]


# Tags ----------------------------------------------------------------------------------------------------------------


def _ber_tlv(data: bytes) -> None:
    objects = _parsed(parse_tlv, data)
    if objects is None:
        return
    assert [(tag, value) for _, tag, value in iterate_tlv(data)] == list(objects.items()), "a shape says otherwise"
    assert build_tlv(objects) == data


def _chip_data() -> list[bytes]:
    data = [value for value in _texts(55) if isinstance(value, bytes)]
    return [*data, _nested(64), bytes.fromhex("DF8101020102 9F1F8180" + "00" * 128), b"\x1f\x81\x82\x83\x04"]


def _nested(size: int) -> bytes:
    """Templates in templates."""
    data = bytes.fromhex("9F36020007")
    while len(data) < min(size, 0xFFFF) - 4:
        data = b"\x70" + (bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")) + data
        if 127 < len(data) - 2 < 256:
            data = b"\x70\x81" + bytes([len(data) - 2]) + data[2:]
    return data


def _swollen_objects(size: int) -> list[bytes]:
    distinct = b"".join(bytes([0x9F, tag, 1, 0]) for tag in range(1, 0x80))
    return [
        _nested(size),
        (distinct * (size // len(distinct) + 1))[:size],
        *(b"\x9f\x36\x01" + filler * size for filler in FILLERS),
        b"\x9f\x36\x82" + min(size, 0xFFFF).to_bytes(2, "big") + bytes(size),
        b"\x1f" + b"\x81" * size,
        b"\x82\x00" * (size // 2),
    ]


def _text_tlv(data: bytes) -> None:
    text = data.decode("latin-1")
    parts = _parsed(parse_text_tlv, text)
    assert parts is None or build_text_tlv(parts) == text


def _swollen_texts(size: int) -> list[bytes]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    distinct = "".join(f"{one}{other}000" for one in letters for other in letters)
    filled = "".join(f"{one}{other}999" + "0" * 999 for one in letters for other in letters)
    return [distinct[:size].encode(), filled[:size].encode(), *(filler * size for filler in FILLERS)]


# Hex dumps -----------------------------------------------------------------------------------------------------------


def _hexdump(data: bytes) -> None:
    """The first byte chooses the dialect. Nothing is refused: what is wrong is drawn."""
    dialect = load_dialect(NAMES[data[0] % len(NAMES)] if data else NAMES[0])
    text = dump(dialect, data[1:])
    assert text.startswith("0000  ")
    assert all(line.isprintable() for line in text.splitlines())


def _hexdump_seeds() -> list[bytes]:
    return [bytes([place]) + seed for place, name in enumerate(NAMES) for seed in _wires(load_dialect(name))[::4]]


def _swollen_hexdumps(size: int) -> list[bytes]:
    """A good message and a broken one of each dialect."""
    swollen = [_swollen_wires(load_dialect(name), size)[:2] for name in NAMES]
    return [bytes([place]) + wire for place, wires in enumerate(swollen) for wire in wires]


# Parts of fields -----------------------------------------------------------------------------------------------------


def _layouts() -> Iterator[tuple[Table, int]]:
    """Every way in which a shipped dialect cuts a field, each as the only way of a table."""
    for name in NAMES:
        table = load_dialect(name).table
        for number, row in sorted(table.fields.items()):
            for parts in _forms(row.parts):
                yield replace(table, fields={number: replace(row, parts=parts)}), number


def _forms(parts: Parts | None) -> list[Parts]:
    if isinstance(parts, Forms):
        return [form.parts for form in parts.forms]
    return [] if parts is None else [parts]


LAYOUTS: Final = list(_layouts())


def _sub_fields(data: bytes) -> None:
    """The first byte chooses how the rest is cut."""
    table, number = LAYOUTS[data[0] % len(LAYOUTS)] if data else LAYOUTS[0]
    rest = data[1:]
    value = rest if table.fields[number].content == "b" else rest.decode("latin-1")
    opened = _parsed(lambda given: open_field(table, Message("0200", {number: given}), number), value)
    if opened is None:
        return
    assert opened.value == value
    assert repr(opened)
    if opened.parts:
        assert build_field(table, number, opened.leaves) == value


def _sub_field_seeds() -> list[bytes]:
    return [
        bytes([place]) + _latin(value) for place, (_, number) in enumerate(LAYOUTS) for value in [*_texts(number), "00"]
    ]


def _swollen_sub_fields(size: int) -> list[bytes]:
    tags = [*_swollen_objects(size), *_swollen_texts(size)[:2]]
    fillers = [filler * size for filler in FILLERS]
    records = [b"%02d" % count + b"0" * size for count in (1, 10, 99)]
    return [bytes([place]) + data for place in range(len(LAYOUTS)) for data in [*tags, *fillers, *records]]


# Those that have a class, the number of the field, and what makes bytes or text of it again.
CLASSES: Final[list[tuple[Any, int]]] = [
    *((Totals48, 48), (Details48, 48), (Balance54, 54), (Data59, 59), (TerminalIdentity59, 59), (Block60, 60)),
    *((Original61, 61), (WorkingKeys62, 62), (Parameters62, 62), (Status62, 62), (ListAsked62, 62), (CardsAsked62, 62)),
    *((Name62, 62), (List62, 62), (BlackList62, 62), (CaKey62, 62), (Application62, 62)),
]


def _field_values(data: bytes) -> None:
    """The first byte chooses the class."""
    kind, number = CLASSES[data[0] % len(CLASSES)] if data else CLASSES[0]
    is_bytes, rest = number == 62, data[1:]
    given = rest if is_bytes else rest.decode("latin-1")
    value = _parsed(kind.parse, given)
    if value is None:
        return
    again = value.to_bytes() if is_bytes else value.to_text()
    assert kind.parse(again) == value  # some forms may be padded or shortened, so `again` may differ from `given`


def _value_seeds() -> list[bytes]:
    return [
        bytes([place]) + _latin(value)
        for place, (_, number) in enumerate(CLASSES)
        for value in [*_texts(number), *(_downloads() if number == 62 else ()), "00"]
    ]


def _downloads() -> list[bytes]:
    """What download loops carry: questions, pages, a key, an application."""
    return [
        *(b"122", b"048", List62((Name62(RID, 1, "20301231"),), more=True).to_bytes(), Name62(RID, 1).to_bytes()),
        *(BlackList62(("6299990000000009",)).to_bytes(), KEY_WIRE, APPLICATION_WIRE),
    ]


def _swollen_values(size: int) -> list[bytes]:
    contents = [*(filler * size for filler in FILLERS), *_swollen_texts(size)[:2], b"99" + b"0" * size]
    return [bytes([place]) + data for place in range(len(CLASSES)) for data in contents]
