"""`tillgate iso encode`: what decode prints goes back to the same bytes, and nothing else goes anywhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from iso8583 import load_dialect
from iso8583.dialects import NAMES
from iso8583.tool.envelope import LENGTHS, Envelope
from iso8583.tool.self_measure import sample
from tests.iso8583.card_data import leaks
from tests.iso8583.iso_command import Run
from tests.iso8583.vectors import GOLDEN, Golden

ALL = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
SALE = GOLDEN["sale"]


def decoded(iso: Run, wire: bytes, *options: str) -> str:
    return iso("decode", "--json", "--show-card-data", *options, wire.hex()).out


@ALL
def test_what_decode_prints_gives_the_same_bytes(iso: Run, golden: Golden, tmp_path: Path) -> None:
    printed = decoded(iso, golden.wire)
    assert iso("encode", stdin=printed).out == f"{golden.wire.hex().upper()}\n"
    assert iso("encode", "--output", "raw", stdin=printed).raw == golden.wire
    assert base64.b64decode(iso("encode", "--output", "base64", stdin=printed).out) == golden.wire
    assert iso("encode", "--json", stdin=printed).rows == [
        {"hex": golden.wire.hex().upper(), "bytes": len(golden.wire)}
    ]
    file = tmp_path / "message.json"
    file.write_text(json.dumps(json.loads(printed), indent=2), "utf-8")
    assert iso("encode", str(file)).out == f"{golden.wire.hex().upper()}\n"


@ALL
def test_the_frame_can_be_left_out_or_changed(iso: Run, golden: Golden) -> None:
    printed = decoded(iso, golden.wire)
    assert iso("encode", "--frame", "none", "--output", "raw", stdin=printed).raw == golden.message
    counted = iso("encode", "--frame", "4-digit", "--output", "raw", stdin=printed).raw
    assert counted == b"%04d" % len(golden.frame) + golden.frame


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", ["purchase", "network"])
@pytest.mark.parametrize("length", ["none", *LENGTHS])
def test_every_dialect_goes_round(iso: Run, name: str, shape: str, length: str) -> None:
    wire = Envelope(length).around(load_dialect(name).encode(sample(load_dialect(name), shape)))
    printed = decoded(iso, wire, "--dialect", name, "--length", length)
    assert iso("encode", "--output", "raw", stdin=printed).raw == wire


def test_the_header_of_the_switch_goes_round_and_keeps_its_count(iso: Run) -> None:
    dialect = load_dialect("unionpay_switch")
    body = dialect.encode(sample(dialect, "purchase"))
    head = (
        b"\x2e\x01" + b"%04d" % (46 + len(body)) + b"00010344   12345678   " + bytes(4) + b"00000000" + b"\0" + b"00000"
    )
    wire = head + body
    printed = decoded(iso, wire)
    assert json.loads(printed)["header"] == head.hex().upper()
    assert iso("encode", "--output", "raw", stdin=printed).raw == wire
    facts = json.loads(printed)
    del facts["fields"]["35"]
    shorter = iso("encode", "--output", "raw", stdin=json.dumps(facts)).raw
    assert int(shorter[2:6]) == len(shorter) < len(wire)


def test_many_messages_as_lines_a_list_or_one_after_another(iso: Run) -> None:
    lines = [decoded(iso, golden.wire).strip() for golden in GOLDEN.values()]
    wanted = b"".join(golden.wire for golden in GOLDEN.values())
    for text in ("\n".join(lines), f"[{', '.join(lines)}]", " ".join(lines)):
        assert iso("encode", "--output", "raw", stdin=text).raw == wanted


def test_json_by_hand_needs_little(iso: Run) -> None:
    text = '{"mti": "0820", "fields": {"41": "12345678", "42": "898110053110001", "60": "00000001301"}}'
    outcome = iso("encode", "--dialect", "unionpay_pos", stdin=text)
    assert outcome.code == 0
    assert iso("decode", "--json", outcome.out.strip()).rows[0]["mti"] == "0820"


def test_sub_fields_stand_for_their_field(iso: Run) -> None:
    facts = json.loads(decoded(iso, SALE.wire))
    del facts["fields"]["60"]
    assert facts["parts"]["60.2"] == "000001"
    facts["parts"]["60.2"] = "000009"
    wire = iso("encode", stdin=json.dumps(facts)).out.strip()
    assert iso("decode", "--json", wire).rows[0]["fields"]["60"] == "2200000900060"


def test_a_field_and_its_sub_fields_must_not_disagree(iso: Run) -> None:
    facts = json.loads(decoded(iso, SALE.wire))
    facts["parts"]["60.2"] = "000009"
    outcome = iso("encode", stdin=json.dumps(facts))
    assert outcome.code == 1
    assert "field 60" in outcome.sentence()


@ALL
def test_masked_values_are_refused(iso: Run, golden: Golden) -> None:
    masked = iso("decode", "--json", golden.wire.hex())
    outcome = iso("encode", stdin=masked.out)
    if outcome.code == 0:
        assert "masked" not in masked.out
        assert outcome.out == f"{golden.wire.hex().upper()}\n"
    else:
        assert "masked" in outcome.sentence()
        assert "--show-card-data" in outcome.err


def facts(**changes: Any) -> str:
    """A message that is good but for the `changes`."""
    return json.dumps({"dialect": "unionpay_pos", "mti": "0200", "fields": {"11": "000001"}, **changes})


BAD = {
    "nothing": ("", "nothing in the input"),
    "no JSON": ("{", "not valid JSON"),
    "a number": ("1", "JSON object was needed"),
    "a long number": ("1" * 9000, "not valid JSON"),
    "a text": ('"6299990000000009"', "JSON object was needed"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "bytes": (b"\xff\xfe{}", "not UTF-8"),
    "NUL": (b"\0\0\0", "not valid JSON"),
    "a name twice": ('{"mti": "0200", "mti": "0210", "fields": {}}', "not valid JSON"),
    "no fields": (facts(fields=None), '"fields" must be'),
    "fields in a list": (facts(fields=["6299990000000009"]), '"fields" must be'),
    "no MTI": ('{"dialect": "unionpay_pos", "fields": {}}', '"mti" must be'),
    "MTI a number": (facts(mti=200), '"mti" must be'),
    "an unknown name": (facts(feilds={}), "mean nothing here"),
    "unknown dialect": (facts(dialect="6299990000000009"), "give --dialect"),
    "no such field": (facts(fields={"9": "6299990000000009"}), "does not define field 9"),
    "field zero": (facts(fields={"0": "6299990000000009"}), "no field number"),
    "a field name": (facts(fields={"pan": "6299990000000009"}), "no field number"),
    "value a number": (facts(fields={"2": 6299990000000009}), "field 2 must be text"),
    "value null": (facts(fields={"2": None}), "field 2 must be text"),
    "hex a number": (facts(fields={"52": {"hex": 1}}), "field 52 must be text"),
    "hex odd": (facts(fields={"52": {"hex": "123"}}), "hexadecimal"),
    "hex with letters": (facts(fields={"52": {"hex": "02635C2F1B247C2G"}}), "hexadecimal"),
    "text for bytes": (facts(fields={"52": "02635C2F1B247C28"}), "field 52 (PIN block)"),
    "too long": (facts(fields={"2": "62999900000000096299990000000009"}), "field 2 (primary account number)"),
    "a letter": (facts(fields={"2": "629999000000000X"}), "needed n, character 16"),
    "length unknown": (facts(length="7-byte"), '"length" must be one of'),
    "TPDU no hex": (facts(tpdu="6299990000000009X"), '"tpdu"'),
    "did not decode": (facts(error={}), "did not decode"),
    "too much for its length": (facts(length="2-byte-bcd", header="00" * 9999), "needed at most 9999"),
    "parts a text": (facts(parts="6299990000000009"), '"parts" must be'),
    "part unknown": (facts(parts={"60.9": "1"}), "60.9"),
    "part without number": (facts(parts={"x": "1"}), "no path"),
}


@pytest.mark.parametrize(("text", "told"), BAD.values(), ids=BAD)
def test_bad_json_is_refused_in_a_sentence_without_its_values(iso: Run, text: str | bytes, told: str) -> None:
    outcome = iso("encode", stdin=text)
    assert outcome.code == 1
    assert told in outcome.sentence()
    assert leaks(outcome.everything) == set()
    assert "62999" not in outcome.everything


@pytest.mark.parametrize("options", [("--output", "morse"), ("--frame", "6-byte"), ("--dialect", "visa")])
def test_wrong_use(iso: Run, options: tuple[str, str]) -> None:
    outcome = iso("encode", *options, stdin=facts())
    assert outcome.code == 2
    assert options[0] in outcome.sentence()


def test_nobody_types_json_into_a_silent_terminal(iso: Run) -> None:
    assert "name a JSON file" in iso("encode", is_terminal=True).sentence()
