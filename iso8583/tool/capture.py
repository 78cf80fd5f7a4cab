"""Captures of the network: pcap and pcapng in either byte order, TCP put together again, and pcap written back.

Only TCP is of interest. A direction of a connection becomes one or more `Flow`s: bytes without a gap, in the order of
their sequence numbers, whatever order the segments came in and however often they came. Nothing that a capture says
is trusted: every length is checked before it is used, and all work is linear in the size of the file.

Formats: the pcap and pcapng drafts of the IETF's opsawg, link types of tcpdump.org, RFC 791, 8200, 9293.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

PACKET_MAX: Final = 1 << 18  # the largest snapshot length that libpcap writes
PACKETS_MAX: Final = 500_000
SEQUENCE_NUMBERS: Final = 1 << 32

_CLASSIC: Final[Mapping[bytes, tuple[str, int]]] = {  # magic -> byte order, nanoseconds per unit of its clock
    bytes.fromhex("A1B2C3D4"): (">", 1000),
    bytes.fromhex("D4C3B2A1"): ("<", 1000),
    bytes.fromhex("A1B23C4D"): (">", 1),
    bytes.fromhex("4D3CB2A1"): ("<", 1),
}
_SECTION: Final = bytes.fromhex("0A0D0D0A")
_SECTION_ORDERS: Final = {bytes.fromhex("1A2B3C4D"): ">", bytes.fromhex("4D3C2B1A"): "<"}
CAPTURE_MAGICS: Final = frozenset({*_CLASSIC, _SECTION})

_RAW_LINK: Final = 101
# Link type -> bytes in front of the IP packet, and where among them the EtherType stands (None: the packet says it).
_LINKS: Final[Mapping[int, tuple[int, int | None]]] = {
    0: (4, None), 1: (14, 12), 12: (0, None), 101: (0, None), 108: (4, None), 113: (16, 14), 228: (0, None),
    229: (0, None), 276: (20, 0),
}  # fmt: skip
_VLAN: Final = {b"\x81\x00", b"\x88\xa8"}
_IP: Final = {b"\x08\x00", b"\x86\xdd"}
_TCP: Final = 6
_IPV6_EXTENSIONS: Final = {0, 43, 60}
_SYN: Final = 0x02


class CaptureError(ValueError):
    """A capture that is none. Its text says what is wrong, in both languages, and nothing of what is in it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP packet, from its IP header on.

    Attributes:
        time_ns: when it was captured, since 1970.
        head: IP and TCP header.
        payload: what TCP carries in it.
        ends: source address and port, destination address and port, packed.
        sequence: the sequence number of the first byte of `payload`.
        opens: it begins a connection (SYN).
    """

    time_ns: int
    head: bytes
    payload: bytes
    ends: tuple[bytes, int, bytes, int]
    sequence: int
    opens: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """What is in a file: its TCP segments, how many packets are something else, and what is wrong with the file."""

    segments: tuple[Segment, ...]
    others: int
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """Bytes that one end sent the other without a gap.

    Attributes:
        name: ``"10.0.0.1:40000 -> 10.0.0.2:9700"``.
        data: the bytes.
        pieces: (number of the segment in the capture, where its payload begins in `data`).
    """

    name: str
    data: bytes
    pieces: tuple[tuple[int, int], ...]


def read_capture(data: bytes) -> Capture:
    """The TCP segments of a pcap or pcapng file.

    A file that ends in the middle of a packet, as one does whose writer was killed, is read up to there.

    Raises:
        CaptureError: it is no capture, of an unknown kind, broken, or too long.
    """
    frames = _pcapng_frames(data) if data[:4] == _SECTION else _classic_frames(data)
    segments: list[Segment] = []
    others = 0
    warning = ""
    try:
        for time_ns, link, frame in frames:
            segment = _segment(time_ns, link, frame)
            if segment is None:
                others += 1
            else:
                segments.append(segment)
            if len(segments) + others > PACKETS_MAX:
                raise CaptureError(f"抓包超过 {PACKETS_MAX} 个分组 / The capture has more than {PACKETS_MAX} packets.")
    except _CutOffError:
        if not segments:
            raise CaptureError("抓包文件不完整 / The capture ends in the middle of its first packet.") from None
        count = len(segments) + others
        warning = (
            f"抓包在第 {count + 1} 个分组处中断 / The capture is cut off in packet {count + 1}; all before it is read."
        )
    return Capture(tuple(segments), others, warning)


class _CutOffError(Exception):
    """The file ends before what it announced."""


def _take(data: bytes, at: int, count: int) -> bytes:
    chunk = data[at : at + count]
    if len(chunk) < count:
        raise _CutOffError
    return chunk


def _classic_frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    order, tick_ns = _CLASSIC.get(data[:4], ("", 0))
    if not order:
        raise CaptureError("不是 pcap 文件 / This is no pcap or pcapng file.")
    link = struct.unpack(f"{order}I", _take(data, 20, 4))[0] & 0xFFFF
    _check_link(link)
    at = 24
    while at < len(data):
        seconds, fraction, kept, _length = struct.unpack(f"{order}4I", _take(data, at, 16))
        _check_size(kept)
        yield seconds * 1_000_000_000 + fraction * tick_ns, link, _take(data, at + 16, kept)
        at += 16 + kept


def _check_link(link: int) -> None:
    if link not in _LINKS:
        known = "Ethernet, Linux cooked, loopback, raw IP"
        raise CaptureError(f"不支持的链路类型 {link} / Link type {link} is not one that can be read ({known}).")


def _check_size(size: int) -> None:
    if size > PACKET_MAX:
        raise CaptureError("抓包文件已损坏 / The capture is broken: a packet in it says that it is over 256 KiB long.")


def _pcapng_frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    order = ""
    interfaces: list[tuple[int, int]] = []  # link type, ticks of the clock per second
    at = 0
    while at < len(data):
        if _take(data, at, 12)[:4] == _SECTION:
            order = _SECTION_ORDERS.get(data[at + 8 : at + 12], "")
            interfaces = []
        if not order:
            raise CaptureError("pcapng 字节序标记无效 / The capture is broken: its byte order mark is none.")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if size < 12 or size % 4:
            raise CaptureError("抓包文件已损坏 / The capture is broken: a block in it has an impossible length.")
        body = _take(data, at, size)[8:-4]
        if kind == 1:
            interfaces.append(_interface(body, order))
        elif kind in {2, 3, 6}:
            yield _pcapng_packet(kind, body, order, interfaces)
        at += size


def _interface(body: bytes, order: str) -> tuple[int, int]:
    if len(body) < 8:
        raise CaptureError("抓包文件已损坏 / The capture is broken: a description of an interface is cut short.")
    link = struct.unpack_from(f"{order}H", body)[0]
    _check_link(link)
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, at)
        if code == 9 and size == 1 and at + 4 < len(body):
            exponent = body[at + 4]
            return link, 1 << (exponent & 0x3F) if exponent & 0x80 else 10 ** min(exponent, 18)
        if code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return link, 1_000_000


def _pcapng_packet(kind: int, body: bytes, order: str, interfaces: Sequence[tuple[int, int]]) -> tuple[int, int, bytes]:
    number = ticks = 0
    if kind == 3:  # a simple packet: no time, the first interface
        start, kept = 4, len(body) - 4
        if len(body) >= 4:
            kept = min(kept, struct.unpack_from(f"{order}I", body)[0])
    elif len(body) >= 20:
        first, high, low, kept = struct.unpack_from(f"{order}4I", body)
        number = first if kind == 6 else struct.unpack_from(f"{order}H", body)[0]
        start, ticks = 20, high << 32 | low
    else:
        start = kept = -1
    if start < 0 or kept < 0 or start + kept > len(body) or number >= len(interfaces):
        raise CaptureError(
            "抓包文件已损坏 / The capture is broken: a packet in it does not fit its block or interface."
        )
    _check_size(kept)
    link, per_second = interfaces[number]
    return ticks * 1_000_000_000 // per_second, link, body[start : start + kept]


# --- from the frame to the segment -----------------------------------------------------------------------------------


def _segment(time_ns: int, link: int, frame: bytes) -> Segment | None:
    """The TCP segment in a frame; None if there is none, or only a fragment of one."""
    start, type_at = _LINKS[link]
    if type_at is not None:
        kind = frame[type_at : type_at + 2]
        while kind in _VLAN:
            kind, start = frame[start + 2 : start + 4], start + 4
        if kind not in _IP:
            return None
    packet = frame[start:]
    match packet[0] >> 4 if packet else 0:
        case 4:
            found = _ipv4(packet)
        case 6:
            found = _ipv6(packet)
        case _:
            found = None
    if found is None:
        return None
    source, target, at, end = found
    tcp = packet[at:end]
    if len(tcp) < 20 or not 20 <= (length := (tcp[12] >> 4) * 4) <= len(tcp):
        return None
    source_port, target_port, sequence = struct.unpack_from(">HHI", tcp)
    opens = bool(tcp[13] & _SYN)
    ends = (source, source_port, target, target_port)
    first = (sequence + opens) % SEQUENCE_NUMBERS
    return Segment(time_ns, packet[: at + length], tcp[length:], ends, first, opens)


def _ipv4(packet: bytes) -> tuple[bytes, bytes, int, int] | None:
    """Source, destination, and where the TCP segment begins and ends."""
    if len(packet) < 20:
        return None
    at = (packet[0] & 15) * 4
    total, fragment = struct.unpack_from(">2xH2xH", packet)
    if packet[9] != _TCP or fragment & 0x3FFF or at < 20:
        return None
    # A length of zero: the network card cut the packet up after the capture saw it.
    return packet[12:16], packet[16:20], at, min(total, len(packet)) or len(packet)


def _ipv6(packet: bytes) -> tuple[bytes, bytes, int, int] | None:
    if len(packet) < 40:
        return None
    length, following = struct.unpack_from(">4xHB", packet)
    at = 40
    while following in _IPV6_EXTENSIONS and at + 2 <= len(packet):
        following, at = packet[at], at + 8 + packet[at + 1] * 8
    if following != _TCP:
        return None
    return packet[8:24], packet[24:40], at, min(40 + length, len(packet)) if length else len(packet)


# --- from segments to what was sent ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Direction:
    """What one end sends on one connection: (place, number in the capture, segment), places counted from `base`."""

    base: int
    from_the_start: bool
    held: list[tuple[int, int, Segment]]

    def take(self, number: int, segment: Segment) -> None:
        distance = (segment.sequence - self.base) % SEQUENCE_NUMBERS
        place = distance - SEQUENCE_NUMBERS if distance >= SEQUENCE_NUMBERS // 2 else distance
        if segment.payload and (place >= 0 or not self.from_the_start):
            self.held.append((place, number, segment))


def flows(segments: Iterable[Segment]) -> list[Flow]:
    """What each end of each connection sent, in the order in which they began."""
    directions: list[_Direction] = []
    open_now: dict[tuple[bytes, int, bytes, int], _Direction] = {}
    for number, segment in enumerate(segments):
        direction = open_now.get(segment.ends)
        if direction is None or (segment.opens and segment.sequence != direction.base):
            direction = open_now[segment.ends] = _Direction(segment.sequence, segment.opens, [])
            directions.append(direction)
        direction.take(number, segment)
    return [flow for direction in directions for flow in _joined(direction.held)]


def _joined(held: list[tuple[int, int, Segment]]) -> Iterator[Flow]:
    """The segments of one direction as runs without a gap. Bytes that came twice are those of the earlier place."""
    data = bytearray()
    pieces: list[tuple[int, int]] = []
    start = end = 0
    for place, number, segment in sorted(held, key=lambda row: row[:2]):
        if pieces and place > end:
            yield Flow(_named(segment), bytes(data), tuple(pieces))
            data, pieces = bytearray(), []
        if not pieces:
            start = end = place
        pieces.append((number, place - start))
        data += segment.payload[end - place :]
        end = max(end, place + len(segment.payload))
    if pieces:
        yield Flow(_named(held[0][2]), bytes(data), tuple(pieces))


def _named(segment: Segment) -> str:
    source, source_port, target, target_port = segment.ends
    return f"{_end(source, source_port)} -> {_end(target, target_port)}"


def _end(address: bytes, port: int) -> str:
    written = str(ip_address(address))
    return f"[{written}]:{port}" if ":" in written else f"{written}:{port}"


# --- and back --------------------------------------------------------------------------------------------------------


def with_payloads(capture: Capture, changed: Iterable[tuple[Flow, bytes]]) -> Capture:
    """The capture with other bytes in its flows, each as many as before. What no flow covers becomes zeros."""
    payloads = [bytes(len(segment.payload)) for segment in capture.segments]
    for flow, data in changed:
        for number, at in flow.pieces:
            payloads[number] = data[at : at + len(payloads[number])]
    pairs = zip(capture.segments, payloads, strict=True)
    return replace(capture, segments=tuple(replace(segment, payload=payload) for segment, payload in pairs))


def write_capture(capture: Capture) -> bytes:
    """The TCP segments as a pcap file of raw IP packets, times in nanoseconds, checksums made anew."""
    parts = [bytes.fromhex("A1B23C4D"), struct.pack(">HHiIII", 2, 4, 0, 0, PACKET_MAX, _RAW_LINK)]
    for segment in capture.segments:
        packet = _sealed(segment)
        seconds, nanoseconds = divmod(segment.time_ns, 1_000_000_000)
        parts += [struct.pack(">4I", seconds & 0xFFFFFFFF, nanoseconds, len(packet), len(packet)), packet]
    return b"".join(parts)


def _sealed(segment: Segment) -> bytes:
    """The packet, with the TCP checksum that its payload needs (RFC 9293, 3.1)."""
    source, _, target, _ = segment.ends
    version_6 = len(source) == 16
    head = bytearray(segment.head)
    at = _ipv6_tcp_at(segment.head) if version_6 else (head[0] & 15) * 4
    head[at + 16 : at + 18] = b"\0\0"
    tcp = bytes(head[at:]) + segment.payload
    pseudo = source + target + struct.pack(">IHBB" if version_6 else ">BBH", *_pseudo_tail(version_6, len(tcp)))
    head[at + 16 : at + 18] = _checksum(pseudo + tcp).to_bytes(2, "big")
    return bytes(head) + segment.payload


def _pseudo_tail(version_6: bool, length: int) -> tuple[int, ...]:
    return (length, 0, 0, _TCP) if version_6 else (0, _TCP, length & 0xFFFF)


def _ipv6_tcp_at(head: bytes) -> int:
    found = _ipv6(head)
    return found[2] if found else 40


def _checksum(data: bytes) -> int:
    words = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
