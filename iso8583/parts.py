"""Sub-fields as data: how the value of a field is cut into parts. `iso8583.sub_fields` opens and builds by it.

What a layout counts, lengths and offsets alike, are bytes of the field's contents, digits where they are packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from iso8583.encodings import Coding, FieldError, coding
from iso8583.errors import Iso8583Error
from iso8583.table import Content, Encoding, Field, Mask


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-field: what it is called, the characters it may hold, and how it is shown.

    Attributes:
        name: for people.
        content: character class, as of a field. A BER-TLV value stays bytes whatever its class, which then only says
            how to show it.
        length: the exact length, or with a `minimum` the longest.
        mask: as of a field.
        name_zh: the name in Chinese.
        parts: how the part is cut in turn; None if it is whole.
        minimum: the shortest length, for a part that a tag announces; None if all are `length` long.
        encoding: how text is written; None for ASCII, and for bytes as they are.
        repeats: the same tag may come again beside it, as scripts do in a chip's answer. All others come once.
    """

    name: str
    content: Content
    length: int
    mask: Mask = "hide"
    name_zh: str = ""
    parts: Parts | None = None
    minimum: int | None = None
    encoding: Encoding | None = None
    repeats: bool = False

    @property
    def shortest(self) -> int:
        """The shortest legal length."""
        return self.length if self.minimum is None else self.minimum

    @property
    def span(self) -> str:
        """The legal lengths, in words."""
        kind = "digits" if self.content == "n" else "characters"
        return self._span("bytes" if self.encoding or self.content == "b" else kind)

    def _span(self, unit: str) -> str:
        return f"{self.length} {unit}" if self.minimum is None else f"{self.minimum} to {self.length} {unit}"

    def check_length(self, length: int, path: str, at: int, unit: str = "") -> None:
        """Raise Iso8583Error unless the part may have `length`, which counts `unit` if the class does not say it."""
        if not self.shortest <= length <= self.length:
            raise Iso8583Error(path, at, f"needed {self._span(unit) if unit else self.span}, there are {length}")

    def read(self, piece: bytes, path: str, at: int) -> str | bytes:
        """The value in `piece`, which stands at offset `at`: bytes for class b, text for all others.

        Raises:
            Iso8583Error: for `path`; the length or a character is illegal.
        """
        self.check_length(len(piece), path, at)
        try:
            value: str | bytes = self._coding.even(piece)
        except FieldError as fault:
            raise Iso8583Error(path, at + fault.at, fault.reason) from None
        return value

    def write(self, value: str | bytes, path: str, at: int) -> bytes:
        """The inverse of `read`."""
        kind = bytes if self.content == "b" else str
        if not isinstance(value, kind):
            raise Iso8583Error(path, at, f"needed {kind.__name__}, there is {type(value).__name__}")
        try:
            piece = self._coding.pack(value)
        except FieldError as fault:
            raise Iso8583Error(path, at + fault.at, fault.reason) from None
        self.check_length(len(piece), path, at)
        return piece

    @property
    def _coding(self) -> Coding:
        return _coding(self.content, self.encoding or ("raw" if self.content == "b" else "ascii"))


@cache
def _coding(content: Content, encoding: Encoding) -> Coding:
    return coding(Field("", content, encoding, 0))


@dataclass(frozen=True, slots=True)
class Positional:
    """Parts told apart by position alone, ``60.1`` and on; behind number `minimum` they may be absent, from the end."""

    parts: tuple[Part, ...]
    minimum: int = 0

    @property
    def length(self) -> int:
        """The length with all parts."""
        return sum(part.length for part in self.parts)


@dataclass(frozen=True, slots=True)
class Records:
    """A count of some digits, ``48.count``, and as many records, ``48.1``, each cut in turn: ``48.1.2``."""

    record: Part
    count_digits: int
    maximum: int


@dataclass(frozen=True, slots=True)
class TextTlv:
    """Parts with a tag of two characters and a length of three digits in front, ``59/A3``."""

    tags: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FixedTlv:
    """Parts with a tag of two characters in front and a length that follows from it, ``62/22``.

    An unknown tag has no end, so it cannot be kept.
    """

    tags: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BerTlv:
    """BER-TLV objects (EMV Book 3, annex B), ``55/9F26``; constructed ones hold objects in turn, ``55/72/86``."""

    tags: Mapping[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """One of the forms of a field, and the messages in which the field has it.

    Attributes:
        parts: the form.
        mtis: the types of those messages.
        path: a sub-field of another field that tells more; empty if the type says it all.
        values: what that sub-field may be.
        length: of the whole field in this form; 0 if it tells nothing.
    """

    parts: Parts
    mtis: frozenset[str]
    path: str = ""
    values: frozenset[str] = frozenset()
    length: int = 0


@dataclass(frozen=True, slots=True)
class Forms:
    """A field that means something else in each kind of message; in one that no form names, it is whole."""

    forms: tuple[Form, ...]


Parts = Positional | Records | TextTlv | FixedTlv | BerTlv | Forms
