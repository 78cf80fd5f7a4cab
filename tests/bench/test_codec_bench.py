"""`make bench-codec` compares what it says: the same messages, ratios of the same round, and nothing judged that is not
there."""

import json
import sys
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench import codec_bench, codec_figures, codec_messages, codec_start, figures
from bench.codec_corruptions import CORRUPTIONS, accepted, probe_of
from bench.codec_figures import COLUMNS, RIVALS, Timings
from bench.codec_messages import CELLS, CHIP, FILLERS, MISSES, PURCHASE, SIGN_ON, Cell, profiles
from bench.codec_peers import installed
from bench.codec_peers.client import STARTS, Absent, started
from bench.codec_peers.line_protocol import Server
from bench.codec_peers.ours import Ours
from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import PLANS_MAX, Dialect
from iso8583.dialects import NAMES
from iso8583.tlv import parse_tlv

# Written by hand from the standard, field by field; blanks are for the reader.
MIX_PURCHASE = b"".join(
    [
        bytes.fromhex("0200 723C068028C09211 16 6299990000000009 000000 000000012345 1120093059 000017 173059"),
        bytes.fromhex("1120 3012 0051 0001 00 37"),
        b"6299990000000009=30122011234567890123",
        b"093059000017",
        b"10000001",
        b"898110053110001",
        b"156",
        bytes.fromhex("0123456789ABCDEF 0124"),
        CHIP,
        bytes.fromhex("0026"),
        b"22000017000601POS-EDGE-017",
        bytes.fromhex("FEDCBA9876543210"),
    ]
)
ASCII_PURCHASE = """
    0200 723C068028C09211 16 6299990000000009 000000 000000012345 1120093059 000017 173059 1120 3012 051 001 00
    37 6299990000000009=30122011234567890123 093059000017 10000001 898110053110001 156 0123456789ABCDEF
    248 9F26081122334455667788 9F270180 9F101307010103A0A802010A010000000000AABBCCDD 9F3704DEADBEEF 9F36020007
    9505080004E000 9A03261120 9C0100 9F0206000000012345 5F2A020156 82027C00 9F1A020156 9F0306000000000000
    9F3303E0F8C8 9F3403420300 9F350122 9F090200A0 9F410400000017 026 22000017000601POS-EDGE-017 FEDCBA9876543210
"""
MIX_SIGN_ON = bytes.fromhex("0800 8220000000800000 0400000000000000 1120093059 000018 3130303030303031 0001")
ASCII_SIGN_ON = "0800 8220000000800000 0400000000000000 1120093059 000018 10000001 001"


def plain(text: str) -> bytes:
    return "".join(text.split()).encode("ascii")


# The messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "message", "wire"),
    [
        ("mix", PURCHASE, MIX_PURCHASE),
        ("mix", SIGN_ON, MIX_SIGN_ON),
        ("ascii", PURCHASE, plain(ASCII_PURCHASE)),
        ("ascii", SIGN_ON, plain(ASCII_SIGN_ON)),
    ],
)
def test_our_wire_is_that_of_the_standard(profile: str, message: Message, wire: bytes) -> None:
    dialect = Dialect(profiles()[profile])
    assert dialect.encode(message).hex() == wire.hex()
    assert dialect.decode(wire) == message


def test_profiles_differ_where_they_say() -> None:
    track, packed_track = b"6299990000000009=30122011234567890123", "6299990000000009D301220112345678901230"
    assert Dialect(profiles()["packed"]).encode(PURCHASE) == MIX_PURCHASE.replace(track, bytes.fromhex(packed_track))
    mti, first, second, *fields = ASCII_SIGN_ON.split()
    ebcdic = mti.encode("cp500") + bytes.fromhex(first + second) + "".join(fields).encode("cp500")
    assert Dialect(profiles()["ebcdic"]).encode(SIGN_ON) == ebcdic


def test_the_chip_data_opens_to_its_tags() -> None:
    assert len(CHIP) == 124
    assert len(parse_tlv(CHIP)) == 18


def test_no_miss_can_have_a_plan() -> None:
    groups = {group.name: group for group in codec_messages.all_groups()}
    fillers, misses = groups["mix-fillers"].messages, groups["mix-misses"].messages
    assert list(groups).index("mix-fillers") < list(groups).index("mix-misses")
    assert PLANS_MAX < len({tuple(message) for message in fillers}) == FILLERS
    assert len({tuple(message) for message in (*fillers, *misses)}) == FILLERS + MISSES
    assert {message.mti for message in misses} == {"0200"}
    assert all(message[number] == PURCHASE[number] for message in misses for number in message)


