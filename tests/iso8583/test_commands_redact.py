"""`tillgate iso redact`: no card data is left, everything else is as it was, and it still decodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from iso8583 import Message, load_dialect
from iso8583.dialects import NAMES
from iso8583.tool.envelope import Envelope
from iso8583.tool.plausibility import luhn_valid
from iso8583.tool.redaction import Redactor, filler, filler_bytes
from iso8583.tool.self_measure import sample
from tests.iso8583.captures import conversation, ethernet, pcap, pcapng, tcp
from tests.iso8583.card_data import leaks, secrets
from tests.iso8583.iso_command import Run
from tests.iso8583.vectors import GOLDEN, Golden

ALL = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
POS = load_dialect("unionpay_pos")
PAN = "6228481234567894"  # made up: no run of zeros in it
TRACK = f"{PAN}D30122011234567890"  # 34 digits
HARMLESS = (3, 4, 11, 12, 13, 15, 22, 23, 25, 26, 32, 37, 38, 39, 41, 42, 49, 53, 60, 61)
NAME = "ZHANG/SAN"


def chip(*objects: str) -> bytes:
    return bytes.fromhex("".join(objects))


CARD_SALE = Message(
    "0200",
    {
        **{number: value for number, value in GOLDEN["sale"].fields.items() if number not in {2, 35, 55}},
        2: PAN,
        35: TRACK,
        36: f"99{PAN}D1561560000000000000003000000114000000000000000000",
        55: chip("9F3602000A", f"5A08{PAN}", f"5711{TRACK}", "5F2403301231", "9505" + "00" * 5),
        59: "A3019" + "6201234567890123456",
        63: f"card {PAN} 张三",
    },
)


def redacted(message: Message, key: bytes = b"a key") -> Message:
    return Redactor(key).redact(message, POS)


@ALL
def test_it_still_decodes_with_the_same_fields_in_the_same_sizes(iso: Run, golden: Golden) -> None:
    outcome = iso("redact", golden.wire.hex())
    assert outcome.code == 0
    wire = bytes.fromhex(outcome.out.strip())
    assert len(wire) == len(golden.wire)
    assert wire[:23] == golden.wire[:23], "length, TPDU, header, type and bitmap are as they were"
    message = POS.decode(wire[13:])
    assert list(message) == sorted(golden.fields)
    kept = [number for number in HARMLESS if number in golden.fields]
    assert {number: message[number] for number in kept} == {number: golden.fields[number] for number in kept}


@ALL
def test_nothing_of_the_card_data_is_left(iso: Run, golden: Golden) -> None:
    outcome = iso("redact", "--key", "ours", golden.wire.hex())
    hexadecimal = bytes.fromhex(outcome.out.strip())
    known = [secret for secret in secrets(golden) if len(set(secret)) > 2]
    assert leaks(outcome.out + hexadecimal.decode("latin-1"), known) == set()


def test_a_card_number_keeps_six_and_four_and_stays_valid() -> None:
    seen = set()
    for key in range(200):
        pan = redacted(CARD_SALE, b"%d" % key).text(2)
        assert (pan[:6], pan[-4:], len(pan)) == (PAN[:6], PAN[-4:], len(PAN))
        assert luhn_valid(pan)
        assert pan != PAN
        seen.add(pan)
    assert len(seen) > 190


@pytest.mark.parametrize("length", range(13, 20))
def test_card_numbers_of_every_length_change(length: int) -> None:
    pan = ("6228481234567890123"[: length - 1]) + "0"
    for key in range(300):
        other, _ = Redactor(b"%d" % key).number(pan)
        assert len(other) == length
        assert luhn_valid(other)
        assert other != pan


def test_the_same_card_is_the_same_everywhere_in_the_message() -> None:
    message = redacted(CARD_SALE)
    pan = message.text(2)
    assert message.text(35) == f"{pan}D4912{TRACK[21:24]}0000000000"[: len(TRACK)]
    assert message.text(36).startswith(f"99{pan}D")
    assert message.text(36).count("D") == 1
    chip_data = message.binary(55).hex().upper()
    assert f"5A08{pan}" in chip_data
    assert f"5711{pan}D4912" in chip_data
    assert "5F2403491231" in chip_data
    assert chip_data.startswith("9F3602000A")
    assert PAN not in str(dict(message)) + chip_data


def test_text_of_people_becomes_filler_of_the_same_bytes() -> None:
    text = redacted(CARD_SALE).text(63)
    assert text.endswith(" 某某")
    assert PAN not in text
    assert len(text.encode("gb18030")) == len(CARD_SALE.text(63).encode("gb18030"))


def test_a_payment_code_keeps_two_and_four() -> None:
    assert redacted(CARD_SALE).text(59)[:7] == "A301962"
    assert redacted(CARD_SALE).text(59)[-4:] == "3456"
    assert redacted(CARD_SALE).text(59) != CARD_SALE.text(59)


def test_a_harmless_field_that_holds_a_card_number_is_filled() -> None:
    message = redacted(CARD_SALE.with_({42: PAN[:15]}))
    assert message.text(42) == "0" * 15


def test_without_a_key_two_runs_differ_and_with_one_they_do_not(iso: Run) -> None:
    wire = GOLDEN["sale"].wire.hex()
    assert iso("redact", wire).out != iso("redact", wire).out
    assert iso("redact", "--key", "ours", wire).out == iso("redact", "--key", "ours", wire).out
    assert iso("redact", "--key", "ours", wire).out != iso("redact", "--key", "yours", wire).out


def test_one_run_gives_one_card_one_number(iso: Run) -> None:
    lines = iso("redact", stdin="\n".join(golden.wire.hex() for golden in GOLDEN.values())).out.split()
    pans = {POS.decode(bytes.fromhex(line)[13:]).get(2) for line in lines} - {None}
    assert len(pans) == 1


def test_harmless_objects_of_a_chip_stay(iso: Run) -> None:
    golden = GOLDEN["chip_sale"]
    assert POS.decode(bytes.fromhex(iso("redact", golden.wire.hex()).out)[13:])[55] == golden.fields[55]


def test_what_was_changed_is_said(iso: Run) -> None:
    outcome = iso("redact", GOLDEN["sale"].wire.hex())
    assert "another card number, first six and last four kept" in outcome.err
    assert "the MACs no longer fit" in outcome.err
    row = iso("redact", "--json", GOLDEN["sale"].wire.hex()).rows[-1]
    assert [change["field"] for change in row["changed"]] == ["2", "14", "35", "52", "64"]


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_is_redacted(iso: Run, name: str) -> None:
    dialect = load_dialect(name)
    for shape in ("purchase", "network"):
        wire = Envelope("2-byte").around(dialect.encode(sample(dialect, shape)))
        outcome = iso("redact", "--key", "ours", "--dialect", name, wire.hex())
        assert outcome.code == 0
        clean = bytes.fromhex(outcome.out.strip())
        assert len(clean) == len(wire)
        message = dialect.decode(clean[2:])
        assert list(message) == list(sample(dialect, shape))
        assert leaks(str(dict(message)), ["6299990000000009D3012201"]) == set()


def test_what_does_not_decode_is_left_out_and_said(iso: Run) -> None:
    good, bad = GOLDEN["sale"].wire.hex(), GOLDEN["sale"].wire.hex()[:-6]
    outcome = iso("redact", "--key", "ours", stdin=f"{good}\n{bad}\n")
    assert outcome.code == 1
    assert len(outcome.out.split()) == 1
    assert "does not decode" in outcome.err
    assert leaks(outcome.everything, secrets(GOLDEN["sale"])) == set()


def test_a_head_of_unknown_kind_becomes_zeros(iso: Run) -> None:
    wire = PAN.encode()[:11] + POS.encode(CARD_SALE)
    outcome = iso("redact", "--dialect", "unionpay_pos", "--length", "none", "--head", "11", wire.hex())
    assert outcome.out.startswith("00" * 11)


# --- captures --------------------------------------------------------------------------------------------------------

REQUESTS = b"".join(golden.wire for golden in GOLDEN.values() if not golden.name.endswith("answer"))
ANSWERS = b"".join(golden.wire for golden in GOLDEN.values() if golden.name.endswith("answer"))


@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("write", [pcap, pcapng])
def test_a_capture_becomes_a_capture(iso: Run, tmp_path: Path, write: object, six: bool) -> None:
    packets = conversation(REQUESTS, ANSWERS, six=six)
    assert callable(write)
    (tmp_path / "in").write_bytes(write([ethernet(packet) for packet in packets]))
    outcome = iso("redact", "--key", "ours", str(tmp_path / "in"), "--output", str(tmp_path / "out"))
    assert (outcome.code, outcome.out) == (0, "")
    clean = (tmp_path / "out").read_bytes()
    assert clean.count(b"\x45\x00" if not six else b"\x60\x00\x00\x00") >= len(packets)
    before, after = (iso("decode", "--json", str(tmp_path / name)).rows for name in ("in", "out"))
    assert len(before) == len(after) == len(GOLDEN)
    assert [[row["where"], row["mti"], list(row["fields"])] for row in before] == [
        [row["where"], row["mti"], list(row["fields"])] for row in after
    ]
    joined = b"".join(clean.split(b"\0\0\0\0")).hex() + clean.decode("latin-1")
    assert leaks(joined, [secret for golden in GOLDEN.values() for secret in secrets(golden)]) == set()


def test_checksums_of_redacted_packets_are_right(iso: Run, tmp_path: Path) -> None:
    wire = GOLDEN["sale"].wire
    (tmp_path / "in").write_bytes(pcap([tcp(wire, 1)], link=101))
    iso("redact", str(tmp_path / "in"), "--output", str(tmp_path / "out"))
    packet = (tmp_path / "out").read_bytes()[40:]
    segment = packet[20:]
    pseudo = packet[12:20] + bytes([0, 6]) + len(segment).to_bytes(2, "big") + segment
    pseudo += bytes(len(pseudo) % 2)
    total = sum(int.from_bytes(pseudo[at : at + 2], "big") for at in range(0, len(pseudo), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def test_what_is_no_message_in_a_capture_becomes_zeros(iso: Run, tmp_path: Path) -> None:
    secret = b"GET /?pan=" + PAN.encode() + b" HTTP/1.1\r\n\r\n"
    (tmp_path / "in").write_bytes(
        pcap([*conversation(REQUESTS, ANSWERS), tcp(secret, 1)[: -len(secret)] + secret], link=101)
    )
    outcome = iso("redact", str(tmp_path / "in"), "--output", str(tmp_path / "out"))
    assert PAN.encode() not in (tmp_path / "out").read_bytes()
    assert PAN not in outcome.everything


def test_a_file_of_hex_lines(iso: Run, tmp_path: Path) -> None:
    outcome = iso("redact", GOLDEN["sale"].wire.hex(), "--output", str(tmp_path / "clean.hex"))
    assert outcome.out == ""
    assert len(bytes.fromhex((tmp_path / "clean.hex").read_text("ascii"))) == len(GOLDEN["sale"].wire)


def test_a_capture_among_other_inputs_is_refused(iso: Run, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(pcap([tcp(GOLDEN["sale"].wire, 1)], link=101))
    outcome = iso("redact", str(tmp_path / "in"), GOLDEN["sale"].wire.hex(), "--output", str(tmp_path / "out"))
    assert "One capture at a time" in outcome.sentence()
    assert not (tmp_path / "out").exists()


# --- pieces ----------------------------------------------------------------------------------------------------------


def test_filler_keeps_length_and_class() -> None:
    assert filler("6299 Zhang-San", "ans") == "0000 Xxxxx-Xxx"
    assert filler("12D34F", "z") == "00D000"
    assert filler("C00012", "x+n") == "C00000"
    assert filler("张A1", "ans") == "某X0"
    assert filler_bytes(b"66C303E8") == b"00X000X0"
    assert filler_bytes(b"\x80\x01") == b"\0\0"


def test_tracks_of_every_layout() -> None:
    redactor = Redactor(b"a key")
    pan, _ = redactor.number(PAN)
    bare = Message("0200", {})
    track_1 = f"B{PAN}^{NAME}^30122011234567890"
    assert redactor.track_1(track_1, bare)[0] == f"B{pan}^XXXXX/XXX^49122010000000000"
    assert redactor.track_1("nonsense 12", bare)[0] == "xxxxxxxx 00"
    assert redactor.track_2(TRACK, bare)[0] == f"{pan}D49122010000000000"
    assert redactor.track_2("1234", bare)[0] == "0000"
    sealed = f"{PAN[:12]}DDDB1C75E1447E"
    assert redactor.track_2(sealed, Message("0200", {2: PAN}))[0] == f"{pan[:12]}00000000000000"
    assert redactor.track_3("1234", bare)[0] == "0000"
