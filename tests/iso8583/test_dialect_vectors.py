"""One message and more in each dialect, written by hand from the rules of the standard, byte by byte.

The hexadecimal here was not made by this codec. Blanks separate MTI, bitmaps and fields, and a prefix from its field.
"""

from dataclasses import dataclass

import pytest

from iso8583 import Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.table import Field, Prefix
from tests.iso8583.refusals import refused

PAN = "6299990000000009"
TRACK = "6299990000000009D3012"  # 21 characters: an odd number of nibbles
PIN = bytes.fromhex("0123456789ABCDEF")
MAC = bytes.fromhex("1122334455667788")


@dataclass(frozen=True, slots=True)
class Vector:
    """A message and its bytes in hexadecimal."""

    dialect: str
    message: Message
    wire: str


VECTORS = {
    "1987 BCD: odd PAN, left pads, sign, packed track, raw binary": Vector(
        "iso87_bcd",
        Message(
            "0200",
            {
                2: "629999000000004", 3: "000000", 4: "000000001234", 22: "051", 28: "D00000100", 35: TRACK,
                41: "TERM0001", 49: "156", 52: PIN, 55: bytes.fromhex("820100"),
            },
        ),
        "0200 7000041020809200 15 6299990000000040 000000 000000001234 0051 4400000100 21 6299990000000009D30120"
        "5445524D30303031 313536 0123456789ABCDEF 0003 820100",
    ),
    "1987 BCD: two bitmaps": Vector(
        "iso87_bcd",
        Message("0800", {7: "0115115301", 11: "000017", 70: "301", 128: MAC}),
        "0800 8220000000000000 0400000000000001 0115115301 000017 0301 1122334455667788",
    ),
    "1987 BCD: track 3 of even length": Vector(
        "iso87_bcd", Message("0200", {36: "99" + TRACK + "D"}), "0200 0000000010000000 0024 996299990000000009D3012D"
    ),
    "1987 EBCDIC: two raw bitmaps": Vector(
        "iso87_ebcdic",
        Message("0800", {7: "0115115301", 11: "000017", 70: "301"}),
        "F0F8F0F0 8220000000000000 0400000000000000 F0F1F1F5F1F1F5F3F0F1 F0F0F0F0F1F7 F3F0F1",
    ),
    "1987 EBCDIC: lengths, separator, text, raw binary": Vector(
        "iso87_ebcdic",
        Message("0200", {2: PAN, 35: TRACK, 41: "TILL-A 1", 52: PIN}),
        "F0F2F0F0 4000000020801000 F1F6 F6F2F9F9F9F9F0F0F0F0F0F0F0F0F0F9"
        "F2F1 F6F2F9F9F9F9F0F0F0F0F0F0F0F0F0F9 7E F3F0F1F2 E3C9D3D360C140F1 0123456789ABCDEF",
    ),
    "1993 BCD: a reversal": Vector(
        "iso93_bcd",
        Message(
            "1420",
            {
                11: "000017", 12: "260115115301", 24: "400", 25: "4021", 30: "000000001234000000001234",
                53: bytes.fromhex("ABCD"), 56: "120000001726011511530112345678901", 97: "D0000000000001234", 128: MAC,
            },
        ),
        "1420 8030018400000900 0000000080000001 000017 260115115301 0400 4021 000000001234000000001234"
        "02 ABCD 33 1200000017260115115301123456789010 44 0000000000001234 1122334455667788",
    ),
    "1993 BCD: letters for a currency": Vector(
        "iso93_bcd",
        Message("1200", {2: PAN, 39: "000", 49: "CNY"}),
        "1200 4000000002008000 16 6299990000000009 0000 434E59",
    ),
    "2003 ASCII: three bitmaps": Vector(
        "iso2003_ascii",
        Message(
            "2804",
            {7: "0115115301", 11: "000000000017", 12: "20260115115301", 24: "831", 130: bytes.fromhex("0A0B")},
        ),
        b"2804 8230010000000000 8000000000000000 4000000000000000 0115115301 000000000017 20260115115301 831 0002 0A0B"
        .replace(b" ", b"").hex(),
    ),
    "2003 ASCII: an amount with its currency, binary by bytes": Vector(
        "iso2003_ascii",
        Message("2200", {3: "00A000", 4: "1562000000001234", 35: TRACK, 52: PIN, 53: bytes.fromhex("ABCD")}),
        b"2200 3000000020001800 00A000 1562000000001234 21 6299990000000009=3012 0123456789ABCDEF 02 ABCD"
        .replace(b" ", b"").hex(),
    ),
    "UnionPay's switch: Chinese name, a PIN under SM4, a MAC": Vector(
        "unionpay_switch",
        Message(
            "0200",
            {3: "000000", 43: "中国" + " " * 36, 63: "SM016" + bytes(range(0xF0, 0x100)).decode("latin-1"), 128: MAC},
        ),
        "30323030 A000000000200002 0000000000000001 303030303030 D6D0B9FA" + "20" * 36 + "303231 534D303136"
        "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF 1122334455667788",
    ),
}  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_both_ways(vector: Vector) -> None:
    dialect, wire = load_dialect(vector.dialect), bytes.fromhex(vector.wire)
    for _ in range(2):  # as a stranger, and with the plan that the first time has made
        assert dialect.encode(vector.message) == wire
        assert dialect.decode(wire) == vector.message