def test_each_cell_has_its_messages() -> None:
    names = {group.name for group in codec_messages.all_groups()}
    assert {cell.group for cell in CELLS} | {"mix-fillers"} == names
    assert len({cell.name for cell in CELLS}) == len(CELLS) == 17


# A run ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours_alone() -> list[Timings]:
    with started("ours", STARTS["ours"](print)) as peer:
        return codec_bench.measure({"ours": peer}, passes=1, turn_s=0.0001, warm_s=0)


def test_a_quick_run_times_every_cell(ours_alone: list[Timings]) -> None:
    assert [row.cell for row in ours_alone] == list(CELLS)
    assert all(row.ns("ours") and [len(rounds) for rounds in row.passes] == [codec_bench.ROUNDS] for row in ours_alone)
    assert all((row.ns("ours, built") is not None) == (row.cell.operation == "encode") for row in ours_alone)
    assert all(row.ns("jPOS") is None and row.ratio(COLUMNS[-1]) is None for row in ours_alone)


def test_a_run_without_peers_is_told_to_people_and_machines(ours_alone: list[Timings]) -> None:
    skipped = {"moov": "no Go today", "jpos": "no Java today", "pyiso8583": "no index today"}
    lines = list(codec_figures.for_people(ours_alone, skipped))
    assert [line.split()[0] for line in lines[2 : 2 + len(CELLS)]] == [cell.group for cell in CELLS]
    assert lines[-3:] == list(skipped.values())
    told = json.loads(json.dumps(codec_figures.for_machines(ours_alone)))
    assert set(told) == {cell.name for cell in CELLS}
    assert set(told["mix/purchase encode"]["ns"]) == {"ours", "ours, built"}


def test_a_codec_that_writes_other_bytes_is_not_timed() -> None:
    liar = 'import sys\nfor line in sys.stdin: print("00" if line.startswith("encode") else "ok", flush=True)'
    group = codec_messages.all_groups()[0]
    with started("ours", STARTS["ours"](print)) as ours, started("liar", [sys.executable, "-c", liar]) as peer:
        peers = {"ours": ours, "liar": peer}
        assert codec_bench.taught(ours, group, peers)
        with pytest.raises(RuntimeError, match="liar does not mean by mix/purchase what we mean"):
            codec_bench.taught(peer, group, peers)


def test_a_codec_that_cannot_is_left_out_and_one_that_is_gone_is_missed() -> None:
    refuser = 'import sys\nfor line in sys.stdin: print("cannot", "do", "that", flush=True)'
    group = codec_messages.all_groups()[0]
    with started("ours", STARTS["ours"](print)) as ours, started("x", [sys.executable, "-c", refuser]) as peer:
        ours.learn(group.profile, profiles()[group.profile])
        assert not codec_bench.taught(peer, group, {"ours": ours, "x": peer})
    with started("x", [sys.executable, "-c", "input()"]) as peer, pytest.raises(RuntimeError, match="x has ended when"):
        peer.ask("version")


# The protocol --------------------------------------------------------------------------------------------------------


def test_requests_are_answered_in_one_line() -> None:
    server = Server(Ours, "7")
    assert server.answer("version").startswith("7, Python 3.")
    assert server.answer("field mix 11 n bcd 6 - 0 digits left 0") == "ok"
    assert server.answer("field mix 41 ans ascii 8 - 0 digits left 0") == "ok"
    values = "11=303030303138 41=3130303030303031"
    wire = server.answer(f"encode mix 0800 {values}")
    assert wire == "0800" + "0020000000800000" + "000018" + "3130303030303031"
    assert server.answer(f"decode mix {wire}") == f"0800 {values}"
    assert server.answer(f"add some mix 0800 {values}") == "ok"
    for operation in ("encode", "build", "decode"):
        assert int(server.answer(f"time {operation} some 3")) > 0
    for refused in ("time shake some 3", "time encode none 3", "decode mix 0800", "encode mix 0800 11=41"):
        assert server.answer(refused).startswith("cannot ")


# The judgement -------------------------------------------------------------------------------------------------------


