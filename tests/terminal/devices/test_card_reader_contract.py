"""What every card reader does, whatever is behind it: our own slot, and a real pcscd with a virtual reader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from simulators.cards import Card, InsertedCard, load_card
from simulators.cards.card import ATR
from simulators.pcscd import Pcscd
from terminal.devices import CardGone, CardMute, CardReader, DeviceHealth
from terminal.devices.card_reader_pcsc import PcscCardReader
from terminal.devices.card_reader_vpcd import VpcdCardReader
from terminal.emv import CardRemoved, ContactKernel, Finished, Outcome, Transmit
from tests.terminal.devices.pcscd_rig import READERS, private_pcscd
from tests.terminal.devices.serial_rig import HealthLog
from tests.terminal.emv.rig import FACTS, PARAMETERS, Counter

SELECT = bytes.fromhex("00A4040008A00000033301010100")
READ_RECORD = bytes.fromhex("00B2010C00")
IMPATIENT_S = 1.0
"""How long a card is waited for that says nothing; a busy machine may need as long for one that does."""
SCENE_S = 40.0
Scene = Callable[[CardReader, int], Awaitable[None]]
Play = Callable[..., None]


@asynccontextmanager
async def slot(answer_timeout_s: float) -> AsyncIterator[tuple[CardReader, int]]:
    """Our own slot, and the port that its cards connect to."""
    reader = await VpcdCardReader.listen(answer_timeout_s=answer_timeout_s)
    try:
        yield reader, reader.port
    finally:
        await reader.close()


@asynccontextmanager
async def behind(service: Pcscd, number: int, answer_timeout_s: float) -> AsyncIterator[tuple[CardReader, int]]:
    """One of the readers of a real pcscd, likewise."""
    log = HealthLog()
    reader = await PcscCardReader.open(READERS[number], answer_timeout_s=answer_timeout_s, health_changed=log)
    try:
        await log.until("ready")
        yield reader, service.ports[number]
    finally:
        await reader.close()


@pytest.fixture(params=["vpcd", "pcsc"])
def play(request: pytest.FixtureRequest) -> Play:
    """Play scenes at the same time, each with a reader of its own."""

    async def on_stage(scene: Scene, opened: AbstractAsyncContextManager[tuple[CardReader, int]]) -> None:
        async with asyncio.timeout(SCENE_S), opened as (reader, port):
            await scene(reader, port)

    async def all_scenes(*scenes: Scene, answer_timeout_s: float = SCENE_S) -> None:
        if request.param == "vpcd":
            await asyncio.gather(*(on_stage(scene, slot(answer_timeout_s)) for scene in scenes))
            return
        with private_pcscd(pairs=(len(scenes) + 1) // 2) as service:
            opened = (behind(service, number, answer_timeout_s) for number in range(len(scenes)))
            await asyncio.gather(*map(on_stage, scenes, opened))

    return lambda *scenes, **how: asyncio.run(all_scenes(*scenes, **how))


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
                step = kernel.resume(await answered(reader, apdu))
            case _:
                step = kernel.resume(counter.answer(step))
    return step.outcome


async def answered(reader: CardReader, apdu: bytes) -> bytes | CardRemoved:
    try:
        return await reader.transmit(apdu)
    except CardGone:
        return CardRemoved()


def commands_of_a_sale() -> int:
    counter = Counter(good_card())
    counter.run()
    return len(counter.commands)


async def pays(reader: CardReader, port: int) -> None:
    """A good card is inserted, pays, and is taken."""
    card = good_card()
    inserted = await InsertedCard.insert(card, port)
    await reader.wait_for_card()
    assert (await sale(reader, card)).reason == "approved_online"
    await inserted.remove()
    await reader.wait_for_removal()


def test_card_is_waited_for_used_and_taken(play: Play) -> None:
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


def test_card_that_stays_is_reset_for_the_next_sale(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(good_card(), port)
        for _ in range(2):
            await reader.wait_for_card()
            assert await reader.transmit(READ_RECORD) == b"\x69\x85"  # nothing selected
            await reader.transmit(SELECT)
        await inserted.remove()
        await reader.wait_for_removal()

    play(scene)


def test_card_pulled_out_under_a_command(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(Card(replace(load_card("good"), pulled_out_at=2)), port)
        await reader.wait_for_card()
        await reader.transmit(SELECT)
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        await inserted.wait_until_out()
        await reader.wait_for_removal()

    play(scene)


def test_card_that_falls_silent_hangs_no_sale_and_the_next_card_is_read(play: Play) -> None:
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

    play(scene, answer_timeout_s=IMPATIENT_S)


def test_mute_card_is_told_of_and_the_next_one_read(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        for _ in range(2):
            mute = await InsertedCard.insert(Card(load_card("mute")), port)
            with pytest.raises(CardMute, match="card_mute"):
                await reader.wait_for_card()
            assert reader.health() == DeviceHealth("attention", "card_mute")
            removed = asyncio.create_task(reader.wait_for_removal())
            await asyncio.sleep(0)
            assert not removed.done()  # it is in until somebody takes it: a person is to be asked for that
            await mute.remove()
            await removed
        await pays(reader, port)
        assert reader.health() == DeviceHealth("ready")

    play(scene)


def test_whole_sale_through_the_reader(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        await pays(reader, port)

    play(scene)


@pytest.mark.parametrize("waited_for", [False, True], ids=["inserted before the reader is asked", "waited for"])
def test_after_a_card_was_pulled_out_at_any_command_the_next_one_pays_at_once(play: Play, waited_for: bool) -> None:
    def pulled_out_at(command: int) -> Scene:
        async def scene(reader: CardReader, port: int) -> None:
            hasty, card = Card(replace(load_card("good"), pulled_out_at=command)), good_card()
            pulled_out = await InsertedCard.insert(hasty, port)
            await reader.wait_for_card()
            assert (await sale(reader, hasty)).reason == "removed"
            await pulled_out.wait_until_out()
            await reader.wait_for_removal()
            if waited_for:
                waiting = asyncio.create_task(reader.wait_for_card())
                inserted = await InsertedCard.insert(card, port)
            else:
                inserted = await InsertedCard.insert(card, port)
                waiting = asyncio.create_task(reader.wait_for_card())
            assert await waiting == ATR
            assert (await sale(reader, card)).reason == "approved_online"
            await inserted.remove()
            await reader.wait_for_removal()
            assert reader.health() == DeviceHealth("ready")

        return scene

    commands = commands_of_a_sale()
    assert commands > 10
    play(*(pulled_out_at(command) for command in range(1, commands + 1)))


def test_cards_exchanged_without_a_gap_between_two_sales(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted, card = await InsertedCard.insert(first := good_card(), port), first
        for _ in range(3):
            await reader.wait_for_card()
            assert (await sale(reader, card)).reason == "approved_online"
            removed = asyncio.create_task(reader.wait_for_removal())
            await inserted.remove()
            inserted = await InsertedCard.insert(card := good_card(), port)
            await removed
        await inserted.remove()

    play(scene)


def test_card_exchanged_in_the_middle_of_a_sale_ends_it(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(good_card(), port)
        await reader.wait_for_card()
        await reader.transmit(SELECT)
        await inserted.remove()
        inserted = await InsertedCard.insert(card := good_card(), port)
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(READ_RECORD)
        await reader.wait_for_card()
        assert (await sale(reader, card)).reason == "approved_online"
        await inserted.remove()

    play(scene)


def test_waiting_that_was_given_up_costs_the_next_sale_nothing(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        for _ in range(10):
            waiting = asyncio.create_task(reader.wait_for_card())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        await pays(reader, port)

    play(scene)


def test_closed_reader_takes_no_command(play: Play) -> None:
    async def scene(reader: CardReader, port: int) -> None:
        inserted = await InsertedCard.insert(good_card(), port)
        await reader.wait_for_card()
        await reader.close()
        assert reader.health() == DeviceHealth("attention", "reader_closed")
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        await inserted.remove()

    play(scene)
