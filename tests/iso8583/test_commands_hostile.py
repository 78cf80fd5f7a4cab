"""`tillgate iso` and whatever anybody may feed it: one sentence, no traceback, no card data, no hang."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from iso8583 import Message, load_dialect
from iso8583.card_number_guard import held_by, pieces_of_card_numbers
from iso8583.tool.capture import CaptureError, flows, read_capture
from iso8583.tool.wire_input import INPUT_MAX, InputError, read_stream
from tests.iso8583.captures import conversation, ethernet, pcap, pcapng, tcp
from tests.iso8583.card_data import leaks
from tests.iso8583.iso_command import Outcome, Run
from tests.iso8583.vectors import GOLDEN

COMMANDS = ("decode", "describe", "diff", "redact")
SALE = GOLDEN["sale"]
PAN = "6228489035716248"
TRACK = f"{PAN}D30122019182736450"
PIN = "7A2F9C41D3E8B605"
HEAD_BYTES = 24  # type, bitmap, and the length of field 2 in every dialect
SECRETS = (PAN, TRACK, PIN)
CARD_FIELDS: dict[int, str | bytes] = {2: PAN, 14: "3012", 35: TRACK, 52: bytes.fromhex(PIN)}
CARD_SALES = {
    "unionpay_pos": Message("0200", {**SALE.fields, **CARD_FIELDS}),
    **{
        name: Message(
            "0200",
            {
                **CARD_FIELDS, 3: "000000", 4: "000000001234", 7: "0115103046", 11: "000002", 12: "103046", 13: "0115",
                22: "021", 25: "00", 37: "260115000002", 41: "12345678", 42: "898110053110001", 49: "156",
            },
        )
        for name in ("iso87_ascii", "iso87_bcd", "iso87_ebcdic")
    },
}  # fmt: skip


def check(outcome: Outcome) -> None:
    """Refused or done, without a traceback and without card data."""
    assert outcome.code in {0, 1}
    assert "Traceback" not in outcome.everything
    assert "内部故障" not in outcome.err, outcome.err
    assert leaks(outcome.everything, SECRETS) == set()
    assert leaks(outcome.everything) == set()


INPUTS = {
    "nothing": b"",
    "blanks": b" \n\t\r\n ",
    "one digit": b"0",
    "one byte": b"\x01",
    "NULs": bytes(1000),
    "many NULs": bytes(3_000_000),
    "ten million A": b"A" * 10_000_000,
    "ten million lines": b"\n" * 10_000_000,
    "zeros as digits": b"0" * 100_000,
    "0x alone": b"0x",
    "only comments": b"# 1\n# 2\n",
    "UTF-16": "0200".encode("utf-16"),
    "escape sequences": b"\x1b[2J\x1b]0;title\x07" * 10,
    "Chinese": "消费报文".encode(),
    "pcap magic alone": b"\xd4\xc3\xb2\xa1",
    "pcapng magic alone": b"\x0a\x0d\x0d\x0a",
    "pcap without packets": pcap([]),
    "pcapng without packets": pcapng([]),
    "pcap of Bluetooth": pcap([bytes(60)], link=187),
    "lengths of zero": b"\0\0" * 1000,
    "lengths of one": b"\0\x01\x02" * 5000,
    "MTI and all bits": b"\x02\x00" + b"\xff" * 300,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("data", INPUTS.values(), ids=INPUTS)
def test_nonsense_is_refused_in_one_sentence(iso: Run, data: bytes, command: str) -> None:
    outcome = iso(command, stdin=data)
    check(outcome)
    assert outcome.err.startswith("tillgate: ")
    if command == "decode" and outcome.err.count("\n") == 1:
        outcome.sentence()


@pytest.mark.parametrize("command", COMMANDS)
def test_random_bytes(iso: Run, command: str) -> None:
    chance = random.Random(8583)
    for size in (*range(1, 24), 100, 1000, 70_000):
        check(iso(command, stdin=chance.randbytes(size)))
        check(iso(command, stdin=chance.randbytes(size).hex()))
        check(iso(command, stdin=b"\x02\x00" + chance.randbytes(size)))


def test_random_text_as_arguments(iso: Run) -> None:
    chance = random.Random(1987)
    for size in range(1, 60):
        text = "".join(chance.choices("0123456789abcdefXYZ+/=.,:; 卡\\'\"$-", k=size))
        check(iso("decode", "--", text))


@pytest.mark.parametrize("argument", [PAN * 40, f"{PAN} {PAN}x", f"/{PAN}/..", "a\tb", "x" * 5000, "\udcff\udcfe"])
def test_an_argument_that_is_nothing_is_not_repeated(iso: Run, argument: str) -> None:
    outcome = iso("decode", "--", argument)
    check(outcome)
    assert outcome.code == 1
    assert PAN not in outcome.everything


def with_wrong_bits(wire: bytes) -> Iterator[str]:
    """The message with one bit wrong: each of those up to the first lengths, and one in every byte behind them."""
    for bit in (bit for bit in range(8 * len(wire)) if bit < 8 * HEAD_BYTES or bit % 8 == bit // 8 % 8):
        broken = bytearray(wire)
        broken[bit // 8] ^= 1 << bit % 8
        yield broken.hex()


@pytest.mark.parametrize(
    ("command", "name"), [("decode", "unionpay_pos"), *(("describe", name) for name in CARD_SALES)]
)
def test_no_single_wrong_bit_brings_card_data_out(iso: Run, name: str, command: str) -> None:
    wire = load_dialect(name).encode(CARD_SALES[name])
    lines = list(with_wrong_bits(wire))
    for options in ((), ("--dialect", name, "--length", "none", "--head", "none")):
        outcome = iso(command, *options, stdin="\n".join(lines))
        assert leaks(outcome.everything, SECRETS) == set()
        assert "内部故障" not in outcome.err


@pytest.mark.parametrize("name", CARD_SALES)
def test_no_cut_and_no_wrong_dialect_brings_card_data_out(iso: Run, name: str) -> None:
    wire = load_dialect(name).encode(CARD_SALES[name])
    lines = [piece.hex() for at in range(1, len(wire), 2) for piece in (wire[:at], wire[at:])]
    assert leaks(iso("describe", stdin="\n".join(lines)).everything, SECRETS) == set()
    for other in CARD_SALES:
        outcome = iso("describe", "--dialect", other, "--length", "none", "--head", "none", stdin="\n".join(lines))
        assert leaks(outcome.everything, SECRETS) == set()


def test_redaction_lets_nothing_through_of_broken_messages(iso: Run) -> None:
    wire = load_dialect("unionpay_pos").encode(CARD_SALES["unionpay_pos"])
    lines = list(with_wrong_bits(wire))
    outcome = iso("redact", "--key", "ours", stdin="\n".join(lines))
    assert leaks(outcome.everything, [PAN[3:13], PIN]) == set()  # six of the new numbers' digits are the old ones


# --- captures --------------------------------------------------------------------------------------------------------

PACKETS = [ethernet(packet) for packet in conversation(SALE.wire * 2, GOLDEN["sale_answer"].wire)]
CLASSIC, NEXT = pcap(PACKETS), pcapng(PACKETS)


@pytest.mark.parametrize("capture", [CLASSIC, NEXT], ids=["pcap", "pcapng"])
def test_a_capture_cut_anywhere_says_so_or_is_read_so_far(capture: bytes) -> None:
    for size in range(4, len(capture)):
        try:
            found = read_capture(capture[:size])
        except CaptureError:
            continue
        assert len(found.segments) <= len(PACKETS)
        assert all(flow.data for flow in flows(found.segments))


@pytest.mark.parametrize("capture", [CLASSIC, NEXT], ids=["pcap", "pcapng"])
def test_a_capture_with_wrong_bytes_gives_a_sentence_or_segments(capture: bytes) -> None:
    chance = random.Random(1)
    for _ in range(3000):
        broken = bytearray(capture)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(4, len(broken))] = chance.choice((0, 0xFF, 0x7F, chance.randrange(256)))
        try:
            found = read_capture(bytes(broken))
        except CaptureError:
            continue
        total = sum(len(segment.payload) for segment in found.segments)
        assert sum(len(flow.data) for flow in flows(found.segments)) <= total


@pytest.mark.parametrize("command", COMMANDS)
def test_broken_captures_through_the_command(iso: Run, command: str, tmp_path: Path) -> None:
    chance = random.Random(2)
    options = ("--output", str(tmp_path / "out")) if command == "redact" else ()
    for _ in range(60):
        broken = bytearray(chance.choice((CLASSIC, NEXT)))
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        check(iso(command, *options, stdin=bytes(broken[: chance.randrange(8, len(broken))])))


BROKEN_CAPTURES = {
    "a packet of 4 GiB": (CLASSIC[:24] + struct.pack("<4I", 0, 0, 2**32 - 1, 0), "over 256 KiB"),
    "a block of no length": (NEXT[:28] + bytes(12), "impossible length"),
    "no byte order": (NEXT[:8] + bytes(20), "byte order mark"),
    "a packet before its interface": (NEXT[:28] + struct.pack("<8I", 6, 32, 0, 0, 0, 0, 0, 32), "does not fit"),
    "a short interface": (NEXT[:28] + struct.pack("<4I", 1, 16, 0, 16), "Link type"),
    "another link": (pcap(PACKETS, link=147), "Link type 147"),
    "half a header": (CLASSIC[:20], "first packet"),
    "half a packet": (CLASSIC[:60], "first packet"),
    "no TCP": (pcap([bytes(60)]), "no TCP connection"),
}


@pytest.mark.parametrize(("data", "told"), BROKEN_CAPTURES.values(), ids=BROKEN_CAPTURES)
def test_what_is_wrong_with_a_capture_is_said(iso: Run, data: bytes, told: str) -> None:
    outcome = iso("decode", stdin=data)
    assert outcome.code == 1
    if told not in outcome.sentence():
        assert "/" in outcome.err and told == "Link type", outcome.err


def test_gaps_cost_no_memory_and_overlaps_no_time() -> None:
    far = [tcp(b"x", place) for place in (1, 2**30, 2**31 - 1)]
    assert [flow.data for flow in flows(read_capture(pcap(far, link=101)).segments)] == [b"x"] * 3
    same = [tcp(bytes(1400), 1 + number % 3) for number in range(2000)]
    (flow,) = flows(read_capture(pcap(same, link=101)).segments)
    assert len(flow.data) == 1402


def test_a_port_that_is_used_again_is_another_connection(iso: Run) -> None:
    first = conversation(SALE.wire, b"")
    second = [tcp(b"", 7, flags=2), tcp(GOLDEN["reversal"].wire, 8)]
    outcome = iso("decode", "--json", stdin=pcap([*first, *second], link=101))
    assert [row["mti"] for row in outcome.rows] == ["0200", "0400"]


def test_an_input_has_a_largest_size() -> None:
    with pytest.raises(InputError, match="64 MiB"):
        read_stream(lambda size: b"0" * min(size, INPUT_MAX + 1))


def test_too_many_lines_are_refused(iso: Run) -> None:
    assert "lines" in iso("decode", "--form", "hex", stdin=b"00\n" * 100_001).sentence()


# --- the guard against misplaced card numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["D", "="])
@pytest.mark.parametrize("form", ["packed", "ascii", "ebcdic"])
def test_card_numbers_are_found_however_they_are_written(form: str, separator: str) -> None:
    texts = [f"16{PAN}00", f"{PAN}{separator}3012"]
    for text, before in itertools.product(texts, ("", "0", "00")):
        if form == "packed":
            digits = before + text.replace("=", "D")
            wire = bytes.fromhex(digits + "0" * (len(digits) % 2))
        else:
            wire = text.encode("ascii" if form == "ascii" else "cp500")
        assert held_by(PAN, pieces_of_card_numbers(wire))
        assert held_by(f"00{PAN[4:12]}", pieces_of_card_numbers(wire))


def test_ordinary_values_are_not_taken_for_card_numbers() -> None:
    for golden in GOLDEN.values():
        known = pieces_of_card_numbers(golden.wire)
        shown = [golden.fields.get(number, "") for number in (3, 4, 11, 12, 13, 37, 41, 42, 60)]
        assert [value for value in shown if held_by(str(value), known)] == []
