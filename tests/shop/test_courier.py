"""What is owed goes through a real broker while the terminal's own line to the host is dead, and comes out once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from iso8583 import Message
from iso8583.framing import FrameBuffer, with_length
from iso8583.unionpay import Frame
from terminal.effects import Effect, Send
from terminal.events import SendNow
from terminal.records import ApprovedOffline
from tests.in_a_loop import in_a_loop
from tests.shop.rig import LOOPBACK, MERCHANT, OPENING_BALANCE, TERMINAL, Shop, free_port, shop
from tests.terminal.broker import Broker, Listener, broker

OFFLINE = "[offline]\nsale_amount_max = 5000\ntotal_amount_max = 9000\n"


class OwnLine:
    """The terminal's own line to the host, until it is cut; `mute`: no answer comes through.

    Its port is held also while it is cut: in a test beside this one, somebody might listen there.
    """

    def __init__(self, host_port: int) -> None:
        self.host_port, self.port = host_port, free_port()
        self.mute = self._is_cut = False
        self._server: asyncio.Server | None = None
        self._ends: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    def close(self) -> None:
        assert self._server is not None, "opened"
        self._server.close()
        self.cut()

    def cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def mend(self) -> None:
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._ends.append(writer)
        with suppress(OSError):
            host_reader, host_writer = await asyncio.open_connection(LOOPBACK, self.host_port)
            self._ends.append(host_writer)
            await asyncio.gather(self._pass(reader, host_writer), self._pass(host_reader, writer, is_answer=True))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                if not (is_answer and self.mute):
                    writer.write(data)
        writer.transport.abort()


class HostAtBroker:
    """The host's place at the broker: what comes up goes to the real host, and what that answers comes down.

    `deaf`: it takes nothing for now. `heard` are the message types, in their order.
    """

    def __init__(self, listener: Listener, host_port: int) -> None:
        self.deaf = False
        self.heard: list[str] = []
        self._listener = listener
        self._host_port = host_port

    async def serve(self) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._host_port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(writer))
                group.create_task(self._down(reader))
        finally:
            writer.transport.abort()

    async def _up(self, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await self._listener.heard.get()
            if message.topic.split("/")[-1] in ("advice", "reversal") and not self.deaf:
                frame = bytes(message.payload)
                self.heard.append(Frame.parse(frame).message.mti)
                writer.write(with_length(frame))

    async def _down(self, reader: asyncio.StreamReader) -> None:
        frames = FrameBuffer()
        while data := await reader.read(4096):
            frames.receive(data)
            while (frame := frames.next_frame()) is not None:
                self._listener.say(f"tg/{MERCHANT}/{TERMINAL}/down/answer", frame)


@dataclass(slots=True)
class Road:
    """A shop whose line to the host can be cut, with a broker beside it."""

    shop: Shop
    line: OwnLine
    broker: Broker
    listener: Listener
    host: HostAtBroker
    sent: list[tuple[str, Message]]

    async def cut(self) -> None:
        """The terminal's line to the host is dead; the host is not."""
        self.line.cut()
        await self.shop.until(lambda view: view["session"]["state"] == "down")

    async def sold_offline(self, amount: int = 2500) -> str:
        key = await self.shop.charge(amount, offline=True)
        await self.shop.present("offline", pin="")
        await self.shop.until_payment(key, lambda p: p["state"] != "started" and not p["receipt_due"])
        await self.shop.take_card()
        return key

    def lines_of(self, *mtis: str) -> set[str]:
        return {line for line, message in self.sent if message.mti in mtis}


@asynccontextmanager
async def road(folder: Path) -> AsyncIterator[Road]:
    sent: list[tuple[str, Message]] = []

    def overhear(effect: Effect) -> None:
        if isinstance(effect, Send):
            sent.append((effect.line, effect.message))

    line = OwnLine(free_port())
    await line.open()
    async with broker(folder) as between, Listener(between.port) as listener:
        settings = f'{OFFLINE}[courier]\naddress = "{LOOPBACK}"\nport = {between.port}\nkeepalive_s = 1\n'
        async with shop(
            folder, settings=settings, host_port=line.host_port, relay_port=line.port, on_effect=overhear
        ) as s:
            host = HostAtBroker(listener, s.host_port)
            serving = asyncio.create_task(host.serve())
            await s.until(lambda view: s.counter.courier_connected)
            yield Road(s, line, between, listener, host, sent)
            serving.cancel()
            await asyncio.wait([serving])
    line.close()


@in_a_loop
async def test_a_sale_made_offline_is_booked_through_the_broker_while_the_line_is_dead(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        await it.cut()
        key = await it.sold_offline()
        payment = await it.shop.until_final(key)
        assert payment["state"] == "approved" and payment["reference"]
        assert it.shop.runner.view()["session"]["state"] == "down"
        assert it.host.heard == ["0200"] and it.shop.balance_of("offline") == OPENING_BALANCE - 2500


@in_a_loop
async def test_a_broker_that_dies_with_an_advice_costs_nothing_but_time(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        await it.cut()
        it.host.deaf = True
        key = await it.sold_offline()
        await it.broker.kill()
        await it.shop.until(lambda view: not it.shop.counter.courier_connected)
        assert it.shop.payment(key)["state"] == "advice due", "an acknowledgement of the broker ends nothing"
        it.host.deaf = False
        await it.broker.start()
        await it.listener.ready()
        await it.shop.until(lambda view: it.shop.counter.courier_connected)
        it.shop.post(SendNow())
        payment = await it.shop.until_final(key)
        assert payment["state"] == "approved"
        assert "0201" in it.host.heard and it.shop.balance_of("offline") == OPENING_BALANCE - 2500


@in_a_loop
async def test_a_terminal_that_dies_with_an_advice_needs_the_line_once_for_its_keys(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        await it.cut()
        it.shop.crash_at_record(ApprovedOffline)
        key = await it.shop.charge(2500, offline=True)
        await it.shop.present("offline", pin="")
        await it.shop.has_crashed()
        await it.shop.take_card()
        it.line.mend()
        await it.shop.restart_terminal()
        payment = await it.shop.until_final(key)
        assert payment["state"] == "approved" and it.shop.balance_of("offline") == OPENING_BALANCE - 2500


@in_a_loop
async def test_a_sale_in_hand_when_the_line_dies_is_reversed_through_the_broker(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        it.line.mute = True
        key = await it.shop.charge(1000)
        await it.shop.present("good")
        await it.shop.until_payment(key, lambda payment: payment["state"] == "sent")
        await it.cut()
        payment = await it.shop.until_final(key)
        await it.shop.take_card()
        assert payment["state"] == "reversed" and it.shop.balance_of("good") == OPENING_BALANCE
        assert it.lines_of("0400") == {"courier"} and it.lines_of("0200", "0800") == {"host"}


@in_a_loop
async def test_cores_that_are_built_anew_know_of_the_courier(tmp_path: Path) -> None:
    """As after a clock that was set, or a disk that can be written again."""
    async with road(tmp_path) as it:
        before = it.shop.counter
        it.shop.runner._start_over()
        await it.shop.until(lambda view: it.shop.counter is not before and view["forwarding"]["courier"] == "up")
