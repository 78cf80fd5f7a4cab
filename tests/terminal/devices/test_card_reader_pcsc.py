"""The PC/SC reader on a real pcscd: what only it can go through. The rest is in the contract test."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from simulators.cards import Card, InsertedCard, load_card
from simulators.cards.vpcd import AnyCard
from simulators.pcscd import Pcscd
from terminal.devices import CardGone
from terminal.devices.card_reader_pcsc import PcscCardReader
from terminal.devices.card_reader_pcsc_link import t0_command
from terminal.emv import AskPin, ContactKernel, GoOnline, Transmit
from tests.terminal.devices.pcscd_rig import READERS, private_pcscd
from tests.terminal.devices.serial_rig import PATIENCE_S, HealthLog
from tests.terminal.devices.test_card_reader_contract import IMPATIENT_S, READ_RECORD, SELECT, SilentCard, good_card
from tests.terminal.emv.rig import ENTERED, FACTS, PARAMETERS

T1_ONLY = bytes.fromhex("3B800181")
T0_ONLY = bytes.fromhex("3B00")
SCENE_S = 40.0
Scene = Callable[[PcscCardReader, HealthLog], Awaitable[None]]


@pytest.fixture
def pcscd() -> Iterator[Pcscd]:
    with private_pcscd() as service:
        yield service


def play(scene: Scene, name: str = READERS[0], answer_timeout_s: float = PATIENCE_S, found: bool = True) -> None:
    async def on_stage() -> None:
        log = HealthLog()
        reader = await PcscCardReader.open(name, answer_timeout_s=answer_timeout_s, health_changed=log)
        try:
            async with asyncio.timeout(SCENE_S):
                if found:
                    await log.until("ready")
                await scene(reader, log)
        finally:
            await reader.close()

    asyncio.run(on_stage())


class T0Card:
    """A card that speaks T=0: it hands its data out on GET RESPONSE only, and refuses a command with Le behind data."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._waiting = b""
        self.detours = 0

    @property
    def answer_to_reset(self) -> bytes:
        return self._card.answer_to_reset

    def reset(self) -> None:
        self._card.reset()

    def process(self, apdu: bytes) -> bytes:
        if apdu[1] == 0xC0:
            self.detours += 1
            data, self._waiting = self._waiting, b""
            return data + b"\x90\x00"
        if len(apdu) > 5 and len(apdu) != 5 + apdu[4]:
            return b"\x67\x00"
        answer = self._card.process(apdu)
        if len(apdu) == 5 and len(answer) > 2 and apdu[4] != len(answer) - 2:
            self.detours += 1
            self._card._commands -= 1
            return bytes((0x6C, len(answer) - 2))
        if len(apdu) > 5 and len(answer) > 2:
            self._waiting = answer[:-2]
            return bytes((0x61, len(self._waiting)))
        return answer


async def cryptogram(reader: PcscCardReader) -> str:
    """Go through a sale up to where the host is asked; return which cryptogram it would get."""
    kernel = ContactKernel(PARAMETERS, FACTS)
    step = kernel.start()
    while not isinstance(step, GoOnline):
        match step:
            case Transmit(apdu):
                step = kernel.resume(await reader.transmit(apdu))
            case AskPin():
                step = kernel.resume(ENTERED)
            case _:
                pytest.fail(f"{step}")
    return step.card.receipt["ARQC"]


async def at_the_counter(reader: PcscCardReader, card: AnyCard, port: int, atr: bytes) -> str:
    inserted = await InsertedCard.insert(card, port, answer_to_reset=atr)
    assert await reader.wait_for_card() == atr
    said = await cryptogram(reader)
    await inserted.remove()
    await reader.wait_for_removal()
    return said


def test_same_cryptogram_over_t0_and_t1(pcscd: Pcscd) -> None:
    t0 = T0Card(good_card())

    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        over_t1 = await at_the_counter(reader, good_card(), pcscd.ports[0], T1_ONLY)
        assert await at_the_counter(reader, t0, pcscd.ports[0], T0_ONLY) == over_t1

    play(scene)
    assert t0.detours > 4


@pytest.mark.parametrize(
    ("command", "carried"),
    [("00840000", "0084000000"), ("0084000008", "0084000008"), ("00A4040001AA00", "00A4040001AA"),
     ("0082000001AA", "0082000001AA")],
)  # fmt: skip
def test_command_as_t0_carries_it(command: str, carried: str) -> None:
    assert t0_command(bytes.fromhex(command)).hex().upper() == carried


