"""The host at a real Mosquitto: each message is decided once, and acknowledged when that is durable."""

import asyncio
import os
import resource
import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from host_switch.ingest_mqtt import UNDER_WAY_MAX
from host_switch.records import Leg, Outcome
from simulators.issuer import Mood
from tests.host_switch.at_broker import Place, place, until
from tests.host_switch.till import PAN, repeated
from tests.in_a_loop import in_a_loop
from tests.mosquitto import StandIn


@in_a_loop
async def test_an_offline_sale_is_answered_after_it_is_booked(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        answer = await terminal.tell(terminal.till.offline_sale())
        assert here.owed_to_merchant() == 1234
        assert (answer.mti, answer[39]) == ("0210", "00")
        assert here.bank.issuer.balance(PAN) == 1_000_000 - 1234


@in_a_loop
async def test_the_same_twice_is_one_booking_and_one_answer(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        sale = terminal.till.offline_sale()
        for _ in range(2):  # both are there before the issuer has answered
            terminal.say(sale)
        first = await terminal.hear()
        terminal.speaker.heard.clear()
        assert [await terminal.tell(again) for again in (sale, repeated(sale))] == [first] * 2
        assert here.owed_to_merchant() == 1234 and len(here.books().transactions) == 1


@in_a_loop
async def test_a_reversal_and_a_refund_come_by_the_courier_as_well(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        till = terminal.till
        sales = [till.sale(1000), till.sale(2000)]
        answers = [till.read(await here.on_its_line(till, sale)) for sale in sales]
        reversed_ = await terminal.tell(till.reversal(sales[0]), "reversal")
        refunded = await terminal.tell(till.refund(sales[1], answers[1].text(37), 500))
        assert [(answer.mti, answer[39]) for answer in (reversed_, refunded)] == [("0410", "00"), ("0230", "00")]
        assert here.owed_to_merchant() == 1500


@in_a_loop
async def test_while_the_store_cannot_write_nothing_is_said_and_then_it_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    monkeypatch.setattr("host_switch.ingest_mqtt.STORE_RETRY_S", 0.0)
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        with capture_logs() as log, here.full_disk():
            terminal.say(terminal.till.offline_sale())
            await until(lambda: sum(line["event"] == "store cannot be used" for line in log) > 2)
            assert not terminal.speaker.heard
        assert (await terminal.hear())[39] == "00"


@in_a_loop
async def test_what_was_received_and_not_decided_comes_again_to_the_next_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    async with place(tmp_path) as here:
        async with here.opened():
            terminal = await here.terminal()
            with capture_logs() as log, here.full_disk():
                terminal.say(terminal.till.offline_sale())
                await until(lambda: any(line["event"] == "store cannot be used" for line in log))
        assert here.books().transactions == ()
        async with here.opened():
            assert (await terminal.hear())[39] == "00"
            assert here.owed_to_merchant() == 1234


@in_a_loop
async def test_what_a_killed_host_had_not_read_comes_to_the_next(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        async with here.opened():
            terminal = await here.terminal()
        with here.host_process() as host:
            host.send_signal(signal.SIGSTOP)  # the broker goes on sending
            await asyncio.to_thread(terminal.say, terminal.till.offline_sale())
            host.kill()
            host.wait()
        async with here.opened():
            assert (await terminal.hear())[39] == "00"
            assert here.owed_to_merchant() == 1234


@in_a_loop
async def test_what_was_decided_does_not_come_again(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        async with here.opened():
            terminal = await here.terminal()
            await terminal.tell(terminal.till.offline_sale())
            await until(lambda: here.listener is not None and not here.listener._queue)
        terminal.speaker.heard.clear()
        async with here.opened():
            another = terminal.till.offline_sale(100)
            assert (await terminal.tell(another))[11] == another[11], "the first thing that is answered"
        assert here.owed_to_merchant() == 1334


@in_a_loop
async def test_an_answer_of_the_issuer_that_comes_after_a_restart_still_goes_to_the_terminal(tmp_path: Path) -> None:
    async with place(tmp_path) as here:
        here.bank.issuer.mood = Mood("lose", times=1)
        async with here.opened():
            terminal = await here.terminal()
            sale = terminal.till.offline_sale()
            terminal.say(sale)
            await until(lambda: len(here.books().transactions) == 1)
        async with here.opened():
            assert (await terminal.hear())[39] == "00"
            (row,) = here.books().transactions
            assert (row.outcome, row.leg) == (Outcome.APPROVED, Leg.ANSWERED)


@in_a_loop
async def test_a_broker_that_is_killed_in_between_costs_time_only(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        here.bank.issuer.mood = Mood("lose", times=1)
        sale = terminal.till.offline_sale()
        terminal.say(sale)
        await until(lambda: len(here.books().transactions) == 1)
        with capture_logs() as log:
            here.broker.kill()
            await until(lambda: any(line["event"] == "broker lost" for line in log))
            assert terminal.till.read(await here.on_its_line(terminal.till, terminal.till.sale(100)))[39] == "00"
            here.broker.start()
            await until(lambda: any(line["event"] == "at the broker" for line in log))
        await asyncio.to_thread(terminal.come_back)
        assert (await terminal.tell(repeated(sale)))[39] == "00"
        assert here.owed_to_merchant() == 1334


@in_a_loop
async def test_a_host_without_its_broker_serves_its_port_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_switch.ingest_mqtt.PAUSES_S", (0.01,))
    async with place(tmp_path) as here:
        here.broker.kill()
        with capture_logs() as log:
            async with here.opened():
                await until(lambda: any(line["event"] == "no broker" for line in log))
                here.broker.start()
                await until(lambda: any(line["event"] == "at the broker" for line in log))
                terminal = await here.terminal()
                assert (await terminal.tell(terminal.till.offline_sale()))[39] == "00"
        assert [line["error"] for line in log if line["event"] == "no broker"] == ["Connection refused"]
        assert not any("exc_info" in line for line in log)


@in_a_loop
async def test_presence_and_telemetry_are_kept_as_the_newest(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        terminal.speaker.say(terminal.up("presence"), b"online", retain=True)
        await until(lambda: bool(here.books().presences))
        since = here.books().presences[0].since
        terminal.speaker.say(terminal.up("presence"), b"online", retain=True)
        for count in (2, 1):
            told = b'{"batch": "000001", "owed_count": %d, "owed_amount": 500, "devices": {"printer": false}}' % count
            terminal.speaker.say(terminal.up("telemetry"), told)
            await until(partial(_says, here, count))
        (presence,), (telemetry,) = here.books().presences, here.books().telemetry
        assert (presence.online, presence.since) == (True, since)
        assert (telemetry.terminal, telemetry.broken, telemetry.owed_amount) == ("12345678", "printer", 500)
        terminal.speaker.say(terminal.up("presence"), b"offline", retain=True)
        await until(lambda: not here.books().presences[0].online)


@in_a_loop
async def test_of_a_broker_that_knows_no_bounds_no_more_is_read_than_may_be_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_switch.ingest_mqtt.ANSWERED_WITHIN_S", 0.5)
    monkeypatch.setattr("host_switch.ingest_mqtt.UNDER_WAY_MAX", 20)
    monkeypatch.setattr("host_switch.ingest_mqtt.STORE_RETRY_S", 0.1)
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    async with place(tmp_path, StandIn) as here, here.opened():
        terminal = await here.terminal()
        ingest = await here.at_broker()
        sales = [terminal.till.offline_sale(10) for _ in range(60)]
        with capture_logs(), here.full_disk():
            for sale in sales:
                terminal.speaker.client.publish(terminal.up(), terminal.till.frame(sale), qos=1)
            await until(lambda: ingest._arrived - ingest._done >= 20)
            assert ingest._arrived - ingest._done == 20
        assert {(await terminal.hear())[11] for _ in sales} == {sale[11] for sale in sales}


@in_a_loop
async def test_a_host_with_thousands_of_connections_comes_back_to_its_broker(tmp_path: Path) -> None:
    """What waits by `select` fails from the 1024th open file on."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(limits[1], 4096)), limits[1]))
    async with place(tmp_path) as here, here.opened():
        await here.at_broker()
        with capture_logs() as log, ExitStack() as connections:
            here.broker.kill()
            await until(lambda: any(line["event"] == "broker lost" for line in log))
            for _ in range(1100):
                connections.callback(os.close, os.open("/dev/null", os.O_RDONLY))
            here.broker.start()
            await until(lambda: any(line["event"] == "at the broker" for line in log))
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _says(here: Place, count: int) -> bool:
    return [each.owed_count for each in here.books().telemetry] == [count]


@in_a_loop
async def test_more_than_may_be_under_way_are_each_booked_once(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        terminal = await here.terminal()
        sales = [terminal.till.offline_sale(10) for _ in range(UNDER_WAY_MAX + 20)]
        for sale in sales:
            terminal.speaker.client.publish(terminal.up(), terminal.till.frame(sale), qos=1)
        answers = [await terminal.hear() for _ in sales]
        assert {answer[11] for answer in answers} == {sale[11] for sale in sales}
        assert here.owed_to_merchant() == 10 * len(sales)
