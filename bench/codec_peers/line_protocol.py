"""The side of the protocol that a codec written in Python needs: reading requests, answering them, and the clock.

It also runs in an environment where our own `iso8583` is not what `import iso8583` finds, so it imports nothing of it.
"""

import gc
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Protocol

Value = str | bytes
Loop = Callable[[Iterator[object]], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One `field` request; `prefix` is empty for a fixed field."""

    number: int
    content: str
    encoding: str
    length: int
    prefix: str
    digits: int
    counts: str
    pad: str
    pad_nibble: str

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Row":
        """The row that the words of a request tell, from the number on."""
        number, content, encoding, length, prefix, digits, counts, pad, pad_nibble = words
        prefix = "" if prefix == "-" else prefix
        return cls(int(number), content, encoding, int(length), prefix, int(digits), counts, pad, pad_nibble)


class Codec(Protocol):
    """What answers the requests of one profile."""

    def build(self, mti: str, values: Mapping[int, Value]) -> object:
        """A message as this codec likes to have it: what its encoder takes."""

    def encode(self, message: object) -> bytes:
        """The message on the wire."""

    def decode(self, wire: bytes) -> tuple[str, Mapping[int, Value]]:
        """The MTI and the values of a wire."""

    def loop(self, operation: str) -> Loop:
        """The function that runs an operation on all that its argument yields; LookupError if there is no such one.

        It is given messages, as `build` makes them, for "encode" and "build", and wires for all others.
        """


Make = Callable[[str, Mapping[int, Row]], Codec]  # the codec of a profile, from its name and all its rows


@dataclass(slots=True)
class Group:
    """The messages of a group and their wires."""

    codec: Codec
    messages: list[object] = field(default_factory=list)
    wires: list[object] = field(default_factory=list)


class Server:
    """Answers requests; `make` is called when a profile is first used."""

    def __init__(self, make: Make, version: str) -> None:
        self._make = make
        self._version_told = f"{version}, Python {platform.python_version()}"
        self._rows: dict[str, dict[int, Row]] = {}
        self._codecs: dict[str, Codec] = {}
        self._groups: dict[str, Group] = {}

    def answer(self, line: str) -> str:
        """The answer to one request."""
        request, *words = line.split()
        try:
            return str(getattr(self, f"_{request}")(*words))
        except (ValueError, LookupError) as fault:
            return f"cannot {fault}"

    def _version(self) -> str:
        return self._version_told

    def _field(self, profile: str, *words: str) -> str:
        row = Row.from_words(words)
        self._rows.setdefault(profile, {})[row.number] = row
        return "ok"

    def _encode(self, profile: str, mti: str, *values: str) -> str:
        codec = self._codec(profile)
        return codec.encode(self._built(profile, mti, values)).hex()

    def _decode(self, profile: str, wire: str) -> str:
        mti, values = self._codec(profile).decode(bytes.fromhex(wire))
        return " ".join([mti, *(f"{number}={in_hex(value)}" for number, value in sorted(values.items()))])

    def _add(self, name: str, profile: str, mti: str, *values: str) -> str:
        group = self._groups.setdefault(name, Group(self._codec(profile)))
        message = self._built(profile, mti, values)
        group.messages.append(message)
        group.wires.append(group.codec.encode(message))
        return "ok"

    def _time(self, operation: str, name: str, count: str) -> str:
        group = self._groups[name]
        loop = group.codec.loop(operation)
        rotation = islice(cycle(group.messages if operation in {"encode", "build"} else group.wires), int(count))
        gc.collect()
        began = time.perf_counter_ns()
        loop(rotation)
        return str(time.perf_counter_ns() - began)

    def _codec(self, profile: str) -> Codec:
        if profile not in self._codecs:
            self._codecs[profile] = self._make(profile, self._rows[profile])
        return self._codecs[profile]

    def _built(self, profile: str, mti: str, words: Sequence[str]) -> object:
        rows = self._rows[profile]
        pairs = [(int(number), value) for number, _, value in (word.partition("=") for word in words)]
        return self._codec(profile).build(mti, {number: from_hex(value, rows[number]) for number, value in pairs})


def in_hex(value: Value) -> str:
    """A value as the protocol writes it."""
    return (value.encode() if isinstance(value, str) else value).hex()


def from_hex(text: str, row: Row) -> Value:
    """The inverse of `in_hex`."""
    value = bytes.fromhex(text)
    return value if row.content == "b" else value.decode()


def serve(make: Make, version: str) -> None:
    """Answer requests from standard input until it ends."""
    server = Server(make, version)
    for line in sys.stdin:
        print(server.answer(line), flush=True)
