"""The whole host over loopback: terminals, the issuer twin behind its port, and everything going wrong in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import paycode
from host_switch.channels.iso_issuer import IsoIssuer
from host_switch.connections import Limits
from host_switch.events import (
    CallChannel,
    CommandGiven,
    Decision,
    Due,
    Effect,
    Input,
    Persist,
    PhoneGiven,
    Send,
    SignerGiven,
    TerminalRegistered,
)
from host_switch.facts import Facts
from host_switch.invariants import breaches
from host_switch.keys import KeyRoom, ZoneKeys
from host_switch.listener import BATCH_MAX, Listener
from host_switch.phone_codes import wallet_of
from host_switch.records import CodeIssuer as IssuerRow
from host_switch.records import Leg, Outcome, SignedKey, Transaction
from host_switch.sqlite_store import SqliteStore
from host_switch.store import StoreError
from host_switch.switch import decide
from iso8583 import Message
from iso8583.framing import with_length
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY, Issuer, Mood, default_accounts
from simulators.issuer_process import IssuerProcess, IssuerStore
from simulators.signed_phones import CodeIssuer
from tests.host_switch.room import CODE_KEYS, POLICY, command_of
from tests.host_switch.till import MASTER_KEY, PAN, Till, damaged
from tests.in_a_loop import in_a_loop

PATIENCE_S = 10


class Line:
    """A till with a connection to the host."""

    def __init__(self, till: Till, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.till = till
        self._reader = reader
        self.writer = writer

    async def receive(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            length = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(length)

    def send(self, message: Message) -> None:
        self.writer.write(with_length(self.till.frame(message)))

    async def talk(self, message: Message) -> Message:
        self.send(message)
        return self.till.read(await self.receive())

    async def closed(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.read() == b""

    async def hang_up(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@dataclass
class Shop:
    """A running host with a running issuer."""

    listener: Listener
    store: SqliteStore
    reader: SqliteStore
    bank: Issuer
    channel: IsoIssuer
    port: int
    issuer_port: int
    lines: list[Line]
    effects: list[Effect]

    async def line(self, name: str = "12345678", *, signed_on: bool = True) -> Line:
        await self.listener.ask(TerminalRegistered(name, Till().merchant, MASTER_KEY))
        line = await self.reconnected(Till(name))
        if signed_on:
            line.send(line.till.sign_on())
            line.till.signed_on(await line.receive())
        return line

    async def reconnected(self, till: Till) -> Line:
        line = Line(till, *await asyncio.open_connection("127.0.0.1", self.port))
        self.lines.append(line)
        return line

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true; it is looked at after each turn of the loop."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110 - whatever it is, it has no event to wait for
                await asyncio.sleep(0)

    def rows(self) -> list[Transaction]:
        return list(self.reader.books().transactions)

    async def quiet(self) -> None:
        """Wait until nothing is open."""
        await self.until(lambda: self.reader.next_due() is None)


@asynccontextmanager
async def shop(
    folder: Path, *, limits: Limits | None = None, issuer: bool = True, channel_timeout_s: float = 20.0
) -> AsyncIterator[Shop]:
    key_room = KeyRoom(bytes(32))
    policy = replace(POLICY, channel_timeout_s=channel_timeout_s, retry_first_s=channel_timeout_s)
    store = SqliteStore.open(folder / "host.db", key_room, policy)
    effects: list[Effect] = []
    listener = Listener(store, limits, after_effect=effects.append)
    connected = asyncio.Event()

    def on_connected() -> None:
        connected.set()
        listener.channel_connected()

    keys = ZoneKeys(ZONE_PIN_KEY, ZONE_MAC_KEY)
    channel = IsoIssuer(keys, listener.channel_answered, listener.channel_unavailable, on_connected)
    listener.channel = channel
    bank = IssuerProcess(Issuer(default_accounts()), IssuerStore(folder / "issuer.db"))
    issuer_port, _ = await bank.start(0, 0)
    port = await listener.start("127.0.0.1", 0)
    reader = SqliteStore.open(folder / "host.db", key_room, policy, to_write=False)
    opened = Shop(listener, store, reader, bank.issuer, channel, port, issuer_port, [], effects)
    if issuer:
        channel.connect("127.0.0.1", issuer_port)
        await connected.wait()
    try:
        yield opened
        assert breaches(reader.books()) == []
    finally:
        await asyncio.gather(*(line.hang_up() for line in opened.lines))
        await listener.stop()
        await channel.close()
        await bank.stop()
        reader.close()
        store.close()


@in_a_loop
async def test_a_sale_from_the_wire_to_the_issuer_and_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        answer = await line.talk(line.till.sale(pin=b"123456"))
        assert (answer[39], answer[38]) == ("00", "000001")
        assert host.bank.balance(PAN) == 1_000_000 - 1234


@in_a_loop
async def test_effects_are_carried_out_in_their_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        host.effects.clear()
        await line.talk(line.till.sale())
        await host.until(lambda: len(host.effects) == 4)
        assert [type(effect) for effect in host.effects] == [Persist, CallChannel, Persist, Send]


@in_a_loop
async def test_many_terminals_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        lines = [await host.line(f"{number:08d}") for number in range(30)]

        async def sells(line: Line) -> list[str | bytes]:
            return [(await line.talk(line.till.sale(100)))[39] for _ in range(5)]

        codes = await asyncio.gather(*map(sells, lines))
        assert codes == [["00"] * 5] * 30
        assert host.bank.balance(PAN) == 1_000_000 - 30 * 5 * 100


@in_a_loop
async def test_the_same_frame_many_times_in_one_piece_is_one_sale(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        line.writer.write(with_length(line.till.frame(line.till.sale())) * 5)
        assert line.till.read(await line.receive())[39] == "00"
        assert len(host.rows()) == 1
        assert host.bank.balance(PAN) == 1_000_000 - 1234


@in_a_loop
async def test_two_refunds_in_one_batch_never_come_to_more_than_the_sale(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        first, second = await host.line("11111111"), await host.line("22222222")
        sale = first.till.sale(1000)
        reference = (await first.talk(sale)).text(37)
        for line in (first, second):
            line.send(line.till.refund(sale, reference, 600))
        codes = [line.till.read(await line.receive())[39] for line in (first, second)]
        assert sorted(map(str, codes)) == ["00", "61"]


@in_a_loop
async def test_two_terminals_that_send_one_code_at_once_are_paid_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        lines = [await host.line(f"{number:08d}") for number in range(8)]
        order = PhoneGiven(1_000_000_001, bytes(32), int(time.time()), PAN, "王芳")
        await host.listener.ask(order)
        (user,) = host.reader.phone_users()
        code, _ = paycode.issue(wallet_of(user, CODE_KEYS), int(time.time()))
        answers = await asyncio.gather(*(line.talk(line.till.qr_sale(code)) for line in lines))
        assert sorted(str(answer[39]) for answer in answers) == ["00"] + ["P7"] * 7
        assert host.bank.balance(PAN) == 1_000_000 - 1234
        assert len(host.reader.books().codes_spent) == 1


@in_a_loop
async def test_terminals_that_hand_in_one_signed_code_at_once_are_paid_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        lines = [await host.line(f"{number:08d}") for number in range(8)]
        issuer = CodeIssuer()
        phone, known = issuer.phone("Li", time.time()), issuer.public_key
        await host.listener.ask(PhoneGiven(7, bytes(32), int(time.time()), PAN, "李"))
        for signer in (IssuerRow(issuer.key_id, known.algorithm, known.data, "bank"), SignedKey(phone.key, 7)):
            await host.listener.ask(SignerGiven(signer))
        code = phone.show(time.time())
        answers = await asyncio.gather(*(line.talk(line.till.offline_code_sale(code)) for line in lines))
        assert sorted(str(answer[39]) for answer in answers) == ["00"] + ["B1"] * 7
        assert host.bank.balance(PAN) == 1_000_000 - 1234
        assert [use.paid for use in host.reader.books().signed_uses].count(True) == 1


# --- bad input --------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_garbage_on_one_connection_does_not_disturb_another(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        intruder = await host.reconnected(Till())
        with capture_logs() as log:
            intruder.writer.write(b"\xff" * 1000)
            assert await intruder.closed()
            assert (await line.talk(line.till.sale()))[39] == "00"
        assert [entry["event"] for entry in log] == ["connection closed"]


@in_a_loop
async def test_refusals_come_over_the_wire(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        stranger = await host.reconnected(Till("99999999", mac_key=bytes(8)))
        assert (await stranger.talk(stranger.till.echo()))[39] == "97"
        line.writer.write(with_length(damaged(line.till.frame(line.till.sale()))))
        answer = await line.receive()
        assert (line.till.read(answer)[39], command_of(answer)) == ("A0", "3")


@in_a_loop
async def test_a_fault_of_our_own_costs_one_frame_its_answer_and_not_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()

        def faulty(event: Input, facts: Facts, now: float) -> Decision:
            if isinstance(event, Due):
                raise ZeroDivisionError
            return decide(event, facts, now)

        monkeypatch.setattr("host_switch.listener.decide", faulty)
        with capture_logs() as log:
            await host.listener.ask(Due(1))
            assert (await line.talk(line.till.sale()))[39] == "00"
        assert [(entry["event"], entry["fault"]) for entry in log] == [("fault of our own", "ZeroDivisionError")]


# --- the issuer -------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_without_an_issuer_sales_are_declined_at_once(tmp_path: Path) -> None:
    async with shop(tmp_path, issuer=False) as host:
        line = await host.line()
        assert (await line.talk(line.till.sale()))[39] == "91"


@in_a_loop
async def test_silence_of_the_issuer_is_98_and_the_reversal_is_paid_when_it_answers(tmp_path: Path) -> None:
    async with shop(tmp_path, channel_timeout_s=0.05) as host:
        line = await host.line()
        host.bank.mood = Mood("drop", times=1)
        assert (await line.talk(line.till.sale()))[39] == "98"
        await host.quiet()
        assert host.rows()[0].leg is Leg.REVERSED
        assert host.bank.balance(PAN) == 1_000_000


@in_a_loop
async def test_when_the_issuer_comes_back_debts_are_paid_at_once(tmp_path: Path) -> None:
    async with shop(tmp_path, issuer=False) as host:
        line = await host.line()
        sale = line.till.sale()
        host.bank.mood = Mood("lose", times=0)
        answer = await line.talk(line.till.reversal(sale))
        assert answer[39] == "00"
        line.send(line.till.refund(sale, "000000000001", 1))
        assert line.till.read(await line.receive())[39] == "25"
        host.channel.connect("127.0.0.1", host.issuer_port)
        await host.quiet()


@in_a_loop
async def test_debts_of_one_terminal_wait_in_the_queue_once(tmp_path: Path) -> None:
    """They are decided one by one, and stay due until then."""
    async with shop(tmp_path, issuer=False, channel_timeout_s=0.01) as host:
        line = await host.line()
        longest = 0

        def retried() -> bool:
            nonlocal longest
            longest = max(longest, len(host.listener._queue))
            return len(host.effects) > 2000  # each sale was called about, in vain, several times

        for _ in range(150):
            line.send(line.till.offline_sale())
        await host.until(retried)
        assert longest < 4 * BATCH_MAX


@in_a_loop
async def test_the_connection_to_the_issuer_is_made_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        assert host.channel._link is not None
        host.channel._link.transport.abort()
        await host.until(lambda: host.channel._link is None)
        await host.until(lambda: host.channel._link is not None)
        assert (await line.talk(line.till.sale()))[39] == "00"


@in_a_loop
async def test_the_answer_goes_to_the_newest_connection(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        host.bank.mood = Mood("delay", delay_s=0.05, times=1)
        sale = line.till.sale()
        line.send(sale)
        await host.until(lambda: bool(host.rows()))
        await line.hang_up()
        again = await host.reconnected(line.till)
        assert (await again.talk(sale))[39] == "00"


# --- the store --------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_when_the_store_cannot_write_there_is_silence_and_then_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent that was not written, and the same request later gets its answer."""
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    async with shop(tmp_path) as host:
        line = await host.line()
        host.store._db.execute("PRAGMA query_only = 1")
        with capture_logs() as log:
            sale = line.till.sale()
            line.send(sale)
            await host.until(lambda: bool(log))
        assert log[0]["event"] == "store cannot be used"
        host.store._db.execute("PRAGMA query_only = 0")
        assert (await line.talk(sale))[39] == "00"
        assert len(host.rows()) == 1


