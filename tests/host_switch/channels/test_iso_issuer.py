"""The issuer's channel: the wire, what is not trusted, and a connection that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace

import pytest
from structlog.testing import capture_logs

from host_switch.channels import ChannelAnswer, ChannelCall
from host_switch.channels.iso_issuer import ChannelFault, IsoIssuer, answer_of, call_message, protect, verified
from host_switch.keys import ZoneKeys
from iso8583 import Message, load_dialect
from iso8583.framing import with_length
from iso8583.security import retail_mac
from tests.in_a_loop import in_a_loop

KEYS = ZoneKeys(pin_key=bytes(range(16)), mac_key=bytes(range(16, 32)))
SALE = ChannelCall(
    reference="000000000042", kind="sale", terminal="12345678", merchant="898110053110001", amount=1234, currency="156",
    at=1_800_000_000.0, entry_mode="051", pan="6299990000000009", expiry="3012", sequence="001",
    track2="6299990000000009D30122011234567890", pin_block=bytes(range(8)), chip_data=bytes.fromhex("9F36020007"),
)  # fmt: skip
ANSWER = Message(
    "0210",
    {
        4: "000000001234", 11: "000042", 37: "000000000042", 38: "A1B2C3", 39: "00", 41: "12345678", 44: "01020000",
        48: "A4013W000000000042", 54: "1002156C000000998766", 55: bytes.fromhex("9108DEF730A40E807121"),
    },
)  # fmt: skip


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_a_sale_is_worded_in_full() -> None:
    message = call_message(SALE)
    assert message.mti == "0200"
    assert list(message) == [2, 3, 4, 7, 11, 14, 22, 23, 25, 35, 37, 41, 42, 49, 52, 55]
    assert (message[3], message[4], message[7], message[11]) == ("000000", "000000001234", "0115080000", "000042")


MTIS = [("sale", "0200"), ("sale_void", "0200"), ("refund", "0220"), ("balance_inquiry", "0200"), ("qr_refund", "0220")]


@pytest.mark.parametrize(("kind", "mti"), MTIS)
def test_each_type_has_its_message_type_and_its_repeat(kind: str, mti: str) -> None:
    call = replace(SALE, kind=kind)
    assert call_message(call).mti == mti
    assert call_message(replace(call, repeat=True)).mti == mti[:3] + "1"


def test_a_reversal_has_the_reference_of_what_it_reverses_and_no_card_data() -> None:
    bare = ChannelCall(**{f.name: getattr(SALE, f.name) for f in fields(SALE) if f.repr and f.name != "sequence"})
    message = call_message(replace(bare, reverse=True, reason="98"))
    assert (message.mti, message[37], message[39]) == ("0400", SALE.reference, "98")
    assert not {2, 14, 35, 52, 55} & set(message)
    assert call_message(replace(bare, reverse=True, repeat=True)).mti == "0401"


def test_code_and_original_travel_in_field_48() -> None:
    assert call_message(replace(SALE, code="6200000000000000000"))[48] == "A30196200000000000000000"
    assert call_message(replace(SALE, original="000000000007"))[48] == "OR012000000000007"


def test_an_answer_is_read_in_full() -> None:
    assert answer_of(ANSWER) == ChannelAnswer(
        reference="000000000042", terminal="12345678", code="00", amount=1234, auth_code="A1B2C3", issuer="01020000",
        balances="1002156C000000998766", voucher="W000000000042", chip_data=bytes.fromhex("9108DEF730A40E807121"),
    )  # fmt: skip


def test_an_answer_to_a_reversal_says_so() -> None:
    assert answer_of(Message("0410", dict(ANSWER.items()))).reverse


def test_the_mac_stands_at_the_end_under_the_zone_key() -> None:
    data = protect(call_message(SALE), KEYS.mac_key)
    assert data[-16:] == retail_mac(KEYS.mac_key, data[:-16]).hex().upper().encode()
    assert verified(data, KEYS.mac_key).without(64) == call_message(SALE)


def test_every_changed_byte_is_noticed() -> None:
    data = protect(ANSWER, KEYS.mac_key)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(ChannelFault):
            verified(bytes(changed), KEYS.mac_key)


def test_a_message_without_mac_is_not_trusted() -> None:
    with pytest.raises(ChannelFault, match="MAC"):
        verified(load_dialect("iso87_ascii").encode(ANSWER), KEYS.mac_key)


@pytest.mark.parametrize("number", [4, 11, 37, 39, 41])
def test_an_answer_must_have_what_an_answer_has(number: int) -> None:
    with pytest.raises(ChannelFault):
        answer_of(ANSWER.without(number))


@pytest.mark.parametrize("mti", ["0200", "0220", "0810", "0400"])
def test_only_answers_are_answers(mti: str) -> None:
    with pytest.raises(ChannelFault):
        answer_of(Message(mti, dict(ANSWER.items())))


def test_trace_and_reference_must_belong_together() -> None:
    with pytest.raises(ChannelFault):
        answer_of(ANSWER.with_({11: "000043"}))


def test_broken_private_data_is_a_fault() -> None:
    with pytest.raises(ChannelFault):
        answer_of(ANSWER.with_({48: "A4999W"}))


# --- the connection ---------------------------------------------------------------------------------------------------


class Peer:
    """An issuer's port in the test's hands, and what the channel reported."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[ChannelAnswer] = asyncio.Queue()
        self.unavailable: list[ChannelCall] = []
        self.connected = asyncio.Event()
        self.lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self.channel = IsoIssuer(KEYS, self.answers.put_nowait, self.unavailable.append, self.connected.set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Peer"]:
        server = await asyncio.start_server(lambda *line: self.lines.put_nowait(line), "127.0.0.1", 0)
        self.channel.connect("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            await self.channel.close()
            server.close()
            while not self.lines.empty():
                self.writers.append(self.lines.get_nowait()[1])
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.gather(*(writer.wait_closed() for writer in self.writers), return_exceptions=True)

    async def accept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(5):
            line = await self.lines.get()
            await self.connected.wait()
        self.writers.append(line[1])
        return line


async def frame(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


@in_a_loop
async def test_calls_of_one_turn_travel_together_and_answers_come_back_in_any_order() -> None:
    async with Peer().listening() as peer:
        reader, writer = await peer.accept()
        for number in (1, 2, 3):
            peer.channel.call(replace(SALE, reference=f"{number:012d}"))
        asked = [verified(await frame(reader), KEYS.mac_key).text(37) for _ in range(3)]
        for reference in reversed(asked):
            answer = ANSWER.with_({11: reference[-6:], 37: reference})
            writer.write(with_length(protect(answer, KEYS.mac_key)))
        assert [(await peer.answers.get()).reference for _ in range(3)] == asked[::-1]


@in_a_loop
async def test_a_call_without_connection_is_reported_as_never_having_left() -> None:
    peer = Peer()
    peer.channel.call(SALE)
    assert peer.unavailable == [SALE]


@in_a_loop
async def test_after_a_break_the_connection_is_made_again_and_said_to_be() -> None:
    async with Peer().listening() as peer:
        _, writer = await peer.accept()
        peer.connected.clear()
        writer.transport.abort()
        reader, writer = await peer.accept()
        peer.channel.call(SALE)
        assert await frame(reader)


@in_a_loop
async def test_what_is_not_authentic_is_logged_once_and_dropped() -> None:
    async with Peer().listening() as peer:
        _, writer = await peer.accept()
        with capture_logs() as log:
            forged = protect(ANSWER, bytes(16))
            writer.write(with_length(forged) + with_length(protect(ANSWER, KEYS.mac_key)))
            assert (await peer.answers.get()).code == "00"
        assert [entry["event"] for entry in log] == ["issuer's message not used"]


@in_a_loop
async def test_a_length_that_lies_closes_the_connection() -> None:
    async with Peer().listening() as peer:
        reader, writer = await peer.accept()
        with capture_logs() as log:
            writer.write(b"\xff\xff")
            async with asyncio.timeout(5):
                assert await reader.read() == b""
        assert log[0]["event"] == "issuer's connection closed"


@in_a_loop
async def test_an_issuer_that_does_not_read_makes_calls_unavailable_instead_of_filling_memory() -> None:
    async with Peer().listening() as peer:
        await peer.accept()
        for _ in range(200_000):
            peer.channel.call(SALE)
            await asyncio.sleep(0)
            if peer.unavailable:
                break
        assert peer.unavailable
