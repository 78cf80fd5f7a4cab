"""Strangers and broken terminals at the host's port, beside an honest terminal that must not notice them.

Each offender costs one line in the log and no traceback; it is answered with the right code, or its connection is
closed; and whatever it does, the honest terminal sells, and the books hold.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from structlog.testing import capture_logs

from host_switch.connections import Limits
from iso8583 import Iso8583Error, Message
from iso8583.framing import FRAME_MAX, FrameBuffer, with_length
from iso8583.unionpay import Frame
from tests.host_switch.till import MASTER_KEY, Till, damaged, repeated
from tests.in_a_loop import in_a_loop
from tests.iso8583.vectors import GOLDEN
from tests.shop.rig import LOOPBACK, MERCHANT, TERMINAL, Shop, shop

OTHER = "87654321"
AT_ONCE = 64


@dataclass
class Log:
    """What was said: structlog's lines, and records of the library's loggers, which mean a traceback."""

    lines: list[Any] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def prove(self, offenders: int, *events: str) -> None:
        """One line for each offender, of these kinds, and no traceback."""
        warnings = [line for line in self.lines if line["log_level"] in ("warning", "error")]
        assert self.tracebacks == []
        assert not any("exc_info" in line or "exception" in line for line in self.lines)
        assert {line["event"] for line in warnings} <= set(events)
        assert len(warnings) == offenders


@contextmanager
def watched_log() -> Iterator[Log]:
    log = Log()
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: log.tracebacks.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        with capture_logs() as log.lines:
            yield log
    finally:
        logging.getLogger().removeHandler(handler)


class Client:
    """One connection to the host."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._frames = FrameBuffer()

    def send(self, *frames: bytes) -> None:
        """Send frames, each with its length."""
        self.writer.write(b"".join(map(with_length, frames)))

    async def answer(self) -> bytes:
        """The next frame, or nothing if the host closes the connection."""
        while (frame := self._frames.next_frame()) is None:
            try:
                data = await asyncio.wait_for(self.reader.read(4096), 10)
            except ConnectionResetError:
                return b""
            if not data:
                return b""
            self._frames.receive(data)
        return frame

    async def ask(self, frame: bytes) -> Message:
        """Send a frame; return the message that comes back."""
        self.send(frame)
        return Frame.parse(await self.answer()).message


