"""A message: its type and its fields, without any encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar, overload

from iso8583.masking import USUAL_ROWS, mask_field
from iso8583.table import Field

Default = TypeVar("Default")


class Message(Mapping[int, str | bytes]):
    """An immutable mapping from field number to value, with the message type as `mti`.

    A value is `bytes` for class b and `str` for all others. Iteration is by ascending field number. Nothing is checked
    here: a dialect checks when it encodes. `repr` is masked, by the rows of the dialect that decoded the message, or by
    what is harmless in every dialect if none did.

    >>> request = Message("0200", {3: "000000", 11: "000001", 2: "6299990000000009"})
    >>> request
    Message('0200', 2=629999******0009, 3=000000, 11=000001)
    >>> request.response({11: "000001", 39: "00"})
    Message('0210', 11=000001, 39=00)
    """

    __slots__ = ("_fields", "_mti", "_rows")

    def __init__(self, mti: str, fields: Mapping[int, str | bytes]) -> None:
        self._mti = mti
        self._fields = dict(fields)
        self._rows = USUAL_ROWS

    @classmethod
    def of(cls, mti: str, fields: dict[int, str | bytes], rows: Mapping[int, Field]) -> Message:
        """A message that keeps `fields` itself and is shown by `rows`: for the codec, which has just made them."""
        message = cls.__new__(cls)
        message._mti, message._fields, message._rows = mti, fields, rows
        return message

    @property
    def mti(self) -> str:
        """The message type indicator, four digits."""
        return self._mti

    @property
    def fields(self) -> Mapping[int, str | bytes]:
        """All fields as a plain read-only mapping, in no particular order: for whoever reads many of them."""
        return MappingProxyType(self._fields)

    def __getitem__(self, number: int) -> str | bytes:
        return self._fields[number]

    # Mapping's own `get` goes through an exception for every field that is absent.

    @overload
    def get(self, number: int, default: None = None, /) -> str | bytes | None: ...

    @overload
    def get(self, number: int, default: str | bytes | Default, /) -> str | bytes | Default: ...

    def get(self, number: int, default: object = None, /) -> object:
        """Field `number`, or `default` if it is absent."""
        return self._fields.get(number, default)

    def __contains__(self, number: object) -> bool:
        return number in self._fields

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._fields))

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self._mti == other._mti and self._fields == other._fields

    def __hash__(self) -> int:
        return hash((self._mti, frozenset(self._fields.items())))

    def __repr__(self) -> str:
        shown = "".join(f", {number}={mask_field(self._rows.get(number), self[number])}" for number in self)
        return f"Message({self._mti!r}{shown})"

    def text(self, number: int, default: str | None = None) -> str:
        """Field `number` as text; `default` if it is absent.

        Raises:
            KeyError: the field is absent and there is no default.
            TypeError: the field holds bytes.
        """
        value = self._fields.get(number, default)
        if value is None:
            raise KeyError(number)
        if not isinstance(value, str):
            raise TypeError(f"field {number} is binary")
        return value

    def binary(self, number: int, default: bytes | None = None) -> bytes:
        """Field `number` as bytes; `default` if it is absent. Raises as `text` does, the other way round."""
        value = self._fields.get(number, default)
        if value is None:
            raise KeyError(number)
        if not isinstance(value, bytes):
            raise TypeError(f"field {number} is text")
        return value

    def with_(self, fields: Mapping[int, str | bytes]) -> Message:
        """A copy in which `fields` are added or replaced."""
        return Message.of(self._mti, {**self._fields, **fields}, self._rows)

    def without(self, *numbers: int) -> Message:
        """A copy that lacks the fields `numbers`; those it never had do not matter."""
        kept = {number: value for number, value in self._fields.items() if number not in numbers}
        return Message.of(self._mti, kept, self._rows)

    def response(self, fields: Mapping[int, str | bytes]) -> Message:
        """The answer to this request or advice with exactly these `fields`; nothing is echoed by itself.

        The MTI's third digit goes up by one and a repeat mark is dropped, so that a repeated message gets the very
        answer of the first: 0200 and 0201 -> 0210, 0220 and 0221 -> 0230 (ISO 8583-1:1987, 4.1).

        Raises:
            ValueError: this message is itself an answer, so it has none.
        """
        return Message.of(response_mti(self._mti), dict(fields), self._rows)


def response_mti(mti: str) -> str:
    """The MTI that answers `mti`. Raises ValueError if `mti` is no request, advice or notification."""
    if len(mti) != 4 or mti[2] not in "024":
        raise ValueError("only requests, advices and notifications are answered")
    return f"{mti[:2]}{int(mti[2]) + 1}0"
