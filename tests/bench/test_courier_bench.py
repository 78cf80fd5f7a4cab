"""The courier's benchmark measures what it says: what a terminal would say, and books that would show a loss."""

from pathlib import Path

import pytest

from bench import courier_bench, courier_client, courier_terminal, fleet
from bench.courier_bench import FULL, Place
from bench.courier_broker import Broker
from bench.fleet import Till
from host_switch import certificates
from iso8583.transactions import type_of
from iso8583.unionpay import HEAD_BYTES, Frame, mac_state
from tests.bench.test_offline_bench import BOUNDS


def test_an_advice_is_what_a_terminal_says() -> None:
    till = Till("10000000", "000001", bytes(range(16)), bytes(range(40, 48)), bytes(range(80, 96)))
    first, second = till.advices(2)
    for advice, trace in ((first, "000001"), (second, "000002")):
        message = Frame.parse(advice).message
        kind = type_of(message)
        assert kind is not None and kind.is_offline and kind.mandatory <= set(message) | {64}
        assert message[11] == trace and mac_state(advice[HEAD_BYTES:], message, till.mac_key) == "good"


def test_a_sale_that_the_host_has_not_is_lost(tmp_path: Path) -> None:
    one, killed, bare, *many = fleet.register(tmp_path / "host")
    certificates.found(tmp_path / "host", ["127.0.0.1"])
    broker = Broker(tmp_path / "broker", 1)
    for name in (one, killed):
        courier_terminal.set_up(tmp_path / name, tmp_path / "host", name, courier_terminal.Ports(2, 3, 1))
        courier_terminal.sell_offline(tmp_path / name, 2)
    place = Place(tmp_path, broker, one, killed, bare, many, {}, {})
    found = courier_bench._compared(place, {one: 2, killed: 2})
    assert found == {"broker_lost": 4, "broker_doubled": 0, "broker_breaches": 0}


def test_a_full_run_is_as_long_as_its_thresholds_want() -> None:
    assert FULL.kills >= BOUNDS["broker_kills"]["min"] and FULL.advices >= BOUNDS["broker_advices"]["min"]


@pytest.mark.parametrize("length", [0, 127, 128, 300, 20_000])
def test_a_packet_is_read_however_it_is_cut(length: int) -> None:
    packet = courier_client.packet(courier_client.PUBLISH, 2, bytes(length))
    received = bytearray()
    for byte in packet:
        assert courier_client.taken(received) is None
        received.append(byte)
    received += b"\x40"
    assert courier_client.taken(received) == (courier_client.PUBLISH, bytes(length))
    assert courier_client.taken(received) is None and received == b"\x40"
