"""A whole shop with a voice: the result is heard while the payment goes on, and a voice that fails stops nothing."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from terminal.cashier.voice import announce
from tests.in_a_loop import in_a_loop
from tests.shop.rig import Shop, shop

CODE = "6288123456789012345"


@asynccontextmanager
async def shop_with_voice(folder: Path, wav: Path) -> AsyncIterator[Shop]:
    async with shop(folder, devices=f'voice = "{wav}"\n') as s:
        announcing = asyncio.create_task(announce(s.runner))
        yield s
        announcing.cancel()


def seconds_of(wav: Path) -> float:
    with wave.open(str(wav)) as file:
        return float(file.getnframes() / file.getframerate())


@in_a_loop
async def test_a_result_is_heard(tmp_path: Path) -> None:
    async with shop_with_voice(tmp_path, tmp_path / "said.wav") as s:
        assert s.runner.view()["devices"]["speaker"]["reason"] == "not_asked"
        assert (await s.sell_by_code(2550, CODE))["state"] == "approved"
        await s.until(lambda view: view["devices"]["speaker"]["state"] == "ready")
        assert seconds_of(tmp_path / "said.wav") > 1.0
        await s.prove()


@in_a_loop
async def test_a_voice_that_cannot_speak_is_shown_and_stops_nothing(tmp_path: Path) -> None:
    async with shop_with_voice(tmp_path, tmp_path / "no such folder" / "said.wav") as s:
        assert (await s.sell_by_code(2550, CODE))["state"] == "approved"
        await s.until(lambda view: view["devices"]["speaker"]["reason"] == "no_sound")
        assert (await s.sell_by_code(100, CODE.replace("9", "7")))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_the_voice_is_part_of_the_test_of_the_counter(tmp_path: Path) -> None:
    async with shop_with_voice(tmp_path, tmp_path / "said.wav") as s:
        assert s.runner.begin_test("01")
        await s.until(lambda view: any(
            check["name"] == "speaker" and check["state"] == "passed" for check in view["test"]["checks"]
        ))  # fmt: skip
        assert seconds_of(tmp_path / "said.wav") > 0.5
