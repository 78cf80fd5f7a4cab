"""The virtual reader over real sockets: what its port to the world adds to the contract of all readers.

Cards that come uninvited, are mute or rude; the contract itself is in `test_card_reader_contract`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from simulators.cards import Card, InsertedCard, load_card
from simulators.cards.card import ATR
from terminal.devices import CardGone, CardMute, DeviceHealth
from terminal.devices.card_reader_vpcd import VpcdCardReader
from tests.terminal.devices.serial_rig import PATIENCE_S

SELECT = bytes.fromhex("00A4040008A00000033301010100")
Scene = Callable[[VpcdCardReader], Awaitable[None]]


def play(scene: Scene, answer_timeout_s: float = PATIENCE_S) -> None:
    async def on_stage() -> None:
        reader = await VpcdCardReader.listen(answer_timeout_s=answer_timeout_s)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(reader)
        finally:
            await reader.close()

    asyncio.run(on_stage())


def good_card() -> Card:
    return Card(load_card("good"))


def test_only_one_card_fits() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        first = await InsertedCard.insert(good_card(), reader.port)
        await reader.wait_for_card()
        second = await InsertedCard.insert(good_card(), reader.port)
        await second.wait_until_out()
        assert (await reader.transmit(SELECT))[-2:] == b"\x90\x00"
        await first.remove()

    play(scene)


class PuppetCard:
    """A card of which every byte is chosen by the test."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.stream, self.writer = streams

    @classmethod
    async def insert(cls, port: int) -> "PuppetCard":
        return cls(await asyncio.open_connection("127.0.0.1", port))

    async def hear(self) -> bytes:
        return await self.stream.readexactly(int.from_bytes(await self.stream.readexactly(2), "big"))

    def say(self, data: bytes) -> None:
        self.writer.write(len(data).to_bytes(2, "big") + data)

    async def wake(self) -> None:
        """Answer what a reader asks first."""
        assert [await self.hear(), await self.hear(), await self.hear()] == [b"\x01", b"\x02", b"\x04"]
        self.say(ATR)

    async def until_thrown_out(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self.stream.read()
        self.writer.close()


def test_card_that_answers_no_reset_in_time_is_thrown_out_and_the_next_one_read() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        mute = await PuppetCard.insert(reader.port)
        waiting = asyncio.create_task(reader.wait_for_card())
        await mute.until_thrown_out()
        with pytest.raises(CardMute, match="card_mute"):
            await waiting
        assert reader.health() == DeviceHealth("attention", "card_mute")
        await reader.wait_for_removal()
        inserted = await InsertedCard.insert(good_card(), reader.port)
        assert await reader.wait_for_card() == ATR
        assert reader.health() == DeviceHealth("ready")
        await inserted.remove()

    play(scene, answer_timeout_s=0.3)


@pytest.mark.parametrize("noise", [b"", b"\x00", b"\x3b", b"\x00\x3b\x00", b"\xff" * 33])
def test_what_is_no_answer_to_reset_is_none(noise: bytes) -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        waiting = asyncio.create_task(reader.wait_for_card())
        assert [await card.hear(), await card.hear(), await card.hear()] == [b"\x01", b"\x02", b"\x04"]
        card.say(noise)
        with pytest.raises(CardMute):
            await waiting
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        card.writer.close()
        await reader.wait_for_removal()

    play(scene)


def test_card_that_falls_mute_in_a_sale_does_not_hang_it() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        await asyncio.gather(reader.wait_for_card(), card.wake())
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(SELECT)
        await card.until_thrown_out()

    play(scene, answer_timeout_s=0.3)


def test_card_that_leaves_while_it_wakes_is_forgotten() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        waiting = asyncio.create_task(reader.wait_for_card())
        await card.hear()
        card.writer.close()
        await reader.wait_for_removal()
        inserted = await InsertedCard.insert(good_card(), reader.port)
        assert await waiting == ATR
        await inserted.remove()

    play(scene)


def test_card_that_speaks_unasked_is_thrown_out() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        await asyncio.gather(reader.wait_for_card(), card.wake())
        card.say(b"\x90\x00")
        await card.until_thrown_out()
        await reader.wait_for_removal()

    play(scene)


def test_answer_to_a_question_that_was_given_up_is_not_taken_for_the_next() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        await asyncio.gather(reader.wait_for_card(), card.wake())
        given_up = asyncio.create_task(reader.transmit(SELECT))
        await card.hear()
        given_up.cancel()
        await asyncio.wait({given_up})
        card.say(b"\x6f\x00")
        asked = asyncio.create_task(reader.transmit(SELECT))
        await card.hear()
        card.say(b"\x90\x00")
        assert await asked == b"\x90\x00"
        card.writer.close()

    play(scene)


def test_answer_in_pieces() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        card = await PuppetCard.insert(reader.port)
        await asyncio.gather(reader.wait_for_card(), card.wake())
        asked = asyncio.create_task(reader.transmit(SELECT))
        await card.hear()
        for byte in b"\x00\x03\x01\x90\x00":
            card.writer.write(bytes((byte,)))
            await card.writer.drain()
        assert await asked == b"\x01\x90\x00"
        card.writer.close()

    play(scene)


def test_closing_lets_the_card_go_and_takes_no_other() -> None:
    async def scene(reader: VpcdCardReader) -> None:
        port = reader.port
        inserted = await InsertedCard.insert(good_card(), port)
        await reader.wait_for_card()
        await reader.close()
        await inserted.wait_until_out()
        assert reader.health() == DeviceHealth("attention", "reader_closed")
        with pytest.raises(OSError, match="onnect"):
            await InsertedCard.insert(good_card(), port)

    play(scene)
