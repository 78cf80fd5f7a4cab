"""The bench's side of the protocol: a codec in its process, and how each of the four is started.

`ours` needs nothing. The others are made below build/ on first use; one that cannot be had is `Absent`, and says why.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from bench.codec_peers import installed
from bench.codec_peers.installed import MADE, ROOT, Absent, Progress
from iso8583 import Message
from iso8583.table import BITMAP, MTI, Field, Table

__all__ = ["STARTS", "Absent", "Cannot", "Peer", "started"]


class Cannot(ValueError):
    """The codec refuses what it was asked, in its own words."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A codec that is running."""

    name: str
    requests: IO[str]
    answers: IO[str]

    def ask(self, *words: object) -> str:
        """The answer to one request. Raises Cannot if it is refused, RuntimeError if the process is gone."""
        print(*words, file=self.requests, flush=True)
        answer = self.answers.readline().rstrip("\n")
        if not answer:
            raise RuntimeError(f"{self.name} has ended when asked to {words[0]}, see {MADE / self.name}.log")
        if answer.startswith("cannot"):
            raise Cannot(f"{self.name}: {answer}")
        return answer

    def learn(self, profile: str, table: Table) -> None:
        """Tell it the rows of a profile. A row that it refuses is one that no message for it may use."""
        for number, field in {MTI: table.mti, BITMAP: table.bitmap, **table.fields}.items():
            with suppress(Cannot):
                self.ask("field", profile, number, *_columns(field))

    def encode(self, profile: str, message: Message) -> bytes:
        """`message` on the wire."""
        return bytes.fromhex(self.ask("encode", profile, *_words(message)))

    def decode(self, profile: str, table: Table, wire: bytes) -> Message:
        """The message in `wire`."""
        mti, *pairs = self.ask("decode", profile, wire.hex()).split()
        values = {int(number): bytes.fromhex(value) for number, _, value in (pair.partition("=") for pair in pairs)}
        return Message(
            mti,
            {number: value if table.fields[number].content == "b" else value.decode()
             for number, value in values.items()},
        )  # fmt: skip

    def add(self, group: str, profile: str, message: Message) -> None:
        """Make `message` part of a group."""
        self.ask("add", group, profile, *_words(message))

    def time(self, operation: str, group: str, count: int) -> int:
        """Nanoseconds that an operation took on `count` messages of a group, in rotation."""
        return int(self.ask("time", operation, group, count))


def _columns(field: Field) -> list[object]:
    prefix = field.prefix
    of_prefix = ["-", 0, "digits"] if prefix is None else [prefix.encoding, prefix.digits, prefix.counts]
    return [field.content, field.encoding, field.length, *of_prefix, field.pad, field.pad_nibble]


def _words(message: Message) -> list[str]:
    values = {number: message[number] for number in message}
    pairs = {number: value if isinstance(value, bytes) else value.encode() for number, value in values.items()}
    return [message.mti, *(f"{number}={value.hex()}" for number, value in pairs.items())]


STARTS: Final[Mapping[str, Callable[[Progress], Sequence[str]]]] = {
    "ours": lambda _progress: [sys.executable, "-m", "bench.codec_peers.ours"],
    "pyiso8583": installed.pyiso8583,
    "moov": installed.moov,
    "jpos": installed.jpos,
}
"""The command that starts each codec; making it may install things first, or find that it is Absent."""


@contextmanager
def started(name: str, command: Sequence[str]) -> Iterator[Peer]:
    """The codec that `command` starts, as long as it is needed. What it says of itself goes to a log below build/."""
    MADE.mkdir(parents=True, exist_ok=True)
    pipe = subprocess.PIPE
    with (
        (MADE / f"{name}.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Peer(name, process.stdin, process.stdout)
        finally:
            process.stdin.close()