@asynccontextmanager
async def client_of(s: Shop) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(LOOPBACK, s.host_port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def answers_to(s: Shop, streams: Sequence[bytes]) -> list[bytes]:
    """Send each stream on a connection of its own; return the first answer of each, empty where there is none."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(stream: bytes) -> bytes:
        async with room, client_of(s) as client:
            client.writer.write(stream)
            return await client.answer()

    return await asyncio.gather(*map(one, streams))


async def honest_sale(s: Shop) -> None:
    assert (await s.sell_by_card(100))["state"] == "approved"


# --- bytes ------------------------------------------------------------------------------------------------------------

NO_FRAMES = {
    "garbage": b"\x00\x40" + bytes(range(64)),
    "letters": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "an empty frame": b"\x00\x00",
    "a giant frame": b"\xff\xff" + bytes(70_000),
    "a frame one too long": with_length(bytes(FRAME_MAX + 1)),
    "a head and nothing else": with_length(bytes.fromhex("6000030000603100310006")),
    "half a head": with_length(bytes.fromhex("60000300")),
    "another protocol's address": with_length(bytes.fromhex("7000030000603100310006") + bytes(30)),
    "an answer": with_length(Till(mac_key=bytes(8)).frame(Message("0810", {11: "000001", 39: "00", 41: TERMINAL}))),
    "letters for a type": with_length(bytes.fromhex("6000030000603100310006ABCD") + bytes(8)),
    "an empty bitmap": with_length(bytes.fromhex("60000300006031003100060200") + bytes(8)),
}


@pytest.mark.parametrize("name", NO_FRAMES)
@in_a_loop
async def test_what_is_no_frame_closes_its_connection(tmp_path, name):
    async with shop(tmp_path) as s:
        with watched_log() as log:
            assert await answers_to(s, [NO_FRAMES[name]]) == [b""]
            await honest_sale(s)
        log.prove(1, "connection closed")
        await s.prove()


@in_a_loop
async def test_every_golden_message_cut_at_every_byte_is_answered_or_its_connection_closed(tmp_path):
    goldens = [golden for golden in GOLDEN.values() if golden.mti[2] in "02"]
    assert len(goldens) >= 5
    async with shop(tmp_path) as s:
        await s.add_terminal("12345678", MERCHANT, MASTER_KEY)
        cut = [golden.frame[:at] for golden in goldens for at in range(1, len(golden.frame))]
        with watched_log() as log:
            sale = asyncio.create_task(honest_sale(s))
            answers = await answers_to(s, [with_length(frame) for frame in cut])
            await sale
        assert {_code_of(answer) for answer in answers} <= {"", "12", "30", "97", "A0"}
        assert any(answers) and not all(answers)
        log.prove(
            len(cut), "connection closed", "malformed message", "MAC absent",
            "MAC bad", "unknown transaction", "fields missing or too many", "unknown terminal",
        )  # fmt: skip
        await s.prove()


@in_a_loop
async def test_every_golden_message_with_every_bit_of_its_head_flipped(tmp_path):
    goldens = [golden for golden in GOLDEN.values() if golden.mti[2] in "02"]
    flipped = [
        golden.frame[:at] + bytes([golden.frame[at] ^ 1 << bit]) + golden.frame[at + 1 :]
        for golden in goldens for at in range(21) for bit in range(8)
    ]  # fmt: skip
    async with shop(tmp_path) as s:
        await s.add_terminal("12345678", MERCHANT, MASTER_KEY)
        with watched_log() as log:
            sale = asyncio.create_task(honest_sale(s))
            answers = await answers_to(s, [with_length(frame) for frame in flipped])
            await sale
        money = [answer for answer, frame in zip(answers, flipped, strict=True) if _is_money(frame)]
        assert "00" not in map(_code_of, money)
        assert log.tracebacks == []
        assert not [line for line in log.lines if line["event"] == "fault of our own"]
        await s.prove(events=[event.kind for event in s.books().events])
        assert {event.key.terminal for event in s.books().events} <= {"12345678"}


def _code_of(answer: bytes) -> str:
    return Frame.parse(answer).message.text(39, "") if answer else ""


def _is_money(frame: bytes) -> bool:
    try:
        return Frame.parse(frame).message.mti[1] == "2"
    except Iso8583Error:
        return False


# --- messages ---------------------------------------------------------------------------------------------------------


async def signed_on(s: Shop, client: Client, terminal: str = OTHER) -> Till:
    """Another terminal, known to the host and signed on."""
    await s.add_terminal(terminal, MERCHANT, MASTER_KEY)
    till = Till(id=terminal, merchant=MERCHANT)
    client.send(till.frame(till.sign_on()))
    till.signed_on(await client.answer())
    return till


@pytest.mark.parametrize(("what", "code", "line"), [
    ("unknown terminal", "97", "unknown terminal"),
    ("not signed on", "A0", "not signed on"),
    ("wrong MAC", "A0", "MAC bad"),
    ("no MAC", "A0", "MAC absent"),
    ("another terminal's keys", "A0", "MAC bad"),
    ("another merchant's echo", "03", "not this terminal's merchant"),
    ("unknown transaction", "12", "unknown transaction"),
    ("fields missing", "30", "fields missing or too many"),
    ("single-length keys", "12", "single-length keys asked for"),
])  # fmt: skip
@in_a_loop
async def test_a_message_that_may_not_be_gets_its_code_and_leaves_no_trace(tmp_path, what, code, line):
    async with shop(tmp_path) as s, client_of(s) as client:
        till = await signed_on(s, client)
        frames = {
            "unknown terminal": lambda: Till(id="99999999", mac_key=bytes(8)).frame(Till(id="99999999").sale()),
            "not signed on": lambda: Till(id="55555555", mac_key=bytes(8)).frame(Till(id="55555555").sale()),
            "wrong MAC": lambda: damaged(till.frame(till.sale())),
            "no MAC": lambda: till.frame(till.sale(), protected=False),
            "another terminal's keys": lambda: till.frame(till.sale(f41=TERMINAL)),
            "another merchant's echo": lambda: till.frame(till.echo().with_({42: "898110053119999"})),
            "unknown transaction": lambda: till.frame(till.sale().with_({3: "990000"})),
            "fields missing": lambda: till.frame(till.sale().without(4)),
            "single-length keys": lambda: till.frame(till.sign_on("001")),
        }
        if what == "not signed on":
            await s.add_terminal("55555555", MERCHANT, MASTER_KEY)
        with watched_log() as log:
            answer = await client.ask(frames[what]())
            await honest_sale(s)
        assert answer[39] == code
        assert (64 in answer) is (what in {"unknown transaction", "fields missing"}), "signed if the request was"
        log.prove(1, line)
        assert [row.key.terminal for row in s.books().transactions] == [TERMINAL]
        await s.prove()


@pytest.mark.parametrize(("what", "code"), [
    ("another merchant", "03"), ("another batch", "77"), ("another currency", "A1"), ("no amount", "13"),
    ("too much", "61"), ("a card nobody has", "14"), ("a void of nothing", "25"), ("a refund of another's sale", "14"),
])  # fmt: skip
@in_a_loop
async def test_a_request_that_may_not_be_is_refused_and_stays_refused(tmp_path, what, code):
    async with shop(tmp_path) as s, client_of(s) as client:
        await honest_sale(s)
        till = await signed_on(s, client)
        foreign = till.sale(amount=100).with_({60: "22000001000", 11: "000001"})
        requests = {
            "another merchant": lambda: till.sale(f42="898110053119999"),
            "another batch": lambda: till.sale(f60="22500099000"),
            "another currency": lambda: till.sale(f49="840"),
            "no amount": lambda: till.sale(amount=0),
            "too much": lambda: till.sale(amount=999_999_999_999),
            "a card nobody has": lambda: till.sale().without(35).with_({2: "6299990000000991", 53: "0600000000000000"}),
            "a void of nothing": lambda: till.void(foreign, "000000000099"),
            "a refund of another's sale": lambda: till.refund(foreign, "000000000001", 100),
        }
        request = requests[what]()
        first = await client.ask(till.frame(request))
        again = await client.ask(till.frame(repeated(request)))
        assert first[39] == again[39] == code
        await s.prove()


@in_a_loop
async def test_a_replay_moves_nothing_and_is_told_the_same(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as client, client_of(s) as thief:
        till = await signed_on(s, client)
        frame = till.frame(till.qr_sale("6288000000000000001"))
        client.send(frame)
        first = await client.answer()
        assert till.read(first)[39] == "00"
        for _ in range(3):
            thief.send(frame, frame)
            assert [await thief.answer(), await thief.answer()] == [first, first]
        await s.stop_host()
        await s.start_host()
        async with client_of(s) as later:
            later.send(frame)
            assert await later.answer() == first
        await s.prove(balanced=False)
        assert s.issuer.balance("6288") == s.accounts[0].balance - 1234
        assert len(s.books().transactions) == 1


@in_a_loop
async def test_the_same_key_with_other_content_is_refused_and_noted(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as client:
        till = await signed_on(s, client)
        sale = till.qr_sale("6288000000000000001")
        assert (await client.ask(till.frame(sale)))[39] == "00"
        for other in ({4: "000000009999"}, {59: sale.text(59).replace("0000001", "0000002")}):
            assert (await client.ask(till.frame(sale.with_(other))))[39] == "94"
        assert (await client.ask(till.frame(till.reversal(sale, f4="000000009999"))))[39] == "94"
        await s.prove(balanced=False, events=["same key, other content"] * 3)


@in_a_loop
async def test_nobody_reverses_another_terminals_sale(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as client:
        sale = await s.sell_by_card(2500)
        till = await signed_on(s, client)
        theirs = till.sale(amount=2500).with_({11: sale["trace"], 60: "22000001000", 41: TERMINAL})
        assert (await client.ask(till.frame(till.reversal(theirs))))[39] == "A0"
        ours = await client.ask(till.frame(till.reversal(theirs.with_({41: OTHER}))))
        assert ours[39] == "00"  # of a sale that this terminal never made, and that is remembered as never to be
        await s.prove()
        assert s.payment(sale["key"])["state"] == "approved"


@in_a_loop
async def test_a_stranger_who_signs_on_in_its_name_costs_the_honest_one_a_sale_at_most(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as stranger:
        await honest_sale(s)
        till = Till(id=TERMINAL, trace=500)
        assert (await stranger.ask(till.frame(till.sign_on())))[39] == "00"
        assert (await s.sell_by_card(2500))["state"] == "reversed"
        await s.until_ready()
        await honest_sale(s)
        await s.prove()


@in_a_loop
async def test_a_stranger_who_ends_its_batch_costs_the_honest_one_a_settlement(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as stranger:
        await honest_sale(s)
        till = Till(id=TERMINAL)
        assert (await stranger.ask(till.frame(till.upload("0001", "207"))))[39] == "00"
        refused = await s.sell_by_card(2500)
        assert (refused["state"], refused["response_code"]) == ("declined", "77")
        await s.until_ready()
        assert (await s.settle())["balanced"] is True
        await honest_sale(s)
        await s.prove(events=["approved but not uploaded"])


# --- crowds -----------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_hundreds_of_half_open_connections_are_closed_while_the_honest_one_sells(tmp_path):
    async with shop(tmp_path, limits=Limits(first_frame_s=0.5, sweep_s=0.05)) as s:
        with watched_log() as log:
            offenders = asyncio.create_task(answers_to_silence(s, 300))
            for _ in range(3):
                await honest_sale(s)
            assert await offenders == [b""] * 300
        log.prove(300, "connection closed")
        assert {line["reason"] for line in log.lines if line["event"] == "connection closed"} == {"said nothing"}
        await s.prove()


async def answers_to_silence(s: Shop, count: int) -> list[bytes]:
    """Connect so many times, and say nothing."""

    async def one() -> bytes:
        async with client_of(s) as client:
            return await client.answer()

    return await asyncio.gather(*(one() for _ in range(count)))


@in_a_loop
async def test_senders_of_a_byte_now_and_then_are_closed_while_the_honest_one_sells(tmp_path):
    async with shop(tmp_path, limits=Limits(first_frame_s=5, frame_s=0.4, sweep_s=0.05)) as s:
        frame = with_length(Till(mac_key=bytes(8)).frame(Till().sale()))

        async def trickle() -> None:
            async with client_of(s) as client:
                for byte in frame:
                    client.writer.write(bytes([byte]))
                    closed = asyncio.ensure_future(client.reader.read(1))
                    done, _ = await asyncio.wait({closed}, timeout=0.05)
                    if done:
                        assert isinstance(closed.exception(), ConnectionError) or closed.result() == b""
                        return
                    closed.cancel()
                raise AssertionError("a slow sender was heard out")

        with watched_log() as log:
            offenders = [asyncio.create_task(trickle()) for _ in range(50)]
            await honest_sale(s)
            await asyncio.gather(*offenders)
        log.prove(50, "connection closed")
        assert {line["reason"] for line in log.lines if line["event"] == "connection closed"} == {"slow sender"}
        await s.prove()


@in_a_loop
async def test_a_full_house_keeps_those_who_are_in(tmp_path):
    async with shop(tmp_path, limits=Limits(connections_max=20)) as s, AsyncExitStack() as stack:
        with watched_log() as log:
            clients = [await stack.enter_async_context(client_of(s)) for _ in range(40)]
            answers = [asyncio.ensure_future(client.answer()) for client in clients]
            for refused in islice(asyncio.as_completed(answers), 21):  # the honest terminal has the twentieth place
                assert await refused == b""
            await honest_sale(s)
        assert sum(answer.done() for answer in answers) == 21
        log.prove(21, "connection closed")
        assert {line["reason"] for line in log.lines} == {"too many connections"}
        for answer in answers:
            answer.cancel()
        await s.prove()


@in_a_loop
async def test_a_flood_from_one_terminal_waits_its_turn(tmp_path):
    limits = Limits(under_way_max=8)
    async with shop(tmp_path, limits=limits) as s, client_of(s) as client:
        till = await signed_on(s, client)
        queued: list[int] = []
        s.on_host_effect = lambda _: queued.append(len(s.host._queue))
        count = 500
        client.send(*(till.frame(till.qr_sale(f"6288{number:015d}", amount=1)) for number in range(count)))
        with watched_log() as log:
            await honest_sale(s)
            for _ in range(count):
                assert till.read(await client.answer())[39] == "00"
        assert max(queued) <= 10 * limits.under_way_max  # with the issuer's answers, of which several may be waiting
        log.prove(0)
        await s.prove(balanced=False)
        assert len(s.books().transactions) == count + 1


@in_a_loop
async def test_who_does_not_read_its_answers_is_not_read_either(tmp_path):
    async with shop(tmp_path) as s, client_of(s) as client:
        till = await signed_on(s, client)
        echo = with_length(till.frame(till.echo()))
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(echo * 200_000)
        decided: list[int] = []
        s.on_host_effect = lambda _: decided.append(1)
        await honest_sale(s)
        await honest_sale(s)
        assert client.writer.transport.get_write_buffer_size() > 0
        assert len(decided) < 100_000
        await s.prove()
