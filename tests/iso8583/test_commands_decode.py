"""`tillgate iso decode`: every form of input, every dialect, what it says and how it refuses."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from iso8583 import Message, load_dialect
from iso8583.dialects import NAMES
from iso8583.tool.envelope import LENGTHS, Envelope
from iso8583.tool.self_measure import sample
from tests.iso8583.captures import conversation, ethernet, pcap, pcapng
from tests.iso8583.card_data import leaks
from tests.iso8583.iso_command import Run
from tests.iso8583.vectors import GOLDEN, Golden

ALL = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
SALE, ANSWER = GOLDEN["sale"], GOLDEN["sale_answer"]
EVERYTHING = b"".join(golden.wire for golden in GOLDEN.values())
TPDU = bytes.fromhex("6000030000")


def dump(data: bytes, row: str) -> str:
    """`data` as a hex dump: `row` formats offset, pairs and text."""
    rows = [(at, data[at : at + 16]) for at in range(0, len(data), 16)]
    return "\n".join(row.format(at=at, pairs=chunk.hex(" "), text="." * len(chunk)) for at, chunk in rows)


FORMS = {
    "hex": SALE.wire.hex(),
    "upper case with blanks": SALE.wire.hex(" ").upper(),
    "colons": SALE.wire.hex(":"),
    "0x": f"0x{SALE.wire.hex()}",
    "hex over several lines": "\n".join(SALE.wire.hex()[at : at + 60] for at in range(0, 2 * len(SALE.wire), 60)),
    "a comment above": f"# a sale\n{SALE.wire.hex()}\n",
    "base64": base64.b64encode(SALE.wire).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SALE.wire).decode().rstrip("="),
    "base64 over several lines": base64.encodebytes(SALE.wire).decode(),
    "hexdump -C": dump(SALE.wire, "{at:08x}  {pairs:48} |{text}|"),
    "xxd": dump(SALE.wire, "{at:08x}: {pairs:48} {text}"),
    "Wireshark": dump(SALE.wire, "{at:04x}   {pairs:48}   {text}"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_known(iso: Run, form: str) -> None:
    outcome = iso("decode", "--json", stdin=form)
    assert outcome.code == 0, outcome.err
    assert [row["mti"] for row in outcome.rows] == ["0200"]
    assert outcome.rows[0]["fields"]["4"] == "000000001234"


@ALL
def test_a_message_is_an_argument_a_file_or_piped_in(iso: Run, golden: Golden, tmp_path: Path) -> None:
    file = tmp_path / "message.bin"
    file.write_bytes(golden.wire)
    outcomes = [iso("decode", "--json", golden.wire.hex()), iso("decode", "--json", str(file))]
    outcomes += [iso("decode", "--json", "-", stdin=golden.wire), iso("decode", "--json", stdin=golden.wire)]
    facts = [[{**row, "reading": ""} for row in outcome.rows] for outcome in outcomes]
    assert [outcome.code for outcome in outcomes] == [0] * 4
    assert facts[1:] == facts[:1] * 3
    assert facts[0][0]["mti"] == golden.mti
    assert {int(number) for number in facts[0][0]["fields"]} == set(golden.fields)


@ALL
@pytest.mark.parametrize("strip", [0, 2, 13], ids=["all of it", "no length", "bare"])
def test_the_frame_is_found_or_its_absence(iso: Run, golden: Golden, strip: int) -> None:
    outcome = iso("decode", "--json", golden.wire[strip:].hex())
    assert outcome.code == 0, outcome.err
    row = outcome.rows[0]
    assert (row["dialect"], row["mti"]) == ("unionpay_pos", golden.mti)
    assert row["length"] == ("none" if strip else "2-byte")
    assert row.get("tpdu", "") == ("" if strip == 13 else golden.tpdu)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", ["none", *LENGTHS])
def test_the_dialect_is_found(iso: Run, name: str, length: str) -> None:
    wire = Envelope(length).around(load_dialect(name).encode(sample(load_dialect(name), "purchase")))
    row = iso("decode", "--json", wire.hex()).rows[0]
    assert (row["dialect"], row["length"]) == (name, length)


@pytest.mark.parametrize("name", NAMES)
def test_messages_of_one_stream_are_cut(iso: Run, name: str) -> None:
    dialect = load_dialect(name)
    wires = [Envelope("2-byte").around(dialect.encode(sample(dialect, shape))) for shape in ("purchase", "network") * 3]
    outcome = iso("decode", "--json", stdin=b"".join(wires))
    assert [row["mti"][1:] for row in outcome.rows] == ["200", "800"] * 3
    assert {row["dialect"] for row in outcome.rows} == {name}


def test_lines_are_messages_of_their_own(iso: Run) -> None:
    outcome = iso("decode", "--json", stdin="\n".join(golden.wire.hex() for golden in GOLDEN.values()))
    assert [row["mti"] for row in outcome.rows] == [golden.mti for golden in GOLDEN.values()]
    assert [row["where"] for row in outcome.rows] == [f"line {number}" for number in range(1, 9)]


def test_lines_of_characters_are_messages(iso: Run) -> None:
    dialect = load_dialect("iso87_ascii")
    wire = dialect.encode(sample(dialect, "purchase"))
    outcome = iso("decode", "--json", stdin=wire + b"\n" + wire + b"\n")
    assert [row["dialect"] for row in outcome.rows] == ["iso87_ascii"] * 2


# --- captures --------------------------------------------------------------------------------------------------------


REQUESTS = b"".join(golden.wire for golden in GOLDEN.values() if not golden.name.endswith("answer"))
ANSWERS = b"".join(golden.wire for golden in GOLDEN.values() if golden.name.endswith("answer"))
PACKETS = conversation(REQUESTS, ANSWERS)
FRAMES = [ethernet(packet) for packet in PACKETS]
CAPTURES = {
    "pcap, little-endian": pcap(FRAMES),
    "pcap, big-endian": pcap(FRAMES, order=">"),
    "pcap, nanoseconds": pcap(FRAMES, nanoseconds=True),
    "pcap, raw IP": pcap(PACKETS, link=101),
    "pcap, loopback": pcap([b"\2\0\0\0" + packet for packet in PACKETS], link=0),
    "pcap, Linux cooked": pcap([bytes(14) + b"\x08\x00" + packet for packet in PACKETS], link=113),
    "pcap, VLAN": pcap([ethernet(packet, vlan=True) for packet in PACKETS]),
    "pcap, IPv6": pcap([ethernet(packet) for packet in conversation(REQUESTS, ANSWERS, six=True)]),
    "pcapng, little-endian": pcapng(FRAMES),
    "pcapng, big-endian": pcapng(FRAMES, order=">"),
    "pcap with strangers": pcap(
        [b"", bytes(60), ethernet(b"\x45" + bytes(40)), *FRAMES, ethernet(b"\x60" + bytes(50))]
    ),
}


@pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES)
def test_captures_are_put_together_again(iso: Run, capture: bytes) -> None:
    outcome = iso("decode", "--json", stdin=capture)
    assert outcome.code == 0, outcome.err
    requests = [row["mti"] for row in outcome.rows if row["where"].split(",")[0].endswith(":9700")]
    answers = [row["mti"] for row in outcome.rows if row["where"].split(",")[0].endswith(":40000")]
    assert requests == ["0800", "0200", "0200", "0400", "0200", "0500"]
    assert answers == ["0810", "0210"]
    assert "10.0.0.1:40000 -> 10.0.0.2:9700" in outcome.out or "[::" in outcome.out


def test_what_a_capture_lost_is_a_gap_and_the_rest_is_read(iso: Run) -> None:
    lost = [packet for number, packet in enumerate(conversation(SALE.wire * 4, ANSWER.wire, piece=127)) if number != 3]
    outcome = iso("decode", stdin=pcap(lost, link=101))
    assert outcome.out.count("0200 ISO 8583:1987") == 3
    assert outcome.code == 0


def test_a_capture_that_was_cut_off_is_read_so_far_and_says_so(iso: Run) -> None:
    outcome = iso("decode", "--json", stdin=pcap(FRAMES)[:-20])
    assert "cut off in packet" in outcome.err
    assert len(outcome.rows) == len(GOLDEN)


# --- what it says ----------------------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("command", ["decode", "describe"])
@pytest.mark.parametrize("options", [(), ("--json",), ("--lang", "zh")], ids=["text", "json", "zh"])
def test_card_data_is_masked(iso: Run, golden: Golden, command: str, options: tuple[str, ...]) -> None:
    outcome = iso(command, golden.wire.hex(), *options)
    assert outcome.code == 0
    assert leaks(outcome.everything) == set()


@ALL
def test_card_data_is_shown_when_asked_for_and_warned_of(iso: Run, golden: Golden) -> None:
    outcome = iso("decode", "--json", "--show-card-data", golden.wire.hex())
    fields = {int(number): value for number, value in outcome.rows[0]["fields"].items()}
    wanted = {
        n: value if isinstance(value, str) else {"hex": value.hex().upper()} for n, value in golden.fields.items()
    }
    assert fields == wanted
    assert "Card data is shown in full" in outcome.err


def test_columns_line_up_in_both_languages(iso: Run) -> None:
    shown = iso("decode", SALE.wire.hex(), "--lang", "zh").out
    assert "读法:十六进制 → 两字节长度 → TPDU 和报文头 → unionpay_pos" in shown
    assert "  2   主账号            629999******0009\n  3   交易处理码        000000\n" in shown
    shown = iso("decode", SALE.wire.hex()).out
    assert "  2   primary account number       629999******0009\n" in shown
    assert re.search(r"Of \d+ ways of reading it, the only one that decodes\.", shown)
    assert "\x1b" not in shown


def test_the_language_is_that_of_the_shell(iso: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "主账号" in iso("decode", SALE.wire.hex()).out


def test_ambiguity_is_said(iso: Run) -> None:
    message = Message("0800", {11: "000001", 41: "12345678", 42: "898110053110001"})
    wire = load_dialect("unionpay_pos").encode(message)
    assert "It decodes as unionpay_pos too, but makes less sense so." in iso("decode", wire.hex()).out
    outcome = iso("decode", (TPDU + wire).hex())
    assert outcome.code == 0
    assert "Ambiguous: it makes as much sense as TPDU, unionpay_pos. Say which with --dialect" in outcome.out
    reading = iso("decode", "--json", (TPDU + wire).hex()).rows[0]["reading"]
    assert reading == {
        "form": "hex",
        "tried": reading["tried"],
        "ambiguous": True,
        "others": [["none", "tpdu", "unionpay_pos"]],
    }
    told = iso("decode", "--dialect", "unionpay_pos", (TPDU + wire).hex())
    assert "Ambiguous" not in told.out


def test_a_broken_message_says_what_is_wrong_and_what_is_sure(iso: Run) -> None:
    broken = bytearray(SALE.wire)
    broken[13 + 10 + 9 + 3] = 0xAB  # in field 4
    outcome = iso("decode", broken.hex())
    assert outcome.code == 1
    assert "it does not decode: field 4 (amount) at byte 35: needed digits" in outcome.sentence()
    assert "^ field 4: needed digits, nibble" in outcome.out, "the dump has a caret"
    assert "unionpay_pos field 4: n12 bcd" in outcome.out, "and the rule"
    assert "  3   processing code              000000" in outcome.out
    assert "898110053110001" in outcome.out, "what stands behind the fault is sure too: all lengths fit"
    facts = json.loads(iso("decode", "--json", broken.hex()).out)
    assert facts["error"]["field"] == 4
    assert facts["error"]["offset"] == 35
    assert facts["fields"]["11"] == "000002"


def test_a_message_that_was_cut_short_says_so(iso: Run) -> None:
    outcome = iso("decode", SALE.wire[:-30].hex())
    assert "length at byte 0: needed 125 bytes behind the length, there are 95" in outcome.sentence()
    assert "  49  currency                 156\n" in outcome.out
    outcome = iso("decode", SALE.wire.hex() + "0102")
    assert "message 2: it does not decode: length at byte 0: needed a length of 2 bytes" in outcome.sentence()


def test_of_many_messages_the_good_ones_are_shown(iso: Run) -> None:
    lines = [SALE.wire.hex(), SALE.wire.hex()[:-10], "00", ANSWER.wire.hex()]
    outcome = iso("decode", "--json", stdin="\n".join(lines))
    assert outcome.code == 1
    assert "2 of 4 messages do not decode" in outcome.sentence()
    assert [row.get("mti") for row in outcome.rows] == ["0200", "0200", None, "0210"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--dialect", "visa"), "iso87_ascii"),
        (("--form", "morse"), "base64"),
        (("--length", "3-byte"), "2-byte-bcd"),
        (("--head", "hat"), "tpdu+header"),
        (("--lang", "fr"), "zh, en"),
    ],
)
def test_wrong_use_lists_what_there_is(iso: Run, options: tuple[str, ...], told: str) -> None:
    outcome = iso("decode", SALE.wire.hex(), *options)
    assert outcome.code == 2
    assert told in outcome.sentence()


def test_what_the_user_says_is_not_guessed(iso: Run) -> None:
    wire = SALE.wire
    options = ("--json", "--dialect", "unionpay_pos", "--length", "2-byte", "--head", "11")
    row = iso("decode", wire.hex(), *options).rows[0]
    assert row["mti"] == "0200"
    assert row["header"] == {"masked": "<11 bytes>"}, "nobody knows what a head of so many bytes holds"
    assert row["reading"]["tried"] == 1


def test_nobody_types_a_message_into_a_silent_terminal(iso: Run) -> None:
    outcome = iso("decode", is_terminal=True)
    assert outcome.code == 1
    assert "Example: tillgate iso decode" in outcome.sentence()


def test_a_dialect_of_ones_own(iso: Run, tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('name = "ours"\ninherits = "unionpay_pos"\n[fields.11]\nname = "our own number"\n', "utf-8")
    outcome = iso("decode", SALE.wire.hex(), "--dialect-file", str(file))
    assert outcome.code == 0, outcome.err
    assert "our own number" in outcome.out
    file.write_text('name = "ours"\ninherits = "nothing"\n', "utf-8")
    outcome = iso("decode", SALE.wire.hex(), "--dialect-file", str(file))
    assert outcome.code == 1
    assert "no sound dialect" in outcome.sentence()
