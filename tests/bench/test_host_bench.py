"""The benchmark measures what it says: real approvals, real frames at the relay, and latency that counts waiting."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import PAN, Till, place_of
from bench.host_bench import measure
from bench.load_client import Pass, code_place
from bench.plain_issuer import WrongMac, answer_to
from bench.relay import routes_for
from host_switch.channels.iso_issuer import verified
from iso8583 import Message, load_dialect
from iso8583.framing import LENGTH_BYTES
from iso8583.unionpay import Frame, mac_state
from simulators.issuer import ZONE_MAC_KEY


def new_till() -> Till:
    return Till("10000000", "000001", bytes(range(16)), bytes(range(40, 48)), bytes(range(80, 96)))


@pytest.fixture
def till() -> Till:
    return new_till()


def test_a_short_run_gives_every_figure_and_sound_books(tmp_path: Path) -> None:
    """In a process of its own: the one that forks must have no thread, and pytest's workers have some."""
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        found: dict[str, Any] = apart.submit(measure, tmp_path / "host", 0.3, 1).result()
    assert found["sales"] > 0
    assert found["sales_missing"] == found["breaches"] == 0
    assert 0 < found["ratio_to_bare_relay"] < 1
    assert found["p50_ms_at_half_rate"] <= found["p99_ms_at_half_rate"]


def test_frames_differ_in_trace_and_carry_real_macs(till: Till) -> None:
    frames = [Frame.parse(frame[LENGTH_BYTES:]) for frame in till.sales(3)]
    assert [frame.message[11] for frame in frames] == ["000001", "000002", "000003"]
    for frame, sent in zip(frames, new_till().sales(3), strict=True):
        assert mac_state(sent[LENGTH_BYTES + 11 :], frame.message, till.mac_key) == "good"
    assert till.sales(1)[0][LENGTH_BYTES:] != frames[0].to_bytes()


def test_the_relay_has_the_very_frames_of_the_host(till: Till) -> None:
    frames = till.sales(2)
    routes = routes_for([till], [frames], now=1_800_000_000.0)
    assert list(routes) == [frame[LENGTH_BYTES:] for frame in frames]
    for route in routes.values():
        request = verified(route.to_issuer[LENGTH_BYTES:], ZONE_MAC_KEY)
        assert (request[2], request[4], 52 in request, 55 in request) == (PAN, "000000002500", True, True)
        assert answer_to(route.to_issuer[LENGTH_BYTES:]) == route.answer
        told = Frame.parse(route.to_terminal[LENGTH_BYTES:]).message
        assert told[39] == "00"
        assert mac_state(route.to_terminal[LENGTH_BYTES + 11 :], told, till.mac_key) == "good"


def test_the_issuer_trusts_no_wrong_mac(till: Till) -> None:
    (route,) = routes_for([till], [till.sales(1)], now=1_800_000_000.0).values()
    with pytest.raises(WrongMac):
        answer_to(route.to_issuer[LENGTH_BYTES:-1] + b"0")


def test_the_response_code_is_found_where_it_stands() -> None:
    dialect = load_dialect("unionpay_pos")
    answer = dialect.encode(Message("0210", {3: "000000", 39: "51", 41: "10000000", 63: "CUP", 64: bytes(8)}))
    place = code_place(answer)
    assert answer[place : place + 2] == b"51"


def test_a_place_is_where_two_frames_differ() -> None:
    assert place_of(b"abcXYZdef", b"abc123def") == slice(3, 6)


def test_a_rate_counts_approvals_and_a_share_counts_everybody() -> None:
    done = Pass(answered=10, approved=8, seconds=2.0, cpu_s=1.0, latencies_s=[n / 1000 for n in range(1, 11)])
    assert done.rate == 4.0
    assert done.within_ms(0.5) == 6.0
    assert done.within_ms(0.99) == 10.0
