"""Somebody on the line feigns that the host is there, or that it is another time. He has heard all, and has no key."""

from pathlib import Path
from typing import Any

import pytest

from iso8583.framing import with_length
from iso8583.unionpay import Frame
from terminal.records import HostTime, SignedOn
from tests.in_a_loop import in_a_loop
from tests.security.liar import Liar, changed, shop_with_liar
from tests.shop.rig import Shop

OFFLINE_WITHIN_S = 3.0


def proof_heard_by(liar: Liar) -> bytes:
    """The last answer to a probe that the host gave."""
    return next(frame for frame in reversed(liar.said) if Frame.parse(frame).message.mti == "0830")


async def proven(s: Shop, liar: Liar) -> None:
    """Wait until the host has proven itself at least once."""
    await s.until(lambda view: s.counter.book.host_time is not None and any(map(_is_proof, liar.said)))


def _is_proof(frame: bytes) -> bool:
    message = Frame.parse(frame).message
    return message.mti == "0830" and 64 in message


@in_a_loop
async def test_a_recording_of_the_host_does_not_keep_a_dead_line_alive(tmp_path: Path) -> None:
    async with shop_with_liar(tmp_path) as (s, liar):
        await proven(s, liar)
        recorded = proof_heard_by(liar)
        asked_at = s.runner.now()
        liar.say = lambda _: [with_length(recorded)]
        view = await s.until(lambda view: view["session"]["state"] != "ready")
        assert s.runner.now() - asked_at < OFFLINE_WITHIN_S + 1  # and a slow machine
        assert view["session"]["trouble"] == "no_answer"
        liar.say = lambda frame: [with_length(frame)]
        await s.until_ready()
        await s.sell_by_card(1000)
        await s.prove()


@pytest.mark.parametrize("fields", [{"f13": "0101"}, {"f12": "000000"}, {"without": [64], "f13": "0101"}])
@in_a_loop
async def test_a_time_that_the_host_did_not_say_is_not_taken(tmp_path: Path, fields: dict[str, Any]) -> None:
    """It signs on again, for whoever changes answers can also cut the line; and it keeps its time."""
    async with shop_with_liar(tmp_path) as (s, liar):
        await proven(s, liar)
        known, sign_ons = s.counter.book.host_time, len(_records(s, SignedOn))
        lie = changed(**fields)
        liar.say = lambda frame: lie(frame) if _is_proof(frame) else [with_length(frame)]
        await s.until(lambda view: len(_records(s, SignedOn)) > sign_ons)
        assert s.counter.book.host_time == known and len(_records(s, HostTime)) == 1
        liar.say = lambda frame: [with_length(frame)]
        await s.until(lambda view: view["session"]["state"] == "ready")
        await s.sell_by_card(1000)
        await s.prove()


def _records(s: Shop, kind: type) -> list[object]:
    return [record for record in s.runner.journal.everything() if isinstance(record, kind)]
