"""Our codec and two that are not ours agree: pyiso8583, and the ISO 8583 dissector of Wireshark.

The messages are seeded. pyiso8583 runs in an environment of its own (`bench.codec_peers`), as its package has the name
of ours: it must write our bytes, and read them back to the same values. The dissector only reads; it knows the fields
of 1987 and 1993, and where it takes another length or another class for one of them than the standard's or ours, that
is in a table below. Nothing stands in these tables without need: each row is shown to be one where they differ.
"""

import json
import os
import random
import re
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from bench.codec_peers.client import STARTS, Cannot, Peer, started
from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.encodings import ALPHABETS
from iso8583.table import Field, Table

MESSAGES: Final = 120  # of each dialect
LONGEST: Final = 130  # bytes or digits of a field of variable length: lengths of two digits and of three
DIGITS: Final = "0123456789"


def value_of(field: Field, chance: random.Random, alphabet: str = "", shortest: int = 0, step: int = 1) -> str | bytes:
    """A legal value, no shorter than `shortest` and of a length that `step` divides if the length is variable."""
    length = field.length
    if field.prefix:
        length = chance.randrange(-(-max(field.minimum, shortest) // step) * step, min(length, LONGEST) + 1, step)
    if field.content == "b":
        return bytes(chance.choices([*alphabet.encode()] or range(256), k=length))
    if field.content == "x+n":
        return chance.choice("CD") + "".join(chance.choices(DIGITS, k=length - 1))
    if field.encoding == "gb18030":
        text = "".join(chance.choices("阿龙·商店 é𠀀1aZ", k=length))
        fitting = text.encode("gb18030")[:length].decode("gb18030", "ignore")
        return fitting + " " * (length - len(fitting.encode("gb18030")))
    letters = alphabet or ALPHABETS[field.content].decode()
    if field.encoding == "latin1":
        letters = alphabet or bytes(range(256)).decode("latin-1")
    return "".join(chance.choices(letters, k=length))


def messages_of(
    table: Table, numbers: Sequence[int], value: Callable[[int, random.Random], str | bytes], count: int = MESSAGES
) -> Iterator[Message]:
    """`count` messages of 1 to 24 of the fields `numbers`."""
    chance = random.Random(table.name)
    for _ in range(count):
        chosen = sorted(chance.sample(numbers, chance.randint(1, min(24, len(numbers)))))
        mti = table.version + "".join(chance.choices(DIGITS, k=3))
        yield Message(mti, {number: value(number, chance) for number in chosen})


# pyiso8583 -----------------------------------------------------------------------------------------------------------

# A third bitmap is in none of our dialects' fields that pyiso8583 can write, so it gets a dialect of its own.
WITH_THREE_BITMAPS: Final = load_dialect("iso87_ascii").table.derive(
    "three bitmaps", {number: Field("reserved", "ans", "ascii", 9) for number in range(129, 193)}, bits=192
)


def has_no_word_for(field: Field) -> bool:
    """Whether pyiso8583 cannot specify the field: two codings in one, or a length that counts what is not written."""
    signed = field.content == "x+n" and field.encoding == "bcd"
    return signed or (field.encoding in {"bcd", "hex"} and field.prefix is not None and field.prefix.counts == "bytes")


@pytest.fixture(scope="module")
def pyiso8583() -> Iterator[Peer]:
    with started("pyiso8583", STARTS["pyiso8583"](print)) as peer:
        yield peer


TABLES: Final = [*(load_dialect(name).table for name in NAMES), WITH_THREE_BITMAPS]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_pyiso8583_writes_and_reads_what_we_do(pyiso8583: Peer, table: Table) -> None:
    profile, dialect = table.name.replace(" ", "-"), Dialect(table)
    pyiso8583.learn(profile, table)
    numbers = [number for number, field in table.fields.items() if not has_no_word_for(field)]
    for message in messages_of(table, numbers, lambda number, chance: value_of(table.fields[number], chance)):
        wire = dialect.encode(message)
        assert pyiso8583.encode(profile, message) == wire
        assert pyiso8583.decode(profile, table, wire) == message
        assert dialect.decode(wire) == message


def test_pyiso8583_has_words_for_nearly_all() -> None:
    """What is left out: signed amounts packed behind their sign, and lengths of hexadecimal in bytes."""
    left_out = {
        table.name: sorted(number for number, field in table.fields.items() if has_no_word_for(field))
        for table in TABLES
    }
    packed_signs = {name: numbers for name, numbers in left_out.items() if numbers and name != "iso2003_ascii"}
    assert packed_signs == {"iso87_bcd": [28, 29, 30, 31, 97], "iso93_bcd": [97]}
    assert all(load_dialect("iso2003_ascii").table.fields[n].encoding == "hex" for n in left_out["iso2003_ascii"])


def test_both_refuse_what_is_cut_off(pyiso8583: Peer) -> None:
    dialect = load_dialect("iso87_bcd")
    pyiso8583.learn("iso87_bcd", dialect.table)
    wire = dialect.encode(Message("0200", {2: "6299990000000009", 4: "000000012345", 41: "10000001", 55: bytes(9)}))
    for end in range(1, len(wire)):
        with pytest.raises(Cannot):
            pyiso8583.decode("iso87_bcd", dialect.table, wire[:end])
        with pytest.raises(Iso8583Error):
            dialect.decode(wire[:end])


# Wireshark -----------------------------------------------------------------------------------------------------------

BY_DIGITS: Final = "its length counts bytes, ours digits"
SIGN: Final = "it takes the sign's byte for digits"
WORDS: Final = "n8; ours is n16, as the standard's is"
SUMS: Final = "n15; ours are n16, as the standard's are"
PUNCTUATION: Final = "0123456789 !#$%&()*+,-./:;<=>?@[]^_{|}~"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the dissector is told to read one of our dialects, and where its own table is another.

    Attributes:
        digits: its preference for digits, "ascii" or "bcd".
        binary: its preference for binary fields and bitmaps, "ascii" (hexadecimal) or "bin".
        others: fields that it cannot read as we write them, with the reason.
        alphabets: fields of which it takes fewer characters than we do.
        longest: fields of which it takes no more bytes, by its table, or in raw ones by a buffer that it makes half as
            long as it needs (in 4.0).
    """

    digits: str
    binary: str
    others: Mapping[int, str]
    alphabets: Mapping[int, str]
    longest: Mapping[int, int]


READINGS: Final = {
    "iso87_ascii": Reading(
        "ascii", "ascii",
        {53: WORDS, **dict.fromkeys(range(86, 90), SUMS)},
        {34: PUNCTUATION, 36: DIGITS, 92: DIGITS, 93: DIGITS},
        {},
    ),
    "iso87_bcd": Reading(
        "bcd", "bin",
        {
            **dict.fromkeys([28, 29, 30, 31, 97], SIGN), 35: BY_DIGITS, 36: BY_DIGITS, 53: WORDS,
            **dict.fromkeys(range(86, 90), SUMS), 92: "packed", 93: "packed",
        },
        {34: PUNCTUATION},
        {},
    ),
    "iso93_bcd": Reading(
        "bcd", "bin",
        {15: "n4", 35: BY_DIGITS, 36: BY_DIGITS, 53: "48 bytes without a length", 71: "n6", 97: SIGN},
        {34: PUNCTUATION},
        {55: 8, 96: 8},
    ),
    "unionpay_pos": Reading(
        "bcd", "bin",
        {22: "padded on the left", 35: BY_DIGITS, 36: BY_DIGITS, 53: WORDS, **dict.fromkeys([48, 60, 61], "text")},
        {},
        {},
    ),
    "unionpay_switch": Reading("ascii", "bin", {35: "in hexadecimal", 53: WORDS}, {36: DIGITS}, {104: 100}),
}  # fmt: skip
UNREADABLE: Final = {"iso87_ebcdic": "it knows no EBCDIC", "iso2003_ascii": "it knows 1987 and 1993"}

PORT: Final = 8583
WIRE_MIN: Final = 20  # bytes; it looks at no shorter message
PREFERENCES: Final = {
    "digits": {"ascii": "Digits represented as ASCII Characters", "bcd": "Digits represented in nibbles"},
    "binary": {"ascii": "Bin data represented as Hex Ascii characters", "bin": "Bin data not encoded"},
}


def readable_value(table: Table, number: int, chance: random.Random) -> str | bytes:
    """A value that the dissector takes. Of what we allow, it refuses three things:

    An empty field, or one packed length and less than another byte behind it at the very end; an odd number of digits
    behind a length, which it has padded on the left; and blanks in an, or anything unprintable in any text.
    """
    field = table.fields[number]
    printable = ALPHABETS["ans"].decode()
    if number in READINGS[table.name].alphabets:
        alphabet = READINGS[table.name].alphabets[number]
    elif field.content == "an":
        alphabet = ALPHABETS["an"].decode().replace(" ", "")
    elif field.encoding in {"latin1", "gb18030"} or (field.content == "b" and field.prefix):
        alphabet = printable
    else:
        alphabet = ""
    plain = replace(field, encoding="ascii") if field.encoding == "gb18030" else field
    short = replace(plain, length=READINGS[table.name].longest.get(number, field.length))
    return value_of(short, chance, alphabet, shortest=2, step=2 if field.encoding == "bcd" else 1)


def is_looked_at(wire: bytes) -> bool:
    """Whether the dissector takes a raw message for ISO 8583.

    It does not if it finds a text of 16 characters where the bitmap would be if it were hexadecimal. A text ends at a
    NUL, and a byte that is not ASCII counts three times, as it makes a replacement character of it.
    """
    text = wire[4:20].partition(b"\0")[0].decode("ascii", "replace")
    return len(wire) >= WIRE_MIN and (len(text.encode()) != 16 or re.fullmatch("[0-9A-Fa-f]+", text) is not None)


def capture(wires: Sequence[bytes]) -> bytes:
    """A capture file (pcap, raw IPv4): each message behind its length of two bytes, on a connection of its own."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 228)]
    for number, wire in enumerate(wires):
        payload = struct.pack(">H", len(wire)) + wire
        tcp = struct.pack(">HHIIBBHHH", 1024 + number, PORT, 1, 1, 5 << 4, 0x18, 65535, 0, 0)
        whole = 20 + len(tcp) + len(payload)
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, whole, number, 0, 64, 6, 0, 0x0A000001, 0x0A000002)
        parts.append(struct.pack("<IIII", number, 0, whole, whole) + ip + tcp + payload)
    return b"".join(parts)


Dissected = dict[str, Any]


def dissect(folder: Path, reading: Reading, wires: Sequence[bytes]) -> list[Dissected | None]:
    """What tshark says of each message, raw bytes included; None if it does not take it for ISO 8583."""
    file = folder / "messages.pcap"
    file.write_bytes(capture(wires))
    preferences = {
        "len_endian": "Big endian",
        "charset": PREFERENCES["digits"][reading.digits],
        "binencode": PREFERENCES["binary"][reading.binary],
    }
    options = [word for name, value in preferences.items() for word in ("-o", f"iso8583.{name}:{value}")]
    command = ["tshark", "-n", "-r", str(file), "-d", f"tcp.port=={PORT},iso8583", *options, "-T", "json", "-x"]
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}  # nobody's own preferences
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [packet["_source"]["layers"].get("iso8583") for packet in json.loads(done.stdout)]


