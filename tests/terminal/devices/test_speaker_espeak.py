"""The voice on the real espeak-ng, which writes to a file: sound comes out, the newest waits, and nothing hangs."""

import asyncio
import os
import wave
from itertools import pairwise
from pathlib import Path

import pytest

from terminal.devices import DeviceError, DeviceHealth
from terminal.devices import speaker_espeak as driver
from terminal.devices.speaker_espeak import EspeakSpeaker
from terminal.devices.supervision import CounterDevices, Supervision
from tests.in_a_loop import in_a_loop

LOUD = 1_000  # of 32,767


def sound_of(wav: Path) -> tuple[float, int]:
    """How many seconds a file sounds, and how loud it is at its loudest."""
    with wave.open(str(wav)) as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1)
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
        return len(samples) / file.getframerate(), max(map(abs, samples))


def is_alive(number: int) -> bool:
    return Path(f"/proc/{number}").exists()


def in_place_of_espeak(folder: Path, script: str) -> EspeakSpeaker:
    """A program that behaves as espeak-ng does on a bad day."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return EspeakSpeaker.find(program=str(program))


@in_a_loop
async def test_sound_comes_out_in_both_languages(tmp_path: Path) -> None:
    speaker = EspeakSpeaker.find(str(tmp_path / "said.wav"))
    assert speaker.health() == DeviceHealth("unknown", "not_asked")
    lengths = []
    for sentence, language in (("收款二十五元整。", "zh"), ("Received: twenty-five yuan.", "en")):
        await speaker.speak(sentence, language)
        seconds, loudest = sound_of(tmp_path / "said.wav")
        assert 1.0 < seconds < 8.0 and loudest > LOUD
        lengths.append(seconds)
    assert speaker.health() == DeviceHealth("ready")
    await speaker.speak("收款九千九百九十九万九千九百九十九元九角九分。", "zh")
    assert sound_of(tmp_path / "said.wav")[0] > 2 * lengths[0], "a longer amount takes longer"


@in_a_loop
async def test_the_newest_waits_and_what_it_has_overtaken_is_dropped(tmp_path: Path) -> None:
    speaker = in_place_of_espeak(tmp_path, f'for last; do :; done; echo "$last" >> {tmp_path}/said')
    for number in range(100):
        speaker.say(f"sentence {number}", "en")
    assert speaker._saying is not None
    await speaker._saying
    assert (tmp_path / "said").read_text().split("\n")[:-1] == ["sentence 99"]
    assert speaker.health() == DeviceHealth("ready")


@in_a_loop
async def test_one_sentence_at_a_time(tmp_path: Path) -> None:
    speaker = in_place_of_espeak(tmp_path, f"date +%s%N >> {tmp_path}/times; date +%s%N >> {tmp_path}/times")
    await asyncio.gather(*(speaker.speak(f"{number}", "en") for number in range(3)))
    times = [int(line) for line in (tmp_path / "times").read_text().split()]
    assert all(before <= after for before, after in pairwise(times)) and len(times) == 6


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo 'ALSA lib pcm.c: Unknown PCM default' >&2; echo 'error: No such file or directory' >&2",
    ],
)
@in_a_loop
async def test_without_a_sound_card_it_says_so_and_says_the_next_one_again(tmp_path: Path, script: str) -> None:
    speaker = in_place_of_espeak(tmp_path, script)
    with pytest.raises(DeviceError, match="no_sound"):
        await speaker.speak("收款二十五元整。", "zh")
    assert speaker.health() == DeviceHealth("attention", "no_sound")
    (tmp_path / "program").write_text("#!/bin/sh\n")
    await speaker.speak("收款二十五元整。", "zh")
    assert speaker.health() == DeviceHealth("ready")


@pytest.mark.parametrize("script", ["exec sleep 1000", "exec yes error >&2"], ids=["hangs", "complains without end"])
@in_a_loop
async def test_a_program_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(driver, "SENTENCE_WITHIN_S", 1.0)
    speaker = in_place_of_espeak(tmp_path, f"echo $$ > {tmp_path}/number; {script}")
    with pytest.raises(DeviceError, match="no_sound"):
        await speaker.speak("收款", "zh")
    assert not is_alive(int((tmp_path / "number").read_text()))


@in_a_loop
async def test_close_ends_what_is_being_said(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    speaker = in_place_of_espeak(tmp_path, f"echo $$ > {started}; exec sleep 1000")
    speaker.say("收款", "zh")
    number = int(await asyncio.to_thread(started.read_text))
    await speaker.close()
    assert not is_alive(number)


@in_a_loop
async def test_a_program_that_is_not_there_is_told_and_found_later(tmp_path: Path) -> None:
    async def opener() -> EspeakSpeaker:
        return EspeakSpeaker.find(program=str(tmp_path / "program"))

    supervision = Supervision(CounterDevices(openers={"speaker": opener}))
    await supervision.open()
    assert supervision.devices.health()["speaker"] == DeviceHealth("attention", "software_missing")
    in_place_of_espeak(tmp_path, "")
    await supervision.open()
    assert supervision.devices.health()["speaker"].reason == "not_asked"
    await supervision.close()


@in_a_loop
async def test_a_program_that_goes_away_is_told() -> None:
    speaker = EspeakSpeaker("/nowhere/espeak-ng")
    with pytest.raises(DeviceError, match="software_missing"):
        await speaker.speak("收款", "zh")


def test_a_counter_without_a_voice_misses_nothing() -> None:
    assert "speaker" not in CounterDevices().health()