def timed(operation: codec_messages.Operation, *passes: list[dict[str, float]]) -> Timings:
    return Timings(Cell("mix/purchase", operation), list(passes))


def test_ratios_are_of_the_same_round_and_medians_of_passes() -> None:
    drifting: list[dict[str, float]] = [
        {"ours": 100, "pyiso8583": 1000}, {"ours": 300, "pyiso8583": 3300}, {"ours": 10, "pyiso8583": 900},
    ]  # fmt: skip
    row = timed("decode", drifting, [{"ours": 1, "pyiso8583": 2}], [{"ours": 1, "pyiso8583": 12}])
    assert row.ratio(codec_figures.PYISO8583) == 11
    assert row.ns("ours") == 1


def test_jpos_is_compared_with_a_message_that_is_made_too() -> None:
    rivals = {rival.name: rival for rival in RIVALS}
    table = [
        timed("encode", [{"ours": 1.0, "ours, built": 2.0, "jPOS": 3.0}]),
        timed("decode", [{"ours": 1.0, "jPOS": 4.0}]),
    ]
    assert rivals["jpos_encoding"].ratios(table) == {"mix/purchase encode": 3}
    assert rivals["jpos_encoding_with_the_message_made"].ratios(table) == {"mix/purchase encode": 1.5}
    assert rivals["jpos_decoding"].ratios(table) == {"mix/purchase decode": 4}


def test_misses_count_and_figures_without_them_are_told_too() -> None:
    miss = Timings(Cell(codec_messages.MISSES_OF, "decode"), [[{"ours": 1.0, "pyiso8583": 0.5}]])
    found = RIVALS[0].figures([*two_cells(), miss], None)
    assert found["worst_cell_vs_pyiso8583"] == 0.5
    assert found["worst_cell_vs_pyiso8583_without_misses"] == 4
    assert found["geometric_mean_vs_pyiso8583"] == round(32 ** (1 / 3), 2)
    assert found["geometric_mean_vs_pyiso8583_without_misses"] == 8


def two_cells() -> list[Timings]:
    return [
        timed("encode", [{"ours": 1.0, "ours, built": 2.0, "pyiso8583": 16.0, "moov structs": 3.0, "jPOS": 1.0}]),
        timed("decode", [{"ours": 1.0, "pyiso8583": 4.0, "moov structs": 0.5}]),
    ]


STARTED = [codec_start.Start("a", 40.0, 35.0, 9.0), codec_start.Start("b", 30.0, 29.0, 11.0)]


def test_figures_name_the_worst() -> None:
    found = codec_figures.figures_of(two_cells(), {"jpos": "no Java"}, STARTED)
    assert found["geometric_mean_vs_pyiso8583"] == 8
    assert found["worst_cell_vs_pyiso8583"] == 4
    assert found["worst_cell_vs_pyiso8583_is"] == "mix/purchase decode"
    assert found["worst_cell_vs_moov_with_structs"] == 0.5
    assert found["worst_cell_vs_jpos_encoding"] == found["worst_cell_vs_jpos_decoding"] == "no Java"
    assert (found["import_ms"], found["import_ms_is_of"]) == (40.0, "a")
    assert found["import_ms_at_best"] == 35.0
    assert (found["import_mib"], found["import_mib_is_of"]) == (11.0, "b")
    assert found["corruptions_accepted"] == 0
    assert found["worst_cell_vs_bare_moov"] == "no cell of it was measured"


def test_losses_are_told_plainly() -> None:
    lines = list(codec_figures.for_people(two_cells(), {"jpos": "no Java"}))
    assert "pyiso8583: we lose nowhere" in lines
    assert "moov with structs: we lose at mix/purchase decode (2.00 x)" in lines
    assert lines[-1] == "no Java"


@pytest.mark.parametrize(
    ("skipped", "not_judged"),
    [
        ([], []),
        (["moov"], ["worst_cell_vs_moov_with_structs"]),
        (["jpos"], ["worst_cell_vs_jpos_encoding", "worst_cell_vs_jpos_decoding"]),
        (["pyiso8583"], []),
    ],
)
def test_only_what_is_beside_a_peer_that_is_here_is_judged(
    skipped: list[str], not_judged: list[str], tmp_path: Path
) -> None:
    all_bounds = tomllib.loads(figures.THRESHOLDS.read_text())["bench-codec"]
    bounds = tomllib.loads(codec_figures.thresholds_beside(skipped, tmp_path).read_text())["bench-codec"]
    assert bounds == {name: bound for name, bound in all_bounds.items() if name not in not_judged}
    assert len(list(figures.shortfalls(dict.fromkeys(bounds, "skipped"), bounds))) == len(bounds)


