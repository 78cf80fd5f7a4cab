"""What a user hands to `tillgate iso`: hexadecimal, base64, plain bytes, a capture; in arguments, files, or a pipe.

Which of these it is, the bytes mostly say themselves. Where they do not (the digits of an ASCII message are hexadecimal
digits too) every form that fits is offered as an `Offer`, and the one in which messages are found wins
(`iso8583.tool.recognition`). No sentence made here repeats what was handed in: it may be card data.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iso8583.tool.capture import CAPTURE_MAGICS, Capture, CaptureError, Flow, flows, read_capture

INPUT_MAX: Final = 64 << 20  # bytes; a capture of a day's traffic of a large shop is under 20 MiB
UNITS_MAX: Final = 100_000  # lines or streams; a person who has more has a program
MAGIC_BYTES: Final = 4
FORMS: Final = ("auto", "hex", "base64", "raw", "pcap")

_BLANKS: Final = b" \t\r\n\v\f:"
_HEX: Final = re.compile(rb"(?:0[xX])?[0-9A-Fa-f\s:]+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_\s-]+={0,2}\s*")
# "0010  60 31 00 …  text", as xxd, hexdump -C, tcpdump -x and Wireshark write it
_DUMP: Final = re.compile(
    rb"\s*(?:0x)?([0-9A-Fa-f]{4,8}):?[ \t]+((?:[0-9A-Fa-f]{2}){1,2}(?: {1,2}(?:[0-9A-Fa-f]{2}){1,2})*)"
)


class InputError(ValueError):
    """An input that cannot be read at all. Its text says what to do, in both languages."""


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes and where they come from, in words such as ``"standard input"``."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes that belong together and are read alike: a line, a file, one direction of a connection.

    Attributes:
        where: in words, for people; empty if the source says it all.
        data: the bytes themselves.
        flow: the connection, if they are from a capture; its last message may be cut off.
    """

    where: str
    data: bytes
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to understand a source; `capture` is the whole capture, if that is what it is."""

    form: str
    units: tuple[Unit, ...]
    capture: Capture | None = None


def read_file(path: Path) -> Source:
    """The bytes of a file. Raises InputError if there are too many, OSError if they cannot be read."""
    with path.open("rb") as file:
        return _bounded(f"{path.name}", file.read)


def read_stream(read: Callable[[int], bytes]) -> Source:
    """The bytes of standard input. Raises InputError if there are too many."""
    return _bounded("standard input", read)


def _bounded(name: str, read: Callable[[int], bytes]) -> Source:
    data = read(INPUT_MAX + 1)
    if len(data) > INPUT_MAX:
        limit = INPUT_MAX >> 20
        raise InputError(f"输入超过 {limit} MiB / The input is larger than {limit} MiB: cut it into parts.")
    return Source(name, data)


def read_argument(text: str, place: int) -> Source:
    """An argument of the command line: a file's name, or the message itself.

    Raises:
        InputError: it is neither. The sentence names its place, not its text.
    """
    path = Path(text)
    if _is_file(path):
        return read_file(path)
    data = text.encode("utf-8", "surrogateescape")
    if _unhexed(data) is None and _unbased(data) is None:
        raise InputError(
            f"第 {place} 个参数不是文件,也不是十六进制或 base64 / Argument {place} is no file that is there, "
            "and neither hexadecimal nor base64: check its spelling, or pipe the bytes in."
        )
    return Source(f"argument {place}", data)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL: a message, then
        return False


def offers(source: Source, form: str = "auto") -> list[Offer]:
    """Every way in which `source` can be understood, the likeliest first.

    Raises:
        InputError: it is empty, too many, a broken capture, or not of the `form` that was asked for.
    """
    data = source.data
    if not data.strip(_BLANKS):
        raise InputError(f"{source.name}: 没有内容 / there is nothing in it: give a message as hex, base64 or a file.")
    if form == "pcap" or (form == "auto" and data[:MAGIC_BYTES] in CAPTURE_MAGICS):
        return [_capture_offer(source)]
    made: dict[str, Callable[[], Iterable[Offer]]] = {
        "hex": lambda: [*_dumps(data), *_lines("hex", data, _unhexed)],
        "base64": lambda: _lines("base64", data, _unbased),
        "raw": lambda: [Offer("raw", (Unit("", data),)), *_lines("text", data, _characters)],
    }
    found = [offer for name, make in made.items() if form in {"auto", name} for offer in make()]
    if not found:
        raise InputError(
            f"{source.name}: 不是 {form} / it is not {form} throughout; leave --form out to have it guessed."
        )
    if any(len(offer.units) > UNITS_MAX for offer in found):
        raise InputError(f"{source.name}: 超过 {UNITS_MAX} 行 / it has more than {UNITS_MAX} lines: cut it into parts.")
    return found


def _capture_offer(source: Source) -> Offer:
    try:
        capture = read_capture(source.data)
    except CaptureError as error:
        raise InputError(f"{source.name}: {error}") from None
    units = tuple(Unit(flow.name, flow.data, flow) for flow in flows(capture.segments))
    if not units:
        raise InputError(f"{source.name}: 抓包里没有 TCP 数据 / no TCP connection in this capture carries any data.")
    return Offer("pcap", units, capture)


def _lines(form: str, data: bytes, undo: Callable[[bytes], bytes | None]) -> Iterator[Offer]:
    """The lines one by one, then whole paragraphs: a long message may be broken over lines."""
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if not line.lstrip().startswith(b"#")]
    by_line = [(f"line {number}", undo(line)) for number, line in lines if line.strip()]
    if any(unit is None for _, unit in by_line):
        by_line = []
    single = len(by_line) == 1
    if by_line:
        yield Offer(form, tuple(Unit("" if single else where, unit or b"") for where, unit in by_line))
    if single:
        return
    joined = b"\n".join(line for _, line in lines)
    parts = [undo(part) for part in re.split(rb"\r?\n[ \t]*\r?\n", joined) if part.strip()]
    if parts and None not in parts:
        several = len(parts) > 1
        names = [f"paragraph {number}" if several else "" for number in range(1, len(parts) + 1)]
        units = tuple(Unit(name, part or b"") for name, part in zip(names, parts, strict=True))
        yield Offer(form, units)


def _characters(text: bytes) -> bytes | None:
    """The line itself, if it is one: a message may be all printable characters."""
    return text if text.isascii() and text.decode("ascii").isprintable() else None


def _unhexed(text: bytes) -> bytes | None:
    """The bytes that hexadecimal digits stand for; blanks, colons and a leading 0x do not matter."""
    stripped = text.strip()
    if not _HEX.fullmatch(stripped):
        return None
    digits = stripped[2:] if stripped[:2] in {b"0x", b"0X"} else stripped
    try:
        return binascii.unhexlify(digits.translate(None, _BLANKS))
    except binascii.Error:
        return None


def _unbased(text: bytes) -> bytes | None:
    """The bytes that base64 stands for, of the usual or the URL alphabet, with its padding or without."""
    if not _BASE64.fullmatch(text):
        return None
    characters = text.translate(bytes.maketrans(b"-_", b"+/"), _BLANKS).rstrip(b"=")
    try:
        return base64.b64decode(characters + b"=" * (-len(characters) % 4), validate=True)
    except binascii.Error:
        return None


def _dumps(data: bytes) -> Iterator[Offer]:
    """Hex dumps with offsets; a message begins wherever the offset is zero again."""
    found: list[bytearray] = []
    for line in data.splitlines():
        row = _DUMP.match(line)
        if row is None:
            if line.strip() and len(line.split()) > 1:
                return
            continue
        digits = row[2].translate(None, _BLANKS)
        if int(row[1], 16) == 0:
            found.append(bytearray())
        if not found or int(row[1], 16) != len(found[-1]):
            return
        found[-1] += binascii.unhexlify(digits[:32])
    if found:
        several = len(found) > 1
        names = [f"dump {number}" if several else "" for number in range(1, len(found) + 1)]
        units = tuple(Unit(name, bytes(part)) for name, part in zip(names, found, strict=True))
        yield Offer("hex dump", units)
