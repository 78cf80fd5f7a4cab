"""The time of a tap begins when the reader switches the card on, and not when a person holds it there."""

import asyncio

from bench.taps import TimedCard
from simulators.cards import InsertedCard, load_card
from simulators.cards.card import ATR

LOOK, SWITCH_ON = b"\x00\x01\x04", b"\x00\x01\x01"


def test_a_card_that_is_only_looked_at_is_not_switched_on() -> None:
    asyncio.run(scene())


async def scene() -> None:
    came: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
    server = await asyncio.start_server(lambda *ends: came.set_result(ends), "127.0.0.1", 0)
    async with server:
        card = TimedCard(load_card("golden"))
        inserted = await InsertedCard.insert(card, server.sockets[0].getsockname()[1])
        answers, reader = await came

        reader.write(LOOK)
        assert await answers.readexactly(2 + len(ATR)) == len(ATR).to_bytes(2, "big") + ATR
        assert card.switched_on == 0

        reader.write(SWITCH_ON + LOOK)
        await answers.readexactly(2 + len(ATR))
        assert card.switched_on > 0
        await inserted.remove()
        reader.close()
