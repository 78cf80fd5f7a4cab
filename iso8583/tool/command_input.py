"""What a command line asks for, checked, and the inputs that it names, read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iso8583.dialect import Dialect
from iso8583.dialects import NAMES, load_dialect
from iso8583.tool.description import LANGUAGES
from iso8583.tool.envelope import HEADS, LENGTHS
from iso8583.tool.recognition import Found, Reading, Rules, read_source
from iso8583.tool.wire_input import FORMS, InputError, Offer, Source, offers, read_argument, read_file, read_stream


class WrongUseError(ValueError):
    """An option that cannot mean anything. Its text is for people, `option` is the one."""

    def __init__(self, option: str, words: str) -> None:
        super().__init__(words)
        self.option = option


@dataclass(frozen=True, slots=True)
class Input:
    """An input that was read: what it was taken for, and the readings of its units."""

    source: Source
    offer: Offer
    readings: tuple[Reading, ...]

    @property
    def found(self) -> Iterator[Found]:
        """Its messages."""
        for reading in self.readings:
            yield from reading.messages


def one_of(option: str, value: str, known: Sequence[str]) -> str:
    """`value`, if it is among the `known`; WrongUseError if not."""
    if value not in known:
        raise WrongUseError(option, f"可选 · it must be one of: {', '.join(known)}")
    return value


def language(asked: str) -> int:
    """The place of a language in `LANGUAGES`; that of the shell if none is asked for."""
    spoken = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    usual = "zh" if spoken.startswith("zh") else "en"
    return LANGUAGES[one_of("--lang", asked or usual, list(LANGUAGES))]


def dialects(name: str, file: Path | None) -> tuple[Dialect, ...]:
    """The dialect that was asked for, or all that there are.

    Raises:
        InputError: the file is no dialect.
        WrongUseError: there is none of that name.
    """
    if file is not None:
        from iso8583.table_check import DialectError
        from iso8583.toml_dialect import load_dialect_file

        try:
            return (load_dialect_file(file),)
        except DialectError as error:
            told = "; ".join(map(str, error.faults))
            raise InputError(f"方言有误 / {error.name} is no sound dialect: {told}.") from None
    return tuple(map(load_dialect, [one_of("--dialect", name, NAMES)] if name else NAMES))


def rules(dialect: str, dialect_file: Path | None, length: str, head: str) -> Rules:
    """What is to be tried on the input. Raises as `dialects` does."""
    if length:
        one_of("--length", length, ["none", *LENGTHS])
    if head and not (head.isascii() and head.isdigit() and len(head) <= 3):
        one_of("--head", head, [*HEADS, "a number of bytes"])
    return Rules(dialects(dialect, dialect_file), length, head)


def read_all(messages: Sequence[str] | None, asked: Rules, form: str) -> list[Input]:
    """Every input that the arguments name, or standard input, read and understood.

    Raises:
        InputError: an input cannot be read, or holds no message.
        WrongUseError: the form is none.
    """
    one_of("--form", form, FORMS)
    found = []
    for source in _sources(messages):
        offer, readings = read_source(offers(source, form), asked)
        found.append(Input(source, offer, tuple(readings)))
    return found


def _sources(messages: Sequence[str] | None) -> list[Source]:
    if not messages:
        return [from_stdin("give a message as hex or base64, name a file, or pipe one in")]
    return [
        from_stdin("pipe a message in") if text == "-" else read_argument(text, place)
        for place, text in enumerate(messages, 1)
    ]


def from_stdin(otherwise: str) -> Source:
    """Standard input. Raises InputError with what to do `otherwise` if it is a keyboard."""
    if sys.stdin.isatty():
        raise InputError(f"没有输入 / No input: {otherwise}. Example: tillgate iso decode 003C6000030000…")
    return read_stream(sys.stdin.buffer.read)


def json_source(file: Path | None) -> Source:
    """A file of JSON, or standard input. Raises InputError as `read_all` does."""
    if file is not None and str(file) != "-":
        return read_file(file)
    return from_stdin("name a JSON file, or pipe in what `tillgate iso decode --json` prints")
