"""The reader and the writer of one field, made from its row.

They bind the row's constants into one small function each when the dialect is loaded, so that no message looks them up
again. Lengths go through tables that hold only the legal ones. Rows that differ only in what people see of them share
reader and writer: the tables of a dialect with many long fields would take hundreds of megabytes otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from iso8583.encodings import Coding, FieldError, Unpack, coding
from iso8583.table import Field, Prefix

Reader = Callable[[bytes, int], tuple[Any, int]]
Writer = Callable[[Any], bytes]

SHARED_MAX = (
    512  # readers and writers that are kept for the next dialect: all those shipped have some 150 rows to share
)


def wire_width(field: Field, length: int) -> int:
    """How many bytes a value of `length` takes, without the prefix."""
    if field.encoding == "hex":
        return 2 * length
    if field.encoding != "bcd":
        return length
    return 1 + length // 2 if field.content == "x+n" else (length + 1) // 2


def legal_counts(field: Field) -> dict[int, list[int]]:
    """What the prefix of a variable field may say, each with the lengths of the value that it may stand for."""
    counts: dict[int, list[int]] = {}
    for length in range(field.minimum, field.length + 1):
        if field.counts_digits:
            count = 2 * length if field.encoding == "hex" else length
        else:
            count = length if field.encoding == "hex" else wire_width(field, length)
        counts.setdefault(count, []).append(length)
    return counts


def reader(field: Field) -> Reader:
    """The function `read(data, at) -> (value, next)` for `field`. It raises FieldError with offsets in `data`."""
    return _reader(_on_the_wire(field))


def _on_the_wire(field: Field) -> Field:
    """The row without what is only for people."""
    return Field(
        "", field.content, field.encoding, field.length, field.prefix, field.pad, field.pad_nibble, field.minimum
    )


@lru_cache(maxsize=SHARED_MAX)
def _reader(field: Field) -> Reader:
    return _fixed_reader(field) if field.prefix is None else _variable_reader(field, field.prefix)


def _fixed_reader(field: Field) -> Reader:
    even, odd, _, _ = coding(field)
    unpack = odd if field.length & 1 else even
    width = wire_width(field, field.length)

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
    codes = coding(field)
    by_prefix = {prefix.text(count): _contents(field, codes, lengths) for count, lengths in legal_counts(field).items()}
    prefix_width = prefix.width

    def read(data: bytes, at: int) -> tuple[Any, int]:
        body = at + prefix_width
        contents = by_prefix.get(data[at:body])
        if contents is None:
            raise _illegal_length(field, prefix, data, at)
        width, unpack = contents
        end = body + width
        if end > len(data):
            raise _truncated(data, body, width)
        try:
            return unpack(data[body:end]), end
        except FieldError as fault:
            raise FieldError(body + fault.at, fault.reason, end) from None

    return read


def _contents(field: Field, codes: Coding, lengths: list[int]) -> tuple[int, Unpack]:
    """Width on the wire and the function for contents whose length is one of `lengths`."""
    if field.encoding == "bcd" and not field.counts_digits:
        unpack = _limited(codes.packed, field)
    else:
        unpack = codes.odd if lengths[0] & 1 else codes.even
    return wire_width(field, lengths[0]), unpack


def _limited(unpack: Unpack, field: Field) -> Unpack:
    """`unpack`, where only the value itself says how many digits it has."""

    def unpack_limited(chunk: bytes) -> Any:
        value = unpack(chunk)
        if not field.minimum <= len(value) <= field.length:
            raise FieldError(0, f"needed {field.span}, there are {len(value)}")
        return value

    return unpack_limited


def _truncated(data: bytes, at: int, width: int) -> FieldError:
    return FieldError(at, f"needed {width} bytes, {max(len(data) - at, 0)} are left")


def _illegal_length(field: Field, prefix: Prefix, data: bytes, at: int) -> FieldError:
    written = data[at : at + prefix.width]
    if len(written) < prefix.width:
        return _truncated(data, at, prefix.width)
    said = _said(prefix, written)
    there = "is not a number" if said is None else f"says {said}"
    counts = legal_counts(field)
    unit = "digits" if field.counts_digits else "bytes"
    kind = "an even length" if field.encoding == "hex" and field.counts_digits else "a length"
    return FieldError(at, f"needed {kind} of {min(counts)} to {max(counts)} {unit}, the prefix {there}")


def _said(prefix: Prefix, written: bytes) -> int | None:
    if prefix.encoding == "binary":
        return int.from_bytes(written, "big")
    digits = written.hex() if prefix.encoding == "bcd" else written.decode(_CHARSETS[prefix.encoding])
    return int(digits) if digits.isascii() and digits.isdigit() else None


_CHARSETS = {"ascii": "latin-1", "ebcdic": "cp500"}


def writer(field: Field) -> Writer:
    """The function `write(value) -> bytes` for `field`, length prefix included. It raises FieldError."""
    return _writer(_on_the_wire(field))


@lru_cache(maxsize=SHARED_MAX)
def _writer(field: Field) -> Writer:
    pack = coding(field).pack
    kind = bytes if field.content == "b" else str
    measures_value = field.encoding in {"bcd", "hex"}
    prefixes = _prefixes(field)

    def write(value: Any) -> bytes:
        if not isinstance(value, kind):
            raise FieldError(0, f"needed {kind.__name__}, there is {type(value).__name__}")
        packed = pack(value)
        length = len(value) if measures_value else len(packed)
        prefix = prefixes.get(length)
        if prefix is None:
            raise FieldError(0, f"needed {field.span}, there are {length}")
        return prefix + packed

    return write


def _prefixes(field: Field) -> dict[int, bytes]:
    """Legal length -> what is written in front of the contents."""
    if field.prefix is None:
        return {field.length: b""}
    counts = legal_counts(field)
    return {length: field.prefix.text(count) for count, lengths in counts.items() for length in lengths}


def undefined(number: int, dialect: str) -> tuple[Reader, Writer]:
    """Reader and writer of a field that the dialect does not have: they only refuse."""
    reason = f"{dialect} does not define field {number}"

    def read(_data: bytes, at: int) -> tuple[Any, int]:
        raise FieldError(at, reason)

    def write(_value: Any) -> bytes:
        raise FieldError(0, reason)

    return read, write
