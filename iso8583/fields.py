"""The reader and the writer of one field, made from its row.

They bind the row's constants into one small function each when the dialect is loaded, so that no message looks them up
again. Lengths go through tables that hold only the legal ones. Rows that look alike on the wire share all of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

from iso8583.encodings import FieldError, Unpack, coding
from iso8583.table import Field, Prefix

Reader = Callable[[bytes, int], tuple[Any, int]]
Writer = Callable[[Any], bytes]
Made = TypeVar("Made")

_CHARSETS: Final = {"ascii": "latin-1", "ebcdic": "cp500"}
SHARED_MAX: Final = 512  # of each kind; all shipped dialects together have some 150 rows that differ on the wire


def _shared(make: Callable[[Field], Made]) -> Callable[[Field], Made]:
    """`make`, called once for all rows that differ only in what people see of them."""
    made = lru_cache(maxsize=SHARED_MAX)(make)

    def shared(field: Field) -> Made:
        seen = field.content, field.encoding, field.length, field.prefix, field.pad, field.pad_nibble, field.minimum
        return made(Field("", *seen))

    shared.__doc__ = make.__doc__
    return shared


def wire_width(field: Field, length: int) -> int:
    """How many bytes a value of `length` takes, without the prefix."""
    if field.encoding == "hex":
        return 2 * length
    if field.encoding != "bcd":
        return length
    return 1 + length // 2 if field.content == "x+n" else (length + 1) // 2


def count_of(field: Field, length: int) -> int:
    """What the prefix says of a value of `length`."""
    if field.encoding == "hex":
        return 2 * length if field.counts_digits else length
    return length if field.counts_digits else wire_width(field, length)


@_shared
def prefixes_read(field: Field) -> dict[bytes, int]:
    """Each legal prefix of a variable field with the number of bytes behind it, or of BCD digits if it counts those."""
    assert field.prefix is not None
    in_digits = field.counts_digits and field.encoding == "bcd"
    lengths = range(field.minimum, field.length + 1)
    return {
        field.prefix.text(count_of(field, length)): length if in_digits else wire_width(field, length)
        for length in lengths
    }


@_shared
def prefixes_written(field: Field) -> dict[int, bytes]:
    """Each legal length with what is written in front of a value of it: nothing, if there is only one."""
    if field.prefix is None:
        return {field.length: b""}
    lengths = range(field.minimum, field.length + 1)
    return {length: field.prefix.text(count_of(field, length)) for length in lengths}


@_shared
def prefixes_as_text(field: Field) -> dict[int, str]:
    """As `prefixes_written`, as the digits of a BCD prefix or the characters of any other but a binary one."""
    assert field.prefix is not None
    if field.prefix.encoding == "bcd":
        return {length: prefix.hex() for length, prefix in prefixes_written(field).items()}
    charset = _CHARSETS[field.prefix.encoding]
    return {length: prefix.decode(charset) for length, prefix in prefixes_written(field).items()}


@_shared
def reader(field: Field) -> Reader:
    """The function `read(data, at) -> (value, next)` for `field`. It raises FieldError with offsets in `data`."""
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
    even, odd, packed, _ = coding(field)
    in_digits = field.counts_digits and field.encoding == "bcd"
    if field.encoding == "bcd" and not in_digits:
        even = odd = _limited(packed, field)
    lengths, prefix_width = prefixes_read(field), prefix.width

    def read(data: bytes, at: int) -> tuple[Any, int]:
        body = at + prefix_width
        length = lengths.get(data[at:body])
        if length is None:
            raise _illegal_length(field, prefix, data, at)
        end = body + ((length + 1) >> 1 if in_digits else length)
        if end > len(data):
            raise _truncated(data, body, end - body)
        try:
            return (odd if length & 1 else even)(data[body:end]), end
        except FieldError as fault:
            raise FieldError(body + fault.at, fault.reason, end) from None

    return read


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
    span = f"{count_of(field, field.minimum)} to {count_of(field, field.length)}"
    unit = "digits" if field.counts_digits else "bytes"
    kind = "an even length" if field.encoding == "hex" and field.counts_digits else "a length"
    return FieldError(at, f"needed {kind} of {span} {unit}, the prefix {there}")


def _said(prefix: Prefix, written: bytes) -> int | None:
    if prefix.encoding == "binary":
        return int.from_bytes(written, "big")
    digits = written.hex() if prefix.encoding == "bcd" else written.decode(_CHARSETS[prefix.encoding])
    return int(digits) if digits.isascii() and digits.isdigit() else None


@_shared
def writer(field: Field) -> Writer:
    """The function `write(value) -> bytes` for `field`, length prefix included. It raises FieldError."""
    pack = coding(field).pack
    kind = bytes if field.content == "b" else str
    measures_value = field.encoding in {"bcd", "hex"}
    prefixes = prefixes_written(field)

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


def undefined(number: int, dialect: str) -> tuple[Reader, Writer]:
    """Reader and writer of a field that the dialect does not have: they only refuse."""
    reason = f"{dialect} does not define field {number}"

    def read(_data: bytes, at: int) -> tuple[Any, int]:
        raise FieldError(at, reason)

    def write(_value: Any) -> bytes:
        raise FieldError(0, reason)

    return read, write
