"""From tap to decision: the real kernel behind the real reader's driver, pcscd, and a card that approves by itself.

The time of a tap begins when the reader switches the card on, which is when a card by radio has power at all, and ends
with the kernel's decision: a sale offline, with fDDA (QuickPass). What lies before it is told beside it: a virtual
reader cannot say that a card has come, and pcscd looks at such a reader every 0.4 s.
"""

import asyncio
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

from bench.emv_kernel import FACTS, PARAMETERS
from simulators.cards import InsertedCard, TappedCard, load_card
from simulators.pcscd import Pcscd, environment, reader_name
from terminal.devices.card_reader_pcsc import PcscCardReader
from terminal.emv import ContactlessKernel, Finished, Transmit

LOOKS_EVERY_S = 0.4
READY_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Tap:
    """One card that came: how long until it was switched on, and from then until the decision, in seconds."""

    noticed_s: float
    decided_s: float


class TimedCard(TappedCard):
    """A card that remembers when it was first switched on."""

    switched_on = 0.0

    def reset(self) -> None:
        """Come into the field anew."""
        self.switched_on = self.switched_on or time.perf_counter()
        super().reset()


def taps(count: int, folder: Path, seed: int) -> list[Tap]:
    """Tap so many times, at moments that chance chooses, on a pcscd in `folder`: the only one that we ever use."""
    os.environ.update(environment(folder))
    return asyncio.run(_taps(count, folder, random.Random(seed)))


async def _taps(count: int, folder: Path, chance: random.Random) -> list[Tap]:
    found: list[Tap] = []
    ready = asyncio.Event()
    with Pcscd(folder) as service:
        reader = await PcscCardReader.open(
            reader_name(0), health_changed=lambda health: ready.set() if health.state == "ready" else None
        )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await ready.wait()
            for _ in range(count):
                await asyncio.sleep(chance.uniform(0, LOOKS_EVERY_S))
                found.append(await _tap(reader, service.ports[0]))
        finally:
            await reader.close()
    return found


async def _tap(reader: PcscCardReader, port: int) -> Tap:
    card = TimedCard(load_card("golden"))
    waiting = asyncio.create_task(reader.wait_for_card())
    came = time.perf_counter()
    inserted = await InsertedCard.insert(card, port)
    await waiting
    await _decision(reader)
    tap = Tap(card.switched_on - came, time.perf_counter() - card.switched_on)
    await inserted.remove()
    await reader.wait_for_removal()
    return tap


async def _decision(reader: PcscCardReader) -> None:
    kernel = ContactlessKernel(PARAMETERS, FACTS)
    step = kernel.start()
    while isinstance(step, Transmit):
        step = kernel.resume(await reader.transmit(step.apdu))
    assert isinstance(step, Finished), "a tapped card asks for nothing in the middle"
    assert step.outcome.kind == "approved", "the golden card approves by itself"