def test_each_rival_has_a_bound_but_those_for_orientation() -> None:
    bounds = tomllib.loads(figures.THRESHOLDS.read_text())["bench-codec"]
    without = {"worst_cell_vs_bare_moov", "worst_cell_vs_jpos_encoding_with_the_message_made"}
    assert {f"worst_cell_vs_{rival.name}" for rival in RIVALS} - bounds.keys() == without


# Peers that are not here ---------------------------------------------------------------------------------------------


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is installed: no tool on PATH, nothing below build/."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JPOS_CLASSPATH", raising=False)
    monkeypatch.setattr(installed, "MADE", installed.ROOT / "build" / "nothing-is-here")
    return tmp_path


def test_without_java_or_a_jar_jpos_is_skipped_in_a_sentence(no_tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Absent, match="there is no Java development kit on this machine"):
        installed.jpos(print)
    (no_tools / "javac").touch(mode=0o755)
    with pytest.raises(Absent, match="no jar in JPOS_CLASSPATH or build/nothing-is-here/jpos, and no Maven"):
        installed.jpos(print)
    monkeypatch.setenv("JPOS_CLASSPATH", "a.jar:b.jar")
    assert installed.jpos(print)[:3] == ["java", "-cp", "a.jar:b.jar"]
    (no_tools / "mvn").write_text("#!/bin/sh\necho downloading\necho no network\nexit 1\n")
    (no_tools / "mvn").chmod(0o755)
    monkeypatch.delenv("JPOS_CLASSPATH")
    with pytest.raises(Absent, match="jPOS is not measured: Maven cannot fetch it: no network"):
        installed.jpos(print)


def test_what_pip_cannot_install_is_skipped_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, place in {"HERE": "bench", "ROOT": ".", "MADE": "made"}.items():
        monkeypatch.setattr(installed, name, tmp_path / place)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "bench" / "moov").mkdir(parents=True)
    (tmp_path / "bench" / "moov" / "requirements.lock").write_text(f"no-such-thing==1 --hash=sha256:{'0' * 64}\n")
    told: list[str] = []
    with pytest.raises(Absent, match=r"moov-io/iso8583 is not measured: pip fails: .*No matching distribution"):
        installed.moov(told.append)
    assert told == ["installing bench/moov/requirements.lock into made/go"]
    assert not (tmp_path / "made" / "go" / "made-from").exists()  # so the next run tries again


def test_a_run_goes_on_without_an_absent_peer(no_tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        peers, skipped = codec_bench.start_peers(["ours", "jpos"], stack)
        assert list(peers) == ["ours"]
        assert skipped == {"jpos": "jPOS is not measured: there is no Java development kit on this machine"}
    assert "skipped: jPOS is not measured" in capsys.readouterr().err


# Corruptions and start -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_dialect_accepts_a_corruption(name: str) -> None:
    assert accepted(load_dialect(name).table) == []


LAX: Mapping[str, Mapping[int, Mapping[str, object]]] = {
    "a letter in the amount": {4: {"content": "z"}},
    "a letter in the currency": {49: {"content": "an"}},
    "a byte above 127 in the terminal's name": {41: {"encoding": "latin1"}},
    "a NUL in the terminal's name": {41: {"encoding": "latin1"}},
    "a length above the maximum": {2: {"length": 20}},
}


@pytest.mark.parametrize("corruption", LAX)
def test_a_corruption_has_one_fault_which_a_lax_dialect_would_accept(corruption: str) -> None:
    strict = load_dialect("iso87_bcd")
    wire = CORRUPTIONS[corruption](probe_of(strict))
    with pytest.raises(Iso8583Error) as refused:
        strict.decode(wire)
    (number,) = LAX[corruption]
    assert refused.value.field == number
    assert Dialect(strict.table.derive("lax", LAX[corruption])).decode(wire)


def test_the_start_of_a_fresh_process_is_measured() -> None:
    (start,) = codec_start.measure(["iso87_ascii"], repeats=1)
    assert start.dialect == "iso87_ascii"
    assert start.milliseconds == start.at_best > 1
    assert start.mebibytes > 0.5
