"""What goes wrong with messages, on the wire and before: much of it nearly right, for that is where codecs differ."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from iso8583 import Message
from iso8583.fields import count_of
from iso8583.table import Field, Table
from tests.fuzz.drawn import Place

WireDamage = Callable[[Random, bytearray, Sequence[Place]], None]
ValueDamage = Callable[[Random, Any], Any]

# Blanks, signs and separators that some parsers let through; letters at the borders of their ranges; characters that
# are digits or letters in Latin-1 but not in ASCII; and the blank, the line end and digits of EBCDIC.
BYTES: Final = bytes.fromhex(
    "00 09 0A 0D 20 2B 2D 2E 2F 3A 3D 40 41 46 5B 5F 61 66 7A 7F 80 85 A0 AA B2 B5 C1 DF E9 F0 F9 FF"
)
CHINESE: Final = (b"\x80", b"\x81\x30\x81\x30", b"\x84\x31\xa4\x37", b"\xa2\xe3", b"\xd6", b"\xff", b"\x90\x30\x81\x30")
CHARACTERS: Final = "²１٣ªａéßŉİ\x85\xa0\u2028\ud800€中\n\t\x00\x7f _+-.=:;<>?dDxX0F𝟗𠀀"


class Text(str):
    """A str that is not quite one."""

    __slots__ = ()


class Binary(bytes):
    """Bytes that are not quite bytes."""

    __slots__ = ()


# On the wire ---------------------------------------------------------------------------------------------------------


def damaged_wire(chance: Random, wire: bytes, places: Sequence[Place]) -> bytes:
    """`wire` with up to three things wrong in it; now and then none."""
    data = bytearray(wire)
    for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3))):
        damage = chance.choices(_WIRE, _WIRE_WEIGHTS)[0]
        damage(chance, data, places)
    return bytes(data)


def _spot(chance: Random, data: bytearray, places: Sequence[Place]) -> int:
    """A byte of a field; each field is as likely as another, however long."""
    place = chance.choice(places) if places and chance.random() < 0.95 else None
    start, end = (place.start, place.end) if place and place.start < place.end <= len(data) else (0, len(data))
    return chance.randrange(start, end) if end > start else 0


def _put(data: bytearray, at: int, byte: int) -> None:
    if at < len(data):
        data[at] = byte


def _any_byte(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    _put(data, _spot(chance, data, places), chance.randrange(256))


def _odd_byte(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    _put(data, _spot(chance, data, places), chance.choice(BYTES))


def _bit(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    at = _spot(chance, data, places)
    _put(data, at, data[at] ^ 1 << chance.randrange(8) if at < len(data) else 0)


def _other_digit(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    at, digit = _spot(chance, data, places), chance.randrange(10)
    old = data[at] if at < len(data) else 0
    _put(data, at, old & 0xF0 | digit if old >> 4 in {0x3, 0xF} else digit << 4 | chance.randrange(10))


def _other_nibble(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """At the end of a field, where pad nibbles are."""
    place = chance.choice(places) if places else None
    if place and place.body < place.end <= len(data):
        at = chance.choice((place.body, place.end - 1))
        nibble = chance.choice((0, 9, 10, 13, 15, chance.randrange(16)))
        data[at] = data[at] & 0xF0 | nibble if chance.random() < 0.5 else data[at] & 0x0F | nibble << 4


def _other_case(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    at = _spot(chance, data, places)
    data[at : at + 2] = bytes(data[at : at + 2]).swapcase()


def _blanks(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """Two, as parsers of hex skip them."""
    at = _spot(chance, data, places)
    data[at : at + 2] = chance.choice((b"  ", b"\t\n", b"\x40\x40", b"0x", b" 0", b"0 "))[: len(data) - at]


def _length_lie(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """Another prefix, of a legal length or not; half the time with as many bytes behind it as it says."""
    place = _prefixed(chance, data, places)
    if place is None:
        return
    field = place.field
    assert field.prefix is not None
    edge = chance.choice((field.minimum, field.length, field.length, place.end - place.body))
    length = max(0, edge + chance.choice((-1, 0, 1, 1)))
    count = min(count_of(field, length), field.prefix.maximum)
    data[place.start : place.body] = field.prefix.text(count)
    if chance.random() < 0.5 and place.end <= len(data):
        body = bytes(data[place.body : place.end]) or b"\x11"
        width = count if field.encoding in {"raw", "hex"} else (count + 1) // 2 if field.encoding == "bcd" else count
        data[place.body : place.end] = (body * (width // len(body) + 1))[:width]


def _prefix_noise(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """A prefix that `int` might take, and other noise."""
    place = _prefixed(chance, data, places)
    if place is not None:
        width = place.body - place.start
        noise = chance.choice((b" 5", b"+5", b"-1", b"1_0", b"5 ", b"\xb2\xb2", b"\x40\xf5", b"\x0a", b"\xff\xff"))
        data[place.start : place.body] = noise[:width].rjust(width, chance.choice((b"0", b"\xf0", b"\0")))


def _prefixed(chance: Random, data: bytearray, places: Sequence[Place]) -> Place | None:
    variable = [place for place in places if place.field.prefix and place.end <= len(data)]
    return chance.choice(variable) if variable else None


def _inserted(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    at = _spot(chance, data, places)
    data[at:at] = chance.choice((chance.randbytes(chance.randint(1, 3)), b"0", b"\0", bytes(data[at : at + 2])))


def _removed(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    at = _spot(chance, data, places)
    del data[at : at + chance.randint(1, 3)]


def _cut(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    del data[chance.choice((_spot(chance, data, places), len(data) - 1)) :]


def _lengthened(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    data += chance.choice((b"\0", b"0", b"\xf0", chance.randbytes(chance.randint(1, 9)), bytes(data[-4:])))


def _head(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """The type or the bitmaps."""
    end = min(len(data), places[0].start if places else len(data))
    at = chance.randrange(max(end, 1))
    _put(data, at, data[at] ^ 1 << chance.randrange(8) if at < len(data) else 0)


def _swapped(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """The contents of one field in the place of another."""
    if len(places) > 1:
        one, other = chance.sample(list(places), 2)
        data[one.start : one.end] = data[other.start : other.end]


def _wiped(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """All contents of a field alike."""
    place = chance.choice(places) if places else None
    if place and place.end <= len(data):
        filler = bytes([chance.choice(BYTES)])
        data[place.body : place.end] = filler * (place.end - place.body)


def _foreign(chance: Random, data: bytearray, places: Sequence[Place]) -> None:
    """Chinese characters, whole, broken and not canonical."""
    at, piece = _spot(chance, data, places), chance.choice(CHINESE)
    data[at : at + len(piece)] = piece[: len(data) - at]


_DAMAGE_OF_WIRES: Final[dict[WireDamage, int]] = {
    _any_byte: 8, _odd_byte: 10, _bit: 8, _other_digit: 24, _other_nibble: 8, _other_case: 5, _blanks: 4,
    _length_lie: 14, _prefix_noise: 5, _inserted: 3, _removed: 3, _cut: 3, _lengthened: 3, _head: 2, _swapped: 4,
    _wiped: 5, _foreign: 3,
}  # fmt: skip
_WIRE: Final = list(_DAMAGE_OF_WIRES)
_WIRE_WEIGHTS: Final = list(_DAMAGE_OF_WIRES.values())


# Before the wire -----------------------------------------------------------------------------------------------------


def damaged_message(chance: Random, message: Message, table: Table) -> Message:
    """`message` with up to two things wrong with it; now and then none."""
    mti: Any = message.mti
    fields: dict[int, Any] = dict(message.fields)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2))):
        kind = chance.random()
        if kind < 0.88 and fields:
            number = chance.choice(list(fields))
            if not isinstance(fields[number], str | bytes):
                continue  # it is damaged enough
            if kind < 0.1 and number in table.fields:
                fields[number] = _at_the_edge(chance, fields[number], table.fields[number])
            else:
                fields[number] = chance.choice(_VALUES)(chance, fields[number])
        elif kind < 0.91:
            mti = chance.choice(_MTIS)
        elif kind < 0.95:
            stranger = chance.choice((-1, 0, 1, 5, 64, 65, 128, 129, 193, 1000))
            fields[stranger] = chance.choice(("000000", b"12345678", ""))
        else:
            items = list(fields.items())
            chance.shuffle(items)
            fields = dict(items[chance.randint(0, 1) :])
    return Message(mti, fields)


def _at_the_edge(chance: Random, value: Any, field: Field) -> Any:
    """As long or as short as may be, and one beside it."""
    length = max(0, chance.choice((field.shortest, field.length)) + chance.choice((-1, 0, 1)))
    return (value * (length // len(value) + 1))[:length] if value else value


def _other_place(chance: Random, value: Any) -> Any:
    """One character or byte is another."""
    if not value:
        return value
    at = chance.randrange(len(value))
    if isinstance(value, bytes):
        return value[:at] + bytes([chance.choice(BYTES)]) + value[at + 1 :]
    return value[:at] + chance.choice(CHARACTERS) + value[at + 1 :]


def _other_digit_in_it(chance: Random, value: Any) -> Any:
    if isinstance(value, bytes) or not value:
        return value
    at = chance.randrange(len(value))
    return value[:at] + chance.choice("0123456789") + value[at + 1 :]


def _all_alike(chance: Random, value: Any) -> Any:
    if isinstance(value, bytes):
        return bytes([chance.choice(BYTES)]) * len(value)
    return chance.choice(CHARACTERS) * len(value)


def _other_length(chance: Random, value: Any) -> Any:
    return chance.choice((value[:-1], value[1:], value + value[:1], value + value, value[:0], value * 40))


def _with_a_tail(chance: Random, value: Any) -> Any:
    """As `re.match` with `$` would let through, and what one side could strip."""
    if isinstance(value, bytes):
        return chance.choice((value + b"\n", b" " + value, value + b"\0"))
    return chance.choice((value + "\n", " " + value, value + " ", value[:-1] + "\n", value[:-1] + "²"))


def _track_letters(chance: Random, value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    return chance.choice((value.replace("D", "="), value.lower(), value.replace("0", "="), value.upper()))


def _other_type(chance: Random, value: Any) -> Any:
    as_bytes = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    as_text = value if isinstance(value, str) else value.decode("latin-1")
    return chance.choice((None, 5, 0.5, True, as_bytes, as_text, bytearray(as_bytes), memoryview(as_bytes),
                          list(value), tuple(value), dict.fromkeys(as_text), as_text.isdigit))  # fmt: skip


def _nearly_the_type(_chance: Random, value: Any) -> Any:
    return Binary(value) if isinstance(value, bytes) else Text(value)


_VALUES: Final[list[ValueDamage]] = [
    *(_other_place, _other_place, _other_place, _other_digit_in_it, _other_digit_in_it, _other_digit_in_it),
    *(_all_alike, _other_length, _other_length, _with_a_tail, _track_letters, _other_type, _other_type),
    _nearly_the_type,
]
_MTIS: Final = [
    "200",
    "02000",
    "02O0",
    "0200",
    "1200",
    "",
    "02００",
    "02²0",
    "0200\n",
    Text("0200"),
    b"0200",
    None,
    200,
]
