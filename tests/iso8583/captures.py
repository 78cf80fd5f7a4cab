"""Captures made by hand, byte by byte as their specifications say, and none of it with the code under test."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

TERMINAL, HOST = (bytes([10, 0, 0, 1]), 40000), (bytes([10, 0, 0, 2]), 9700)

SYN, ACK, PSH = 0x02, 0x10, 0x08


def tcp(
    payload: bytes,
    sequence: int,
    *,
    flags: int = ACK | PSH,
    back: bool = False,
    options: bytes = b"",
    six: bool = False,
) -> bytes:
    """An IP packet with a TCP segment, from the terminal to the host or `back`."""
    (source, source_port), (target, target_port) = (HOST, TERMINAL) if back else (TERMINAL, HOST)
    offset = (20 + len(options)) // 4 << 4
    segment = struct.pack(">HHIIBBHHH", source_port, target_port, sequence % 2**32, 1, offset, flags, 8192, 0, 0)
    segment += options + payload
    if six:
        return (
            struct.pack(">IHBB", 6 << 28, len(segment), 6, 64)
            + source.rjust(16, b"\0")
            + target.rjust(16, b"\0")
            + segment
        )
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, 6, 0) + source + target + segment


def ethernet(packet: bytes, *, vlan: bool = False) -> bytes:
    """The packet in an Ethernet frame, padded as short ones are."""
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    tag = b"\x81\x00\x00\x05" if vlan else b""
    return (bytes(12) + tag + kind + packet).ljust(60, b"\0")


def pcap(frames: Iterable[bytes], *, order: str = "<", link: int = 1, nanoseconds: bool = False) -> bytes:
    """A classic capture."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    rows = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for number, frame in enumerate(frames):
        rows += [struct.pack(f"{order}4I", 1_700_000_000 + number, 5, len(frame), len(frame)), frame]
    return b"".join(rows)


def pcapng(frames: Sequence[bytes], *, order: str = "<", link: int = 1) -> bytes:
    """A capture of the next generation: section, a comment nobody knows, one interface, enhanced and simple packets."""
    interface = struct.pack(f"{order}HHI", link, 0, 65535) + struct.pack(f"{order}HHB3xHH", 9, 1, 9, 0, 0)
    blocks = [
        _block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order),
        _block(0x0BAD, b"??", order),
        _block(1, interface, order),
    ]
    for number, frame in enumerate(frames):
        if number % 2:
            blocks.append(_block(3, struct.pack(f"{order}I", len(frame)) + frame, order))
        else:
            head = struct.pack(f"{order}5I", 0, 0x17000000, number, len(frame), len(frame))
            blocks.append(_block(6, head + frame, order))
    return b"".join(blocks)


def _block(kind: int, body: bytes, order: str) -> bytes:
    body = body.ljust((len(body) + 3) // 4 * 4, b"\0")
    size = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + size + body + size


def conversation(requests: bytes, answers: bytes, *, piece: int = 40, six: bool = False) -> list[bytes]:
    """IP packets of a connection: both directions in small segments, out of order, some of them twice."""
    first, second = 0xFFFFFFF0, 500  # the first wraps round
    packets = [tcp(b"", first - 1, flags=SYN, options=b"\x02\x04\x05\xb4", six=six)]
    packets.append(tcp(b"", second - 1, flags=SYN | ACK, back=True, six=six))
    for data, start, back in ((requests, first, False), (answers, second, True)):
        there = [tcp(data[at : at + piece], start + at, back=back, six=six) for at in range(0, len(data), piece)]
        there[1:3] = reversed(there[1:3])
        packets += [*there, *there[2:4]]  # some repeated, and two keep-alives
        packets += [tcp(b"\0", place - 1, back=back, six=six) for place in (start, start + len(data))]
    return packets
