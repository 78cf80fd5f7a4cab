"""Strangers and broken terminals at the broker, beside an honest terminal that must not notice them.

What may be said at all is the broker's to hold (`tests/host_switch/test_broker_files.py`). Here is what a terminal with
a good certificate can do with it: nothing but be reported, in a log that stays short.
"""

import asyncio
import logging
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from iso8583.framing import FRAME_MAX
from tests.host_switch.at_broker import AtBroker, Place, place, until
from tests.host_switch.till import PAN, Till, damaged
from tests.in_a_loop import in_a_loop

OTHER = "87654321"


async def honest_sale(terminal: AtBroker) -> None:
    sale = terminal.till.offline_sale(100)
    answer = await terminal.tell(sale)
    assert (answer[39], answer[11]) == ("00", sale[11])


def warnings_of(log: list[EventDict]) -> list[str]:
    assert not any("exc_info" in line or "exception" in line for line in log)
    assert PAN not in repr(log)
    return [line["event"] for line in log if line["log_level"] in {"warning", "error"}]


async def two_terminals(here: Place) -> tuple[AtBroker, AtBroker]:
    return await here.terminal(), await here.terminal(OTHER)


@pytest.mark.parametrize(("what", "said"), [
    ("a sign-on", "not for the courier"), ("a sign-off", "not for the courier"),
    ("a fresh sale", "not for the courier"), ("the end of a batch", "not for the courier"),
    ("noise", "no frame"), ("nothing", "no frame"),
    ("another's sale", "another terminal's name"), ("another merchant's sale", "another merchant's name"),
    ("too much", "too large"), ("half a sale", "no frame"),
])  # fmt: skip
@in_a_loop
async def test_what_is_not_to_be_carried_is_not_answered_and_moves_nothing(
    tmp_path: Path, what: str, said: str
) -> None:
    async with place(tmp_path) as here, here.opened():
        honest, hostile = await two_terminals(here)
        before = here.books()
        till = hostile.till
        sale = till.offline_sale()
        payload = {
            "a sign-on": lambda: till.frame(till.sign_on()),
            "a sign-off": lambda: till.frame(till.sign_off()),
            "a fresh sale": lambda: till.frame(till.sale()),
            "the end of a batch": lambda: till.frame(till.upload("0000", "207")),
            "noise": lambda: bytes(range(256)),
            "nothing": lambda: b"",
            "another's sale": lambda: till.frame(sale.with_({41: honest.till.id})),
            "another merchant's sale": lambda: till.frame(sale.with_({42: "898110053119999"})),
            "too much": lambda: till.frame(sale) + bytes(FRAME_MAX),
            "half a sale": lambda: till.frame(sale)[:40],
        }[what]()
        with capture_logs() as log:
            assert await asyncio.to_thread(hostile.speaker.say, hostile.up(), payload) == "Success"
            await until(lambda: said in warnings_of(log))
            assert here.books() == before
            await honest_sale(honest)
        assert warnings_of(log) == [said] and not hostile.speaker.heard
        assert [line["terminal"] for line in log if line["event"] == said] == [OTHER]


@pytest.mark.parametrize("what", ["damaged", "with another's MAC key", "without a MAC"])
@in_a_loop
async def test_a_frame_whose_mac_does_not_hold_moves_nothing(tmp_path: Path, what: str) -> None:
    """So whoever holds the broker can speak as any terminal there, and cannot move its money."""
    async with place(tmp_path) as here, here.opened():
        honest, victim = await two_terminals(here)
        sale = victim.till.offline_sale()
        forger = Till(OTHER, mac_key=honest.till.mac_key, trace=70)
        frame = {
            "damaged": lambda: damaged(victim.till.frame(sale)),
            "with another's MAC key": lambda: forger.frame(forger.offline_sale()),
            "without a MAC": lambda: victim.till.frame(sale, protected=False),
        }[what]()
        with capture_logs() as log:
            await asyncio.to_thread(victim.speaker.say, victim.up(), frame)
            assert (await victim.hear())[39] == "A0"
            await honest_sale(honest)
        assert len(warnings_of(log)) == 1 and len(here.books().transactions) == 1


@in_a_loop
async def test_a_terminal_that_the_host_does_not_know_tells_it_nothing(tmp_path: Path) -> None:
    """It has a certificate, and was never registered."""
    async with place(tmp_path) as here, here.opened():
        honest = await here.terminal()
        unknown = await asyncio.to_thread(here.certified, Till("99999999", mac_key=bytes(8)))
        with capture_logs() as log:
            unknown.say(unknown.till.offline_sale())
            assert (await unknown.hear())[39] == "97"
            unknown.speaker.say(unknown.up("presence"), b"online")
            unknown.speaker.say(unknown.up("telemetry"), b"{}")
            await until(lambda: warnings_of(log).count("unknown terminal") >= 3)
        await honest_sale(honest)
        assert (here.books().presences, here.books().telemetry) == ((), ())


@in_a_loop
async def test_a_flood_of_rubbish_costs_a_few_lines_and_nobody_else_a_sale(tmp_path: Path) -> None:
    tracebacks: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: tracebacks.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    async with place(tmp_path) as here, here.opened():
        honest, hostile = await two_terminals(here)
        with capture_logs() as log:
            for number in range(1500):
                kind = ("advice", "reversal", "telemetry", "presence", "x")[number % 5]
                hostile.speaker.client.publish(hostile.up(kind), bytes([number % 256]) * (number % 300), qos=1)
            for _ in range(3):
                await honest_sale(honest)
            await until(lambda: "unknown kind" in warnings_of(log))
        assert set(warnings_of(log)) <= {"no frame", "no telemetry", "unknown kind"}
        assert len(warnings_of(log)) <= 30
        assert len(here.books().transactions) == 3
    logging.getLogger().removeHandler(handler)
    assert tracebacks == []


@in_a_loop
async def test_the_same_key_with_other_content_is_refused_and_noted(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.opened():
        honest = await here.terminal()
        sale = honest.till.offline_sale()
        assert (await honest.tell(sale))[39] == "00"
        assert (await honest.tell(sale.with_({4: "000000009999"})))[39] == "94"
        assert [event.kind for event in here.books().events] == ["same key, other content"]
        assert here.owed_to_merchant() == 1234


