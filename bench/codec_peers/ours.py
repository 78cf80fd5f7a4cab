"""Our own codec, behind the same protocol as its peers."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from bench.codec_messages import profiles
from bench.codec_peers.line_protocol import Loop, Row, Value, serve
from iso8583 import Message
from iso8583.dialect import Dialect
from iso8583.tlv import parse_tlv


class Ours:
    """The dialect of one profile, from our own table of it. It is loaded anew, so that no profile learns of another."""

    def __init__(self, profile: str, _rows: Mapping[int, Row]) -> None:
        self._dialect = Dialect(profiles()[profile])

    def build(self, mti: str, values: Mapping[int, Value]) -> object:
        """See `Codec`."""
        return Message(mti, values)

    def encode(self, message: object) -> bytes:
        """See `Codec`."""
        assert isinstance(message, Message)
        return self._dialect.encode(message)

    def decode(self, wire: bytes) -> tuple[str, Mapping[int, Value]]:
        """See `Codec`."""
        message = self._dialect.decode(wire)
        return message.mti, message.fields

    def loop(self, operation: str) -> Loop:
        """See `Codec`."""
        encode, decode = self._dialect.encode, self._dialect.decode

        def encoding(messages: Iterator[Any]) -> None:
            for message in messages:
                encode(message)

        def building(messages: Iterator[Any]) -> None:
            for message in messages:
                encode(Message(message.mti, message.fields))

        def decoding(wires: Iterator[Any]) -> None:
            for wire in wires:
                decode(wire)

        def opening(wires: Iterator[Any]) -> None:
            for wire in wires:
                parse_tlv(decode(wire).binary(55))

        return {"encode": encoding, "build": building, "decode": decoding, "open": opening}[operation]


if __name__ == "__main__":
    serve(Ours, version("tillgate"))
