"""pyiso8583 (and pyemv for tags, by the same author), in an environment where `import iso8583` means pyiso8583."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

from pyemv import tlv

from bench.codec_peers.line_protocol import Loop, Row, Value, serve

library: Any = import_module("iso8583")  # not ours, which a type checker would take it for

MTI: Final = 0
BITMAP: Final = 1
CHARSETS: Final = {
    "bcd": "b", "raw": "b", "ascii": "ascii", "hex": "ascii", "ebcdic": "cp500", "latin1": "latin-1",
    "gb18030": "gb18030",
}  # fmt: skip
TO_CHARACTERS: Final = str.maketrans("ABCDEF", ":;<=>?")  # of a track: a nibble as the character 0x30 + nibble
TO_NIBBLES: Final = str.maketrans(":;<=>?", "ABCDEF")
PREFIXES: Final = {"bcd": "bcd", "ascii": "ascii", "ebcdic": "cp500", "binary": "b", "": "ascii"}


class Pyiso8583:
    """One specification. A document is a dict of text, bytes in hexadecimal."""

    def __init__(self, _profile: str, rows: Mapping[int, Row]) -> None:
        names = {MTI: "t", BITMAP: "p"}
        self._binary = {number for number, row in rows.items() if row.content == "b"}
        self._tracks = {number for number, row in rows.items() if row.content == "z" and row.encoding != "bcd"}
        self._spec = {names.get(number, str(number)): specification(row) for number, row in rows.items()}
        self._spec["h"] = {**self._spec["t"], "max_len": 0}
        self._spec["1"] = self._spec["p"]

    def build(self, mti: str, values: Mapping[int, Value]) -> object:
        """See `Codec`."""
        document = {str(number): value.hex().upper() if isinstance(value, bytes) else value
                    for number, value in values.items()}  # fmt: skip
        for number in self._tracks & values.keys():
            document[str(number)] = document[str(number)].translate(TO_CHARACTERS)
        return {"t": mti, **document}

    def encode(self, message: object) -> bytes:
        """See `Codec`."""
        wire, _ = library.encode(message, self._spec)
        return bytes(wire)

    def decode(self, wire: bytes) -> tuple[str, Mapping[int, Value]]:
        """See `Codec`."""
        document, _ = library.decode(wire, self._spec)
        numbers = [int(name) for name in document if name.isdigit() and name != "1"]
        return document["t"], {number: self._value(number, document[str(number)]) for number in numbers}

    def _value(self, number: int, text: str) -> Value:
        if number in self._binary:
            return bytes.fromhex(text)
        return text.translate(TO_NIBBLES) if number in self._tracks else text

    def loop(self, operation: str) -> Loop:
        """See `Codec`."""
        spec, encode, decode, tags = self._spec, library.encode, library.decode, tlv.decode

        def encoding(messages: Iterator[Any]) -> None:
            for document in messages:
                encode(document, spec)

        def decoding(wires: Iterator[Any]) -> None:
            for wire in wires:
                decode(wire, spec)

        def opening(wires: Iterator[Any]) -> None:
            for wire in wires:
                document, _ = decode(wire, spec)
                tags(bytes.fromhex(document["55"]))

        return {"encode": encoding, "decode": decoding, "open": opening}[operation]


def specification(row: Row) -> dict[str, str | int]:
    """What pyiso8583 calls a field's specification."""
    packed = row.encoding == "bcd"
    nibbles = packed and (not row.prefix or row.counts == "digits")
    lengths = {"hex": 2 * row.length, "bcd": row.length if nibbles else (row.length + 1) // 2}
    halved = row.prefix in {"bcd", "binary"}
    return {
        "data_enc": CHARSETS[row.encoding],
        "len_enc": PREFIXES[row.prefix],
        "len_type": (row.digits + 1) // 2 if halved else row.digits,
        "len_count": "nibbles" if nibbles else "bytes",
        "max_len": lengths.get(row.encoding, row.length),
        f"{row.pad}_pad": row.pad_nibble,
        "desc": str(row.number),
    }


def main() -> None:
    """Answer requests until there are no more."""
    serve(Pyiso8583, version("pyiso8583"))
