"""One row of a dialect's table, and the reader and writer made from it.

A field is content class x encoding x length x pad side; a dialect says nothing more about a field than that. `reader`
and `writer` bind a row's constants into one small function each when the dialect is loaded, so that no message looks
them up again. Lengths go through a table that holds only the legal ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from iso8583.encodings import Content, Encoding, FieldError, Side, coding

Reader = Callable[[bytes, int], tuple[Any, int]]
Writer = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The length in front of a variable field: how many digits, as packed BCD (whole bytes) or as ASCII."""

    encoding: Literal["bcd", "ascii"]
    digits: int

    def text(self, length: int) -> bytes:
        """The prefix that says `length`."""
        if self.encoding == "ascii":
            return f"{length:0{self.digits}d}".encode("ascii")
        return bytes.fromhex(f"{length:0{self.digits + self.digits % 2}d}")


@dataclass(frozen=True, slots=True)
class Field:
    """One row: what the field is called and how it is written.

    Attributes:
        name: the standard's name, for people.
        content: character class: n, an, ans, z (track data), x+n (sign C or D, then digits) or b (binary).
        encoding: see `iso8583.encodings`.
        length: the exact length, or with a prefix the maximum; like the prefix, it counts digits if the encoding is bcd
            and bytes on the wire if it is another.
        prefix: None for a fixed field.
        pad: the side of the 0 nibble of an odd BCD length.
        minimum: the shortest legal length of a variable field.
    """

    name: str
    content: Content
    encoding: Encoding
    length: int
    prefix: Prefix | None = None
    pad: Side = "right"
    minimum: int = 0

    @property
    def unit(self) -> str:
        """What `length` and the prefix count."""
        return "digits" if self.encoding == "bcd" else "bytes"

    @property
    def span(self) -> str:
        """The legal lengths, in words."""
        return f"{self.length if self.prefix is None else f'{self.minimum} to {self.length}'} {self.unit}"


def reader(field: Field) -> Reader:
    """The function `read(data, at) -> (value, next)` for `field`. It raises FieldError with offsets in `data`."""
    return _fixed_reader(field) if field.prefix is None else _variable_reader(field, field.prefix)


def _fixed_reader(field: Field) -> Reader:
    even, odd, _ = coding(field.content, field.encoding, field.pad)
    unpack = odd if field.length & 1 else even
    width = (field.length + 1) // 2 if field.encoding == "bcd" else field.length

    def read(data: bytes, at: int) -> tuple[Any, int]:
        end = at + width
        if end > len(data):
            raise _truncated(data, at, width)
        try:
            return unpack(data[at:end]), end
        except FieldError as fault:
            raise FieldError(at + fault.at, fault.reason, end) from None

    return read


def _variable_reader(field: Field, prefix: Prefix) -> Reader:
    even, odd, _ = coding(field.content, field.encoding, field.pad)
    lengths = _lengths(prefix, field.minimum, field.length)
    prefix_width = len(prefix.text(0))
    halved = field.encoding == "bcd"

    def read(data: bytes, at: int) -> tuple[Any, int]:
        body = at + prefix_width
        length = lengths.get(data[at:body])
        if length is None:
            raise _illegal_length(field, prefix, data, at)
        end = body + ((length + 1) >> 1 if halved else length)
        if end > len(data):
            raise _truncated(data, body, end - body)
        try:
            return (odd if length & 1 else even)(data[body:end]), end
        except FieldError as fault:
            raise FieldError(body + fault.at, fault.reason, end) from None

    return read


@lru_cache(maxsize=256)
def _lengths(prefix: Prefix, minimum: int, maximum: int) -> dict[bytes, int]:
    return {prefix.text(length): length for length in range(minimum, maximum + 1)}


def _truncated(data: bytes, at: int, width: int) -> FieldError:
    return FieldError(at, f"needed {width} bytes, {max(len(data) - at, 0)} are left")


def _illegal_length(field: Field, prefix: Prefix, data: bytes, at: int) -> FieldError:
    width = len(prefix.text(0))
    written = data[at : at + width]
    if len(written) < width:
        return _truncated(data, at, width)
    digits = written.hex() if prefix.encoding == "bcd" else written.decode("latin-1")
    there = f"says {int(digits)}" if digits.isascii() and digits.isdigit() else "is not a number"
    return FieldError(at, f"needed a length of {field.span}, the prefix {there}")


def writer(field: Field) -> Writer:
    """The function `write(value) -> bytes` for `field`, length prefix included. It raises FieldError."""
    pack = coding(field.content, field.encoding, field.pad).pack
    kind = bytes if field.content == "b" else str
    counts_digits = field.encoding == "bcd"
    prefixes = _prefixes(field)

    def write(value: Any) -> bytes:
        if not isinstance(value, kind):
            raise FieldError(0, f"needed {kind.__name__}, there is {type(value).__name__}")
        packed = pack(value)
        length = len(value) if counts_digits else len(packed)
        prefix = prefixes.get(length)
        if prefix is None:
            raise FieldError(0, f"needed {field.span}, there are {length}")
        return prefix + packed

    return write


def _prefixes(field: Field) -> dict[int, bytes]:
    """Legal length -> what is written in front of the contents."""
    if field.prefix is None:
        return {field.length: b""}
    return {length: text for text, length in _lengths(field.prefix, field.minimum, field.length).items()}


def undefined(number: int, dialect: str) -> tuple[Reader, Writer]:
    """Reader and writer of a field that the dialect does not have: they only refuse."""
    reason = f"{dialect} does not define field {number}"

    def read(_data: bytes, at: int) -> tuple[Any, int]:
        raise FieldError(at, reason)

    def write(_value: Any) -> bytes:
        raise FieldError(0, reason)

    return read, write