@in_a_loop
async def test_an_order_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    async with shop(tmp_path) as host:
        await host.line()
        host.store._db.execute("PRAGMA query_only = 1")
        with capture_logs(), pytest.raises(StoreError, match="readonly"):
            await host.listener.ask(CommandGiven("12345678", "3"))
        host.store._db.execute("PRAGMA query_only = 0")


@in_a_loop
async def test_whoever_asks_about_one_terminal_twice_while_the_store_cannot_write_is_refused_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first, and is not given up with it: a frame, or an order, is decided once."""
    monkeypatch.setattr("host_switch.listener.STORE_RETRY_S", 0.0)
    async with shop(tmp_path) as host:
        line = await host.line()
        host.store._db.execute("PRAGMA query_only = 1")
        orders = [host.listener.ask(CommandGiven("12345678", digit)) for digit in "321"]
        with capture_logs():
            answers = await asyncio.wait_for(asyncio.gather(*orders, return_exceptions=True), PATIENCE_S)
        assert [type(answer) for answer in answers] == [StoreError] * 3
        host.store._db.execute("PRAGMA query_only = 0")
        await host.listener.ask(CommandGiven("12345678", "3"))
        assert (await line.talk(line.till.sale()))[39] == "00"


@in_a_loop
async def test_whoever_does_not_wait_for_his_answer_stops_nobody(tmp_path: Path) -> None:
    async with shop(tmp_path) as host:
        line = await host.line()
        impatient = asyncio.create_task(host.listener.ask(CommandGiven("12345678", "3")))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await line.talk(line.till.sale()))[39] == "00"


@in_a_loop
async def test_a_restart_takes_up_what_was_open(tmp_path: Path) -> None:
    async with shop(tmp_path, channel_timeout_s=0.05) as host:
        line = await host.line()
        host.bank.mood = Mood("lose")
        line.send(line.till.sale())
        await host.until(lambda: len(host.rows()) == 1)
    async with shop(tmp_path, channel_timeout_s=0.05) as host:
        await host.quiet()
        (row,) = host.rows()
        assert (row.outcome, row.leg) == (Outcome.DECLINED, Leg.REVERSED)