def as_read(table: Table, dissected: Dissected) -> Message | None:
    """The message that the dissector has read; None if it complains about a field."""
    if any(name.endswith("_tree") for name in dissected):
        return None
    numbers = [int(name[len("iso8583.bit") :]) for name in dissected if re.fullmatch(r"iso8583\.bit\d+", name)]
    return Message(dissected["iso8583.mti"], {number: _value_read(table, number, dissected) for number in numbers})


def _value_read(table: Table, number: int, dissected: Dissected) -> str | bytes:
    field, name = table.fields[number], f"iso8583.bit{number}"
    shown, raw = str(dissected[name]), bytes.fromhex(dissected[f"{name}_raw"][0])
    if field.content == "b":
        return bytes.fromhex(shown) if field.encoding == "hex" else raw
    return shown.translate(str.maketrans(":;<=>?", "ABCDEF")) if field.content == "z" else shown


@pytest.mark.parametrize("name", READINGS)
def test_wireshark_reads_what_we_write(name: str, tmp_path: Path) -> None:
    dialect, reading = load_dialect(name), READINGS[name]
    numbers = [number for number in dialect.table.fields if number not in reading.others]
    messages = list(messages_of(dialect.table, numbers, partial(readable_value, dialect.table), 4 * MESSAGES))
    wires = {message: dialect.encode(message) for message in messages}
    sent = [message for message, wire in wires.items() if reading.binary == "ascii" or is_looked_at(wire)]
    assert len(sent) > 0.9 * len(messages)
    assert {number for message in sent for number in message} == {*numbers}
    dissected = dissect(tmp_path, reading, [wires[message] for message in sent])
    for message, found in zip(sent, dissected, strict=True):
        assert found is not None
        assert as_read(dialect.table, found) == message


@pytest.mark.parametrize("name", READINGS)
def test_nothing_is_withheld_from_wireshark_without_need(name: str, tmp_path: Path) -> None:
    dialect, reading = load_dialect(name), READINGS[name]
    chance = random.Random(name)
    messages = []
    for number in reading.others:
        around = sorted({3, 4, 41, number, max(dialect.table.fields)})
        values = {each: readable_value(dialect.table, each, chance) for each in around}
        messages.append(Message(f"{dialect.table.version}200", values))
    dissected = dissect(tmp_path, reading, [dialect.encode(message) for message in messages])
    agreed = [message for message, found in zip(messages, dissected, strict=True)
              if found and as_read(dialect.table, found) == message]  # fmt: skip
    assert agreed == []


def test_every_dialect_is_compared_or_said_not_to_be() -> None:
    assert sorted([*READINGS, *UNREADABLE]) == sorted(NAMES)
