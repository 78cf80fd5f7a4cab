"""Driver for a voice: espeak-ng says a sentence through the sound card, or into a WAV file that keeps the last one.

One sentence at a time, each by a process of its own that may take `SENTENCE_WITHIN_S`. Of those that come meanwhile the
newest waits, and the others are dropped: an old result said late would pass for that of the customer who stands there.

Reasons: ``not_asked`` (nothing was said yet), ``software_missing`` (espeak-ng is not installed), ``no_sound``.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress

from terminal.devices import DeviceError, DeviceHealth

PROGRAM = "espeak-ng"
SENTENCE_WITHIN_S = 20.0
COMPLAINT_BYTES_MAX = 65_536
_VOICES: Mapping[str, str] = {"zh": "cmn", "en": "en-gb"}
_COMPLAINT = re.compile(rb"^(error|can't)", re.IGNORECASE | re.MULTILINE)


class EspeakSpeaker:
    """The `Speaker` port over espeak-ng."""

    def __init__(self, program: str, wav: str = "") -> None:
        self._command = (program, "-b", "1", *(("-w", wav) if wav else ()))
        self._waiting: tuple[str, str] | None = None
        self._saying: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._health = DeviceHealth("unknown", "not_asked")

    @classmethod
    def find(cls, wav: str = "", program: str = PROGRAM) -> "EspeakSpeaker":
        """Find the program. Raises DeviceError if it is not installed."""
        path = shutil.which(program)
        if path is None:
            raise DeviceError("software_missing")
        return cls(path, wav)

    def say(self, sentence: str, language: str) -> None:
        """Say it when what is being said has ended; it takes the place of what still waits."""
        self._waiting = sentence, language
        if self._saying is None or self._saying.done():
            self._saying = asyncio.get_running_loop().create_task(self._say_what_waits())

    async def speak(self, sentence: str, language: str) -> None:
        """Say it now, and return when it has been said. Raises DeviceError."""
        async with self._turn:
            try:
                async with asyncio.timeout(SENTENCE_WITHIN_S):
                    said = await self._run(sentence, _VOICES[language])
            except TimeoutError:
                said = False
            except OSError:
                raise self._trouble("software_missing") from None
            if not said:
                raise self._trouble("no_sound")
            self._health = DeviceHealth("ready")

    def health(self) -> DeviceHealth:
        """Say how it went the last time."""
        return self._health

    async def close(self) -> None:
        """Fall silent."""
        self._waiting = None
        if self._saying is not None:
            self._saying.cancel()
            await asyncio.wait([self._saying])

    async def _say_what_waits(self) -> None:
        while self._waiting is not None:
            (sentence, language), self._waiting = self._waiting, None
            with suppress(DeviceError):  # `health` tells it
                await self.speak(sentence, language)

    async def _run(self, sentence: str, voice: str) -> bool:
        """Whether it was said. Without a sound card the program ends well, and only complains."""
        complaints, complain = os.pipe()  # what it holds is all that is read: one who complains without end is stopped
        nowhere = asyncio.subprocess.DEVNULL
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, "-v", voice, "--", sentence, stdin=nowhere, stdout=nowhere, stderr=complain
            )
            return await process.wait() == 0 and not _COMPLAINT.search(_held_by(complaints))
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
            os.close(complaints)
            os.close(complain)

    def _trouble(self, reason: str) -> DeviceError:
        self._health = DeviceHealth("attention", reason)
        return DeviceError(reason)



def _held_by(pipe: int) -> bytes:
    os.set_blocking(pipe, False)
    try:
        return os.read(pipe, COMPLAINT_BYTES_MAX)
    except BlockingIOError:
        return b""