def test_every_dialect_has_a_vector() -> None:
    known = {"iso87_ascii", "unionpay_pos"}  # they have golden messages, and tests of their own
    assert {vector.dialect for vector in VECTORS.values()} | known == set(NAMES)


# Tracks and numbers where the prefix counts bytes ---------------------------------------------------------------------

PADDED = Dialect(
    load_dialect("iso87_bcd").table.derive(
        "padded",
        {
            2: {"prefix": Prefix("binary", 2, "bytes"), "pad": "left", "pad_nibble": "F"},
            35: {"prefix": Prefix("bcd", 2, "bytes"), "pad_nibble": "F"},
        },
    )
)


@pytest.mark.parametrize(
    ("number", "value", "wire"),
    [
        (35, TRACK, "0200 0000000020000000 11 6299990000000009D3012F"),
        (35, TRACK + "3", "0200 0000000020000000 11 6299990000000009D30123"),
        (35, "D", "0200 0000000020000000 01 DF"),
        (2, "629999000000004", "0200 4000000000000000 08 F629999000000004"),
        (2, PAN, "0200 4000000000000000 08 6299990000000009"),
        (2, "6", "0200 4000000000000000 01 F6"),
    ],
)
def test_the_letter_f_tells_odd_from_even(number: int, value: str, wire: str) -> None:
    assert PADDED.encode(Message("0200", {number: value})) == bytes.fromhex(wire)
    assert PADDED.decode(bytes.fromhex(wire)) == Message("0200", {number: value})


@pytest.mark.parametrize(
    ("wire", "number", "offset"),
    [
        ("0200 0000000020000000 20 6299990000000009D3012F", 35, 10),  # more bytes than 37 nibbles take
        ("0200 0000000020000000 00", 35, 10),
        ("0200 4000000000000000 0B 6299990000000009000000", 2, 10),
        ("0200 4000000000000000 08 6F29990000000009", 2, 11),
        ("0200 4000000000000000 08 FF29990000000009", 2, 11),
    ],
)
def test_what_such_a_prefix_or_pad_may_not_say(wire: str, number: int, offset: int) -> None:
    error = refused(PADDED.decode, bytes.fromhex(wire))
    assert (error.field, error.offset) == (number, offset)


# The seven corruptions that codecs are known to accept, in every dialect ----------------------------------------------


def sale(dialect: Dialect) -> Message:
    """A message of fields that every dialect has, its values as long as the rows say."""
    rows = dialect.table.fields
    texts = {2: PAN, 4: "1".zfill(rows[4].length), 11: "7".zfill(rows[11].length), 41: "T" * rows[41].length}
    return Message(f"{dialect.table.version}200", {**texts, 64 if 64 in rows else 128: MAC})


def strange(row: Field, character: str) -> bytes:
    """A byte of the row that holds `character`, which the row may not hold; in BCD a letter nibble."""
    if row.encoding == "bcd":
        return b"\x0a"
    return character.encode("cp500" if row.encoding == "ebcdic" else "latin-1")


@pytest.mark.parametrize("name", NAMES)
def test_known_corruptions_are_refused(name: str) -> None:
    dialect = load_dialect(name)
    message = sale(dialect)
    wire = dialect.encode(message)
    rows = dialect.table.fields

    def start(number: int) -> int:
        """Where a field begins: the error of a value that cannot be written says so."""
        return refused(dialect.encode, message.with_({number: "\n"})).offset

    def corrupted(at: int, data: bytes) -> bytes:
        return wire[:at] + data + wire[at + len(data) :]

    prefix = rows[2].prefix
    assert prefix is not None
    corruptions = [
        (wire + b"\0", "end"),
        (wire[:-1], max(message)),
        (corrupted(start(4), strange(rows[4], "A")), 4),
        (corrupted(start(11), strange(rows[11], "A")), 11),
        (corrupted(start(41) + 2, strange(rows[41], "é")), 41),
        (corrupted(start(41) + 7, b"\0"), 41),
        (corrupted(start(2), prefix.text(20)), 2),
    ]
    for wrong, number in corruptions:
        assert refused(dialect.decode, wrong).field == number
