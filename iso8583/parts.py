"""Sub-fields: how the value of a field is cut into parts, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from iso8583.table import Content, Mask


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-field: what it is called, the characters it may hold, and how it is shown.

    Attributes:
        name: for people.
        content: character class, as of a field.
        length: the exact length in a positional field, the longest in a tagged one; digits, characters or bytes.
        mask: as of a field.
        name_zh: the name in Chinese.
        parts: how the part is cut in turn; None if it is whole.
    """

    name: str
    content: Content
    length: int
    mask: Mask = "hide"
    name_zh: str = ""
    parts: Parts | None = None


@dataclass(frozen=True, slots=True)
class Positional:
    """Parts told apart by position alone; those behind number `minimum` may be absent, from the end on."""

    parts: tuple[Part, ...]
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class TextTlv:
    """Parts with a tag of two characters and a length of three digits in front."""

    tags: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BerTlv:
    """BER-TLV objects (EMV Book 3, annex B); constructed ones hold objects in turn."""

    tags: Mapping[int, Part] = field(default_factory=dict)


Parts = Positional | TextTlv | BerTlv