def test_reader_that_a_card_blocks_says_so_and_the_other_works(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        silent = await InsertedCard.insert(SilentCard(load_card("good")), pcscd.ports[0])
        await reader.wait_for_card()
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(READ_RECORD)
        await log.until("attention", "reader_stuck")
        other = await PcscCardReader.open(READERS[1])
        await at_the_counter(other, good_card(), pcscd.ports[1], T1_ONLY)
        await other.close()
        assert reader.health().reason == "reader_stuck"
        await silent.remove()
        await log.until("attention", "card_mute")
        await at_the_counter(reader, good_card(), pcscd.ports[0], T1_ONLY)
        await log.until("ready")

    play(scene, answer_timeout_s=IMPATIENT_S)


def test_closing_a_blocked_reader_does_not_hang(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        silent = await InsertedCard.insert(SilentCard(load_card("good")), pcscd.ports[0])
        await reader.wait_for_card()
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(READ_RECORD)
        await reader.close()
        await silent.remove()

    play(scene, answer_timeout_s=IMPATIENT_S)


def test_service_killed_in_a_sale_and_started_again(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        inserted = await InsertedCard.insert(good_card(), pcscd.ports[0])
        await reader.wait_for_card()
        await reader.transmit(SELECT)
        pcscd.kill()
        with pytest.raises(CardGone, match="card_removed"):
            await reader.transmit(SELECT)
        await log.until("attention", "service_missing")
        with suppress(ConnectionError):
            await inserted.remove()
        pcscd.start()
        await log.until("ready")
        await at_the_counter(reader, good_card(), pcscd.ports[0], T1_ONLY)

    play(scene)


def test_service_killed_under_a_blocked_command(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        await InsertedCard.insert(SilentCard(load_card("good")), pcscd.ports[0])
        await reader.wait_for_card()
        with pytest.raises(CardGone, match="card_mute"):
            await reader.transmit(READ_RECORD)
        pcscd.kill()
        await log.until("attention", "service_missing")
        pcscd.start()
        await log.until("attention", "card_mute")
        await at_the_counter(reader, good_card(), pcscd.ports[0], T1_ONLY)

    play(scene, answer_timeout_s=IMPATIENT_S)


@pytest.mark.parametrize("said", [False, True], ids=["at once", "when it has said so"])
def test_reader_without_a_service_can_be_closed(said: bool) -> None:
    private_pcscd()  # and never started

    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        if said:
            await log.until("attention", "service_missing")
        await reader.close()
        assert reader.health().reason == "reader_closed"

    play(scene, found=False)


def test_service_restarted_while_a_card_is_waited_for(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        waiting = asyncio.create_task(reader.wait_for_card())
        pcscd.kill()
        await log.until("attention", "service_missing")
        pcscd.start()
        await log.until("ready")
        inserted = await InsertedCard.insert(good_card(), pcscd.ports[0], answer_to_reset=T1_ONLY)
        assert await waiting == T1_ONLY
        assert await cryptogram(reader)
        await inserted.remove()

    play(scene)


def test_card_that_was_in_before_the_reader_was_opened(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        inserted = await InsertedCard.insert(good_card(), pcscd.ports[0], answer_to_reset=T1_ONLY)
        await reader.wait_for_card()  # the service knows it now
        second = await PcscCardReader.open(READERS[0])
        await reader.close()
        assert await second.wait_for_card() == T1_ONLY
        assert await cryptogram(second)
        await inserted.remove()
        await second.wait_for_removal()
        await second.close()

    play(scene)


def test_card_that_is_put_in_while_the_reader_is_opened(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        second, inserted = await asyncio.gather(
            PcscCardReader.open(READERS[1]), InsertedCard.insert(good_card(), pcscd.ports[1], answer_to_reset=T1_ONLY)
        )
        assert await second.wait_for_card() == T1_ONLY
        assert await cryptogram(second)
        await inserted.remove()
        await second.close()

    play(scene)


def test_reader_that_another_program_holds_says_so_until_it_lets_go(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        inserted = await InsertedCard.insert(good_card(), pcscd.ports[0])
        await reader.wait_for_card()
        second_log = HealthLog()
        second = await PcscCardReader.open(READERS[0], health_changed=second_log)
        waiting = asyncio.create_task(second.wait_for_card())
        await second_log.until("attention", "reader_in_use")
        await reader.close()
        await waiting
        assert await cryptogram(second)
        assert second.health().state == "ready"
        await inserted.remove()
        await second.close()

    play(scene)


class LatecomerCard(InsertedCard):
    """A card that says nothing until it is `awake`."""

    awake: asyncio.Event

    async def _receive(self) -> bytes:
        data = await super()._receive()
        await self.awake.wait()
        return data


def test_card_that_is_switched_on_too_late_for_the_watchdog_is_read_all_the_same(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        LatecomerCard.awake = asyncio.Event()
        LatecomerCard.awake.set()
        inserted = await LatecomerCard.insert(good_card(), pcscd.ports[0])
        await log.until("ready")
        await reader.wait_for_card()
        LatecomerCard.awake.clear()
        waiting = asyncio.create_task(reader.wait_for_card())  # for the next sale: the card is switched on anew
        await log.until("attention", "reader_stuck")
        LatecomerCard.awake.set()
        await waiting
        assert await cryptogram(reader)
        await log.until("ready")
        await inserted.remove()

    play(scene, answer_timeout_s=IMPATIENT_S)


@pytest.mark.parametrize(
    ("name", "reason"), [("Nobody's Reader", "reader_missing"), ("Counter", "reader_ambiguous")]
)  # fmt: skip
def test_reader_that_is_not_the_one(pcscd: Pcscd, name: str, reason: str) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        await log.until("attention", reason)

    play(scene, name, found=False)


def test_part_of_a_name_is_enough_where_it_is_clear(pcscd: Pcscd) -> None:
    async def scene(reader: PcscCardReader, log: HealthLog) -> None:
        await at_the_counter(reader, good_card(), pcscd.ports[1], T1_ONLY)

    play(scene, "00 01")
