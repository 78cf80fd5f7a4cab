"""What every card reader does, whatever is behind it: our own slot, and a real pcscd with a virtual reader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from simulators.cards import Card, InsertedCard, load_card
from simulators.cards.card import ATR
from terminal.devices import CardGone, CardReader, DeviceHealth
from terminal.devices.card_reader_pcsc import PcscCardReader
from terminal.devices.card_reader_vpcd import VpcdCardReader
from terminal.emv import ContactKernel, Finished, Outcome, Transmit
from tests.terminal.devices.pcscd_rig import READERS, Pcscd
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog
from tests.terminal.emv.rig import FACTS, PARAMETERS, Counter

SELECT = bytes.fromhex("00A4040008A00000033301010100")
READ_RECORD = bytes.fromhex("00B2010C00")
ANSWER_TIMEOUT_S = 0.3
Scene = Callable[[CardReader, int], Awaitable[None]]


@pytest.fixture
def pcscd() -> Iterator[Pcscd]:
    with Pcscd() as service:
        yield service


@pytest.fixture(params=["vpcd", "pcsc"])
def play(request: pytest.FixtureRequest) -> Callable[[Scene], None]:
    """Play a scene with a reader and the port that cards connect to."""

    service: Pcscd | None = request.getfixturevalue("pcscd") if request.param == "pcsc" else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[CardReader, int]]:
        if service is None:
            slot = await VpcdCardReader.listen(answer_timeout_s=ANSWER_TIMEOUT_S)
            yield slot, slot.port
            await slot.close()
            return
        log = HealthLog()
        reader = await PcscCardReader.open(READERS[0], answer_timeout_s=ANSWER_TIMEOUT_S, health_changed=log)
        await log.until("ready")
        yield reader, service.ports[0]
        await reader.close()

    async def on_stage(scene: Scene) -> None:
        async with asyncio.timeout(PATIENCE_S), opened() as (reader, port):
            await scene(reader, port)

    return lambda scene: asyncio.run(on_stage(scene))


def good_card() -> Card:
    return Card(load_card("good"))


class SilentCard(Card):
    """In the middle of a sale it does not answer any more."""

    def process(self, apdu: bytes) -> bytes | None:  # type: ignore[override]
        return None if apdu == READ_RECORD else super().process(apdu)


async def sale(reader: CardReader, card: Card) -> Outcome:
    kernel = ContactKernel(PARAMETERS, FACTS)
    step = kernel.start()
    counter = Counter(card)
    while not isinstance(step, Finished):
        match step:
            case Transmit(apdu):
                step = kernel.resume(await reader.transmit(apdu))
            case _:
                step = kernel.resume(counter.answer(step))
    return step.outcome


def test_card_is_waited_for_used_and_taken(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        waiting = asyncio.create_task(reader.wait_for_card())
        inserted = await InsertedCard.insert(good_card(), port)
        assert await waiting == ATR
        assert (await reader.transmit(SELECT))[-2:] == b"\x90\x00"
        assert reader.health() == DeviceHealth("ready")
        await inserted.remove()
        await reader.wait_for_removal()
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)

    play(scene)


def test_card_that_stays_is_reset_for_the_next_sale(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(good_card(), port)
        for _ in range(2):
            await reader.wait_for_card()
            assert await reader.transmit(READ_RECORD) == b"\x69\x85"  # nothing selected
            await reader.transmit(SELECT)
        await inserted.remove()
        await reader.wait_for_removal()

    play(scene)


def test_card_pulled_out_under_a_command(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(Card(replace(load_card("good"), pulled_out_at=2)), port)
        await reader.wait_for_card()
        await reader.transmit(SELECT)
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        await inserted.wait_until_out()
        await reader.wait_for_removal()

    play(scene)


def test_card_that_falls_silent_hangs_no_sale_and_the_next_card_is_read(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        silent = await InsertedCard.insert(SilentCard(load_card("good")), port)
        await reader.wait_for_card()
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(READ_RECORD)
        assert reader.health().state == "attention"
        await silent.remove()
        await reader.wait_for_removal()
        inserted = await InsertedCard.insert(good_card(), port)
        assert await reader.wait_for_card() == ATR
        assert reader.health() == DeviceHealth("ready")
        await inserted.remove()
        await reader.wait_for_removal()

    play(scene)


def test_whole_sale_through_the_reader(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        card = good_card()
        inserted = await InsertedCard.insert(card, port)
        await reader.wait_for_card()
        assert (await sale(reader, card)).reason == "approved_online"
        await inserted.remove()
        await reader.wait_for_removal()

    play(scene)


def test_closed_reader_takes_no_command(play: Callable[[Scene], None]) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(good_card(), port)
        await reader.wait_for_card()
        await reader.close()
        assert reader.health() == DeviceHealth("attention", "reader_closed")
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        await inserted.remove()

    play(scene)
